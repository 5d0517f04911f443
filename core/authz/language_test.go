package authz

import (
	"strings"
	"testing"
	"time"

	"virga/core/token"

	"pgregory.net/rapid"
)

// alice is a member of project p1; root has the whole system; nobody is an unscoped caller.
func alice() *Creds {
	return CredsOf(&token.Identity{
		UserID: "u1", UserName: "alice", UserDomain: token.Domain{ID: "d1", Name: "Lab"},
		Project:   token.Project{ID: "p1", Name: "Physics", DomainID: "d1", DomainName: "Lab"},
		Roles:     []token.Role{{ID: "r1", Name: "Member"}, {ID: "r2", Name: "reader"}},
		Methods:   []string{"password"},
		ExpiresAt: time.Unix(1e9, 0),
		Service:   &token.Identity{UserID: "nova", Project: token.Project{ID: "services"}, Roles: []token.Role{{Name: "service"}}},
	})
}

func root() *Creds {
	return CredsOf(&token.Identity{UserID: "u0", System: true, Roles: []token.Role{{Name: "admin"}}})
}

func nobody() *Creds { return CredsOf(&token.Identity{UserID: "u9"}) }

func TestLanguage(t *testing.T) {
	owned := Target{"project_id": "p1", "user_id": "u1"}
	tests := []struct {
		name, rule string
		creds      *Creds
		target     Target
		want       bool
	}{
		{"empty allows", "", nobody(), nil, true},
		{"at allows", "@", nobody(), nil, true},
		{"bang denies", "!", root(), nil, false},
		{"role", "role:reader", alice(), nil, true},
		{"role in another case", "role:mEMBER", alice(), nil, true},
		{"role not held", "role:admin", alice(), nil, false},
		{"role from the target", "role:%(wanted)s", alice(), Target{"wanted": "READER"}, true},
		{"role from a target without it", "role:%(wanted)s", alice(), Target{}, false},
		{"not", "not role:admin", alice(), nil, true},
		{"not twice", "not not role:admin", alice(), nil, false},
		{"not binds tighter than and", "not role:admin and role:admin", alice(), nil, false},
		{"and binds tighter than or, left", "@ or @ and !", alice(), nil, true},
		{"and binds tighter than or, right", "! and @ or @", alice(), nil, true},
		{"parentheses", "(@ or @) and !", alice(), nil, false},
		{"nested parentheses", "((role:admin) or (not (role:admin and @)))", alice(), nil, true},
		{"words in capitals", "NOT role:admin AND role:reader Or !", alice(), nil, true},
		{"white space", "\n role:admin\tor\n  role:reader ", alice(), nil, true},
		{"attribute", "user_id:%(user_id)s", alice(), owned, true},
		{"attribute of another", "user_id:%(user_id)s", root(), owned, false},
		{"attribute in parentheses", "(user_id:%(user_id)s)", alice(), owned, true},
		{"old word for project", "tenant_id:%(project_id)s", alice(), owned, true},
		{"target without the key", "user_id:%(user_id)s", alice(), Target{}, false},
		{"not, target without the key", "not user_id:%(user_id)s", alice(), Target{}, true},
		{"attribute equals a word", "user_id:u1", alice(), nil, true},
		{"dotted target key", "user_id:%(target.user.id)s", alice(), Target{"target.user.id": "u1"}, true},
		{"nested target", "user_id:%(target.user.id)s", alice(), Target{"target": map[string]any{"user": map[string]any{"id": "u1"}}}, true},
		{"half dotted target", "user_id:%(target.user.id)s", alice(), Target{"target.user": map[string]string{"id": "u1"}}, true},
		{"colon in target key", "tenant_id:%(network:tenant_id)s", alice(), Target{"network:tenant_id": "p1"}, true},
		{"text around the value", "user_id:u%(n)s", alice(), Target{"n": 1}, true},
		{"two values", "user_id:%(a)s%(b)s", alice(), Target{"a": "u", "b": int64(1)}, true},
		{"percent sign", "user_id:100%%", &Creds{UserID: "100%"}, nil, true},
		{"nested credential", "token.project.domain.id:%(domain_id)s", alice(), Target{"domain_id": "d1"}, true},
		{"credential list", "roles:reader", alice(), nil, true},
		{"credential list without it", "roles:admin", alice(), nil, false},
		{"list within the token", "token.roles.name:Member", alice(), nil, true},
		{"service roles", "service_roles:service", alice(), nil, true},
		{"service project", "service_project_id:services", alice(), nil, true},
		{"system scope", "system_scope:all", root(), nil, true},
		{"system scope by its old name", "system:all", alice(), nil, false},
		{"system scope in the token", "token.system.all:True", root(), nil, true},
		{"flag", "is_admin:False", alice(), nil, true},
		{"admin project", "is_admin_project:True", alice(), nil, true},
		{"quoted literal", "'Member':%(role.name)s", alice(), Target{"role.name": "Member"}, true},
		{"quoted literal differs", `"Member":%(role.name)s`, alice(), Target{"role.name": "member"}, false},
		{"quoted literal with colon", "'a:b':%(x)s", alice(), Target{"x": "a:b"}, true},
		{"literal True", "True:%(user.enabled)s", alice(), Target{"user": map[string]any{"enabled": true}}, true},
		{"literal False", "False:%(user.enabled)s", alice(), Target{"user.enabled": true}, false},
		{"literal None", "None:%(role.domain_id)s", alice(), Target{"role.domain_id": nil}, true},
		{"quoted None", `"None":%(role.domain_id)s`, alice(), Target{"role.domain_id": (*string)(nil)}, true},
		{"literal number", "12:%(size)s", alice(), Target{"size": 12}, true},
		{"literal fraction", "1.50:%(size)s", alice(), Target{"size": 1.5}, true},
		{"whole fraction", "2.0:%(size)s", alice(), Target{"size": float64(2)}, true},
		{"domain unset", "domain_id:None", alice(), nil, true},
		{"project unset", "project_id:None", alice(), nil, false},
		{"unset never owns", "project_id:%(project_id)s", nobody(), Target{"project_id": nil}, false},
		{"unset never equals a word", "project_id:%(project_id)s", nobody(), Target{"project_id": "None"}, false},
		{"unset never equals nothing", "project_id:%(project_id)s", nobody(), Target{"project_id": ""}, false},
		{"unknown attribute", "shoe_size:%(x)s", alice(), Target{"x": 44}, false},
		{"map as value", "user_id:%(user)s", alice(), Target{"user": map[string]any{}}, false},
		{"remote without a checker", "http://example.test/%(user_id)s", alice(), owned, false},
		{"list of lists", `[["role:admin"],["role:reader","user_id:u1"]]`, alice(), nil, true},
		{"list of lists, and", `[["role:reader","user_id:u2"]]`, alice(), nil, false},
		{"list of checks", `["role:admin","role:reader"]`, alice(), nil, true},
		{"list with white space in a check", `[["token.project.name:High Energy"]]`, alice(), nil, false},
		{"empty list", `[]`, nobody(), nil, true},
		{"list of empty lists", `[[],[]]`, root(), nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			enforcer, err := NewEnforcer([]Rule{{Name: "r", Check: test.rule}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := enforcer.Enforce("r", test.creds, test.target)
			if got.Allowed != test.want {
				t.Errorf("%q: allowed %v, want %v", test.rule, got.Allowed, test.want)
			}
			if got.Allowed == (got.Reason != "") {
				t.Errorf("%q: allowed %v with reason %q", test.rule, got.Allowed, got.Reason)
			}
		})
	}
}

func TestExtraAttributes(t *testing.T) {
	creds := &Creds{Extra: map[string]any{
		"quota":  map[string]any{"class": "gold"},
		"groups": []any{map[string]any{"id": "g1"}, map[string]any{"id": "g2"}},
		"tags":   []string{"a", "b"},
		"none":   nil,
	}}
	for rule, want := range map[string]bool{
		"quota.class:gold":   true,
		"quota.class:silver": false,
		"quota.class.x:gold": false,
		"groups.id:g2":       true,
		"groups.id:g3":       false,
		"groups:g1":          false,
		"tags:b":             true,
		"tags:c":             false,
		"none:None":          true,
		"none:%(x)s":         false,
	} {
		enforcer, err := NewEnforcer([]Rule{{Name: "r", Check: rule}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := enforcer.Allowed("r", creds, Target{"x": nil}); got != want {
			t.Errorf("%q: allowed %v, want %v", rule, got, want)
		}
	}
}

func TestWrongRules(t *testing.T) {
	for rule, reason := range map[string]string{
		" ":                              "missing at the end",
		"role:admin or":                  "missing at the end",
		"or role:admin":                  `missing before "or"`,
		"role:admin role:member":         "left over",
		"(role:admin":                    "closing parenthesis",
		"role:admin)":                    "left over",
		"()":                             `missing before ")"`,
		"not":                            "missing at the end",
		"admin":                          "kind:match",
		"'quoted'":                       "kind:match",
		"'open:x":                        "kind:match",
		":x":                             "nothing before the colon",
		"user_id:%(user_id)d":            "%(name)s",
		"user_id:%(user_id":              "%(name)s",
		"user_id:%()s":                   "must have a name",
		"user_id:50%":                    "percent sign",
		"12abc:%(x)s":                    "neither a number",
		`'a\n':x`:                        "escape",
		"rule:missing":                   "does not exist",
		`[["role:admin"], 3]`:            "neither a check",
		`[[1]]`:                          "is not a check",
		`[`:                              "list of checks",
		strings.Repeat("not ", 70) + "@": "nests deeper",
		strings.Repeat("(", 70) + "@":    "nests deeper",
		strings.Repeat("x", 40<<10):      "longer than",
	} {
		_, err := NewEnforcer([]Rule{{Name: "r", Check: rule}}, nil)
		if err == nil {
			t.Errorf("%.40q was accepted", rule)
			continue
		}
		if !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), `rule "r"`) {
			t.Errorf("%.40q: error %q does not name the rule and %q", rule, err, reason)
		}
	}
}

// TestParserSurvivesAnything feeds it words of the language in any order, and any text.
func TestParserSurvivesAnything(t *testing.T) {
	words := rapid.SampledFrom([]string{
		"(", ")", "and", "or", "not", "@", "!", "role:", "role:admin", "rule:r", ":", "'", `"`, "'a':%(b)s", "%", "%(", "%(a)s",
		"user_id:%(a)s", "True:x", "1:", "-:x", "[", "]", `[["`, "http://%(a)s", " ", "\t", "x", "é", "\x00",
	})
	rapid.Check(t, func(t *rapid.T) {
		rule := strings.Join(rapid.SliceOfN(words, 0, 30).Draw(t, "words"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
		if rapid.Bool().Draw(t, "any") {
			rule = rapid.String().Draw(t, "text")
		}
		parsed, _, err := parseRule(rule, kinds{})
		if err == nil {
			parsed.allows("r", alice(), Target{"a": "u1"})
		}
	})
}

// TestPrecedence compares with a second evaluation that has no precedence to get wrong: full parentheses.
func TestPrecedence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 3), 1, 4), 1, 4).Draw(t, "terms")
		leaves := []string{"@", "!", "not @", "not !"}
		values := []bool{true, false, false, true}
		want := false
		var alternatives []string
		for _, term := range terms {
			all := true
			var parts []string
			for _, leaf := range term {
				all = all && values[leaf]
				parts = append(parts, leaves[leaf])
			}
			want = want || all
			alternatives = append(alternatives, strings.Join(parts, " and "))
		}
		rule := strings.Join(alternatives, " or ")
		for _, text := range []string{rule, "(" + strings.Join(alternatives, ") or (") + ")"} {
			parsed, _, err := parseRule(text, kinds{})
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if got := parsed.allows("r", &Creds{}, nil); got != want {
				t.Fatalf("%q: allowed %v, want %v", text, got, want)
			}
		}
	})
}
