package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"virga/core/db"
	"virga/core/token"
)

// validator is the Authenticator behind the cache: it opens a token and asks the
// database whether it still stands.
type validator struct{ service *Service }

// Authenticate implements token.Authenticator.
func (v validator) Authenticate(ctx context.Context, text string) (*token.Identity, error) {
	payload, err := v.service.tokens.Open(text, v.service.deps.Clock.Now())
	if err != nil {
		return nil, err
	}
	return v.service.identify(ctx, payload)
}

// identify finds out who the bearer of a genuine token is; token.ErrInvalid when the
// token no longer stands.
func (s *Service) identify(ctx context.Context, p token.Payload) (*token.Identity, error) {
	var identity *token.Identity
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		found, err := s.standing(tx, p)
		if err == nil {
			identity = found.identity
		}
		return err
	})
	return identity, err
}

// denied is a reason why a token does not stand; the caller is never told which.
func denied(format string, args ...any) error {
	return fmt.Errorf("%w: %s", token.ErrInvalid, fmt.Sprintf(format, args...))
}

// orDenied turns a missing row into a reason, other errors stay.
func orDenied(err error, what, id string) error {
	if errors.Is(err, db.ErrNotFound) {
		return denied("%s %s is gone", what, id)
	}
	return err
}

// standing is a token that stands: its identity, and what new tokens of the user must
// know of it.
type standing struct {
	identity *token.Identity
	user     userRow
}

// standing checks a token's payload against the database. It is used for tokens that
// come and for tokens about to be issued, so none is issued that would not be accepted.
func (s *Service) standing(tx *db.Tx, p token.Payload) (standing, error) {
	user, err := userByID(tx, p.UserID)
	if err != nil {
		return standing{}, orDenied(err, "user", p.UserID)
	}
	if !user.Enabled {
		return standing{}, denied("user %s is disabled", user.ID)
	}
	if p.IssuedAt.Unix() <= user.ValidAfter {
		return standing{}, denied("tokens of user %s from before %d are void", user.ID, user.ValidAfter)
	}
	home, err := enabledDomain(tx, user.DomainID)
	if err != nil {
		return standing{}, err
	}
	void, err := revoked(tx, p.AuditIDs)
	if err != nil {
		return standing{}, err
	}
	if void {
		return standing{}, denied("the token is revoked")
	}
	identity := &token.Identity{
		PasswordExpiresAt: user.PasswordExpires, UserID: user.ID, UserName: user.Name, UserDomain: token.Domain{ID: home.ID, Name: home.Name},
		Methods: p.Methods, AuditIDs: p.AuditIDs, IssuedAt: p.IssuedAt, ExpiresAt: p.ExpiresAt,
	}
	if err := setScope(tx, identity, p, home); err != nil {
		return standing{}, err
	}
	if p.TrustID != "" {
		if err := s.entrust(tx, identity, p.TrustID); err != nil {
			return standing{}, err
		}
	}
	if p.AppCredID != "" {
		if err := s.restrict(tx, identity, p.AppCredID); err != nil {
			return standing{}, err
		}
	}
	if p.AccessTokenID != "" {
		if err := s.handOn(tx, identity, p.AccessTokenID); err != nil {
			return standing{}, err
		}
	}
	if identity.Scope() != token.ScopeUnscoped && len(identity.Roles) == 0 {
		return standing{}, denied("user %s has no role in the scope", user.ID)
	}
	return standing{identity, user}, nil
}

// setScope fills in the scope and the roles in it. home is the user's domain, which most
// projects belong to.
func setScope(tx *db.Tx, identity *token.Identity, p token.Payload, home projectRow) (err error) {
	switch {
	case p.ProjectID != "":
		project, err := enabledProject(tx, p.ProjectID)
		if err != nil {
			return err
		}
		domain := home
		if project.owner() != home.ID {
			if domain, err = enabledDomain(tx, project.owner()); err != nil {
				return err
			}
		}
		identity.Project = token.Project{
			ID: project.ID, Name: project.Name, DomainID: domain.ID, DomainName: domain.Name, IsDomain: project.IsDomain,
		}
		identity.Roles, err = rolesOnProject(tx, identity.UserID, project)
		return err
	case p.DomainID != "":
		domain, err := enabledDomain(tx, p.DomainID)
		if err != nil {
			return err
		}
		identity.Domain = token.Domain{ID: domain.ID, Name: domain.Name}
		identity.Roles, err = rolesOn(tx, identity.UserID, targetDomain, domain.ID)
		return err
	case p.System:
		identity.System = true
		identity.Roles, err = rolesOn(tx, identity.UserID, targetSystem, systemID)
		return err
	}
	return nil
}

// restrict narrows an identity to what its application credential allows.
func (s *Service) restrict(tx *db.Tx, identity *token.Identity, id string) error {
	row, err := appCredentialByID(tx, id)
	if err != nil {
		return orDenied(err, "application credential", id)
	}
	if row.UserID != identity.UserID || row.ProjectID != identity.Project.ID || expired(row.Expires, s.deps.Clock.Now()) {
		return denied("application credential %s does not stand", id)
	}
	implied, err := implications(tx)
	if err != nil {
		return err
	}
	granted, _ := withImplied(row.Roles, implied)
	identity.Roles = slices.DeleteFunc(identity.Roles, func(role token.Role) bool { return !slices.Contains(granted, role.ID) })
	identity.AppCred = token.AppCred{ID: row.ID, Name: row.Name, Restricted: !row.Unrestricted, AccessRules: row.AccessRules}
	return nil
}

// expired tells whether a moment is past; the zero time never is.
func expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

func enabledDomain(tx *db.Tx, id string) (projectRow, error) {
	domain, err := projectByID(tx, id)
	if err != nil {
		return domain, orDenied(err, "domain", id)
	}
	if !domain.IsDomain || !domain.Enabled {
		return domain, denied("domain %s is disabled", id)
	}
	return domain, nil
}

func enabledProject(tx *db.Tx, id string) (projectRow, error) {
	project, err := projectByID(tx, id)
	if err != nil {
		return project, orDenied(err, "project", id)
	}
	if !project.Enabled {
		return project, denied("project %s is disabled", id)
	}
	return project, nil
}
