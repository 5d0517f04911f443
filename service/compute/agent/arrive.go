package agent

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// The side of a live migration where the guest arrives. The host that it comes from asks, under mutual TLS and with the secret of the
// migration, for what package hypervisor says of a Migrator:
//
//	POST /migration/{server_id}/prepare   body and answer: the drivers' own
//	POST /migration/{server_id}/finish    body and answer: the drivers' own
//	POST /migration/{server_id}/cancel    answer: {"arrived": whether the guest runs here}
//	GET  /migration/{server_id}/channel/{channel}   with Upgrade: virga-migration.1; from then on bytes, both ways
//
// 401: the peer is no host; 403: no order lets it, or the secret is wrong; 400: the offer cannot be this guest's; 404: the guest is not
// expected; 422: this host cannot take it; 503: not now.

const channelProtocol = "virga-migration.1"

type cancelAnswer struct {
	Arrived bool `json:"arrived"`
}

func (a *Agent) serveArrivals(mux *http.ServeMux, peer func(*http.Request) (host string, ok bool)) {
	handle := func(pattern string, do func(w http.ResponseWriter, r *http.Request, g *guest, generation int64)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			host, known := peer(r)
			if !known {
				http.Error(w, "the certificate of a host is needed", http.StatusUnauthorized)
				return
			}
			g, generation := a.mayBring(r.PathValue("server_id"), host, r.Header.Get(secretHeader))
			if g == nil {
				http.Error(w, "no order lets this host bring the guest", http.StatusForbidden)
				return
			}
			do(w, r, g, generation)
		})
	}
	handle("POST /migration/{server_id}/prepare", a.prepareArrival)
	handle("POST /migration/{server_id}/finish", a.finishArrival)
	handle("POST /migration/{server_id}/cancel", a.cancelArrival)
	handle("GET /migration/{server_id}/channel/{channel}", a.openChannel)
}

// mayBring returns a guest whose newest order lets a host bring it, and the order's generation.
func (a *Agent) mayBring(serverID, host, secret string) (*guest, int64) {
	a.mu.Lock()
	g := a.guests[serverID]
	a.mu.Unlock()
	if g == nil {
		return nil, 0
	}
	g.mu.Lock()
	arrive, generation := g.order.Arrive, g.order.Generation
	g.mu.Unlock()
	if arrive == nil || arrive.FromHost != host || arrive.SecretSHA256 == "" ||
		subtle.ConstantTimeCompare([]byte(digestOf(orders.Secret(secret))), []byte(arrive.SecretSHA256)) != 1 {
		return nil, 0
	}
	return g, generation
}

// refuse tells the other host why not.
func (a *Agent) refuse(w http.ResponseWriter, g *guest, what string, err error) {
	a.cfg.Log.Warn(what, "host", a.cfg.Host, "server", g.id, "error", err)
	status, text := http.StatusServiceUnavailable, "not now"
	for sentinel, answer := range map[error]int{hypervisor.ErrUnfit: http.StatusUnprocessableEntity, hypervisor.ErrUnsupported: http.StatusUnprocessableEntity,
		hypervisor.ErrInvalid:  http.StatusBadRequest,
		hypervisor.ErrNotFound: http.StatusNotFound} {
		if errors.Is(err, sentinel) {
			status, text = answer, sentinel.Error()
		}
	}
	http.Error(w, text, status)
}

func (a *Agent) prepareArrival(w http.ResponseWriter, r *http.Request, g *guest, generation int64) {
	offer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, hypervisor.MaxOffer))
	if err != nil {
		http.Error(w, "the offer cannot be read", http.StatusBadRequest)
		return
	}
	answer, err := a.cfg.Driver.PrepareArrival(r.Context(), g.id, generation, offer)
	if err != nil {
		a.refuse(w, g, "prepare for a guest of another host", err)
		return
	}
	_, _ = w.Write(answer) // who does not hear it asks again, or gives up
}

func (a *Agent) finishArrival(w http.ResponseWriter, r *http.Request, g *guest, _ int64) {
	message, err := io.ReadAll(http.MaxBytesReader(w, r.Body, hypervisor.MaxOffer))
	if err != nil {
		http.Error(w, "the message cannot be read", http.StatusBadRequest)
		return
	}
	answer, err := a.cfg.Driver.FinishArrival(r.Context(), g.id, message)
	if err != nil {
		a.refuse(w, g, "let a guest of another host run", err)
		return
	}
	_, _ = w.Write(answer) // who does not hear it asks by cancel
}

func (a *Agent) cancelArrival(w http.ResponseWriter, r *http.Request, g *guest, _ int64) {
	arrived, err := a.cfg.Driver.CancelArrival(r.Context(), g.id)
	if err != nil {
		a.refuse(w, g, "give up a guest of another host", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(cancelAnswer{arrived}) // who does not hear it asks again
}

// openChannel joins the request's connection to what awaits the guest's memory or disks.
func (a *Agent) openChannel(w http.ResponseWriter, r *http.Request, g *guest, _ int64) {
	if r.Header.Get("Upgrade") != channelProtocol {
		http.Error(w, "a channel is an upgrade to "+channelProtocol, http.StatusUpgradeRequired)
		return
	}
	near, err := a.cfg.Driver.OpenChannel(r.Context(), g.id, r.PathValue("channel"))
	if err != nil {
		a.refuse(w, g, "open a channel for a guest of another host", err)
		return
	}
	defer near.Close()
	far, _, err := http.NewResponseController(w).Hijack() // the other side sends nothing before it is answered
	if err != nil {
		a.refuse(w, g, "open a channel for a guest of another host", err)
		return
	}
	defer far.Close()
	if _, err := io.WriteString(far, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+channelProtocol+"\r\n\r\n"); err != nil {
		return
	}
	hypervisor.Join(r.Context(), far, near) // it ends with the guest that is expected, at the latest
}
