package identity

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// userList answers GET /v3/users.
func (s *Service) userList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "users", sorts: []string{"name", "id"}, filters: map[string]filter{
		"name": {"name", filterText}, "domain_id": {"domain_id", filterExact}, "enabled": {"enabled", filterFlag},
	}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	confine(r, list, "domain_id")
	return listOf(ctx, s, r, "users", list, func(row userRow) string { return row.ID }, viewUser)
}

// listOf answers with one page of a resource.
func listOf[R any](ctx context.Context, s *Service, r *api.Request, name string, list *db.List, id func(R) string,
	view func(*api.Request, R) (json.RawMessage, error),
) (any, error) {
	var rows []R
	var next string
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, next, err = readPage(tx, list, id)
		return err
	}); err != nil {
		return nil, err
	}
	views, err := viewEach(r, rows, view)
	return collection(r, name, views, next), err
}

// userShow answers GET /v3/users/{user_id}.
func (s *Service) userShow(_ context.Context, r *api.Request) (any, error) {
	row, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	return showUser(r, row)
}

func showUser(r *api.Request, row userRow) (any, error) {
	view, err := viewUser(r, row)
	return map[string]any{"user": view}, err
}

// userCreate answers POST /v3/users.
func (s *Service) userCreate(ctx context.Context, r *api.Request) (any, error) {
	var body userBody
	extra, err := decodeResource(r, "user", &body)
	if err != nil {
		return nil, err
	}
	row := userRow{
		ID: s.newID(), Name: strings.TrimSpace(body.Name.Value), DomainID: s.domainFor(r, body.DomainID.Value),
		Enabled: flag(body.Enabled, true), DefaultProjectID: body.DefaultProjectID.Value, Options: body.Options.Value,
	}
	if row.Extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	if err := r.May("identity:create_user", targetOf("user", userAttributes(row))); err != nil {
		return nil, err
	}
	if body.Password.Value.Secret != "" {
		if row.PasswordHash, err = s.hasher.hash(ctx, body.Password.Value.Secret); err != nil {
			return nil, err
		}
	}
	err = s.change(ctx, r, func(c *change) error {
		if _, err := domainByID(c.Tx, row.DomainID); err != nil {
			return orMissing(err, "domain", row.DomainID)
		}
		if err := checkDefaultProject(c.Tx, row.DefaultProjectID); err != nil {
			return err
		}
		return insertUser(c, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = duplicateName("user", row.Name, row.DomainID)
	}
	if err != nil {
		return nil, err
	}
	return showUser(r, row)
}

// checkDefaultProject refuses a domain as default project. A project that is not there is
// allowed, as in keystone: it is not regarded when a token is issued.
func checkDefaultProject(tx *db.Tx, id string) error {
	if id == "" {
		return nil
	}
	project, err := projectByID(tx, id)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err == nil && project.IsDomain {
		return api.BadRequest("User's default project ID cannot be a domain ID: %s", id)
	}
	return err
}

// userUpdate answers PATCH /v3/users/{user_id}.
func (s *Service) userUpdate(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	var body userBody
	extra, err := decodeResource(r, "user", &body)
	if err != nil {
		return nil, err
	}
	if body.DomainID.Set && body.DomainID.Value != found.DomainID {
		return nil, api.BadRequest("Cannot change Domain ID")
	}
	newHash := found.PasswordHash
	if body.Password.Set {
		newHash = ""
		if body.Password.Value.Secret != "" {
			if newHash, err = s.hasher.hash(ctx, body.Password.Value.Secret); err != nil {
				return nil, err
			}
		}
	}
	var row userRow
	err = s.change(ctx, r, func(c *change) (err error) {
		if row, err = userByID(c.Tx, found.ID); err != nil {
			return orMissing(err, "user", found.ID)
		}
		if body.Password.Set {
			row.PasswordHash = newHash
		}
		return saveUser(c, &row, body, extra)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = duplicateName("user", row.Name, row.DomainID)
	}
	if err != nil {
		return nil, err
	}
	return showUser(r, row)
}

// saveUser changes a user by what a body says. A new password and the end of being
// enabled make the user's tokens void, for good.
func saveUser(c *change, row *userRow, body userBody, extra map[string]any) (err error) {
	enabled := flag(body.Enabled, row.Enabled)
	if body.Password.Set || row.Enabled && !enabled {
		row.voidTokens(c)
	}
	row.Enabled = enabled
	row.Name = strings.TrimSpace(body.Name.or(row.Name))
	row.DefaultProjectID = body.DefaultProjectID.or(row.DefaultProjectID)
	if body.DefaultProjectID.Set {
		if err := checkDefaultProject(c.Tx, row.DefaultProjectID); err != nil {
			return err
		}
	}
	row.Options = mergeOptions(row.Options, body.Options)
	if row.Extra, err = mergeExtra(nonNil(row.Extra), extra); err != nil {
		return err
	}
	return updateUser(c, *row)
}

// userDelete answers DELETE /v3/users/{user_id}.
func (s *Service) userDelete(ctx context.Context, r *api.Request) (any, error) {
	found, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		if _, err := userByID(c.Tx, found.ID); err != nil {
			return orMissing(err, "user", found.ID)
		}
		c.forgetUser(found.ID)
		return removeUsers(c, []string{found.ID})
	})
}

// userPassword answers POST /v3/users/{user_id}/password, which needs no token: the
// original password says who calls.
func (s *Service) userPassword(ctx context.Context, r *api.Request) (any, error) {
	var body passwordChangeBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	proved, err := s.provePassword(ctx, &passwordBody{User: userPassword{nameBody{ID: r.Param("user_id")}, body.User.Original}})
	if err != nil {
		return nil, s.refusal(err)
	}
	if body.User.Password.Secret == "" {
		return nil, api.BadRequest("Password validation error: the new password is empty.")
	}
	hash, err := s.hasher.hash(ctx, body.User.Password.Secret)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		row, err := userByID(c.Tx, proved.userID)
		if err != nil || row.ValidAfter != proved.validAfter {
			return s.unauthorized() // it was changed or deleted meanwhile
		}
		if locked, _ := row.Options["lock_password"].(bool); locked {
			return api.BadRequest("You cannot change your password at this time due to password policy disallowing password changes. Please contact your administrator to reset your password.")
		}
		row.PasswordHash = hash
		row.voidTokens(c)
		return updateUser(c, row)
	})
}

// userProjects answers GET /v3/users/{user_id}/projects.
func (s *Service) userProjects(ctx context.Context, r *api.Request) (any, error) {
	user, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	var answer any
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err := projectsOfUser(tx, user.ID)
		if err != nil {
			return err
		}
		var chosen []projectRow
		for _, row := range rows {
			if keep(r, "name", row.Name) && keep(r, "domain_id", row.DomainID) && keepFlag(r, "enabled", row.Enabled) {
				chosen = append(chosen, row)
			}
		}
		answer, err = whole(tx, r, "projects", chosen, s.viewProjects)
		return err
	})
	return answer, err
}

// keep tells whether a value passes a filter of the query.
func keep(r *api.Request, name, value string) bool {
	return !r.Query.Has(name) || r.Query.Get(name) == value
}

func keepFlag(r *api.Request, name string, value bool) bool {
	return !r.Query.Has(name) || asked(r, name) == value
}

// userGroups answers GET /v3/users/{user_id}/groups.
func (s *Service) userGroups(ctx context.Context, r *api.Request) (any, error) {
	user, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	list, err := groupListing().query(r)
	if err != nil {
		return nil, err
	}
	whereMember(list, user.ID)
	return listOf(ctx, s, r, "groups", list, func(row groupRow) string { return row.ID }, viewGroup)
}
