package agent

import (
	"context"
	"errors"

	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// resume starts a guest again that ran when the host or the agent's last life ended, where that is wanted. One that was paused is off after
// a restart of the host, and stays so; one that was suspended still is. A guest that cannot be started is given up after a while and
// reported as it is.
func (g *guest) resume(ctx context.Context, order orders.GuestOrder) error {
	if g.met || !g.agent.cfg.ResumeGuests || !order.WasRunning {
		return nil
	}
	driver := g.agent.cfg.Driver
	state, err := driver.GetGuest(ctx, g.id)
	if errors.Is(err, hypervisor.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if !state.Defined || state.Saved || state.Power != hypervisor.Shutdown && state.Power != hypervisor.Crashed {
		return nil
	}
	err = driver.RebootGuest(ctx, g.id, true)
	if err != nil && hypervisor.Retryable(err) && g.idleFor() < patience/2 {
		return err // the network is not ready, perhaps
	}
	if err != nil {
		g.agent.cfg.Log.Warn("resume guest", "host", g.agent.cfg.Host, "server", g.id, "error", err)
		return nil
	}
	g.agent.cfg.Log.Info("guest resumed", "host", g.agent.cfg.Host, "server", g.id)
	return nil
}
