package agent_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"virga/service/compute/agent"
	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

const secret = "known to two"

// pair is two hosts, with a guest on the first that has written to its disk and is off.
type pair struct {
	source, dest *rig
	disk         []byte
}

func newPair(t *testing.T) *pair {
	t.Helper()
	exchange := &agent.Exchange{}
	p := &pair{source: newRigAt(t, host, fake.Options{}, exchange), dest: newRigAt(t, "node2", fake.Options{}, exchange)}
	p.source.order(func(o *orders.GuestOrder) { o.Desired = orders.Running })
	p.source.until("running", state(1, orders.StateRunning))
	if err := p.source.driver.WriteDisk(t.Context(), server, hypervisor.DiskRoot, bytes.Repeat([]byte("written by the guest "), 30_000)); err != nil {
		t.Fatal(err)
	}
	p.disk = p.source.driver.ReadDisk(server, hypervisor.DiskRoot)
	p.source.order(func(o *orders.GuestOrder) {
		sum := sha256.Sum256([]byte(secret))
		o.Desired, o.Send = orders.Stopped, &orders.Send{ToHost: "node2", SecretSHA256: hex.EncodeToString(sum[:])}
	})
	p.source.until("stopped", state(2, orders.StateStopped))
	return p
}

func (p *pair) receive(from orders.Receive) {
	p.dest.order(func(o *orders.GuestOrder) { o.Desired, o.Receive = orders.Prepared, &from })
}

func (p *pair) right() orders.Receive {
	return orders.Receive{FromHost: host, URL: p.source.exchange.URL(host), Secret: secret}
}

// line is a transport that a test spoils.
type line struct {
	mu    sync.Mutex
	to    http.RoundTripper
	paths []string
	spoil func(n int, body io.ReadCloser) io.ReadCloser
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.to.RoundTrip(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paths = append(l.paths, r.URL.RequestURI())
	if err == nil && response.StatusCode == http.StatusOK {
		response.Body = l.spoil(len(l.paths), response.Body)
	}
	return response, err
}

// cutAfter ends a body with an error after some bytes; flip changes one of them on the way.
type cutAfter struct {
	io.ReadCloser
	left int
	flip bool
}

func (c *cutAfter) Read(p []byte) (int, error) {
	if c.left <= 0 && !c.flip {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), max(c.left, 1))])
	if c.left -= n; c.left <= 0 && c.flip {
		p[n-1] ^= 1
		c.left, c.flip = 1<<40, false
	}
	return n, err
}

func TestDisksComeFromTheOtherHost(t *testing.T) {
	p := newPair(t)
	p.receive(p.right())
	p.dest.until("prepared", state(1, orders.StatePrepared))
	if got := p.dest.driver.ReadDisk(server, hypervisor.DiskRoot); !bytes.Equal(got, p.disk) {
		t.Fatalf("%d bytes came, of %d", len(got), len(p.disk))
	}
	p.dest.order(func(o *orders.GuestOrder) { o.Desired, o.Receive = orders.Running, nil })
	p.dest.until("running", state(2, orders.StateRunning))
}

func TestABrokenTransferGoesOnWhereItWas(t *testing.T) {
	p := newPair(t)
	spoiled := &line{to: p.dest.transfers}
	spoiled.spoil = func(n int, body io.ReadCloser) io.ReadCloser {
		switch n {
		case 1:
			return &cutAfter{ReadCloser: body, left: 300_000} // in the middle of the second piece
		case 2:
			return &cutAfter{ReadCloser: body, left: 270_000, flip: true}
		}
		return body
	}
	p.dest.transfers = spoiled
	p.receive(p.right())
	p.dest.until("prepared", state(1, orders.StatePrepared))
	if got := p.dest.driver.ReadDisk(server, hypervisor.DiskRoot); !bytes.Equal(got, p.disk) {
		t.Fatalf("%d bytes came, of %d", len(got), len(p.disk))
	}
	spoiled.mu.Lock()
	defer spoiled.mu.Unlock()
	resumed := slices.DeleteFunc(slices.Clone(spoiled.paths), func(path string) bool { return !strings.Contains(path, "/root?from=") })
	if len(resumed) != 3 || !strings.HasSuffix(resumed[0], "from=0") || !strings.HasSuffix(resumed[1], "from=262144") || !strings.HasSuffix(resumed[2], "from=262144") && !strings.HasSuffix(resumed[2], "from=524288") {
		t.Errorf("asked for %q", resumed)
	}
}

func sumOf(text string) string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }

func TestDisksAreGivenToNobodyElse(t *testing.T) {
	p := newPair(t)
	for name, test := range map[string]struct {
		caller, secret, path string
		want                 int
	}{
		"the right one":       {"node2", secret, "/transfer/" + server + "/root", 200},
		"another host":        {"node3", secret, "/transfer/" + server + "/root", 403},
		"another secret":      {"node2", "guessed", "/transfer/" + server + "/root", 403},
		"the secret's digest": {"node2", sumOf(secret), "/transfer/" + server + "/root", 403},
		"no secret":           {"node2", "", "/transfer/" + server + "/root", 403},
		"another guest":       {"node2", secret, "/transfer/" + imageID + "/root", 403},
		"a climbing disk":     {"node2", secret, "/transfer/" + server + "/..%2f..%2fetc%2fpasswd", 404},
		"no number":           {"node2", secret, "/transfer/" + server + "/root?from=x", 400},
		"a negative number":   {"node2", secret, "/transfer/" + server + "/root?from=-1", 400},
		"a huge number":       {"node2", secret, "/transfer/" + server + "/root?from=9223372036854775807", 200},
		"another method":      {"node2", secret, "/nothing", 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.source.exchange.URL(host)+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Virga-Transfer-Secret", test.secret)
		response, err := p.source.exchange.Client(test.caller).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", name, response.StatusCode, test.want)
		}
	}
	p.source.order(func(o *orders.GuestOrder) { o.Desired, o.Send = orders.Running, nil })
	p.source.until("running", state(3, orders.StateRunning))
	p.receive(p.right())
	p.dest.order(func(o *orders.GuestOrder) { o.Desired = orders.Absent })
	p.dest.until("absent", state(2, orders.StateAbsent))
	if left, err := p.dest.driver.ListGuests(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %+v %v", left, err)
	}
}

func TestTheImageComesFromTheOtherHostWhenItWasDeleted(t *testing.T) {
	p := newPair(t)
	p.dest.images.mu.Lock()
	p.dest.images.deleted = true
	p.dest.images.mu.Unlock()
	p.receive(p.right())
	p.dest.until("prepared", state(1, orders.StatePrepared))
	if got := p.dest.driver.ReadDisk(server, hypervisor.DiskRoot); !bytes.Equal(got, p.disk) {
		t.Fatalf("%d bytes came, of %d", len(got), len(p.disk))
	}
}
