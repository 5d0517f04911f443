package responder

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"virga/service/network/fabric"
)

// echoBackend answers with what it was asked.
type echoBackend struct{ fail error }

func (b echoBackend) StorePassword(_ context.Context, serverID, password string) (int, error) {
	if serverID != "server-1" || password == "again" {
		return http.StatusConflict, b.fail
	}
	return http.StatusOK, b.fail
}

func (b echoBackend) ServeMetadata(_ context.Context, serverID, path string) (int, string, []byte, error) {
	return http.StatusOK, "text/plain", []byte(serverID + " " + path), b.fail
}

func metadataConfig(backend Backend) Config {
	return Config{NetworkID: "n", Backend: backend, Log: slog.New(slog.DiscardHandler), Server: func(address netip.Addr) (string, bool) {
		return "server-1", address == netip.MustParseAddr("10.1.0.11")
	}}
}

func ask(backend Backend, method, from, path string, headers map[string]string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "http://169.254.169.254"+path, nil)
	request.RemoteAddr = from
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	metadataHandler(metadataConfig(backend)).ServeHTTP(recorder, request)
	return recorder
}

func TestMetadataIdentity(t *testing.T) {
	forged := map[string]string{"X-Forwarded-For": "10.1.0.11", "X-Instance-ID": "server-1", "X-Tenant-ID": "p", "Forwarded": "for=10.1.0.11"}
	if got := ask(echoBackend{}, "GET", "10.1.0.99:5", "/openstack", forged); got.Code != 404 {
		t.Errorf("forged headers give %d, want 404", got.Code)
	}
	forged["X-Instance-ID"] = "server-2"
	if got := ask(echoBackend{}, "GET", "10.1.0.11:5", "/openstack/latest", forged); got.Code != 200 || got.Body.String() != "server-1 /openstack/latest" {
		t.Errorf("known source gets %d %q", got.Code, got.Body)
	}
}

func TestMetadataBounds(t *testing.T) {
	if got := ask(echoBackend{}, "POST", "10.1.0.11:5", "/", nil); got.Code != 405 || got.Header().Get("Allow") == "" {
		t.Errorf("POST gives %d", got.Code)
	}
	if got := ask(echoBackend{}, "GET", "10.1.0.11:5", "/"+strings.Repeat("a", 2000), nil); got.Code != 414 {
		t.Errorf("long path gives %d", got.Code)
	}
	got := ask(echoBackend{fail: errors.New("secret detail")}, "GET", "10.1.0.11:5", "/", nil)
	if got.Code != 502 || strings.Contains(got.Body.String(), "secret") {
		t.Errorf("failing backend gives %d %q", got.Code, got.Body)
	}
	if got := ask(echoBackend{}, "HEAD", "10.1.0.11:5", "/", nil); got.Code != 200 || got.Body.Len() != 0 {
		t.Errorf("HEAD gives %d %q", got.Code, got.Body)
	}
}

// One guest that opens many connections gets no more than its share, and its places come back.
func TestConnectionsPerSource(t *testing.T) {
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	limited := limitPerSource(inner, 1)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp4", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	dial()
	first, err := limited.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second := dial()
	accepted := make(chan net.Conn)
	go func() {
		conn, err := limited.Accept()
		if err == nil {
			accepted <- conn
		}
	}()
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Errorf("connection above the limit is open")
	}
	first.Close()
	first.Close() // a second close must not free another's place
	dial()
	(<-accepted).Close()
}

// brokenSockets opens DHCP only.
type brokenSockets struct{ dhcp *idleSocket }

type idleSocket struct{ closed bool }

func (s *idleSocket) Receive([]byte) (int, netip.AddrPort, error) {
	return 0, netip.AddrPort{}, net.ErrClosed
}
func (s *idleSocket) Send([]byte, netip.AddrPort, string) error { return nil }
func (s *idleSocket) Close() error                              { s.closed = true; return nil }

func (b brokenSockets) ListenDHCP(context.Context, string) (fabric.DHCPSocket, error) {
	return b.dhcp, nil
}

func (b brokenSockets) ListenMetadata(context.Context, string) (net.Listener, error) {
	return nil, fabric.ErrNoSockets
}

func TestStartLeavesNothingOpen(t *testing.T) {
	sockets := brokenSockets{&idleSocket{}}
	if _, err := Start(context.Background(), Config{NetworkID: "n", Sockets: sockets}); !errors.Is(err, fabric.ErrNoSockets) {
		t.Errorf("start gives %v, want ErrNoSockets", err)
	}
	if !sockets.dhcp.closed {
		t.Error("DHCP socket stays open")
	}
}

// TestPasswordIsDeposited has it come from a server that is known by its address, and be no longer than one may be.
func TestPasswordIsDeposited(t *testing.T) {
	post := func(backend Backend, from, path, body string) int {
		request := httptest.NewRequest("POST", "http://169.254.169.254"+path, strings.NewReader(body))
		request.RemoteAddr = from
		recorder := httptest.NewRecorder()
		metadataHandler(metadataConfig(backend)).ServeHTTP(recorder, request)
		return recorder.Code
	}
	const path, known = "/openstack/latest/password", "10.1.0.11:5"
	for want, got := range map[int]int{
		200: post(echoBackend{}, known, path, "c2VhbGVk"), 409: post(echoBackend{}, known, path, "again"), 404: post(echoBackend{}, "10.1.0.99:5", path, "x"),
		400: post(echoBackend{}, known, path, strings.Repeat("x", 1021)), 405: post(echoBackend{}, known, "/openstack/latest/user_data", "x"),
		502: post(echoBackend{errors.New("down")}, known, path, "x"),
	} {
		if got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
}
