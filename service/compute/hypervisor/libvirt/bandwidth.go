package libvirt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"virga/service/compute/hypervisor"
)

// How fast a guest's interfaces may be is held by the kernel, at the tap: what the guest gets waits its turn in a token bucket, what it sends
// beyond its share is dropped where it comes from the tap. libvirt's own bandwidth needs parts of the kernel that not every one has
// (sch_sfq, act_police). libvirt takes every qdisc from a tap when it gives it to a guest, so this comes before, for what no longer holds, and right after. The tap's root qdisc has a handle of ours whenever something is bounded, so that the tap itself says so, whoever
// asks. The filter has a table of its own for each tap.

const (
	boundsTable  = "virga_of_" // and the tap's name
	boundsHandle = 0x7669
	kib          = 1024
	// leastBurst lets whole segments through that the guest leaves to its interface to cut up.
	leastBurst = 64 * kib
	// queued is for how many parts of a second packets wait at most before they are dropped.
	queued = 10
)

// boundNICs bounds the interfaces of a guest as wished, and no longer those that are not to be.
func (d *Driver) boundNICs(ctx context.Context, id string, nics []hypervisor.NIC) error {
	for _, nic := range nics {
		if err := boundNIC(ctx, nic); err != nil {
			return fmt.Errorf("bound port %s of guest %s: %w", nic.PortID, id, err)
		}
	}
	return nil
}

func boundNIC(ctx context.Context, nic hypervisor.NIC) error {
	link, err := netlink.LinkByName(nic.Tap)
	if err != nil {
		return fmt.Errorf("find %s: %w", nic.Tap, err)
	}
	present, err := ownQdisc(link)
	if err != nil {
		return err
	}
	bounded := nic.Inbound.Average > 0 || nic.Outbound.Average > 0
	if bounded == (present != nil) {
		return nil // what is bounded differently is so from the guest's next start, which takes the qdisc away
	}
	if !bounded {
		return errors.Join(netlink.QdiscDel(present), letOutbound(ctx, nic.Tap))
	}
	if err := boundOutbound(ctx, nic.Tap, nic.Outbound); err != nil {
		return err
	}
	if err := netlink.QdiscReplace(inboundQdisc(link, nic.Inbound)); err != nil {
		return fmt.Errorf("bound what %s gets: %w", nic.Tap, err)
	}
	return nil
}

// departed are the interfaces that a guest had and is not to have any more.
func departed(kept *manifest, wanted []hypervisor.NIC) []hypervisor.NIC {
	if kept == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(kept.Guest.NICs), func(had hypervisor.NIC) bool {
		return slices.ContainsFunc(wanted, func(nic hypervisor.NIC) bool { return nic.Tap == had.Tap })
	})
}

// letNICs ends the limits of interfaces that leave their guest; those of which the tap is gone have none but the filter's table.
func (d *Driver) letNICs(ctx context.Context, nics []hypervisor.NIC) error {
	for _, nic := range nics {
		if nic.Inbound.Average == 0 && nic.Outbound.Average == 0 {
			continue
		}
		err := letOutbound(ctx, nic.Tap)
		if _, gone := net.InterfaceByName(nic.Tap); gone == nil {
			err = errors.Join(err, boundNIC(ctx, hypervisor.NIC{Tap: nic.Tap}))
		}
		if err != nil {
			return fmt.Errorf("let port %s be: %w", nic.PortID, err)
		}
	}
	return nil
}

// ownQdisc is the qdisc by which the tap is known to be bounded, or nil.
func ownQdisc(link netlink.Link) (netlink.Qdisc, error) {
	list, err := netlink.QdiscList(link)
	if err != nil {
		return nil, fmt.Errorf("list qdiscs of %s: %w", link.Attrs().Name, err)
	}
	for _, qdisc := range list {
		if attrs := qdisc.Attrs(); attrs.Parent == netlink.HANDLE_ROOT && attrs.Handle == netlink.MakeHandle(boundsHandle, 0) {
			return qdisc, nil
		}
	}
	return nil, nil
}

// inboundQdisc is a token bucket, or, of an interface that is bounded in the other direction alone, a queue.
func inboundQdisc(link netlink.Link, b hypervisor.Bandwidth) netlink.Qdisc {
	attrs := netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(boundsHandle, 0), Parent: netlink.HANDLE_ROOT}
	if b.Average == 0 {
		return netlink.NewPrio(attrs)
	}
	rate := b.Average * kib
	burst := max(b.Burst*kib, rate/queued, leastBurst)
	bucket := &netlink.Tbf{QdiscAttrs: attrs, Rate: rate, Limit: clamp(burst + rate/queued), Buffer: netlink.Xmittime(rate, clamp(burst))}
	if b.Peak > b.Average {
		bucket.Peakrate, bucket.Minburst = b.Peak*kib, leastBurst
	}
	return bucket
}

// clamp is a number of bytes as the kernel takes it.
func clamp(bytes uint64) uint32 { return uint32(min(bytes, 1<<30)) }

// boundOutbound drops what comes from a tap beyond the bandwidth.
func boundOutbound(ctx context.Context, tap string, b hypervisor.Bandwidth) error {
	if b.Average == 0 {
		return letOutbound(ctx, tap)
	}
	table := "netdev " + boundsTable + tap
	var script strings.Builder
	fmt.Fprintf(&script, "add table %s\ndelete table %s\nadd table %s\n", table, table, table)
	fmt.Fprintf(&script, "add chain %s sent { type filter hook ingress device \"%s\" priority -500; policy accept; }\n", table, tap)
	if b.Peak > b.Average {
		fmt.Fprintf(&script, "add rule %s sent limit rate over %d kbytes/second burst %d kbytes drop\n", table, b.Peak, leastBurst/kib)
	}
	// Without a burst it is what may go in a second, as with libvirt.
	burst := b.Burst
	if burst == 0 {
		burst = b.Average
	}
	fmt.Fprintf(&script, "add rule %s sent limit rate over %d kbytes/second burst %d kbytes drop\n", table, b.Average, max(burst, leastBurst/kib))
	return filter(ctx, tap, script.String())
}

// letOutbound lets everything through that comes from a tap; one that was never bounded is fine.
func letOutbound(ctx context.Context, tap string) error {
	table := "netdev " + boundsTable + tap
	return filter(ctx, tap, fmt.Sprintf("add table %s\ndelete table %s\n", table, table))
}

// filter has nft carry out a script, all of it or nothing.
func filter(ctx context.Context, tap, script string) error {
	ctx, cancel := context.WithTimeout(ctx, toolPatience)
	defer cancel()
	command := exec.CommandContext(ctx, "nft", "-f", "-")
	command.Stdin = strings.NewReader(script)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("filter what %s sends: nft: %w: %.300s", tap, errors.Join(err, ctx.Err()), output)
	}
	return nil
}
