package agent

import (
	"context"
	"time"

	"virga/service/network/desired"
)

const (
	// reportBeats is after how many signs of life the host is described anew.
	reportBeats = 20
	// leaveWithin is how long an agent that ends tries to say so.
	leaveWithin = 2 * time.Second
)

// heart is what the signs of life remember; Beat alone uses it.
type heart struct {
	// known says that the controller took a description of the host.
	known bool
	beats int
}

// Beat gives a sign of life, with a description of the host when none was given for long.
// It returns when to come next, and whether there may be something new.
func (a *Agent) Beat(ctx context.Context) (next time.Duration, news bool) {
	answer, err := a.beat(ctx)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			a.cfg.Log.Warn("report host", "host", a.cfg.Host, "error", err)
		}
		return retryAfter, false
	case answer.Report:
		a.heart.known = false
		return retryAfter / 10, false
	}
	next = time.Duration(answer.NextMilliseconds) * time.Millisecond
	// A tenth by chance: hosts that were started together do not come together for ever.
	return next - a.cfg.chance(next/10+1), answer.News
}

func (a *Agent) beat(ctx context.Context) (desired.AliveAnswer, error) {
	h := &a.heart
	h.beats++
	if !h.known || h.beats >= reportBeats {
		report := desired.HostReport{
			Version: a.cfg.Version, VTEP: a.cfg.VTEP, StartedAt: a.cfg.StartedAt,
			Configurations: map[string]any{"tunnel_types": []string{"vxlan"}},
		}
		if a.cfg.VTEP.IsValid() {
			report.Configurations["tunneling_ip"] = a.cfg.VTEP.String()
		}
		if _, err := a.cfg.Controller.ReportHost(ctx, a.cfg.Host, report); err != nil {
			return desired.AliveAnswer{}, err
		}
		h.beats = 0
		if !h.known {
			h.beats = int(a.cfg.chance(reportBeats / 2))
		}
		h.known = true
	}
	position := a.position.Load()
	answer, err := a.cfg.Controller.Alive(ctx, a.cfg.Host, desired.Alive{Generation: position.Generation, Moment: position.Moment})
	if err == nil && answer.Generation > 0 { // unless Look has asked meanwhile
		a.position.CompareAndSwap(position, &Position{answer.Generation, answer.Moment})
	}
	return answer, err
}

// Leave tells the controller that the agent ends.
func (a *Agent) Leave(ctx context.Context) {
	if !a.heart.known {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if _, err := a.cfg.Controller.Alive(ctx, a.cfg.Host, desired.Alive{Leaving: true}); err != nil {
		a.cfg.Log.Info("the controller does not hear that the agent ends", "host", a.cfg.Host, "error", err)
	}
}
