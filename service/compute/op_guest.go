package compute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

// What the steps of several operations share: orders to the host and trouble with neighbours.

// orderGuest writes the wish that a server's guest be like its row and in the desired
// state, and rings its host after the commit.
func (s *Service) orderGuest(tx *db.Tx, row *server, o work.Operation, desired orders.Desired) error {
	order := &guestOrder{ServerID: row.ID, Host: row.Host, OperationID: o.ID, Epoch: o.Epoch, Desired: desired}
	if desired != orders.Absent {
		order.Body = guestBody(row)
	}
	if known, err := findOrder(tx, row.ID, row.Host); err == nil {
		order.RebootSeq, order.RebootHard = known.RebootSeq, known.RebootHard
	}
	return s.giveOrder(tx, order)
}

// orderFirst orders a guest for which there was no order before. It looks for none: on
// PostgreSQL two that look for rows in vain at neighbouring places and then write them lose
// a race against each other.
func (s *Service) orderFirst(tx *db.Tx, row *server, o work.Operation) error {
	order := &guestOrder{ServerID: row.ID, Host: row.Host, OperationID: o.ID, Epoch: o.Epoch, Desired: orders.Running, Body: guestBody(row)}
	if err := writeOrder(tx, order); err != nil {
		return err
	}
	tx.AfterCommit(func() { s.deps.Bus.Ring(orders.Topic(order.Host)) })
	return nil
}

func (s *Service) giveOrder(tx *db.Tx, order *guestOrder) error {
	if err := putOrder(tx, order); err != nil {
		return err
	}
	tx.AfterCommit(func() { s.deps.Bus.Ring(orders.Topic(order.Host)) })
	return nil
}

// failed tells whether the host reported that the wish of this generation cannot be reached.
func (o *guestOrder) failed() bool {
	return o.ReportedGeneration >= o.Generation && o.ReportedState == orders.StateFailed
}

// readOrder returns a guest's order and whether its host is up.
func (s *Service) readOrder(ctx context.Context, serverID, hostName string) (order *guestOrder, up bool, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		if order, err = findOrder(tx, serverID, hostName); err != nil {
			return fmt.Errorf("read order of guest %s on %s: %w", serverID, hostName, err)
		}
		up, err = hostUp(tx, hostName, s.clock.Now())
		return err
	})
	return order, up, err
}

// patience is how long a step waits for a report before it gives the operation back: a
// quick host's answer then costs no further claim.
const patience = 100 * time.Millisecond

func guestTopic(serverID string) string { return "compute.guest." + serverID }

// awaitOrder is readOrder, with patience while the host has not answered the order.
func (s *Service) awaitOrder(ctx context.Context, serverID, hostName string) (*guestOrder, bool, error) {
	bell := s.deps.Bus.Listen(guestTopic(serverID))
	defer bell.Close()
	order, up, err := s.readOrder(ctx, serverID, hostName)
	if err != nil || order.ReportedGeneration >= order.Generation || !s.rung(ctx, bell) {
		return order, up, err
	}
	return s.readOrder(ctx, serverID, hostName)
}

// rung waits with patience for a bell.
func (s *Service) rung(ctx context.Context, bell *bus.Bell) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-bell.C:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (s *Service) readServer(ctx context.Context, id string) (*server, error) {
	var row *server
	err := s.db.ReadOne(ctx, func(tx *db.Tx) (err error) {
		row, err = findServer(tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read server %s: %w", id, err)
	}
	return row, nil
}

// removeGuest orders that the server's guest be absent wherever it was ordered, and waits
// until the hosts say so. A host that does not report is not waited for: the order stays
// and is carried out when it comes back.
func (s *Service) removeGuest(ctx context.Context, o work.Operation) error {
	bell := s.deps.Bus.Listen(guestTopic(o.ResourceID))
	defer bell.Close()
	waiting, err := s.orderAbsence(ctx, o)
	for err == nil && waiting && s.rung(ctx, bell) {
		waiting, err = s.orderAbsence(ctx, o)
	}
	if err == nil && waiting {
		return work.Wait(lookAgain)
	}
	return err
}

// orderAbsence orders a guest away wherever it was ordered and tells whether there is a
// host to wait for. When all is ordered already it writes nothing.
func (s *Service) orderAbsence(ctx context.Context, o work.Operation) (waiting bool, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		waiting = false
		list, err := ordersOfServer(tx, o.ResourceID)
		if err != nil {
			return err
		}
		for _, order := range list {
			up, err := hostUp(tx, order.Host, s.clock.Now())
			if err != nil {
				return err
			}
			waiting = waiting || up
			if order.Desired == orders.Absent {
				continue
			}
			absent := &guestOrder{ServerID: order.ServerID, Host: order.Host, OperationID: o.ID, Epoch: o.Epoch, Desired: orders.Absent}
			if err := s.giveOrder(tx, absent); err != nil {
				return err
			}
		}
		return nil
	})
	return waiting, err
}

// publicError is an error whose text the owner of a server may read; its cause is logged.
type publicError struct {
	text  string
	cause error
}

// Error implements error.
func (e *publicError) Error() string { return e.text }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *publicError) Unwrap() error { return e.cause }

// neighbourTrouble classifies an error of a neighbour: a refusal (4xx) is final and its
// message is for the user; anything else is tried again.
func (s *Service) neighbourTrouble(ctx context.Context, o work.Operation, neighbour string, err error) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status < 500 && refused.Status != 429 && refused.Status != 401 {
		return work.Fail(&publicError{text: refused.Message, cause: err})
	}
	s.log.WarnContext(ctx, "neighbour is in trouble", "neighbour", neighbour, "operation", o.ID, "server", o.ResourceID, "error", err)
	return &publicError{text: "The " + neighbour + " service could not do its part.", cause: err}
}

// ringOperation tells a handler that waits for the operation that it has ended.
func (s *Service) ringOperation(tx *db.Tx, id string) {
	tx.AfterCommit(func() { s.deps.Bus.Ring(operationTopic(id)) })
}

func operationTopic(id string) string { return "compute.operation." + id }

// guestBody describes a server's guest to its host.
func guestBody(row *server) orders.GuestOrder {
	flavor, image := row.Detail.Flavor, row.Detail.Image
	shape := asked{&flavor, &image}
	devices, _ := devicesOf(shape) // what is wrong was refused when flavor and image were chosen
	body := orders.GuestOrder{
		Name: row.Name, HostName: row.HostName, NICs: []orders.NIC{},
		Flavor: orders.Flavor{Name: flavor.Name, VCPUs: flavor.VCPUs, MemoryMiB: flavor.MemoryMiB, RootGiB: guestRootGiB(row),
			EphemeralGiB: flavor.Ephemeral, SwapMiB: guestSwapMiB(row)},
		Hints: orders.Hints{Machine: image.Properties["hw_machine_type"], CPUModel: image.Properties["hw_cpu_model"],
			DiskBus: image.Properties["hw_disk_bus"], Agent: hasGuestAgent(image.Properties)},
		Devices: devices,
		Metadata: orders.Metadata{FlavorName: flavor.Name, ImageID: row.ImageID, ProjectID: row.ProjectID, ProjectName: row.Detail.ProjectName,
			UserID: row.UserID, UserName: row.Detail.UserName, CreatedAt: row.CreatedAt},
	}
	if row.ImageID != "" && image.DiskFormat != "iso" {
		whole := orderedImage(row.ImageID, &image)
		body.Image = &whole
	}
	if disk := row.Detail.Disk; disk != nil {
		whole := orderedImage(disk.ID, &disk.Image)
		body.Image = &whole
	}
	body.Edition, body.Storage, body.Kernel = row.Detail.Edition, storageOf(row), kernelOf(&image)
	body.CPUs = cpusOf(row)
	if rescue := row.Detail.Rescue; rescue != nil {
		body.Rescue = &orders.Rescue{Image: orderedImage(rescue.ImageID, &rescue.Image), Device: rescue.Image.Properties["hw_rescue_device"],
			Bus: rescue.Image.Properties["hw_rescue_bus"], Kernel: kernelOf(&rescue.Image)}
	}
	inbound, outbound, _ := shape.bandwidths() // they were checked when the flavor was chosen
	for _, n := range row.NICs {
		body.NICs = append(body.NICs, orders.NIC{PortID: n.PortID, NetworkID: n.NetworkID, MAC: n.MAC, Tap: tapName(n.PortID),
			MTU: n.MTU, Model: shape.vifModel(), Inbound: inbound, Outbound: outbound})
	}
	return body
}

func orderedImage(id string, image *imageSnapshot) orders.Image {
	return orders.Image{ID: id, SHA512: image.SHA512, Size: image.Size, DiskFormat: hostFormat(image.DiskFormat), VirtualSize: image.VirtualSize}
}

// tapName is the device of a port on its host, as Neutron's agents name it.
func tapName(portID string) string { return "tap" + portID[:min(len(portID), 11)] }
