package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"virga/core/db"
)

const (
	// beatEvery is how often a process says that it lives, againAfter how soon when it was
	// not heard. One that was not seen for aliveFor is taken as dead; for recentFor it may
	// have been the database that was away, and after rememberFor it is forgotten.
	beatEvery   = 5 * time.Second
	againAfter  = time.Second
	aliveFor    = 17 * time.Second
	recentFor   = 2 * time.Minute
	rememberFor = time.Hour
	// peersFor is how long a list of processes is taken as true.
	peersFor = 2 * time.Second
	// maxProcesses bounds the list of the living.
	maxProcesses = 1000

	topicProcesses = "cloud.processes"
)

// Process is a process of the cloud.
type Process struct {
	// ID is its name, which no other living process has.
	ID, Host, Version string
	// Roles are its roles as --roles lists them.
	Roles string
	// Services are those whose APIs it serves.
	Services []string
	// Bus is "local" or "amqp".
	Bus string
	// Address is where other processes reach it under mutual TLS; empty: not at all.
	Address           string
	StartedAt, SeenAt time.Time
	// Silent tells that it was not seen for longer than a living process is.
	Silent bool
}

// Serves tells whether the process serves the API of a service.
func (p *Process) Serves(service string) bool { return slices.Contains(p.Services, service) }

type processRow struct {
	ID        string    `db:"id"`
	Host      string    `db:"host"`
	Version   string    `db:"version"`
	Roles     string    `db:"roles"`
	Services  string    `db:"services"`
	Bus       string    `db:"bus"`
	Address   string    `db:"address"`
	StartedAt time.Time `db:"started_at"`
	SeenAt    time.Time `db:"seen_at"`
	// KeyID is the cluster key in the process's data folder.
	KeyID string `db:"key_id"`
}

// row is what a process says of itself now.
func (c *Cluster) row(p *Process) processRow {
	return processRow{p.ID, p.Host, p.Version, p.Roles, strings.Join(p.Services, ","), p.Bus, p.Address, p.StartedAt, c.cfg.Clock.Now(), c.held.inFolder()}
}

func (r *processRow) process() Process {
	return Process{ID: r.ID, Host: r.Host, Version: r.Version, Roles: r.Roles, Services: strings.Split(r.Services, ","), Bus: r.Bus,
		Address: r.Address, StartedAt: r.StartedAt, SeenAt: r.SeenAt}
}

// Announce writes that a process runs, and forgets those that are long dead.
func (c *Cluster) Announce(ctx context.Context, p Process) error {
	now := c.cfg.Clock.Now()
	err := c.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		if err := pruneProcesses(tx, now.Add(-rememberFor)); err != nil {
			return err
		}
		tx.AfterCommit(func() { c.cfg.Bus.Ring(topicProcesses) })
		return upsertProcess(tx, c.row(&p))
	})
	if err != nil {
		return fmt.Errorf("announce process %s: %w", p.ID, err)
	}
	return nil
}

// Beat says that a process lives until ctx ends, then takes its name off the list.
func (c *Cluster) Beat(ctx context.Context, p Process) error {
	timer := time.NewTimer(beatEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.leave(ctx, p)
		case <-timer.C:
		}
		timer.Reset(beatEvery)
		err := c.cfg.DB.Write(ctx, func(tx *db.Tx) error { return upsertProcess(tx, c.row(&p)) })
		if err != nil && ctx.Err() == nil {
			timer.Reset(againAfter)
			c.cfg.Log.WarnContext(ctx, "say that this process lives", "error", err)
		}
	}
}

// leave is the end of a process that ends well. Others find out by themselves when the
// database does not answer.
func (c *Cluster) leave(ctx context.Context, p Process) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatEvery)
	defer cancel()
	err := c.cfg.DB.Write(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(func() { c.cfg.Bus.Ring(topicProcesses) })
		return deleteProcess(tx, p.ID)
	})
	if err != nil {
		c.cfg.Log.WarnContext(ctx, "take this process off the list", "error", err)
	}
	return nil
}

// peers is the list of processes as it was a moment ago.
type peers struct {
	mu     sync.Mutex
	list   []Process
	readAt time.Time
}

// Living lists the processes that live, those seen last first.
func (c *Cluster) Living(ctx context.Context) ([]Process, error) {
	recent, err := c.Recent(ctx)
	return slices.DeleteFunc(slices.Clone(recent), func(p Process) bool { return p.Silent }), err
}

// Recent lists the processes that live, and behind them those that are silent since a while:
// after the database was away all are, until each has said again that it lives. Callers do
// not change the list.
func (c *Cluster) Recent(ctx context.Context) ([]Process, error) {
	c.peers.mu.Lock()
	defer c.peers.mu.Unlock()
	now := c.cfg.Clock.Now()
	if age := now.Sub(c.peers.readAt); age >= 0 && age < peersFor {
		return c.peers.list, nil
	}
	var rows []processRow
	err := c.cfg.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listProcesses(tx, now.Add(-recentFor), maxProcesses)
		return err
	})
	if err != nil {
		if c.peers.list != nil { // processes that were there a moment ago may well be there now
			return c.peers.list, nil
		}
		return nil, fmt.Errorf("list processes: %w", err)
	}
	list := make([]Process, len(rows))
	for i := range rows {
		list[i] = rows[i].process()
		list[i].Silent = now.Sub(rows[i].SeenAt) > aliveFor
	}
	c.peers.list, c.peers.readAt = list, now
	return list, nil
}

// Watch has Living and Recent see processes that come and go as soon as they say so, until ctx ends.
func (c *Cluster) Watch(ctx context.Context) error {
	c.each(ctx, topicProcesses, time.Minute, func(context.Context) { c.Look() })
	return nil
}

// Look has the next Living or Recent read the list anew.
func (c *Cluster) Look() {
	c.peers.mu.Lock()
	defer c.peers.mu.Unlock()
	c.peers.readAt = time.Time{}
}
