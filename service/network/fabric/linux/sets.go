package linux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"virga/service/network/fabric"
)

// An address set is a pair of nftables sets, one of each family: a set's elements are of one type.
const (
	prefixMembers4 = "members4-"
	prefixMembers6 = "members6-"
)

func membersName(setID string, v6 bool) string {
	if v6 {
		return prefixMembers6 + setID
	}
	return prefixMembers4 + setID
}

func (s *script) declareSet(id string) {
	s.line("add set inet virga %s { type ipv4_addr; flags interval; }", membersName(id, false))
	s.line("add set inet virga %s { type ipv6_addr; flags interval; }", membersName(id, true))
}

// elements adds members to, or deletes them from, the sets of their families.
func (s *script) elements(verb, id string, members []netip.Prefix) {
	for _, v6 := range []bool{false, true} {
		var texts []string
		for _, member := range members {
			if member.Addr().Is6() == v6 {
				texts = append(texts, prefixText(member))
			}
		}
		if len(texts) > 0 {
			s.line("%s element inet virga %s %s", verb, membersName(id, v6), set(texts))
		}
	}
}

// renderSet makes a set with exactly these members, whatever it had.
func renderSet(id string, members []netip.Prefix) string {
	var s script
	s.declareSet(id)
	s.line("flush set inet virga %s", membersName(id, false))
	s.line("flush set inet virga %s", membersName(id, true))
	s.elements("add", id, members)
	return s.String()
}

// renderSetChange changes a set whose members are known.
func renderSetChange(id string, gone, come []netip.Prefix) string {
	var s script
	s.elements("delete", id, gone)
	s.elements("add", id, come)
	return s.String()
}

func renderSetRemoval(id string) string {
	var s script
	s.declareSet(id)
	s.line("delete set inet virga %s", membersName(id, false))
	s.line("delete set inet virga %s", membersName(id, true))
	return s.String()
}

// difference lists what is in a and not in b.
func difference(a, b []netip.Prefix) []netip.Prefix {
	in := make(map[netip.Prefix]bool, len(b))
	for _, prefix := range b {
		in[prefix] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(p netip.Prefix) bool { return in[p] })
}

// EnsureAddressSet implements fabric.Driver.
func (d *Driver) EnsureAddressSet(ctx context.Context, set fabric.AddressSet) error {
	if err := set.Validate(); err != nil {
		return err
	}
	err := d.onHost(ctx, func() error {
		if err := d.refresh(ctx); err != nil {
			return err
		}
		return d.applySet(ctx, set.ID, set.Members())
	})
	if err != nil {
		return fmt.Errorf("ensure address set %s: %w", set.ID, err)
	}
	return nil
}

// applySet brings a set's members from those that it has to those wanted, and cuts the connections of those that went.
func (d *Driver) applySet(ctx context.Context, id string, want []netip.Prefix) error {
	known, err := d.learnSet(ctx, id)
	if err != nil {
		return err
	}
	gone, come := difference(d.members[id], want), difference(want, d.members[id])
	switch {
	case !known:
		err = d.commitFramed(ctx, renderSet(id, want))
	case len(gone)+len(come) > 0:
		if err = d.commitFramed(ctx, renderSetChange(id, gone, come)); err != nil && ctx.Err() == nil {
			err = d.commitFramed(ctx, renderSet(id, want)) // somebody else changed the set: start from nothing, still in one transaction
		}
	}
	if err != nil {
		return err
	}
	d.members[id] = want
	d.filter.sets[id] = true
	if len(gone) > 0 {
		d.uncut[id] = true
	}
	if !d.uncut[id] {
		return nil
	}
	if err := d.cutReferring(id); err != nil {
		return err
	}
	delete(d.uncut, id)
	return nil
}

// learnSet makes sure that d.members tells what a set has, and tells whether the set is there; it reads the kernel when that is not known.
func (d *Driver) learnSet(ctx context.Context, id string) (bool, error) {
	if d.filter.sets[id] {
		return true, nil
	}
	found, there, err := d.readSet(ctx, id)
	if err != nil || !there {
		return false, err
	}
	if had, ensured := d.members[id]; ensured && len(difference(had, found)) > 0 {
		d.uncut[id] = true // somebody else took members out
	}
	d.members[id], d.filter.sets[id] = found, true
	return true, nil
}

// readSet reads a set's members from the kernel; there is false for a set that is missing or has something that Virga never puts there.
func (d *Driver) readSet(ctx context.Context, id string) (members []netip.Prefix, there bool, err error) {
	for _, v6 := range []bool{false, true} {
		var listing struct {
			Nftables []struct {
				Set *struct{ Elem []json.RawMessage }
			}
		}
		err := d.listJSON(ctx, &listing, "list", "set", "inet", "virga", membersName(id, v6))
		if errors.Is(err, errNoTable) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		for _, object := range listing.Nftables {
			if object.Set == nil {
				continue
			}
			for _, element := range object.Set.Elem {
				prefix, err := parseElement(element)
				if err != nil {
					return nil, false, nil
				}
				members = append(members, prefix)
			}
		}
	}
	return fabric.Disjoint(members), true, nil
}

// parseElement reads an address or {"prefix": {"addr": …, "len": …}} (libnftables-json(5)).
func parseElement(text json.RawMessage) (netip.Prefix, error) {
	var address netip.Addr
	if json.Unmarshal(text, &address) == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	var element struct {
		Prefix struct {
			Addr netip.Addr
			Len  int
		}
	}
	if err := json.Unmarshal(text, &element); err != nil {
		return netip.Prefix{}, err
	}
	return element.Prefix.Addr.Prefix(element.Prefix.Len)
}

// renderMissingSets makes the sets that a port's rules refer to and that are not in force, with the members that were ensured last.
func (d *Driver) renderMissingSets(ctx context.Context, ids []string) (string, error) {
	var text strings.Builder
	for _, id := range ids {
		known, err := d.learnSet(ctx, id)
		if err != nil {
			return "", err
		}
		if !known {
			text.WriteString(renderSet(id, d.members[id]))
		}
	}
	return text.String(), nil
}

// cutReferring deletes the connections that were admitted by the ports whose rules refer to a set and that no rule permits any more.
func (d *Driver) cutReferring(id string) error {
	referring := map[int]portFilter{}
	for _, filter := range d.ports {
		if slices.Contains(filter.sets(), id) {
			referring[filter.number] = filter
		}
	}
	if len(referring) == 0 {
		return nil
	}
	return cutWhere(func(flow *netlink.ConntrackFlow) bool {
		sent, received := admittedBy(flow)
		return slices.ContainsFunc([]int{sent, received}, func(number int) bool {
			filter, refers := referring[number]
			return refers && filter.zone == flow.Zone && filter.forbids(flow)
		})
	})
}

// RemoveAddressSet implements fabric.Driver.
func (d *Driver) RemoveAddressSet(ctx context.Context, setID string) error {
	if err := fabric.CheckID(setID); err != nil {
		return err
	}
	err := d.onHost(ctx, func() error {
		if err := d.refresh(ctx); err != nil {
			return err
		}
		if _, there, err := d.readPortNumbers(ctx); err != nil || !there {
			return err
		}
		if err := d.commitFramed(ctx, renderSetRemoval(setID)); err != nil {
			return errors.Join(err, d.applySet(ctx, setID, nil)) // the kernel does not part with a set that rules refer to
		}
		delete(d.members, setID)
		delete(d.filter.sets, setID)
		delete(d.uncut, setID)
		return d.removeEmptyTables(ctx)
	})
	if err != nil {
		return fmt.Errorf("remove address set %s: %w", setID, err)
	}
	return nil
}

// readSetIDs lists the address sets that the kernel has; remains of one family count.
func (d *Driver) readSetIDs(ctx context.Context) ([]string, error) {
	var listing struct {
		Nftables []struct {
			Set *struct{ Name string }
		}
	}
	err := d.listJSON(ctx, &listing, "-t", "list", "sets", "table", "inet", "virga")
	if errors.Is(err, errNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, object := range listing.Nftables {
		if object.Set == nil {
			continue
		}
		for _, prefix := range []string{prefixMembers4, prefixMembers6} {
			if id, ok := strings.CutPrefix(object.Set.Name, prefix); ok {
				ids[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids)), nil
}
