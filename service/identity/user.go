package identity

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"virga/core/api"
	"virga/core/db"
	"virga/core/token"
)

func userListing() listing {
	return listing{table: "users", sorts: []string{"name", "id"}, filters: map[string]filter{
		"name": {"name", filterText}, "domain_id": {"domain_id", filterExact}, "enabled": {"enabled", filterFlag},
		"password_expires_at": {"password_expires_at", filterTime},
	}}
}

// userList answers GET /v3/users.
func (s *Service) userList(ctx context.Context, r *api.Request) (any, error) {
	list, err := userListing().query(r)
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
	hash, err := s.newHash(ctx, body)
	if err != nil {
		return nil, err
	}
	s.deps.PasswordRules.set(&row, hash, false, s.deps.Clock.Now())
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

// newHash is the hash of the password that a body has; empty for none.
func (s *Service) newHash(ctx context.Context, body userBody) (token.Secret, error) {
	password := body.Password.Value.Secret
	if password == "" {
		return "", nil
	}
	if err := s.deps.PasswordRules.checkForm(password); err != nil {
		return "", err
	}
	return s.hasher.hash(ctx, password)
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
	hash, err := s.newHash(ctx, body)
	if err != nil {
		return nil, err
	}
	var row userRow
	err = s.change(ctx, r, func(c *change) (err error) {
		if row, err = userByID(c.Tx, found.ID); err != nil {
			return orMissing(err, "user", found.ID)
		}
		if err := fillUser(c, &row, body, extra); err != nil {
			return err
		}
		if body.Password.Set {
			if err := s.keepPassword(c, row); err != nil {
				return err
			}
			s.deps.PasswordRules.set(&row, hash, false, c.now)
		}
		return updateUser(c, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = duplicateName("user", row.Name, row.DomainID)
	}
	if err != nil {
		return nil, err
	}
	return showUser(r, row)
}

// fillUser changes a row by what a body says of a user. A new password and the end of being
// enabled make the user's tokens void, for good.
func fillUser(c *change, row *userRow, body userBody, extra map[string]any) (err error) {
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
	row.Extra, err = mergeExtra(nonNil(row.Extra), extra)
	return err
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

// userProjects answers GET /v3/users/{user_id}/projects.
func (s *Service) userProjects(ctx context.Context, r *api.Request) (any, error) {
	user, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	var answer any
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, more, err := projectsOfUser(tx, user.ID)
		if err != nil {
			return err
		}
		var chosen []projectRow
		for _, row := range rows {
			if keep(r, "name", row.Name) && keep(r, "domain_id", row.DomainID) && keepFlag(r, "enabled", row.Enabled) {
				chosen = append(chosen, row)
			}
		}
		answer, err = whole(tx, r, "projects", chosen, more, s.viewProjects)
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
