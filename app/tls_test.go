package app

import (
	"fmt"
	"net"
	"net/http"
	"testing"
)

// source is a connection that knows where it comes from and whether it was closed.
type source struct {
	net.Conn
	from   string
	closed bool
}

// RemoteAddr implements net.Conn.
func (s *source) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(s.from), Port: 1} }

// Close implements net.Conn.
func (s *source) Close() error {
	s.closed = true
	return nil
}

// TestGreatestCrowdGivesWay has one address open connections without end while others come
// one by one.
func TestGreatestCrowdGivesWay(t *testing.T) {
	n := newNewcomers(10)
	var crowd, honest []*source
	come := func(from string) *source {
		s := &source{from: from}
		n.observe(s, http.StateNew)
		return s
	}
	for i := range 5 {
		honest = append(honest, come(fmt.Sprintf("10.0.0.%d", i)))
	}
	for i := range 100 { // of one network, as one machine has them
		crowd = append(crowd, come(fmt.Sprintf("2001:db8::%x", i)))
	}
	for _, s := range honest {
		if s.closed {
			t.Errorf("%s was closed for the sake of the crowd", s.from)
		}
	}
	open := 0
	for i, s := range crowd {
		if !s.closed {
			open++
		} else if i >= 95 {
			t.Errorf("the connection %d was closed, not the oldest", i)
		}
	}
	if open != 5 || n.count != 10 {
		t.Errorf("%d of the crowd are open, %d are counted", open, n.count)
	}
	// Who makes a request is no newcomer any more, and who leaves is none either.
	n.observe(honest[0], http.StateActive)
	n.observe(honest[1], http.StateClosed)
	n.observe(honest[1], http.StateClosed)
	late := come("10.9.9.9")
	if n.count != 9 || late.closed {
		t.Errorf("%d are counted, the late one is closed: %v", n.count, late.closed)
	}
	for _, s := range append(append(crowd, honest...), late) {
		n.observe(s, http.StateClosed)
	}
	if n.count != 0 || len(n.waiting) != 0 {
		t.Errorf("%d are counted, %d sources", n.count, len(n.waiting))
	}
}

func TestNodesMayAskForTheirOwnAlone(t *testing.T) {
	for path, want := range map[string]bool{
		"/bus": true, "/bus/": false, "/busy": false, "/compute/internal/hosts/x": true, "/compute/internal": false, "/compute/v2.1/servers": false,
		"/image/v2/images/x/file": true, "/image/v2/images": false, "/fleet/v1/renew": true, "/fleet/v1/renewal": false, "/fleet/v1/members": false, "": false, "/": false,
	} {
		if forNodes(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

func TestAddressesOfControllers(t *testing.T) {
	for text, want := range map[string]string{
		"https://10.0.0.1:8780": "https://10.0.0.1:8780", "10.0.0.1:8780": "https://10.0.0.1:8780", "https://c.example/": "https://c.example",
		"http://10.0.0.1:8780": "", "": "", "https://": "", "https://u:p@x": "", "https://x/identity": "", "https://x?a": "", "ftp://x": "", "https://x y": "",
	} {
		got, err := controllerAddress(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
