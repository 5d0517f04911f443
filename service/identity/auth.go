package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/token"
)

const (
	methodPassword      = "password"
	methodToken         = "token"
	methodAppCredential = "application_credential"
	methodTOTP          = "totp"
)

// claim is what one authentication method has proved.
type claim struct {
	userID string
	// validAfter is the user's at the time of the proof; a token is issued only if it is
	// the same still.
	validAfter int64
	// parent is the identity of the token that was shown, nil for other methods.
	parent *token.Identity
	// appCredential is the credential that was shown, or that the shown token stands on.
	appCredential, project string
	// accessToken is the OAuth1 access token that the request was signed with.
	accessToken string
	// trust is the one under which a shown key pair was made.
	trust string
}

// tokenIssue answers POST /v3/auth/tokens.
func (s *Service) tokenIssue(ctx context.Context, r *api.Request) (any, error) {
	var body authBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	scope, err := readScope(body.Auth.Scope)
	if err != nil {
		return nil, err
	}
	now := s.deps.Clock.Now()
	proved, methods, err := s.authenticate(ctx, r, &body)
	if err != nil {
		return nil, s.refusal(err)
	}
	if rest, err := s.missingFactors(ctx, proved, methods); err != nil {
		return nil, s.refusal(err)
	} else if len(rest) > 0 {
		return s.receiptAnswer(proved, methods, rest)
	}
	since := s.cache.Generation()
	payload := token.Payload{
		UserID: proved.userID, Methods: methods, AuditIDs: []string{token.NewAuditID()}, AppCredID: proved.appCredential,
		AccessTokenID: proved.accessToken,
		IssuedAt:      issueTime(now, proved.validAfter), ExpiresAt: s.tokenEnd(now),
	}
	if parent := proved.parent; parent != nil {
		payload.AuditIDs = append(payload.AuditIDs, parent.AuditChainID())
		payload.ExpiresAt = parent.ExpiresAt
		for _, method := range parent.Methods {
			if !slices.Contains(payload.Methods, method) {
				payload.Methods = append(payload.Methods, method)
			}
		}
	}
	identity, payload, err := s.scoped(ctx, payload, scope, proved)
	if err != nil {
		return nil, s.refusal(err)
	}
	if err := s.spendTrust(ctx, payload.TrustID); err != nil {
		return nil, s.refusal(err)
	}
	if err := s.recordLineage(ctx, r, proved.parent, payload); err != nil {
		return nil, s.refusal(err)
	}
	text, err := s.tokens.Issue(payload)
	if err != nil {
		return nil, err
	}
	if err := s.recordAuthentication(ctx, r, methods, identity); err != nil {
		return nil, err
	}
	s.cache.Put(text.Reveal(), identity, since)
	return s.tokenAnswer(ctx, r, http.StatusCreated, identity, text.Reveal())
}

// issueTime is the whole second that a token carries as its time of issue: after those
// that a change of the user has made void.
func issueTime(now time.Time, validAfter int64) time.Time {
	return time.Unix(max(now.Unix(), validAfter+1), 0).UTC()
}

// tokenEnd is when a token that is made now ends; signed ones end on a whole second.
func (s *Service) tokenEnd(now time.Time) time.Time {
	end := now.Add(s.deps.TokenLifetime)
	if s.deps.TokenKind == token.KindJWS {
		end = end.Truncate(time.Second)
	}
	return end
}

// refusal hides from the caller why an authentication failed.
func (s *Service) refusal(err error) error {
	var told *api.Error
	if errors.As(err, &told) { // what is told was decided where it was known
		return err
	}
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
		return s.unauthorized().Because(err)
	}
	return err
}

// authenticate runs every method of the body once; all must prove the same user, and so must a
// receipt for methods that were passed before.
func (s *Service) authenticate(ctx context.Context, r *api.Request, body *authBody) (claim, []string, error) {
	var methods []string
	for _, method := range body.Auth.Identity.Methods {
		if !slices.Contains(methods, method) {
			methods = append(methods, method)
		}
		if len(methods) > 5 {
			break // there are no more that are supported
		}
	}
	if len(methods) == 0 {
		return claim{}, nil, api.BadRequest("Expecting to find at least one authentication method in identity.")
	}
	if len(methods) > 1 && slices.Contains(methods, methodOAuth1) {
		return claim{}, nil, denied("an access token is shown beside something else")
	}
	var proved claim
	for _, method := range methods {
		one, err := s.prove(ctx, r, method, body)
		if err != nil {
			s.recordRefusal(r, method, body.named(method), err)
			return claim{}, nil, err
		}
		if proved.userID != "" && proved.userID != one.userID {
			return claim{}, nil, denied("methods prove different users")
		}
		if proved.userID != "" {
			one.validAfter = min(one.validAfter, proved.validAfter)
			if one.parent == nil {
				one.parent = proved.parent
			}
			if one.appCredential == "" {
				one.appCredential, one.project = proved.appCredential, proved.project
			}
		}
		proved = one
	}
	methods, err := s.redeem(r, proved, methods)
	return proved, methods, err
}

func (s *Service) prove(ctx context.Context, r *api.Request, method string, body *authBody) (claim, error) {
	identity := &body.Auth.Identity
	switch {
	case method == methodPassword && identity.Password != nil:
		return s.provePassword(ctx, identity.Password)
	case method == methodToken && identity.Token != nil:
		return s.proveToken(ctx, identity.Token.ID.Reveal())
	case method == methodAppCredential && identity.AppCredential != nil:
		return s.proveAppCredential(ctx, identity.AppCredential)
	case method == methodTOTP && identity.TOTP != nil:
		return s.proveTOTP(ctx, identity.TOTP)
	case method == methodOAuth1 && identity.OAuth1 != nil:
		return s.proveOAuth(ctx, r)
	case slices.Contains([]string{methodPassword, methodToken, methodAppCredential, methodTOTP, methodOAuth1}, method):
		return claim{}, api.BadRequest("Expecting to find %s in identity.", method)
	}
	e := s.unauthorized()
	e.Message = "Attempted to authenticate with an unsupported method."
	return claim{}, e
}

// provePassword proves a user by a password that has not expired.
func (s *Service) provePassword(ctx context.Context, body *passwordBody) (claim, error) {
	user, err := s.checkPassword(ctx, body)
	if err != nil {
		return claim{}, err
	}
	if s.deps.PasswordRules.stale(user, s.deps.Clock.Now()) {
		return claim{}, errors.Join(s.expiredPassword(user.ID), &refusedLogin{user.ID, "the password is expired"})
	}
	return claim{userID: user.ID, validAfter: user.ValidAfter}, nil
}

// proveToken validates the shown token against the database, not the cache, so that the
// user's validAfter belongs to the same moment. One that does not stand is not found, as in
// keystone.
func (s *Service) proveToken(ctx context.Context, text string) (claim, error) {
	payload, err := s.tokens.Open(text, s.deps.Clock.Now())
	var found standing
	if err == nil {
		err = s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
			found, err = s.standing(tx, payload)
			return err
		})
	}
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
		return claim{}, api.NotFound("Failed to validate token").Because(err)
	}
	if err != nil {
		return claim{}, err
	}
	if found.identity.AccessToken.ID != "" {
		return claim{}, api.Forbidden("You are not authorized to perform the requested action: make a token from one of an access token.")
	}
	proved := claim{userID: found.user.ID, validAfter: found.user.ValidAfter, parent: found.identity}
	if found.identity.AppCred.ID != "" {
		proved.appCredential, proved.project = found.identity.AppCred.ID, found.identity.Project.ID
	}
	return proved, nil
}

// proveAppCredential compares the secret of an application credential.
func (s *Service) proveAppCredential(ctx context.Context, body *appCredentialAuth) (claim, error) {
	if body.ID == "" {
		if body.Name == "" || body.User == nil {
			return claim{}, api.BadRequest("Expecting to find id, or name and user in application_credential.")
		}
		if err := checkNamed(body.User, "user"); err != nil {
			return claim{}, err
		}
	}
	var row appCredentialRow
	var user userRow
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if row, err = findAppCredential(tx, body); err != nil {
			return err
		}
		user, err = userByID(tx, row.UserID)
		return err
	})
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return claim{}, err
	}
	right, err := s.hasher.matches(ctx, body.Secret.Secret, row.SecretHash)
	if err != nil {
		return claim{}, err
	}
	if !right || !user.Enabled {
		return claim{}, &refusedLogin{user.ID, "the application credential or its secret is wrong"}
	}
	return claim{userID: user.ID, validAfter: user.ValidAfter, appCredential: row.ID, project: row.ProjectID}, nil
}

func findAppCredential(tx *db.Tx, body *appCredentialAuth) (appCredentialRow, error) {
	if body.ID != "" {
		return appCredentialByID(tx, body.ID)
	}
	user, err := findUser(tx, body.User)
	if err != nil {
		return appCredentialRow{}, err
	}
	return appCredentialByName(tx, user.ID, body.Name)
}

// recordLineage makes revoking a token reach those made from it also where the chain id
// does not: below the first of a chain.
func (s *Service) recordLineage(ctx context.Context, r *api.Request, parent *token.Identity, p token.Payload) error {
	if parent == nil || parent.AuditID() == parent.AuditChainID() {
		return nil
	}
	return s.change(ctx, r, func(c *change) error {
		stands, err := insertLineage(c, lineageRow{AuditID: p.AuditIDs[0], ParentID: parent.AuditID(), Expires: p.ExpiresAt})
		if err == nil && !stands {
			err = denied("token %s is revoked", parent.AuditID())
		}
		return err
	})
}

// tokenAnswer shows a token, with the catalog unless the client asked for none.
func (s *Service) tokenAnswer(ctx context.Context, r *api.Request, status int, identity *token.Identity, text string) (any, error) {
	answer := &api.Response{Status: status, Header: http.Header{"X-Subject-Token": {text}}}
	if identity.Scope() == token.ScopeUnscoped || r.Query.Has("nocatalog") {
		answer.Body = viewToken(identity, nil)
		return answer, nil
	}
	catalog, err := s.catalogFor(ctx, identity)
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	answer.Body = viewToken(identity, catalog)
	return answer, nil
}
