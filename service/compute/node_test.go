package compute_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"virga/core/token"
	"virga/service/compute/orders"
)

// node is a node agent over guests that are only remembered.
type node struct {
	// telling keeps the reports of the host in order.
	telling sync.Mutex
	rig     *rig
	name    string
	mu      sync.Mutex
	// guests are those of which something is on the host.
	guests map[string]orders.GuestOrder
	power  map[string]int
	// disks are what the guests have written, which goes with them to another host.
	disks  map[string]string
	reboot map[string]int64
	// images are what the host has in its cache; it never gets the broken one there.
	images map[string]bool
	broken string
	// fail, if set, says why an order cannot be carried out.
	fail func(order orders.GuestOrder) *orders.Error
	// deeds are the questions about guests that were answered well; refusal, if set, is how all are answered.
	deeds   []string
	refusal string
	// orders counts the orders seen that are not settled.
	orders []orders.GuestOrder
	since  int64
	facts  orders.Host
	stop   func()
}

// startNode registers a host and has its agent work until the test ends or stop is called.
func (r *rig) startNode(name string, memoryMiB int64) *node {
	r.t.Helper()
	n := &node{rig: r, name: name, guests: map[string]orders.GuestOrder{}, power: map[string]int{}, disks: map[string]string{}, reboot: map[string]int64{}, images: map[string]bool{},
		facts: orders.Host{HostName: name + ".example", HypervisorType: "fake", HypervisorVersion: 1000, VCPUs: 1 << 20, MemoryMiB: memoryMiB, LocalGiB: 1 << 20,
			HostIP: "192.0.2.7", TransferURL: "http://" + name, CPU: orders.CPU{Arch: "x86_64", Model: "test"}, Virt: orders.Virt{Kind: "fake"}, UptimeSeconds: 90_000}}
	r.mu.Lock()
	if r.nodes == nil {
		r.nodes = map[string]*node{}
	}
	r.nodes[name] = n
	r.mu.Unlock()
	n.heartbeat()
	r.waitFor("the provider of "+name, func() bool {
		r.world.mu.Lock()
		defer r.world.mu.Unlock()
		for _, p := range r.world.providers {
			if p.name == n.facts.HostName {
				return true
			}
		}
		return false
	})
	n.run()
	return n
}

func (n *node) identity() *token.Identity {
	return &token.Identity{UserID: "node:" + n.name, Roles: []token.Role{{Name: "node"}}}
}

func (n *node) call(method, path string, in, out any) int {
	body, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	r, err := http.NewRequestWithContext(token.WithIdentity(context.Background(), n.identity()), method, "http://cloud/compute"+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	response, err := n.rig.local().Do(r)
	if err != nil {
		panic(err)
	}
	defer func() { _ = response.Body.Close() }()
	if out != nil && response.StatusCode == 200 {
		if err := json.NewDecoder(response.Body).Decode(out); err != nil {
			panic(err)
		}
	}
	return response.StatusCode
}

func (n *node) heartbeat() {
	if status := n.call("PUT", "/internal/hosts/"+n.name, n.facts, nil); status != 204 {
		panic(fmt.Sprintf("heartbeat of %s: status %d", n.name, status))
	}
}

// beat gives a sign of life and returns when the next one is due.
func (n *node) beat() time.Duration {
	var answer orders.AliveAnswer
	if status := n.call("PUT", "/internal/hosts/"+n.name+"/alive", orders.Alive{}, &answer); status != 200 || answer.Report {
		n.heartbeat()
		return 0
	}
	return time.Duration(answer.NextMilliseconds) * time.Millisecond
}

func (n *node) run() {
	ctx, cancel := context.WithCancel(context.Background())
	bell := n.rig.bus.Listen(orders.Topic(n.name))
	stopServing := n.rig.bus.Serve(orders.Topic(n.name), n.answer)
	var done sync.WaitGroup
	done.Go(func() {
		for next := time.Now(); ; {
			if time.Now().After(next) {
				next = time.Now().Add(n.beat())
			}
			n.once()
			select {
			case <-ctx.Done():
				return
			case <-bell.C:
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	n.stop = func() { cancel(); done.Wait(); bell.Close(); stopServing() }
	n.rig.t.Cleanup(n.stop)
}

func (n *node) answer(_ context.Context, question string, body []byte) ([]byte, error) {
	switch question {
	case orders.QuestionPassword, orders.QuestionNMI, orders.QuestionDiagnostics:
		return n.deed(question, body)
	}
	var q orders.ConsoleQuestion
	if err := json.Unmarshal(body, &q); err != nil || question != orders.QuestionConsole {
		return nil, errors.New("what?")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, there := n.guests[q.ServerID]; !there {
		return nil, errors.New(orders.ErrNoGuest)
	}
	return []byte("one\x00\ntwo\nthree\n"), nil
}

// once carries out what changed since the last time.
func (n *node) once() {
	var list orders.GuestList
	if n.call("GET", fmt.Sprintf("/internal/hosts/%s/guests?since=%d", n.name, n.since), nil, &list) != 200 {
		return
	}
	for _, order := range list.Guests {
		if order.Settled {
			continue
		}
		disk, err := n.fetch(order)
		if err != nil {
			n.since = 0 // look at all again, soon
			time.AfterFunc(5*time.Millisecond, func() { n.rig.bus.Ring(orders.Topic(n.name)) })
			return
		}
		report := n.carryOut(order, disk)
		n.say(order.ServerID, report, report) // repeats are harmless
	}
	for _, order := range list.Caches {
		n.cacheImages(order)
	}
	n.since = list.Generation
}

// cacheImages brings images to the host, the broken one excepted.
func (n *node) cacheImages(order orders.CacheOrder) {
	report := orders.CacheReport{Images: map[string]orders.CacheStatus{}, Errors: map[string]string{}}
	n.mu.Lock()
	for _, image := range order.Images {
		switch {
		case image.ID == n.broken:
			report.Images[image.ID], report.Errors[image.ID] = orders.CacheFailed, "It is broken."
		case n.images[image.ID]:
			report.Images[image.ID] = orders.CacheExisting
		default:
			report.Images[image.ID], n.images[image.ID] = orders.CacheDone, true
		}
	}
	n.mu.Unlock()
	for range 2 { // repeats are harmless
		n.call("PUT", "/internal/hosts/"+n.name+"/caches/"+order.ID, report, nil)
	}
}

// say sends reports of a guest, and nobody's in between.
func (n *node) say(serverID string, reports ...orders.Report) {
	n.telling.Lock()
	defer n.telling.Unlock()
	for _, report := range reports {
		n.call("PUT", "/internal/hosts/"+n.name+"/guests/"+serverID, report, nil)
	}
}

// fetch returns the guest's disk: what is here, or what the host has that the order names.
func (n *node) fetch(order orders.GuestOrder) (string, error) {
	n.mu.Lock()
	disk, there := n.disks[order.ServerID]
	n.mu.Unlock()
	switch {
	case there:
		return disk, nil
	case order.Receive == nil:
		return "disk of " + order.ServerID, nil
	}
	n.rig.mu.Lock()
	source := n.rig.nodes[order.Receive.FromHost]
	n.rig.mu.Unlock()
	source.mu.Lock()
	defer source.mu.Unlock()
	sum := sha256.Sum256([]byte(order.Receive.Secret))
	held := source.guests[order.ServerID]
	if held.Desired != orders.Stopped || held.Send == nil || held.Send.ToHost != n.name || held.Send.SecretSHA256 != hex.EncodeToString(sum[:]) ||
		order.Receive.URL != source.facts.TransferURL {
		return "", errors.New("the source does not send")
	}
	return source.disks[order.ServerID], nil
}

func (n *node) carryOut(order orders.GuestOrder, disk string) orders.Report {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.orders = append(n.orders, order)
	report := orders.Report{Generation: order.Generation, State: orders.State(order.Desired), RebootDone: n.reboot[order.ServerID]}
	if n.fail != nil {
		if e := n.fail(order); e != nil {
			report.State, report.Error = orders.StateFailed, e
			return report
		}
	}
	if order.Desired == orders.Absent {
		delete(n.guests, order.ServerID)
		delete(n.disks, order.ServerID)
		return report
	}
	n.guests[order.ServerID], n.disks[order.ServerID] = order, disk
	report.PowerState = map[orders.Desired]int{orders.Running: 1, orders.Stopped: 4, orders.Paused: 3, orders.Suspended: 4, orders.Rescued: 1}[order.Desired]
	if order.Reboot != nil {
		n.reboot[order.ServerID] = order.Reboot.Seq
		report.RebootDone = order.Reboot.Seq
	}
	return report
}

// list tells which guests are on the host, as a set.
func (n *node) list() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	found := map[string]bool{}
	for id := range n.guests {
		found["guest "+id+" on "+n.name] = true
	}
	return found
}

func (n *node) setFail(fail func(order orders.GuestOrder) *orders.Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = fail
}

func (n *node) lastOrder(t *testing.T, serverID string) orders.GuestOrder {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := len(n.orders) - 1; i >= 0; i-- {
		if n.orders[i].ServerID == serverID {
			return n.orders[i]
		}
	}
	t.Fatalf("host %s has no order for server %s", n.name, serverID)
	return orders.GuestOrder{}
}

// TestSignsOfLifeReachTheDatabase has os-services tell that a host is there, from signs of
// life alone, and that it left.
func TestSignsOfLifeReachTheDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.startNode("host1", 4096)
	service := func(field string) string {
		return r.do(admin(), latest, "GET", "/v2.1/os-services", "").want(200, "").str("services", 0, field)
	}
	first := service("updated_at")
	r.waitFor("a later time of update", func() bool { return service("updated_at") > first })
	if service("state") != "up" {
		t.Error("the host is down")
	}
	n.stop()
	if status := n.call("PUT", "/internal/hosts/host1/alive", orders.Alive{Leaving: true}, nil); status != 200 {
		t.Fatalf("leaving: status %d", status)
	}
	if service("state") != "down" {
		t.Error("a host that left is up")
	}
	var answer orders.AliveAnswer
	other := &node{rig: r, name: "stranger"}
	if status := other.call("PUT", "/internal/hosts/stranger/alive", orders.Alive{}, &answer); status != 200 || !answer.Report {
		t.Errorf("a host that nobody knows: status %d, %+v", status, answer)
	}
}
