package compute_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/service/compute"
)

// checker is an external check: a real server with TLS that answers by a function and remembers what it was asked.
type checker struct {
	mu     sync.Mutex
	asked  [][]string // the hosts of each question
	bodies []map[string]any
	*httptest.Server
}

type checkReply func(w http.ResponseWriter, hosts []string)

func newChecker(t *testing.T, reply checkReply) *checker {
	c := &checker{}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("asked by %s %v: %v", r.Method, r.Header, err)
		}
		var hosts []string
		for _, h := range body["hosts"].([]any) {
			hosts = append(hosts, h.(map[string]any)["host"].(string))
		}
		c.mu.Lock()
		c.asked, c.bodies = append(c.asked, hosts), append(c.bodies, body)
		c.mu.Unlock()
		reply(w, hosts)
	}))
	t.Cleanup(c.Close)
	return c
}

// settings ask this check alone.
func (c *checker) settings(t *testing.T) compute.SchedulerCheck {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return compute.SchedulerCheck{URL: c.URL + "/check?key=hidden", CAFile: path}
}

func (r *rig) checkedBy(checks ...compute.SchedulerCheck) {
	r.halt()
	r.scheduler = compute.SchedulerSettings{Checks: checks}
	r.begin()
}

func refuse(w http.ResponseWriter, reasons map[string]string) {
	refused := []map[string]string{}
	for host, reason := range reasons {
		refused = append(refused, map[string]string{"host": host, "reason": reason})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"refused": refused})
}

func TestExternalChecksRefuseHosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	check := newChecker(t, func(w http.ResponseWriter, _ []string) {
		refuse(w, map[string]string{"host1": "its rack is full\nof dust", "stranger": "who is that"})
	})
	r.startNode("host1", 1<<20) // preferred
	r.startNode("host2", 16_384)
	r.checkedBy(check.settings(t))
	id := r.create("")
	r.waitStatus(id, "ACTIVE").want(200, `"OS-EXT-SRV-ATTR:host":"host2"`)
	check.mu.Lock()
	defer check.mu.Unlock()
	if len(check.asked) != 1 || strings.Join(check.asked[0], " ") != "host1 host2" {
		t.Errorf("asked about %v", check.asked)
	}
	server := check.bodies[0]["server"].(map[string]any)
	host := check.bodies[0]["hosts"].([]any)[0].(map[string]any)
	if server["id"] != id || server["project_id"] != projectID || server["resources"].(map[string]any)["VCPU"] == nil || host["free"].(map[string]any)["MEMORY_MB"] == nil || check.bodies[0]["version"] != 1.0 {
		t.Errorf("asked %v", check.bodies[0])
	}
}

// TestExternalChecksThatDoNotAnswer has checks be slow, broken or dishonest; hosts are refused then, or taken where the settings say so.
func TestExternalChecksThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	elsewhere := newChecker(t, func(w http.ResponseWriter, _ []string) { refuse(w, nil) })
	for name, test := range map[string]struct {
		reply checkReply
		want  string
	}{
		"status": {func(w http.ResponseWriter, _ []string) { w.WriteHeader(http.StatusServiceUnavailable) }, "the status is 503"},
		"redirect": {func(w http.ResponseWriter, _ []string) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "the status is 307"},
		"no JSON": {func(w http.ResponseWriter, _ []string) { fmt.Fprint(w, "<html>") }, "the answer is no JSON object"},
		"other":   {func(w http.ResponseWriter, _ []string) { fmt.Fprint(w, `{"error":"x"}`) }, "the answer is no JSON object"},
		"null":    {func(w http.ResponseWriter, _ []string) { fmt.Fprint(w, `{"refused":null}`) }, "the answer is no JSON object"},
		"types":   {func(w http.ResponseWriter, _ []string) { fmt.Fprint(w, `{"refused":["host1"]}`) }, "the answer is no JSON object"},
		"endless": {func(w http.ResponseWriter, _ []string) {
			fmt.Fprint(w, `{"refused":[{"reason":"`, strings.Repeat("x", 2<<20), `"}]}`)
		}, "the answer is longer than"},
		"cut short": {func(w http.ResponseWriter, _ []string) { w.Header().Set("Content-Length", "100"); fmt.Fprint(w, `{`) }, "unexpected EOF"},
		"slow":      {nil, "it took too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan struct{})
			if test.reply == nil {
				test.reply = func(http.ResponseWriter, []string) { <-done }
			}
			check := newChecker(t, test.reply)
			t.Cleanup(func() { close(done) }) // before the server waits for its handlers
			r := newRig(t)
			r.startNode("host1", 16_384)
			settings := check.settings(t)
			if name == "slow" {
				settings.Timeout = 50 * time.Millisecond
			}
			r.checkedBy(settings)
			id := r.create("")
			r.waitStatus(id, "ERROR").want(200, "a check of the operator's refuses it")
			shown := r.do(admin(), latest, "GET", "/v2.1/servers/"+id, "").str("server", "fault", "details")
			if !strings.Contains(shown, test.want) || strings.Contains(shown, "hidden") || !strings.Contains(shown, `"filter":"scheduler_check"`) {
				t.Errorf("the decision is %s", shown)
			}
			settings.FailOpen = true
			r.checkedBy(settings)
			r.waitStatus(r.create(""), "ACTIVE")
		})
	}
	if len(elsewhere.asked) != 0 {
		t.Error("a redirect was followed")
	}
}

// TestExternalChecksAreAskedOneAfterTheOther: a second check is asked about what the first lets pass, and both about the next hosts
// until one passes or enough were asked about.
func TestExternalChecksAreAskedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	none := map[string]string{}
	for i := range 20 {
		none[fmt.Sprintf("host%02d", i)] = ""
	}
	first := newChecker(t, func(w http.ResponseWriter, _ []string) { refuse(w, map[string]string{"host00": "no", "host02": "no"}) })
	second := newChecker(t, func(w http.ResponseWriter, _ []string) { refuse(w, map[string]string{"host01": "no", "host03": "no"}) })
	always := newChecker(t, func(w http.ResponseWriter, _ []string) { refuse(w, none) })
	r := newRig(t)
	for i := range 12 {
		r.startNode(fmt.Sprintf("host%02d", i), int64(1<<20-i*65_536))
	}
	a, b := first.settings(t), second.settings(t)
	a.Hosts, b.Hosts = 2, 2
	r.checkedBy(a, b)
	r.waitStatus(r.create(""), "ACTIVE").want(200, `"OS-EXT-SRV-ATTR:host":"host04"`)
	if got := fmt.Sprint(first.asked, second.asked); got != "[[host00 host01] [host02 host03] [host04 host05]] [[host01] [host03] [host04 host05]]" {
		t.Errorf("asked about %s", got)
	}
	c := always.settings(t)
	c.Hosts = 2
	r.checkedBy(c)
	id := r.create("")
	r.waitStatus(id, "ERROR").want(200, "a check of the operator's refuses it")
	details := r.do(admin(), latest, "GET", "/v2.1/servers/"+id, "").str("server", "fault", "details")
	if len(always.asked) != 5 || !strings.Contains(details, "it does not say why") || !strings.Contains(details, "it was not asked about") {
		t.Errorf("asked about %v, the decision is %s", always.asked, details)
	}
}

func TestExternalChecksThatMeanNothingAreRefused(t *testing.T) {
	r := newRig(t)
	for _, check := range []compute.SchedulerCheck{{URL: "x"}, {URL: "http://policy.example/"}, {URL: "https://a:b@policy.example"}, {URL: "https://policy.example", Hosts: 501},
		{URL: "https://policy.example", Timeout: -1}, {URL: "https://policy.example", CAFile: "/nowhere.pem"}, {URL: "ftp://127.0.0.1/"}} {
		_, err := compute.New(t.Context(), compute.Deps{DB: r.db, Bus: r.bus, Auth: &r.badges, Endpoint: "http://cloud/compute", Scheduler: compute.SchedulerSettings{Checks: []compute.SchedulerCheck{check}}})
		if err == nil || !strings.Contains(err.Error(), "scheduler check") {
			t.Errorf("%+v: %v", check, err)
		}
	}
}
