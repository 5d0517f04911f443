package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"virga/service/image/store"
	"virga/service/image/store/suite"
)

// names resolves from a table; a name's answers are given out one after the other, the last one for ever.
type names struct {
	answers map[string][][]string
	asked   atomic.Int64
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	list := n.answers[host]
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	at := min(int(n.asked.Add(1))-1, len(list)-1)
	var ips []netip.Addr
	for _, text := range list[at] {
		ips = append(ips, netip.MustParseAddr(text))
	}
	return ips, nil
}

func portOf(t *testing.T, server *httptest.Server) uint16 {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(n)
}

func noAddresses() ([]netip.Addr, error) { return nil, nil }

// loopback allows the test's own server.
func loopback(t *testing.T, servers ...*httptest.Server) Options {
	opts := Options{AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	for _, s := range servers {
		opts.Ports = append(opts.Ports, portOf(t, s))
	}
	return opts
}

func serve(t *testing.T, h nethttp.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func fetch(t *testing.T, f *Fetcher, rawURL string) (string, error) {
	t.Helper()
	body, _, err := f.Open(t.Context(), rawURL)
	if err != nil {
		return "", err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	return string(b), err
}

// wantUniform demands the one error that tells the user nothing.
func wantUniform(t *testing.T, what string, err error) {
	t.Helper()
	var source *SourceError
	if !errors.As(err, &source) || source.Cause() == nil || err.Error() != (&SourceError{}).Error() {
		t.Errorf("%s: %v", what, err)
	}
}

func TestSuite(t *testing.T) {
	for name, ranged := range map[string]bool{"with ranges": true, "without ranges": false} {
		t.Run(name, func(t *testing.T) {
			suite.RunReader(t, func(t *testing.T, contents map[string][]byte) store.Reader {
				s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
					content := contents[strings.TrimPrefix(r.URL.Path, "/")]
					if ranged {
						nethttp.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
						return
					}
					w.Header().Set("Content-Length", strconv.Itoa(len(content)))
					_, _ = w.Write(content)
				})
				return NewReader(NewFetcher(loopback(t, s)), func(_ context.Context, id string) (string, error) {
					if _, ok := contents[id]; !ok {
						return "", store.ErrNotFound
					}
					return s.URL + "/" + id, nil
				})
			})
		})
	}
}

// TestAddresses is OSSA-2026-004 and OSSN-0105: every form of an address that must not be reached.
func TestAddresses(t *testing.T) {
	g := NewFetcher(Options{OwnAddresses: func() ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("198.41.0.4")}, nil
	}}).guard
	for _, text := range []string{
		"127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"100.100.100.200", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
		"240.0.0.1", "255.255.255.255", "198.41.0.4", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:198.41.0.4",
		"::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "fe80::1", "fec0::1", "fc00::1",
		"fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1",
	} {
		if ips, err := g.addresses(t.Context(), text); err == nil {
			t.Errorf("%s is reached as %v", text, ips)
		}
	}
	for _, text := range []string{"9.9.9.9", "198.41.0.5", "2620:fe::9", "::ffff:9.9.9.9"} {
		if ips, err := g.addresses(t.Context(), text); err != nil || len(ips) != 1 || ips[0].Is4In6() {
			t.Errorf("%s: %v, %v", text, ips, err)
		}
	}
	g.allowed = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	for text, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false} {
		if _, err := g.addresses(t.Context(), text); (err == nil) != want {
			t.Errorf("%s with 10.1.0.0/16 allowed: %v", text, err)
		}
	}
}

func TestURLs(t *testing.T) {
	f := NewFetcher(Options{})
	for _, bad := range []string{
		"", "x", "file:///etc/passwd", "filesystem:///etc/passwd", "ftp://example.org/x", "gopher://example.org/", "http://", "http:x",
		"http://example.org:22/", "http://example.org:0/", "http://example.org:99999/", "https://example.org:8443/x", "//example.org/x",
		"http://user:pw@example.org/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/",
		"http://0x7f.1/", "http://1.2.3.4.5/", "http://127.0.0.1./", "http://[fe80::1%25eth0]/", "http://example.org/" + strings.Repeat("a", 3000),
		"http://exa\nmple.org/", "http://./",
	} {
		wantUniform(t, bad, f.CheckURL(bad))
		_, err := fetch(t, f, bad)
		wantUniform(t, bad, err)
	}
	for _, good := range []string{"http://example.org/x", "https://example.org:443/x?y#z", "HTTP://EXAMPLE.ORG", "http://9.9.9.9:80/", "http://[2620:fe::9]/"} {
		if err := f.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestThisMachineIsNotReached(t *testing.T) {
	var hits atomic.Int64
	s := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { hits.Add(1) })
	port := portOf(t, s)
	f := NewFetcher(Options{Ports: []uint16{port}, Resolver: &names{answers: map[string][][]string{
		"localhost": {{"127.0.0.1", "::1"}}, "inside.example": {{"127.0.0.1"}}, "mapped.example": {{"::ffff:127.0.0.1"}},
	}}})
	for _, host := range []string{"127.0.0.1", "localhost", "inside.example", "mapped.example", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "none.example"} {
		_, err := fetch(t, f, fmt.Sprintf("http://%s:%d/", host, port))
		wantUniform(t, host, err)
	}
	if hits.Load() != 0 {
		t.Errorf("the server was reached %d times", hits.Load())
	}
}

func TestRedirectsAreCheckedLikeTheFirst(t *testing.T) {
	var hits atomic.Int64
	inside := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { hits.Add(1) })
	var target atomic.Value
	outside := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/end" {
			_, _ = io.WriteString(w, "content")
			return
		}
		nethttp.Redirect(w, r, target.Load().(string), nethttp.StatusFound)
	})
	// 127.0.0.1 stands for the public server; the one inside is reached by another address of this machine.
	opts := loopback(t, outside, inside)
	opts.Resolver = &names{answers: map[string][][]string{"inside.example": {{"127.0.0.2"}}}}
	f := NewFetcher(opts)
	port := portOf(t, inside)
	for _, to := range []string{
		"http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", fmt.Sprintf("http://127.0.0.2:%d/", port),
		fmt.Sprintf("http://inside.example:%d/", port), fmt.Sprintf("http://[::1]:%d/", port), "http://127.0.0.1:22/",
		outside.URL + "/again",
	} {
		target.Store(to)
		_, err := fetch(t, f, outside.URL+"/start")
		wantUniform(t, to, err)
	}
	if hits.Load() != 0 {
		t.Errorf("the server inside was reached %d times", hits.Load())
	}
	target.Store(outside.URL + "/end")
	if got, err := fetch(t, f, outside.URL+"/start"); err != nil || got != "content" {
		t.Errorf("allowed redirect: %q, %v", got, err)
	}
}

// TestRebindingIsPinned has a name server that answers a good address first and this machine's own from then on.
func TestRebindingIsPinned(t *testing.T) {
	resolver := &names{answers: map[string][][]string{"rebind.example": {{"9.9.9.9"}, {"127.0.0.1"}}}}
	f := NewFetcher(Options{Resolver: resolver, OwnAddresses: noAddresses})
	var dialled []string
	f.guard.dial = func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return nil, errors.New("not in a test")
	}
	for range 3 {
		_, err := fetch(t, f, "http://rebind.example/")
		wantUniform(t, "rebinding", err)
	}
	if len(dialled) != 1 || dialled[0] != "9.9.9.9:80" || resolver.asked.Load() != 3 {
		t.Errorf("dialled %v after %d look-ups", dialled, resolver.asked.Load())
	}
	mixed := &names{answers: map[string][][]string{"mixed.example": {{"10.0.0.1", "9.9.9.9", "::1"}}}}
	f.guard.resolver, dialled = mixed, nil
	_, err := fetch(t, f, "https://mixed.example/")
	wantUniform(t, "mixed answers", err)
	if len(dialled) != 1 || dialled[0] != "9.9.9.9:443" {
		t.Errorf("of mixed answers dialled %v", dialled)
	}
}

func TestAnswersThatAreNoContent(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.Path {
		case "/missing":
			nethttp.NotFound(w, r)
		case "/none":
			w.WriteHeader(nethttp.StatusNoContent)
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "x")
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
		case "/stall":
			_, _ = io.WriteString(w, "x")
			_ = nethttp.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	opts := loopback(t, s)
	opts.StallTimeout = 30 * time.Millisecond
	f := NewFetcher(opts)
	for _, path := range []string{"/missing", "/none", "/gzip", "/short", "/stall"} {
		_, err := fetch(t, f, s.URL+path)
		wantUniform(t, path, err)
	}
	s.Close()
	_, err := fetch(t, f, s.URL)
	wantUniform(t, "nobody listens", err)
}

func TestTLSIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/down" {
			nethttp.Redirect(w, r, "http://"+r.Host+"/", nethttp.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "content")
	}))
	t.Cleanup(s.Close)
	opts := loopback(t, s)
	_, err := fetch(t, NewFetcher(opts), s.URL)
	wantUniform(t, "unknown CA", err)
	trusted := s.Client().Transport.(*nethttp.Transport).TLSClientConfig.RootCAs
	opts.TLS = &tls.Config{RootCAs: trusted}
	f := NewFetcher(opts)
	if got, err := fetch(t, f, s.URL); err != nil || got != "content" {
		t.Errorf("own CA: %q, %v", got, err)
	}
	_, err = fetch(t, f, s.URL+"/down")
	wantUniform(t, "redirect from https to http", err)
}

func TestOwnAddressesOfThisMachine(t *testing.T) {
	ips, err := interfaceAddresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range ips {
		if ip.IsLoopback() {
			return
		}
	}
	t.Errorf("no loopback address among %v", ips)
}
