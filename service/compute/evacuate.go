package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"virga/core/api"
	"virga/core/db"
)

// evacuateRequest is the argument of evacuate, of whichever version (nova/api/openstack/compute/schemas/evacuate.py).
type evacuateRequest struct {
	Host      *string   `json:"host"`
	Shared    *flexBool `json:"onSharedStorage"`
	AdminPass *string   `json:"adminPass"`
	Force     *flexBool `json:"force"`
}

func readEvacuateRequest(v api.Version, argument json.RawMessage) (*evacuateRequest, error) {
	in := &evacuateRequest{}
	wrong := func(why string) (*evacuateRequest, error) {
		return nil, api.BadRequest("Invalid input for field/attribute evacuate. %s", why)
	}
	decoder := json.NewDecoder(bytes.NewReader(argument))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(in); err != nil {
		return wrong("It is an object with host and adminPass.")
	}
	switch {
	case v.Before(vEvacuateLocal) && in.Shared == nil:
		return wrong("'onSharedStorage' is a required property")
	case !v.Before(vEvacuateLocal) && in.Shared != nil:
		return wrong("Additional properties are not allowed ('onSharedStorage' was unexpected)")
	case in.Force != nil && !inVersion(v, vEvacuateForce, before(vNoForce)):
		return wrong("Additional properties are not allowed ('force' was unexpected)")
	case in.Host != nil && (*in.Host == "" || len(*in.Host) > 255):
		return wrong("host is the name of a host.")
	case in.Force != nil && bool(*in.Force) && in.Host == nil:
		return nil, api.BadRequest("Can't force to a non-provided destination")
	case in.onSharedStorage() && in.AdminPass != nil:
		return nil, api.BadRequest("admin password can't be changed on existing disk")
	}
	return in, nil
}

func (in *evacuateRequest) onSharedStorage() bool { return in.Shared != nil && bool(*in.Shared) }

// actionEvacuate admits that a server whose host is down is made anew elsewhere, from its image and with its ports.
func (s *Service) actionEvacuate(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	in, err := readEvacuateRequest(r.Version, argument)
	if err != nil {
		return nil, err
	}
	wanted := ""
	if in.Host != nil {
		wanted = *in.Host
		if err := s.mustKnowHost(ctx, wanted); api.StatusOf(err) == 400 && err != nil {
			return nil, api.NotFound("Compute host %s not found.", oneLine(wanted, 255))
		} else if err != nil {
			return nil, err
		}
		if wanted == row.Host {
			return nil, api.BadRequest("The target host can't be the same one.")
		}
	}
	m := s.newMove(r, row, migrationEvacuation, shapeOf(row))
	m.Detail.Stopped = r.Version.AtLeast(vEvacuateStopped)
	params := moveParams{Migration: m.ID, Host: wanted}
	if in.onSharedStorage() {
		params.Refused = "Invalid state of instance files on shared storage"
	}
	password := ""
	if !in.onSharedStorage() {
		if password, err = passwordOr(in.AdminPass); err != nil {
			return nil, err
		}
	}
	check := func(row *server, t task) error {
		if row.Host == "" && t.state == "" {
			return stateConflict("evacuate", row.ID, "vm_state", row.VMState)
		}
		return inStates("evacuate", vmActive, vmStopped, vmError)(row, t)
	}
	_, err = s.start(ctx, r, "evacuate", opEvacuate, params, check, func(tx *db.Tx, row *server) error {
		if err := s.mustBeDown(tx, row.Host); err != nil {
			return err
		}
		if password != "" {
			if err := s.putPassword(tx, row.ID, forBoot, password); err != nil {
				return err
			}
		}
		return s.admitMove(tx, m, row)
	})
	if err != nil {
		return nil, err
	}
	if r.Version.Before(vEvacuateLocal) {
		return map[string]any{"adminPass": orNull(password)}, nil
	}
	return &api.Response{Status: 200}, nil
}

// mustBeDown refuses a host that is up: what runs there must not run elsewhere, too.
func (s *Service) mustBeDown(tx *db.Tx, name string) error {
	h, err := findHost(tx, name)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err == nil && h.up(s.clock.Now()) {
		err = api.BadRequest("Compute service of %s is still in use.", name)
	}
	return err
}
