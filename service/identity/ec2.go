package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/token"
)

// accessHash is how a key pair is found by its access key, and the id of a new one.
func accessHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

func readEC2(text token.Secret) (ec2Blob, error) {
	var blob ec2Blob
	err := json.Unmarshal([]byte(text.Reveal()), &blob)
	return blob, err
}

func (s *Service) openEC2(row credentialRow) (ec2Blob, error) {
	text, err := s.openBlob(row)
	if err != nil {
		return ec2Blob{}, err
	}
	return readEC2(text)
}

// loadEC2 finds a key pair by its access key, through the user that the path names.
func (s *Service) loadEC2(ctx context.Context, r *api.Request) (api.Target, error) {
	access, owner := r.Param("access"), r.Param("user_id")
	found := loaded[credentialRow]{target: authz.Target{"user_id": owner}}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found.row, err = credentialByAccess(tx, access)
		return err
	})
	switch {
	case errors.Is(err, db.ErrNotFound) || err == nil && (found.row.Type != credentialEC2 || found.row.UserID != owner):
		found.missing = notFound("credential", access)
	case err != nil:
		return nil, err
	default:
		found.target = credentialTarget(found.row)
	}
	found.target["user_id"] = owner
	return found, nil
}

// ec2List answers GET /v3/users/{user_id}/credentials/OS-EC2.
func (s *Service) ec2List(ctx context.Context, r *api.Request) (any, error) {
	user, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	var rows []credentialRow
	if err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err = credentialsOf(tx, user.ID, credentialEC2)
		return err
	}); err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(row credentialRow) bool { return withinDelegation(r.Identity, row.ProjectID) != nil })
	return bounded(r, "credentials", rows, s.viewEC2)
}

// ec2Create answers POST /v3/users/{user_id}/credentials/OS-EC2.
func (s *Service) ec2Create(ctx context.Context, r *api.Request) (any, error) {
	user, err := the[userRow](r)
	if err != nil {
		return nil, err
	}
	var body struct {
		TenantID string `json:"tenant_id"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row := credentialRow{Type: credentialEC2, UserID: user.ID, ProjectID: body.TenantID}
	if err := bindDelegation(r.Identity, &row); err != nil {
		return nil, err
	}
	blob := ec2Blob{Access: s.newID(), Secret: secretText{newSecret()[:32]}, TrustID: nullable(row.TrustID), AppCredID: row.AppCredID}
	row.ID, row.Access = accessHash(blob.Access), accessHash(blob.Access)
	text, err := json.Marshal(map[string]any{"access": blob.Access, "secret": blob.Secret.Reveal(), "trust_id": blob.TrustID, "app_cred_id": nullable(blob.AppCredID)})
	if err != nil {
		return nil, err
	}
	s.sealBlob(&row, token.Secret(text))
	if err := s.createCredential(ctx, r, row); err != nil {
		return nil, err
	}
	view, err := s.viewEC2(r, row)
	return map[string]any{"credential": view}, err
}

// ec2Show answers GET /v3/users/{user_id}/credentials/OS-EC2/{access}.
func (s *Service) ec2Show(_ context.Context, r *api.Request) (any, error) {
	row, err := delegatedCredential(r)
	if err != nil {
		return nil, err
	}
	view, err := s.viewEC2(r, row)
	return map[string]any{"credential": view}, err
}

// methodEC2 is how tokens call it that were got by a signature of a key pair.
const methodEC2 = "ec2credential"

// ec2Authenticate answers POST /v3/ec2tokens: a service that was sent a signed request asks
// whose it is.
func (s *Service) ec2Authenticate(ctx context.Context, r *api.Request) (any, error) {
	return s.authenticateSigned(ctx, r, func(signed *signedRequest, secret token.Secret) bool { return signed.verifiesEC2(secret) })
}

// s3Authenticate answers POST /v3/s3tokens: the same for requests to an object store.
func (s *Service) s3Authenticate(ctx context.Context, r *api.Request) (any, error) {
	return s.authenticateSigned(ctx, r, func(signed *signedRequest, secret token.Secret) bool { return signed.verifiesS3(secret) })
}

// authenticateSigned issues a token for the owner of the key that has signed. It never tells
// why it does not.
func (s *Service) authenticateSigned(ctx context.Context, r *api.Request, verifies func(*signedRequest, token.Secret) bool) (any, error) {
	var body struct {
		Credentials    *signedRequest `json:"credentials"`
		Credential     *signedRequest `json:"credential"`
		EC2Credentials *signedRequest `json:"ec2Credentials"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	signed := body.Credentials
	for _, other := range []*signedRequest{body.Credential, body.EC2Credentials} {
		if signed == nil {
			signed = other
		}
	}
	if signed == nil || signed.Access == "" {
		return nil, api.BadRequest("Expecting to find access and signature in credentials.")
	}
	proved, err := s.proveSigned(ctx, signed, verifies)
	if err != nil {
		s.recordRefusal(r, methodEC2, nil, err)
		return nil, s.refusal(err)
	}
	now := s.deps.Clock.Now()
	since := s.cache.Generation()
	scope := &scopeBody{Project: &nameBody{ID: proved.project}}
	if proved.trust != "" { // the token is that of the trust under which the key pair was made
		scope = &scopeBody{Trust: &nameBody{ID: proved.trust}}
	}
	identity, payload, err := s.scoped(ctx, token.Payload{
		UserID: proved.userID, Methods: []string{methodEC2}, AuditIDs: []string{token.NewAuditID()}, AppCredID: proved.appCredential,
		IssuedAt: issueTime(now, proved.validAfter), ExpiresAt: s.tokenEnd(now),
	}, scope, proved)
	if err == nil {
		err = s.spendTrust(ctx, payload.TrustID)
	}
	if err != nil {
		return nil, s.refusal(err)
	}
	text, err := s.tokens.Issue(payload)
	if err != nil {
		return nil, err
	}
	if err := s.recordAuthentication(ctx, r, payload.Methods, identity); err != nil {
		return nil, err
	}
	s.cache.Put(text.Reveal(), identity, since)
	return s.tokenAnswer(ctx, r, http.StatusOK, identity, text.Reveal())
}

// proveSigned finds the key pair and checks the signature and its time.
func (s *Service) proveSigned(ctx context.Context, signed *signedRequest, verifies func(*signedRequest, token.Secret) bool) (claim, error) {
	var row credentialRow
	var user userRow
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if row, err = credentialByAccess(tx, signed.Access); err != nil {
			return orDenied(err, "access key", signed.Access)
		}
		user, err = userByID(tx, row.UserID)
		return orDenied(err, "user", row.UserID)
	})
	if err != nil {
		return claim{}, err
	}
	if row.Type != credentialEC2 {
		return claim{}, denied("credential %s gives no token", row.ID)
	}
	blob, err := s.openEC2(row)
	if err != nil {
		return claim{}, err
	}
	if !verifies(signed, blob.Secret.Secret) || !signed.fresh(s.deps.Clock.Now()) {
		return claim{}, &refusedLogin{row.UserID, "the signature is wrong or too old"}
	}
	return claim{userID: user.ID, validAfter: user.ValidAfter, appCredential: row.AppCredID, project: row.ProjectID, trust: row.TrustID}, nil
}
