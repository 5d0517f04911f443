package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"virga/core/bus"
	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// Controller is the compute service as an agent sees it.
type Controller interface {
	// ReportHost tells what the host is.
	ReportHost(ctx context.Context, host string, report orders.Host) error
	// Alive is the sign of life.
	Alive(ctx context.Context, host string, sign orders.Alive) (orders.AliveAnswer, error)
	// Guests asks for the orders that changed after since.
	Guests(ctx context.Context, host string, since int64) (orders.GuestList, error)
	// ReportGuest tells what became of an order.
	ReportGuest(ctx context.Context, host, serverID string, report orders.Report) error
	// ReportCache tells what became of an order to cache images.
	ReportCache(ctx context.Context, host, cacheID string, report orders.CacheReport) error
}

// Images hands out the bytes of disk images. ErrNoImage: there is no such image any more.
type Images interface {
	Open(ctx context.Context, imageID string) (io.ReadCloser, error)
}

// ErrNoImage is wrapped by Images when the image is gone or has no data.
var ErrNoImage = errors.New("image is not there")

// Config is what an agent needs.
type Config struct {
	// Host is the name under which the host is known.
	Host string
	// HostIP is the address that the hypervisors API shows.
	HostIP     string
	Version    string
	Driver     hypervisor.Driver
	Controller Controller
	Images     Images
	// Shares say what servers get of the host.
	Shares orders.Shares
	// KeepImages is how long a cached image stays that no guest needs; 0: it goes at once.
	KeepImages time.Duration
	// Uploads takes the data of snapshots; nil: none can be uploaded from here.
	Uploads Uploads
	Bus     bus.Bus
	// ResumeGuests has guests started that ran when the last life of the agent, or of the host, came to its end.
	ResumeGuests bool
	Log          *slog.Logger
	// TransferURL is where other hosts reach this agent's TransferHandler, without a path; empty: nowhere.
	TransferURL string
	// Transfers calls the TransferHandlers of other hosts, as this host; nil: no disks can be fetched from them.
	Transfers *http.Client
	// Chance draws a duration below the one given, for pauses that must not be the same on all
	// hosts; nil: by chance. A simulation that is to run again the same way gives its own.
	Chance func(below time.Duration) time.Duration
	// Strain tells for how long the machine is up, in seconds, and its load averages of 1, 5 and 15 minutes;
	// nil: as proc(5) has it. A simulation gives its own here, too.
	Strain func() (seconds int64, load [3]float64)
}

const (
	// askAgain is when the agent asks for orders again after it could not. That a bell was
	// lost it learns with its next sign of life; askEvery is for all that nobody thought of.
	askAgain = time.Second
	askEvery = 10 * time.Minute
)

// Agent carries out the orders for one host.
type Agent struct {
	cfg     Config
	workers sync.WaitGroup
	mu      sync.Mutex
	guests  map[string]*guest
	// known is closed when the controller took the first report of the host.
	known       chan struct{}
	becomeKnown func()
	heart       heart
	// since is the generation of the newest orders that the agent has.
	since atomic.Int64
	// moved says that guests have other places on the host since it was described last.
	moved atomic.Bool
	// silence ends the answering of questions.
	silence    func()
	cache      cache
	precaching precaching
}

// New returns an agent; Run makes it work.
func New(cfg Config) *Agent {
	a := &Agent{cfg: cfg, guests: map[string]*guest{}, known: make(chan struct{})}
	if cfg.KeepImages > 0 { // what an earlier life left unused goes when it has been so for that long
		a.cache.due = time.Now().Add(cfg.KeepImages)
	}
	a.becomeKnown = sync.OnceFunc(func() { close(a.known) })
	return a
}

// Ready tells whether the controller knows the host, so that guests can be placed on it.
func (a *Agent) Ready(context.Context) error {
	select {
	case <-a.known:
		return nil
	default:
		return fmt.Errorf("the host %s has not been reported yet", a.cfg.Host)
	}
}

// Run works until ctx ends and then waits for what is at hand. It is Begin, Beat, Look and
// Leave, each when its time has come; whoever has many agents calls those.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.Begin(ctx); err != nil {
		return err
	}
	defer a.End()
	bell := a.cfg.Bus.Listen(orders.Topic(a.cfg.Host))
	defer bell.Close()
	news := make(chan struct{}, 1)
	a.workers.Go(func() {
		for ctx.Err() == nil {
			next, changed := a.Beat(ctx)
			if changed {
				select {
				case news <- struct{}{}:
				default: // it is going to look anyway
				}
			}
			waitFor(ctx, nil, next)
		}
		a.Leave(ctx)
	})
	select {
	case <-a.known: // a host that never reported has no orders
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		timer := time.NewTimer(a.Look(ctx))
		select {
		case <-bell.C:
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// Begin answers questions and follows the driver's events until ctx ends. End is called
// after it.
func (a *Agent) Begin(ctx context.Context) error {
	events, err := a.cfg.Driver.Watch(ctx)
	if err != nil {
		return fmt.Errorf("watch guests of %s: %w", a.cfg.Host, err)
	}
	a.silence = a.cfg.Bus.Serve(orders.Topic(a.cfg.Host), a.answer)
	a.workers.Go(func() { a.follow(ctx, events) })
	return nil
}

// End waits for what is at hand; the context given to Begin has ended.
func (a *Agent) End() {
	a.workers.Wait()
	a.silence()
}

// Look asks for changed orders and has them carried out. It returns when to look again,
// even without a bell and without news from Beat.
func (a *Agent) Look(ctx context.Context) time.Duration {
	since := a.since.Load()
	next, err := a.ask(ctx, since)
	if err != nil {
		if ctx.Err() == nil {
			a.cfg.Log.Warn("ask for the host's orders", "host", a.cfg.Host, "error", err)
		}
		return askAgain
	}
	a.since.Store(next)
	return askEvery
}

// waitFor returns when the bell rings, d is over or ctx ends; true for the bell.
func waitFor(ctx context.Context, bell <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-bell:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// ask fetches changed orders and hands them to the guests' workers.
func (a *Agent) ask(ctx context.Context, since int64) (int64, error) {
	list, err := a.cfg.Controller.Guests(ctx, a.cfg.Host, since)
	if err != nil {
		return since, err
	}
	if list.Generation < since { // the database is older than what was seen: begin anew
		return a.ask(ctx, 0)
	}
	for _, order := range list.Guests {
		a.hand(ctx, order)
	}
	a.precache(ctx, list.Caches)
	a.prune(ctx)
	return list.Generation, nil
}

// hand gives an order to the worker of its guest, which is started for it if need be.
func (a *Agent) hand(ctx context.Context, order orders.GuestOrder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.guests[order.ServerID]
	if g == nil {
		g = newGuest(a, order.ServerID)
		if a.since.Load() == 0 { // a former life of the agent may have reported it, too
			g.doubt()
		}
		a.guests[order.ServerID] = g
	}
	before := g.images()
	start := g.give(order)
	for _, image := range before {
		if !slices.Contains(g.images(), image) {
			a.cache.unused(image, time.Now(), a.cfg.KeepImages)
		}
	}
	if start {
		a.workers.Go(func() { g.work(ctx) })
	}
}

// forget drops a guest that is gone, unless a newer order has come for it.
func (a *Agent) forget(g *guest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.guests[g.id] == g && g.idle() {
		delete(a.guests, g.id)
		a.cache.unused("", time.Now(), a.cfg.KeepImages)
	}
}

// answer serves the questions of the bus.
func (a *Agent) answer(ctx context.Context, question string, body []byte) ([]byte, error) {
	if question == orders.QuestionHasten {
		return a.hasten(ctx, body)
	}
	if answer, known := a.deeds()[question]; known {
		return answer(ctx, body)
	}
	if question != orders.QuestionConsole {
		return nil, fmt.Errorf("unknown question %q", question)
	}
	var q orders.ConsoleQuestion
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("read question: %w", err)
	}
	log, err := a.cfg.Driver.ConsoleLog(ctx, q.ServerID, q.Length)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return nil, errors.New(orders.ErrNoGuest)
	}
	return log, err
}
