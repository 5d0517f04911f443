package libvirt

import (
	"context"
	"fmt"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// ensureNICs attaches and detaches interfaces of a running guest until they are the wished ones. Interfaces are told apart by
// port; one whose properties changed is detached and attached anew.
func (d *Driver) ensureNICs(ctx context.Context, domain rpc.Domain, guest hypervisor.Guest) error {
	live, err := d.describe(ctx, domain)
	if err != nil {
		return err
	}
	kind, err := d.domainKind(ctx)
	if err != nil {
		return err
	}
	attach, detach := compareNICs(guest.NICs, live.Devices.Interfaces)
	for _, alias := range detach {
		d.detach(ctx, domain, alias)
	}
	if err := checkDevices(guest.ID, attach); err != nil {
		return err
	}
	if err := d.boundNICs(ctx, guest.ID, attach); err != nil {
		return err
	}
	for _, nic := range attach {
		described := interfaceFor(guest, kind.name, nic)
		text, err := described.Marshal()
		if err != nil {
			return fmt.Errorf("describe interface of port %s: %w", nic.PortID, err)
		}
		err = run(ctx, d.conn, fmt.Sprintf("attach port %s to guest %s", nic.PortID, guest.ID), func(l *rpc.Libvirt) error {
			return l.DomainAttachDeviceFlags(domain, text, uint32(rpc.DomainDeviceModifyLive))
		})
		if err != nil {
			return err
		}
	}
	return d.boundNICs(ctx, guest.ID, guest.NICs)
}

// compareNICs returns the interfaces to attach and the aliases of those to detach.
func compareNICs(wanted []hypervisor.NIC, live []libvirtxml.DomainInterface) (attach []hypervisor.NIC, detach []string) {
	present := map[string]libvirtxml.DomainInterface{}
	for _, nic := range live {
		if nic.Alias != nil {
			present[nic.Alias.Name] = nic
		}
	}
	for _, nic := range wanted {
		alias := nicAlias(nic.PortID)
		found, ok := present[alias]
		if ok && sameNIC(interfaceOf(nic), found) {
			delete(present, alias)
			continue
		}
		attach = append(attach, nic)
	}
	for alias := range present {
		if strings.HasPrefix(alias, nicAlias("")) {
			detach = append(detach, alias)
		}
	}
	return attach, detach
}

func sameNIC(want, have libvirtxml.DomainInterface) bool {
	if have.MAC == nil || have.Target == nil || have.Model == nil {
		return false
	}
	return want.MAC.Address == have.MAC.Address && want.Target.Dev == have.Target.Dev && want.Model.Type == have.Model.Type &&
		(want.MTU == nil || have.MTU != nil && want.MTU.Size == have.MTU.Size)
}

// detach asks for an interface to be unplugged. That needs the guest's help; a guest that gives none keeps a dead interface until its
// next start, which is no reason to fail the order.
func (d *Driver) detach(ctx context.Context, domain rpc.Domain, alias string) {
	err := run(ctx, d.conn, "detach "+alias, func(l *rpc.Libvirt) error {
		return l.DomainDetachDeviceAlias(domain, alias, uint32(rpc.DomainDeviceModifyLive))
	})
	if err != nil {
		d.config.Log.Warn("interface is not detached yet", "domain", domain.Name, "alias", alias, "error", err)
	}
}
