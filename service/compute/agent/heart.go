package agent

import (
	"context"
	"math/rand/v2"
	"reflect"
	"time"

	"virga/service/compute/orders"
)

const (
	// reportBeats is after how many signs of life the host is described anew, though nothing
	// changed; compareBeats after how many the agent looks whether something did.
	reportBeats  = 20
	compareBeats = 4
	// leaveWithin is how long an agent that ends tries to say so.
	leaveWithin = 2 * time.Second
)

// chance draws a duration below the one given.
func (c *Config) chance(below time.Duration) time.Duration {
	if c.Chance != nil {
		return c.Chance(below)
	}
	return rand.N(below)
}

// heart is what the signs of life remember; Beat alone uses it.
type heart struct {
	// said is the last description that the controller took; nil: none, or it forgot.
	said  *orders.Host
	beats int
	pause time.Duration
}

// Beat gives a sign of life, with a description of the host when it changed or was not given
// for long. It returns when to come next, and whether there is something to look for: orders
// that the agent has not seen, or images that no order needs any more.
func (a *Agent) Beat(ctx context.Context) (next time.Duration, news bool) {
	h := &a.heart
	answer, err := a.beat(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.cfg.Log.Warn("report host", "host", a.cfg.Host, "error", err)
		}
		h.pause = min(max(2*h.pause, firstPause), lastPause)
		return h.pause, false
	}
	h.pause = 0
	if answer.Report {
		h.said = nil
		return firstPause, false
	}
	h.beats++
	a.settleDoubts(ctx)
	next = time.Duration(answer.NextMilliseconds) * time.Millisecond
	// A tenth by chance: hosts that were started together do not come together for ever.
	return next - a.cfg.chance(next/10+1), answer.Generation != a.since.Load() || a.pruneIsDue()
}

func (a *Agent) beat(ctx context.Context) (orders.AliveAnswer, error) {
	h := &a.heart
	if moved := a.moved.Swap(false); moved || h.said == nil || h.beats%compareBeats == 0 {
		facts, err := a.describeHost(ctx)
		if err != nil {
			return orders.AliveAnswer{}, err
		}
		if h.said == nil || h.beats >= reportBeats || !sameHost(h.said, &facts) {
			if err := a.cfg.Controller.ReportHost(ctx, a.cfg.Host, facts); err != nil {
				return orders.AliveAnswer{}, err
			}
			if h.said == nil {
				h.beats = int(a.cfg.chance(reportBeats / 2))
			} else {
				h.beats = 0
			}
			h.said = &facts
			a.becomeKnown()
		}
	}
	return a.cfg.Controller.Alive(ctx, a.cfg.Host, orders.Alive{})
}

// sameHost tells whether a host is as it was, apart from what is never the same.
func sameHost(a, b *orders.Host) bool {
	x, y := *a, *b
	x.UptimeSeconds, x.Load, x.LocalFreeGiB = y.UptimeSeconds, y.Load, y.LocalFreeGiB
	return reflect.DeepEqual(x, y)
}

// Leave tells the controller that the agent ends, so that nobody waits for it.
func (a *Agent) Leave(ctx context.Context) {
	if a.heart.said == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if _, err := a.cfg.Controller.Alive(ctx, a.cfg.Host, orders.Alive{Leaving: true}); err != nil {
		a.cfg.Log.Info("the controller does not hear that the agent ends", "host", a.cfg.Host, "error", err)
	}
}
