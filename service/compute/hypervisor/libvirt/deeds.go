package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// agentName is the channel on which the QEMU guest agent listens.
const agentName = "org.qemu.guest_agent.0"

// agentChannel is the guest's end of the agent's channel; libvirt makes the socket of the host's end.
func agentChannel() libvirtxml.DomainChannel {
	return libvirtxml.DomainChannel{
		Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind"}},
		Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: agentName}},
	}
}

// active returns the domain of a guest that has memory and devices, and runs if it must.
func (d *Driver) active(ctx context.Context, id string, mustRun bool) (rpc.Domain, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return rpc.Domain{}, err
	}
	domain, power, err := d.observe(ctx, id)
	switch {
	case err != nil:
		return rpc.Domain{}, err
	case domain == nil:
		return rpc.Domain{}, fmt.Errorf("%w: %s", hypervisor.ErrNotFound, id)
	case !isActive(power), mustRun && power != hypervisor.Running:
		return rpc.Domain{}, fmt.Errorf("%w: %s", hypervisor.ErrOff, id)
	}
	return *domain, nil
}

// SetPassword implements hypervisor.Driver.
func (d *Driver) SetPassword(ctx context.Context, id, user, password string) error {
	domain, err := d.active(ctx, id, true)
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	live, err := d.describe(ctx, domain)
	if err != nil {
		return err
	}
	if !hasAgent(live) {
		return fmt.Errorf("set password of guest %s: %w", id, hypervisor.ErrNoAgent)
	}
	err = d.byAgent(ctx, domain, "set password of guest "+id, func(l *rpc.Libvirt) error {
		return l.DomainSetUserPassword(domain, rpc.OptString{user}, rpc.OptString{password}, 0)
	})
	if isAnswer(err, rpc.ErrAgentUnresponsive) || isAnswer(err, rpc.ErrAgentCommandTimeout) {
		return fmt.Errorf("%w: %w", hypervisor.ErrAgentSilent, err)
	}
	return err
}

// hasAgent tells whether the running guest was made with the agent's channel.
func hasAgent(live *libvirtxml.Domain) bool {
	if live.Devices == nil {
		return false
	}
	for _, channel := range live.Devices.Channels {
		if channel.Target != nil && channel.Target.VirtIO != nil && channel.Target.VirtIO.Name == agentName {
			return true
		}
	}
	return false
}

// InjectNMI implements hypervisor.Driver.
func (d *Driver) InjectNMI(ctx context.Context, id string) error {
	domain, err := d.active(ctx, id, false)
	if err != nil {
		return fmt.Errorf("inject NMI: %w", err)
	}
	return run(ctx, d.conn, "inject NMI into guest "+id, func(l *rpc.Libvirt) error { return l.DomainInjectNmi(domain, 0) })
}

// The patience with the guest agent: for its answer, in seconds, and for something that nobody waits for.
const (
	agentAnswer   = 30
	agentPatience = 10 * time.Second
)

// byAgent makes a call that libvirt passes to the guest's agent. An agent that has greeted may stay silent ever after, and a call that
// waits for it is one of the few that libvirtd takes at once from one connection; so libvirt is told to give up.
func (d *Driver) byAgent(ctx context.Context, domain rpc.Domain, what string, do func(*rpc.Libvirt) error) error {
	return run(ctx, d.conn, what, func(l *rpc.Libvirt) error {
		if _, err := l.DomainAgentSetResponseTimeout(domain, agentAnswer, 0); err != nil {
			return err
		}
		return do(l)
	})
}

// setTime has a guest that stood still see the present time, if it has an agent. Whether it does changes nothing else.
func (d *Driver) setTime(ctx context.Context, domain rpc.Domain, guest hypervisor.Guest) {
	if !guest.Hints.Agent {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, agentPatience)
	defer cancel()
	now := d.config.Clock.Now()
	err := d.byAgent(ctx, domain, "set the time of guest "+guest.ID, func(l *rpc.Libvirt) error {
		return l.DomainSetTime(domain, now.Unix(), uint32(now.Nanosecond()), 0)
	})
	if err != nil {
		d.config.Log.Info("guest's clock stays behind", "server_id", guest.ID, "error", err)
	}
}
