package compute

import (
	"context"
	"errors"
	"time"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

// A shelved server is off, and an image of its disk is kept. It stays on its host until it is offloaded: then nothing of it is left
// there, and placement has its share again. Its ports keep their addresses.

const (
	opShelve  = "server_shelve"
	opOffload = "server_shelve_offload"
)

// shelved is what a server keeps of having been shelved.
type shelved struct {
	// ImageID is the image of its disk.
	ImageID string    `json:"image_id"`
	At      time.Time `json:"at"`
	// Host is where it was.
	Host string `json:"host"`
}

// serverShelve stops a server, makes an image of it and, if that is to be at once, offloads it.
func (s *Service) serverShelve() work.Registrable {
	stopped := func(*server) orders.Desired { return orders.Stopped }
	return work.Kind[imageParams, imageFrame]{
		Name: opShelve, Deadline: imageDeadline,
		Steps: append(s.imageSteps(stopped),
			imageStep{Name: "shelve", Do: s.shelveSettle, Pivot: true},
			imageStep{Name: "offload", Do: s.shelveOffload, Tries: forEver},
			imageStep{Name: "unbind", Do: s.shelveUnbind, Tries: forEver},
			imageStep{Name: "release", Do: s.shelveRelease, Tries: forEver},
			imageStep{Name: "offloaded", Do: s.shelveOffloaded, Tries: forEver}),
		Finished: s.shelveFinished("shelve"), Failed: s.shelveFailed,
	}
}

// serverOffload takes a shelved server from its host.
func (s *Service) serverOffload() work.Registrable {
	return work.Kind[imageParams, imageFrame]{
		Name: opOffload, Deadline: noDeadline,
		Steps: []imageStep{
			{Name: "decide", Do: s.shelveDecide, Pivot: true},
			{Name: "offload", Do: s.shelveOffload, Tries: forEver},
			{Name: "unbind", Do: s.shelveUnbind, Tries: forEver},
			{Name: "release", Do: s.shelveRelease, Tries: forEver},
			{Name: "offloaded", Do: s.shelveOffloaded, Tries: forEver},
		},
		Finished: s.shelveFinished("shelve_offload"),
	}
}

// shelveTask is the task_state that a step of shelving is.
func shelveTask(o work.Operation) string {
	switch o.StepName {
	case stepImage, "order", "taken":
		return "shelving"
	case "uploading":
		return "shelving_image_pending_upload"
	case "uploaded", "shelve":
		return "shelving_image_uploading"
	}
	return "shelving_offloading"
}

// shelveSettle notes that the server is shelved; its guest stays off and needs no snapshot any more.
func (s *Service) shelveSettle(_ context.Context, run *imageRun) error {
	run.InCommit(func(tx *db.Tx) error {
		now := s.clock.Now()
		err := s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.VMState, row.PowerState, row.UpdatedAt = vmShelved, powerShutdown, now
			row.Detail.Shelved = &shelved{ImageID: run.Params.Image.ID, At: now, Host: row.Host}
		})
		if err != nil {
			return err
		}
		return s.orderGuestWith(tx, run.Operation, desiredOf, func(*orders.GuestOrder) {})
	})
	return nil
}

// shelveDecide is the last moment at which an offload can be called off: what follows only goes forward.
func (s *Service) shelveDecide(ctx context.Context, run *imageRun) error {
	row, err := s.readServer(ctx, run.Operation.ResourceID)
	if err != nil {
		return err
	}
	if row.VMState != vmShelved {
		return work.Failf("The server is not shelved.")
	}
	return nil
}

func (s *Service) shelveOffload(ctx context.Context, run *imageRun) error {
	if !run.Params.Offload {
		return nil
	}
	return s.removeGuest(ctx, run.Operation)
}

func (s *Service) shelveUnbind(ctx context.Context, run *imageRun) error {
	if !run.Params.Offload {
		return nil
	}
	return s.bindPorts(ctx, run.Operation.ResourceID, "")
}

func (s *Service) shelveRelease(ctx context.Context, run *imageRun) error {
	if !run.Params.Offload {
		return nil
	}
	s.roster.released(run.Operation.ResourceID)
	return s.deps.Placement.Release(s.self(ctx), run.Operation.ResourceID)
}

func (s *Service) shelveOffloaded(_ context.Context, run *imageRun) error {
	if !run.Params.Offload {
		return nil
	}
	run.InCommit(func(tx *db.Tx) error {
		return s.alterServer(tx, s.ofOperation(run.Operation, "update"), func(row *server) {
			row.VMState, row.PowerState, row.Host, row.UpdatedAt = vmOffloaded, powerNone, "", s.clock.Now()
		})
	})
	return nil
}

func (s *Service) shelveFinished(action string) func(*db.Tx, *imageRun) error {
	return func(tx *db.Tx, run *imageRun) error {
		s.ringOperation(tx, run.Operation.ID)
		return s.recordOf(tx, run.Operation, action)
	}
}

// shelveFailed leaves the server as it was. If its guest was stopped for it the host has the order to start it again; until it says
// that it has, the server counts as off.
func (s *Service) shelveFailed(tx *db.Tx, run *imageRun, reason string) error {
	s.ringOperation(tx, run.Operation.ID)
	if run.Operation.Cancelled {
		return nil
	}
	now := s.clock.Now()
	order, err := findOrder(tx, run.Operation.ResourceID, run.Frame.Host)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	stopped := err == nil && order.OperationID == run.Operation.ID && !order.reached()
	return s.alterServer(tx, s.ofOperation(run.Operation, "shelve.error"), func(row *server) {
		row.Detail.Fault = &fault{Code: 500, Message: reason, Created: now}
		if stopped && row.VMState == vmActive {
			row.VMState, row.PowerState, row.UpdatedAt = vmStopped, powerShutdown, now
		}
	})
}
