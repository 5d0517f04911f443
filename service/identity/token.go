package identity

import (
	"context"
	"errors"
	"net/http"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/token"
)

// expiredWindow is how long after its end a service may still have a token validated, to
// finish what began in time; keystone's default.
const expiredWindow = 48 * time.Hour

// subject is the token that a request asks about.
type subject struct {
	identity *token.Identity
	text     string
}

// PolicyTarget implements api.Target.
func (t subject) PolicyTarget() authz.Target {
	return authz.Target{"target": map[string]any{"token": map[string]any{"user_id": t.identity.UserID}}}
}

// loadSubject finds the token of the header X-Subject-Token. That a token does not stand
// is told to every caller: it says nothing that the bearer of the token could not find out.
func (s *Service) loadSubject(ctx context.Context, r *api.Request) (api.Target, error) {
	text := r.HTTP.Header.Get("X-Subject-Token")
	found := subject{text: text}
	var err error
	found.identity, err = s.caching.Authenticate(ctx, text)
	if errors.Is(err, token.ErrExpired) && s.mayUseExpired(r) {
		found.identity, err = s.identifyExpired(ctx, text)
	}
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
		return nil, api.NotFound("Failed to validate token").Because(err)
	}
	return found, err
}

// mayUseExpired tells whether the caller asks for expired tokens and is a service.
func (s *Service) mayUseExpired(r *api.Request) bool {
	allow, _ := api.ParseBool(r.Query.Get("allow_expired"))
	return allow && r.Can("service_or_admin", nil)
}

// identifyExpired validates a token whose time is over, but not long ago.
func (s *Service) identifyExpired(ctx context.Context, text string) (*token.Identity, error) {
	now := s.deps.Clock.Now()
	payload, err := s.tokens.Open(text, now)
	if err != nil && !errors.Is(err, token.ErrExpired) {
		return nil, err
	}
	if now.After(payload.ExpiresAt.Add(expiredWindow)) {
		return nil, token.ErrExpired
	}
	return s.identify(ctx, payload)
}

// tokenShow answers GET and HEAD /v3/auth/tokens.
func (s *Service) tokenShow(ctx context.Context, r *api.Request) (any, error) {
	found := api.Loaded[subject](r)
	return s.tokenAnswer(ctx, r, http.StatusOK, found.identity, found.text)
}

// tokenRevoke answers DELETE /v3/auth/tokens.
func (s *Service) tokenRevoke(ctx context.Context, r *api.Request) (any, error) {
	found := api.Loaded[subject](r)
	return nil, s.change(ctx, r, func(c *change) error {
		return revoke(c, found.identity.AuditID(), found.identity.ExpiresAt)
	})
}
