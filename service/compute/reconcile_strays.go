package compute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"virga/core/db"
	"virga/core/work"
)

const (
	// straysAfter is how long after the end of an operation nothing that it asked of a
	// neighbour can still be on its way: longer than any request may take.
	straysAfter = 3 * time.Minute
	// straysSince is how far a process that starts looks back, straysBatch how many
	// operations it takes at a time.
	straysSince = time.Hour
	straysBatch = 100
)

// reconcileStrays looks once more at what neighbours have for servers whose operations ended
// a while ago. A request that was believed to be lost may have arrived after the operation had
// undone it, or had asked again: then a port or an allocation is there that nobody knows of.
func (s *Service) reconcileStrays(ctx context.Context) error {
	if s.straysUpTo.FinishedAt.IsZero() {
		s.straysUpTo.FinishedAt = s.clock.Now().Add(-straysSince)
	}
	for ctx.Err() == nil {
		var ended []work.Operation
		if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			ended, err = work.Ended(tx, s.straysUpTo, s.clock.Now().Add(-straysAfter), straysBatch)
			return err
		}); err != nil || len(ended) == 0 {
			return err
		}
		var ids []string
		for _, o := range ended {
			if o.ResourceKind == "server" && !slices.Contains(ids, o.ResourceID) {
				ids = append(ids, o.ResourceID)
			}
		}
		if err := s.removeStrays(ctx, ids); err != nil {
			return fmt.Errorf("remove what came late: %w", err)
		}
		s.straysUpTo = ended[len(ended)-1]
	}
	return ctx.Err()
}

// removeStrays removes the ports and allocations that the servers do not have, and brings back
// ports that were sent after a server that is elsewhere. What is at work is left alone: it ends
// some time and is looked at then.
func (s *Service) removeStrays(ctx context.Context, ids []string) error {
	ctx = s.self(ctx)
	// The ports come first: what an operation makes that begins later is not among them.
	ports, err := s.deps.Networks.PortsOfDevices(ctx, ids)
	if err != nil {
		return err
	}
	var rows []*server
	var busy map[string][]work.Operation
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if rows, err = serversByID(tx, ids); err != nil {
			return err
		}
		busy, err = work.Unfinished(tx, ids...)
		return err
	}); err != nil {
		return err
	}
	live := map[string]*server{}
	for _, row := range rows {
		live[row.ID] = row
	}
	for _, p := range ports {
		if len(busy[p.DeviceID]) > 0 {
			continue
		}
		if row := live[p.DeviceID]; !strays(p, row) {
			if row.Host != "" && p.HostID != "" && p.HostID != row.Host {
				s.log.WarnContext(ctx, "a port was sent late to another host", "server", row.ID, "port", p.ID, "host", p.HostID)
				if err := s.bindPorts(ctx, row.ID, row.Host); err != nil {
					return err
				}
			}
			continue
		}
		s.log.WarnContext(ctx, "a port came late", "server", p.DeviceID, "port", p.ID)
		if err := s.unplugPort(ctx, p); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if row := live[id]; len(busy[id]) > 0 || row != nil && (row.Host != "" || row.VMState != vmError && row.VMState != vmOffloaded) {
			continue
		}
		if err := s.deps.Placement.Release(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// strays tells whether a port is on a server that does not have it. One that compute did not
// make is left to a server that is there: its owner may be about to attach it.
func strays(p Port, row *server) bool {
	if row == nil {
		return true
	}
	return marker(p) != "" && !slices.ContainsFunc(row.NICs, func(n nic) bool { return n.PortID == p.ID })
}
