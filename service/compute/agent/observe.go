package agent

import (
	"context"
	"errors"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"virga/core/api"
	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// observe reports the guest's present state under an order that has been carried out: just
// now, or some time ago. A guest that runs may go down by itself before anybody looks; that
// it has run is reported first, for whoever waits for it.
func (g *guest) observe(ctx context.Context, order orders.GuestOrder, justNow bool) error {
	state, err := g.agent.cfg.Driver.GetGuest(ctx, g.id)
	if errors.Is(err, hypervisor.ErrNotFound) {
		state, err = hypervisor.GuestState{ID: g.id, Power: hypervisor.Crashed}, nil
	}
	if err != nil {
		return err
	}
	g.mu.Lock()
	rebooted, phase := g.rebooted, g.copied.of(order)
	g.mu.Unlock()
	if order.Reboot == nil {
		rebooted = 0
	}
	said := orders.Report{Generation: order.Generation, State: stateOf(state, order.Desired), PowerState: int(state.Power), RebootDone: rebooted,
		Snapshot: phase, Placement: state.Placement}
	ran := order.Desired == orders.Running || order.Desired == orders.Rescued
	if justNow && ran && said.State == orders.StateStopped {
		reached := said
		reached.State, reached.PowerState = orders.State(order.Desired), int(hypervisor.Running)
		if err := g.report(ctx, reached); err != nil {
			return err
		}
	}
	return g.report(ctx, said)
}

func stateOf(state hypervisor.GuestState, desired orders.Desired) orders.State {
	switch state.Power {
	case hypervisor.Paused:
		if desired == orders.Paused {
			return orders.StatePaused
		}
		return orders.StateRunning
	case hypervisor.Running, hypervisor.Suspended:
		if state.Rescued && desired == orders.Rescued {
			return orders.StateRescued
		}
		return orders.StateRunning
	}
	if state.Saved {
		return orders.StateSuspended
	}
	switch desired {
	case orders.Prepared:
		return orders.StatePrepared
	case orders.Moved:
		return orders.StateMoved
	}
	return orders.StateStopped
}

// report sends a report until the controller takes it, refuses it for good or ctx ends.
// One that says nothing new is not sent again.
func (g *guest) report(ctx context.Context, report orders.Report) error {
	g.mu.Lock()
	known := g.said.Generation == report.Generation && g.said.State == report.State && g.said.PowerState == report.PowerState &&
		g.said.RebootDone == report.RebootDone && g.said.Snapshot == report.Snapshot && g.said.Error == nil && report.Error == nil &&
		reflect.DeepEqual(g.said.Placement, report.Placement)
	g.mu.Unlock()
	if known {
		return nil
	}
	g.tellPlace(ctx, report)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := g.agent.cfg.Controller.ReportGuest(ctx, g.agent.cfg.Host, g.id, report)
		if err == nil {
			g.mu.Lock()
			g.said = report
			g.mu.Unlock()
			return nil
		}
		if ctx.Err() != nil {
			g.doubt()
			return ctx.Err()
		}
		g.agent.cfg.Log.Warn("report guest", "host", g.agent.cfg.Host, "server", g.id, "error", err)
		if refused(err) {
			return nil
		}
		g.doubt()
		waitFor(ctx, nil, pause)
	}
}

// tellPlace has the host described before it is reported that a guest has another place on it, or that it is gone: who hears of
// the guest finds its processors and memory taken, or free. When that cannot be told now, it is with the next sign of life.
func (g *guest) tellPlace(ctx context.Context, report orders.Report) {
	g.mu.Lock()
	same := reflect.DeepEqual(g.said.Placement, report.Placement) && (g.said.Generation != 0 || report.State != orders.StateAbsent)
	g.mu.Unlock()
	if same {
		return
	}
	a := g.agent
	host, err := a.describeHost(ctx)
	if err == nil && host.CPUs != nil {
		err = a.cfg.Controller.ReportHost(ctx, a.cfg.Host, host)
	}
	if err != nil {
		a.moved.Store(true)
		a.cfg.Log.Info("tell what guests have of the host", "host", a.cfg.Host, "server", g.id, "error", err)
	}
}

// refused tells whether the controller will not take a report however often it is sent: it
// does not know the guest, for example.
func refused(err error) bool {
	var status *api.StatusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.Status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	}
	return status.Status >= 400 && status.Status < 500
}

// follow passes changes that guests make by themselves on to the controller.
func (a *Agent) follow(ctx context.Context, events <-chan hypervisor.Event) {
	for event := range events {
		a.mu.Lock()
		var concerned []*guest
		if event.Resync {
			for _, g := range a.guests {
				concerned = append(concerned, g)
			}
		} else if g := a.guests[event.ID]; g != nil {
			concerned = append(concerned, g)
		}
		a.mu.Unlock()
		for _, g := range concerned {
			g.lookAgain(ctx)
		}
	}
}

// lookAgain has the guest's state reported, by the worker that is at it or by a new one.
// The order is taken as settled: what a guest does by itself is reported, not put right.
func (g *guest) lookAgain(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.look = true
	if !g.working {
		g.working = true
		g.agent.workers.Go(func() { g.work(ctx) })
	}
}

func (a *Agent) describeHost(ctx context.Context) (orders.Host, error) {
	facts, err := a.cfg.Driver.Facts(ctx)
	if err != nil {
		return orders.Host{}, err
	}
	host := orders.Host{
		HostName: facts.HostName, HypervisorType: facts.HypervisorType, HypervisorVersion: facts.HypervisorVersion,
		VCPUs: facts.VCPUs, MemoryMiB: facts.MemoryMiB, LocalGiB: facts.LocalDiskGiB, LocalFreeGiB: facts.LocalDiskFreeGiB,
		HostIP: a.cfg.HostIP, Virt: orders.Virt{Kind: facts.DomainType, Reason: facts.DomainTypeReason}, AgentVersion: a.cfg.Version,
		CPU: orders.CPU{Arch: facts.CPU.Arch, Model: facts.CPU.Model, Vendor: facts.CPU.Vendor, Features: facts.CPU.Features,
			Topology: orders.CPUTopology(facts.CPU.Topology), MaxPhysAddr: facts.CPU.MaxPhysAddr},
		CPUs: facts.CPUs,
	}
	host.TransferURL, host.Shares, host.Traits = a.cfg.TransferURL, a.cfg.Shares, facts.Traits
	for _, kind := range facts.Supported {
		host.Supported = append(host.Supported, orders.Guest(kind))
	}
	strain := a.cfg.Strain
	if strain == nil {
		strain = uptimeAndLoad
	}
	host.UptimeSeconds, host.Load = strain()
	return host, nil
}

// uptimeAndLoad reads proc(5); zero values where the system has no such files.
func uptimeAndLoad() (seconds int64, load [3]float64) {
	if text, err := os.ReadFile("/proc/uptime"); err == nil {
		first, _, _ := strings.Cut(string(text), " ")
		if up, err := strconv.ParseFloat(first, 64); err == nil {
			seconds = int64(time.Duration(up * float64(time.Second)).Seconds())
		}
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		for i, field := range strings.Fields(string(text)) {
			if i < len(load) {
				load[i], _ = strconv.ParseFloat(field, 64)
			}
		}
	}
	return seconds, load
}

// explain turns a driver's error into what a server's owner may read and what is to be done.
func explain(err error) *orders.Error {
	var unwanted *UploadError
	var short *cpus.Shortage
	switch {
	case errors.Is(err, hypervisor.ErrUndecided): // whatever it was that kept the hosts from finding out
		return &orders.Error{Class: orders.Retry, Message: "The host to which the server may have gone does not answer."}
	case errors.As(err, &unwanted):
		return &orders.Error{Class: orders.Fail, Message: unwanted.Message}
	case errors.Is(err, ErrNoImage):
		return &orders.Error{Class: orders.Fail, Message: "The image of the server is not there any more."}
	case errors.Is(err, hypervisor.ErrImageCorrupt):
		return &orders.Error{Class: orders.Fail, Message: "The image's data does not match its checksum."}
	case errors.Is(err, hypervisor.ErrUnsupported):
		return &orders.Error{Class: orders.Elsewhere, Message: "The host cannot run this server: " + cause(err, hypervisor.ErrUnsupported) + "."}
	case errors.Is(err, hypervisor.ErrInvalid):
		return &orders.Error{Class: orders.Fail, Message: "The hypervisor cannot run this server: " + cause(err, hypervisor.ErrInvalid) + "."}
	case errors.As(err, &short):
		return &orders.Error{Class: orders.Elsewhere, Message: "The host has no room for the server's processors and memory: " + short.Error() + "."}
	case errors.Is(err, hypervisor.ErrNoRoom):
		return &orders.Error{Class: orders.Elsewhere, Message: "The host cannot give the server the processors that it asks for."}
	case errors.Is(err, hypervisor.ErrNoSpace):
		return &orders.Error{Class: orders.Elsewhere, Message: "The host has no space left for the server's disks."}
	case errors.Is(err, hypervisor.ErrNotFound):
		return &orders.Error{Class: orders.Fail, Message: "The guest is not on its host."}
	case errors.Is(err, errSourceLost), errors.Is(err, errSourceRefused):
		return &orders.Error{Class: orders.Retry, Message: "The server's disks could not be fetched from its host."}
	case errors.Is(err, hypervisor.ErrUnfit):
		return &orders.Error{Class: orders.Elsewhere, Message: "The other host cannot take the running server."}
	case errors.Is(err, hypervisor.ErrNotRunning):
		return &orders.Error{Class: orders.Fail, Message: "The server does not run any more."}
	case errors.Is(err, errPeerLost):
		return &orders.Error{Class: orders.Retry, Message: "The other host cannot be reached."}
	case errors.Is(err, hypervisor.ErrDeviceMissing):
		return &orders.Error{Class: orders.Retry, Message: "The server's network is not ready on the host."}
	}
	return &orders.Error{Class: orders.Retry, Message: "The hypervisor did not carry out the order."}
}

// cause is the part of an error that names the mistake: what follows on its kind.
func cause(err, kind error) string {
	text := err.Error()
	if i := strings.LastIndex(text, kind.Error()+": "); i >= 0 {
		return text[i+len(kind.Error())+2:]
	}
	return "the request is invalid"
}
