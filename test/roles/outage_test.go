package roles

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/bus/bustest"
	"virga/core/db/dbtest"
)

// load orders servers by way of two processes in turns until it is stopped.
type load struct {
	refused, acknowledged atomic.Int64

	mu  sync.Mutex
	ids []string
}

func (l *load) run(c *client, w world, processes []*process, stop <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		status, header, text := c.at(processes[i%len(processes)]).ask("POST", "/compute/v2.1/servers", w.server(fmt.Sprint("s", i)))
		switch {
		case status == http.StatusAccepted:
			var answer struct{ Server struct{ ID string } }
			if err := json.Unmarshal(text, &answer); err != nil {
				c.t.Error(err)
			}
			l.mu.Lock()
			l.ids = append(l.ids, answer.Server.ID)
			l.mu.Unlock()
			l.acknowledged.Add(1)
		case status == http.StatusServiceUnavailable && header.Get("Retry-After") != "":
			l.refused.Add(1)
		default:
			c.t.Errorf("an order is answered %d %s", status, text)
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// TestACloudOutlivesItsServers takes away the broker, then the database, from two controllers
// and a node at work: orders are answered 503 or taken, and what was taken gets done, without
// a restart.
func TestACloudOutlivesItsServers(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		bustest.EachOwn(t, func(t *testing.T, broker *bustest.Broker) {
			database := dbtest.Own(t, engine)
			f := &fleet{t: t, binary: virga(t), database: database.URL(t), bus: broker.URL()}
			first := f.start("first", "api,conductor,scheduler")
			second := f.start("second", "api:identity,api:compute,api:network,conductor,scheduler")
			f.start("host", "node")
			c := first.login()
			await(t, time.Minute, "the host is there", func() bool {
				return len(c.list("/compute/v2.1/os-hypervisors", "hypervisors")) == 1
			})
			w := furnish(c)
			var l load
			stop := make(chan struct{})
			var working sync.WaitGroup
			working.Go(func() { l.run(c, w, []*process{first, second}, stop) })
			more := func(what string, count *atomic.Int64, by int64) {
				t.Helper()
				goal := count.Load() + by
				await(t, time.Minute, what, func() bool { return count.Load() >= goal })
			}
			more("servers are ordered", &l.acknowledged, 5)
			broker.Stop(t)
			more("servers are ordered without a broker", &l.acknowledged, 50)
			broker.Start(t)
			more("servers are ordered with a broker again", &l.acknowledged, 5)
			before := l.refused.Load()
			database.Stop(t)
			more("orders are refused without a database", &l.refused, 100)
			database.Start(t)
			more("servers are ordered with a database again", &l.acknowledged, 5)
			close(stop)
			working.Wait()
			t.Logf("%d orders taken, %d refused, %d of them without a broker", l.acknowledged.Load(), l.refused.Load(), before)
			servers := c.list("/compute/v2.1/servers?limit=1000", "servers")
			there := map[string]bool{}
			for _, s := range servers {
				there[s["id"].(string)] = true
			}
			for _, id := range l.ids {
				if !there[id] {
					t.Errorf("server %s was acknowledged and is lost", id)
				}
			}
			settled(c, 3*time.Minute, len(servers))
			for id := range there {
				c.at(second).must("DELETE", "/compute/v2.1/servers/"+id, nil)
			}
			vanished(c, w)
		})
	})
}
