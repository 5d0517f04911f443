package agent_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/clock"
	"virga/service/compute/agent"
	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

const (
	host     = "node1"
	server   = "7d3a0a5e-9f0b-4bb4-8ff7-2d0f5e7a1c11"
	imageID  = "11111111-9f0b-4bb4-8ff7-2d0f5e7a1c11"
	waitTime = 10 * time.Second
)

var content = []byte("an image")

// controller keeps orders and reports in memory.
type controller struct {
	mu         sync.Mutex
	generation int64
	orders     map[string]orders.GuestOrder
	changed    map[string]int64
	reports    []orders.Report
	alive      chan struct{}
	refuse     error
	// unknown is a server whose reports are refused, each of them noted in refusals.
	unknown  string
	refusals chan struct{}
	// during runs while a report is being delivered.
	during       func()
	came         chan struct{}
	caches       []orders.CacheOrder
	cacheReports map[string]orders.CacheReport
	// signs counts signs of life; left says that the agent told that it ends.
	signs int
	left  bool
}

func (c *controller) ReportHost(context.Context, string, orders.Host) error {
	select {
	case c.alive <- struct{}{}:
	default:
	}
	return nil
}

func (c *controller) Alive(_ context.Context, _ string, sign orders.Alive) (orders.AliveAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sign.Leaving {
		c.left = true
		return orders.AliveAnswer{}, nil
	}
	c.signs++
	return orders.AliveAnswer{Generation: c.generation, NextMilliseconds: 50}, nil
}

func (c *controller) Guests(_ context.Context, _ string, since int64) (orders.GuestList, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := orders.GuestList{Generation: c.generation}
	for id, order := range c.orders {
		if c.changed[id] > since {
			list.Guests = append(list.Guests, order)
		}
	}
	for _, order := range c.caches {
		if order.Generation > since {
			list.Caches = append(list.Caches, order)
		}
	}
	return list, c.refuse
}

func (c *controller) ReportCache(_ context.Context, _, cacheID string, report orders.CacheReport) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cacheReports == nil {
		c.cacheReports = map[string]orders.CacheReport{}
	}
	c.cacheReports[cacheID] = report
	select {
	case c.came <- struct{}{}:
	default:
	}
	return c.refuse
}

func (c *controller) holdReports(during func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.during = during
}

func (c *controller) ReportGuest(_ context.Context, _, serverID string, report orders.Report) error {
	c.mu.Lock()
	during := c.during
	c.mu.Unlock()
	if during != nil {
		during()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return c.refuse
	}
	if serverID == c.unknown {
		c.refusals <- struct{}{}
		return &api.StatusError{Status: 404}
	}
	c.reports = append(c.reports, report)
	select {
	case c.came <- struct{}{}:
	default:
	}
	return nil
}

// images serves one image and counts how often it is asked for.
type images struct {
	mu     sync.Mutex
	opened int
	// deleted says that the image service has the image no more.
	deleted bool
}

func (i *images) Open(_ context.Context, id string) (io.ReadCloser, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.opened++
	if id != imageID || i.deleted {
		return nil, fmt.Errorf("open %s: %w", id, agent.ErrNoImage)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

type rig struct {
	t          *testing.T
	bus        *bus.Local
	controller *controller
	images     *images
	driver     *fake.Driver
	options    fake.Options
	// name is the host's; others fetch disks from it over the exchange, it fetches by transfers.
	name      string
	exchange  *agent.Exchange
	transfers http.RoundTripper
	resume    bool // the agent's ResumeGuests
	stop      func()
}

func newRig(t *testing.T, options fake.Options) *rig {
	t.Helper()
	return newRigAt(t, host, options, &agent.Exchange{})
}

func newRigAt(t *testing.T, name string, options fake.Options, exchange *agent.Exchange) *rig {
	t.Helper()
	options.Clock, options.Dir = clock.System{}, t.TempDir()
	r := &rig{t: t, name: name, exchange: exchange, transfers: exchange.Client(name).Transport, bus: bus.NewLocal(), images: &images{}, options: options,
		controller: &controller{orders: map[string]orders.GuestOrder{}, changed: map[string]int64{}, came: make(chan struct{}, 1),
			alive: make(chan struct{}, 1), refusals: make(chan struct{}, 1000)}}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

// start begins a new life of the agent and its driver.
func (r *rig) start() {
	r.t.Helper()
	driver, err := fake.New(r.options)
	if err != nil {
		r.t.Fatal(err)
	}
	r.driver = driver
	a := agent.New(agent.Config{Host: r.name, Driver: driver, Controller: r.controller, Images: r.images, Bus: r.bus, Log: slog.New(slog.DiscardHandler),
		TransferURL: r.exchange.URL(r.name), Transfers: &http.Client{Transport: r}, ResumeGuests: r.resume})
	r.exchange.Add(r.name, a)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := errors.Join(<-done, driver.Close()); err != nil {
			r.t.Error(err)
		}
		r.stop = func() {}
	}
}

// RoundTrip is how the host reaches others.
func (r *rig) RoundTrip(request *http.Request) (*http.Response, error) {
	return r.transfers.RoundTrip(request)
}

func (r *rig) order(change func(*orders.GuestOrder)) { r.orderFor(server, change) }

func (r *rig) orderFor(server string, change func(*orders.GuestOrder)) {
	r.controller.mu.Lock()
	o := r.controller.orders[server]
	sum := sha512.Sum512(content)
	o.ServerID, o.Name, o.HostName = server, "vm", "vm"
	o.Flavor = orders.Flavor{VCPUs: 1, MemoryMiB: 64, RootGiB: 1}
	o.Image = &orders.Image{ID: imageID, SHA512: hex.EncodeToString(sum[:]), Size: int64(len(content)), DiskFormat: "raw", VirtualSize: int64(len(content))}
	o.NICs = []orders.NIC{{PortID: imageID, MAC: "fa:16:3e:00:00:01", Tap: "tap1"}}
	r.controller.generation++
	o.Generation, o.Settled = r.controller.generation, false
	change(&o)
	r.controller.orders[server], r.controller.changed[server] = o, r.controller.generation
	r.controller.mu.Unlock()
	r.bus.Ring(orders.Topic(r.name))
}

// until waits for a report that meets the condition.
func (r *rig) until(what string, met func(orders.Report) bool) orders.Report {
	r.t.Helper()
	limit := time.After(waitTime)
	for {
		r.controller.mu.Lock()
		reports := append([]orders.Report{}, r.controller.reports...)
		r.controller.mu.Unlock()
		for _, report := range reports {
			if met(report) {
				return report
			}
		}
		select {
		case <-r.controller.came:
		case <-limit:
			r.t.Fatalf("no report %s in %+v", what, reports)
		}
	}
}

func state(generation int64, s orders.State) func(orders.Report) bool {
	return func(report orders.Report) bool { return report.Generation == generation && report.State == s }
}

func TestGuestFollowsItsOrders(t *testing.T) {
	r := newRig(t, fake.Options{})
	for i, step := range []struct {
		desired orders.Desired
		state   orders.State
		power   int
	}{
		{orders.Prepared, orders.StatePrepared, 0},
		{orders.Running, orders.StateRunning, 1},
		{orders.Stopped, orders.StateStopped, 4},
		{orders.Running, orders.StateRunning, 1},
		{orders.Absent, orders.StateAbsent, 0},
	} {
		r.order(func(o *orders.GuestOrder) {
			o.Desired = step.desired
			o.ConfigDrive = &orders.ConfigDrive{MetaData: []byte("{}")}
		})
		if report := r.until(string(step.desired), state(int64(i+1), step.state)); report.PowerState != step.power {
			t.Errorf("%s: power state %d", step.desired, report.PowerState)
		}
	}
	if left, err := r.driver.ListGuests(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if r.images.opened != 1 {
		t.Errorf("the image was fetched %d times", r.images.opened)
	}
}

func TestRebootIsDoneOnce(t *testing.T) {
	var mu sync.Mutex
	reboots := 0
	r := newRig(t, fake.Options{Faults: func(verb, _ string) fake.Fault {
		mu.Lock()
		defer mu.Unlock()
		if verb == "RebootGuest" {
			reboots++
		}
		return fake.Fault{}
	}})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	r.order(func(o *orders.GuestOrder) { o.Reboot = &orders.Reboot{Seq: 1, Hard: true} })
	r.until("rebooted", func(report orders.Report) bool { return report.RebootDone == 1 })
	r.order(func(o *orders.GuestOrder) { o.Name = "the reboot is still in the order" })
	r.until("next", state(3, orders.StateRunning))
	mu.Lock()
	defer mu.Unlock()
	if reboots != 1 {
		t.Errorf("%d reboots", reboots)
	}
}

func TestMissingTapIsWaitedFor(t *testing.T) {
	var mu sync.Mutex
	there := false
	asked := make(chan struct{}, 100)
	r := newRig(t, fake.Options{DeviceExists: func(string) bool {
		mu.Lock()
		defer mu.Unlock()
		asked <- struct{}{}
		return there
	}})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	<-asked
	<-asked
	mu.Lock()
	there = true
	mu.Unlock()
	r.until("running", state(1, orders.StateRunning))
}

func TestDeleteInterruptsAndWins(t *testing.T) {
	entered := make(chan struct{}, 10)
	r := newRig(t, fake.Options{Faults: func(verb, _ string) fake.Fault {
		if verb == "EnsureGuest" {
			entered <- struct{}{}
			return fake.Fault{Delay: time.Hour}
		}
		return fake.Fault{}
	}})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	<-entered
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Absent })
	r.until("absent", state(2, orders.StateAbsent))
}

func TestErrorsAreClassifiedForTheOwner(t *testing.T) {
	for name, c := range map[string]struct {
		fault  error
		image  string
		class  orders.Class
		phrase string
	}{
		"no space": {fault: fmt.Errorf("write /var/secret: %w", hypervisor.ErrNoSpace), class: orders.Elsewhere, phrase: "no space"},
		"invalid":  {fault: fmt.Errorf("ensure guest: %w: disk smaller than its image", hypervisor.ErrInvalid), class: orders.Fail, phrase: "disk smaller than its image"},
		"image":    {image: server, class: orders.Fail, phrase: "not there any more"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, fake.Options{Faults: func(verb, _ string) fake.Fault {
				if verb == "EnsureGuest" {
					return fake.Fault{Before: c.fault}
				}
				return fake.Fault{}
			}})
			r.order(func(o *orders.GuestOrder) {
				o.Desired = orders.Running
				if c.image != "" {
					o.Image.ID = c.image
				}
			})
			report := r.until("failed", state(1, orders.StateFailed))
			if report.Error.Class != c.class || !strings.Contains(report.Error.Message, c.phrase) || strings.Contains(report.Error.Message, "/var") {
				t.Errorf("%+v", report.Error)
			}
		})
	}
}

// TestFailureOutlivesWhatTheGuestDoes has the guest go down after its order was given up: who waits for the order hears of nothing else.
func TestFailureOutlivesWhatTheGuestDoes(t *testing.T) {
	var mu sync.Mutex
	broken := false
	r := newRig(t, fake.Options{Faults: func(verb, _ string) fake.Fault {
		mu.Lock()
		defer mu.Unlock()
		if verb == "RebootGuest" && broken {
			return fake.Fault{Before: fmt.Errorf("reboot: %w: no such machine", hypervisor.ErrInvalid)}
		}
		return fake.Fault{}
	}})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	mu.Lock()
	broken = true
	mu.Unlock()
	r.order(func(o *orders.GuestOrder) { o.Desired, o.Reboot = orders.Running, &orders.Reboot{Seq: 1, Hard: true} })
	r.until("failed", state(2, orders.StateFailed))
	if err := r.driver.SetPower(t.Context(), server, hypervisor.Shutdown); err != nil {
		t.Fatal(err)
	}
	failures := 0
	r.until("of the failure again", func(report orders.Report) bool {
		if report.Generation != 2 {
			failures = 0 // the reports are looked at from the first on
			return false
		}
		if report.State != orders.StateFailed {
			t.Fatalf("after the failure the agent says %+v", report)
		}
		failures++
		return failures == 2
	})
}

// TestNewLifeAdoptsGuests restarts agent and driver: the settled guest is reported, not touched.
func TestNewLifeAdoptsGuests(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	r.stop()
	r.controller.mu.Lock()
	o := r.controller.orders[server]
	o.Settled = true
	r.controller.orders[server], r.controller.reports = o, nil
	r.controller.mu.Unlock()
	r.options.Faults = func(verb, _ string) fake.Fault {
		if verb == "EnsureGuest" || verb == "RebootGuest" || verb == "RemoveGuest" {
			t.Errorf("%s was called on an adopted guest", verb)
		}
		return fake.Fault{}
	}
	r.start()
	r.until("running after the restart", state(1, orders.StateRunning))
	if err := r.driver.SetPower(t.Context(), server, hypervisor.Shutdown); err != nil {
		t.Fatal(err)
	}
	report := r.until("stopped from within", state(1, orders.StateStopped))
	if report.PowerState != int(hypervisor.Shutdown) {
		t.Errorf("%+v", report)
	}
}

func TestReportsOutliveAControllerThatIsAway(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	r.controller.mu.Lock()
	r.controller.refuse = errors.New("away")
	r.controller.mu.Unlock()
	if err := r.driver.SetPower(t.Context(), server, hypervisor.Shutdown); err != nil {
		t.Fatal(err)
	}
	r.controller.mu.Lock()
	r.controller.refuse = nil
	r.controller.mu.Unlock()
	r.until("stopped", state(1, orders.StateStopped))
}

// TestChangeDuringAReportIsNotLost stops the guest while the report that it runs is on its way.
func TestChangeDuringAReportIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fake.Options{})
		goOn := make(chan struct{})
		r.controller.holdReports(func() { <-goOn })
		r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
		synctest.Wait()
		if err := r.driver.SetPower(t.Context(), server, hypervisor.Shutdown); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.controller.holdReports(nil)
		close(goOn)
		r.until("stopped", state(1, orders.StateStopped))
	})
}

func TestConsoleQuestion(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	ask := func(id string) (string, error) {
		question, _ := json.Marshal(orders.ConsoleQuestion{ServerID: id, Length: 1000})
		log, err := r.bus.Call(t.Context(), orders.Topic(host), orders.QuestionConsole, question)
		return string(log), err
	}
	if log, err := ask(server); err != nil || !strings.Contains(log, "login:") {
		t.Errorf("%q %v", log, err)
	}
	if _, err := ask(imageID); err == nil || !strings.Contains(err.Error(), orders.ErrNoGuest) {
		t.Errorf("console of nobody: %v", err)
	}
	select {
	case <-r.controller.alive:
	case <-time.After(waitTime):
		t.Error("the host was never reported")
	}
}

// TestRefusedReportIsNotRepeated has the controller not know one of two guests.
func TestRefusedReportIsNotRepeated(t *testing.T) {
	const other = "8d3a0a5e-9f0b-4bb4-8ff7-2d0f5e7a1c22"
	r := newRig(t, fake.Options{})
	for i, id := range []string{server, other} {
		r.orderFor(id, func(o *orders.GuestOrder) { o.Desired = orders.Running })
		r.until("running", state(int64(i+1), orders.StateRunning))
	}
	r.controller.mu.Lock()
	r.controller.unknown = server
	r.controller.mu.Unlock()
	for _, id := range []string{server, other} {
		if err := r.driver.SetPower(t.Context(), id, hypervisor.Shutdown); err != nil {
			t.Fatal(err)
		}
	}
	r.until("the other one stopped", state(2, orders.StateStopped))
	<-r.controller.refusals
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Absent })
	<-r.controller.refusals
	r.orderFor(other, func(o *orders.GuestOrder) { o.Desired = orders.Absent })
	r.until("the other one absent", state(4, orders.StateAbsent))
	if n := len(r.controller.refusals); n > 0 {
		t.Errorf("a refused report was sent %d times more", n)
	}
}

func TestRemovalIsNeverGivenUp(t *testing.T) {
	var mu sync.Mutex
	failures := 3
	r := newRig(t, fake.Options{Faults: func(verb, _ string) fake.Fault {
		mu.Lock()
		defer mu.Unlock()
		if verb == "RemoveGuest" && failures > 0 {
			failures--
			return fake.Fault{Before: hypervisor.ErrNoSpace}
		}
		return fake.Fault{}
	}})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Absent })
	r.until("failed", state(2, orders.StateFailed))
	r.until("absent", state(2, orders.StateAbsent))
}

func TestLookThatFailsIsRepeated(t *testing.T) {
	var mu sync.Mutex
	failures := 0
	r := newRig(t, fake.Options{Faults: func(verb, _ string) fake.Fault {
		mu.Lock()
		defer mu.Unlock()
		if verb == "GetGuest" && failures > 0 {
			failures--
			return fake.Fault{Before: hypervisor.ErrUnavailable}
		}
		return fake.Fault{}
	}})
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	r.until("running", state(1, orders.StateRunning))
	mu.Lock()
	failures = 2
	mu.Unlock()
	if err := r.driver.SetPower(t.Context(), server, hypervisor.Shutdown); err != nil {
		t.Fatal(err)
	}
	r.until("stopped", state(1, orders.StateStopped))
}
