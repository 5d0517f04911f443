package authz

import (
	"errors"
	"strings"
)

// roleNode and roleService are what agents of nodes and services of the cloud hold.
const (
	roleNode    = "node"
	roleService = "service"
)

// errInternal is why an override of an internal rule is refused.
var errInternal = errors.New("it guards what services and nodes of the cloud tell each other and cannot be overridden")

// Internal lists the rules that only the cloud's own services or agents of nodes can meet. Overrides of them are refused:
// what such a rule guards trusts its caller as part of the cloud, so whoever else passed it would be believed.
func (e *Enforcer) Internal() map[string]bool { return internalRules(e.defaults, e.settings) }

// internalRules finds the internal ones among the defaults, by their checks. What else may be wrong with the defaults is
// not its matter; of those that go round in a circle it knows nothing.
func internalRules(defaults []Rule, with settings) map[string]bool {
	c := newCompiler(defaults, nil, with)
	c.link(c.gather(defaults))
	c.failures = nil
	if c.refuseCycles(); len(c.failures) > 0 {
		return nil
	}
	names := map[string]bool{}
	for name, rule := range c.rules {
		if internalOnly(rule.check) {
			names[name] = true
		}
	}
	return names
}

// internalOnly tells whether nobody passes the check but who holds the role of a node or a service. References have been
// found free of cycles.
func internalOnly(c check) bool {
	switch c := c.(type) {
	case roleCheck:
		name, ok := c.name.fill(nil)
		return ok && c.name.constant() && (strings.EqualFold(name, roleNode) || strings.EqualFold(name, roleService))
	case *ruleCheck:
		return c.inner != nil && internalOnly(c.inner)
	case andCheck:
		for _, inner := range c {
			if internalOnly(inner) {
				return true
			}
		}
		return false
	case orCheck:
		for _, inner := range c {
			if !internalOnly(inner) {
				return false
			}
		}
		return len(c) > 0
	}
	return false
}

// warnLeftOut tells of an override that shuts out nodes or services that the default lets in.
func (c *compiler) warnLeftOut(rule Rule, text string) {
	for _, role := range []string{roleNode, roleService} {
		if strings.Contains(rule.Check, "role:"+role) && !strings.Contains(text, "role:"+role) {
			c.warn("override of rule %q leaves out role:%s, which the default lets in: parts of the cloud may be refused", rule.Name, role)
		}
	}
}
