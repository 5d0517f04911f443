package authz

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"virga/core/token"
)

func mustEnforcer(t testing.TB, rules []Rule, overrides map[string]string, options ...Option) *Enforcer {
	t.Helper()
	enforcer, err := NewEnforcer(rules, overrides, options...)
	if err != nil {
		t.Fatal(err)
	}
	return enforcer
}

func TestSharedRulesSeparateCallers(t *testing.T) {
	enforcer := mustEnforcer(t, BaseRules(), nil)
	mine, theirs := Target{"project_id": "p1", "user_id": "u1"}, Target{"project_id": "p2", "user_id": "u2"}
	for _, test := range []struct {
		rule   string
		creds  *Creds
		target Target
		want   bool
	}{
		{"project_member_or_admin", alice(), mine, true},
		{"project_member_or_admin", alice(), theirs, false},
		{"project_member_or_admin", root(), theirs, true},
		{"project_manager_api", alice(), mine, false},
		{"project_reader_api", nobody(), mine, false},
		{"owner", alice(), mine, true},
		{"owner", alice(), theirs, false},
		{"admin_or_owner", alice(), theirs, false},
		{"admin_required", alice(), mine, false},
		{"admin_api", root(), nil, true},
		{"service_api", alice(), mine, false},
		{"public_api", nobody(), nil, true},
		{"no_such_rule", root(), nil, false},
	} {
		if got := enforcer.Enforce(test.rule, test.creds, test.target); got.Allowed != test.want {
			t.Errorf("%s for %s on %v: %+v, want allowed %v", test.rule, test.creds.UserID, test.target, got, test.want)
		}
	}
	if enforcer.Allowed("admin_required", nil, nil) {
		t.Error("a request without credentials was allowed")
	}
}

func TestDefaultRuleAnswersForMissingOnes(t *testing.T) {
	enforcer := mustEnforcer(t, []Rule{{Name: "a", Check: "rule:missing"}}, map[string]string{"default": "role:admin"})
	for _, rule := range []string{"a", "unheard_of"} {
		if !enforcer.Allowed(rule, root(), nil) || enforcer.Allowed(rule, alice(), nil) {
			t.Errorf("rule %s is not answered by the default rule", rule)
		}
	}
	if _, err := NewEnforcer(nil, map[string]string{"default": "rule:missing"}); err == nil {
		t.Error("a default rule that refers to itself by way of a missing rule was accepted")
	}
}

func TestCyclesAreRefused(t *testing.T) {
	for _, rules := range [][]Rule{
		{{Name: "a", Check: "rule:a"}},
		{{Name: "a", Check: "rule:b"}, {Name: "b", Check: "role:x or not (rule:c and @)"}, {Name: "c", Check: "rule:a"}},
	} {
		_, err := NewEnforcer(rules, nil)
		if err == nil || !strings.Contains(err.Error(), "→") {
			t.Errorf("%v: error %v does not show the cycle", rules, err)
		}
	}
	mustEnforcer(t, []Rule{{Name: "a", Check: "rule:b and rule:c"}, {Name: "b", Check: "rule:c"}, {Name: "c", Check: "@"}}, nil)
}

func TestScopes(t *testing.T) {
	domain := CredsOf(&token.Identity{UserID: "u", Domain: token.Domain{ID: "d"}})
	enforcer := mustEnforcer(t, []Rule{
		{Name: "system", Check: "@", Scopes: []string{"system"}},
		{Name: "project", Check: "@", Scopes: []string{"project"}},
		{Name: "two", Check: "@", Scopes: []string{"system", "domain"}},
		{Name: "any", Check: "@"},
		{Name: "through", Check: "rule:system"},
	}, map[string]string{"project": "user_id:u or user_id:u9 or user_id:u1 or user_id:u0"})
	for rule, want := range map[string][4]bool{
		"system":  {true, false, false, false},
		"project": {false, false, true, true},
		"two":     {true, true, false, false},
		"any":     {true, true, true, true},
		// Only the rule that is asked for has a say on scopes, not those that it refers to.
		"through": {true, true, true, true},
	} {
		for i, creds := range []*Creds{root(), domain, alice(), nobody()} {
			got := enforcer.Enforce(rule, creds, nil)
			if got.Allowed != want[i] {
				t.Errorf("%s for scope %s: %+v, want allowed %v", rule, creds.scope(), got, want[i])
			}
		}
	}
	if reason := enforcer.Enforce("two", alice(), nil).Reason; !strings.Contains(reason, "system or domain") {
		t.Errorf("reason %q does not name the scopes", reason)
	}
	if _, err := NewEnforcer([]Rule{{Name: "r", Scopes: []string{"galaxy"}}}, nil); err == nil {
		t.Error("an unknown scope type was accepted")
	}
}

func TestDeprecatedRules(t *testing.T) {
	rules := []Rule{{Name: "new", Check: "role:manager",
		Deprecated: &DeprecatedRule{Name: "old", Check: "role:member", Since: "1.0"}}}
	manager := &Creds{Roles: []string{"manager"}}
	tests := []struct {
		name            string
		overrides       map[string]string
		options         []Option
		member, manager bool
	}{
		{"former check still passes", nil, nil, true, true},
		{"new defaults only", nil, []Option{WithNewDefaultsOnly()}, false, true},
		{"override of the new name", map[string]string{"new": "!"}, nil, false, false},
		{"override of the former name", map[string]string{"old": "role:member and role:reader"}, nil, true, false},
		{"former name points to the new one", map[string]string{"old": "rule:new"}, nil, true, true},
		{"former name with its former default", map[string]string{"old": "role:member"}, nil, true, true},
		{"both overridden", map[string]string{"old": "@", "new": "role:manager"}, nil, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			enforcer := mustEnforcer(t, rules, test.overrides, test.options...)
			if got := enforcer.Allowed("new", alice(), nil); got != test.member {
				t.Errorf("member allowed %v, want %v", got, test.member)
			}
			if got := enforcer.Allowed("new", manager, nil); got != test.manager {
				t.Errorf("manager allowed %v, want %v", got, test.manager)
			}
		})
	}
}

func TestOverridesChangeAllAtOnce(t *testing.T) {
	enforcer := mustEnforcer(t, []Rule{{Name: "a", Check: "@"}, {Name: "b", Check: "@"}}, nil)
	err := enforcer.SetOverrides(map[string]string{"a": "!", "b": "role:admin or"})
	var wrong *RuleError
	if !errors.As(err, &wrong) || wrong.Rule != "b" {
		t.Fatalf("error %v does not name rule b", err)
	}
	if !enforcer.Allowed("a", alice(), nil) {
		t.Fatal("half of a wrong file was taken in")
	}
	if err := enforcer.SetOverrides(map[string]string{"a": "!"}); err != nil {
		t.Fatal(err)
	}
	if enforcer.Allowed("a", alice(), nil) || !enforcer.Allowed("b", alice(), nil) {
		t.Fatal("the override did not take effect")
	}
	if got := enforcer.Effective(); got["a"] != "!" || got["b"] != "@" {
		t.Errorf("effective rules %v", got)
	}
}

func TestQuestionsDuringChanges(t *testing.T) {
	rules := []Rule{{Name: "a", Check: "rule:b"}, {Name: "b", Check: "@"}}
	enforcer := mustEnforcer(t, rules, nil)
	var group sync.WaitGroup
	group.Go(func() {
		for i := range 200 {
			if err := enforcer.SetOverrides(map[string]string{"b": []string{"@", "role:reader"}[i%2]}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2000 {
		if !enforcer.Allowed("a", alice(), nil) {
			t.Error("denied between two rule sets that both allow")
			break
		}
	}
	group.Wait()
}

func TestWarnings(t *testing.T) {
	rules := []Rule{{Name: "a", Check: "@"}, {Name: "b", Check: "@", Deprecated: &DeprecatedRule{Name: "old", Check: "@", Since: "1.0"}}}
	enforcer := mustEnforcer(t, rules, map[string]string{
		"a": "@", "mine": "role:x", "b": "rule:mine or rule:gone", "typo": "!", "old": "!",
	})
	want := []string{`"a" is the same`, `refers to rule "gone"`, `"typo" is not known`}
	got := enforcer.Warnings()
	for _, text := range want {
		if !slices.ContainsFunc(got, func(w string) bool { return strings.Contains(w, text) }) {
			t.Errorf("no warning %q in %q", text, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("warnings %q, want %d of them", got, len(want))
	}
}

func TestRegistrationMistakes(t *testing.T) {
	for _, rules := range [][]Rule{
		{{Name: "a", Check: "@"}, {Name: "a", Check: "@"}},
		{{Check: "@"}},
	} {
		if _, err := NewEnforcer(rules, nil); err == nil {
			t.Errorf("%v was accepted", rules)
		}
	}
}

// remoteLog answers as told and keeps the address that it was asked.
type remoteLog struct {
	answer    bool
	url, rule string
}

func (r *remoteLog) Allowed(url, rule string, _ *Creds, _ Target) bool {
	r.url, r.rule = url, rule
	return r.answer
}

func TestRemoteChecks(t *testing.T) {
	for _, answer := range []bool{true, false} {
		remote := &remoteLog{answer: answer}
		enforcer := mustEnforcer(t, []Rule{{Name: "a", Check: "rule:b"}, {Name: "b", Check: "https://policy.test/%(id)s?x=1"}}, nil, WithRemote(remote))
		if got := enforcer.Allowed("a", alice(), Target{"id": "s1"}); got != answer {
			t.Errorf("allowed %v, the policy server said %v", got, answer)
		}
		if remote.url != "https://policy.test/s1?x=1" || remote.rule != "a" {
			t.Errorf("asked %q about rule %q", remote.url, remote.rule)
		}
	}
}

func TestAddedChecks(t *testing.T) {
	shared := func(match string, _ *Creds, target Target) bool {
		return match == "networks:shared=True" && target["shared"] == true
	}
	enforcer := mustEnforcer(t, []Rule{{Name: "get_network", Check: "field:networks:shared=True"}}, nil, WithCheck("field", shared))
	if !enforcer.Allowed("get_network", alice(), Target{"shared": true}) || enforcer.Allowed("get_network", alice(), Target{"shared": false}) {
		t.Error("the added check did not decide")
	}
}

// typical is what most API requests ask.
func typical(t testing.TB) (*Enforcer, *Creds, Target) {
	rules := append(BaseRules(), Rule{Name: "os_compute_api:servers:show", Check: "rule:project_reader_or_admin", Scopes: []string{"project"}})
	return mustEnforcer(t, rules, nil), alice(), Target{"project_id": "p1", "user_id": "u1"}
}

func TestTypicalQuestionDoesNotAllocate(t *testing.T) {
	enforcer, creds, target := typical(t)
	creds.Roles = []string{"member", "reader"}
	if n := testing.AllocsPerRun(100, func() { enforcer.Allowed("os_compute_api:servers:show", creds, target) }); n != 0 {
		t.Errorf("a typical question allocates %v times", n)
	}
}

func BenchmarkEnforce(b *testing.B) {
	enforcer, creds, target := typical(b)
	b.ReportAllocs()
	for b.Loop() {
		if !enforcer.Allowed("os_compute_api:servers:show", creds, target) {
			b.Fatal("denied")
		}
	}
}
