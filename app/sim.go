package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"virga/core/conf"
	"virga/core/obs"
)

// Simulation is what Sim does.
type Simulation struct {
	// Hosts are simulated; Servers are created on them, at most Rate a second (0: as fast as
	// it goes) by Clients at once.
	Hosts, Servers int
	Rate           float64
	Clients        int
	// Stock servers more are put into the database, without guests, for measuring lists.
	Stock int
	// Idle is how long the cloud is watched while nothing happens.
	Idle time.Duration
	// Serve goes on serving until the context ends.
	Serve bool
	// Profile, if named, is a file for the CPU profile of the creating; those of
	// the idle cloud and of the deleting get .idle and .delete behind the name.
	Profile string
}

// Sim runs the control plane with simulated hosts in one process, tells on out how it does,
// and ends, or goes on serving.
func Sim(ctx context.Context, c *conf.Config, s Simulation, version string, out, logs io.Writer) (err error) {
	c.Roles = conf.AllRoles()
	c.Roles.Node = false
	if err := c.Complete(); err != nil {
		return err
	}
	log, err := obs.NewLogger(logs, c.LogLevel, c.LogFormat, contextAttrs)
	if err != nil {
		return err
	}
	cl, err := newCloud(c, version, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cl.close()) }()
	hosts := newSimHosts()
	for _, open := range []func(context.Context) error{
		cl.listen, cl.openBus, func(context.Context) error { cl.bus = ringing{cl.bus, hosts}; return nil },
		cl.openCluster, cl.meetOthers, cl.secure, cl.addServices, cl.keepCredentials,
	} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	cl.onRun(hosts.run)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return cl.serve(ctx, out) })
	group.Go(func() error {
		x := &experiment{Simulation: s, cloud: cl, hosts: hosts, out: out}
		if err := x.run(ctx); err != nil {
			return err
		}
		if !s.Serve {
			cancel()
		}
		return nil
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// experiment is one run of a simulation.
type experiment struct {
	Simulation
	cloud  *cloud
	hosts  *simHosts
	out    io.Writer
	client *simClient
}

// tell prints one figure.
func (x *experiment) tell(what, format string, args ...any) {
	fmt.Fprintf(x.out, "%-58s %s\n", what, fmt.Sprintf(format, args...))
}

// tellWanted prints one figure beside what is wanted on two processors that do nothing else.
func (x *experiment) tellWanted(what, wanted, format string, args ...any) {
	fmt.Fprintf(x.out, "%-58s %-38s wanted: %s\n", what, fmt.Sprintf(format, args...), wanted)
}

func (x *experiment) run(ctx context.Context) error {
	var err error
	if x.client, err = x.login(ctx); err != nil {
		return err
	}
	if err := x.meetHosts(ctx); err != nil {
		return err
	}
	if err := x.idle(ctx); err != nil {
		return err
	}
	return x.measure(ctx)
}

// measure creates servers, looks at lists and deletes the servers again. With a stock the
// lists are its: they come last.
func (x *experiment) measure(ctx context.Context) error {
	steps := []func(context.Context) error{x.createServers, x.lists, x.deleteServers}
	switch {
	case x.Servers == 0:
		return nil
	case x.Stock > 0:
		steps = []func(context.Context) error{x.createServers, x.deleteServers, x.stock, x.lists}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// meetHosts starts the hosts and waits until servers can be placed on all of them.
func (x *experiment) meetHosts(ctx context.Context) error {
	before, began := memory(), time.Now()
	spread := max(time.Duration(x.Hosts)*time.Second/simArrivals, time.Millisecond)
	for i := range x.Hosts {
		if err := x.hosts.add(ctx, x.cloud, i, spread); err != nil {
			return fmt.Errorf("simulate host %s: %w", simName(i), err)
		}
	}
	placed := 0
	for shown := time.Now(); placed < x.Hosts; {
		var answer struct {
			Providers []struct{} `json:"providers"`
		}
		client := x.cloud.client("placement", serviceIdentity("virga"), nil)
		if err := client.Do(ctx, "GET", "/internal/providers", nil, &answer); err != nil {
			return err
		}
		if placed = len(answer.Providers); time.Since(shown) > 10*time.Second {
			shown = time.Now()
			x.tell("hosts so far", "%d", placed)
		}
		if placed < x.Hosts {
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
		}
	}
	x.tell("hosts", "%d after %s", x.Hosts, time.Since(began).Round(100*time.Millisecond))
	if err := sleep(ctx, 2*time.Second); err != nil { // providers are there before the roster has read them
		return err
	}
	after := memory()
	x.tellWanted("memory (PSS) without hosts, with them, per host", "linear", "%.1f MB, %.1f MB, %.1f KB", mb(before), mb(after), float64(after-before)/float64(max(x.Hosts, 1))/1e3)
	return nil
}

// idle watches the cloud while nothing happens.
func (x *experiment) idle(ctx context.Context) error {
	if x.Idle <= 0 {
		return nil
	}
	stop, err := x.profile(".idle")
	if err != nil {
		return err
	}
	used, began := cpuTime(), time.Now()
	if err := errors.Join(sleep(ctx, x.Idle), stop()); err != nil {
		return err
	}
	share := float64(cpuTime()-used) / float64(time.Since(began))
	x.tellWanted("CPU while idle, of one core", "under 10 %", "%.1f %% over %s", 100*share, x.Idle)
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// memory is the process's proportional set size in bytes, after everything that is not
// needed was given back; 0 where the system does not tell.
func memory() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "Pss:"); found {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// cpuTime is what the process has used of the processors.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
