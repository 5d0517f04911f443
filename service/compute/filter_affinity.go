package compute

import "fmt"

// askGroup is for a policy of server groups (nova/scheduler/filters/affinity_filter.py).
func askGroup(policy string) func(*scheduler, *question) hostJudge {
	return func(_ *scheduler, q *question) hostJudge {
		if q.Group == nil || q.Group.Policy != policy {
			return nil
		}
		return func(c *candidate) miss { return groupMiss(c.name, q.Group) }
	}
}

// groupMiss is what a server group has against a host.
func groupMiss(host string, g *groupWish) miss {
	here := g.Hosts[host]
	switch {
	case g.Policy == "anti-affinity" && here >= max(g.MaxPerHost, 1):
		return miss{text: "it runs members of the server group already", count: int64(here), tell: func(_ *candidate, _ *question, m *miss) string {
			return fmt.Sprintf("it runs %d members of the server group already", m.count)
		}}
	case g.Policy == "affinity" && here == 0 && len(g.Hosts) > 0:
		return miss{text: "it runs no member of the server group"}
	}
	return miss{}
}

// askSameHost is for the scheduler hint same_host.
func askSameHost(_ *scheduler, q *question) hostJudge {
	if len(q.Same) == 0 {
		return nil
	}
	return func(c *candidate) miss {
		if q.sameHosts[c.name] {
			return miss{}
		}
		return miss{text: "it runs none of the servers that the server is to be with"}
	}
}

// askDifferentHost is for the scheduler hint different_host.
func askDifferentHost(_ *scheduler, q *question) hostJudge {
	if len(q.differentHosts) == 0 {
		return nil
	}
	return func(c *candidate) miss {
		if !q.differentHosts[c.name] {
			return miss{}
		}
		return miss{text: "it runs a server that the server is to be apart from"}
	}
}

// askNearAddress is for the scheduler hints build_near_host_ip and cidr.
func askNearAddress(_ *scheduler, q *question) hostJudge {
	if !q.Near.IsValid() {
		return nil
	}
	return func(c *candidate) miss {
		if q.Near.Contains(c.ip) {
			return miss{}
		}
		return miss{text: "its address is not near the one that was asked for"}
	}
}

// askQuery is for the scheduler hint query (nova/scheduler/filters/json_filter.py).
func askQuery(_ *scheduler, q *question) hostJudge {
	if q.Query == nil {
		return nil
	}
	return func(c *candidate) miss {
		if q.Query.holds(c) {
			return miss{}
		}
		return miss{text: "it does not answer to the query"}
	}
}
