package authz

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// officeRules are the rules of the service that these tests override.
func officeRules() []Rule {
	return []Rule{
		{Name: "office:enter", Check: "role:member"},
		{Name: "office:node", Check: "role:node"},
		{Name: "service_api", Check: "role:service"},
		{Name: "office:told", Check: "rule:service_api and user_id:%(user_id)s"},
		{Name: "office:fetch", Check: "role:admin or role:node"},
	}
}

type officeFolder struct {
	*Folder
	dir      string
	enforcer *Enforcer
	log      *bytes.Buffer
}

func newOfficeFolder(t *testing.T, optional bool) officeFolder {
	t.Helper()
	var log bytes.Buffer
	f := officeFolder{dir: filepath.Join(t.TempDir(), "policy"), enforcer: mustEnforcer(t, officeRules(), nil), log: &log}
	f.Folder = NewFolder(f.dir, optional, map[string]*Enforcer{"office": f.enforcer}, slog.New(slog.NewTextHandler(&log, nil)))
	return f
}

func (f officeFolder) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// enters tells whether who has the role may enter the office.
func (f officeFolder) enters(role string) bool {
	return f.enforcer.Allowed("office:enter", &Creds{Roles: []string{role}}, nil)
}

func TestPolicyFilesHoldFromTheStart(t *testing.T) {
	for name, text := range map[string]string{
		"office.yaml": "# mine\n\"office:enter\": role:boss\n",
		"office.yml":  "office:enter: 'role:boss'",
		"office.json": `{"office:enter": [["role:boss"]]}`,
	} {
		f := newOfficeFolder(t, true)
		f.write(t, name, text)
		if err := f.Load(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f.enters("member") || !f.enters("boss") {
			t.Errorf("%s: the rule of the file does not hold", name)
		}
	}
}

func TestPolicyFilesAreFollowed(t *testing.T) {
	f := newOfficeFolder(t, true)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.write(t, "office.yaml", "office:enter: role:boss")
	f.Refresh(t.Context())
	if !f.enters("boss") {
		t.Fatal("the new file does not hold")
	}
	f.write(t, "office.yaml", "office:enter: role:cook")
	f.Refresh(t.Context())
	if !f.enters("cook") || f.enters("boss") {
		t.Fatal("the changed file does not hold")
	}
	if err := os.Remove(filepath.Join(f.dir, "office.yaml")); err != nil {
		t.Fatal(err)
	}
	f.Refresh(t.Context())
	if !f.enters("member") || f.enters("cook") {
		t.Fatal("the defaults do not hold although the file is gone")
	}
}

func TestWrongPolicyFilesLeaveTheOldRules(t *testing.T) {
	for _, c := range []struct{ name, text, reason string }{
		{"no check", "\n\noffice:enter: 7", `line 3: rule \"office:enter\"`},
		{"unclosed", "office:enter: (role:member", `line 1: rule \"office:enter\"`},
		{"no YAML", "office:enter: [\n", "line "},
		{"twice", "office:enter: '@'\noffice:enter: '@'", "given twice"},
		{"circle", "a: '@'\noffice:enter: rule:office:enter", `line 2: rule \"office:enter\": it refers to itself`},
		{"node's", "a: '@'\n\noffice:node: '@'", `line 3: rule \"office:node\"`},
		{"services'", "service_api: '@'", `line 1: rule \"service_api\"`},
		{"services', indirectly", "office:told: role:member", `line 1: rule \"office:told\"`},
	} {
		f := newOfficeFolder(t, true)
		f.write(t, "office.yaml", "office:enter: role:boss")
		if err := f.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.write(t, "office.yaml", c.text)
		f.Refresh(t.Context())
		f.Refresh(t.Context())
		if !f.enters("boss") || f.enters("member") {
			t.Errorf("%s: the old rules do not hold any more", c.name)
		}
		if n := strings.Count(f.log.String(), "level=ERROR"); n != 1 || !strings.Contains(f.log.String(), c.reason) {
			t.Errorf("%s: told %d times, want once and %q:\n%s", c.name, n, c.reason, f.log)
		}
		if err := f.Load(t.Context()); err == nil {
			t.Errorf("%s: it is no error to start with", c.name)
		}
		f.write(t, "office.yaml", "office:enter: role:cook")
		if f.Refresh(t.Context()); !f.enters("cook") {
			t.Errorf("%s: the mended file does not hold", c.name)
		}
	}
}

func TestInternalRulesStayWhatTheyAre(t *testing.T) {
	f := newOfficeFolder(t, true)
	stranger := &Creds{UserID: "u", Roles: []string{"admin", "member"}}
	for _, text := range []string{"office:node: '@'", "office:node: role:admin", "office:node: ''", `{"service_api": "role:member"}`,
		"office:told: rule:office:enter", "default: '@'\noffice:node: rule:nobody_knows"} {
		f.write(t, "office.yaml", text)
		f.Refresh(t.Context())
		for _, rule := range []string{"office:node", "service_api", "office:told"} {
			if f.enforcer.Allowed(rule, stranger, Target{"user_id": "u"}) {
				t.Errorf("%s: a user passes %s", text, rule)
			}
		}
	}
	f.write(t, "office.yaml", "office:node: role:node\noffice:fetch: role:admin")
	if err := f.Load(t.Context()); err != nil {
		t.Errorf("an override that says what the default says: %v", err)
	}
	if !strings.Contains(f.log.String(), "leaves out role:node") {
		t.Errorf("nobody is told that nodes are shut out:\n%s", f.log)
	}
}

func TestFoldersThatAreNotThere(t *testing.T) {
	if err := newOfficeFolder(t, false).Load(t.Context()); err == nil {
		t.Error("a folder that was asked for is missing, and that is no error")
	}
	f := newOfficeFolder(t, true)
	f.write(t, "office.yaml", "office:enter: role:boss")
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.dir, f.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if f.Refresh(t.Context()); !f.enters("boss") || !strings.Contains(f.log.String(), "it is gone") {
		t.Errorf("the folder is gone for a moment, and the rules with it:\n%s", f.log)
	}
}

func TestOddPolicyFiles(t *testing.T) {
	f := newOfficeFolder(t, true)
	f.write(t, "offce.yaml", "office:enter: '@'")
	f.write(t, "office.yaml", "ofice:enter: '@'")
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"offce.yaml", `rule \"ofice:enter\" is not known`} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("nobody is warned of %s:\n%s", want, f.log)
		}
	}
	f.write(t, "office.json", "{}")
	if err := f.Load(t.Context()); err == nil {
		t.Error("two files for one service are accepted")
	}
	if err := os.Remove(filepath.Join(f.dir, "office.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(f.dir, "office.yaml"), 0o602); err != nil {
		t.Fatal(err)
	}
	if err := f.Load(t.Context()); err == nil {
		t.Error("a file that everybody can change is accepted")
	}
}

// Rules are swapped whole: nobody sees a rule of the one file beside a rule of the other.
func TestRulesChangeUnderQuestions(t *testing.T) {
	f := newOfficeFolder(t, true)
	texts := []string{"office:enter: role:boss\noffice:fetch: role:boss", "office:enter: role:cook\noffice:fetch: role:cook"}
	f.write(t, "office.yaml", texts[0])
	f.Refresh(t.Context())
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if f.enters("member") {
					t.Error("a default showed through")
					return
				}
			}
		})
	}
	for i := range 50 {
		f.write(t, "office.yaml", texts[i%2])
		f.Refresh(t.Context())
	}
	close(stop)
	asking.Wait()
}
