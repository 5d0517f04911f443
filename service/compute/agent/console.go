package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"virga/service/compute/hypervisor"
)

// consoleProtocol is what a controller upgrades a connection to for a console:
//
//	GET /console/{server_id}/{kind}   with Upgrade: virga-console.1; from then on bytes, both ways
//
// 401: the peer is no controller; 404: there is no such guest, it does not run, or no such kind; 426: no upgrade; 503: not now.
const consoleProtocol = "virga-console.1"

// The kinds of consoles.
const (
	ConsoleDisplay = "vnc"
	ConsoleSerial  = "serial"
)

// ErrNoConsole says that a guest has no such console now.
var ErrNoConsole = errors.New("the guest has no such console now")

// OpenConsole connects to the display or the serial port of a guest of this host; ErrNoConsole when it does not run. The caller
// closes the stream.
func (a *Agent) OpenConsole(ctx context.Context, serverID, kind string) (io.ReadWriteCloser, error) {
	open := map[string]func(context.Context, string) (io.ReadWriteCloser, error){
		ConsoleDisplay: a.cfg.Driver.OpenDisplay, ConsoleSerial: a.cfg.Driver.OpenSerial}[kind]
	if open == nil {
		return nil, fmt.Errorf("open console %q of server %s: %w", kind, serverID, ErrNoConsole)
	}
	stream, err := open(ctx, serverID)
	if errors.Is(err, hypervisor.ErrNotFound) || errors.Is(err, hypervisor.ErrInvalid) {
		return nil, fmt.Errorf("open console of server %s: %w", serverID, ErrNoConsole)
	}
	return stream, err
}

// ConsoleHandler serves the consoles of this host's guests to controllers; isController tells whether a request's connection was
// made with the certificate of one.
func (a *Agent) ConsoleHandler(isController func(*http.Request) bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/{server_id}/{kind}", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isController(r):
			http.Error(w, "the certificate of a controller is needed", http.StatusUnauthorized)
		case r.Header.Get("Upgrade") != consoleProtocol:
			http.Error(w, "a console is an upgrade to "+consoleProtocol, http.StatusUpgradeRequired)
		default:
			a.serveConsole(w, r)
		}
	})
	return mux
}

func (a *Agent) serveConsole(w http.ResponseWriter, r *http.Request) {
	id, kind := r.PathValue("server_id"), r.PathValue("kind")
	near, err := a.OpenConsole(r.Context(), id, kind)
	if errors.Is(err, ErrNoConsole) {
		http.Error(w, ErrNoConsole.Error(), http.StatusNotFound)
		return
	}
	if err != nil {
		a.cfg.Log.Warn("open console", "host", a.cfg.Host, "server", id, "kind", kind, "error", err)
		http.Error(w, "the console cannot be reached now", http.StatusServiceUnavailable)
		return
	}
	defer near.Close()
	far, _, err := http.NewResponseController(w).Hijack() // the other side sends nothing before it is answered
	if err != nil {
		a.cfg.Log.Warn("take over a connection for a console", "host", a.cfg.Host, "server", id, "error", err)
		http.Error(w, "the console cannot be reached now", http.StatusServiceUnavailable)
		return
	}
	defer far.Close()
	if _, err := io.WriteString(far, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+consoleProtocol+"\r\n\r\n"); err != nil {
		return
	}
	hypervisor.Join(r.Context(), far, near)
}

// DialConsole connects to a console of a guest of another host, whose agent's ConsoleHandler is at base; ErrNoConsole as
// OpenConsole. The caller closes the stream.
func DialConsole(ctx context.Context, client *http.Client, base, serverID, kind string) (io.ReadWriteCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/console/"+url.PathEscape(serverID)+"/"+url.PathEscape(kind), nil)
	if err != nil {
		return nil, fmt.Errorf("reach the console of server %s: %w", serverID, err)
	}
	request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {consoleProtocol}}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reach the console of server %s: %w", serverID, err)
	}
	stream, both := response.Body.(io.ReadWriteCloser)
	if response.StatusCode == http.StatusSwitchingProtocols && both {
		return stream, nil
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("reach the console of server %s: %w", serverID, ErrNoConsole)
	}
	return nil, fmt.Errorf("reach the console of server %s: its host answers %s", serverID, response.Status)
}
