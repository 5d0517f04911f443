package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/bus"
	"virga/service/network/agent"
	"virga/service/network/desired"
	"virga/service/network/fabric"
	"virga/service/network/fabric/fake"
)

const (
	host    = "node1"
	network = "11111111-0000-4000-8000-000000000001"
	port    = "22222222-0000-4000-8000-000000000002"
	router  = "33333333-0000-4000-8000-000000000003"
)

// controller holds the desired state and takes the reports.
type controller struct {
	mu      sync.Mutex
	state   desired.State
	ports   desired.StatusReport
	routers desired.StatusReport
	known   bool
	early   bool // asked before anything was reported
	left    bool // told that the agent ends
	came    chan struct{}
}

func (c *controller) ReportHost(context.Context, string, desired.HostReport) (desired.HostAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = true
	return desired.HostAnswer{}, nil
}

func (c *controller) Alive(_ context.Context, _ string, sign desired.Alive) (desired.AliveAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = c.left || sign.Leaving
	return desired.AliveAnswer{NextMilliseconds: 3000, News: sign.Generation != c.state.Generation}, nil
}

func (c *controller) Desired(_ context.Context, _ string, since agent.Position) (desired.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.early = c.early || !c.known
	if since.Generation == c.state.Generation {
		return desired.State{Generation: since.Generation, Unchanged: true}, nil
	}
	return c.state, nil
}

func (c *controller) take(into *desired.StatusReport, report desired.StatusReport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *into == nil {
		*into = desired.StatusReport{}
	}
	for id, status := range report {
		(*into)[id] = status
	}
	select {
	case c.came <- struct{}{}:
	default:
	}
}

func (c *controller) ReportPorts(_ context.Context, _ string, report desired.StatusReport) error {
	c.take(&c.ports, report)
	return nil
}

func (c *controller) ReportRouters(_ context.Context, _ string, report desired.StatusReport) error {
	c.take(&c.routers, report)
	return nil
}

type rig struct {
	t          *testing.T
	bus        *bus.Local
	controller *controller
	driver     *fake.Driver
}

func newRig(t *testing.T, faults fake.Faults) *rig {
	t.Helper()
	driver, err := fake.New(fake.Config{Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, bus: bus.NewLocal(), driver: driver, controller: &controller{came: make(chan struct{}, 1)}}
	a := agent.New(agent.Config{Host: host, Driver: driver, Controller: r.controller, Bus: r.bus, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, driver.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// want changes the desired state and rings the bell.
func (r *rig) want(change func(*desired.State)) {
	r.controller.mu.Lock()
	change(&r.controller.state)
	r.controller.state.Generation++
	r.controller.mu.Unlock()
	r.bus.Ring(agent.Topic(host))
}

func (r *rig) until(what string, met func() bool) {
	r.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		r.controller.mu.Lock()
		ok := met()
		r.controller.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.controller.came:
		case <-time.After(5 * time.Millisecond):
		case <-limit:
			r.t.Fatalf("not reached: %s", what)
		}
	}
}

func (r *rig) inventory() fabric.Inventory {
	r.t.Helper()
	there, err := r.driver.List(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return there
}

func whole(s *desired.State) {
	cidr := netip.MustParsePrefix("10.0.0.0/24")
	address := netip.MustParseAddr("10.0.0.5")
	s.Networks = []desired.Network{{ID: network, Kind: "vxlan", SegmentID: 7, MTU: 1450, Subnets: []desired.Subnet{{ID: network, CIDR: cidr, Gateway: cidr.Addr().Next(), DHCP: true}}}}
	s.Ports = []desired.Port{{ID: port, NetworkID: network, DeviceID: "s", DeviceOwner: "compute:nova", MAC: "fa:16:3e:00:00:01",
		FixedIPs: []netip.Addr{address}, PortSecurity: true, AdminUp: true, SecurityGroups: []string{"g"}}}
	s.SecurityGroups = []desired.SecurityGroup{{ID: "g", Rules: []desired.GroupRule{{Rule: desired.Rule{ID: "r", Direction: "ingress", EtherType: "IPv4"}, RemoteGroupID: "g"}}}}
	s.AddressSets = map[string][]netip.Prefix{"g": {netip.PrefixFrom(address, 32)}}
	s.Routers = []desired.Router{{ID: router, AdminUp: true,
		Interfaces: []desired.RouterInterface{{PortID: router, NetworkID: network, MAC: "fa:16:3e:00:00:02", Addresses: []netip.Prefix{netip.PrefixFrom(cidr.Addr().Next(), 24)}}}}}
}

func TestHostBecomesWhatIsDesired(t *testing.T) {
	r := newRig(t, nil)
	r.want(whole)
	r.until("everything ACTIVE", func() bool {
		return r.controller.ports[port].Status == desired.StatusActive && r.controller.routers[router].Status == desired.StatusActive
	})
	want := fabric.Inventory{Networks: []string{network}, Ports: []string{port}, Routers: []string{router}, AddressSets: []string{"g"}}
	if diff := cmp.Diff(want, r.inventory()); diff != "" {
		t.Error(diff)
	}
	rules := r.driver.Snapshot().Ports[port].Rules
	if len(rules) != 1 || rules[0].AnyRemote || len(rules[0].Remotes) != 0 || rules[0].RemoteSet != "g" {
		t.Errorf("the rule with a remote group became %+v", rules)
	}
	if set := r.driver.Snapshot().AddressSets["g"]; len(set.Prefixes) != 1 || set.Prefixes[0].String() != "10.0.0.5/32" {
		t.Errorf("the group's members became %+v", set)
	}
	r.want(func(s *desired.State) { *s = desired.State{Generation: s.Generation} })
	r.until("everything gone", func() bool {
		there := r.inventory()
		return len(there.Networks)+len(there.Ports)+len(there.Routers)+len(there.AddressSets) == 0
	})
}

// A server more in a security group: its own port and one set, whatever else is on the host.
func TestNewMemberTouchesOneSetAndItsOwnPort(t *testing.T) {
	const others = 20
	var mu sync.Mutex
	var calls []string
	r := newRig(t, func(verb, id string, after bool) error {
		mu.Lock()
		defer mu.Unlock()
		if after {
			calls = append(calls, verb+" "+id)
		}
		return nil
	})
	add := func(s *desired.State, i int) string {
		p := s.Ports[0]
		p.ID, p.MAC = fmt.Sprintf("%08x-0000-4000-8000-000000000001", i), fmt.Sprintf("fa:16:3e:00:01:%02x", i)
		p.FixedIPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)})}
		s.Ports = append(s.Ports, p)
		s.AddressSets = map[string][]netip.Prefix{"g": append(slices.Clone(s.AddressSets["g"]), netip.PrefixFrom(p.FixedIPs[0], 32))}
		return p.ID
	}
	last := ""
	r.want(func(s *desired.State) {
		whole(s)
		for i := range others {
			last = add(s, i)
		}
	})
	r.until("ACTIVE", func() bool { return r.controller.ports[last].Status == desired.StatusActive })
	mu.Lock()
	calls = nil
	mu.Unlock()
	r.want(func(s *desired.State) { last = add(s, others) })
	r.until("the new one ACTIVE", func() bool { return r.controller.ports[last].Status == desired.StatusActive })
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"EnsureAddressSet g", "EnsurePort " + last}, calls); diff != "" {
		t.Error(diff)
	}
}

// A set goes after the last rule that refers to it, and one that the controller does not list permits nobody.
func TestSetsComeBeforeAndGoAfterTheirPorts(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	r := newRig(t, func(verb, _ string, after bool) error {
		mu.Lock()
		defer mu.Unlock()
		if after && (strings.HasSuffix(verb, "AddressSet") || verb == "EnsurePort") {
			calls = append(calls, verb)
		}
		return nil
	})
	r.want(func(s *desired.State) {
		whole(s)
		s.AddressSets = nil
	})
	r.until("ACTIVE", func() bool { return r.controller.ports[port].Status == desired.StatusActive })
	if set, there := r.driver.Snapshot().AddressSets["g"]; !there || len(set.Prefixes) != 0 {
		t.Errorf("a set without members became %+v (%v)", set, there)
	}
	r.want(func(s *desired.State) { s.SecurityGroups, s.Ports[0].SecurityGroups = nil, nil })
	r.until("the set gone", func() bool { return len(r.inventory().AddressSets) == 0 })
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"EnsureAddressSet", "EnsurePort", "EnsurePort", "RemoveAddressSet"}, calls); diff != "" {
		t.Error(diff)
	}
}

// Of a host that never reported the controller knows nothing; asking first is a warning in every start.
func TestReportsBeforeItAsks(t *testing.T) {
	r := newRig(t, nil)
	r.want(whole)
	r.until("ACTIVE", func() bool { return r.controller.ports[port].Status == desired.StatusActive })
	r.controller.mu.Lock()
	defer r.controller.mu.Unlock()
	if r.controller.early {
		t.Error("the agent asked before it had reported")
	}
}

func TestOnlyWhatChangedIsTouched(t *testing.T) {
	var mu sync.Mutex
	calls := map[string]int{}
	r := newRig(t, func(verb, id string, after bool) error {
		mu.Lock()
		defer mu.Unlock()
		if after {
			calls[verb+id]++
		}
		return nil
	})
	r.want(whole)
	r.until("ACTIVE", func() bool { return r.controller.ports[port].Status == desired.StatusActive })
	r.want(func(s *desired.State) { s.Ports[0].AdminUp = false })
	r.until("DOWN", func() bool { return r.controller.ports[port].Status == desired.StatusDown })
	mu.Lock()
	defer mu.Unlock()
	if calls["EnsurePort"+port] != 2 || calls["EnsureNetwork"+network] != 1 || calls["EnsureRouter"+router] != 1 {
		t.Errorf("calls: %v", calls)
	}
}

func TestFailureIsToldAndTriedAgain(t *testing.T) {
	var mu sync.Mutex
	failures := 1
	r := newRig(t, func(verb, _ string, after bool) error {
		mu.Lock()
		defer mu.Unlock()
		if verb == "EnsurePort" && !after && failures > 0 {
			failures--
			return errors.New("the kernel is busy")
		}
		return nil
	})
	r.want(whole)
	r.until("DOWN with a reason", func() bool { return r.controller.ports[port].Detail != "" })
	r.until("ACTIVE", func() bool { return r.controller.ports[port].Status == desired.StatusActive })
}

func TestBadRuleIsAnErrorOfItsPortAlone(t *testing.T) {
	r := newRig(t, nil)
	r.want(func(s *desired.State) {
		whole(s)
		good := s.Ports[0]
		good.ID, good.MAC, good.SecurityGroups = "44444444-0000-4000-8000-000000000004", "fa:16:3e:00:00:09", nil
		s.Ports = append(s.Ports, good)
		s.SecurityGroups[0].Rules[0].Rule.Protocol = "no such protocol"
	})
	r.until("ERROR and ACTIVE", func() bool {
		return r.controller.ports[port].Status == desired.StatusError && r.controller.ports["44444444-0000-4000-8000-000000000004"].Status == desired.StatusActive
	})
}

// TestStatusIsToldAgain has the service forget what it was told: after a change of the
// object, and without one at the next repair, it is told again.
func TestStatusIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		told := func() (ports, routers desired.Status) {
			synctest.Wait()
			r.controller.mu.Lock()
			defer r.controller.mu.Unlock()
			ports, routers = r.controller.ports[port], r.controller.routers[router]
			r.controller.ports, r.controller.routers = nil, nil
			return ports, routers
		}
		r.want(whole)
		if p, q := told(); p.Status != desired.StatusActive || q.Status != desired.StatusActive {
			t.Fatalf("%v %v", p, q)
		}
		r.want(func(s *desired.State) { s.Ports[0].MAC = "fa:16:3e:00:00:07" })
		if p, q := told(); p.Status != desired.StatusActive || q.Status != "" {
			t.Errorf("after a change of the port: %v %v", p, q)
		}
		time.Sleep(30 * time.Second)
		if p, q := told(); p.Status != "" || q.Status != "" {
			t.Errorf("between repairs: %v %v", p, q)
		}
		time.Sleep(time.Minute)
		if p, q := told(); p.Status != desired.StatusActive || q.Status != desired.StatusActive {
			t.Errorf("after a repair: %v %v", p, q)
		}
	})
}

// TestHopelessPortIsNotTriedAllTheTime counts the tries of a port that cannot stand and
// of one that fails for another reason.
func TestHopelessPortIsNotTriedAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tries := 0
		failure := fabric.ErrInvalid
		r := newRig(t, func(verb, _ string, after bool) error {
			mu.Lock()
			defer mu.Unlock()
			if verb != "EnsurePort" || after {
				return nil
			}
			tries++
			return failure
		})
		r.want(whole)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		mu.Lock()
		if tries > 8 {
			t.Errorf("a hopeless port was tried %d times in 30 seconds", tries)
		}
		tries, failure = 0, errors.New("the kernel is busy")
		mu.Unlock()
		r.want(func(s *desired.State) { s.Ports[0].MAC = "fa:16:3e:00:00:07" })
		time.Sleep(25 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if tries < 4 || tries > 10 {
			t.Errorf("a failing port was tried %d times in 25 seconds", tries)
		}
	})
}
