package compute

import (
	"context"
	"encoding/json"
	"slices"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const (
	opRescue   = "server_rescue"
	opUnrescue = "server_unrescue"
)

// serverRescue has a server run from a disk made of another image, with its own disks
// beside it. What with stands in the server's row before the first step.
func (s *Service) serverRescue() work.Registrable {
	return s.powerKind(opRescue, orders.Rescued, "rescue")
}

// serverUnrescue has a rescued server run from its own root disk again.
func (s *Service) serverUnrescue() work.Registrable {
	return s.powerKind(opUnrescue, orders.Running, "unrescue")
}

func (s *Service) actionRescue(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	var in struct {
		AdminPass *string `json:"adminPass"`
		ImageRef  string  `json:"rescue_image_ref"`
	}
	if err := json.Unmarshal(argument, &in); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute rescue.")
	}
	with := &rescue{ImageID: row.ImageID, Image: row.Detail.Image}
	if in.ImageRef != "" {
		image, err := s.rescueImage(ctx, r, in.ImageRef)
		if err != nil {
			return nil, err
		}
		with.ImageID, with.Image = image.ID, snapshotOf(image)
		if err := s.addKernel(ctx, r, &with.Image, row.MemoryMiB); err != nil {
			return nil, err
		}
	}
	if err := checkRescueDevice(with.Image.Properties); err != nil {
		return nil, err
	}
	password, err := passwordOr(in.AdminPass)
	if err != nil {
		return nil, err
	}
	_, err = s.start(ctx, r, "rescue", opRescue, powerParams{}, func(row *server, t task) error {
		if row.VMState == vmError && row.Host == "" {
			return stateConflict("rescue", row.ID, "vm_state", row.VMState)
		}
		if row.ImageID == "" && in.ImageRef == "" {
			return api.BadRequest("Instance %s cannot be rescued: Cannot rescue a volume-backed instance", row.ID)
		}
		return inStates("rescue", vmActive, vmStopped, vmError)(row, t)
	}, func(tx *db.Tx, row *server) error {
		row.Detail.Rescue = with
		if err := s.putPassword(tx, row.ID, forRescue, password); err != nil {
			return err
		}
		return updateServer(tx, row)
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"adminPass": password}, nil // with 200, though it has only begun: nova's clients know it so
}

// rescueImage finds an image that the caller may use and hosts can boot from.
func (s *Service) rescueImage(ctx context.Context, r *api.Request, id string) (*Image, error) {
	image, err := s.deps.Images.Image(as(ctx, r), id)
	if status := api.StatusOf(err); err != nil && (status < 400 || status >= 500) {
		return nil, unavailable("image", err)
	}
	if err != nil || image.Status != "active" || !isBootable(image.DiskFormat) {
		return nil, api.BadRequest("Requested rescue image '%s' is not supported", oneLine(id, 60))
	}
	image = sized(image)
	return &image, nil
}

// rescueBuses are the buses on which a host can give a guest a rescue disk of a device type.
var rescueBuses = map[string][]string{"disk": {"", "virtio", "sata", "ide", "scsi", "usb"}, "cdrom": {"", "sata", "ide", "scsi", "usb"}}

// checkRescueDevice refuses an image whose properties ask for a rescue disk that no host can give.
func checkRescueDevice(properties map[string]string) error {
	device := properties["hw_rescue_device"]
	if device == "" {
		device = "disk"
	}
	buses, known := rescueBuses[device]
	if !known {
		return api.BadRequest("Requested rescue device '%s' is not supported", oneLine(device, 60))
	}
	if bus := properties["hw_rescue_bus"]; !slices.Contains(buses, bus) {
		return api.BadRequest("Requested rescue bus '%s' is not supported by the 'libvirt' virt driver", oneLine(bus, 60))
	}
	return nil
}

func (s *Service) actionUnrescue(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "unrescue", opUnrescue, powerParams{}, inStates("unrescue", vmRescued))
	return accepted(), err
}
