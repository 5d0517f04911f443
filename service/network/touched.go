package network

import (
	"encoding/json"
	"net/netip"
	"slices"

	"virga/core/db"
)

// part says which member of a set a change is about, and all addresses that the member
// contributes or contributed: whoever had the set before has it again when it looks at these
// addresses alone. They are tunnel addresses of hosts for a network's peers, and those of
// ports, with their allowed pairs, for a group's members.
type part struct {
	// Of is a host's name or a port's id.
	Of        string         `json:"of"`
	Addresses []netip.Prefix `json:"addresses"`
}

// text is how a part is kept; empty where there is no room for it, which says that any
// member may have changed.
func (p *part) text() string {
	text, err := json.Marshal(p)
	if err != nil || len(text) > maxTouched {
		return ""
	}
	return string(text)
}

// readPart reads what text wrote; nil: any member may have changed.
func readPart(text string) *part {
	var p part
	if text == "" || json.Unmarshal([]byte(text), &p) != nil {
		return nil
	}
	return &p
}

// touchCarrier tells all hosts that carry a network that a host does from now on, or does no longer.
func (s *Service) touchCarrier(tx *db.Tx, networkID, host string) error {
	vtep, err := vtepOf(tx, host)
	if err != nil {
		return err
	}
	carrier := part{Of: host, Addresses: []netip.Prefix{}}
	if a, err := netip.ParseAddr(vtep); err == nil {
		carrier.Addresses = append(carrier.Addresses, netip.PrefixFrom(a, a.BitLen()))
	}
	return s.changedIn(tx, newChange{Kind: changedPeers, ObjectID: networkID, Touched: carrier.text()})
}

// touchMembers tells the hosts that enforce a rule whose remote side is one of a port's
// groups what became of the port, which is given as it was and as it is, each if there is such.
func (s *Service) touchMembers(tx *db.Tx, versions ...*port) error {
	var groups []string
	member := part{Of: versions[0].ID, Addresses: []netip.Prefix{}}
	for _, p := range versions {
		groups = append(groups, p.Groups...)
		for i := range p.Addresses {
			a := p.Addresses[i].addr()
			member.Addresses = append(member.Addresses, netip.PrefixFrom(a, a.BitLen()))
		}
		member.Addresses = append(member.Addresses, prefixesOfPairs(p.Pairs)...)
	}
	slices.SortFunc(member.Addresses, netip.Prefix.Compare)
	member.Addresses = slices.Compact(member.Addresses)
	slices.Sort(groups)
	for _, id := range slices.Compact(groups) {
		if err := s.changedIn(tx, newChange{Kind: changedMembers, ObjectID: id, Touched: member.text()}); err != nil {
			return err
		}
	}
	return nil
}
