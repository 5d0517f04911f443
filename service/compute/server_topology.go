package compute

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"virga/core/api"
	"virga/core/db"
	"virga/service/compute/cpus"
)

// topologyView is a server's NUMA topology; of one without nodes it says that there are none.
type topologyView struct {
	Nodes    []nodeView `json:"nodes"`
	PageSize *int64     `json:"pagesize_kb"`
}

// nodeView is one node of a server. Those who may know the host read where it is, too.
type nodeView struct {
	MemoryMiB int64          `json:"memory_mb"`
	VCPUs     []int          `json:"vcpu_set"`
	Siblings  [][]int        `json:"siblings"`
	HostNode  *int           `json:"host_node,omitempty"`
	Pinning   map[string]int `json:"cpu_pinning,omitzero"`
}

// topologyShow answers GET /servers/{server_id}/topology.
func (s *Service) topologyShow(ctx context.Context, r *api.Request) (any, error) {
	row := api.Loaded[serverTarget](r).server
	w := cpusOf(row)
	if w == nil || len(w.Cells) == 0 {
		return topologyView{Nodes: []nodeView{}}, nil
	}
	var order *guestOrder
	err := s.db.ReadOne(ctx, func(tx *db.Tx) (err error) {
		order, err = findOrder(tx, row.ID, row.Host)
		return err
	})
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return nil, err
	}
	var place *cpus.Placement
	if order != nil {
		place = order.Placement
	}
	mayKnowHost := r.May(ruleTopologyHost, serverTarget{row}.PolicyTarget()) == nil
	return viewTopology(w, place, mayKnowHost), nil
}

func viewTopology(w *cpus.Wish, place *cpus.Placement, withHost bool) topologyView {
	view := topologyView{Nodes: []nodeView{}}
	if w.PageKiB != 0 {
		view.PageSize = &w.PageKiB
	}
	for i, cell := range w.Cells {
		node := nodeView{MemoryMiB: cell.MemoryMiB, VCPUs: cell.CPUs, Siblings: [][]int{}}
		if w.Topology.Threads > 1 {
			for core := range slices.Chunk(cell.CPUs, w.Topology.Threads) {
				node.Siblings = append(node.Siblings, core)
			}
		}
		if place != nil && i < len(place.Cells) {
			placed := &place.Cells[i]
			if placed.PageKiB != 0 {
				view.PageSize = &placed.PageKiB
			}
			if withHost {
				node.HostNode, node.Pinning = &placed.HostCell, map[string]int{}
				for vcpu, cpu := range maps.All(placed.Pins) {
					node.Pinning[strconv.Itoa(vcpu)] = cpu
				}
			}
		}
		view.Nodes = append(view.Nodes, node)
	}
	return view
}
