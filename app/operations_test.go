package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// elsewhere is a cloud as `virga op` sees it: an identity service, a service without
// operations, and one with three of them.
type elsewhere struct {
	server *httptest.Server
	// login is the body of the last log-in, acted the bodies of all actions.
	login string
	acted []string
}

const stuckID = "11111111-aaaa-4aaa-8aaa-000000000001"

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{}
	mux := http.NewServeMux()
	e.server = httptest.NewServer(mux)
	t.Cleanup(e.server.Close)
	read := func(r *http.Request) string {
		text := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(text)
		return string(text)
	}
	mux.HandleFunc("POST /identity/v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		if e.login = read(r); !strings.Contains(e.login, "right") {
			http.Error(w, `{"error":{"message":"no"}}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Subject-Token", "good")
		endpoint := func(kind, path, region string) string {
			return fmt.Sprintf(`{"type":%q,"endpoints":[{"interface":"public","region":%q,"url":"%s%s"},{"interface":"admin","region":%q,"url":"http://nowhere.invalid"}]}`,
				kind, region, e.server.URL, path, region)
		}
		fmt.Fprintf(w, `{"token":{"catalog":[%s,%s,%s]}}`, endpoint("compute", "/compute/v2.1/", "here"), endpoint("image", "/image", "here"),
			endpoint("compute", "/far/v2.1", "there"))
	})
	began := time.Now().Add(-3 * time.Minute).UTC().Format(time.RFC3339Nano)
	row := func(id, tail string) string {
		return fmt.Sprintf(`{"id":%q,"kind":"server_create","resource_kind":"server","resource_id":"r1","state":"running","step":"network","steps":["claim","network","spawn"],`+
			`"step_started_at":%q,"created_at":%q,"deadline":"2999-01-01T00:00:00Z","tries":4,"last_error":"no \u001b[31mred\nlines",`+
			`"events":[{"step":"claim","started_at":%q,"finished_at":%q}],"params":{"a":1},"frame":{}%s}`, id, began, began, began, began, tail)
	}
	mux.HandleFunc("GET /compute/internal/operations", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != "good" || r.FormValue("unfinished") != "true" {
			t.Errorf("asked with %s and %v", r.URL, r.Header)
		}
		if r.FormValue("marker") == "" {
			fmt.Fprintf(w, `{"operations":[%s],"operations_links":[{"rel":"next","href":"x"}]}`, row(stuckID, ""))
			return
		}
		fmt.Fprintf(w, `{"operations":[%s]}`, row("second", ""))
	})
	mux.HandleFunc("GET /compute/internal/operations/"+stuckID, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"operation":%s}`, row(stuckID, ""))
	})
	mux.HandleFunc("POST /compute/internal/operations/"+stuckID+"/action", func(w http.ResponseWriter, r *http.Request) {
		e.acted = append(e.acted, read(r))
		if len(e.acted) > 2 {
			http.Error(w, `{"conflictingRequest":{"code":409,"message":"It has ended."}}`, http.StatusConflict)
			return
		}
		fmt.Fprintf(w, `{"operation":%s}`, row(stuckID, `,"cancelled":true`))
	})
	return e
}

// account writes a clouds.yaml whose auth section is the given lines.
func (e *elsewhere) account(t *testing.T, auth string) Account {
	t.Helper()
	text := fmt.Sprintf("clouds:\n  other: {}\n  mine:\n    region_name: here\n    auth:\n      auth_url: %s/identity/v3/\n%s", e.server.URL, auth)
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Account{CloudConfig: path, Cloud: "mine"}
}

const rightPassword = "      username: ada\n      password: right\n      project_name: engines\n      user_domain_name: Default\n"

func TestOperationsAreListedFromEveryPage(t *testing.T) {
	e := newElsewhere(t)
	var out strings.Builder
	if err := ListOperations(t.Context(), e.account(t, rightPassword), false, 100, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], stuckID) || !strings.HasPrefix(lines[2], "second") {
		t.Fatalf("got\n%s", out.String())
	}
	for _, want := range []string{"server_create", "server r1", "running", "network", "3m0s", "  4  ", "none", "no  [31mred lines"} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("no %q in %q", want, lines[1])
		}
	}
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Error("a terminal would obey what an error says")
	}
	out.Reset()
	if err := ListOperations(t.Context(), e.account(t, rightPassword), false, 1, &out); err != nil || !strings.Contains(out.String(), "more than 1") {
		t.Errorf("a cut list: %v\n%s", err, out.String())
	}
}

func TestOperationIsShownWithItsSteps(t *testing.T) {
	e := newElsewhere(t)
	var out strings.Builder
	if err := ShowOperation(t.Context(), e.account(t, rightPassword), stuckID, &out); err != nil {
		t.Fatal(err)
	}
	var table []string
	for line := range strings.Lines(out.String()) {
		if fields := strings.Fields(line); len(fields) > 2 && (fields[0] == "claim" || fields[0] == "network" || fields[0] == "spawn") {
			table = append(table, fields[0]+" "+fields[1]+" "+fields[2])
		}
	}
	if len(table) != 3 || !strings.HasPrefix(table[0], "claim done") || table[1] != "network at work" || table[2] != "spawn to come" {
		t.Errorf("steps %q in\n%s", table, out.String())
	}
	if err := ShowOperation(t.Context(), e.account(t, rightPassword), "unknown", &out); err == nil || err.Error() != "there is no operation unknown" {
		t.Errorf("an unknown one: %v", err)
	}
}

func TestOperationsAreActedOn(t *testing.T) {
	e := newElsewhere(t)
	account := e.account(t, rightPassword)
	var out strings.Builder
	if err := AbandonOperation(t.Context(), account, stuckID, " ", &out); err == nil || len(e.acted) > 0 {
		t.Errorf("abandoned without a reason: %v", err)
	}
	if err := RetryOperation(t.Context(), account, stuckID, &out); err != nil {
		t.Error(err)
	}
	if err := AbandonOperation(t.Context(), account, stuckID, "burnt", &out); err != nil {
		t.Error(err)
	}
	if err := RetryOperation(t.Context(), account, stuckID, &out); err == nil || err.Error() != "It has ended." {
		t.Errorf("a refusal reads %v", err)
	}
	want := []string{`{"retry":{}}`, `{"abandon":{"because":"burnt"}}`, `{"retry":{}}`}
	if fmt.Sprint(e.acted) != fmt.Sprint(want) || !strings.Contains(out.String(), "running, cancelled, in step network") {
		t.Errorf("asked for %q and said %q", e.acted, out.String())
	}
}

func TestWaysToLogIn(t *testing.T) {
	e := newElsewhere(t)
	for auth, want := range map[string]string{
		rightPassword: `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"ada","domain":{"name":"Default"},"password":"right"}}},` +
			`"scope":{"project":{"name":"engines","domain":{"id":"default"}}}}}`,
		"      user_id: u1\n      password: right\n      project_id: p1\n": `{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"u1","password":"right"}}},"scope":{"project":{"id":"p1"}}}}`,
		"      application_credential_id: c1\n      application_credential_secret: right\n": `{"auth":{"identity":{"methods":["application_credential"],` +
			`"application_credential":{"id":"c1","secret":"right"}}}}`,
		"      token: right\n": `{"auth":{"identity":{"methods":["token"],"token":{"id":"right"}}}}`,
	} {
		if _, err := e.account(t, auth).logIn(t.Context()); err != nil {
			t.Errorf("%s: %v", auth, err)
		}
		var got, wanted any
		if json.Unmarshal([]byte(e.login), &got) != nil || json.Unmarshal([]byte(want), &wanted) != nil || fmt.Sprint(got) != fmt.Sprint(wanted) {
			t.Errorf("logs in with %s, want %s", e.login, want)
		}
	}
	_, err := e.account(t, "      username: ada\n      password: wr0ng\n").logIn(t.Context())
	if err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("wrong password: %v", err)
	}
	account := e.account(t, rightPassword)
	account.Cloud = "nobody's"
	if _, err := account.logIn(t.Context()); err == nil || !strings.Contains(err.Error(), "only [mine, other]") {
		t.Errorf("an unknown cloud: %v", err)
	}
}

func TestAgesAreShort(t *testing.T) {
	now := time.Now()
	for want, d := range map[string]time.Duration{"0s": -time.Second, "59s": 59 * time.Second, "4m10s": 250 * time.Second, "11m": 11 * time.Minute, "7h30m": 450 * time.Minute, "12d": 12 * 24 * time.Hour} {
		if got := age(d); got != want {
			t.Errorf("age of %s: %q, want %q", d, got, want)
		}
	}
	for want, deadline := range map[string]time.Time{"none": {}, "in 59m": now.Add(59 * time.Minute), "3m0s ago": now.Add(-3 * time.Minute)} {
		if got := until(deadline, now); got != want {
			t.Errorf("deadline %s: %q, want %q", deadline, got, want)
		}
	}
}
