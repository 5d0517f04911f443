package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fallbackRule answers for rules that do not exist.
const fallbackRule = "default"

// RuleError says which rule is wrong and why.
type RuleError struct {
	Rule string
	// Line is the line of the policy file, 0 for a rule that came from elsewhere.
	Line int
	Err  error
}

func (e *RuleError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: rule %q: %v", e.Line, e.Rule, e.Err)
	}
	return fmt.Sprintf("rule %q: %v", e.Rule, e.Err)
}

// Unwrap returns the reason.
func (e *RuleError) Unwrap() error { return e.Err }

// compiledRule is a rule ready to be asked.
type compiledRule struct {
	name       string
	text       string
	check      check
	references []*ruleCheck
	scopes     []string
	denial     string
	// overridden is true when an operator wrote the text, whose dangling references are then only warned of.
	overridden bool
}

// ruleset is one consistent state of all rules; it never changes once made.
type ruleset struct {
	rules    map[string]*compiledRule
	warnings []string
}

// compiler gathers a ruleset and all that is wrong with it.
type compiler struct {
	overrides map[string]string
	settings  settings
	// internal are the rules that have no override.
	internal map[string]bool
	rules    map[string]*compiledRule
	failures []error
	warnings []string
}

func compileRules(defaults []Rule, overrides map[string]string, with settings) (*ruleset, error) {
	c := newCompiler(defaults, overrides, with)
	if len(overrides) > 0 {
		c.internal = internalRules(defaults, with)
	}
	known := c.gather(defaults)
	c.link(known)
	c.refuseCycles()
	c.warnUnknown(known)
	if err := errors.Join(c.failures...); err != nil {
		return nil, err
	}
	return &ruleset{rules: c.rules, warnings: c.warnings}, nil
}

func newCompiler(defaults []Rule, overrides map[string]string, with settings) *compiler {
	return &compiler{overrides: overrides, settings: with, rules: make(map[string]*compiledRule, len(defaults))}
}

// gather adds all rules, and returns their names.
func (c *compiler) gather(defaults []Rule) map[string]bool {
	known := map[string]bool{fallbackRule: true}
	for _, rule := range defaults {
		c.addDefault(rule)
		known[rule.Name] = true
		if rule.Deprecated != nil {
			known[rule.Deprecated.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.overrides)) {
		if c.rules[name] == nil {
			c.add(&compiledRule{name: name, overridden: true}, c.overrides[name])
		}
	}
	return known
}

func (c *compiler) fail(rule string, err error) {
	c.failures = append(c.failures, &RuleError{Rule: rule, Err: err})
}

func (c *compiler) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// addDefault adds a registered rule with the text that is in force for it.
func (c *compiler) addDefault(rule Rule) {
	if rule.Name == "" {
		c.fail(rule.Name, errors.New("the rule has no name"))
		return
	}
	if c.rules[rule.Name] != nil {
		c.fail(rule.Name, errors.New("the rule is registered twice"))
		return
	}
	for _, scope := range rule.Scopes {
		if scope != "system" && scope != "domain" && scope != "project" {
			c.fail(rule.Name, fmt.Errorf("scope type %q is none of system, domain and project", scope))
		}
	}
	compiled := &compiledRule{name: rule.Name, scopes: slices.Clone(rule.Scopes)}
	if text, ok := c.overrides[rule.Name]; ok {
		if text == rule.Check {
			c.warn("override of rule %q is the same as the default", rule.Name)
		}
		if c.internal[rule.Name] && text != rule.Check {
			c.fail(rule.Name, errInternal)
		}
		c.warnLeftOut(rule, text)
		compiled.overridden = true
		c.add(compiled, text)
		return
	}
	if rule.Deprecated == nil {
		c.add(compiled, rule.Check)
		return
	}
	c.addDeprecating(compiled, rule)
}

// addDeprecating adds a rule that took the place of another: an override of the former name holds on, and otherwise who
// passes the former check passes too.
func (c *compiler) addDeprecating(compiled *compiledRule, rule Rule) {
	former := rule.Deprecated
	if text, ok := c.overrides[former.Name]; ok && former.Name != rule.Name {
		c.warn("override of rule %q, which is deprecated since %s in favour of %q", former.Name, former.Since, rule.Name)
		if text != former.Check && text != "rule:"+rule.Name {
			if c.internal[rule.Name] {
				c.fail(former.Name, errInternal)
			}
			compiled.overridden = true
			c.add(compiled, text)
			return
		}
	}
	if c.settings.newDefaultsOnly || former.Check == rule.Check {
		c.add(compiled, rule.Check)
		return
	}
	c.add(compiled, rule.Check, former.Check)
}

// add compiles texts, any of which is enough, and stores the rule even when it is wrong, so that references to it find it.
func (c *compiler) add(compiled *compiledRule, texts ...string) {
	var alternatives orCheck
	for _, text := range texts {
		parsed, references, err := parseRule(text, c.settings.kinds)
		if err != nil {
			c.fail(compiled.name, err)
			parsed = constantCheck(false)
		}
		alternatives = append(alternatives, parsed)
		compiled.references = append(compiled.references, references...)
	}
	compiled.text, compiled.check = texts[0], alternatives[0]
	if len(texts) > 1 {
		compiled.text, compiled.check = "("+strings.Join(texts, ") or (")+")", alternatives
		if slices.Contains(texts, "") {
			compiled.text = "@"
		}
	}
	compiled.denial = fmt.Sprintf("rule %q (%s) is not met", compiled.name, compiled.text)
	c.rules[compiled.name] = compiled
}

// link points every reference at its rule, or at the fallback, and marks the names referred to as known.
func (c *compiler) link(known map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(c.rules)) {
		compiled := c.rules[name]
		for _, reference := range compiled.references {
			known[reference.name] = true
			if wanted := c.rules[reference.name]; wanted != nil {
				reference.inner = wanted.check
				continue
			}
			if fallback := c.rules[fallbackRule]; fallback != nil {
				reference.inner = fallback.check
			} else if !compiled.overridden {
				c.fail(name, fmt.Errorf("it refers to rule %q, which does not exist", reference.name))
				continue
			}
			c.warn("rule %q refers to rule %q, which does not exist", name, reference.name)
		}
	}
}

// refuseCycles fails for each rule from which following references comes back to it.
func (c *compiler) refuseCycles() {
	const visiting, done = 1, 2
	state := make(map[*compiledRule]int, len(c.rules))
	var visit func(rule *compiledRule, path []string)
	visit = func(rule *compiledRule, path []string) {
		path = append(path, rule.name)
		switch state[rule] {
		case done:
			return
		case visiting:
			c.fail(rule.name, fmt.Errorf("it refers to itself: %s", strings.Join(path[slices.Index(path, rule.name):], " → ")))
			return
		}
		state[rule] = visiting
		for _, reference := range rule.references {
			next := c.rules[reference.name]
			if next == nil {
				next = c.rules[fallbackRule]
			}
			if next != nil {
				visit(next, path)
			}
		}
		state[rule] = done
	}
	for _, name := range slices.Sorted(maps.Keys(c.rules)) {
		visit(c.rules[name], nil)
	}
}

func (c *compiler) warnUnknown(known map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(c.overrides)) {
		if !known[name] {
			c.warn("rule %q is not known to this service and no rule refers to it", name)
		}
	}
}
