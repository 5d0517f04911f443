package authz

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestParseFile(t *testing.T) {
	yamlFile := `
# an operator's file
"a": "role:admin"
b: 'role:member
  or role:reader'
c: [["role:admin"], ["project_name:High Energy", "@"]]
d: ""
`
	jsonFile := `{"a": "role:admin", "c": [["role:admin"], "@"]}`
	for source, want := range map[string]map[string]string{
		yamlFile: {"a": "role:admin", "b": "role:member or role:reader",
			"c": `[["role:admin"],["project_name:High Energy","@"]]`, "d": ""},
		jsonFile:    {"a": "role:admin", "c": `[["role:admin"],"@"]`},
		"":          {},
		"# nothing": {},
		"{}":        {},
	} {
		got, err := ParseFile([]byte(source))
		if err != nil {
			t.Errorf("%q: %v", source, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", source, diff)
		}
	}
}

func TestListChecksMayHaveWhiteSpace(t *testing.T) {
	rules, err := ParseFile([]byte(`a: [["token.project.name:High Energy"]]`))
	if err != nil {
		t.Fatal(err)
	}
	enforcer := mustEnforcer(t, nil, rules)
	creds := alice()
	if enforcer.Allowed("a", creds, nil) {
		t.Error("allowed in another project")
	}
	creds.Token.Project.Name = "High Energy"
	if !enforcer.Allowed("a", creds, nil) {
		t.Error("denied in the project of that name")
	}
}

func TestWrongFiles(t *testing.T) {
	for source, want := range map[string]string{
		"a: role:admin or\n":               `line 1: rule "a"`,
		"a: \"@\"\n\nb: \"role\"\n":        `line 3: rule "b"`,
		"a: \"@\"\na: \"!\"\n":             `line 2: rule "a": the rule is given twice`,
		"a:\n":                             "the check is missing",
		"a: 3\n":                           "neither a text nor a list",
		"a: true\n":                        "neither a text nor a list",
		"a: {b: c}\n":                      "neither a text nor a list",
		"a: [[1]]\n":                       "not a text",
		"a: [{b: c}]\n":                    "neither a text nor a list",
		"3: \"@\"\n":                       "name is not a text",
		"- \"@\"\n":                        "not a map",
		"role:admin":                       "not a map",
		"a: [":                             "read policy file",
		"a: &x [\"@\"]\nb: *x\n":           "neither a text nor a list",
		strings.Repeat("# x\n", 1024*1100): "longer than",
	} {
		rules, err := ParseFile([]byte(source))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, error %v does not have %q", source, rules, err, want)
		}
	}
}

func TestParseFileSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, err := ParseFile(rapid.SliceOf(rapid.Byte()).Draw(t, "data"))
		if err == nil {
			_, _ = NewEnforcer(nil, rules)
		}
	})
}

func sampleRules() []Rule {
	return []Rule{
		{Name: "context_is_admin", Check: "role:admin"},
		{
			Name: "os_compute_api:servers:create", Check: "rule:project_member_or_admin", Scopes: []string{"project"},
			Description: "Create a server. This text is long enough that it has to be wrapped over more than one line of the sample.\n\nA second paragraph:\n\n    a literal block that stays as it is, however long the line may turn out to be",
			Operations:  []Operation{{Method: "POST", Path: "/servers"}, {Method: "POST", Path: "/servers/{server_id}/action"}},
		},
		{
			Name: "identity:get_user", Check: `"None":%(domain_id)s`, Scopes: []string{"system", "domain", "project"},
			Description: "Show a user.",
			Operations:  []Operation{{Method: "GET", Path: "/v3/users/{user_id}"}},
			Deprecated:  &DeprecatedRule{Name: "identity:show_user", Check: "rule:admin_required", Since: "1.0", Reason: "The rule was too coarse."},
		},
	}
}

func TestSample(t *testing.T) {
	var sample bytes.Buffer
	if err := WriteSample(&sample, sampleRules()); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/sample.yaml"
	if *update {
		if err := os.WriteFile(golden, sample.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), sample.String()); diff != "" {
		t.Errorf("sample (-want +got):\n%s", diff)
	}
}

// TestSampleSaysTheDefaults takes the comment signs off the rules and reads the file back.
func TestSampleSaysTheDefaults(t *testing.T) {
	var sample bytes.Buffer
	rules := append(BaseRules(), sampleRules()[1:]...)
	if err := WriteSample(&sample, rules); err != nil {
		t.Fatal(err)
	}
	if inert, err := ParseFile(sample.Bytes()); err != nil || len(inert) != 0 {
		t.Fatalf("the sample as it is has rules %v, error %v", inert, err)
	}
	got, err := ParseFile([]byte(strings.ReplaceAll(sample.String(), "\n#\"", "\n\"")))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"identity:show_user": "rule:identity:get_user"}
	for _, rule := range rules {
		want[rule.Name] = rule.Check
	}
	if diff := cmp.Diff(maps.Clone(want), got); diff != "" {
		t.Errorf("rules of the sample (-want +got):\n%s", diff)
	}
}
