package authz

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Enforcer answers for one service; it may be asked from many goroutines, also while its overrides change.
type Enforcer struct {
	defaults []Rule
	settings settings

	// change keeps changes of the overrides in order; active is what questions read.
	change sync.Mutex
	active atomic.Pointer[ruleset]
}

type settings struct {
	kinds           kinds
	newDefaultsOnly bool
}

// Option changes how an enforcer works.
type Option func(*settings)

// WithRemote sets who answers http: and https: checks; without it they deny.
func WithRemote(remote Remote) Option {
	return func(s *settings) { s.kinds.remote = remote }
}

// WithCheck adds a kind of check to the language, such as the network service's "field".
func WithCheck(kind string, decide CheckFunc) Option {
	return func(s *settings) { s.kinds.added[kind] = decide }
}

// WithNewDefaultsOnly stops deprecated checks from being allowed beside the rules that took their place.
func WithNewDefaultsOnly() Option {
	return func(s *settings) { s.newDefaultsOnly = true }
}

// NewEnforcer compiles the rules with an operator's overrides, which may be nil. The error names each wrong rule and why.
func NewEnforcer(defaults []Rule, overrides map[string]string, options ...Option) (*Enforcer, error) {
	enforcer := &Enforcer{defaults: slices.Clone(defaults)}
	enforcer.settings.kinds.added = map[string]CheckFunc{}
	for _, option := range options {
		option(&enforcer.settings)
	}
	if err := enforcer.SetOverrides(overrides); err != nil {
		return nil, err
	}
	return enforcer, nil
}

// SetOverrides takes an operator's rules in place of the former overrides, all at once; when one of them is wrong nothing
// changes.
func (e *Enforcer) SetOverrides(overrides map[string]string) error {
	e.change.Lock()
	defer e.change.Unlock()
	compiled, err := compileRules(e.defaults, overrides, e.settings)
	if err != nil {
		return err
	}
	e.active.Store(compiled)
	return nil
}

// Enforce decides whether the caller may do what the rule governs to the target. A rule that does not exist is answered by
// the rule "default" if there is one, and denied otherwise.
func (e *Enforcer) Enforce(rule string, creds *Creds, target Target) Decision {
	active := e.active.Load()
	compiled := active.rules[rule]
	if compiled == nil {
		compiled = active.rules[fallbackRule]
	}
	if compiled == nil {
		return Decision{Reason: fmt.Sprintf("rule %q does not exist", rule)}
	}
	if creds == nil {
		creds = &Creds{}
	}
	if len(compiled.scopes) > 0 && !slices.Contains(compiled.scopes, creds.scope()) {
		return Decision{Reason: fmt.Sprintf("rule %q needs a token of scope %s, not of scope %s",
			rule, strings.Join(compiled.scopes, " or "), creds.scope())}
	}
	if !compiled.check.allows(rule, creds, target) {
		return Decision{Reason: compiled.denial}
	}
	return Decision{Allowed: true}
}

// Allowed is Enforce for those who do not ask why.
func (e *Enforcer) Allowed(rule string, creds *Creds, target Target) bool {
	return e.Enforce(rule, creds, target).Allowed
}

// Has tells whether the rule exists, as a default or as an override.
func (e *Enforcer) Has(rule string) bool {
	return e.active.Load().rules[rule] != nil
}

// Rules returns the service's rules as they were registered.
func (e *Enforcer) Rules() []Rule { return slices.Clone(e.defaults) }

// Effective returns the text of every rule in force, overrides and deprecated checks included.
func (e *Enforcer) Effective() map[string]string {
	active := e.active.Load()
	texts := make(map[string]string, len(active.rules))
	for name, compiled := range maps.All(active.rules) {
		texts[name] = compiled.text
	}
	return texts
}

// Warnings lists what is odd about the overrides without being wrong: names that nobody knows, references to rules that do
// not exist, deprecated names, texts equal to the default.
func (e *Enforcer) Warnings() []string { return slices.Clone(e.active.Load().warnings) }
