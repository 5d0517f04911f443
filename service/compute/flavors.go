package compute

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// flavorTarget is a flavor as a route's target. Flavors belong to nobody: rules see the
// caller's own project, as Nova has it.
type flavorTarget struct {
	*flavor
	projectID, userID string
}

// PolicyTarget implements api.Target.
func (f flavorTarget) PolicyTarget() authz.Target { return ownTarget(f.projectID, f.userID) }

// loadFlavor finds a flavor that the caller may see.
func (s *Service) loadFlavor(ctx context.Context, r *api.Request) (api.Target, error) {
	row, err := s.visibleFlavor(ctx, r, r.Param("flavor_id"))
	if err != nil {
		return nil, err
	}
	return flavorTarget{row, r.ProjectID(), r.UserID()}, nil
}

// loadManagedFlavor loads a flavor for those whom the rule lets manage it. Others are refused
// before it is looked for, so that they do not learn which private flavors there are.
func (s *Service) loadManagedFlavor(rule string) api.Loader {
	return func(ctx context.Context, r *api.Request) (api.Target, error) {
		if err := r.May(rule, nil); err != nil {
			return nil, err
		}
		return s.loadFlavor(ctx, r)
	}
}

func (s *Service) visibleFlavor(ctx context.Context, r *api.Request, id string) (*flavor, error) {
	var row *flavor
	missing := api.NotFound("Flavor %s could not be found.", id)
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if row, err = findFlavor(tx, id); err != nil {
			return err
		}
		if row.IsPublic || r.Can("context_is_admin", nil) {
			return nil
		}
		may, err := mayUseFlavor(tx, id, r.ProjectID())
		if err == nil && !may {
			return missing
		}
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, missing
	}
	return row, err
}

func (s *Service) flavorShow(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"flavor": viewFlavor(r, api.Loaded[flavorTarget](r).flavor)}, nil
}

func (s *Service) flavorList(ctx context.Context, r *api.Request) (any, error) {
	rows, links, err := s.readFlavors(ctx, r)
	if err != nil {
		return nil, err
	}
	views := []flavorBrief{}
	for i := range rows {
		views = append(views, viewFlavorBrief(r, &rows[i]))
	}
	return withLinks("flavors", views, links), nil
}

func (s *Service) flavorListDetail(ctx context.Context, r *api.Request) (any, error) {
	rows, links, err := s.readFlavors(ctx, r)
	if err != nil {
		return nil, err
	}
	views := []flavorView{}
	for i := range rows {
		views = append(views, viewFlavor(r, &rows[i]))
	}
	return withLinks("flavors", views, links), nil
}

// withLinks is a list document, with the link to the next page if there is one.
func withLinks(name string, list any, links []linkView) map[string]any {
	document := map[string]any{name: list}
	if len(links) > 0 {
		document[name+"_links"] = links
	}
	return document
}

// nextLinks is the link to the page after a full one.
func nextLinks(r *api.Request, full bool, last string) []linkView {
	if !full {
		return nil
	}
	return []linkView{{"next", r.SelfURL(api.NextQuery(r.Query, last))}}
}

var flavorPaging = api.Paging{Max: 1000, Order: []db.Order{{Column: "id"}}, Columns: map[string]string{
	"created_at": "created_at", "description": "description", "disabled": "id", "ephemeral_gb": "ephemeral_gb", "flavorid": "id", "id": "id",
	"is_public": "is_public", "memory_mb": "memory_mb", "name": "name", "root_gb": "root_gb", "rxtx_factor": "rxtx_factor",
	"swap": "swap_mb", "updated_at": "updated_at", "vcpu_weight": "id", "vcpus": "vcpus",
}}

func (s *Service) readFlavors(ctx context.Context, r *api.Request) ([]flavor, []linkView, error) {
	page, err := readPage(r, flavorPaging)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range page.Sort {
		if o.Column == "rxtx_factor" && r.Version.AtLeast(vStrictQueries) {
			return nil, nil, api.BadRequest("Invalid input for query parameters sort_key. Value: rxtx_factor.")
		}
	}
	filter := flavorFilter{Order: page.Sort, Marker: page.Marker, Limit: page.Limit, ProjectID: r.ProjectID()}
	if err := readFlavorFilter(r, &filter); err != nil {
		return nil, nil, err
	}
	if page.Limit == 0 {
		return nil, nil, nil
	}
	var name *regexp.Regexp
	if text := r.Query.Get("name"); text != "" && r.Version.AtLeast(vStrictQueries) {
		if name, err = compilePattern("name", text); err != nil {
			return nil, nil, err
		}
	}
	var rows []flavor
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = listNamedFlavors(tx, filter, name)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, nil, api.BadRequest("marker [%s] not found", page.Marker)
	}
	if err != nil {
		return nil, nil, err
	}
	if full := len(rows) == page.Limit; full {
		return rows, nextLinks(r, true, rows[len(rows)-1].ID), nil
	}
	return rows, nil, nil
}

// listNamedFlavors is listFlavors with those flavors alone whose name matches a pattern; nil
// lets all through.
func listNamedFlavors(tx *db.Tx, filter flavorFilter, name *regexp.Regexp) ([]flavor, error) {
	if name == nil {
		return listFlavors(tx, filter)
	}
	var found []flavor
	limit := filter.Limit
	for filter.Limit = 1000; ; {
		rows, err := listFlavors(tx, filter)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if name.MatchString(row.Name) && len(found) < limit {
				found = append(found, row)
			}
		}
		if len(found) == limit || len(rows) < filter.Limit {
			return found, nil
		}
		filter.Marker = rows[len(rows)-1].ID
	}
}

// readFlavorFilter reads is_public, minDisk and minRam as nova's flavors controller does:
// members see public flavors and those they have access to; administrators may ask for others.
func readFlavorFilter(r *api.Request, f *flavorFilter) error {
	for name, into := range map[string]*int64{"minDisk": &f.MinDisk, "minRam": &f.MinRAM} {
		if text := r.Query.Get(name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return api.BadRequest("Invalid %s filter [%s]", name, text)
			}
			*into = n
		}
	}
	public := true
	f.Public, f.OnlyOfTheProject = &public, true
	if !r.Can("context_is_admin", nil) {
		return nil
	}
	text := strings.ToLower(r.Query.Get("is_public"))
	switch value, ok := api.ParseBool(text); {
	case text == "":
	case text == "none":
		f.Public, f.OnlyOfTheProject = nil, false
	case !ok:
		return api.BadRequest("Invalid is_public filter [%s]", text)
	default:
		*f.Public, f.OnlyOfTheProject = value, false
	}
	return nil
}

// flavorBody is the body of a create; numbers may come as strings.
type flavorBody struct {
	Flavor struct {
		ID          *flexString `json:"id"`
		Name        string      `json:"name"`
		RAM         flexInt     `json:"ram"`
		VCPUs       flexInt     `json:"vcpus"`
		Disk        flexInt     `json:"disk"`
		Ephemeral   flexInt     `json:"OS-FLV-EXT-DATA:ephemeral"`
		Swap        flexInt     `json:"swap"`
		RXTXFactor  *flexString `json:"rxtx_factor"`
		IsPublic    *flexBool   `json:"os-flavor-access:is_public"`
		Description *string     `json:"description"`
	} `json:"flavor"`
}

func (s *Service) flavorCreate(ctx context.Context, r *api.Request) (any, error) {
	var body flavorBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.Flavor
	if in.Description != nil && r.Version.Before(vFlavorDescription) {
		return nil, unexpectedField("flavor", "description")
	}
	if in.RXTXFactor != nil && r.Version.AtLeast(vStrictQueries) {
		return nil, unexpectedField("flavor", "rxtx_factor")
	}
	now := s.clock.Now()
	row := &flavor{ID: s.clock.ID(), Name: strings.TrimSpace(in.Name), MemoryMiB: int64(in.RAM), VCPUs: int(in.VCPUs), RootGiB: int64(in.Disk),
		Ephemeral: int64(in.Ephemeral), SwapMiB: int64(in.Swap), RXTXFactor: 1, IsPublic: true, Description: in.Description,
		ExtraSpecs: map[string]string{}, CreatedAt: now, UpdatedAt: now}
	if row.Name == "" {
		return nil, api.BadRequest("Invalid input for field/attribute name. Value: %s. It is empty.", in.Name)
	}
	if in.ID != nil && *in.ID != "" && *in.ID != "auto" {
		row.ID = string(*in.ID)
	}
	if in.IsPublic != nil {
		row.IsPublic = bool(*in.IsPublic)
	}
	if in.RXTXFactor != nil {
		factor, err := strconv.ParseFloat(string(*in.RXTXFactor), 64)
		if err != nil || !(factor > 0 && factor < 3.4e38) {
			return nil, api.BadRequest("Invalid input for field/attribute rxtx_factor. Value: %s. It is not a positive number.", *in.RXTXFactor)
		}
		row.RXTXFactor = factor
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		taken, err := flavorNameTaken(tx, row.Name)
		if err != nil {
			return err
		}
		if taken {
			return api.Conflict("Flavor with name %s already exists.", row.Name)
		}
		if err := insertFlavor(tx, row); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "flavor", ID: row.ID, Action: "create", After: documentOfFlavor(row)})
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil, api.Conflict("Flavor with ID %s already exists.", row.ID)
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"flavor": viewFlavor(r, row)}, nil
}

// unexpectedField is the answer to a field that the version does not have.
func unexpectedField(object, field string) error {
	return api.BadRequest("Invalid input for field/attribute %s. Additional properties are not allowed ('%s' was unexpected)", object, field)
}

// changeFlavor reads a flavor anew in a transaction, changes and writes it.
func (s *Service) changeFlavor(ctx context.Context, r *api.Request, action string, change func(*flavor) error) (*flavor, error) {
	var row *flavor
	id := api.Loaded[flavorTarget](r).ID
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		row, err = findFlavor(tx, id)
		if errors.Is(err, db.ErrNotFound) {
			return api.NotFound("Flavor %s could not be found.", id)
		}
		if err != nil {
			return err
		}
		before := documentOfFlavor(row)
		if err := change(row); err != nil {
			return err
		}
		row.UpdatedAt = s.clock.Now()
		if err := updateFlavor(tx, row); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "flavor", ID: id, Action: action, Before: before, After: documentOfFlavor(row)})
	})
	return row, err
}

func (s *Service) flavorUpdate(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Flavor struct {
			Description *string `json:"description"`
		} `json:"flavor"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row, err := s.changeFlavor(ctx, r, "update", func(f *flavor) error { f.Description = body.Flavor.Description; return nil })
	if err != nil {
		return nil, err
	}
	return map[string]any{"flavor": viewFlavor(r, row)}, nil
}

func (s *Service) flavorDelete(ctx context.Context, r *api.Request) (any, error) {
	gone := api.Loaded[flavorTarget](r).flavor
	return nil, s.db.Write(ctx, func(tx *db.Tx) error {
		if err := deleteFlavor(tx, gone.ID); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "flavor", ID: gone.ID, Action: "delete", Before: documentOfFlavor(gone)})
	})
}

// specKey is what nova's schema lets an extra spec be called.
var specKey = regexp.MustCompile(`^[a-zA-Z0-9-_:. ]{1,255}$`)

const maxExtraSpecs = 512

func (s *Service) extraSpecsShow(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"extra_specs": specsOf(api.Loaded[flavorTarget](r).flavor)}, nil
}

func (s *Service) extraSpecShow(_ context.Context, r *api.Request) (any, error) {
	f := api.Loaded[flavorTarget](r)
	value, there := f.ExtraSpecs[r.Param("key")]
	if !there {
		return nil, noSuchSpec(f.ID, r.Param("key"))
	}
	return map[string]string{r.Param("key"): value}, nil
}

func noSuchSpec(id, key string) error {
	return api.NotFound("Flavor %s has no extra specs with key %s.", id, key)
}

func (s *Service) extraSpecsCreate(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		ExtraSpecs map[string]flexString `json:"extra_specs"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := s.checkSpecs(r, body.ExtraSpecs); err != nil {
		return nil, err
	}
	row, err := s.changeFlavor(ctx, r, "update", func(f *flavor) error { return mergeSpecs(f, body.ExtraSpecs) })
	if err != nil {
		return nil, err
	}
	return map[string]any{"extra_specs": specsOf(row)}, nil
}

func mergeSpecs(f *flavor, specs map[string]flexString) error {
	if f.ExtraSpecs == nil {
		f.ExtraSpecs = map[string]string{}
	}
	for key, value := range specs {
		if !specKey.MatchString(key) || len(value) > 255 {
			return api.BadRequest("Invalid input for field/attribute extra_specs. Key names can only contain alphanumeric characters, "+
				"periods, dashes, underscores, colons and spaces, and values at most 255 characters: %.60q.", key)
		}
		f.ExtraSpecs[key] = string(value)
	}
	if len(f.ExtraSpecs) > maxExtraSpecs {
		return api.BadRequest("A flavor may have at most %d extra specs.", maxExtraSpecs)
	}
	return nil
}

func (s *Service) extraSpecUpdate(ctx context.Context, r *api.Request) (any, error) {
	var body map[string]flexString
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	key := r.Param("key")
	value, there := body[key]
	if !there || len(body) != 1 {
		return nil, api.BadRequest("Request body and URI mismatch")
	}
	if err := s.checkSpecs(r, body); err != nil {
		return nil, err
	}
	if _, err := s.changeFlavor(ctx, r, "update", func(f *flavor) error { return mergeSpecs(f, body) }); err != nil {
		return nil, err
	}
	return map[string]string{key: string(value)}, nil
}

func (s *Service) extraSpecDelete(ctx context.Context, r *api.Request) (any, error) {
	key := r.Param("key")
	_, err := s.changeFlavor(ctx, r, "update", func(f *flavor) error {
		if _, there := f.ExtraSpecs[key]; !there {
			return noSuchSpec(f.ID, key)
		}
		delete(f.ExtraSpecs, key)
		return nil
	})
	return nil, err
}

func (s *Service) flavorAccessList(ctx context.Context, r *api.Request) (any, error) {
	f := api.Loaded[flavorTarget](r)
	if f.IsPublic {
		return nil, api.NotFound("Access list not available for public flavors.")
	}
	return s.accessView(ctx, f.ID)
}

func (s *Service) accessView(ctx context.Context, id string) (any, error) {
	var projects []string
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		projects, err = listFlavorAccess(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	list := []map[string]string{}
	for _, p := range projects {
		list = append(list, map[string]string{"flavor_id": id, "tenant_id": p})
	}
	return map[string]any{"flavor_access": list}, nil
}

// flavorActions are the actions on a flavor by their key in the body.
var flavorActions = map[string]struct {
	rule   string
	change func(tx *db.Tx, f *flavor, projectID string) error
}{
	"addTenantAccess": {ruleFlavorAccessAdd, func(tx *db.Tx, f *flavor, projectID string) error {
		err := addFlavorAccess(tx, f.ID, projectID)
		if errors.Is(err, db.ErrDuplicate) {
			return api.Conflict("Flavor access already exists for flavor %s and project %s combination.", f.ID, projectID)
		}
		return err
	}},
	"removeTenantAccess": {ruleFlavorAccessRemove, func(tx *db.Tx, f *flavor, projectID string) error {
		err := removeFlavorAccess(tx, f.ID, projectID)
		if errors.Is(err, errNoAccess) {
			return api.NotFound("Flavor access not found for %s / %s combination.", f.ID, projectID)
		}
		return err
	}},
}

func (s *Service) flavorAction(ctx context.Context, r *api.Request) (any, error) {
	var body map[string]json.RawMessage
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	f := api.Loaded[flavorTarget](r)
	for name, raw := range body {
		action, known := flavorActions[name]
		if !known {
			break
		}
		if err := r.May(action.rule, nil); err != nil {
			return nil, err
		}
		var in struct {
			Tenant string `json:"tenant"`
		}
		if err := json.Unmarshal(raw, &in); err != nil || in.Tenant == "" || len(in.Tenant) > 64 {
			return nil, api.BadRequest("Invalid input for field/attribute %s. A tenant is required.", name)
		}
		if f.IsPublic && (name == "removeTenantAccess" || r.Version.AtLeast(vPublicAccess)) {
			return nil, api.Conflict("Can not add or remove access of the public flavor %s.", f.ID)
		}
		err := s.db.Write(ctx, func(tx *db.Tx) error {
			before, after := documentOfFlavor(f.flavor), documentOfFlavor(f.flavor)
			var err error
			if before.Projects, err = listFlavorAccess(tx, f.ID); err != nil {
				return err
			}
			if err := action.change(tx, f.flavor, in.Tenant); err != nil {
				return err
			}
			if after.Projects, err = listFlavorAccess(tx, f.ID); err != nil {
				return err
			}
			return s.record(tx, r, feed.Change{Kind: "flavor", ID: f.ID, Action: "access", Before: before, After: after})
		})
		if err != nil {
			return nil, err
		}
		return s.accessView(ctx, f.ID)
	}
	return nil, api.BadRequest("There is no such action.")
}

// Seed makes the flavors of a fresh cloud; those that are there already stay as they are.
func (s *Service) Seed(ctx context.Context) error {
	now := s.clock.Now()
	return s.db.Write(ctx, func(tx *db.Tx) error {
		existing, err := listFlavors(tx, flavorFilter{Limit: 1})
		if err != nil || len(existing) > 0 {
			return err
		}
		for _, f := range []flavor{
			{ID: "42", Name: "m1.nano", MemoryMiB: 128, VCPUs: 1, RootGiB: 1}, {ID: "84", Name: "m1.micro", MemoryMiB: 192, VCPUs: 1, RootGiB: 1},
			{ID: "1", Name: "m1.tiny", MemoryMiB: 512, VCPUs: 1, RootGiB: 1}, {ID: "2", Name: "m1.small", MemoryMiB: 2048, VCPUs: 1, RootGiB: 20},
			{ID: "3", Name: "m1.medium", MemoryMiB: 4096, VCPUs: 2, RootGiB: 40}, {ID: "4", Name: "m1.large", MemoryMiB: 8192, VCPUs: 4, RootGiB: 80},
		} {
			f.RXTXFactor, f.IsPublic, f.ExtraSpecs, f.CreatedAt, f.UpdatedAt = 1, true, map[string]string{}, now, now
			if err := insertFlavor(tx, &f); err != nil {
				return err
			}
			c := feed.Change{At: now, OperationID: "seed", Kind: "flavor", ID: f.ID, Action: "create", After: documentOfFlavor(&f)}
			if err := s.feed.Record(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
}
