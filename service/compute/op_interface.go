package compute

import (
	"context"
	"errors"
	"slices"
	"time"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const (
	opAttach = "interface_attach"
	opDetach = "interface_detach"
)

// interfaceParams names the interface: a request for one to be attached, or the port of
// one to be detached.
type interfaceParams struct {
	NIC    nicRequest `json:"nic"`
	PortID string     `json:"port_id,omitempty"`
}

type interfaceFrame struct {
	Host   string `json:"host,omitempty"`
	PortID string `json:"port_id,omitempty"`
}

type interfaceRun = work.Run[interfaceParams, interfaceFrame]

// interfaceAttach gives a server one more network interface.
func (s *Service) interfaceAttach() work.Registrable {
	return work.Kind[interfaceParams, interfaceFrame]{
		Name: opAttach, Deadline: 10 * time.Minute,
		Steps: []work.Step[interfaceParams, interfaceFrame]{
			{Name: "port", Do: s.attachPort, Undo: s.attachUnport},
			{Name: "order", Do: s.attachOrder, Undo: s.attachUnorder},
			{Name: "settle", Do: s.interfaceSettle},
		},
		Finished: s.interfaceEnded("interface.attach"), Failed: s.interfaceFailed,
	}
}

// interfaceDetach takes a network interface away from a server.
func (s *Service) interfaceDetach() work.Registrable {
	return work.Kind[interfaceParams, interfaceFrame]{
		Name: opDetach, Deadline: 10 * time.Minute,
		Steps: []work.Step[interfaceParams, interfaceFrame]{
			{Name: "order", Do: s.detachOrder, Pivot: true},
			{Name: "settle", Do: s.detachSettle, Tries: forEver},
			{Name: "port", Do: s.detachPort, Tries: forEver},
		},
		Finished: s.interfaceEnded("interface.detach"), Failed: s.interfaceFailed,
	}
}

func (s *Service) interfaceEnded(action string) func(*db.Tx, *interfaceRun) error {
	return func(tx *db.Tx, run *interfaceRun) error {
		s.ringOperation(tx, run.Operation.ID)
		return s.recordOf(tx, run.Operation, action)
	}
}

func (s *Service) interfaceFailed(tx *db.Tx, run *interfaceRun, _ string) error {
	s.ringOperation(tx, run.Operation.ID)
	return nil
}

// attachPort makes or takes the port and adds it to the server's interfaces.
func (s *Service) attachPort(ctx context.Context, run *interfaceRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	nics, err := s.plugPorts(ctx, row, []nicRequest{run.Params.NIC}, run.Operation.Epoch > 1 || run.Operation.Tries > 0)
	var unbound *bindingError
	if errors.As(err, &unbound) {
		return work.Fail(unbound)
	}
	if err != nil {
		return s.neighbourTrouble(ctx, run.Operation, "network", err)
	}
	run.Frame.PortID, run.Frame.Host = nics[0].PortID, row.Host
	run.InCommit(func(tx *db.Tx) error {
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.NICs = append(withoutPort(row.NICs, nics[0].PortID), nics[0])
			row.UpdatedAt = s.clock.Now()
		})
	})
	return nil
}

// attachUnport removes what attachPort made, by its mark where the frame does not know it.
func (s *Service) attachUnport(ctx context.Context, run *interfaceRun) error {
	if run.Operation.Cancelled {
		return nil // the delete removes all ports
	}
	ports, err := s.deps.Networks.PortsOfDevices(s.self(ctx), []string{run.Operation.ResourceID})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.ID != run.Params.NIC.PortID && marker(p) != run.Params.NIC.Key {
			continue
		}
		if err := s.unplugPort(s.self(ctx), p); err != nil {
			return err
		}
		run.InCommit(func(tx *db.Tx) error {
			return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) { row.NICs = withoutPort(row.NICs, p.ID) })
		})
	}
	return nil
}

// attachOrder has the guest be as the row says now. A server on no host needs no order.
func (s *Service) attachOrder(_ context.Context, run *interfaceRun) error {
	run.InCommit(func(tx *db.Tx) error { return s.reorder(tx, run.Operation, nil) })
	return nil
}

func (s *Service) attachUnorder(_ context.Context, run *interfaceRun) error {
	if run.Operation.Cancelled {
		return nil
	}
	run.InCommit(func(tx *db.Tx) error { return s.reorder(tx, run.Operation, []string{run.Frame.PortID}) })
	return nil
}

// reorder repeats the order for a server's guest with its interfaces of now, but for the
// ports named, and in the state that it is in.
func (s *Service) reorder(tx *db.Tx, o work.Operation, butPorts []string) error {
	row, err := findServer(tx, o.ResourceID)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil || row.Host == "" {
		return err
	}
	for _, id := range butPorts {
		row.NICs = withoutPort(row.NICs, id)
	}
	return s.orderGuest(tx, row, o, desiredOf(row))
}

func (s *Service) interfaceSettle(ctx context.Context, run *interfaceRun) error {
	if run.Frame.Host == "" {
		return nil
	}
	order, up, err := s.awaitOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	switch {
	case err != nil:
		return err
	case order.reached():
		return nil
	case order.failed() && order.ErrorClass != orders.Retry:
		return work.Fail(errors.New(order.ErrorMessage))
	case !up:
		return work.Failf("The server's host does not report.")
	}
	return work.Wait(lookAgain)
}

// reached tells whether the host has carried out this generation, whatever the power state
// that the guest came to by itself.
func (o *guestOrder) reached() bool {
	return o.ReportedGeneration >= o.Generation && o.isThere()
}

func (s *Service) detachOrder(ctx context.Context, run *interfaceRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	run.Frame.Host, run.Frame.PortID = row.Host, run.Params.PortID
	run.InCommit(func(tx *db.Tx) error {
		if err := s.reorder(tx, run.Operation, []string{run.Params.PortID}); err != nil {
			return err
		}
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.NICs, row.UpdatedAt = withoutPort(row.NICs, run.Params.PortID), s.clock.Now()
		})
	})
	return nil
}

// detachSettle waits for the host; one that does not report will find the order when it is
// back, and one that cannot do it, and says so for good, would be waited for in vain: the
// port goes all the same, and the next order for the guest says again that it has none.
func (s *Service) detachSettle(ctx context.Context, run *interfaceRun) error {
	if run.Frame.Host == "" {
		return nil
	}
	order, up, err := s.awaitOrder(ctx, run.Operation.ResourceID, run.Frame.Host)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil
	case err != nil:
		return err
	case order.reached() || !up || order.Desired == orders.Absent, order.failed() && order.ErrorClass != orders.Retry:
		return nil
	}
	return work.Wait(lookAgain)
}

func (s *Service) detachPort(ctx context.Context, run *interfaceRun) error {
	ports, err := s.deps.Networks.PortsByID(s.self(ctx), []string{run.Params.PortID})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.DeviceID != run.Operation.ResourceID {
			continue
		}
		if err := s.unplugPort(s.self(ctx), p); err != nil {
			return err
		}
	}
	return nil
}

func withoutPort(nics []nic, portID string) []nic {
	return slices.DeleteFunc(slices.Clone(nics), func(n nic) bool { return n.PortID == portID })
}
