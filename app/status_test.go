package app

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// statusOfCloud has Status look at a cloud with these services, agents, providers and operations.
func statusOfCloud(t *testing.T, services, agents, providers, operations string) (string, error) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("POST /identity/v3/auth/tokens", func(w http.ResponseWriter, _ *http.Request) {
		var entries []string
		for _, kind := range []string{"compute", "network", "placement"} {
			entries = append(entries, fmt.Sprintf(`{"type":%q,"endpoints":[{"interface":"public","region":"here","url":"%s/%s"}]}`, kind, server.URL, kind))
		}
		fmt.Fprintf(w, `{"token":{"catalog":[%s]}}`, strings.Join(entries, ","))
	})
	for path, answer := range map[string]string{
		"GET /compute/v2.1/os-services": `{"services":[` + services + `]}`, "GET /compute/v2.1/os-hypervisors": `{"hypervisors":[{"id":"u1","hypervisor_hostname":"one"}]}`,
		"GET /network/v2.0/agents": `{"agents":[` + agents + `]}`, "GET /placement/resource_providers": `{"resource_providers":[` + providers + `]}`,
		"GET /compute/internal/operations": `{"operations":[` + operations + `]}`, "GET /": `{}`,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/internal/operations") && answer == "" {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write([]byte(answer))
		})
	}
	for _, kind := range []string{"network", "placement"} {
		mux.HandleFunc("GET /"+kind+"/internal/operations", http.NotFound)
	}
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	text := "clouds:\n  c:\n    auth: {auth_url: " + server.URL + "/identity, username: u, password: p, project_name: p}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := Status(t.Context(), Account{CloudConfig: path}, &out)
	return out.String(), err
}

func TestStatusTellsWhatIsNotWell(t *testing.T) {
	const (
		up     = `{"host":"one","state":"up","status":"enabled"}`
		off    = `{"host":"two","state":"up","status":"disabled","disabled_reason":"maintenance"}`
		down   = `{"host":"one","state":"down","status":"enabled","updated_at":"then"}`
		alive  = `{"host":"one","binary":"virga","alive":true}`
		dead   = `{"host":"one","binary":"virga","alive":false}`
		placed = `{"uuid":"u1"}`
		stuck  = `{"id":"o1","kind":"server_create","resource_id":"s1","state":"running","step":"ports","tries":7,"deadline":"2999-01-01T00:00:00Z"}`
	)
	for name, c := range map[string]struct {
		services, agents, providers, operations string
		code                                    int
		says                                    []string
	}{
		"all is well":         {up + "," + off, alive, placed, "", 0, []string{"one                          is up", "disabled: maintenance", "0 are unfinished"}},
		"an agent is dead":    {up, dead, placed, "", 1, []string{"virga is dead"}},
		"no host is up":       {down, alive, placed, "", 2, []string{"is down; last heard of at then", "no host is up and enabled"}},
		"a host has no place": {up, alive, "", "", 2, []string{"has no resource provider"}},
		"work is stuck":       {up, alive, placed, stuck, 1, []string{"o1 of s1 stands in step ports after 7 failed tries"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := statusOfCloud(t, c.services, c.agents, c.providers, c.operations)
			var wrong *StatusError
			if code := 0; errors.As(err, &wrong) && wrong.ExitCode() != c.code || !errors.As(err, &wrong) && c.code != code {
				t.Errorf("it ends with %v, not with %d", err, c.code)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said in\n%s", want, text)
				}
			}
		})
	}
}
