package compute

import (
	"cmp"

	"virga/service/compute/cpus"
	"virga/service/compute/orders"
)

// askNUMA wants hosts on whose NUMA nodes those of the server fit, as far as the hosts have told (numa_topology_filter.py).
func askNUMA(_ *scheduler, q *question) hostJudge {
	w := q.CPUs
	if w == nil || len(w.Cells) == 0 {
		return nil
	}
	return func(c *candidate) miss {
		short := &cpus.Shortage{What: "NUMA nodes", Needed: int64(len(w.Cells))}
		if c.nodes != nil {
			_, short = cpus.Fit(&c.nodes.host, w, c.nodes.ratios)
		}
		if short == nil {
			return miss{}
		}
		return miss{text: "it has too few ", subject: short.What, needed: short.Needed, free: short.Free, tell: tellShortage}
	}
}

// hostNodes is what the filter needs to know of a host.
type hostNodes struct {
	host   cpus.Host
	ratios cpus.Ratios
}

// nodesOf is nil for a host that told of no nodes.
func nodesOf(f *orders.Host) *hostNodes {
	if f.CPUs == nil || len(f.CPUs.Cells) == 0 {
		return nil
	}
	return &hostNodes{cpus.Host{Cells: f.CPUs.Cells}, cpus.Ratios{CPU: cmp.Or(f.Shares.CPURatio, vcpuRatio), Memory: cmp.Or(f.Shares.MemoryRatio, memoryRatio)}}
}
