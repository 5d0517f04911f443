package identity

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/token"
)

// The types of credentials that mean something to this service.
const (
	credentialEC2  = "ec2"
	credentialTOTP = "totp"
)

func (s *Service) loadCredential() api.Loader {
	return loader(s, "credential", credentialByID, credentialTarget)
}

func credentialTarget(row credentialRow) authz.Target {
	return targetOf("credential", map[string]any{"id": row.ID, "user_id": row.UserID, "project_id": orNil(row.ProjectID), "type": row.Type})
}

// sealBlob puts a blob into a row. It opens in that row alone.
func (s *Service) sealBlob(row *credentialRow, blob token.Secret) {
	row.Sealed = s.deps.Vault.Seal([]byte(blob.Reveal()), "credential "+row.ID)
}

func (s *Service) openBlob(row credentialRow) (token.Secret, error) {
	text, err := s.deps.Vault.Open(row.Sealed, "credential "+row.ID)
	return token.Secret(text), err
}

// ownCredentials has the rule of a list see the caller as the owner of what is listed: who
// is no more than that gets their own.
func (s *Service) ownCredentials(_ context.Context, r *api.Request) (api.Target, error) {
	return loaded[credentialRow]{target: credentialTarget(credentialRow{UserID: r.Identity.UserID})}, nil
}

// credentialList answers GET /v3/credentials.
func (s *Service) credentialList(ctx context.Context, r *api.Request) (any, error) {
	shape := listing{table: "credentials", sorts: []string{"id", "type"}, filters: map[string]filter{
		"user_id": {"user_id", filterExact}, "type": {"type", filterExact}, "project_id": {"project_id", filterExact}}}
	list, err := shape.query(r)
	if err != nil {
		return nil, err
	}
	if !r.Can("identity:list_credentials", credentialTarget(credentialRow{UserID: "somebody else"})) {
		ofUser(list, r.Identity.UserID)
	}
	confineToDelegation(r.Identity, list)
	return listOf(ctx, s, r, "credentials", list, func(row credentialRow) string { return row.ID }, s.viewCredential)
}

// credentialShow answers GET /v3/credentials/{credential_id}.
func (s *Service) credentialShow(_ context.Context, r *api.Request) (any, error) {
	row, err := delegatedCredential(r)
	if err != nil {
		return nil, err
	}
	return s.showCredential(r, row)
}

func (s *Service) showCredential(r *api.Request, row credentialRow) (any, error) {
	view, err := s.viewCredential(r, row)
	return map[string]any{"credential": view}, err
}

// credentialCreate answers POST /v3/credentials.
func (s *Service) credentialCreate(ctx context.Context, r *api.Request) (any, error) {
	if err := notHandedOn(r.Identity); err != nil {
		return nil, err
	}
	var body credentialBody
	extra, err := decodeResource(r, "credential", &body)
	if err != nil {
		return nil, err
	}
	row := credentialRow{ID: s.newID(), Type: body.Type.Value, UserID: body.UserID.Value, ProjectID: body.ProjectID.Value}
	if row.UserID == "" {
		row.UserID = r.Identity.UserID
	}
	if err := r.May("identity:create_credential", credentialTarget(row)); err != nil {
		return nil, err
	}
	if err := withinDelegation(r.Identity, row.ProjectID); err != nil {
		return nil, err
	}
	if row.Extra, err = mergeExtra(nil, extra); err != nil {
		return nil, err
	}
	blob := body.Blob.Value.Secret
	if row.Type == credentialEC2 {
		if blob, err = s.bindEC2(r, &row, blob); err != nil {
			return nil, err
		}
	}
	if err := checkSeed(row.Type, blob); err != nil {
		return nil, err
	}
	s.sealBlob(&row, blob)
	if err := s.createCredential(ctx, r, row); err != nil {
		return nil, err
	}
	return s.showCredential(r, row)
}

// createCredential stores a new credential of a user who is there.
func (s *Service) createCredential(ctx context.Context, r *api.Request, row credentialRow) error {
	err := s.change(ctx, r, func(c *change) error {
		if _, err := userByID(c.Tx, row.UserID); err != nil {
			return orMissing(err, "user", row.UserID)
		}
		if row.ProjectID != "" {
			if _, err := projectByID(c.Tx, row.ProjectID); err != nil {
				return orMissing(err, "project", row.ProjectID)
			}
		}
		return insertCredential(c, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = conflict("credential", "Duplicate entry found with this access key")
	}
	return err
}

// bindEC2 checks the blob of a new credential of the type ec2, which decides its id, and binds
// the credential to the delegation that its maker's token stands on.
func (s *Service) bindEC2(r *api.Request, row *credentialRow, text token.Secret) (token.Secret, error) {
	if row.ProjectID == "" {
		return "", api.BadRequest("Invalid input for field 'project_id': a credential of the type ec2 needs a project.")
	}
	if err := bindDelegation(r.Identity, row); err != nil {
		return "", err
	}
	var blob map[string]any
	if err := json.Unmarshal([]byte(text.Reveal()), &blob); err != nil {
		return "", api.BadRequest("Invalid blob in credential")
	}
	access, _ := blob["access"].(string)
	if secret, _ := blob["secret"].(string); access == "" || secret == "" {
		return "", api.BadRequest("Expecting to find access and secret in blob." + malformed)
	}
	row.ID, row.Access = accessHash(access), accessHash(access)
	delete(blob, "trust_id")
	delete(blob, "app_cred_id")
	delete(blob, "access_token_id")
	if row.TrustID != "" {
		blob["trust_id"] = row.TrustID
	}
	if row.AppCredID != "" {
		blob["app_cred_id"] = row.AppCredID
	}
	bound, err := json.Marshal(blob)
	return token.Secret(bound), err
}

// notHandedOn refuses those who stand on an access token: what was handed on to a consumer is to
// end with that.
func notHandedOn(who *token.Identity) error {
	if who.AccessToken.ID == "" {
		return nil
	}
	return api.Forbidden("You are not authorized to perform the requested action: manage credentials with a token of an access token.")
}

// bindDelegation has a credential give no more than the token that makes it. Whoever stands
// on a restricted application credential makes none.
func bindDelegation(maker *token.Identity, row *credentialRow) error {
	if !maker.Delegated() {
		return nil
	}
	if err := notHandedOn(maker); err != nil {
		return err
	}
	if maker.AppCred.Restricted || len(maker.AppCred.AccessRules) > 0 {
		return restrictedCredential()
	}
	if row.ProjectID != maker.Project.ID || row.UserID != maker.UserID {
		return api.Forbidden("A delegated token makes credentials of its own user and project only.")
	}
	row.TrustID, row.AppCredID = maker.Trust.ID, maker.AppCred.ID
	return nil
}

// credentialUpdate answers PATCH /v3/credentials/{credential_id}.
func (s *Service) credentialUpdate(ctx context.Context, r *api.Request) (any, error) {
	if err := notHandedOn(r.Identity); err != nil {
		return nil, err
	}
	found, err := delegatedCredential(r)
	if err != nil {
		return nil, err
	}
	var body credentialBody
	extra, err := decodeResource(r, "credential", &body)
	if err != nil {
		return nil, err
	}
	var row credentialRow
	err = s.change(ctx, r, func(c *change) error {
		before, err := credentialByID(c.Tx, found.ID)
		if err != nil {
			return orMissing(err, "credential", found.ID)
		}
		if row, err = s.changed(before, body); err != nil {
			return err
		}
		if row.Extra, err = mergeExtra(nonNil(before.Extra), extra); err != nil {
			return err
		}
		// The rule is asked again for what the credential would become: nobody gives theirs to
		// another, or makes another's their own.
		if err := r.May("identity:update_credential", credentialTarget(row)); err != nil {
			return err
		}
		if err := withinDelegation(r.Identity, row.ProjectID); err != nil {
			return err
		}
		if row.ProjectID != before.ProjectID && row.ProjectID != "" {
			if _, err := projectByID(c.Tx, row.ProjectID); err != nil {
				return orMissing(err, "project", row.ProjectID)
			}
		}
		if row.UserID != before.UserID {
			if _, err := userByID(c.Tx, row.UserID); err != nil {
				return orMissing(err, "user", row.UserID)
			}
		}
		return updateCredential(c, before, row)
	})
	if errors.Is(err, db.ErrDuplicate) {
		err = conflict("credential", "Duplicate entry found with this access key")
	}
	if err != nil {
		return nil, err
	}
	return s.showCredential(r, row)
}

// changed is a credential with what a body says. That of the type ec2 keeps its type and the
// delegation that it was made under, and, where there was one, its owner and project.
func (s *Service) changed(before credentialRow, body credentialBody) (credentialRow, error) {
	row := before
	row.Type, row.UserID, row.ProjectID = body.Type.or(row.Type), body.UserID.or(row.UserID), body.ProjectID.or(row.ProjectID)
	if (before.Type == credentialEC2) != (row.Type == credentialEC2) {
		return row, api.BadRequest("The type of a credential cannot be changed from or to ec2.")
	}
	if row.Type == credentialEC2 && row.ProjectID == "" {
		return row, api.BadRequest("Invalid input for field 'project_id': a credential of the type ec2 needs a project.")
	}
	if (before.TrustID != "" || before.AppCredID != "") && (row.UserID != before.UserID || row.ProjectID != before.ProjectID) {
		return row, api.Forbidden("The user and the project of a delegated credential cannot be changed.")
	}
	if !body.Blob.Set {
		return row, nil
	}
	blob := body.Blob.Value.Secret
	if row.Type == credentialEC2 {
		given, err := readEC2(blob)
		if err != nil || given.Access == "" || given.Secret.Secret == "" {
			return row, api.BadRequest("Expecting to find access and secret in blob." + malformed)
		}
		row.Access = accessHash(given.Access)
		if stored(given.TrustID) != row.TrustID || given.AppCredID != row.AppCredID {
			return row, api.BadRequest("The trust and the application credential of a credential cannot be changed.")
		}
	}
	s.sealBlob(&row, blob)
	return row, checkSeed(row.Type, blob)
}

func stored(id *string) string {
	if id == nil {
		return ""
	}
	return *id
}

// credentialDelete answers DELETE /v3/credentials/{credential_id}.
func (s *Service) credentialDelete(ctx context.Context, r *api.Request) (any, error) {
	if err := notHandedOn(r.Identity); err != nil {
		return nil, err
	}
	row, err := delegatedCredential(r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, r, func(c *change) error { return removeCredential(c, row) })
}

// checkSeed refuses a seed of one-time passwords that no code could be made from (RFC 6238:
// base32, at least 128 bits).
func checkSeed(kind string, blob token.Secret) error {
	if !strings.EqualFold(kind, credentialTOTP) {
		return nil
	}
	if seed, err := readSeed(blob); err != nil || len(seed) < minSeedBytes {
		return api.BadRequest("Invalid blob in credential: a seed of one-time passwords is base32 of at least %d bytes.", minSeedBytes)
	}
	return nil
}
