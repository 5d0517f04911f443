package compute

import (
	"context"
	"errors"
	"fmt"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

// What the operations that move a server between hosts share.

// removeGuestFrom orders that a server's guest be absent from one host and waits until the
// host says so. A host that is lost is not waited for, unless sure is asked for: then only
// a host that an operator has declared down counts as having obeyed.
func (s *Service) removeGuestFrom(ctx context.Context, o work.Operation, hostName string, sure bool) error {
	bell := s.deps.Bus.Listen(guestTopic(o.ResourceID))
	defer bell.Close()
	waiting, err := s.orderAbsenceFrom(ctx, o, hostName, sure)
	for err == nil && waiting && s.rung(ctx, bell) {
		waiting, err = s.orderAbsenceFrom(ctx, o, hostName, sure)
	}
	if err == nil && waiting {
		return work.Wait(lookAgain)
	}
	return err
}

func (s *Service) orderAbsenceFrom(ctx context.Context, o work.Operation, hostName string, sure bool) (waiting bool, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		waiting = false
		order, err := findOrder(tx, o.ResourceID, hostName)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if sure {
			gone, err := hostGone(tx, hostName)
			if err != nil {
				return err
			}
			waiting = !gone
		} else if waiting, err = hostUp(tx, hostName, s.clock.Now()); err != nil {
			return err
		}
		if order.Desired == orders.Absent {
			return nil
		}
		return s.giveOrder(tx, &guestOrder{ServerID: o.ResourceID, Host: hostName, OperationID: o.ID, Epoch: o.Epoch, Desired: orders.Absent})
	})
	return waiting, err
}

// stopGuestAt orders a guest to be off on its host, as its server's row has it, and waits
// for that; a host that failed to or is lost is not waited for.
func (s *Service) stopGuestAt(ctx context.Context, o work.Operation, hostName string) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		order, err := findOrder(tx, o.ResourceID, hostName)
		if err != nil {
			return fmt.Errorf("find order of guest %s on %s: %w", o.ResourceID, hostName, err)
		}
		if order.OperationID == o.ID && order.Desired == orders.Stopped {
			return nil
		}
		row, err := findServer(tx, o.ResourceID)
		if err != nil {
			return err
		}
		return s.orderGuest(tx, row, o, orders.Stopped)
	})
	if err != nil {
		return err
	}
	order, up, err := s.awaitOrder(ctx, o.ResourceID, hostName)
	if err != nil || order.settled() || order.failed() && order.ErrorClass != orders.Retry || !up {
		return err
	}
	return work.Wait(lookAgain)
}

// bindPorts has all ports of a server be on a host.
func (s *Service) bindPorts(ctx context.Context, serverID, hostName string) error {
	ctx = s.self(ctx)
	ports, err := s.deps.Networks.PortsOfDevices(ctx, []string{serverID})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.HostID != hostName {
			change := PortChange{HostID: &hostName}
			if at := expectedAt(p); at != "" && at != hostName { // it arrived where it leaves now
				change.Profile = expecting(p, "")
			}
			if p, err = s.deps.Networks.UpdatePort(ctx, p.ID, change); err != nil {
				return err
			}
		}
		if p.VIFType == "binding_failed" {
			return &bindingError{p.ID, hostName}
		}
	}
	s.fresh.forget(serverID)
	return nil
}
