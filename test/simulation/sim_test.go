package simulation_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
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
	"virga/service/compute"
	"virga/service/network"
	"virga/service/placement"
)

// sim is one run of one seed.
type sim struct {
	seed     uint64
	folder   string
	director *director
	bus      *bus.Local
	log      *slog.Logger
	services map[string]*process
	hosts    []*host
	// clients are processes that never die.
	clients []*client
	// observers read the databases without waiting for a turn; looking has the drivers
	// answer without one, too.
	observers map[string]*db.DB
	looking   atomic.Bool
	// all are the goroutines of the run.
	all sync.WaitGroup

	mu         sync.Mutex
	complaints []string
	promises   promises
}

// outcome is what a run came to.
type outcome struct {
	complaints []string
	sum        uint64
	turns      int
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
	folder, err := os.MkdirTemp(memoryFolder(), "virga-simulation-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	for name := range templates {
		if err := os.WriteFile(filepath.Join(folder, name), templates[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &sim{seed: seed, folder: folder, director: newDirector(seed, log), bus: bus.NewLocal(), services: map[string]*process{},
			observers: map[string]*db.DB{}, promises: newPromises(), log: slog.New(slog.DiscardHandler)}
		if log != nil {
			s.log = slog.New(slog.NewTextHandler(log, nil))
		}
		began := time.Now()
		s.run(t)
		o = outcome{s.complaints, s.director.sum, s.director.turns, time.Since(began)}
	})
	return o
}

// run tells the story and gives turns until it is told.
func (s *sim) run(t *testing.T) {
	for name := range templates {
		d, err := db.Open(t.Context(), s.address(name))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		s.observers[name] = d
	}
	told := make(chan struct{})
	ctx, end := context.WithCancel(context.Background())
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

func (s *sim) address(name string) string { return "sqlite:" + filepath.Join(s.folder, name) }

// memoryFolder is where files cost no disk, if the machine has such a place.
func memoryFolder() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return os.TempDir()
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
		d, err := db.Open(l.ctx, s.address(of))
		if err != nil {
			return err
		}
		defer func() { _ = d.Close() }()
		l.intercept(d)
		built, err := build(l.ctx, l, d)
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
		return placement.New(ctx, placement.Deps{DB: d, Clock: l.clock, Log: s.log, Auth: nobody{}, Endpoint: "http://placement/placement"})
	})
	s.serve(ctx, "network", "network", func(ctx context.Context, l *life, d *db.DB) (service, error) {
		return network.New(ctx, network.Deps{DB: d, Bus: bells{s.bus, l}, Clock: l.clock, Log: s.log, Auth: nobody{}, Owner: "network",
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
	return compute.New(ctx, compute.Deps{DB: d, Bus: bells{s.bus, l}, Clock: l.clock, Log: s.log, Auth: nobody{}, Owner: owner,
		Endpoint: "http://compute/compute", Images: images{}, Self: serviceIdentity("compute"),
		Networks: neighbour.NewNetworks(to("network")), Placement: neighbour.NewPlacement(to("placement"))})
}

// templates are the databases of a fresh cloud, by service.
var templates map[string][]byte

// networkID is the network that the servers are on.
var networkID string

// furnish makes the templates. Everything in them comes from a seed, too.
func furnish() error {
	folder, err := os.MkdirTemp(memoryFolder(), "virga-simulation-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	ctx, log, made := context.Background(), slog.New(slog.DiscardHandler), map[string][]byte{}
	for name, build := range map[string]func(d *db.DB) error{
		"placement": func(d *db.DB) error {
			_, err := placement.New(ctx, placement.Deps{DB: d, Clock: newStill("placement"), Log: log, Auth: nobody{}})
			return err
		},
		"network": func(d *db.DB) error {
			s, err := network.New(ctx, network.Deps{DB: d, Bus: bus.NewLocal(), Clock: newStill("network"), Log: log, Auth: nobody{}})
			if err != nil {
				return err
			}
			if err := s.Seed(ctx, network.SeedParams{AdminProjectID: projectID, ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/16"}); err != nil {
				return err
			}
			return d.Read(ctx, func(tx *db.Tx) error { return tx.Get(&networkID, "SELECT id FROM networks WHERE name = 'private'") })
		},
		"compute": func(d *db.DB) error {
			s, err := compute.New(ctx, compute.Deps{DB: d, Bus: bus.NewLocal(), Clock: newStill("compute"), Log: log, Auth: nobody{}})
			if err != nil {
				return err
			}
			return s.Seed(ctx)
		},
	} {
		path := filepath.Join(folder, name)
		d, err := db.Open(ctx, "sqlite:"+path)
		if err != nil {
			return err
		}
		if err := build(d); err != nil {
			return fmt.Errorf("furnish %s: %w", name, err)
		}
		if err := d.Close(); err != nil {
			return err
		}
		if made[name], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	templates = made
	return nil
}

// still is a clock at the time at which all bubbles begin.
type still struct{ *clock }

func newStill(name string) still { return still{newClock(0, name, 0)} }

func (still) Now() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// tunnelAddress is the address of the nth host.
func tunnelAddress(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }
