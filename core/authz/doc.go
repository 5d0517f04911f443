// Package authz decides what a caller may do, by rules in the policy language of oslo.policy.
//
// It owns: the language (parser, compiler, evaluator), the rules of a service with their overrides and deprecations, scope
// types, policy files and their samples.
//
// It does not own: who the caller is (core/token), where a target comes from (the service's handlers), and how a denial is
// shown (core/api).
//
// core/api, app and every service may import it; of Virga it imports core/token alone.
//
// Two differences from oslo.policy, both on the closed side: a rule that oslo would log and turn into "never" is an error
// when it is loaded, and an attribute that the caller does not have never equals a value taken from the target.
package authz

// Rule is one rule of a service: a policy name, its check and what an operator should know of it.
type Rule struct {
	// Name is what handlers and other rules call it, for instance "os_compute_api:servers:create".
	Name string
	// Check is the rule's default in the policy language; empty allows everybody.
	Check string
	// Scopes lists the token scopes that may use it ("system", "domain", "project"); empty allows all.
	Scopes []string
	// Description and Operations are for the sample file and the documents.
	Description string
	Operations  []Operation
	// Deprecated is the rule that this one took the place of, nil when it has none.
	Deprecated *DeprecatedRule
}

// Operation is an API request that a rule governs.
type Operation struct {
	Method string
	Path   string
}

// DeprecatedRule is a former name or check of a rule. Until it is switched off by WithNewDefaultsOnly, who passed the
// former check still passes, and an operator's override of the former name still holds.
type DeprecatedRule struct {
	Name   string
	Check  string
	Since  string
	Reason string
}

// Decision is the answer to a question.
type Decision struct {
	Allowed bool
	// Reason tells an operator why it was denied; it is empty when allowed and is not meant for the caller's eyes.
	Reason string
}

// Target is the object of the action, as rules see it through %(name)s: keys may be dotted ("target.project.id") or maps
// nested; values are strings, booleans, numbers, nil, or maps of those.
type Target map[string]any

// Remote asks a policy server for checks of the form http://… and https://…; it must bound the time that it takes.
type Remote interface {
	// Allowed is given the address with the target's values filled in.
	Allowed(url, rule string, creds *Creds, target Target) bool
}

// CheckFunc decides a check of a kind that a service adds to the language; match is the text after the colon.
type CheckFunc func(match string, creds *Creds, target Target) bool
