package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// roleBody is what clients say of a role.
type roleBody struct {
	Name        optional[string]         `json:"name"`
	DomainID    optional[string]         `json:"domain_id"`
	Description optional[string]         `json:"description"`
	Options     optional[map[string]any] `json:"options"`
}

type roleView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	DomainID    *string           `json:"domain_id"`
	Description *string           `json:"description"`
	Options     map[string]any    `json:"options"`
	Links       map[string]string `json:"links"`
}

func viewRole(r *api.Request, row roleRow) (json.RawMessage, error) {
	return withExtra(roleView{
		row.ID, row.Name, nullable(row.DomainID), nullable(row.Description), nonNil(row.Options), selfLink(r, "roles", row.ID),
	}, row.Extra)
}

func showRole(r *api.Request, row roleRow) (any, error) {
	view, err := viewRole(r, row)
	return map[string]any{"role": view}, err
}

// roleList answers GET /v3/roles: the roles of the cloud, or those of a domain.
func (s *Service) roleList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "roles", sorts: []string{"name", "id"}, filters: map[string]filter{"name": {"name", filterText}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	domainID := r.Query.Get("domain_id")
	if domainID != "" {
		if err := r.May("identity:list_domain_roles", nil); err != nil {
			return nil, err
		}
	}
	list.Where("domain_id = ?", domainID)
	return listOf(ctx, s, r, "roles", list, func(row roleRow) string { return row.ID }, viewRole)
}

// roleOf is the role of the path; roles of domains have rules of their own.
func roleOf(r *api.Request, domainRule string) (roleRow, error) {
	row, err := the[roleRow](r)
	if err == nil && row.DomainID != "" {
		err = r.May(domainRule, targetOf("role", roleAttributes(row)))
	}
	return row, err
}

// roleShow answers GET /v3/roles/{role_id}.
func (s *Service) roleShow(_ context.Context, r *api.Request) (any, error) {
	row, err := roleOf(r, "identity:get_domain_role")
	if err != nil {
		return nil, err
	}
	return showRole(r, row)
}

// roleCreate answers POST /v3/roles.
func (s *Service) roleCreate(ctx context.Context, r *api.Request) (any, error) {
	var body roleBody
	extra, err := decodeResource(r, "role", &body)
	if err != nil {
		return nil, err
	}
	row := roleRow{
		ID: s.newID(), Name: strings.TrimSpace(body.Name.Value), DomainID: body.DomainID.Value,
		Description: body.Description.Value, Options: body.Options.Value,
	}
	if row.Extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	if err := checkRoleName(row.Name); err != nil {
		return nil, err
	}
	if row.DomainID != "" {
		if err := r.May("identity:create_domain_role", targetOf("role", roleAttributes(row))); err != nil {
			return nil, err
		}
	}
	err = s.change(ctx, r, func(c *change) error {
		if row.DomainID != "" {
			if _, err := domainByID(c.Tx, row.DomainID); err != nil {
				return orMissing(err, "domain", row.DomainID)
			}
		}
		return insertRole(c, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = duplicateName("role", row.Name, row.DomainID)
	}
	if err != nil {
		return nil, err
	}
	return showRole(r, row)
}

// nodeRole is the role that node agents have by being such; rules of all services trust it.
const nodeRole = "node"

// checkRoleName refuses the name of the role that nobody can be given. Rules compare names without regard to case.
func checkRoleName(name string) error {
	if strings.EqualFold(name, nodeRole) {
		return api.Forbidden("The role name %s is reserved for the agents of hosts.", name)
	}
	return nil
}

// roleUpdate answers PATCH /v3/roles/{role_id}.
func (s *Service) roleUpdate(ctx context.Context, r *api.Request) (any, error) {
	row, err := roleOf(r, "identity:update_domain_role")
	if err != nil {
		return nil, err
	}
	var body roleBody
	extra, err := decodeResource(r, "role", &body)
	if err != nil {
		return nil, err
	}
	if body.DomainID.Set && body.DomainID.Value != row.DomainID {
		return nil, api.BadRequest("Cannot change Domain ID")
	}
	err = s.change(ctx, r, func(c *change) (err error) {
		if row, err = roleByID(c.Tx, row.ID); err != nil {
			return orMissing(err, "role", r.Param("role_id"))
		}
		if err := checkMutable(row.Options, body.Options, "role", row.ID); err != nil {
			return err
		}
		row.Name = strings.TrimSpace(body.Name.or(row.Name))
		if err := checkRoleName(row.Name); err != nil {
			return err
		}
		row.Description = body.Description.or(row.Description)
		row.Options = mergeOptions(row.Options, body.Options)
		if row.Extra, err = mergeExtra(nonNil(row.Extra), extra); err != nil {
			return err
		}
		return updateRole(c, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = duplicateName("role", row.Name, row.DomainID)
	}
	if err != nil {
		return nil, err
	}
	return showRole(r, row)
}

// roleDelete answers DELETE /v3/roles/{role_id}.
func (s *Service) roleDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := roleOf(r, "identity:delete_domain_role")
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		row, err := roleByID(c.Tx, row.ID)
		if err != nil {
			return orMissing(err, "role", r.Param("role_id"))
		}
		if err := checkMutable(row.Options, optional[map[string]any]{}, "role", row.ID); err != nil {
			return err
		}
		return removeRole(c, row.ID)
	})
}

// roleRefView names a role in an implication.
type roleRefView struct {
	ID    string            `json:"id"`
	Name  string            `json:"name"`
	Links map[string]string `json:"links"`
}

type inferenceView struct {
	Prior   roleRefView `json:"prior_role"`
	Implies any         `json:"implies"`
}

func viewRoleRef(r *api.Request, row roleRow) roleRefView {
	return roleRefView{row.ID, row.Name, selfLink(r, "roles", row.ID)}
}

// impliedList answers GET /v3/roles/{role_id}/implies.
func (s *Service) impliedList(ctx context.Context, r *api.Request) (any, error) {
	prior, err := the[roleRow](r)
	if err != nil {
		return nil, err
	}
	implied := []roleRefView{}
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rules, err := implications(tx)
		if err != nil {
			return err
		}
		var ids []string
		for _, rule := range rules {
			if rule.PriorID == prior.ID {
				ids = append(ids, rule.ImpliedID)
			}
		}
		rows, err := rolesByID(tx, ids)
		for _, row := range rows {
			implied = append(implied, viewRoleRef(r, row))
		}
		return err
	})
	return map[string]any{
		"role_inference": inferenceView{viewRoleRef(r, prior), implied}, "links": map[string]string{"self": r.SelfURL(nil)},
	}, err
}

// inferenceList answers GET /v3/role_inferences.
func (s *Service) inferenceList(ctx context.Context, r *api.Request) (any, error) {
	inferences, more := []inferenceView{}, false
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rules, err := implications(tx)
		if err != nil {
			return err
		}
		rules, more = rules[:min(len(rules), maxList)], len(rules) > maxList
		var ids []string
		for _, rule := range rules {
			ids = append(ids, rule.PriorID, rule.ImpliedID)
		}
		rows, err := rolesByID(tx, distinct(ids))
		byID := map[string]roleRow{}
		for _, row := range rows {
			byID[row.ID] = row
		}
		for i, rule := range rules {
			if i == 0 || rules[i-1].PriorID != rule.PriorID {
				inferences = append(inferences, inferenceView{viewRoleRef(r, byID[rule.PriorID]), []roleRefView{}})
			}
			last := &inferences[len(inferences)-1]
			last.Implies = append(last.Implies.([]roleRefView), viewRoleRef(r, byID[rule.ImpliedID]))
		}
		return err
	})
	return shortened(map[string]any{"role_inferences": inferences, "links": map[string]string{"self": r.SelfURL(nil)}}, more), err
}

// impliedPair reads the prior role of the path, which the loader found, and the implied one.
func (s *Service) impliedPair(ctx context.Context, r *api.Request) (prior, implied roleRow, there bool, err error) {
	if prior, err = the[roleRow](r); err != nil {
		return prior, implied, false, err
	}
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if implied, err = roleByID(tx, r.Param("implied_role_id")); err != nil {
			return orMissing(err, "role", r.Param("implied_role_id"))
		}
		rules, err := implications(tx)
		for _, rule := range rules {
			there = there || rule == impliedRow{prior.ID, implied.ID}
		}
		return err
	})
	return prior, implied, there, err
}

// impliedShow answers GET and HEAD /v3/roles/{role_id}/implies/{implied_role_id}.
func (s *Service) impliedShow(ctx context.Context, r *api.Request) (any, error) {
	prior, implied, there, err := s.impliedPair(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case !there:
		return nil, api.NotFound("%s does not imply %s.", prior.ID, implied.ID)
	case r.HTTP.Method == http.MethodHead:
		return nil, r.May("identity:check_implied_role", nil)
	}
	return viewImplied(r, prior, implied), nil
}

func viewImplied(r *api.Request, prior, implied roleRow) any {
	return map[string]any{
		"role_inference": inferenceView{viewRoleRef(r, prior), viewRoleRef(r, implied)}, "links": map[string]string{"self": r.SelfURL(nil)},
	}
}

// impliedCreate answers PUT /v3/roles/{role_id}/implies/{implied_role_id}. The role admin
// cannot be implied, nor a role of a domain by one of the whole cloud: nobody is to become
// more than those who give roles know of.
func (s *Service) impliedCreate(ctx context.Context, r *api.Request) (any, error) {
	prior, implied, _, err := s.impliedPair(ctx, r)
	if err != nil {
		return nil, err
	}
	if implied.Name == "admin" || implied.ID == prior.ID || implied.DomainID != "" && prior.DomainID == "" {
		return nil, api.Forbidden("%s cannot be an implied roles.", implied.ID)
	}
	err = s.change(ctx, r, func(c *change) error {
		for _, id := range []string{prior.ID, implied.ID} {
			if _, err := roleByID(c.Tx, id); err != nil {
				return orMissing(err, "role", id)
			}
		}
		return insertImplication(c, impliedRow{prior.ID, implied.ID})
	})
	if err != nil {
		return nil, err
	}
	return viewImplied(r, prior, implied), nil
}

// impliedDelete answers DELETE /v3/roles/{role_id}/implies/{implied_role_id}.
func (s *Service) impliedDelete(ctx context.Context, r *api.Request) (any, error) {
	prior, err := the[roleRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		there, err := removeImplication(c, impliedRow{prior.ID, r.Param("implied_role_id")})
		if err == nil && !there {
			err = api.NotFound("%s does not imply %s.", prior.ID, r.Param("implied_role_id"))
		}
		return err
	})
}
