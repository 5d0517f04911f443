package compute

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
)

type interfaceView struct {
	PortState string    `json:"port_state"`
	FixedIPs  []FixedIP `json:"fixed_ips"`
	PortID    string    `json:"port_id"`
	NetID     string    `json:"net_id"`
	MAC       string    `json:"mac_addr"`
	Tag       **string  `json:"tag,omitempty"`
}

func viewInterface(r *api.Request, n *nic) interfaceView {
	view := interfaceView{PortState: n.Status, FixedIPs: []FixedIP{}, PortID: n.PortID, NetID: n.NetworkID, MAC: n.MAC}
	for _, ip := range n.FixedIPs {
		view.FixedIPs = append(view.FixedIPs, FixedIP{SubnetID: ip.SubnetID, Address: ip.Address})
	}
	if r.Version.AtLeast(vInterfaceTag) {
		tag := orNull(n.Tag)
		view.Tag = &tag
	}
	return view
}

func (s *Service) interfaceList(ctx context.Context, r *api.Request) (any, error) {
	row := api.Loaded[serverTarget](r).server
	s.freshen(ctx, []*server{row})
	views := []interfaceView{}
	for i := range row.NICs {
		views = append(views, viewInterface(r, &row.NICs[i]))
	}
	return map[string]any{"interfaceAttachments": views}, nil
}

func (s *Service) interfaceShow(ctx context.Context, r *api.Request) (any, error) {
	row := api.Loaded[serverTarget](r).server
	s.freshen(ctx, []*server{row})
	n := nicOf(row, r.Param("port_id"))
	if n == nil {
		return nil, noSuchInterface(row.ID, r.Param("port_id"))
	}
	return map[string]any{"interfaceAttachment": viewInterface(r, n)}, nil
}

func nicOf(row *server, portID string) *nic {
	for i := range row.NICs {
		if row.NICs[i].PortID == portID {
			return &row.NICs[i]
		}
	}
	return nil
}

func noSuchInterface(serverID, portID string) error {
	return api.NotFound("Instance %s does not have a port with id %s", serverID, oneLine(portID, 60))
}

type attachBody struct {
	Attachment struct {
		NetID    *string   `json:"net_id"`
		PortID   *string   `json:"port_id"`
		FixedIPs []FixedIP `json:"fixed_ips"`
		Tag      string    `json:"tag"`
	} `json:"interfaceAttachment"`
}

// interfaceAttachRequest starts the operation and waits for its end, for the answer of this
// API holds the interface.
func (s *Service) interfaceAttachRequest(ctx context.Context, r *api.Request) (any, error) {
	request, err := s.readAttach(ctx, r)
	if err != nil {
		return nil, err
	}
	request.Key = s.clock.ID()
	operation, err := s.start(ctx, r, "attach_interface", opAttach, interfaceParams{NIC: request}, func(row *server, t task) error {
		if len(row.NICs) >= maxNICs {
			return api.BadRequest("A server can have at most %d network interfaces.", maxNICs)
		}
		return inStates("attach_interface", vmActive, vmPaused, vmStopped)(row, t)
	})
	if err != nil {
		return nil, err
	}
	o, err := s.waitForOperation(ctx, operation)
	if err != nil {
		return nil, err
	}
	if o.State != work.Done {
		return nil, api.BadRequest("Failed to attach network adapter device to %s: %s", o.ResourceID, o.Error)
	}
	row, err := s.readServer(ctx, o.ResourceID)
	if err != nil {
		return nil, err
	}
	var frame interfaceFrame
	if err := json.Unmarshal([]byte(o.Frame), &frame); err != nil {
		return nil, err
	}
	n := nicOf(row, frame.PortID)
	if n == nil {
		return nil, noSuchInterface(row.ID, frame.PortID)
	}
	return map[string]any{"interfaceAttachment": viewInterface(r, n)}, nil
}

func (s *Service) readAttach(ctx context.Context, r *api.Request) (nicRequest, error) {
	var body attachBody
	if len(r.Body) > 0 {
		if err := r.Decode(&body); err != nil {
			return nicRequest{}, err
		}
	}
	in := body.Attachment
	switch {
	case in.Tag != "" && r.Version.Before(vAttachTag):
		return nicRequest{}, unexpectedField("interfaceAttachment", "tag")
	case in.NetID != nil && in.PortID != nil:
		return nicRequest{}, api.BadRequest("Must not input both network_id and port_id")
	case len(in.FixedIPs) > 0 && in.NetID == nil:
		return nicRequest{}, api.BadRequest("Must input network_id when request IP address")
	}
	if in.NetID == nil && in.PortID == nil {
		found, err := s.automaticNetwork(ctx, r, true)
		if err != nil {
			return nicRequest{}, err
		}
		found[0].Tag = in.Tag
		return found[0], nil
	}
	entry := networkField{Port: in.PortID, Tag: ""}
	if in.NetID != nil {
		entry.UUID = *in.NetID
	}
	if len(in.FixedIPs) > 0 {
		entry.FixedIP = &in.FixedIPs[0].Address
	}
	list, err := s.readNetworkList(ctx, r, []networkField{entry}, 1)
	if err != nil {
		return nicRequest{}, attachError(err)
	}
	list[0].Tag = in.Tag
	return list[0], nil
}

// attachError turns "could not be found" of a create's 400 into the 404 of this resource.
func attachError(err error) error {
	var e *api.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest && len(e.Message) > 20 && e.Message[len(e.Message)-19:] == "could not be found." {
		return api.NotFound("%s", e.Message)
	}
	return err
}

// waitForOperation waits until an operation has ended or the request's time is over.
func (s *Service) waitForOperation(ctx context.Context, id string) (work.Operation, error) {
	bell := s.deps.Bus.Listen(operationTopic(id))
	defer bell.Close()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		var o work.Operation
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			o, err = work.Find(tx, id)
			return err
		})
		if err != nil || !o.FinishedAt.IsZero() {
			return o, err
		}
		select {
		case <-ctx.Done():
			return o, api.Errorf(http.StatusInternalServerError, "The operation takes longer than the request may; it goes on.")
		case <-bell.C:
		case <-ticker.C:
		}
	}
}

func (s *Service) interfaceDetachRequest(ctx context.Context, r *api.Request) (any, error) {
	port := r.Param("port_id")
	_, err := s.start(ctx, r, "detach_interface", opDetach, interfaceParams{PortID: port}, func(row *server, t task) error {
		if nicOf(row, port) == nil {
			return noSuchInterface(row.ID, port)
		}
		return inStates("detach_interface", vmActive, vmPaused, vmStopped)(row, t)
	})
	return accepted(), err
}
