package libvirt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/hypervisor"
)

const (
	connectPatience = 3 * time.Second // how long a call waits for a connection to come back
	callPatience    = 2 * time.Minute // how long libvirtd may take for one call while it answers others
	firstBackoff    = 50 * time.Millisecond
	lastBackoff     = 5 * time.Second
)

// connection keeps one connection to libvirtd, makes it anew when it is lost, and passes lifecycle events on. It knows all links to
// libvirtd, and ends them when libvirtd does not answer.
type connection struct {
	socket  string
	uri     string
	pulse   pulse
	log     *slog.Logger
	onEvent func(rpc.DomainEventLifecycleMsg)
	onGap   func() // events may have been missed

	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	current *link // nil while there is none
	links   map[*link]bool
	changed chan struct{} // closed and replaced when current changes
	reason  error         // why there is none
	closed  bool
}

// start begins to connect and returns at once.
func (c *connection) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.changed, c.reason, c.links = make(chan struct{}), errors.New("not connected yet"), map[*link]bool{}
	c.work.Go(func() { c.keep(ctx) })
}

// close ends the connection and waits for the goroutines.
func (c *connection) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.hangUp() // upon which calls that wait for an answer fail
	c.work.Wait()
}

// keep connects again and again until ctx ends, with growing pauses between failures.
func (c *connection) keep(ctx context.Context) {
	pause := firstBackoff
	for ctx.Err() == nil {
		started := time.Now()
		err := c.session(ctx)
		c.set(nil, err)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > lastBackoff {
			pause = firstBackoff
		}
		c.log.Warn("no connection to libvirt", "socket", c.socket, "error", err, "retry_after", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		pause = min(2*pause, lastBackoff)
	}
}

// session connects, offers the connection and pumps its events until it is lost or ctx ends.
func (c *connection) session(ctx context.Context) error {
	l, err := c.open(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var events <-chan rpc.DomainEventLifecycleMsg
	subscribing, subscribed := context.WithTimeout(ctx, c.pulse.greeting)
	err = l.bounded(subscribing, func() (err error) {
		events, err = l.LifecycleEvents(context.Background()) // the subscription ends with the link
		return err
	})
	subscribed()
	// The library blocks on an event nobody takes, so the channel is drained until it closes.
	defer func() {
		l.hangUp()
		if events != nil {
			for range events {
			}
		}
	}()
	if err != nil {
		return fmt.Errorf("subscribe to libvirt's events: %w", err)
	}
	listening := sync.WaitGroup{}
	defer listening.Wait()
	defer stop()
	listening.Go(func() { c.listen(ctx, l) })
	c.set(l, nil)
	c.onGap()
	for {
		select {
		case event, open := <-events:
			if !open {
				return errors.New("connection lost")
			}
			c.onEvent(event)
		case <-l.gone:
			return errors.New("connection lost")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *connection) set(l *link, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.reason = l, reason
	close(c.changed)
	c.changed = make(chan struct{})
}

// get returns the connection, waiting a moment for one that is being made.
func (c *connection) get(ctx context.Context) (*link, error) {
	patience := time.NewTimer(connectPatience)
	defer patience.Stop()
	for {
		c.mu.Lock()
		l, changed, reason, closed := c.current, c.changed, c.reason, c.closed
		c.mu.Unlock()
		switch {
		case closed:
			return nil, hypervisor.ErrClosed
		case l != nil && l.alive():
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-patience.C:
			return nil, fmt.Errorf("%w: %w", hypervisor.ErrUnavailable, reason)
		}
	}
}

// call performs one RPC. The library knows no contexts, so the RPC runs aside and is abandoned when ctx ends; one that libvirtd does
// not answer in time costs the connection.
func call[T any](ctx context.Context, c *connection, what string, do func(*rpc.Libvirt) (T, error)) (T, error) {
	return callWithin(ctx, c, callPatience, what, do)
}

// callWithin is call for an RPC that may take longer than most.
func callWithin[T any](ctx context.Context, c *connection, within time.Duration, what string, do func(*rpc.Libvirt) (T, error)) (T, error) {
	var none T
	l, err := c.get(ctx)
	if err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	aside := func() {
		value, err := do(l.Libvirt)
		done <- result{value, err}
	}
	if !c.spawn(aside) {
		return none, fmt.Errorf("%s: %w", what, hypervisor.ErrClosed)
	}
	patience := time.NewTimer(within)
	defer patience.Stop()
	select {
	case r := <-done:
		return r.value, classify(what, r.err)
	case <-ctx.Done():
		return none, fmt.Errorf("%s: %w", what, ctx.Err())
	case <-patience.C:
		l.hangUp()
		return none, fmt.Errorf("%s: %w: no answer in %s", what, hypervisor.ErrUnavailable, within)
	}
}

// spawn runs a goroutine that close waits for; it refuses once closing has begun.
func (c *connection) spawn(work func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Go(work)
	return true
}

// run is call for RPCs without a result.
func run(ctx context.Context, c *connection, what string, do func(*rpc.Libvirt) error) error {
	_, err := call(ctx, c, what, func(l *rpc.Libvirt) (struct{}, error) { return struct{}{}, do(l) })
	return err
}

// classify tells libvirt's own answers from a connection that failed.
func classify(what string, err error) error {
	var answer rpc.Error
	switch {
	case err == nil:
		return nil
	case rpc.IsNotFound(err):
		return fmt.Errorf("%s: %w", what, errNoDomain)
	case errors.As(err, &answer) && strings.Contains(answer.Message, fullText):
		return fmt.Errorf("%s: %w: %w", what, hypervisor.ErrNoSpace, err)
	case errors.As(err, &answer):
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, hypervisor.ErrUnavailable, err)
}

// fullText is ENOSPC as programs of the C library say it, and libvirt passes on.
const fullText = "No space left on device"

// errNoDomain says that libvirt knows no such domain.
var errNoDomain = fmt.Errorf("%w: no such domain", hypervisor.ErrNotFound)

// isAnswer tells whether libvirt refused with that code.
func isAnswer(err error, code rpc.ErrorNumber) bool {
	var answer rpc.Error
	return errors.As(err, &answer) && answer.Code == uint32(code)
}
