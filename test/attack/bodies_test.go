package attack

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"virga/test/cloud"
)

func bodyAttacks() []attack {
	return []attack{
		{"OSSA-2014-040", "bodies without end", endlessBodies},
		{"OSSN-0099", "a million brackets", deepBodies},
		{"", "a key twice, or in capitals", ambiguousKeys},
		{"OSSA-2012-009", "names of 64 KB and of control characters", longNames},
		{"OSSA-2013-036", "names that are markup", markupNames},
	}
}

// endless is a body of any length; it ends when its reader has had enough.
type endless struct{ left int }

// Read implements io.Reader.
func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = ' '
	}
	n := min(len(p), e.left)
	e.left -= n
	return n, nil
}

func endlessBodies(t *testing.T, s *scene) {
	const size = 64 << 20
	for _, r := range []struct {
		client *cloud.Client
		path   string
	}{{s.Anonymous(), "/identity/v3/auth/tokens"}, {s.mallory.owner, "/compute/v2.1/servers"}, {s.mallory.owner, "/network/v2.0/networks"}, {s.mallory.owner, "/image/v2/images"},
		{s.Anonymous(), "/compute/v2.1/servers"}, {s.Anonymous(), "/nowhere"}} {
		body := &endless{left: size}
		sent := tryToSend(s, r.client, r.path, body)
		if body.left < size/2 {
			t.Errorf("POST %s: %d bytes were read (%s)", r.path, size-body.left, sent)
		}
	}
}

// tryToSend posts a stream; the server may answer before it ends or cut the connection.
func tryToSend(s *scene, u *cloud.Client, path string, body io.Reader) string {
	request, err := http.NewRequest("POST", s.Base+path, body)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Auth-Token", u.Token)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	_ = response.Body.Close()
	return response.Status
}

func deepBodies(t *testing.T, s *scene) {
	for _, path := range []string{"/identity/v3/auth/tokens", "/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images"} {
		for _, body := range []string{strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 20_000), strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000), `{"server": {"name": ` + strings.Repeat(`[[`, 40_000)} {
			refused(t, "POST "+path, s.mallory.owner.Do(t, "POST", path, body), http.StatusBadRequest, http.StatusRequestEntityTooLarge)
		}
	}
}

// ambiguousKeys sends bodies of which one reader sees a right value and another the wrong one.
func ambiguousKeys(t *testing.T, s *scene) {
	u, theirs := s.mallory.owner.InNewProject(t, "twice", "member"), s.victim.owner.ProjectID
	for _, body := range []string{
		`{"network": {"project_id": "` + theirs + `"}, "network": {"name": "x"}}`, `{"network": {"name": "x", "Project_ID": "` + theirs + `"}}`, `{"network": {"name": "x", "shared": true, "shared": false}}`,
		`{"network": {"name": "x", "SHARED": true}}`, `{"network": {"shared": true}, "network": {"name": "x"}}`, `{"Network": {"shared": true, "name": "x"}}`, `{"network": {"router:external": true}, "network": {}}`,
	} {
		a := u.Do(t, "POST", "/network/v2.0/networks", body)
		if a.Status >= 500 || a.OK() && (a.Value("network.project_id") != u.ProjectID || a.Value("network.shared") != "false" || a.Value("network.router:external") != "false") {
			t.Errorf("%s: %s", body, a)
		}
	}
	for _, body := range []string{`{"name": "x", "owner": "` + theirs + `", "owner": "` + u.ProjectID + `"}`, `{"name": "x", "Owner": "` + theirs + `"}`, `{"name": "x", "VISIBILITY": "public"}`, `{"visibility": "public", "visibility": "private"}`} {
		a := u.Do(t, "POST", "/image/v2/images", body)
		if a.Status >= 500 || a.OK() && (a.Value("owner") != u.ProjectID || a.Value("visibility") == "public") {
			t.Errorf("%s: %s", body, a)
		}
	}
	for _, more := range []string{`"password": "x", "Enabled": "perhaps"`, `"PASSWORD": 5`, `"Domain_ID": "x"`, `"options": {"Lock_Password": 1}`} {
		if a := s.Admin.Do(t, "POST", "/identity/v3/users", `{"user": {"name": "`+fmt.Sprint(len(more))+u.Name+`", "domain_id": "default", `+more+`}}`); a.Status >= 500 {
			t.Errorf("%s: %s", more, a)
		}
	}
}

// longNames are names that no table, log or terminal should see.
func longNames(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "names", "member")
	for _, name := range []string{strings.Repeat("x", 64<<10), strings.Repeat("é", 300), strings.Repeat("\U0001F4A9", 256)} {
		refuseAll(t, u, nameTries(s, name), http.StatusBadRequest, http.StatusRequestEntityTooLarge)
		for _, r := range []try{{"POST", "/identity/v3/projects", object{"project": object{"name": name, "domain_id": "default"}}}, {"POST", "/identity/v3/users", object{"user": object{"name": name, "domain_id": "default"}}},
			{"POST", "/identity/v3/roles", object{"role": object{"name": name}}}, {"POST", "/compute/v2.1/flavors", object{"flavor": object{"name": name, "ram": 1, "vcpus": 1, "disk": 0}}}} {
			refused(t, r.path, s.Admin.Do(t, r.method, r.path, r.body), http.StatusBadRequest)
		}
	}
	// NUL is no text for any database.
	refuseAll(t, u, nameTries(s, "a\x00b"), http.StatusBadRequest)
}

// nameTries are requests with a name in the places that users may name.
func nameTries(s *scene, name string) []try {
	m := s.mallory.ids
	return []try{
		{"POST", "/network/v2.0/networks", object{"network": object{"name": name}}}, {"POST", "/network/v2.0/routers", object{"router": object{"name": name}}},
		{"POST", "/network/v2.0/security-groups", object{"security_group": object{"name": name}}}, {"POST", "/network/v2.0/networks", object{"network": object{"description": name}}},
		{"POST", "/image/v2/images", object{"name": name}}, {"POST", "/image/v2/images", object{"tags": []string{name}}}, {"POST", "/image/v2/images", object{name: "x"}},
		{"POST", "/compute/v2.1/os-keypairs", object{"keypair": object{"name": name, "type": "ssh", "public_key": publicKey}}}, {"POST", "/compute/v2.1/os-server-groups", object{"server_group": object{"name": name, "policy": "affinity"}}},
		{"POST", "/compute/v2.1/servers", object{"server": object{"name": name, "imageRef": m["image_id"], "flavorRef": m["flavor_id"], "networks": "none"}}},
	}
}

// markupNames are kept as they are, and served so that no browser takes them for more than text.
func markupNames(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "markup", "member")
	for _, name := range []string{`<script>alert(1)</script>`, "$(rm -rf ~)", "`id`", "{{7*7}}", "%(admin_token)s", "../../etc/passwd", "' OR 1=1 --", "x\u202egpj.exe", "=cmd()"} {
		a := u.Do(t, "POST", "/network/v2.0/networks", object{"network": object{"name": name}})
		if !a.OK() || a.Value("network.name") != name {
			t.Errorf("a network called %q: %s", name, a)
			continue
		}
		if kind := a.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") || bytes.Contains(a.Body, []byte("<script>")) {
			t.Errorf("a network called %q is served as %q: %s", name, kind, a)
		}
		u.Must(t, "DELETE", "/network/v2.0/networks/"+a.Value("network.id"), nil, "")
	}
}
