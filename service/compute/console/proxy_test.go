package console_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"virga/service/compute/console"
)

const public = "https://cloud.example.org:8780"

// rig is a proxy whose guests say hello and echo.
type rig struct {
	address string
	mu      sync.Mutex
	tokens  map[string]console.Session
	opened  []console.Session
}

func newRig(t *testing.T) (*rig, *console.Proxy) {
	t.Helper()
	r := &rig{tokens: map[string]console.Session{}}
	proxy, err := console.New(console.Config{Endpoint: public, Log: slog.New(slog.DiscardHandler), Max: 2,
		Redeem: func(_ context.Context, token string) (console.Session, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			session, known := r.tokens[token]
			delete(r.tokens, token)
			if !known {
				return session, console.ErrNoToken
			}
			return session, nil
		},
		Open: func(_ context.Context, session console.Session) (io.ReadWriteCloser, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.opened = append(r.opened, session)
			near, far := net.Pipe()
			go func() {
				defer near.Close()
				if _, err := io.WriteString(near, "hello\n"); err == nil {
					_, _ = io.Copy(near, near)
				}
			}()
			return far, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/console", proxy))
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = proxy.Close() })
	r.address = server.URL + "/console"
	return r, proxy
}

func (r *rig) token(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens[name] = console.Session{ServerID: "s", Host: "h", Kind: console.Serial, UserID: "u"}
	return name
}

// dial returns the connection, or the status with which it was refused and what followed.
func (r *rig) dial(t *testing.T, token, origin string) (*websocket.Conn, int, string) {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	conn, response, err := websocket.Dial(t.Context(), r.address+"/ws?token="+token, &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{"binary"}})
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
		return conn, 0, ""
	}
	if response == nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return nil, response.StatusCode, string(body)
}

func read(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	_, data, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestConsoleCarriesBytesBothWays(t *testing.T) {
	r, proxy := newRig(t)
	conn, status, _ := r.dial(t, r.token("a"), public)
	if conn == nil {
		t.Fatalf("refused with %d", status)
	}
	if got := read(t, conn); got != "hello\n" {
		t.Errorf("the guest says %q", got)
	}
	if err := conn.Write(t.Context(), websocket.MessageBinary, []byte("ls\r")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, conn); got != "ls\r" {
		t.Errorf("the guest answers %q", got)
	}
	if err := proxy.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the session goes on after the end of the proxy")
	}
}

func TestTokenIsGoodOnce(t *testing.T) {
	r, _ := newRig(t)
	token := r.token("a")
	if conn, status, _ := r.dial(t, token, ""); conn == nil {
		t.Fatalf("refused with %d", status)
	}
	for _, again := range []string{token, "never-made", ""} {
		if conn, status, body := r.dial(t, again, ""); conn != nil || status != http.StatusUnauthorized || body != "" {
			t.Errorf("token %q: %d %q", again, status, body)
		}
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	r, _ := newRig(t)
	for _, origin := range []string{"https://evil.example.org", "http://cloud.example.org:8780", "https://cloud.example.org", "https://cloud.example.org:8780.evil.org",
		"null", strings.TrimSuffix(r.address, "/console")} {
		token := r.token("of " + origin)
		if conn, status, _ := r.dial(t, strings.ReplaceAll(token, " ", "+"), origin); conn != nil || status != http.StatusForbidden {
			t.Errorf("a page of %s: %d", origin, status)
		}
		if r.tokens[token].ServerID == "" {
			t.Errorf("a page of %s used the token up", origin)
		}
	}
	if len(r.opened) > 0 {
		t.Errorf("guests were reached: %v", r.opened)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	r, _ := newRig(t)
	for _, name := range []string{"a", "b"} {
		if conn, status, _ := r.dial(t, r.token(name), ""); conn == nil {
			t.Fatalf("refused with %d", status)
		}
	}
	if conn, status, _ := r.dial(t, r.token("c"), ""); conn != nil || status != http.StatusServiceUnavailable {
		t.Errorf("the third of two: %d", status)
	}
}

func TestOnlyPagesAreServed(t *testing.T) {
	r, _ := newRig(t)
	for path, want := range map[string]int{"/ws": http.StatusUpgradeRequired, "/": http.StatusNotFound, "/.keep": http.StatusNotFound, "/../proxy.go": http.StatusNotFound} {
		response, err := http.Get(r.address + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d, not %d", path, response.StatusCode, want)
		}
	}
}
