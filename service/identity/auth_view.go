package identity

import (
	"encoding/json"
	"time"

	"virga/core/token"
)

// authBody is the body of POST /v3/auth/tokens.
type authBody struct {
	Auth struct {
		Identity struct {
			Methods       []string           `json:"methods"`
			Password      *passwordBody      `json:"password"`
			Token         *tokenBody         `json:"token"`
			AppCredential *appCredentialAuth `json:"application_credential"`
			TOTP          *totpBody          `json:"totp"`
			OAuth1        *struct{}          `json:"oauth1"`
		} `json:"identity"`
		Scope json.RawMessage `json:"scope"`
	} `json:"auth"`
}

// named is what a body calls the user of a method; nil for none.
func (b *authBody) named(method string) *nameBody {
	identity := &b.Auth.Identity
	switch {
	case method == methodPassword && identity.Password != nil:
		return &identity.Password.User.nameBody
	case method == methodTOTP && identity.TOTP != nil:
		return &identity.TOTP.User.nameBody
	case method == methodAppCredential && identity.AppCredential != nil:
		return identity.AppCredential.User
	}
	return nil
}

// nameBody names a domain, or anything in a domain, by id or by name.
type nameBody struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Domain *nameBody `json:"domain"`
}

type passwordBody struct {
	User userPassword `json:"user"`
}

type userPassword struct {
	nameBody
	Password secretText `json:"password"`
}

type totpBody struct {
	User userPasscode `json:"user"`
}

type userPasscode struct {
	nameBody
	Passcode secretText `json:"passcode"`
}

type tokenBody struct {
	ID secretText `json:"id"`
}

type appCredentialAuth struct {
	ID     string     `json:"id"`
	Name   string     `json:"name"`
	User   *nameBody  `json:"user"`
	Secret secretText `json:"secret"`
}

// secretText reads a secret from JSON.
type secretText struct{ token.Secret }

// UnmarshalJSON implements json.Unmarshaler.
func (t *secretText) UnmarshalJSON(text []byte) error {
	var plain string
	err := json.Unmarshal(text, &plain)
	t.Secret = token.Secret(plain)
	return err
}

// scopeBody is the scope that a token is asked for.
type scopeBody struct {
	Project  *nameBody `json:"project"`
	Domain   *nameBody `json:"domain"`
	System   *struct{} `json:"system"`
	Trust    *nameBody `json:"OS-TRUST:trust"`
	Unscoped *struct{} `json:"unscoped"`
}

// domainView names a domain inside of other resources.
type domainView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// tokenView is a token as clients see it.
type tokenView struct {
	Methods       []string          `json:"methods"`
	User          tokenUserView     `json:"user"`
	AuditIDs      []string          `json:"audit_ids"`
	ExpiresAt     string            `json:"expires_at"`
	IssuedAt      string            `json:"issued_at"`
	Project       *tokenProjectView `json:"project,omitempty"`
	IsDomain      *bool             `json:"is_domain,omitempty"`
	Domain        *domainView       `json:"domain,omitempty"`
	System        map[string]bool   `json:"system,omitempty"`
	Roles         []domainView      `json:"roles,omitempty"`
	Catalog       json.RawMessage   `json:"catalog,omitempty"`
	AppCredential *tokenAppCredView `json:"application_credential,omitempty"`
	Trust         *tokenTrustView   `json:"OS-TRUST:trust,omitempty"`
	OAuth1        *tokenOAuthView   `json:"OS-OAUTH1,omitempty"`
}

type tokenUserView struct {
	ID                string     `json:"id"`
	Name              string     `json:"name"`
	Domain            domainView `json:"domain"`
	PasswordExpiresAt *string    `json:"password_expires_at"`
}

type tokenProjectView struct {
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	Domain *domainView `json:"domain"`
}

type tokenAppCredView struct {
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	Restricted  bool             `json:"restricted"`
	AccessRules []accessRuleView `json:"access_rules,omitempty"`
}

// tokenOAuthView names the access token that a token stands on.
type tokenOAuthView struct {
	AccessTokenID string `json:"access_token_id"`
	ConsumerID    string `json:"consumer_id"`
}

type accessRuleView struct {
	ID      string `json:"id,omitempty"`
	Service string `json:"service"`
	Method  string `json:"method"`
	Path    string `json:"path"`
}

// viewTime writes a time as keystone does: with microseconds, in UTC.
func viewTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// viewToken shows an identity; catalog is nil when none is to be shown.
func viewToken(id *token.Identity, catalog json.RawMessage) map[string]tokenView {
	view := tokenView{
		Methods: id.Methods, AuditIDs: id.AuditIDs, ExpiresAt: viewTime(id.ExpiresAt), IssuedAt: viewTime(id.IssuedAt), Catalog: catalog,
		User: tokenUserView{ID: id.UserID, Name: id.UserName, Domain: domainView(id.UserDomain),
			PasswordExpiresAt: viewPasswordEnd(id.PasswordExpiresAt)},
	}
	for _, role := range id.Roles {
		view.Roles = append(view.Roles, domainView(role))
	}
	switch id.Scope() {
	case token.ScopeProject:
		domain := &domainView{id.Project.DomainID, id.Project.DomainName}
		if id.Project.IsDomain {
			domain = nil
		}
		view.Project, view.IsDomain = &tokenProjectView{id.Project.ID, id.Project.Name, domain}, &id.Project.IsDomain
	case token.ScopeDomain:
		domain := domainView(id.Domain)
		view.Domain = &domain
	case token.ScopeSystem:
		view.System = map[string]bool{"all": true}
	case token.ScopeUnscoped:
	}
	if id.AppCred.ID != "" {
		view.AppCredential = &tokenAppCredView{ID: id.AppCred.ID, Name: id.AppCred.Name, Restricted: id.AppCred.Restricted}
		for _, rule := range id.AppCred.AccessRules {
			view.AppCredential.AccessRules = append(view.AppCredential.AccessRules, accessRuleView(rule))
		}
	}
	if id.Trust.ID != "" {
		view.Trust = &tokenTrustView{ID: id.Trust.ID, Impersonation: id.Trust.Impersonation,
			TrustorUser: map[string]string{"id": id.Trust.TrustorID}, TrusteeUser: map[string]string{"id": id.Trust.TrusteeID}}
	}
	if id.AccessToken.ID != "" {
		view.OAuth1 = &tokenOAuthView{id.AccessToken.ID, id.AccessToken.ConsumerID}
	}
	return map[string]tokenView{"token": view}
}
