//go:build crash

package crash

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"virga/core/db/dbtest"
)

// TestDatabaseGoesAway takes the database from a cloud at work, three times and in three ways: its connections break at
// random for a while, in the middle of commits, too; its server is killed and back at once; it is away for OUTAGE seconds.
// Every request has an answer; what is not done is answered with 503; and afterwards the same process goes on.
func TestDatabaseGoesAway(t *testing.T) {
	away, number := time.Duration(setting(t, "OUTAGE", 10))*time.Second, setting(t, "ACTORS", 5)
	seed := uint64(setting(t, "SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("SEED=%d OUTAGE=%s ACTORS=%d", seed, away, number)
	for _, engine := range engines(t) {
		if engine != "sqlite" {
			t.Run(engine, func(t *testing.T) { lose(t, engine, away, number, seed) })
		}
	}
}

// cuts is how long connections break.
const cuts = 6 * time.Second

func lose(t *testing.T, engine string, away time.Duration, number int, seed uint64) {
	c := newCloud(t, engine)
	c.outages = 1 // what the log says of it is no bug
	c.lag = time.Second
	tr := &trial{T: t, cloud: c, count: &counters{}, problems: &problems{}}
	tr.furnish(number, seed)
	stop := tr.work()
	phase := func(what string, during func()) {
		before, made := tr.count.later.Load(), tr.count.made.Load()
		during()
		t.Logf("%s: %d requests were answered 503, %d servers made", what, tr.count.later.Load()-before, tr.count.made.Load()-made)
	}
	tr.ok(c.live(2 * time.Second))
	phase("connections break", func() {
		broken := breakConnections(c.wire, seed)
		tr.ok(c.live(cuts))
		if n := broken(); n < 20 {
			t.Errorf("only %d connections broke", n)
		}
	})
	phase("the server is killed", func() {
		c.database.Kill(t)
		c.database.Start(t)
		tr.ok(c.awaitReady())
		tr.ok(c.live(time.Second))
	})
	before := tr.count.later.Load()
	phase("the server is away", func() {
		c.database.Stop(t)
		tr.ok(c.live(away))
		if answer, err := http.Get("http://" + c.address + "/readyz"); err != nil || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("without its database the cloud says that it is ready: %v, %v", answer, err)
		}
		c.database.Start(t)
	})
	if tr.count.later.Load() == before {
		t.Error("no request met a database that is away")
	}
	phase("the server is back", func() {
		tr.ok(c.awaitReady())
		tr.ok(c.live(2 * time.Second))
	})
	stop()
	t.Log(tr.count)
	if n := tr.count.unknown.Load() + tr.count.refused.Load(); n > 0 {
		t.Errorf("%d requests had no answer", n)
	}
	tr.end()
}

// breakConnections has connections to the database break, before, behind and between what is sent, commits above all;
// broken ends that and tells how many did.
func breakConnections(wire *dbtest.Proxy, seed uint64) (broken func() int) {
	var mu sync.Mutex
	count := 0
	chance := rand.New(rand.NewPCG(seed, 1000))
	wire.Judge(func(sent []byte) dbtest.Verdict {
		mu.Lock()
		defer mu.Unlock()
		often := 150
		if bytes.Contains(bytes.ToLower(sent), []byte("commit")) {
			often = 25
		}
		if chance.IntN(often) > 0 {
			return dbtest.Pass
		}
		count++
		return []dbtest.Verdict{dbtest.CutBefore, dbtest.CutAfter, dbtest.CutBehind}[chance.IntN(3)]
	})
	return func() int {
		wire.Judge(nil)
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}
