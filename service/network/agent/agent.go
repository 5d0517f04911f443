package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"

	"virga/core/bus"
	"virga/service/network/desired"
	"virga/service/network/fabric"
	"virga/service/network/responder"
)

// Controller is the network service as an agent sees it.
type Controller interface {
	// ReportHost is the sign of life; it tells what the host is.
	ReportHost(ctx context.Context, host string, report desired.HostReport) (desired.HostAnswer, error)
	// Desired asks for what should be on the host; Unchanged when nothing did since.
	Desired(ctx context.Context, host string, since int64) (desired.State, error)
	// ReportPorts and ReportRouters tell what stands.
	ReportPorts(ctx context.Context, host string, report desired.StatusReport) error
	ReportRouters(ctx context.Context, host string, report desired.StatusReport) error
}

// Config is what an agent needs.
type Config struct {
	// Host is the name under which the host is known.
	Host string
	// VTEP is the host's tunnel address; invalid: it has none.
	VTEP       netip.Addr
	Version    string
	Driver     fabric.Driver
	Controller Controller
	// Metadata has the documents that guests ask for.
	Metadata responder.Backend
	Bus      bus.Bus
	Log      *slog.Logger
	// StartedAt is shown by the agents API.
	StartedAt time.Time
}

// The agent's rhythm: askEvery bounds how long a lost bell can delay a change, repairEvery
// how long damage from outside stays; retryAfter is how long a failed object waits at first,
// up to askEvery when it fails again and again.
const (
	askEvery    = 5 * time.Second
	repairEvery = time.Minute
	retryAfter  = time.Second
)

// Topic is the bell that rings when something for the host changed.
func Topic(host string) string { return "network.node." + host }

// Agent keeps one host's data plane as it should be.
type Agent struct {
	cfg        Config
	applied    applied
	responders map[string]*responding
	// there is what was wanted last; unsure says that the host may hold something else.
	there  fabric.Inventory
	unsure bool
	said   said

	mu sync.RWMutex
	// answers is what the responders answer from, by network.
	answers map[string]answers
}

// said holds the last statuses that the controller took.
type said struct {
	mu             sync.Mutex
	ports, routers desired.StatusReport
}

// forget has the status of one object told again.
func (s *said) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ports, id)
	delete(s.routers, id)
}

// forgetAll has every status told again, which mends what got lost on the other side.
func (s *said) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.ports)
	clear(s.routers)
}

// New returns an agent; Run makes it work.
func New(cfg Config) *Agent {
	a := &Agent{cfg: cfg, unsure: true, responders: map[string]*responding{}, answers: map[string]answers{}}
	a.said.ports, a.said.routers = desired.StatusReport{}, desired.StatusReport{}
	return a
}

// Run works until ctx ends. The data plane stays as it is then.
func (a *Agent) Run(ctx context.Context) error {
	var heart sync.WaitGroup
	known := make(chan struct{})
	heart.Go(func() { a.heartbeat(ctx, sync.OnceFunc(func() { close(known) })) })
	defer heart.Wait()
	select {
	case <-known: // only of a host that has reported is anything desired
	case <-ctx.Done():
		return nil
	}
	defer a.closeResponders()
	bell := a.cfg.Bus.Listen(Topic(a.cfg.Host))
	defer bell.Close()
	var state desired.State
	wanted := wantedOf(&state, nil)
	var repairAt time.Time
	retry := retryAfter
	for ctx.Err() == nil {
		wait := askEvery
		news, err := a.cfg.Controller.Desired(ctx, a.cfg.Host, state.Generation)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				a.cfg.Log.Warn("ask for the host's desired state", "host", a.cfg.Host, "error", err)
			}
			wait = retryAfter
		case !news.Unchanged:
			state = news
			wanted = wantedOf(&state, wanted)
			a.answer(&state)
		}
		if time.Now().After(repairAt) {
			a.applied.forget()
			a.said.forgetAll()
			a.unsure = true
			repairAt = time.Now().Add(repairEvery)
		}
		if err == nil && !a.apply(ctx, &state, wanted) {
			wait, retry = retry, min(2*retry, askEvery)
		} else {
			retry = retryAfter
		}
		timer := time.NewTimer(wait)
		select {
		case <-bell.C:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// heartbeat reports the host as often as the controller wants it; it calls reported after each report.
func (a *Agent) heartbeat(ctx context.Context, reported func()) {
	report := desired.HostReport{
		Version: a.cfg.Version, VTEP: a.cfg.VTEP, StartedAt: a.cfg.StartedAt,
		Configurations: map[string]any{"tunnel_types": []string{"vxlan"}},
	}
	if a.cfg.VTEP.IsValid() {
		report.Configurations["tunneling_ip"] = a.cfg.VTEP.String()
	}
	for ctx.Err() == nil {
		wait := retryAfter
		answer, err := a.cfg.Controller.ReportHost(ctx, a.cfg.Host, report)
		if err == nil {
			reported()
			wait = max(time.Duration(answer.ReportInterval)*time.Second, retryAfter)
		} else if ctx.Err() == nil {
			a.cfg.Log.Warn("report host", "host", a.cfg.Host, "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// report tells the controller the statuses that it does not know yet.
func (a *Agent) report(ctx context.Context, what string, now, said desired.StatusReport,
	send func(context.Context, string, desired.StatusReport) error) error {
	news := desired.StatusReport{}
	a.said.mu.Lock()
	for id, status := range now {
		if old, known := said[id]; !known || !same(old, status) {
			news[id] = status
		}
	}
	for id := range said {
		if _, there := now[id]; !there {
			delete(said, id)
		}
	}
	a.said.mu.Unlock()
	if len(news) == 0 {
		return nil
	}
	if err := send(ctx, a.cfg.Host, news); err != nil {
		return fmt.Errorf("report %s of %s: %w", what, a.cfg.Host, err)
	}
	a.said.mu.Lock()
	defer a.said.mu.Unlock()
	maps.Copy(said, news)
	return nil
}
