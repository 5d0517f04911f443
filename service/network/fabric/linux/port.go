package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

// EnsurePort implements fabric.Driver. The device may have been made by somebody else (a veth into a container): what has the port's
// name and no owner is adopted.
func (d *Driver) EnsurePort(ctx context.Context, port fabric.Port) error {
	if err := port.Validate(); err != nil {
		return err
	}
	var closed error
	err := d.onHost(ctx, func() error {
		bridge, err := ownLink(bridgeName(port.NetworkID), ownership{kind: "network", id: port.NetworkID})
		if err != nil {
			return err
		}
		if bridge == nil {
			return fmt.Errorf("network %s: %w", port.NetworkID, fabric.ErrNetworkMissing)
		}
		device, err := ensureTap(port.ID)
		if err != nil {
			return err
		}
		if closed, err = d.applyPortFilter(ctx, port, bridge); err != nil {
			// Without a filter in force the port must not be able to say or hear anything.
			return errors.Join(err, netlink.LinkSetNoMaster(device))
		}
		return tuneLink(device, bridge.Attrs().MTU, bridge, port.AdminUp)
	})
	if err != nil {
		return fmt.Errorf("ensure port %s: %w", port.ID, err)
	}
	return closed
}

// ensureTap finds or makes the port's device.
func ensureTap(portID string) (netlink.Link, error) {
	name := fabric.TapName(portID)
	owner := ownership{kind: "port", id: portID}
	link, err := findLink(name)
	if err != nil {
		return nil, err
	}
	if link != nil && link.Attrs().Alias == "" {
		if err := netlink.LinkSetAlias(link, owner.alias()); err != nil {
			return nil, fmt.Errorf("adopt device %s: %w", name, err)
		}
		return link, nil
	}
	if link != nil {
		return ownLink(name, owner)
	}
	if err := createTap(name); err != nil {
		return nil, err
	}
	made, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetAlias(made, owner.alias())
	}
	if err != nil {
		return nil, fmt.Errorf("mark device %s: %w", name, err)
	}
	return made, nil
}

// createTap makes a persistent tap in the current namespace. It has a virtio header, so that QEMU can hand over large segments, and one queue:
// the kernel refuses QEMU a device with another number of queues than it was made with.
func createTap(name string) error {
	file, err := os.OpenFile("/dev/net/tun", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make tap %s: %w", name, err)
	}
	defer file.Close()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("make tap %s: %w", name, err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	fd := int(file.Fd())
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(request))); errno != 0 {
		return fmt.Errorf("make tap %s: %w", name, errno)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("keep tap %s: %w", name, err)
	}
	return nil
}

// applyPortFilter puts the port's rules in force. When they cannot be, the port is closed and closed tells why; err means that not
// even that worked.
func (d *Driver) applyPortFilter(ctx context.Context, port fabric.Port, bridge netlink.Link) (closed, err error) {
	if err := d.refresh(ctx); err != nil {
		return nil, err
	}
	_, numbered := d.filter.numbers[port.ID]
	number, err := d.portNumber(port.ID)
	if err != nil {
		return nil, err
	}
	owner, _ := parseAlias(bridge.Attrs().Alias)
	object := "port " + port.ID
	filter, cause := newPortFilter(port, number)
	filter.zone, filter.members = owner.zone(), d.members
	changed := false
	if cause == nil {
		changed, cause = d.putInForce(ctx, filter)
	}
	if cause != nil {
		if ctx.Err() != nil {
			return nil, cause
		}
		filter = filter.shut()
		closed = &fabric.PortClosedError{PortID: port.ID, Cause: cause}
		if changed, err = d.putInForce(ctx, filter); err != nil {
			return nil, errors.Join(cause, err)
		}
	}
	if !changed || !numbered && d.swept { // a number that is new has admitted nobody yet
		return closed, nil
	}
	if err := cutFlows(filter.zone, filter.forbids); err != nil {
		delete(d.filter.applied, object) // so that the next Ensure tries again
		return closed, err
	}
	return closed, nil
}

// putInForce applies a port's chains, together with the sets that they refer to where those are missing.
func (d *Driver) putInForce(ctx context.Context, filter portFilter) (changed bool, err error) {
	sets := filter.sets()
	missing, err := d.renderMissingSets(ctx, sets)
	if err != nil {
		return false, err
	}
	if changed, err = d.apply(ctx, "port "+filter.id, missing, filter.render()); err != nil {
		return false, err
	}
	d.ports[filter.id] = filter
	if changed {
		for _, id := range sets {
			d.filter.sets[id] = true
		}
	}
	return changed, nil
}

// RemovePort implements fabric.Driver.
func (d *Driver) RemovePort(ctx context.Context, portID string) error {
	if err := fabric.CheckID(portID); err != nil {
		return err
	}
	err := d.onHost(ctx, func() error {
		if err := removeOwned(fabric.TapName(portID), ownership{kind: "port", id: portID}); err != nil {
			return err
		}
		if err := d.refresh(ctx); err != nil {
			return err
		}
		number := d.filter.numbers[portID]
		if err := d.removeFilter(ctx, "port "+portID, renderPortRemoval(portID, number)); err != nil {
			return err
		}
		gone := portFilter{id: portID, number: number, closed: true}
		if number > 0 {
			if err := cutWhere(gone.forbids); err != nil {
				return err // the number stays taken, so that the next Remove tries again
			}
		}
		delete(d.filter.numbers, portID)
		delete(d.ports, portID)
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove port %s: %w", portID, err)
	}
	return nil
}
