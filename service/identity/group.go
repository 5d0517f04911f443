package identity

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
)

// groupBody is what clients say of a group.
type groupBody struct {
	Name        optional[string] `json:"name"`
	DomainID    optional[string] `json:"domain_id"`
	Description optional[string] `json:"description"`
}

type groupView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	DomainID    string            `json:"domain_id"`
	Description string            `json:"description"`
	Links       map[string]string `json:"links"`
}

func viewGroup(r *api.Request, row groupRow) (json.RawMessage, error) {
	return withExtra(groupView{row.ID, row.Name, row.DomainID, row.Description, selfLink(r, "groups", row.ID)}, row.Extra)
}

func showGroup(r *api.Request, row groupRow) (any, error) {
	view, err := viewGroup(r, row)
	return map[string]any{"group": view}, err
}

func groupListing() listing {
	return listing{table: "identity_groups", sorts: []string{"name", "id"}, filters: map[string]filter{
		"name": {"name", filterText}, "domain_id": {"domain_id", filterExact},
	}}
}

// groupList answers GET /v3/groups.
func (s *Service) groupList(ctx context.Context, r *api.Request) (any, error) {
	list, err := groupListing().query(r)
	if err != nil {
		return nil, err
	}
	confine(r, list, "domain_id")
	return listOf(ctx, s, r, "groups", list, func(row groupRow) string { return row.ID }, viewGroup)
}

// groupShow answers GET /v3/groups/{group_id}.
func (s *Service) groupShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[groupRow](r)
	if err != nil {
		return nil, err
	}
	return showGroup(r, row)
}

// groupCreate answers POST /v3/groups.
func (s *Service) groupCreate(ctx context.Context, r *api.Request) (any, error) {
	var body groupBody
	extra, err := decodeResource(r, "group", &body)
	if err != nil {
		return nil, err
	}
	row := groupRow{
		ID: s.newID(), Name: strings.TrimSpace(body.Name.Value), DomainID: s.domainFor(r, body.DomainID.Value), Description: body.Description.Value,
	}
	if row.Extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	if err := r.May("identity:create_group", targetOf("group", groupAttributes(row))); err != nil {
		return nil, err
	}
	err = s.change(ctx, r, func(c *change) error {
		if _, err := domainByID(c.Tx, row.DomainID); err != nil {
			return orMissing(err, "domain", row.DomainID)
		}
		return insertGroup(c, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = duplicateName("group", row.Name, row.DomainID)
	}
	if err != nil {
		return nil, err
	}
	return showGroup(r, row)
}

// groupUpdate answers PATCH /v3/groups/{group_id}.
func (s *Service) groupUpdate(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[groupRow](r)
	if err != nil {
		return nil, err
	}
	var body groupBody
	extra, err := decodeResource(r, "group", &body)
	if err != nil {
		return nil, err
	}
	if body.DomainID.Set && body.DomainID.Value != row.DomainID {
		return nil, api.BadRequest("Cannot change Domain ID")
	}
	err = s.change(ctx, r, func(c *change) (err error) {
		if row, err = groupByID(c.Tx, row.ID); err != nil {
			return orMissing(err, "group", r.Param("group_id"))
		}
		row.Name = strings.TrimSpace(body.Name.or(row.Name))
		row.Description = body.Description.or(row.Description)
		if row.Extra, err = mergeExtra(nonNil(row.Extra), extra); err != nil {
			return err
		}
		return updateGroup(c, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = duplicateName("group", row.Name, row.DomainID)
	}
	if err != nil {
		return nil, err
	}
	return showGroup(r, row)
}

// groupDelete answers DELETE /v3/groups/{group_id}.
func (s *Service) groupDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[groupRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		if _, err := groupByID(c.Tx, row.ID); err != nil {
			return orMissing(err, "group", row.ID)
		}
		return removeGroups(c, []string{row.ID})
	})
}

// groupUsers answers GET /v3/groups/{group_id}/users.
func (s *Service) groupUsers(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[groupRow](r)
	if err != nil {
		return nil, err
	}
	list, err := userListing().query(r)
	if err != nil {
		return nil, err
	}
	whereIn(list, row.ID)
	return listOf(ctx, s, r, "users", list, func(row userRow) string { return row.ID }, viewUser)
}

// loadMembership finds the group and the user of a membership's path.
func (s *Service) loadMembership(ctx context.Context, r *api.Request) (api.Target, error) {
	found := loaded[membershipRow]{row: membershipRow{r.Param("user_id"), r.Param("group_id")}}
	attributes := map[string]any{}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		user, err := userByID(tx, found.row.UserID)
		if err != nil {
			return orMissing(err, "user", found.row.UserID)
		}
		attributes["user"] = userAttributes(user)
		group, err := groupByID(tx, found.row.GroupID)
		if err != nil {
			return orMissing(err, "group", found.row.GroupID)
		}
		attributes["group"] = groupAttributes(group)
		return nil
	})
	if err != nil && api.StatusOf(err) != 404 {
		return nil, err
	}
	found.missing, found.target = err, authz.Target{"target": attributes}
	return found, nil
}

// memberAdd answers PUT /v3/groups/{group_id}/users/{user_id}.
func (s *Service) memberAdd(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[membershipRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		if _, err := userByID(c.Tx, row.UserID); err != nil {
			return orMissing(err, "user", row.UserID)
		}
		if _, err := groupByID(c.Tx, row.GroupID); err != nil {
			return orMissing(err, "group", row.GroupID)
		}
		return insertMembership(c, row)
	})
}

// memberShow answers GET /v3/groups/{group_id}/users/{user_id}.
func (s *Service) memberShow(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[membershipRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		there, err := isMember(tx, row)
		if err == nil && !there {
			err = notMember(row)
		}
		return err
	})
}

// memberRemove answers DELETE /v3/groups/{group_id}/users/{user_id}.
func (s *Service) memberRemove(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[membershipRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		there, err := removeMembership(c, row)
		if err == nil && !there {
			err = notMember(row)
		}
		return err
	})
}

func notMember(row membershipRow) error {
	return api.NotFound("User '%s' not found in group '%s'", row.UserID, row.GroupID)
}
