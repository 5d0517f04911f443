package identity

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// A user's option multi_factor_auth_rules lists sets of methods, each of which is enough to log
// in. Whoever has passed some methods of a set, and not all, gets a receipt for them, and shows
// it with the others.

const (
	optionFactors     = "multi_factor_auth_enabled"
	optionFactorRules = "multi_factor_auth_rules"
	// receiptHeader carries a receipt, to the client and back.
	receiptHeader = "Openstack-Auth-Receipt"
	// receiptLifetime is how long the next method may take; keystone's default.
	receiptLifetime = 5 * time.Minute
	receiptPurpose  = "authentication receipt"
)

// receipt says which methods a user has passed.
type receipt struct {
	UserID     string    `json:"user_id"`
	ValidAfter int64     `json:"valid_after"`
	Methods    []string  `json:"methods"`
	IssuedAt   time.Time `json:"issued_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// factorRules are the sets of methods that a user has to pass one of; none when the option is off.
// Sets with a method that nobody can pass are not regarded, so that they lock nobody out.
func factorRules(u userRow) [][]string {
	if !u.option(optionFactors) {
		return nil
	}
	text, err := json.Marshal(u.Options[optionFactorRules])
	if err != nil {
		return nil
	}
	var rules [][]string
	if json.Unmarshal(text, &rules) != nil {
		return nil
	}
	return slices.DeleteFunc(rules, func(rule []string) bool {
		return len(rule) == 0 || slices.ContainsFunc(rule, func(method string) bool {
			return !slices.Contains([]string{methodPassword, methodToken, methodTOTP, methodAppCredential}, method)
		})
	})
}

// missingFactors are the sets of methods that would be enough, when those passed are not. Who
// stands on an application credential or an access token has passed them when it was made.
func (s *Service) missingFactors(ctx context.Context, proved claim, methods []string) ([][]string, error) {
	var user userRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		user, err = userByID(tx, proved.userID)
		return orDenied(err, "user", proved.userID)
	}); err != nil {
		return nil, err
	}
	rules := factorRules(user)
	passed := slices.Clone(methods)
	if proved.parent != nil {
		passed = append(passed, proved.parent.Methods...)
	}
	if len(rules) == 0 || slices.Contains(passed, methodAppCredential) || slices.Contains(passed, methodOAuth1) {
		return nil, nil
	}
	for _, rule := range rules {
		if !slices.ContainsFunc(rule, func(method string) bool { return !slices.Contains(passed, method) }) {
			return nil, nil
		}
	}
	return rules, nil
}

// receiptAnswer is the answer to whoever has passed some methods and not enough.
func (s *Service) receiptAnswer(proved claim, methods []string, enough [][]string) (any, error) {
	now := s.deps.Clock.Now()
	r := receipt{proved.userID, proved.validAfter, methods, now.UTC(), now.Add(receiptLifetime).UTC()}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return &api.Response{Status: http.StatusUnauthorized,
		Header: http.Header{receiptHeader: {s.deps.Vault.Seal(text, receiptPurpose)}, "Www-Authenticate": {`Keystone uri="` + s.deps.AuthenticateURI + `"`}},
		Body: map[string]any{
			"receipt":               map[string]any{"methods": methods, "user": map[string]string{"id": r.UserID}, "issued_at": viewTime(r.IssuedAt), "expires_at": viewTime(r.ExpiresAt)},
			"required_auth_methods": enough,
		}}, nil
}

// redeem adds the methods of a receipt to those passed now.
func (s *Service) redeem(r *api.Request, proved claim, methods []string) ([]string, error) {
	shown := r.HTTP.Header.Get(receiptHeader)
	if shown == "" {
		return methods, nil
	}
	text, err := s.deps.Vault.Open(shown, receiptPurpose)
	if err != nil {
		return nil, denied("the receipt is not genuine")
	}
	var kept receipt
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, denied("the receipt cannot be read")
	}
	if kept.UserID != proved.userID || kept.ValidAfter != proved.validAfter || !s.deps.Clock.Now().Before(kept.ExpiresAt) {
		return nil, denied("the receipt is another user's or too old")
	}
	for _, method := range kept.Methods {
		if !slices.Contains(methods, method) {
			methods = append(methods, method)
		}
	}
	return methods, nil
}
