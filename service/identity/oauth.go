package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/token"
)

// OAuth 1.0a, as keystone's OS-OAUTH1 has it: a consumer asks for a request token on a project, a
// user grants it roles there, the consumer exchanges it for an access token, and logs in with that.

const (
	methodOAuth1 = "oauth1"
	// requestTokenLifetime and accessTokenLifetime are keystone's defaults.
	requestTokenLifetime = 8 * time.Hour
	accessTokenLifetime  = 24 * time.Hour
)

// signedByConsumer finds the consumer of a signed request and checks the signature with its
// secret and that of the token, which secretOf finds. Each nonce is good once.
func (s *Service) signedByConsumer(ctx context.Context, r *api.Request, secretOf func(*db.Tx, *oauthRequest) (token.Secret, error)) (*oauthRequest, error) {
	q, err := readOAuth(r.HTTP, r.URL(r.HTTP.URL.EscapedPath()))
	if err != nil {
		return nil, err
	}
	now := s.deps.Clock.Now()
	if !q.fresh(now) {
		return nil, denied("the request was not signed just now")
	}
	var consumerSecret []byte
	var tokenSecret token.Secret
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		consumer, err := consumerByID(tx, q.params["oauth_consumer_key"])
		if err != nil {
			return orDenied(err, "consumer", q.params["oauth_consumer_key"])
		}
		if consumerSecret, err = s.deps.Vault.Open(consumer.Sealed, "consumer "+consumer.ID); err != nil {
			return err
		}
		tokenSecret, err = secretOf(tx, q)
		return err
	}); err != nil {
		return nil, err
	}
	if !q.verifies(token.Secret(consumerSecret), tokenSecret) {
		return nil, denied("the signature of consumer %s is wrong", q.params["oauth_consumer_key"])
	}
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error { return insertNonce(tx, q.nonceID(), now.Add(2*oauthWindow)) })
	if errors.Is(err, db.ErrDuplicate) {
		return nil, denied("consumer %s has used the nonce before", q.params["oauth_consumer_key"])
	}
	return q, err
}

// formAnswer shows a token to its consumer, as RFC 5849 has it.
func formAnswer(id string, secret token.Secret, expires time.Time) *api.Response {
	text := url.Values{"oauth_token": {id}, "oauth_token_secret": {secret.Reveal()}, "oauth_expires_at": {viewTime(expires)}}.Encode()
	return &api.Response{Status: http.StatusCreated, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Cache-Control": {"no-store"}},
		Stream: io.NopCloser(strings.NewReader(text))}
}

// requestTokenCreate answers POST /v3/OS-OAUTH1/request_token.
func (s *Service) requestTokenCreate(ctx context.Context, r *api.Request) (any, error) {
	q, err := s.signedByConsumer(ctx, r, func(_ *db.Tx, q *oauthRequest) (token.Secret, error) {
		if q.params["oauth_token"] != "" {
			return "", denied("a request token is asked for with another token")
		}
		return "", nil
	})
	if err != nil {
		return nil, s.refusal(err)
	}
	project := r.HTTP.Header.Get("Requested-Project-Id")
	if project == "" || len(project) > 64 {
		return nil, api.BadRequest("Expecting to find the header Requested-Project-Id.")
	}
	secret := newSecret()
	row := requestTokenRow{ID: s.newID(), ConsumerID: q.params["oauth_consumer_key"], ProjectID: project, Roles: []string{},
		Expires: s.deps.Clock.Now().Add(requestTokenLifetime).Truncate(time.Second)}
	row.Sealed = s.deps.Vault.Seal([]byte(secret.Reveal()), "request token "+row.ID)
	if err := s.change(ctx, r, func(c *change) error {
		if _, err := projectByID(c.Tx, project); err != nil {
			return orMissing(err, "project", project)
		}
		if _, err := consumerByID(c.Tx, row.ConsumerID); err != nil {
			return s.refusal(orDenied(err, "consumer", row.ConsumerID))
		}
		return insertRequestToken(c, row)
	}); err != nil {
		return nil, err
	}
	return formAnswer(row.ID, secret, row.Expires), nil
}

// requestTokenGrant answers PUT /v3/OS-OAUTH1/authorize/{request_token_id}: the caller hands on
// roles that they have themselves.
func (s *Service) requestTokenGrant(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Roles []nameBody `json:"roles"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if r.Identity.Delegated() {
		return nil, api.Forbidden("Cannot authorize a request token with a token issued via delegation.")
	}
	verifier := newSecret()
	id := r.Param("request_token_id")
	if err := s.change(ctx, r, func(c *change) error {
		row, err := requestTokenByID(c.Tx, id)
		if err == nil && expired(row.Expires, c.now) {
			err = db.ErrNotFound
		}
		if err != nil {
			return orMissing(err, "Request Token", id)
		}
		if row.Roles, err = grantedRoles(c.Tx, r.Identity.UserID, row.ProjectID, body.Roles); err != nil {
			return err
		}
		row.UserID, row.VerifierHash = r.Identity.UserID, verifierHash(verifier.Reveal())
		granted, err := grantRequestToken(c, row)
		if err == nil && !granted {
			err = api.Forbidden("The request token has been authorized before.")
		}
		return err
	}); err != nil {
		return nil, err
	}
	return map[string]any{"token": map[string]string{"oauth_verifier": verifier.Reveal()}}, nil
}

// grantedRoles are the ids of roles that a user has on a project.
func grantedRoles(tx *db.Tx, userID, projectID string, wishes []nameBody) ([]string, error) {
	project, err := projectByID(tx, projectID)
	if err != nil {
		return nil, orMissing(err, "project", projectID)
	}
	held, err := rolesOnProject(tx, userID, project)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, wish := range wishes {
		at := slices.IndexFunc(held, func(role token.Role) bool {
			return wish.ID != "" && role.ID == wish.ID || wish.ID == "" && role.Name == wish.Name
		})
		if at < 0 {
			return nil, api.Forbidden("The authorizing user does not have a role that is required.")
		}
		if !slices.Contains(ids, held[at].ID) {
			ids = append(ids, held[at].ID)
		}
	}
	return ids, nil
}

func verifierHash(verifier string) string {
	digest := sha256.Sum256([]byte(verifier))
	return hex.EncodeToString(digest[:])
}

// accessTokenCreate answers POST /v3/OS-OAUTH1/access_token: it exchanges a granted request token.
func (s *Service) accessTokenCreate(ctx context.Context, r *api.Request) (any, error) {
	var wish requestTokenRow
	q, err := s.signedByConsumer(ctx, r, func(tx *db.Tx, q *oauthRequest) (token.Secret, error) {
		var err error
		if wish, err = requestTokenByID(tx, q.params["oauth_token"]); err != nil {
			return "", orDenied(err, "request token", q.params["oauth_token"])
		}
		if wish.ConsumerID != q.params["oauth_consumer_key"] || expired(wish.Expires, s.deps.Clock.Now()) {
			return "", denied("request token %s is another consumer's or too old", wish.ID)
		}
		secret, err := s.deps.Vault.Open(wish.Sealed, "request token "+wish.ID)
		return token.Secret(secret), err
	})
	if err == nil && (wish.UserID == "" || !same(wish.VerifierHash, verifierHash(q.params["oauth_verifier"]))) {
		err = denied("request token %s is not granted, or not with this verifier", wish.ID)
	}
	if err != nil {
		return nil, s.refusal(err)
	}
	secret := newSecret()
	row := accessTokenRow{ID: s.newID(), ConsumerID: wish.ConsumerID, ProjectID: wish.ProjectID, UserID: wish.UserID, Roles: wish.Roles,
		Expires: s.deps.Clock.Now().Add(accessTokenLifetime).Truncate(time.Second)}
	row.Sealed = s.deps.Vault.Seal([]byte(secret.Reveal()), "access token "+row.ID)
	if err := s.change(ctx, r, func(c *change) error {
		first, err := exchangeRequestToken(c, wish.ID, row)
		if err == nil && !first {
			err = denied("request token %s is gone", wish.ID)
		}
		return err
	}); err != nil {
		return nil, s.refusal(err)
	}
	return formAnswer(row.ID, secret, row.Expires), nil
}

// proveOAuth proves the user of the access token that the request is signed with.
func (s *Service) proveOAuth(ctx context.Context, r *api.Request) (claim, error) {
	var row accessTokenRow
	var user userRow
	if _, err := s.signedByConsumer(ctx, r, func(tx *db.Tx, q *oauthRequest) (token.Secret, error) {
		var err error
		if row, err = accessTokenByID(tx, q.params["oauth_token"]); err != nil {
			return "", orDenied(err, "access token", q.params["oauth_token"])
		}
		if row.ConsumerID != q.params["oauth_consumer_key"] || expired(row.Expires, s.deps.Clock.Now()) {
			return "", denied("access token %s is another consumer's or too old", row.ID)
		}
		if user, err = userByID(tx, row.UserID); err != nil {
			return "", orDenied(err, "user", row.UserID)
		}
		secret, err := s.deps.Vault.Open(row.Sealed, "access token "+row.ID)
		return token.Secret(secret), err
	}); err != nil {
		return claim{}, err
	}
	return claim{userID: user.ID, validAfter: user.ValidAfter, accessToken: row.ID, project: row.ProjectID}, nil
}

// handOn narrows an identity to what its access token hands on. The user must have all of it
// still.
func (s *Service) handOn(tx *db.Tx, identity *token.Identity, id string) error {
	row, err := accessTokenByID(tx, id)
	if err != nil {
		return orDenied(err, "access token", id)
	}
	if row.UserID != identity.UserID || row.ProjectID != identity.Project.ID || expired(row.Expires, s.deps.Clock.Now()) {
		return denied("access token %s does not stand", id)
	}
	held := identity.Roles
	has := func(id string) bool {
		return slices.ContainsFunc(held, func(role token.Role) bool { return role.ID == id })
	}
	for _, id := range row.Roles {
		if !has(id) {
			return denied("user %s has no longer the role %s that access token %s hands on", row.UserID, id, row.ID)
		}
	}
	if identity.Roles, err = expandRoles(tx, row.Roles); err != nil {
		return err
	}
	identity.Roles = slices.DeleteFunc(identity.Roles, func(role token.Role) bool { return !has(role.ID) })
	identity.AccessToken = token.AccessToken{ID: row.ID, ConsumerID: row.ConsumerID}
	if !row.Expires.IsZero() && row.Expires.Before(identity.ExpiresAt) {
		identity.ExpiresAt = row.Expires
	}
	return nil
}
