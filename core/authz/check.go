package authz

import "strings"

// check is a node of a compiled rule. The rule argument is the name that was asked for, for the policy server's sake.
type check interface {
	allows(rule string, creds *Creds, target Target) bool
}

type constantCheck bool

func (c constantCheck) allows(string, *Creds, Target) bool { return bool(c) }

type notCheck struct{ inner check }

func (c notCheck) allows(rule string, creds *Creds, target Target) bool {
	return !c.inner.allows(rule, creds, target)
}

type andCheck []check

func (c andCheck) allows(rule string, creds *Creds, target Target) bool {
	for _, inner := range c {
		if !inner.allows(rule, creds, target) {
			return false
		}
	}
	return true
}

type orCheck []check

func (c orCheck) allows(rule string, creds *Creds, target Target) bool {
	for _, inner := range c {
		if inner.allows(rule, creds, target) {
			return true
		}
	}
	return false
}

// ruleCheck refers to another rule; inner is filled in when all rules are known and stays nil when there is no such rule,
// which denies.
type ruleCheck struct {
	name  string
	inner check
}

func (c *ruleCheck) allows(rule string, creds *Creds, target Target) bool {
	return c.inner != nil && c.inner.allows(rule, creds, target)
}

// roleCheck compares role names without regard to case.
type roleCheck struct{ name template }

func (c roleCheck) allows(_ string, creds *Creds, target Target) bool {
	want, ok := c.name.fill(target)
	if !ok {
		return false
	}
	want = strings.ToLower(want)
	for _, role := range creds.Roles {
		if strings.ToLower(role) == want {
			return true
		}
	}
	return false
}

// literalCheck compares a value written in the rule with one of the target.
type literalCheck struct {
	value string
	match template
}

func (c literalCheck) allows(_ string, _ *Creds, target Target) bool {
	want, ok := c.match.fill(target)
	return ok && want == c.value
}

// attributeCheck compares an attribute of the caller with a value of the target.
type attributeCheck struct {
	compare attribute
	match   template
	// matchesUnset is true when the rule itself says None. A None out of the target must not do, or callers without a
	// project would own whatever has none.
	matchesUnset bool
}

func (c attributeCheck) allows(_ string, creds *Creds, target Target) bool {
	want, ok := c.match.fill(target)
	if !ok {
		return false
	}
	switch c.compare(creds, want) {
	case equals:
		return true
	case unset:
		return c.matchesUnset
	}
	return false
}

// remoteCheck asks a policy server, and denies when the service has none set up.
type remoteCheck struct {
	remote Remote
	url    template
}

func (c remoteCheck) allows(rule string, creds *Creds, target Target) bool {
	if c.remote == nil {
		return false
	}
	url, ok := c.url.fill(target)
	return ok && c.remote.Allowed(url, rule, creds, target)
}

// addedCheck is of a kind that the service added.
type addedCheck struct {
	decide CheckFunc
	match  string
}

func (c addedCheck) allows(_ string, creds *Creds, target Target) bool {
	return c.decide(c.match, creds, target)
}
