package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"virga/core/bus"
	"virga/service/network/desired"
	"virga/service/network/fabric"
	"virga/service/network/responder"
)

// Controller is the network service as an agent sees it.
type Controller interface {
	// ReportHost tells what the host is.
	ReportHost(ctx context.Context, host string, report desired.HostReport) (desired.HostAnswer, error)
	// Alive is the sign of life.
	Alive(ctx context.Context, host string, sign desired.Alive) (desired.AliveAnswer, error)
	// Desired asks for what is new on the host since an answer before, for everything since
	// generation 0.
	Desired(ctx context.Context, host string, since Position) (desired.State, error)
	// ReportPorts and ReportRouters tell what stands.
	ReportPorts(ctx context.Context, host string, report desired.StatusReport) error
	ReportRouters(ctx context.Context, host string, report desired.StatusReport) error
}

// Position is the generation and the moment of an answer.
type Position struct {
	Generation int64
	Moment     string
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

	// Chance draws a duration below the one given, for pauses that must not be the same on all
	// hosts; nil: by chance. A simulation that is to run again the same way gives its own.
	Chance func(below time.Duration) time.Duration
}

// chance draws a duration below the one given.
func (c *Config) chance(below time.Duration) time.Duration {
	if c.Chance != nil {
		return c.Chance(below)
	}
	return rand.N(below)
}

// The agent's rhythm: repairEvery bounds how long damage from outside stays; retryAfter is
// how long a failed object waits at first, up to retryAtMost when it fails again and again.
// That a bell was lost the agent learns with its next sign of life. Every wholeEvery or so
// it asks for everything, which mends what nobody thought of.
const (
	repairEvery = time.Minute
	wholeEvery  = 10 * time.Minute
	retryAfter  = time.Second
	retryAtMost = 5 * time.Second
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

	// What Look knows: state is what should be, wanted the same in the driver's words. Retry
	// is how long to wait after a failure; the times say when what is due the next time.
	state  desired.State
	wanted *wanted
	retry  time.Duration
	// behind says that the last question had no answer.
	behind            bool
	repairAt, wholeAt time.Time
	// position is what the next question names; signs of life name it, too, and move it on when
	// they hear that nothing came since. Heart is what those remember.
	position atomic.Pointer[Position]
	heart    heart

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
	a.position.Store(&Position{})
	return a
}

// Run works until ctx ends. The data plane stays as it is then. It is Beat and Look, each
// when its time has come, and Leave; whoever has many agents calls those.
func (a *Agent) Run(ctx context.Context) error {
	var beating sync.WaitGroup
	defer beating.Wait()
	known := make(chan struct{})
	becomeKnown := sync.OnceFunc(func() { close(known) })
	news := make(chan struct{}, 1)
	beating.Go(func() {
		for ctx.Err() == nil {
			next, changed := a.Beat(ctx)
			if a.heart.known {
				becomeKnown()
			}
			if changed {
				select {
				case news <- struct{}{}:
				default: // it is going to look anyway
				}
			}
			pause(ctx, next, nil, nil)
		}
		a.Leave(ctx)
	})
	select {
	case <-known: // only of a host that has reported is anything desired
	case <-ctx.Done():
		return nil
	}
	defer a.Close()
	bell := a.cfg.Bus.Listen(Topic(a.cfg.Host))
	defer bell.Close()
	for ask := true; ctx.Err() == nil; {
		wait := a.Look(ctx, ask)
		ask = pause(ctx, wait, bell.C, news)
	}
	return nil
}

// pause waits for d or until one of the channels tells; true for the channels, also when d
// is over. One look is for all who told.
func pause(ctx context.Context, d time.Duration, bell, news <-chan struct{}) bool {
	told := false
	for _, c := range []<-chan struct{}{bell, news} {
		select {
		case <-c:
			told = true
		default:
		}
	}
	if told {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-bell:
		return true
	case <-news:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// Look makes the data plane as it should be, after it has asked what is new when ask is set
// or it is time for everything. It returns when to look again, even without a bell and
// without news from Beat.
func (a *Agent) Look(ctx context.Context, ask bool) time.Duration {
	now := time.Now()
	if a.wanted == nil {
		a.wanted = wantedOf(&a.state, nil)
		a.wholeAt = now
	}
	if !now.Before(a.wholeAt) || a.state.Generation == 0 {
		a.position.Store(&Position{})
		ask = true
	}
	if ask || a.behind {
		if err := a.ask(ctx); err != nil {
			if ctx.Err() == nil {
				a.cfg.Log.Warn("ask for the host's desired state", "host", a.cfg.Host, "error", err)
			}
			a.behind = true
			return retryAfter
		}
		a.behind = false
	}
	if !now.Before(a.repairAt) {
		a.applied.forget()
		a.said.forgetAll()
		a.unsure = true
		a.repairAt = now.Add(repairEvery)
	}
	if a.apply(ctx, &a.state, a.wanted) {
		a.retry = retryAfter
		return time.Until(a.repairAt)
	}
	wait := max(a.retry, retryAfter)
	a.retry = min(2*wait, retryAtMost)
	return wait
}

// ask fetches what is new.
func (a *Agent) ask(ctx context.Context) error {
	since := *a.position.Load()
	news, err := a.cfg.Controller.Desired(ctx, a.cfg.Host, since)
	if err != nil {
		return err
	}
	if since.Generation == 0 {
		// Not all agents at the same time, though they were started together.
		a.wholeAt = time.Now().Add(wholeEvery/2 + a.cfg.chance(wholeEvery))
	}
	if news.Unchanged {
		a.state.Generation = news.Generation
	} else {
		a.state = a.state.With(news)
		a.wanted = wantedOf(&a.state, a.wanted)
		a.answer(&a.state)
	}
	a.position.Store(&Position{news.Generation, news.Moment})
	return nil
}

// Close ends what answers guests; Look is not called any more.
func (a *Agent) Close() { a.closeResponders() }

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
