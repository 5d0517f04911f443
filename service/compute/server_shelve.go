package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"virga/core/api"
	"virga/core/db"
)

// The actions that shelve servers and bring them back.

func (s *Service) actionShelve(ctx context.Context, r *api.Request, row *server, _ json.RawMessage) (any, error) {
	image := s.newImageOf(r, row, row.Name+"-shelved", "snapshot", nil)
	params := imageParams{Image: image, As: r.Identity, Offload: s.deps.OffloadAfter == 0}
	operation, err := s.start(ctx, r, "shelve", opShelve, params, func(row *server, t task) error {
		if row.Host == "" && t.state == "" {
			return stateConflict("shelve", row.ID, "vm_state", row.VMState)
		}
		return inStates("shelve", snapshotStates...)(row, t)
	})
	if err != nil {
		return nil, err
	}
	return accepted(), s.awaitRecord(ctx, operation, "shelve")
}

func (s *Service) actionShelveOffload(ctx context.Context, r *api.Request, _ *server, _ json.RawMessage) (any, error) {
	_, err := s.start(ctx, r, "shelveOffload", opOffload, imageParams{As: r.Identity, Offload: true}, inStates("shelveOffload", vmShelved))
	return accepted(), err
}

// readUnshelve reads where a server is to come back: before 2.77 nobody looks at the argument, since then it may name a zone, since
// 2.91 a host, and null as the zone for any.
func readUnshelve(r *api.Request, argument json.RawMessage) (*unshelveParams, error) {
	params := &unshelveParams{}
	if r.Version.Before(vUnshelveZone) || string(bytes.TrimSpace(argument)) == "null" {
		return params, nil
	}
	var given map[string]json.RawMessage
	var in struct {
		Zone *string `json:"availability_zone"`
		Host *string `json:"host"`
	}
	if err := readStrictly("unshelve", argument, &in); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(argument, &given); err != nil {
		return nil, api.BadRequest("Invalid input for field/attribute unshelve.")
	}
	_, params.Pin = given["availability_zone"]
	if r.Version.Before(vUnshelveHost) {
		if _, there := given["host"]; there {
			return nil, unexpectedField("unshelve", "host")
		}
		if !params.Pin {
			return nil, requiredField("unshelve", "availability_zone")
		}
		if in.Zone == nil || *in.Zone == "" || len([]rune(*in.Zone)) > 255 {
			return nil, api.BadRequest("Invalid input for field/attribute availability_zone. It is the name of a zone.")
		}
	}
	if in.Zone != nil {
		params.Zone = *in.Zone
	}
	if in.Host != nil {
		params.Host = *in.Host
	}
	return params, nil
}

func (s *Service) actionUnshelve(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	params, err := readUnshelve(r, argument)
	if err != nil {
		return nil, err
	}
	check := func(row *server, t task) error {
		if err := inStates("unshelve", vmShelved, vmOffloaded)(row, t); err != nil {
			return err
		}
		if (params.Pin || params.Host != "") && row.VMState != vmOffloaded && t.state == "" {
			return api.Conflict(`Specifying an availability zone or a host when unshelving server "%s" with status "%s" is not supported. `+
				`The server status must be SHELVED_OFFLOADED.`, row.ID, shownState(row.VMState))
		}
		params.Offloaded = row.VMState == vmOffloaded
		return nil
	}
	if params.Pin || params.Host != "" {
		if err := s.checkState(ctx, r, row.ID, check); err != nil {
			return nil, err
		}
		if err := s.checkUnshelvePlace(ctx, r, row, params); err != nil {
			return nil, err
		}
	}
	_, err = s.start(ctx, r, "unshelve", opUnshelve, params, check)
	return accepted(), err
}

// checkUnshelvePlace tells whether zone and host are there, and fit each other.
func (s *Service) checkUnshelvePlace(ctx context.Context, r *api.Request, row *server, params *unshelveParams) error {
	if params.Host != "" {
		if err := r.May(ruleUnshelveHost, serverTarget{row}.PolicyTarget()); err != nil {
			return err
		}
	}
	var hosts []host
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { hosts, err = listHosts(tx); return err }); err != nil {
		return err
	}
	zone := row.Zone
	if params.Pin {
		zone = params.Zone
	}
	known, there := params.Zone == "" || params.Zone == defaultZone, (*host)(nil)
	for i := range hosts {
		known = known || hosts[i].Zone == params.Zone
		if hosts[i].Name == params.Host {
			there = &hosts[i]
		}
	}
	switch {
	case !known:
		return api.BadRequest("The requested availability zone is not available")
	case params.Host != "" && there == nil:
		return api.BadRequest("Compute host %s could not be found.", oneLine(params.Host, 60))
	case there != nil && zone != "" && there.Zone != zone:
		return api.Conflict(`Host "%s" is not in the availability zone "%s".`, there.Name, zone)
	}
	return nil
}

// dropShelved deletes the image of a shelved server that is deleted.
func (s *Service) dropShelved(ctx context.Context, serverID string) error {
	row, err := s.readServer(ctx, serverID)
	if errors.Is(err, db.ErrNotFound) || err == nil && row.Detail.Shelved == nil {
		return nil
	}
	if err != nil {
		return err
	}
	return s.dropImage(ctx, row.Detail.Shelved.ImageID)
}
