package identity

import (
	"context"
	"encoding/json"
	"errors"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/token"
)

// loadAccessRule finds a rule through the user that the path names.
func (s *Service) loadAccessRule(ctx context.Context, r *api.Request) (api.Target, error) {
	id := r.Param("access_rule_id")
	found := loaded[accessRuleRow]{target: authz.Target{"user_id": r.Param("user_id")}}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found.row, err = accessRuleByID(tx, id)
		return err
	})
	if isGone(err) || err == nil && found.row.UserID != r.Param("user_id") {
		found.missing, err = notFound("Access Rule", id), nil
	}
	return found, err
}

func viewAccessRule(r *api.Request, row accessRuleRow) (json.RawMessage, error) {
	return json.Marshal(struct {
		accessRuleView
		Links map[string]string `json:"links"`
	}{accessRuleView{row.ID, row.Service, row.Method, row.Path}, selfLink(r, "users", row.UserID, "access_rules", row.ID)})
}

// accessRuleList answers GET /v3/users/{user_id}/access_rules.
func (s *Service) accessRuleList(ctx context.Context, r *api.Request) (any, error) {
	if err := notThroughOthers(r.Identity); err != nil {
		return nil, err
	}
	user, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	shape := listing{table: "access_rules", sorts: []string{"id", "service"}, filters: map[string]filter{
		"service": {"service", filterExact}, "method": {"method", filterExact}, "path": {"path", filterExact}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	ofUser(list, user.ID)
	return listOf(ctx, s, r, "access_rules", list, func(row accessRuleRow) string { return row.ID }, viewAccessRule)
}

// accessRuleShow answers GET /v3/users/{user_id}/access_rules/{access_rule_id}.
func (s *Service) accessRuleShow(_ context.Context, r *api.Request) (any, error) {
	if err := notThroughOthers(r.Identity); err != nil {
		return nil, err
	}
	row, err := the[accessRuleRow](r)
	if err != nil {
		return nil, err
	}
	view, err := viewAccessRule(r, row)
	return map[string]any{"access_rule": view}, err
}

// accessRuleDelete answers DELETE /v3/users/{user_id}/access_rules/{access_rule_id}. A rule that
// narrows an application credential stays.
func (s *Service) accessRuleDelete(ctx context.Context, r *api.Request) (any, error) {
	if err := notThroughOthers(r.Identity); err != nil {
		return nil, err
	}
	row, err := the[accessRuleRow](r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error {
		used, err := accessRuleUsed(c.Tx, row)
		if err == nil && used {
			err = api.Forbidden("You are not authorized to perform the requested action: delete an access rule that an application credential uses.")
		}
		if err != nil {
			return err
		}
		return removeAccessRule(c, row)
	})
}

// rulesFor are the rules that a new application credential is narrowed to: those that are named
// by id, and others, which are made where the user has none that says the same.
func (s *Service) rulesFor(c *change, userID string, wishes []accessRuleBody) ([]token.AccessRule, error) {
	var rules []token.AccessRule
	for _, wish := range wishes {
		row := accessRuleRow{ID: s.newID(), UserID: userID, Service: wish.Service, Method: wish.Method, Path: wish.Path}
		known, err := sameAccessRule(c.Tx, row)
		if wish.ID != "" {
			known, err = accessRuleByID(c.Tx, wish.ID)
			if isGone(err) || err == nil && known.UserID != userID {
				return nil, notFound("Access Rule", wish.ID)
			}
		}
		switch {
		case err == nil:
			row = known
		case errors.Is(err, db.ErrNotFound):
			err = insertAccessRule(c, row)
		}
		if err != nil {
			return nil, err
		}
		rules = append(rules, token.AccessRule{ID: row.ID, Service: row.Service, Method: row.Method, Path: row.Path})
	}
	return rules, nil
}
