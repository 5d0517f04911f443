package attack

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"virga/test/cloud"
)

func edgeAttacks() []attack {
	return []attack{
		{"OSSA-2026-001 CVE-2026-22797", "identity headers of a client", identityHeaders},
		{"OSSN-0101", "another name in the header Host", hostHeader},
		{"OSSA-2021-002 CVE-2021-3654", "a path that leads elsewhere", openRedirects},
		{"OSSA-2011-001", "paths that climb", climbingPaths},
		{"", "requests that two servers read in two ways", smuggledRequests},
		{"OSSA-2021-006 CVE-2021-40797", "thousands of unknown paths and tokens", unknownPaths},
		{"OSSA-2014-038 CVE-2014-3708", "lists without end", endlessLists},
		{"", "patterns that never end", slowPatterns},
		{"OSSA-2019-003 CVE-2019-14433", "errors that tell of the inside", tellingErrors},
		{"", "pages without a token", openPages},
	}
}

func identityHeaders(t *testing.T, s *scene) {
	v := s.victim.owner
	headers := []string{"X-Identity-Status", "Confirmed", "X-User-Id", v.UserID, "X-User-Name", v.Name, "X-Project-Id", v.ProjectID, "X-Tenant-Id", v.ProjectID, "X-Project-Name", v.Project,
		"X-Roles", "admin,member,service,node", "X-Role", "admin", "X-Is-Admin-Project", "True", "X-Service-Roles", "service", "X-Service-Identity-Status", "Confirmed", "X-System-Scope", "all",
		"OpenStack-System-Scope", "all", "X-Domain-Id", "default", "X-Service-Token", v.Token, "X-Forwarded-For", "127.0.0.1", "X-Instance-ID", s.victim.ids["server_id"],
		"X-Instance-ID-Signature", "x", "X-Tenant", v.ProjectID, "X-User", v.UserID, "X-Remote-User", v.Name, "Remote-User", v.Name}
	for _, path := range []string{"/network/v2.0/ports", "/compute/v2.1/servers/detail", "/image/v2/images", "/identity/v3/users", "/placement/resource_providers",
		"/compute/internal/metadata/" + s.victim.ids["server_id"] + "/openstack/latest/user_data"} {
		refused(t, path, s.Anonymous().Do(t, "GET", path, nil, headers...), http.StatusUnauthorized)
		a := s.mallory.owner.Do(t, "GET", path, nil, headers...)
		if strings.Contains(string(a.Body), s.victim.ids["server_id"]) || strings.Contains(string(a.Body), s.victim.ids["ports"]) {
			t.Errorf("GET %s with headers of another: %s", path, a)
		}
	}
	for _, lowered := range []string{"x-roles", "X-ROLES", "x_roles"} {
		refused(t, lowered, s.mallory.owner.Do(t, "GET", "/compute/v2.1/servers?all_tenants=1", nil, lowered, "admin"), http.StatusForbidden)
	}
}

// raw writes a request as it stands and reads the answer; an answer that does not come is a failure.
func raw(t *testing.T, s *scene, request string) *cloud.Answer {
	t.Helper()
	connection, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("%.200q: %v", request, err)
	}
	body, _ := io.ReadAll(response.Body)
	return &cloud.Answer{Status: response.StatusCode, Header: response.Header, Body: body}
}

// get is a request of Mallory's with a target that clients would clean.
func get(s *scene, target, host string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nX-Auth-Token: " + s.mallory.owner.Token + "\r\n\r\n"
}

func hostHeader(t *testing.T, s *scene) {
	for _, path := range []string{"/", "/identity/", "/identity/v3", "/identity/v3/projects", "/image/", "/image/versions", "/image/v2/images", "/compute/", "/compute/v2.1", "/compute/v2.1/servers",
		"/network/", "/network/v2.0", "/network/v2.0/networks?limit=1", "/placement/", "/identity/v3/auth/catalog"} {
		request := strings.Replace(get(s, path, "evil.example"), "\r\n\r\n", "\r\nOrigin: http://evil.example\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nX-Forwarded-Proto: gopher\r\n\r\n", 1)
		a := raw(t, s, request)
		if bytes.Contains(a.Body, []byte("evil.example")) || strings.Contains(fmt.Sprint(a.Header), "evil.example") || bytes.Contains(a.Body, []byte("gopher")) {
			t.Errorf("GET %s for evil.example: %v %s", path, a.Header, a)
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("GET %s: pages of others may read it: %v", path, a.Header)
		}
	}
}

func openRedirects(t *testing.T, s *scene) {
	for _, target := range []string{"//evil.example/%2f..", "//evil.example/..", "/%2fevil.example", "/\\evil.example", "/identity//evil.example", "/compute/v2.1//evil.example/%2f..",
		"/compute", "/identity/v3/", "/network/v2.0/networks/", "http://evil.example/compute/", "/..//evil.example", "/image/v2/images/../../..//evil.example"} {
		if a := raw(t, s, get(s, target, "x")); a.Status >= 300 && a.Status < 400 && a.Status != http.StatusMultipleChoices || strings.Contains(a.Header.Get("Location"), "evil") || a.Status >= 500 {
			t.Errorf("GET %s leads to %q: %s", target, a.Header.Get("Location"), a)
		}
	}
}

func climbingPaths(t *testing.T, s *scene) {
	v := s.victim.ids
	for _, target := range []string{"/image/v2/images/..%2f..%2f..%2fetc%2fpasswd/file", "/image/v2/images/%2e%2e/%2e%2e/file", "/image/v2/images/..%2fimages%2f" + v["image_id"] + "/file",
		"/image/v2/images/" + v["image_id"] + "%2ffile", "/image/v2/images/" + v["image_id"] + "%00/file", "/image/v2/images/" + strings.ToUpper(v["image_id"]) + "/file",
		"/compute/v2.1/servers/" + s.mallory.ids["server_id"] + "/../" + v["server_id"], "/compute/v2.1/servers/" + s.mallory.ids["server_id"] + "%2f..%2f" + v["server_id"],
		"/compute/v2.1/" + v["project_id"] + "/servers/" + v["server_id"], "/compute/v2/" + v["project_id"] + "/servers/detail", "/compute/v2.1/" + v["project_id"] + "/servers/detail",
		"/compute/v2.1/servers/" + v["server_id"] + ".json", "/compute/v2.1/servers/%20" + v["server_id"], "/compute/v2.1/servers/" + v["server_id"] + "%0a", "/network/v2.0/ports/" + v["ports"] + ".json",
		"/compute/../network/v2.0/ports/" + v["ports"], "/network/v2.0/ports/%c0%ae%c0%ae/" + v["ports"], "/network/v2.0/ports/" + v["ports"] + ";x", "/network/v2.0/ports/" + v["ports"] + "%3f", "/identity/v3/users/" + v["user_id"] + "/../" + v["user_id"],
		"/compute/internal/../v2.1/servers/" + v["server_id"], "/%63ompute/v2.1/servers/" + v["server_id"], "/compute%2fv2.1/servers/" + v["server_id"], "//compute/v2.1/servers/" + v["server_id"],
		"/compute/v2.1/servers//" + v["server_id"], "/compute/./v2.1/servers/" + v["server_id"], "/readyz/../compute/v2.1/servers/" + v["server_id"], "*", "/%00", "/%", "/%zz", "/\xff\xfe", "/network/v2.0/networks/\xff"} {
		a := raw(t, s, get(s, target, "x"))
		if a.Status >= 500 || bytes.Contains(a.Body, []byte(marker)) || bytes.Contains(a.Body, []byte("root:")) {
			t.Errorf("GET %q: %s", target, a)
		}
	}
}

func smuggledRequests(t *testing.T, s *scene) {
	inner := "GET /compute/v2.1/servers/detail HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + s.victim.owner.Token + "\r\n\r\n"
	head := "POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
	for _, request := range []string{
		head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner, head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + inner,
		head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + inner, head + "Content-Length: -1\r\n\r\n" + inner, head + "Content-Length: 99999999999999999999\r\n\r\n{}",
		head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner, head + "Content-Length: +2\r\n\r\n{}" + inner,
		head + "X-Long: " + strings.Repeat("x", 200_000) + "\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "BOGUS\r\n\r\n", "GET /compute/v2.1/servers HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	} {
		a := raw(t, s, request)
		if a.OK() || a.Status >= 500 && a.Status != http.StatusNotImplemented && a.Status != http.StatusHTTPVersionNotSupported {
			t.Errorf("%.160q: %s", request, a)
		}
	}
}

// unknownPaths sends what nobody knows, each once: neither the metrics nor the memory may keep any of it.
func unknownPaths(t *testing.T, s *scene) {
	const requests = 1500
	series := func() int { return strings.Count(string(s.Anonymous().Do(t, "GET", "/metrics", nil).Body), "\n") }
	ask := func(from, to int) {
		for i := from; i < to; i++ {
			long := strings.Repeat(fmt.Sprintf("%08d", i), 400)
			s.With("gAAAAA"+long).Do(t, "GET", fmt.Sprintf("/compute/v2.1/servers/%d?x%d=%s", i, i, long[:200]), nil)
			s.Anonymous().Do(t, fmt.Sprintf("M%d", i), fmt.Sprintf("/network/v2.0/%d", i), nil, "X-OpenStack-Request-Id", long, "OpenStack-API-Version", "compute "+long[:100])
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc - uint64(len(s.Log.String())) //nolint:gosec // both are small
	}
	ask(0, 100)
	before, heapBefore := series(), heap()
	ask(100, requests)
	// A series has more than ten lines; others of the catalogue run meanwhile and have a few of their own.
	if after := series(); after > before+requests {
		t.Errorf("%d lines of metrics became %d", before, after)
	}
	if after := heap(); after > heapBefore+64<<20 {
		t.Errorf("%d bytes of heap became %d", heapBefore, after)
	}
}

func endlessLists(t *testing.T, s *scene) {
	for _, path := range []string{"/compute/v2.1/servers", "/compute/v2.1/servers/detail", "/compute/v2.1/flavors", "/compute/v2.1/os-keypairs", "/compute/v2.1/os-server-groups", "/network/v2.0/networks", "/network/v2.0/ports", "/network/v2.0/security-group-rules",
		"/image/v2/images", "/identity/v3/auth/projects"} {
		for _, query := range []string{"limit=-1", "limit=1e9", "limit=9223372036854775808", "limit=1000000000000000000", "limit=0", "limit=x", "limit=1&limit=99999999", "limit=%00", "offset=-1", "marker=" + s.victim.ids["server_id"], "marker=" + s.victim.ids["networks"],
			"marker=%27--", "sort_key=password", "sort_key=project_id;drop", "sort_key=" + strings.Repeat("id&sort_key=", 500) + "id", "sort_dir=up", "sort=name:asc,name:desc,x:y", "page_reverse=maybe", "fields=" + strings.Repeat("x&fields=", 1000)} {
			a := s.mallory.owner.Do(t, "GET", path+"?"+query, nil)
			if a.Status >= 500 || bytes.Contains(a.Body, []byte(s.victim.ids["server_id"])) && !strings.Contains(query, s.victim.ids["server_id"]) {
				t.Errorf("GET %s?%.100s: %s", path, query, a)
			}
		}
	}
}

func slowPatterns(t *testing.T, s *scene) {
	// One that never ends is ended by the client, which fails the test.
	for _, pattern := range []string{"(a%2B)%2B%24", "((((((((((a*)*)*)*)*)*)*)*)*)*", "(x%7Bx%7D)", "%5B", "(.{1,1000}){1,1000}", "a{1000}{1000}", strings.Repeat("(", 2000), strings.Repeat("a?", 120) + strings.Repeat("a", 15), "%00", "%ff", "(%3Fi)", "%5CQ", "%5Cp{Greek}"} {
		for _, query := range []string{"/compute/v2.1/servers/detail?name=" + pattern, "/compute/v2.1/servers?ip=" + pattern, "/image/v2/images?name=" + pattern, "/network/v2.0/networks?name=" + pattern,
			"/network/v2.0/ports?fixed_ips=ip_address_substr=" + pattern} {
			if a := s.mallory.owner.Do(t, "GET", query, nil); a.Status >= 500 {
				t.Errorf("GET %.200s: %s", query, a)
			}
		}
	}
}

// inside are words that only those who look inside read.
var inside = []string{"sqlite", "SQLITE", "SELECT ", "INSERT ", "UNIQUE constraint", ".go:", "goroutine", "runtime error", "nil pointer", "/tmp/", "/var/lib", "json: cannot", "strconv.", "virga/"}

func tellingErrors(t *testing.T, s *scene) {
	u := s.mallory.owner
	for _, r := range []try{
		{"GET", "/compute/v2.1/servers/%27%3b--", nil}, {"POST", "/compute/v2.1/servers", `{"server": [`}, {"POST", "/compute/v2.1/servers", `{"server": 1}`}, {"POST", "/network/v2.0/networks", `{"network": {"mtu": 99999999999999999999}}`},
		{"POST", "/network/v2.0/subnets", `{"subnet": {"network_id": "` + s.mallory.ids["networks"] + `", "cidr": "::/999", "ip_version": 4}}`}, {"POST", "/image/v2/images", `{"min_disk": 1.5}`}, {"POST", "/identity/v3/auth/tokens", `{"auth": {"identity": {"methods": [1]}}}`},
		{"GET", "/identity/v3/users/%00", nil}, {"GET", "/network/v2.0/ports?fixed_ips=x", nil}, {"GET", "/network/v2.0/ports/%ff", nil}, {"PUT", "/image/v2/images/" + s.mallory.ids["image_id"] + "/file", "x"}, {"GET", "/compute/v2.1/servers?changes-since=yesterday", nil},
		{"POST", "/compute/v2.1/os-keypairs", object{"keypair": object{"name": "x", "public_key": "ssh-rsa AAAA"}}}, {"POST", "/compute/v2.1/servers/" + s.mallory.ids["server_id"] + "/action", `{"reboot": {"type": 1}}`},
		{"PATCH", "/image/v2/images/" + s.mallory.ids["image_id"], `[{"op": "replace", "path": "/x/y/z", "value": 1}]`}, {"GET", "/placement/allocation_candidates?resources=VCPU:x", nil},
	} {
		a := u.Do(t, r.method, r.path, r.body)
		if a.Status < 400 || a.Status >= 500 {
			t.Errorf("%s %s: %s", r.method, r.path, a)
		}
		for _, word := range inside {
			if bytes.Contains(a.Body, []byte(word)) {
				t.Errorf("%s %s tells of the inside (%q): %s", r.method, r.path, word, a)
			}
		}
	}
}

// openPages are the pages that need no token: they have no ids and no secrets.
func openPages(t *testing.T, s *scene) {
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/vars", "/internal", "/.git/config", "/clouds.yaml", "/db/identity.sqlite"} {
		a := s.Anonymous().Do(t, "GET", path, nil)
		for _, secret := range []string{marker, s.victim.owner.ProjectID, s.victim.owner.UserID, s.victim.ids["server_id"], s.victim.owner.Name, s.DataDir, "gAAAA", cloud.AdminPassword, s.victim.owner.Password, "password:", "password="} {
			if bytes.Contains(a.Body, []byte(secret)) {
				t.Errorf("GET %s has %q: %s", path, secret, a)
			}
		}
	}
}
