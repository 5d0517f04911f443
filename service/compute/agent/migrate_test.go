package agent_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"virga/service/compute/agent"
	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

// newLivePair is two hosts, with a guest that runs on the first and is expected on the second.
func newLivePair(t *testing.T) *pair {
	t.Helper()
	exchange := &agent.Exchange{}
	p := &pair{source: newRigAt(t, host, fake.Options{}, exchange), dest: newRigAt(t, "node2", fake.Options{}, exchange)}
	p.source.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	p.source.until("running", state(1, orders.StateRunning))
	p.dest.order(func(o *orders.GuestOrder) {
		o.Desired, o.Arrive = orders.Prepared, &orders.Arrive{FromHost: host, SecretSHA256: sumOf(secret)}
	})
	p.dest.until("prepared", state(1, orders.StatePrepared))
	return p
}

func (p *pair) send(change func(*orders.GuestOrder)) {
	p.source.order(func(o *orders.GuestOrder) {
		o.Desired, o.Move = orders.Moved, &orders.Move{ToHost: "node2", URL: p.source.exchange.URL("node2"), Secret: secret}
		change(o)
	})
}

func TestARunningGuestGoesToTheOtherHost(t *testing.T) {
	p := newLivePair(t)
	p.send(func(*orders.GuestOrder) {})
	p.source.until("moved", state(2, orders.StateMoved))
	p.dest.until("running", state(1, orders.StateRunning))
	p.source.order(func(o *orders.GuestOrder) {
		o.Desired, o.Move = orders.Running, &orders.Move{ToHost: "node2", URL: p.source.exchange.URL("node2"), Secret: secret, Recall: true}
	})
	p.source.until("moved, whoever wants it back", state(3, orders.StateMoved))
	if state, err := p.source.driver.GetGuest(t.Context(), server); err != nil || state.Power == hypervisor.Running {
		t.Errorf("the guest runs twice: %+v %v", state, err)
	}
}

func TestAGuestIsRecalled(t *testing.T) {
	p := newLivePair(t)
	p.source.transfers = refusing{}
	p.send(func(*orders.GuestOrder) {})
	p.source.order(func(o *orders.GuestOrder) {
		o.Desired, o.Move = orders.Running, &orders.Move{ToHost: "node2", Recall: true, Lost: true}
	})
	p.source.until("running", state(3, orders.StateRunning))
	if state, err := p.dest.driver.GetGuest(t.Context(), server); err != nil || state.Power == hypervisor.Running {
		t.Errorf("the guest runs twice: %+v %v", state, err)
	}
}

// refusing is a transport to hosts that say not now.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: io.NopCloser(strings.NewReader("not now"))}, nil
}

func TestNobodyElseBringsAGuest(t *testing.T) {
	p := newLivePair(t)
	for name, test := range map[string]struct {
		caller, secret, method, path string
		want                         int
	}{
		"another host":   {"node3", secret, "POST", "prepare", 403},
		"another secret": {host, "guessed", "POST", "prepare", 403},
		"its digest":     {host, sumOf(secret), "POST", "finish", 403},
		"no secret":      {host, "", "POST", "cancel", 403},
		"no offer":       {host, secret, "POST", "prepare", 400},
		"nothing came":   {host, secret, "POST", "finish", 404},
		"no upgrade":     {host, secret, "GET", "channel/memory", 426},
		"the right one":  {host, secret, "POST", "cancel", 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, p.dest.exchange.URL("node2")+"/migration/"+server+"/"+test.path, bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Virga-Transfer-Secret", test.secret)
		response, err := p.dest.exchange.Client(test.caller).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", name, response.StatusCode, test.want)
		}
	}
}
