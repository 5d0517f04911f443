package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/token"
)

// malformed ends keystone's answers to what it cannot read.
const malformed = " The server could not comply with the request since it is either malformed or otherwise incorrect." +
	" The client is assumed to be in error."

// secretBytes is the length of a generated secret before its encoding.
const secretBytes = 64

// loadAppCredential finds a credential through the user that the path names.
func (s *Service) loadAppCredential(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("application_credential_id")
	found := loaded[appCredentialRow]{target: authz.Target{"user_id": r.Param("user_id")}}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found.row, err = appCredentialByID(tx, id)
		return err
	})
	switch {
	case errors.Is(err, db.ErrNotFound) || err == nil && found.row.UserID != r.Param("user_id"):
		found.missing = api.NotFound("Could not find Application Credential: %s.", id)
	case err != nil:
		return nil, err
	}
	return found, nil
}

// appCredentialList answers GET /v3/users/{user_id}/application_credentials.
func (s *Service) appCredentialList(ctx context.Context, r *api.Request) (any, error) {
	if err := notThroughOthers(r.Identity); err != nil {
		return nil, err
	}
	user, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	shape := listing{table: "application_credentials", sorts: []string{"name", "id"}, filters: map[string]filter{"name": {"name", filterText}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	ofUser(list, user.ID)
	var views []json.RawMessage
	var next string
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		var rows []appCredentialRow
		var err error
		if rows, next, err = readPage(tx, list, func(row appCredentialRow) string { return row.ID }); err != nil {
			return err
		}
		views, err = s.viewAppCredentials(tx, r, rows)
		return err
	})
	return collection(r, "application_credentials", views, next), err
}

func (s *Service) viewAppCredentials(tx *db.Tx, r *api.Request, rows []appCredentialRow) ([]json.RawMessage, error) {
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.Roles...)
	}
	roles, err := roleIndex(tx, ids)
	if err != nil {
		return nil, err
	}
	return viewEach(r, rows, func(r *api.Request, row appCredentialRow) (json.RawMessage, error) {
		return viewAppCredential(r, row, roles, "")
	})
}

func roleIndex(tx *db.Tx, ids []string) (map[string]roleRow, error) {
	rows, err := rolesByID(tx, unique(ids))
	index := map[string]roleRow{}
	for _, row := range rows {
		index[row.ID] = row
	}
	return index, err
}

// appCredentialShow answers GET /v3/users/{user_id}/application_credentials/{application_credential_id}.
func (s *Service) appCredentialShow(ctx context.Context, r *api.Request) (any, error) {
	if err := notThroughOthers(r.Identity); err != nil {
		return nil, err
	}
	row, err := the[appCredentialRow](r)
	if err != nil {
		return nil, err
	}
	var views []json.RawMessage
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		views, err = s.viewAppCredentials(tx, r, []appCredentialRow{row})
		return err
	}); err != nil {
		return nil, err
	}
	return map[string]any{"application_credential": views[0]}, nil
}

// appCredentialCreate answers POST /v3/users/{user_id}/application_credentials. What the
// credential gives is never more than what the token has that makes it.
func (s *Service) appCredentialCreate(ctx context.Context, r *api.Request) (any, error) {
	if err := notThroughOthers(r.Identity); err != nil {
		return nil, err
	}
	user, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	var body appCredentialBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	wish := &body.Credential
	row := appCredentialRow{
		ID: s.newID(), Name: wish.Name, UserID: user.ID, ProjectID: r.Identity.Project.ID, Description: wish.Description.Value,
		Unrestricted: wish.Unrestricted.Value,
	}
	if row.ProjectID == "" {
		return nil, api.Forbidden("Could not find a project in the scope of the token.")
	}
	if row.Roles, err = chosenRoles(r.Identity, wish.Roles); err != nil {
		return nil, err
	}
	if row.Expires, err = s.readExpiry(wish.ExpiresAt.Value); err != nil {
		return nil, err
	}
	secret := wish.Secret.Value.Secret
	if secret == "" {
		secret = newSecret()
	}
	if row.SecretHash, err = s.hasher.hash(ctx, secret); err != nil {
		return nil, err
	}
	var view json.RawMessage
	err = s.change(ctx, r, func(c *change) (err error) {
		if row.AccessRules, err = s.rulesFor(c, user.ID, wish.AccessRules.Value); err != nil {
			return err
		}
		if err := s.saveAppCredential(c, r, &row); err != nil {
			return err
		}
		roles, err := roleIndex(c.Tx, row.Roles)
		if err != nil {
			return err
		}
		view, err = viewAppCredential(r, row, roles, secret)
		return err
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = conflict("application_credential", "Duplicate entry found with name "+row.Name)
	}
	if err != nil {
		return nil, err
	}
	return &api.Response{Status: http.StatusCreated, Body: map[string]any{"application_credential": view}}, nil
}

// saveAppCredential checks in the transaction what the caller stands on.
func (s *Service) saveAppCredential(c *change, r *api.Request, row *appCredentialRow) error {
	if _, err := userByID(c.Tx, row.UserID); err != nil {
		return orMissing(err, "user", row.UserID)
	}
	if r.Identity.AppCred.ID != "" {
		parent, err := appCredentialByID(c.Tx, r.Identity.AppCred.ID)
		if err != nil {
			return orMissing(err, "Application Credential", r.Identity.AppCred.ID)
		}
		if !parent.Unrestricted || len(parent.AccessRules) > 0 {
			return restrictedCredential()
		}
		if !parent.Expires.IsZero() && (row.Expires.IsZero() || row.Expires.After(parent.Expires)) {
			row.Expires = parent.Expires
		}
	}
	return insertAppCredential(c, *row)
}

func restrictedCredential() *api.Error {
	return api.Forbidden("Using method 'application_credential' is not allowed for managing additional application credentials.")
}

// chosenRoles are the ids of the roles that a credential gives: all of the token's, or
// those of them that are named.
func chosenRoles(identity *token.Identity, named optional[[]nameBody]) ([]string, error) {
	var ids []string
	if !named.Set || len(named.Value) == 0 {
		for _, role := range identity.Roles {
			ids = append(ids, role.ID)
		}
		return ids, nil
	}
	for _, wish := range named.Value {
		at := slices.IndexFunc(identity.Roles, func(role token.Role) bool {
			return wish.ID != "" && role.ID == wish.ID || wish.ID == "" && role.Name == wish.Name
		})
		if at < 0 {
			return nil, api.BadRequest("Invalid application credential: the user has no such role on the project.")
		}
		ids = append(ids, identity.Roles[at].ID)
	}
	return ids, nil
}

// readExpiry reads the forms of ISO 8601 that clients send; times without a zone are UTC.
func (s *Service) readExpiry(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04"} {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if expired(at, s.deps.Clock.Now()) {
			return at, api.BadRequest("The 'expires_at' must not be before now." + malformed)
		}
		return at.UTC().Truncate(time.Microsecond), nil
	}
	return time.Time{}, api.BadRequest("Timestamp not in expected format." + malformed)
}

func newSecret() token.Secret {
	var raw [secretBytes]byte
	// crypto/rand.Read never fails; it ends the program when the system has no randomness.
	_, _ = rand.Read(raw[:])
	return token.Secret(base64.RawURLEncoding.EncodeToString(raw[:]))
}

// appCredentialDelete answers DELETE /v3/users/{user_id}/application_credentials/{application_credential_id}.
func (s *Service) appCredentialDelete(ctx context.Context, r *api.Request) (any, error) {
	if err := notThroughOthers(r.Identity); err != nil {
		return nil, err
	}
	row, err := the[appCredentialRow](r)
	if err != nil {
		return nil, err
	}
	if r.Identity.AppCred.Restricted || len(r.Identity.AppCred.AccessRules) > 0 {
		return nil, restrictedCredential()
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeAppCredential(c, row) })
}
