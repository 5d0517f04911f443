package compute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// A dry run asks the scheduler where servers would go if they were asked for now, and changes nothing: no quota is counted, no room
// promised, no row written. It is decided anew for every page, by what is true then.

// dryRunBody is the body of POST /internal/placements/dry-run: servers that are to be made, or one that is to move.
type dryRunBody struct {
	DryRun struct {
		ServerID  string                     `json:"server_id"`
		FlavorRef flexString                 `json:"flavorRef"`
		ImageRef  string                     `json:"imageRef"`
		Zone      *string                    `json:"availability_zone"`
		Host      string                     `json:"host"`
		ProjectID string                     `json:"project_id"`
		Count     int                        `json:"count"`
		Hints     map[string]json.RawMessage `json:"scheduler_hints"`
	} `json:"dry_run"`
}

// dryRunView is what a dry run found. Hosts are all hosts by name, a page of them, as they are for the first server that fits nowhere, or
// for one more where all fit.
type dryRunView struct {
	Wanted     *wanted   `json:"wanted"`
	Asked      int       `json:"asked"`
	Placed     []string  `json:"placed"`
	Considered int       `json:"considered"`
	Fitting    int       `json:"fitting"`
	Refused    []tally   `json:"refused"`
	Smallest   *remedy   `json:"smallest_change,omitempty"`
	Hosts      []verdict `json:"hosts"`
}

// maxDryRunHosts bounds a page of hosts.
const maxDryRunHosts = 1000

// placementDryRun answers POST /internal/placements/dry-run.
func (s *Service) placementDryRun(ctx context.Context, r *api.Request) (any, error) {
	var body dryRunBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	page, err := (api.Paging{Max: maxDryRunHosts, Default: 100}).Read(r.Query)
	if err != nil {
		return nil, err
	}
	w, err := s.wishOfDryRun(ctx, r, &body)
	if err != nil {
		return nil, err
	}
	hosts, err := s.copyOfHosts(ctx, w)
	if err != nil {
		return nil, unavailable("placement", err)
	}
	view, more := s.pretend(ctx, hosts, w, max(body.DryRun.Count, 1), page)
	document := map[string]any{"dry_run": view}
	if more {
		document["dry_run_links"] = nextLinks(r, true, view.Hosts[len(view.Hosts)-1].Host)
	}
	return document, nil
}

// wishOfDryRun reads what is to be placed, as the requests that would place it are read.
func (s *Service) wishOfDryRun(ctx context.Context, r *api.Request, body *dryRunBody) (*wish, error) {
	in := &body.DryRun
	if in.ServerID != "" {
		return s.wishOfDryMove(ctx, r, body)
	}
	c := &createRequest{row: server{ProjectID: r.ProjectID()}}
	if in.ProjectID != "" {
		c.row.ProjectID = in.ProjectID
	}
	fields := &serverFields{ImageRef: in.ImageRef, FlavorRef: in.FlavorRef, Zone: in.Zone, Host: in.Host}
	if err := c.readHints(&serverBody{Hints: in.Hints}); err != nil {
		return nil, err
	}
	if err := s.readImageAndFlavor(ctx, r, fields, c); err != nil {
		return nil, err
	}
	if err := s.readPlace(ctx, r, fields, c); err != nil {
		return nil, err
	}
	w := wishOf(&c.row)
	w.Host = c.host
	if c.groupID == "" {
		return w, nil
	}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		g, err := findGroup(tx, c.groupID)
		if errors.Is(err, db.ErrNotFound) {
			return api.BadRequest("Instance group %s could not be found.", oneLine(c.groupID, 60))
		}
		if err != nil {
			return err
		}
		w.Group, err = wishOfGroup(tx, g, "")
		return err
	})
	return w, err
}

// wishOfDryMove is for a server that is there: with a flavor a resize, without one a migration.
func (s *Service) wishOfDryMove(ctx context.Context, r *api.Request, body *dryRunBody) (*wish, error) {
	in := &body.DryRun
	if in.ImageRef != "" || in.Zone != nil || in.ProjectID != "" || in.Count > 1 || len(in.Hints) > 0 {
		return nil, api.BadRequest("A dry run with server_id is for a move of this server: it has flavorRef and host besides, and nothing else.")
	}
	row, err := s.serverForRequest(ctx, in.ServerID, findServer)
	if err != nil {
		return nil, err
	}
	if in.Host != "" {
		if err := s.mustKnowHost(ctx, in.Host); err != nil {
			return nil, err
		}
	}
	m := s.newMove(r, row, migrationCold, shapeOf(row))
	if in.FlavorRef != "" {
		f, err := s.visibleFlavor(ctx, r, string(in.FlavorRef))
		if api.StatusOf(err) == 404 && err != nil {
			return nil, api.BadRequest("Flavor %s could not be found.", oneLine(string(in.FlavorRef), 60))
		}
		if err != nil {
			return nil, err
		}
		if err := checkResize(row, f); err != nil {
			return nil, err
		}
		m = s.newMove(r, row, migrationResize, newShape(row, f))
	}
	return s.wishOfMove(ctx, row, m, in.Host, nil)
}

// copyOfHosts reads what changed, as for a decision, and returns a copy of all hosts, in the order of their names.
func (s *Service) copyOfHosts(ctx context.Context, w *wish) ([]candidate, error) {
	if err := s.db.Read(ctx, func(tx *db.Tx) error { return findPlaces(tx, &w.placeWish) }); err != nil {
		return nil, fmt.Errorf("find the hosts of servers: %w", err)
	}
	r := s.roster
	if err := r.turn.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for the scheduler: %w", err)
	}
	defer r.turn.Release(1)
	r.loadsDue.Store(true)
	if err := r.refresh(ctx, s); err != nil {
		return nil, err
	}
	w.aggregateKeys = r.keys
	hosts := slices.Clone(r.hosts)
	for i := range hosts {
		hosts[i].units = slices.Clone(hosts[i].units)
	}
	slices.SortFunc(hosts, func(a, b candidate) int { return strings.Compare(a.name, b.name) })
	return hosts, nil
}

// pretend places servers one after the other on a copy of the hosts, until one fits nowhere, and says of each host of a page why.
func (s *Service) pretend(ctx context.Context, hosts []candidate, w *wish, count int, page api.Page) (view *dryRunView, more bool) {
	now := s.clock.Now()
	view = &dryRunView{Wanted: wantedOf(w), Asked: count, Placed: []string{}, Hosts: []verdict{}}
	var d decision
	for {
		w.Seed = fmt.Sprint("dry run ", len(view.Placed))
		if d = s.decideWithChecks(ctx, hosts, w, now); d.Chosen == "" || len(view.Placed) == count {
			break
		}
		view.Placed = append(view.Placed, d.Chosen)
		if len(view.Placed) == count && count == 1 {
			break // the verdicts are of the one that was asked for
		}
		w.take(hosts, d.Chosen)
	}
	view.Considered, view.Fitting, view.Refused = d.Considered, d.Fitting, d.Refused
	if d.Chosen == "" {
		view.Smallest = s.scheduler.smallestRemedy(hosts, w, now)
	}
	from, _ := slices.BinarySearchFunc(hosts, page.Marker, func(c candidate, name string) int {
		if c.name <= name {
			return -1
		}
		return 1
	})
	to := min(from+page.Limit, len(hosts))
	for i := from; i < to; i++ {
		view.Hosts = append(view.Hosts, s.verdictOf(&d, &hosts[i], w, now))
	}
	return view, to < len(hosts)
}

// decideWithChecks decides, and asks external checks about the best hosts as a decision that counts does.
func (s *Service) decideWithChecks(ctx context.Context, hosts []candidate, w *wish, now time.Time) decision {
	for round := 1; ; round++ {
		d := s.scheduler.decide(hosts, w, now)
		if len(d.unchecked) == 0 || ctx.Err() != nil {
			return d
		}
		s.check(ctx, "", w, d.unchecked, round)
	}
}

// verdictOf is what is found of one host. Weights are told of those hosts that a decision lists: they mean something among hosts that
// were weighed together.
func (s *Service) verdictOf(d *decision, c *candidate, w *wish, now time.Time) verdict {
	for _, v := range d.Hosts {
		if v.Host == c.name && v.Fits {
			return v
		}
	}
	v := s.scheduler.decide([]candidate{*c}, w, now).Hosts[0]
	if v.Weight, v.Weights = 0, nil; !v.Fits {
		v.Remedy = s.scheduler.remedyOf(c, w, now)
	}
	return v
}

// take has a host have one server more of what was wished for.
func (w *wish) take(hosts []candidate, name string) {
	at := slices.IndexFunc(hosts, func(c candidate) bool { return c.name == name })
	for class, n := range w.Resources {
		if u := hosts[at].unit(class); u != nil {
			u.held += n
		}
	}
	hosts[at].load.promised++
	if w.Group != nil {
		w.Group.Hosts[name]++
	}
}
