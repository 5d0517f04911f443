package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/hypervisor"
)

// The side of a migration that the guest leaves. It follows libvirt's protocol version 3 (Begin and Perform here, Prepare and Finish at
// the other host, Confirm here), each host's agent speaking to its own libvirtd. QEMU's streams, one for the memory and one for each
// disk, go through Unix sockets here and there, which the agents connect, so that nothing listens on the network for them. Every
// migration has a connection to libvirtd of its own: when that ends, with the agent say, libvirtd gives the migration up.

// The flags of both sides. The disks' deltas are copied alone (NonSharedInc): their image is at the other host. A guest that writes too
// fast is slowed down (AutoConverge), for there is no other way to an end.
const migrateFlags = rpc.MigrateLive | rpc.MigrateNonSharedInc | rpc.MigrateChangeProtection | rpc.MigrateAbortOnError | rpc.MigrateAutoConverge

// The channels between the hosts.
const (
	memoryChannel = "memory"
	disksChannel  = "disks"
)

const (
	lookEvery = 500 * time.Millisecond // at how far a migration is
	// stopPatience is how long libvirt may take to give up a migration.
	stopPatience = time.Minute
	// finishPatience is how long the other host may take to start the guest, or to say that it will not.
	finishPatience = 2 * time.Minute
)

// offer is what the host of a guest tells the other one before, answer what it is told.
type offer struct {
	Domain string   `json:"domain"` // the migratable XML of the running guest
	Cookie []byte   `json:"cookie"`
	Disks  []string `json:"disks"`            // target names of what is copied
	Drive  []byte   `json:"drive,omitempty"`  // the config drive as the guest has it
	Paused bool     `json:"paused,omitempty"` // the guest stands still and is to do so there
}

type answer struct {
	Cookie []byte `json:"cookie"`
}

// MigrateGuest implements hypervisor.Driver.
func (d *Driver) MigrateGuest(ctx context.Context, id string, generation int64, peer hypervisor.Peer, progress func(hypervisor.Progress)) error {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	if err := d.fence.Admit(id, generation); err != nil {
		return err
	}
	left, err := d.settleLeaving(ctx, id, peer)
	if left || err != nil {
		return err
	}
	domain, power, err := d.beforeMigration(ctx, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hurry := turn.Hurry()
	go func() {
		select {
		case <-hurry:
			cancel()
		case <-ctx.Done():
		}
	}()
	m := &departure{driver: d, id: id, domain: domain, power: power, peer: peer, progress: progress}
	d.departures.put(id, m)
	defer d.departures.drop(id)
	return m.run(ctx)
}

// beforeMigration returns the guest's domain and what it is. One that an interrupted migration left standing still goes on first.
func (d *Driver) beforeMigration(ctx context.Context, id string) (rpc.Domain, hypervisor.PowerState, error) {
	domain, power, err := d.observe(ctx, id)
	if err != nil {
		return rpc.Domain{}, power, err
	}
	if domain == nil || !isActive(power) {
		return rpc.Domain{}, power, fmt.Errorf("migrate guest %s: %w", id, hypervisor.ErrNotRunning)
	}
	if power == hypervisor.Paused {
		reason, err := d.pausedBecause(ctx, *domain)
		if err != nil {
			return rpc.Domain{}, power, err
		}
		if reason == rpc.DomainPausedMigration {
			power = hypervisor.Running
			err = run(ctx, d.conn, "resume guest "+id, func(l *rpc.Libvirt) error { return l.DomainResume(*domain) })
		}
		return *domain, power, err
	}
	return *domain, power, nil
}

// pausedBecause returns why a paused guest stands still.
func (d *Driver) pausedBecause(ctx context.Context, domain rpc.Domain) (rpc.DomainPausedReason, error) {
	return call(ctx, d.conn, "observe "+domain.Name, func(l *rpc.Libvirt) (rpc.DomainPausedReason, error) {
		_, reason, err := l.DomainGetState(domain, 0)
		return rpc.DomainPausedReason(reason), err
	})
}

// RecallGuest implements hypervisor.Driver.
func (d *Driver) RecallGuest(ctx context.Context, id string, generation int64, peer hypervisor.Peer) (bool, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return false, err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return false, fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	if err := d.fence.Admit(id, generation); err != nil {
		return false, err
	}
	return d.settleLeaving(ctx, id, peer)
}

// settleLeaving asks the other host what became of a guest that does not run here, because that host may run it.
func (d *Driver) settleLeaving(ctx context.Context, id string, peer hypervisor.Peer) (left bool, err error) {
	kept, err := d.layout.readManifest(id)
	if err != nil {
		return false, err
	}
	if kept == nil {
		return false, fmt.Errorf("migrate: %w: %s", hypervisor.ErrNotFound, id)
	}
	if kept.Leaving == hypervisor.NoState {
		// One that is off may have left without anybody having heard of it.
		if domain, power, err := d.observe(ctx, id); err != nil || domain != nil && isActive(power) {
			return false, err
		}
	}
	arrived, err := peer.Cancel(ctx)
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", hypervisor.ErrUndecided, id, err)
	}
	if err := d.settle(ctx, id, arrived, kept.Leaving); err != nil {
		return false, err
	}
	return arrived, d.layout.setLeaving(id, hypervisor.NoState)
}

// settle ends a guest that has left, and has one that stays be what it was.
func (d *Driver) settle(ctx context.Context, id string, left bool, before hypervisor.PowerState) error {
	domain, power, err := d.observe(ctx, id)
	switch {
	case err != nil || domain == nil || !isActive(power):
		return err
	case left:
		return d.destroy(ctx, *domain)
	case power == hypervisor.Paused && before == hypervisor.Running:
		return run(ctx, d.conn, "resume guest "+id, func(l *rpc.Libvirt) error { return l.DomainResume(*domain) })
	}
	return nil
}

// setLeaving notes durably that another host may run the guest, or that none does.
func (l *layout) setLeaving(id string, leaving hypervisor.PowerState) error {
	kept, err := l.readManifest(id)
	if err != nil || kept == nil || kept.Leaving == leaving {
		return err
	}
	kept.Leaving = leaving
	return l.writeManifest(kept)
}

// departure is a migration at work.
type departure struct {
	driver   *Driver
	id       string
	domain   rpc.Domain
	power    hypervisor.PowerState // before
	peer     hypervisor.Peer
	progress func(hypervisor.Progress)
	own      *link
	dir      *socketDir
}

func (m *departure) run(ctx context.Context) (err error) {
	if m.own, err = m.driver.ownConnection(ctx); err != nil {
		return fmt.Errorf("migrate guest %s: %w", m.id, err)
	}
	defer m.own.hangUp()
	if m.dir, err = m.driver.newSocketDir(ctx); err != nil {
		return err
	}
	defer m.dir.remove()
	prepared, disks, err := m.prepare(ctx)
	if err != nil {
		m.takeBack(ctx, nil)
		return err
	}
	relays, err := m.dir.relay(ctx, m.peer, memoryChannel, disksChannel)
	if err != nil {
		m.takeBack(ctx, nil)
		return err
	}
	defer relays.close()
	cookie, err := m.perform(ctx, prepared, disks)
	if err != nil {
		m.takeBack(ctx, cookie)
		return fmt.Errorf("migrate guest %s: %w", m.id, err)
	}
	return m.handOver(ctx, cookie)
}

// prepare asks libvirt for what the other host needs to know, and has it prepare itself.
func (m *departure) prepare(ctx context.Context) (cookie []byte, disks []string, err error) {
	live, err := m.driver.describe(ctx, m.domain)
	if err != nil {
		return nil, nil, err
	}
	o := offer{Disks: writableDisks(live), Paused: m.power == hypervisor.Paused}
	if o.Drive, err = m.driver.layout.root.ReadFile(guestDir(m.id) + "/" + configDrive); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read config drive of guest %s: %w", m.id, err)
	}
	begun, err := aside(ctx, callPatience, func() (begun offer, err error) {
		begun.Cookie, begun.Domain, err = m.own.DomainMigrateBegin3Params(m.domain, diskParams(o.Disks), uint32(flagsFor(o.Disks)))
		return begun, err
	})
	if err != nil {
		return nil, nil, classify("begin to migrate guest "+m.id, err)
	}
	o.Cookie, o.Domain = begun.Cookie, begun.Domain
	text, err := json.Marshal(o)
	if err != nil {
		return nil, nil, err
	}
	reply, err := m.peer.Prepare(ctx, text)
	if err != nil {
		return nil, nil, fmt.Errorf("prepare the other host for guest %s: %w", m.id, err)
	}
	var a answer
	if err := json.Unmarshal(reply, &a); err != nil {
		return nil, nil, fmt.Errorf("prepare the other host for guest %s: %w", m.id, err)
	}
	return a.Cookie, o.Disks, nil
}

// perform has disks and memory copied while the guest runs; at its end the guest stands still.
func (m *departure) perform(ctx context.Context, cookie []byte, disks []string) ([]byte, error) {
	params := append(diskParams(disks), stringParam(rpc.MigrateParamURI, m.dir.uri(memoryChannel)), stringParam(rpc.MigrateParamDisksURI, m.dir.uri(disksChannel)))
	type result struct {
		cookie []byte
		err    error
	}
	done := make(chan result, 1)
	go func() {
		out, err := m.own.DomainMigratePerform3Params(m.domain, nil, params, cookie, flagsFor(disks))
		done <- result{out, err}
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			return r.cookie, classify("copy disks and memory", r.err)
		case <-tick.C:
			m.look(ctx)
		case <-ctx.Done():
			m.abort()
			select {
			case r := <-done:
				if r.err == nil {
					return r.cookie, nil // it was over before; only the other host can say no now
				}
			case <-time.After(stopPatience):
			}
			return nil, ctx.Err()
		}
	}
}

// look reports how far the copying is.
func (m *departure) look(ctx context.Context) {
	params, err := call(ctx, m.driver.conn, "ask how far guest "+m.id+" is", func(l *rpc.Libvirt) ([]rpc.TypedParam, error) {
		_, params, err := l.DomainGetJobStats(m.domain, 0)
		return params, err
	})
	if err != nil {
		return // it is for information only
	}
	var p hypervisor.Progress
	fields := map[string]*int64{rpc.DomainJobMemoryTotal: &p.MemoryTotal, rpc.DomainJobMemoryProcessed: &p.MemoryProcessed,
		rpc.DomainJobMemoryRemaining: &p.MemoryRemaining, rpc.DomainJobDiskTotal: &p.DiskTotal, rpc.DomainJobDiskProcessed: &p.DiskProcessed,
		rpc.DomainJobDiskRemaining: &p.DiskRemaining}
	for _, param := range params {
		if into := fields[param.Field]; into != nil {
			if n, ok := param.Value.I.(uint64); ok {
				*into = int64(n)
			}
		}
	}
	m.progress(p)
}

// abort asks libvirt to give the copying up.
func (m *departure) abort() {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if err := run(ctx, m.driver.conn, "abort", func(l *rpc.Libvirt) error { return l.DomainAbortJob(m.domain) }); err != nil {
		m.driver.config.Log.Warn("give up a migration", "server_id", m.id, "error", err)
	}
}

// handOver lets the guest run at the other host. From the call to Finish on only that host decides.
func (m *departure) handOver(ctx context.Context, cookie []byte) error {
	if err := m.driver.layout.setLeaving(m.id, m.power); err != nil {
		m.takeBack(ctx, cookie)
		return err
	}
	// Whoever wants the migration to end is too late by a moment: it ends by itself.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishPatience)
	defer cancel()
	var a answer
	reply, err := m.peer.Finish(ctx, cookie)
	arrived := err == nil
	if err == nil {
		_ = json.Unmarshal(reply, &a) // without a cookie libvirt only knows less of the guest's display
	} else {
		m.driver.config.Log.Warn("start a migrated guest at the other host", "server_id", m.id, "error", err)
		var unknown error
		if arrived, unknown = m.peer.Cancel(ctx); unknown != nil {
			return fmt.Errorf("%w: %s: %w", hypervisor.ErrUndecided, m.id, errors.Join(err, unknown))
		}
	}
	m.confirm(a.Cookie, arrived)
	if unsettled := m.driver.settle(ctx, m.id, arrived, m.power); unsettled != nil {
		return fmt.Errorf("%w: %s: %w", hypervisor.ErrUndecided, m.id, unsettled)
	}
	if err := errors.Join(err, m.driver.layout.setLeaving(m.id, hypervisor.NoState)); !arrived {
		return fmt.Errorf("start guest %s at the other host: %w", m.id, err)
	}
	m.driver.config.Log.Info("guest left", "server_id", m.id)
	return nil
}

// takeBack has both hosts forget a migration that failed; the guest goes on here. What cannot be reached forgets by itself: libvirtd
// when the connection ends, the other host when it is told to remove the guest.
func (m *departure) takeBack(ctx context.Context, cookie []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	if _, err := m.peer.Cancel(ctx); err != nil {
		m.driver.config.Log.Warn("tell the other host that a guest stays", "server_id", m.id, "error", err)
	}
	m.confirm(cookie, false)
	// Libvirt lets a guest go on that it stopped itself, but not one that was stopped to hasten the migration.
	if err := m.driver.settle(ctx, m.id, false, m.power); err != nil {
		m.driver.config.Log.Warn("let a guest go on that stays", "server_id", m.id, "error", err)
	}
}

// confirm tells libvirt how the migration ended: the guest is ended here, or goes on.
func (m *departure) confirm(cookie []byte, arrived bool) {
	cancelled := int32(1)
	if arrived {
		cancelled = 0
	}
	_, err := aside(context.Background(), stopPatience, func() (struct{}, error) {
		return struct{}{}, m.own.DomainMigrateConfirm3Params(m.domain, nil, cookie, uint32(migrateFlags), cancelled)
	})
	if err != nil {
		m.driver.config.Log.Info("end a migration", "server_id", m.id, "arrived", arrived, "error", err)
	}
}

// HastenMigration implements hypervisor.Driver: the guest stands still until all has been copied.
func (d *Driver) HastenMigration(ctx context.Context, id string) error {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return err
	}
	m := d.departures.get(id)
	if m == nil {
		return fmt.Errorf("hasten migration: %w: %s", hypervisor.ErrNotFound, id)
	}
	return run(ctx, d.conn, "stop guest "+id+" so that its migration ends", func(l *rpc.Libvirt) error { return l.DomainSuspend(m.domain) })
}

// departures are the migrations at work by guest.
type departures struct {
	mu   sync.Mutex
	byID map[string]*departure
}

func (d *departures) put(id string, m *departure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byID == nil {
		d.byID = map[string]*departure{}
	}
	d.byID[id] = m
}

func (d *departures) drop(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.byID, id)
}

func (d *departures) get(id string) *departure {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byID[id]
}

// ownConnection opens a connection to libvirtd for one migration.
func (d *Driver) ownConnection(ctx context.Context) (*link, error) {
	l, err := d.conn.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", hypervisor.ErrUnavailable, err)
	}
	return l, nil
}

// aside performs a call that knows no contexts and is abandoned when ctx or patience ends.
func aside[T any](ctx context.Context, patience time.Duration, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var none T
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-timer.C:
		return none, fmt.Errorf("%w: no answer in %s", hypervisor.ErrUnavailable, patience)
	}
}

func flagsFor(disks []string) rpc.DomainMigrateFlags {
	if len(disks) == 0 {
		return migrateFlags &^ rpc.MigrateNonSharedInc
	}
	return migrateFlags
}

func stringParam(name, value string) rpc.TypedParam {
	return rpc.TypedParam{Field: name, Value: *rpc.NewTypedParamValueString(value)}
}

func diskParams(disks []string) []rpc.TypedParam {
	params := make([]rpc.TypedParam, 0, len(disks)+4)
	for _, name := range disks {
		params = append(params, stringParam(rpc.MigrateParamMigrateDisks, name))
	}
	return params
}
