package authz

import (
	"strings"

	"virga/core/token"
)

// verdict is the outcome of comparing an attribute of the caller.
type verdict int

const (
	differs verdict = iota
	equals
	// unset says that the caller does not have the attribute.
	unset
)

// attribute compares one attribute of the caller with a value.
type attribute func(creds *Creds, want string) verdict

// attributeNamed finds the attribute that a check's left side names; names that are not built in are looked up in
// Creds.Extra.
func attributeNamed(path string) attribute {
	if get := stringAttribute(path); get != nil {
		return func(creds *Creds, want string) verdict { return compareText(get(creds), want) }
	}
	if get := flagAttribute(path); get != nil {
		return func(creds *Creds, want string) verdict { return compareText(formatBool(get(creds)), want) }
	}
	if get := listAttribute(path); get != nil {
		return func(creds *Creds, want string) verdict { return compareList(get(creds), want) }
	}
	if rest, ok := strings.CutPrefix(path, "token."); ok {
		if compare := tokenAttribute(rest); compare != nil {
			return func(creds *Creds, want string) verdict {
				if creds.Token == nil {
					return unset
				}
				return compare(creds.Token, want)
			}
		}
	}
	segments := strings.Split(path, ".")
	return func(creds *Creds, want string) verdict { return compareExtra(creds.Extra, segments, want) }
}

// stringAttribute knows the single-valued attributes, with the spellings of oslo.context and of older policy files.
func stringAttribute(path string) func(*Creds) string {
	switch path {
	case "user_id", "user":
		return func(c *Creds) string { return c.UserID }
	case "user_domain_id", "user_domain":
		return func(c *Creds) string { return c.UserDomainID }
	case "project_id", "tenant_id", "tenant", "project":
		return func(c *Creds) string { return c.ProjectID }
	case "project_domain_id", "project_domain":
		return func(c *Creds) string { return c.ProjectDomainID }
	case "domain_id", "domain":
		return func(c *Creds) string { return c.DomainID }
	case "system_scope", "system":
		return func(c *Creds) string { return c.SystemScope }
	case "service_user_id":
		return func(c *Creds) string { return c.ServiceUserID }
	case "service_user_domain_id":
		return func(c *Creds) string { return c.ServiceUserDomainID }
	case "service_project_id":
		return func(c *Creds) string { return c.ServiceProjectID }
	case "service_project_domain_id":
		return func(c *Creds) string { return c.ServiceProjectDomainID }
	}
	return nil
}

func flagAttribute(path string) func(*Creds) bool {
	switch path {
	case "is_admin":
		return func(c *Creds) bool { return c.IsAdmin }
	case "is_admin_project":
		return func(c *Creds) bool { return c.IsAdminProject }
	}
	return nil
}

func listAttribute(path string) func(*Creds) []string {
	switch path {
	case "roles":
		return func(c *Creds) []string { return c.Roles }
	case "service_roles":
		return func(c *Creds) []string { return c.ServiceRoles }
	}
	return nil
}

// tokenAttribute knows what keystone's rules read below "token.".
func tokenAttribute(path string) func(*token.Identity, string) verdict {
	if get := tokenText(path); get != nil {
		return func(id *token.Identity, want string) verdict { return compareText(get(id), want) }
	}
	switch path {
	case "is_domain":
		return func(id *token.Identity, want string) verdict {
			return compareText(formatBool(id.Project.IsDomain), want)
		}
	case "is_admin_project":
		return func(_ *token.Identity, want string) verdict { return compareText(formatBool(true), want) }
	case "system.all":
		return func(id *token.Identity, want string) verdict {
			if !id.System {
				return unset
			}
			return compareText(formatBool(true), want)
		}
	case "methods":
		return func(id *token.Identity, want string) verdict { return compareList(id.Methods, want) }
	case "audit_ids":
		return func(id *token.Identity, want string) verdict { return compareList(id.AuditIDs, want) }
	case "roles.id":
		return func(id *token.Identity, want string) verdict { return compareRoles(id, want, roleID) }
	case "roles.name":
		return func(id *token.Identity, want string) verdict { return compareRoles(id, want, roleName) }
	}
	return nil
}

func tokenText(path string) func(*token.Identity) string {
	switch path {
	case "user.id":
		return func(id *token.Identity) string { return id.UserID }
	case "user.name":
		return func(id *token.Identity) string { return id.UserName }
	case "user.domain.id":
		return func(id *token.Identity) string { return id.UserDomain.ID }
	case "user.domain.name":
		return func(id *token.Identity) string { return id.UserDomain.Name }
	case "project.id":
		return func(id *token.Identity) string { return id.Project.ID }
	case "project.name":
		return func(id *token.Identity) string { return id.Project.Name }
	case "project.domain.id":
		return func(id *token.Identity) string { return id.Project.DomainID }
	case "project.domain.name":
		return func(id *token.Identity) string { return id.Project.DomainName }
	case "domain.id":
		return func(id *token.Identity) string { return id.Domain.ID }
	case "domain.name":
		return func(id *token.Identity) string { return id.Domain.Name }
	case "trust.id":
		return func(id *token.Identity) string { return id.Trust.ID }
	case "application_credential.id":
		return func(id *token.Identity) string { return id.AppCred.ID }
	}
	return nil
}

func roleID(role token.Role) string   { return role.ID }
func roleName(role token.Role) string { return role.Name }

func compareRoles(id *token.Identity, want string, field func(token.Role) string) verdict {
	for _, role := range id.Roles {
		if compareText(field(role), want) == equals {
			return equals
		}
	}
	return differs
}

func compareText(have, want string) verdict {
	switch {
	case have == "":
		return unset
	case have == want:
		return equals
	}
	return differs
}

func compareList(have []string, want string) verdict {
	for _, item := range have {
		if compareText(item, want) == equals {
			return equals
		}
	}
	return differs
}

// compareExtra walks a path through maps; a list on the way, or at the end, matches when any of its elements does.
func compareExtra(value any, segments []string, want string) verdict {
	if len(segments) == 0 {
		text, ok := formatScalar(value)
		switch {
		case !ok:
			return differs
		case value == nil:
			return unset
		}
		return compareText(text, want)
	}
	next, ok := child(value, segments[0])
	if !ok {
		return unset
	}
	return compareBelow(next, segments[1:], want)
}

func compareBelow(value any, segments []string, want string) verdict {
	switch list := value.(type) {
	case []string:
		if len(segments) == 0 {
			return compareList(list, want)
		}
		return differs
	case []any:
		for _, item := range list {
			if compareExtra(item, segments, want) == equals {
				return equals
			}
		}
		return differs
	case []map[string]any:
		for _, item := range list {
			if compareExtra(item, segments, want) == equals {
				return equals
			}
		}
		return differs
	}
	return compareExtra(value, segments, want)
}
