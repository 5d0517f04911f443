package desired

import (
	"net/netip"
	"slices"
)

// With is the state that comes of one and what is new since. Neither is changed: what was
// made of the former state may still be in use.
func (s *State) With(news State) State {
	if !news.Partial {
		return news
	}
	merged := State{Generation: news.Generation, Moment: news.Moment,
		Ports:   replaced(s.Ports, news.Ports, news.GonePorts, func(p *Port) string { return p.ID }),
		Routers: replaced(s.Routers, news.Routers, news.GoneRouters, func(r *Router) string { return r.ID }),
	}
	carried, enforced, named := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range merged.Ports {
		carried[merged.Ports[i].NetworkID] = true
		for _, id := range merged.Ports[i].SecurityGroups {
			enforced[id] = true
		}
	}
	for i := range merged.Routers {
		for _, face := range merged.Routers[i].Interfaces {
			carried[face.NetworkID] = true
		}
		if gateway := merged.Routers[i].Gateway; gateway != nil {
			carried[gateway.NetworkID] = true
		}
	}
	merged.Networks = kept(replaced(s.Networks, news.Networks, nil, func(n *Network) string { return n.ID }),
		func(n *Network) bool { return carried[n.ID] })
	merged.SecurityGroups = kept(replaced(s.SecurityGroups, news.SecurityGroups, nil, func(g *SecurityGroup) string { return g.ID }),
		func(g *SecurityGroup) bool { return enforced[g.ID] })
	for i := range merged.SecurityGroups {
		for _, rule := range merged.SecurityGroups[i].Rules {
			named[rule.RemoteGroupID] = true
		}
	}
	merged.AddressSets = map[string][]netip.Prefix{}
	for _, sets := range []map[string][]netip.Prefix{s.AddressSets, news.AddressSets} {
		for id, members := range sets {
			if named[id] {
				merged.AddressSets[id] = members
			}
		}
	}
	for id, change := range news.MemberChanges {
		if members, there := merged.AddressSets[id]; there {
			merged.AddressSets[id] = changed(members, change.Added, change.Removed, netip.Prefix.Compare)
		}
	}
	for i := range merged.Networks {
		if change, there := news.PeerChanges[merged.Networks[i].ID]; there {
			merged.Networks[i].Peers = changed(merged.Networks[i].Peers, change.Added, change.Removed, netip.Addr.Compare)
		}
	}
	return merged
}

// changed is a set in order, with elements added and without those removed.
func changed[E comparable](set, added, removed []E, compare func(a, b E) int) []E {
	out := make(map[E]bool, len(added)+len(removed))
	for _, e := range added {
		out[e] = true // it comes at its place below
	}
	for _, e := range removed {
		out[e] = true
	}
	merged := make([]E, 0, len(set)+len(added))
	for _, e := range set {
		if !out[e] {
			merged = append(merged, e)
		}
	}
	merged = append(merged, added...)
	slices.SortFunc(merged, compare)
	return merged
}

// replaced is a list with objects put in the place of those with the same ids, and without
// those that are gone.
func replaced[T any](list, news []T, gone []string, id func(*T) string) []T {
	at := make(map[string]int, len(news))
	for i := range news {
		at[id(&news[i])] = i
	}
	drop := make(map[string]bool, len(gone))
	for _, name := range gone {
		drop[name] = true
	}
	merged := make([]T, 0, len(list)+len(news))
	for i := range list {
		name := id(&list[i])
		if j, changed := at[name]; changed {
			merged = append(merged, news[j])
			delete(at, name)
		} else if !drop[name] {
			merged = append(merged, list[i])
		}
	}
	for i := range news {
		if _, added := at[id(&news[i])]; added {
			merged = append(merged, news[i])
		}
	}
	return merged
}

func kept[T any](list []T, keep func(*T) bool) []T {
	found := list[:0]
	for i := range list {
		if keep(&list[i]) {
			found = append(found, list[i])
		}
	}
	return found
}
