package compute

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/work"
)

// loadServer finds a server that is not deleted.
func (s *Service) loadServer(ctx context.Context, r *api.Request) (api.Target, error) {
	row, err := s.serverForRequest(ctx, r.Param("server_id"), findServer)
	if err != nil {
		return nil, err
	}
	if row.ProjectID != r.ProjectID() && r.HTTP.Method == http.MethodPost { // an administrator's action may use up the owner's quota
		if err := s.learnLimits(ctx, row.ProjectID); err != nil {
			return nil, err
		}
	}
	return serverTarget{row}, nil
}

// loadServerEver also finds a deleted one, where the version lets its past be seen.
func (s *Service) loadServerEver(ctx context.Context, r *api.Request) (api.Target, error) {
	find := findServer
	if r.Version.AtLeast(vDeletedActions) {
		find = findServerEver
	}
	row, err := s.serverForRequest(ctx, r.Param("server_id"), find)
	if err != nil {
		return nil, err
	}
	return serverTarget{row}, nil
}

// loadServerOfAnyTime also finds a deleted one.
func (s *Service) loadServerOfAnyTime(ctx context.Context, r *api.Request) (api.Target, error) {
	row, err := s.serverForRequest(ctx, r.Param("server_id"), findServerEver)
	if err != nil {
		return nil, err
	}
	return serverTarget{row}, nil
}

func (s *Service) serverForRequest(ctx context.Context, id string, find func(*db.Tx, string) (*server, error)) (*server, error) {
	var row *server
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = find(tx, id)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, noSuchServer(oneLine(id, 80))
	}
	return row, err
}

func (s *Service) serverShow(ctx context.Context, r *api.Request) (any, error) {
	row := api.Loaded[serverTarget](r).server
	s.freshen(ctx, []*server{row})
	return s.serverDocument(ctx, r, row)
}

func (s *Service) serverDocument(ctx context.Context, r *api.Request, row *server) (any, error) {
	c, err := s.readContext(ctx, r, []*server{row})
	if err != nil {
		return nil, err
	}
	return map[string]any{"server": s.viewServer(r, row, c, true)}, nil
}

// updateFields bounds the fields of an update that not every version has.
var updateFields = map[string]api.Version{"description": vDescription, "hostname": vHostname, "pinned_availability_zone": vZoneRepinned}

func (s *Service) serverUpdate(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Server map[string]*string `json:"server"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	for name, since := range updateFields {
		if _, given := body.Server[name]; given && !r.Relaxed() && r.Version.Before(since) {
			return nil, unexpectedField("server", name)
		}
	}
	row, err := s.changeServer(ctx, r, "update", func(tx *db.Tx, row *server) error {
		if zone, given := body.Server["pinned_availability_zone"]; given {
			if err := repin(tx, row, zone); err != nil {
				return err
			}
		}
		return applyUpdate(r, row, body.Server)
	})
	if err != nil {
		return nil, err
	}
	if r.Version.Before(vWholeUpdate) {
		return s.updatedDocument(ctx, r, row)
	}
	return s.serverDocument(ctx, r, row)
}

func applyUpdate(r *api.Request, row *server, fields map[string]*string) error {
	for name, value := range fields {
		if value == nil && name != "description" && name != "accessIPv4" && name != "accessIPv6" && name != "pinned_availability_zone" {
			return api.BadRequest("Invalid input for field/attribute %s. Value: null.", name)
		}
		text := ""
		if value != nil {
			text = *value
		}
		switch name {
		case "name":
			if err := checkServerName(text); err != nil {
				return err
			}
			row.Name = text
		case "description":
			row.Detail.Description = value
		case "hostname":
			if err := checkHostName(r, text); err != nil {
				return err
			}
			row.HostName = text
		case "accessIPv4":
			row.Detail.AccessIPv4 = text
		case "accessIPv6":
			row.Detail.AccessIPv6 = shortAddress(text)
		case "OS-DCF:diskConfig":
			row.Detail.DiskConfig = text
		}
	}
	return nil
}

// repin pins a server to the zone that it is in, or takes it off its zone (2.104).
func repin(tx *db.Tx, row *server, zone *string) error {
	if zone == nil {
		row.Zone = ""
		return nil
	}
	current := row.Zone
	if current == "" && row.Host != "" {
		hosts, err := hostBriefs(tx, []string{row.Host})
		if err != nil {
			return err
		}
		if len(hosts) > 0 && hosts[0].Zone != *zone {
			return api.Conflict("Server can only be pinned to its current availability zone '%s', but '%s' was requested.", hosts[0].Zone, oneLine(*zone, 60))
		}
	} else if current != *zone {
		return api.Conflict("Cannot change pinned availability zone directly. Unpin first by setting pinned_availability_zone to null.")
	}
	row.Zone = *zone
	return nil
}

// shortAddress is an IPv6 address as nova shows it, in its shortest form.
func shortAddress(text string) string {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.String()
	}
	return text
}

// changeServer reads the request's server anew in a transaction, changes and writes it.
func (s *Service) changeServer(ctx context.Context, r *api.Request, action string, change func(tx *db.Tx, row *server) error) (*server, error) {
	var row *server
	id := r.Param("server_id")
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		row, err = findServer(tx, id)
		if errors.Is(err, db.ErrNotFound) {
			return noSuchServer(id)
		}
		if err != nil {
			return err
		}
		before, err := s.frozenWithTags(tx, row, action)
		if err != nil {
			return err
		}
		if err := change(tx, row); err != nil {
			return err
		}
		row.UpdatedAt = s.clock.Now()
		if err := updateServer(tx, row); err != nil {
			return err
		}
		after, err := s.frozenWithTags(tx, row, action)
		if err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "server", ID: id, Action: action, OwnerProjectID: row.ProjectID, Before: before, After: after})
	})
	return row, err
}

func (s *Service) serverDeleteRequest(ctx context.Context, r *api.Request) (any, error) {
	return nil, s.deleteServer(ctx, r, true)
}

// deleteServer admits a delete, which is always possible unless the server is locked: it
// cancels whatever else goes on with the server. Where deleted servers can be restored for a
// while, and may lets it, the server is only put aside.
func (s *Service) deleteServer(ctx context.Context, r *api.Request, may bool) error {
	id, operation, failed := r.Param("server_id"), "", false
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		row, err := findServer(tx, id)
		if errors.Is(err, db.ErrNotFound) {
			return noSuchServer(id)
		}
		if err != nil {
			return err
		}
		if err := s.checkLock(r, row); err != nil {
			return err
		}
		unfinished, err := work.Unfinished(tx, id)
		if err != nil {
			return err
		}
		soft := may && s.softDeletable(row)
		if soft && row.VMState == vmSoft && len(unfinished[id]) == 0 {
			return nil
		}
		for _, o := range unfinished[id] {
			if o.Kind == opDelete || soft && o.Kind == opSoftDelete {
				return nil // it is being deleted already
			}
		}
		failed = row.VMState == vmError
		kind, action := opDelete, "delete.start"
		if soft {
			kind, action = opSoftDelete, "soft_delete.start"
		}
		operation, err = s.engine.Start(tx, work.Order{Kind: kind, ResourceKind: "server", ResourceID: id, ProjectID: row.ProjectID,
			UserID: r.UserID(), RequestID: r.ID, Params: deleteParams{}})
		if err != nil {
			return err
		}
		if err := s.engine.Preempt(tx, id, operation); err != nil {
			return err
		}
		return s.recordAdmitted(tx, r, row, operation, action)
	})
	if err == nil && failed && operation != "" {
		s.waitBriefly(ctx, operation)
	}
	return err
}

// waitBriefly waits for a delete of a server in ERROR. Nova deletes those before it answers,
// and clients that wait for a delete take the status ERROR for its failure.
func (s *Service) waitBriefly(ctx context.Context, operation string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := s.waitForOperation(ctx, operation); err != nil {
		s.log.DebugContext(ctx, "a delete takes longer than its request", "operation", operation, "error", err)
	}
}

// checkLock refuses changes of a locked server, but to those who may go past the lock.
func (s *Service) checkLock(r *api.Request, row *server) error {
	if row.Locked && !r.Can(ruleUnlockOverride, nil) {
		return api.Conflict("Instance %s is locked", row.ID)
	}
	return nil
}

// serverAddresses answers GET …/ips.
func (s *Service) serverAddresses(ctx context.Context, r *api.Request) (any, error) {
	row := api.Loaded[serverTarget](r).server
	s.freshen(ctx, []*server{row})
	return map[string]any{"addresses": plainAddresses(row.NICs)}, nil
}

func (s *Service) serverAddressesOfNetwork(ctx context.Context, r *api.Request) (any, error) {
	row := api.Loaded[serverTarget](r).server
	s.freshen(ctx, []*server{row})
	name := r.Param("network")
	list, there := plainAddresses(row.NICs)[name]
	if !there {
		return nil, api.NotFound("Instance is not a member of specified network")
	}
	return map[string]any{name: list}, nil
}

type plainAddress struct {
	Version int    `json:"version"`
	Address string `json:"addr"`
}

func plainAddresses(nics []nic) map[string][]plainAddress {
	plain := map[string][]plainAddress{}
	for name, list := range viewAddresses(nics) {
		for _, a := range list {
			plain[name] = append(plain[name], plainAddress{a.Version, a.Address})
		}
	}
	return plain
}

// checkTags applies the rules of the API-WG for tags.
func checkTags(tags []string) error {
	if len(tags) > maxTags {
		return api.BadRequest("The number of tags exceeded the per-server limit %d", maxTags)
	}
	for _, tag := range tags {
		if tag == "" || len([]rune(tag)) > 60 || strings.ContainsAny(tag, "/,") {
			return api.BadRequest("Invalid tag %s: a tag has 1 to 60 characters and neither '/' nor ','.", oneLine(tag, 70))
		}
	}
	return nil
}

// accepted is an answer without a body.
func accepted() *api.Response { return &api.Response{Status: http.StatusAccepted} }
