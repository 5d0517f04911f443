package simulation_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"virga/app/neighbour"
	"virga/core/api"
	"virga/core/bus"
	"virga/core/db"
	"virga/core/token"
	"virga/core/vault"
	"virga/service/compute"
	"virga/service/network"
	"virga/service/placement"
)

// sim is one run of one seed.
type sim struct {
	seed     uint64
	director *director
	bus      *bus.Local
	log      *slog.Logger
	services map[string]*process
	hosts    []*host
	gallery  gallery
	// clients are processes that never die.
	clients []*client
	// sky is where messages are that stray; it never dies. strays counts them.
	sky    *life
	strays atomic.Int64
	// looking has the drivers answer without waiting for a turn.
	looking atomic.Bool
	// all are the goroutines of the run.
	all sync.WaitGroup

	mu         sync.Mutex
	complaints []string
	promises   promises
	vault      *vault.Vault
}

// outcome is what a run came to.
type outcome struct {
	complaints []string
	sum        uint64
	tally      tally
	took       time.Duration // in the bubble's time
}

// maxComplaints bounds what is said of one seed.
const maxComplaints = 8

func (s *sim) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.complaints) < maxComplaints {
		s.complaints = append(s.complaints, fmt.Sprintf("%s: ", time.Since(s.director.began))+fmt.Sprintf(format, args...))
	}
}

// simulate makes the run of a seed in a bubble of its own; log, if there is one, gets every turn.
func simulate(t *testing.T, seed uint64, log io.Writer) (o outcome) {
	t.Helper()
	for _, store := range stores {
		if err := store.reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &sim{seed: seed, director: newDirector(seed, log), bus: bus.NewLocal(), services: map[string]*process{},
			promises: newPromises(), log: slog.New(slog.DiscardHandler), vault: newVault(t)}
		if log != nil {
			s.log = slog.New(slog.NewTextHandler(log, nil))
		}
		began := time.Now()
		s.run()
		o = outcome{s.complaints, s.director.sum, s.director.tally, time.Since(began)}
	})
	return o
}

// run tells the story and gives turns until it is told.
func (s *sim) run() {
	told := make(chan struct{})
	ctx, end := context.WithCancel(context.Background())
	s.sky = (&process{sim: s, name: "sky"}).begin(ctx)
	s.all.Go(func() {
		defer close(told)
		s.story(ctx)
	})
	s.director.direct(told)
	end()
	s.director.openAll()
	s.all.Wait()
	for _, h := range s.hosts {
		h.close()
	}
}

// newVault is what all lives of compute seal passwords with.
func newVault(t *testing.T) *vault.Vault {
	v, err := vault.New(make([]byte, vault.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const (
	projectID = "0123456789abcdef0123456789abcdef"
	imageID   = "11111111-1111-4111-8111-111111111111"
)

func serviceIdentity(name string) *token.Identity {
	return &token.Identity{UserID: name, UserName: name, Project: token.Project{ID: "service", Name: "service"},
		Roles: []token.Role{{Name: "admin"}, {Name: "service"}}}
}

// nobody is the authenticator: all who call are known by their context.
type nobody struct{}

func (nobody) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

// service is what the shipping services have in common.
type service interface {
	Handler() http.Handler
	Run(ctx context.Context) error
}

// serve makes a process of a service; one of several has a name of its own.
func (s *sim) serve(ctx context.Context, name, of string, build func(ctx context.Context, l *life, d *db.DB) (service, error)) {
	p := &process{sim: s, name: name}
	p.run = func(l *life) error {
		built, err := build(l.ctx, l, l.intercepted(stores[of].db))
		if err != nil {
			return err
		}
		var edge http.Handler = &api.Edge{Clock: l.clock, Fallback: http.NotFoundHandler(), Services: map[string]http.Handler{"/" + of: built.Handler()}}
		l.handler.Store(&edge)
		return built.Run(l.ctx)
	}
	s.services[name] = p
	s.all.Go(func() { p.keep(ctx) })
}

func (s *sim) startServices(ctx context.Context) {
	s.serve(ctx, "placement", "placement", func(ctx context.Context, l *life, d *db.DB) (service, error) {
		return placement.New(ctx, placement.Deps{DB: d, Compiled: &stores["placement"].compiled, Clock: l.clock, Log: s.log, Auth: nobody{}, Endpoint: "http://placement/placement"})
	})
	s.serve(ctx, "network", "network", func(ctx context.Context, l *life, d *db.DB) (service, error) {
		return network.New(ctx, network.Deps{DB: d, Compiled: &stores["network"].compiled, Bus: bells{s.bus, l}, Clock: l.clock, Log: s.log, Auth: nobody{}, Owner: "network",
			Endpoint: "http://network/network"})
	})
	controllers := []string{"compute"}
	if s.seed%3 == 0 { // a second one carries operations, too
		controllers = append(controllers, "compute2")
	}
	for _, name := range controllers {
		s.serve(ctx, name, "compute", s.buildCompute)
	}
}

func (s *sim) buildCompute(ctx context.Context, l *life, d *db.DB) (service, error) {
	to := func(name string) api.Client { return (&wire{sim: s, from: l, to: s.services[name]}).client() }
	owner := l.process.name
	if l.number%3 == 0 { // a stranger takes over, who has to wait for the leases to run out
		owner = fmt.Sprint(owner, " ", l.number)
	}
	return compute.New(ctx, compute.Deps{DB: d, Compiled: &stores["compute"].compiled, Bus: bells{s.bus, l}, Clock: l.clock, Log: s.log, Auth: nobody{}, Owner: owner,
		Endpoint: "http://compute/compute", Images: s.gallery.of(""), Self: serviceIdentity("compute"), Vault: s.vault,
		Networks: neighbour.NewNetworks(to("network")), Placement: neighbour.NewPlacement(to("placement"))})
}

// tunnelAddress is the address of the nth host.
func tunnelAddress(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }
