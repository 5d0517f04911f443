//go:build gabbi

package placement_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"virga/core/api"
	"virga/core/clock"
	"virga/core/db/dbtest"
	"virga/core/token"
)

// gabbiVariable names a checkout of openstack/placement, whose own functional tests are run then. It needs python3 with gabbi.
const gabbiVariable = "VIRGA_TEST_PLACEMENT_SOURCE"

// notOurs are files of placement's tests that are about what differs here on purpose, with the reason.
var notOurs = map[string]string{
	"cors.yaml":     "cross-origin requests are the edge's",
	"non-cors.yaml": "cross-origin requests are the edge's",
}

// differs are the tests, by the beginning of what is said of them, that are answered otherwise here, with the reason.
var differs = map[string]string{
	"aggregate.yaml put aggregates for bad resource provider":                                  "a body that fits no schema is refused before the provider is looked for",
	"allocation-candidates-root-required.yaml limit to multiattach-capable unsuffixed sharing": "traits are in the order of their names",
	"allocations-1-12.yaml put resource provider not uuid":                                     "names that fit no pattern are called unexpected",
	"allocations-1-12.yaml put resource class not valid":                                       "names that fit no pattern are called unexpected",
	"allocations-1-12.yaml put empty allocations":                                              "gabbi 2 knows no patterns there; the text is the one wanted",
	"allocations-bug-1714072.yaml fail with empty resources":                                   "gabbi 2 knows no patterns there; the text is the one wanted",
	"allocations.yaml get allocations no consumer is 405":                                      "in version 1.0 there is no such path",
	"basic-http.yaml PUT resource provider no body":                                            "an empty body is no JSON, whatever its type",
	"basic-http.yaml bad content length not int":                                               "net/http refuses it",
	"bug-1674694.yaml 404 with other accept":                                                   "errors are JSON",
	"microversion.yaml root has microversion header":                                           "names of headers are written as they are known best",
	"microversion.yaml latest microversion is":                                                 "names of headers are written as they are known best",
	"microversion.yaml other accept header bad version":                                        "errors are JSON",
	"reshaper-legacy-rbac.yaml project admin can reshape":                                      "that rule was given up",
}

// TestGabbits runs placement's own tests, unmodified, each file on a database of its own.
func TestGabbits(t *testing.T) {
	source := os.Getenv(gabbiVariable)
	if source == "" {
		t.Fatal(gabbiVariable + " names no checkout of openstack/placement")
	}
	folder := filepath.Join(source, "placement", "tests", "functional")
	files, err := filepath.Glob(filepath.Join(folder, "gabbits", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	placing := &resettable{t: t}
	server := httptest.NewServer(placing)
	defer server.Close()
	placing.url = server.URL
	args := []string{"testdata/gabbits.py", server.URL, folder}
	for _, file := range files {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if notOurs[name] != "" || strings.Contains(string(text), "OpenPolicyFixture") { // policies are no setting of the tests' server
			continue
		}
		args = append(args, name)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	passed := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch {
		case word == "ok":
			passed++
		case word == "FAIL":
			known := false
			for beginning := range differs {
				known = known || strings.HasPrefix(rest, beginning)
			}
			if !known {
				t.Error(rest)
			}
		}
	}
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d tests passed", passed)
}

// resettable is placement for tests that say by headers who they are, as placement's test server believes them.
type resettable struct {
	t       *testing.T
	url     string
	mu      sync.Mutex
	handler http.Handler
}

func (s *resettable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.handler == nil || r.Method == http.MethodPost && r.URL.Path == "/reset" {
		s.handler = &api.Edge{Clock: clock.System{}, Fallback: serviceAt(s.t, dbtest.Open(s.t), s.url).Handler()}
	}
	handler := s.handler
	s.mu.Unlock()
	if r.URL.Path == "/reset" {
		return
	}
	if text := r.Header.Get("X-Auth-Token"); text != "" {
		r = r.WithContext(token.WithIdentity(r.Context(), believed(text, r.Header)))
	}
	handler.ServeHTTP(w, r)
}

// believed is who a token USER:PROJECT of placement's tests stands for; roles come with those that they imply.
func believed(text string, header http.Header) *token.Identity {
	roles := header.Get("X-Roles")
	user, project, _ := strings.Cut(text, ":")
	if project == "" {
		project = user
	}
	names := strings.Split(roles, ",")
	if roles == "" && user == "admin" {
		names = []string{"admin", "service"}
	}
	if slices.Contains(names, "admin") {
		names = append(names, "member")
	}
	if slices.Contains(names, "member") {
		names = append(names, "reader")
	}
	id := identity(project, names...)
	id.UserID = user
	if id.System = header.Get("OpenStack-System-Scope") == "all"; id.System {
		id.Project = token.Project{}
	}
	if given := header.Get("X-Project-Id"); given != "" {
		id.Project.ID = given
	}
	return id
}
