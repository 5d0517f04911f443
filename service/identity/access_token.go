package identity

import (
	"context"
	"encoding/json"
	"slices"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
)

// accessTokenView is an access token as its user sees it; its secret is the consumer's.
type accessTokenView struct {
	ID         string            `json:"id"`
	ConsumerID string            `json:"consumer_id"`
	ProjectID  string            `json:"project_id"`
	UserID     string            `json:"authorizing_user_id"`
	ExpiresAt  *string           `json:"expires_at"`
	Links      map[string]string `json:"links"`
}

func viewAccessToken(r *api.Request, row accessTokenRow) (json.RawMessage, error) {
	view := accessTokenView{ID: row.ID, ConsumerID: row.ConsumerID, ProjectID: row.ProjectID, UserID: row.UserID,
		Links: selfLink(r, "users", row.UserID, "OS-OAUTH1", "access_tokens", row.ID)}
	view.Links["roles"] = view.Links["self"] + "/roles"
	if !row.Expires.IsZero() {
		text := viewTime(row.Expires)
		view.ExpiresAt = &text
	}
	return json.Marshal(view)
}

// ofPathUser is the target of rules about what belongs to the user that the path names.
func (s *Service) ofPathUser(_ context.Context, r *api.Request) (api.Target, error) {
	return loaded[accessTokenRow]{target: authz.Target{"user_id": r.Param("user_id")}}, nil
}

// loadAccessToken finds an access token through the user that the path names.
func (s *Service) loadAccessToken(ctx context.Context, r *api.Request) (api.Target, error) {
	id, user := r.Param("access_token_id"), r.Param("user_id")
	found := loaded[accessTokenRow]{target: authz.Target{"user_id": user}}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found.row, err = accessTokenByID(tx, id)
		return err
	})
	if isGone(err) || err == nil && (found.row.UserID != user || expired(found.row.Expires, s.deps.Clock.Now())) {
		found.missing, err = notFound("Access Token", id), nil
	}
	return found, err
}

// accessTokenList answers GET /v3/users/{user_id}/OS-OAUTH1/access_tokens.
func (s *Service) accessTokenList(ctx context.Context, r *api.Request) (any, error) {
	if r.Identity.Delegated() {
		return nil, delegatedAccessTokens()
	}
	list, err := listing{table: "access_tokens", sorts: []string{"id"}}.query(r)
	if err != nil {
		return nil, err
	}
	ofUser(list, r.Param("user_id"))
	list.Where("(expires = 0 OR expires > ?)", s.deps.Clock.Now())
	return listOf(ctx, s, r, "access_tokens", list, func(row accessTokenRow) string { return row.ID }, viewAccessToken)
}

// accessTokenShow answers GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}.
func (s *Service) accessTokenShow(_ context.Context, r *api.Request) (any, error) {
	if r.Identity.Delegated() {
		return nil, delegatedAccessTokens()
	}
	row, err := the[accessTokenRow](r)
	if err != nil {
		return nil, err
	}
	view, err := viewAccessToken(r, row)
	return map[string]any{"access_token": view}, err
}

// accessTokenDelete answers DELETE /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}:
// tokens that were made with it end at once.
func (s *Service) accessTokenDelete(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[accessTokenRow](r)
	if err != nil {
		return nil, err
	}
	if r.Identity.Delegated() {
		return nil, delegatedAccessTokens()
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeAccessToken(c, row) })
}

// accessTokenRoleList answers GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles.
func (s *Service) accessTokenRoleList(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[accessTokenRow](r)
	if err != nil {
		return nil, err
	}
	views, err := s.accessTokenRoles(ctx, r, row.Roles)
	return collection(r, "roles", views, ""), err
}

// accessTokenRoleShow answers GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}.
func (s *Service) accessTokenRoleShow(ctx context.Context, r *api.Request) (any, error) {
	row, err := the[accessTokenRow](r)
	if err != nil {
		return nil, err
	}
	id := r.Param("role_id")
	if !slices.Contains(row.Roles, id) {
		return nil, notFound("role", id)
	}
	views, err := s.accessTokenRoles(ctx, r, []string{id})
	if err == nil && len(views) == 0 {
		err = notFound("role", id)
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"role": views[0]}, nil
}

func (s *Service) accessTokenRoles(ctx context.Context, r *api.Request, ids []string) ([]json.RawMessage, error) {
	var rows []roleRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = rolesByID(tx, ids)
		return err
	}); err != nil {
		return nil, err
	}
	return viewEach(r, rows, viewRole)
}
