package attack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"virga/test/cloud"
)

func identityAttacks() []attack {
	return []attack{
		{"OSSA-2025-002 CVE-2025-65073", "a signature of somebody else, as a way to a token", borrowedSignature},
		{"OSSA-2020-003 CVE-2020-12692", "a signed request, repeated later", repeatedSignature},
		{"OSSA-2020-004 CVE-2020-12689 CVE-2020-12691", "a key pair made another's", movedKeyPair},
		{"CVE-2020-12691", "a trust that gives more than there is", strongerTrust},
		{"OSSA-2014-029 CVE-2014-3621", "an endpoint that asks for a secret", askingEndpoint},
		{"OSSN-0097", "names that a shell would run", shellNames},
		{"", "ids and names of identity that climb", climbingNames},
		{"", "lists of identity by what cannot be sorted by", strangeSorts},
		{"OSSA-2012-009", "a group and a tag without end", longTags},
	}
}

// keyPair makes an EC2 key pair and a request that was signed with it at a time.
func keyPair(t *testing.T, u *cloud.Client, at time.Time) (access string, signed object) {
	t.Helper()
	a := u.Do(t, "POST", "/identity/v3/users/"+u.UserID+"/credentials/OS-EC2", object{"tenant_id": u.ProjectID})
	access = a.Value("credential.access")
	stamp := at.UTC().Format(time.RFC3339)
	mac := hmac.New(sha256.New, []byte(a.Value("credential.secret")))
	mac.Write([]byte("GET\nbucket.example\n/\nAWSAccessKeyId=" + access + "&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=" + url.QueryEscape(stamp)))
	return access, object{"credentials": object{"access": access, "host": "bucket.example", "verb": "GET", "path": "/",
		"params":    object{"AWSAccessKeyId": access, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2", "Timestamp": stamp},
		"signature": base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
}

// borrowedSignature has somebody who saw a signed address, as people publish them, turn it into a token.
func borrowedSignature(t *testing.T, s *scene) {
	_, signed := keyPair(t, s.NewUser(t, "signer", "member"), time.Now())
	for _, path := range []string{"/identity/v3/ec2tokens", "/identity/v3/s3tokens"} {
		refused(t, path+" by nobody", s.Anonymous().Do(t, "POST", path, signed), http.StatusUnauthorized)
		refused(t, path+" by a member", s.mallory.owner.Do(t, "POST", path, signed), http.StatusForbidden)
	}
	if a := s.Admin.Do(t, "POST", "/identity/v3/ec2tokens", signed); !a.OK() {
		t.Errorf("a service that was sent it: %s", a)
	}
}

func repeatedSignature(t *testing.T, s *scene) {
	_, signed := keyPair(t, s.NewUser(t, "repeated", "member"), time.Now().Add(-16*time.Minute))
	refused(t, "after sixteen minutes", s.Admin.Do(t, "POST", "/identity/v3/ec2tokens", signed), http.StatusUnauthorized)
	_, early := keyPair(t, s.NewUser(t, "early", "member"), time.Now().Add(16*time.Minute))
	refused(t, "sixteen minutes before", s.Admin.Do(t, "POST", "/identity/v3/ec2tokens", early), http.StatusUnauthorized)
}

// movedKeyPair has the owner of a key pair make it somebody else's, and somebody else make it theirs.
func movedKeyPair(t *testing.T, s *scene) {
	u, v := s.NewUser(t, "mover", "member"), s.victim.owner
	access, _ := keyPair(t, u, time.Now())
	id := u.Must(t, "GET", "/identity/v3/credentials", nil, "credentials.0.id")
	path := "/identity/v3/credentials/" + id
	for _, change := range []object{{"user_id": v.UserID}, {"user_id": s.Admin.UserID, "project_id": v.ProjectID}} {
		refused(t, "give it away", u.Do(t, "PATCH", path, object{"credential": change}), http.StatusForbidden)
		refused(t, "take it", s.mallory.owner.Do(t, "PATCH", path, object{"credential": object{"user_id": s.mallory.owner.UserID}}), http.StatusForbidden, http.StatusNotFound)
	}
	// In a project where its owner has no role it gives no token.
	u.Do(t, "PATCH", path, object{"credential": object{"project_id": v.ProjectID}})
	if list := s.mallory.owner.Do(t, "GET", "/identity/v3/credentials?user_id="+u.UserID, nil); strings.Contains(string(list.Body), access) {
		t.Errorf("another reads it in a list: %s", list)
	}
	refused(t, "through the users of the path", s.mallory.owner.Do(t, "GET", "/identity/v3/users/"+s.mallory.owner.UserID+"/credentials/OS-EC2/"+access, nil),
		http.StatusNotFound, http.StatusForbidden)
	owner := s.Admin.Must(t, "GET", path, nil, "credential.user_id")
	if owner != u.UserID {
		t.Errorf("the key pair is now that of %s", owner)
	}
}

// strongerTrust has a trustee make of a trust what it does not give.
func strongerTrust(t *testing.T, s *scene) {
	alice, bob := s.NewUser(t, "trustor", "member"), s.NewUser(t, "trustee", "member")
	const trusts = "/identity/v3/OS-TRUST/trusts"
	body := func(trustor, trustee *cloud.Client, project string, roles ...object) object {
		return object{"trust": object{"trustor_user_id": trustor.UserID, "trustee_user_id": trustee.UserID, "project_id": project, "impersonation": true, "roles": roles}}
	}
	reader := object{"name": "reader"}
	for what, a := range map[string]*cloud.Answer{
		"of somebody else":   bob.Do(t, "POST", trusts, body(alice, bob, alice.ProjectID, reader)),
		"of a role":          alice.Do(t, "POST", trusts, body(alice, bob, alice.ProjectID, object{"name": "admin"})),
		"on another project": alice.Do(t, "POST", trusts, body(alice, bob, s.victim.owner.ProjectID, reader)),
	} {
		refused(t, "a trust "+what, a, http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest)
	}
	id := alice.Must(t, "POST", trusts, body(alice, bob, alice.ProjectID, reader), "trust.id")
	a := s.Authenticate(t, cloud.ByToken(bob.Token), object{"OS-TRUST:trust": object{"id": id}})
	if !a.OK() {
		t.Fatalf("a token of the trust: %s", a)
	}
	trusted := s.With(a.Header.Get("X-Subject-Token"))
	users := "/identity/v3/users/" + alice.UserID
	refuseAll(t, trusted, []try{
		{"POST", trusts, body(alice, bob, alice.ProjectID, reader)},
		{"POST", users + "/application_credentials", object{"application_credential": object{"name": "x"}}},
		{"POST", "/network/v2.0/networks", object{"network": object{}}}, {"PATCH", users, object{"user": object{"password": "x"}}},
	}, http.StatusForbidden)
	for what, scope := range map[string]any{"unscoped": "unscoped", "its project": object{"project": object{"id": alice.ProjectID}},
		"another project": object{"project": object{"id": bob.ProjectID}}, "the system": object{"system": object{"all": true}}} {
		refused(t, "rescoped to "+what, s.Authenticate(t, cloud.ByToken(trusted.Token), scope), http.StatusForbidden, http.StatusUnauthorized)
	}
	refused(t, "the trust for somebody else", s.Authenticate(t, cloud.ByToken(s.mallory.owner.Token), object{"OS-TRUST:trust": object{"id": id}}),
		http.StatusForbidden, http.StatusUnauthorized, http.StatusNotFound)
	s.Admin.Must(t, "DELETE", "/identity/v3/projects/"+alice.ProjectID+"/users/"+alice.UserID+"/roles/"+s.Role(t, "member"), nil, "")
	refused(t, "after the trustor lost the role", trusted.Do(t, "GET", "/network/v2.0/networks", nil), http.StatusUnauthorized)
}

func askingEndpoint(t *testing.T, s *scene) {
	service := s.Admin.Must(t, "POST", "/identity/v3/services", object{"service": object{"type": "asking", "name": "asking"}}, "service.id")
	for _, address := range []string{"http://x/%(admin_token)s", "http://x/$(admin_password)s/$(project_id)s", "http://x/%(user_id)s%(password)s", "http://x/%(project_id.__class__)s"} {
		refused(t, address, s.Admin.Do(t, "POST", "/identity/v3/endpoints", object{"endpoint": object{"service_id": service, "interface": "public", "url": address}}),
			http.StatusBadRequest)
	}
	refused(t, "a member's", s.mallory.owner.Do(t, "POST", "/identity/v3/endpoints", object{"endpoint": object{"service_id": service, "interface": "public", "url": "http://x"}}),
		http.StatusForbidden)
}

// shellNames are the names of users and projects that end up in files that shells read: they come back as they were given.
func shellNames(t *testing.T, s *scene) {
	for _, name := range []string{"$(rm -rf ~)", "`id`", "'; id; '", "a\"b", "-rf", "x && y"} {
		a := s.Admin.Do(t, "POST", "/identity/v3/projects", object{"project": object{"name": name, "domain_id": "default"}})
		if a.Status >= 500 || a.OK() && a.Value("project.name") != name {
			t.Errorf("a project named %q: %s", name, a)
		}
	}
}

// climbingNames are ids and names that are paths somewhere else: they find nothing, or what is called so.
func climbingNames(t *testing.T, s *scene) {
	v := s.victim.owner
	for _, id := range []string{"..%2f" + v.UserID, "%2e%2e", v.UserID + "%2f..", v.UserID + "%00", "%2fetc%2fpasswd", strings.ToUpper(v.UserID) + "%20", "..%5c..", strings.Repeat("a", 5000), "%ff%fe", "*", "%25", "null"} {
		for _, kind := range []string{"users", "projects", "groups", "roles", "domains", "credentials", "endpoints", "services", "regions", "policies", "limits", "OS-TRUST/trusts", "OS-OAUTH1/consumers"} {
			for _, u := range []*cloud.Client{s.Admin, s.mallory.owner} {
				if a := u.Do(t, "GET", "/identity/v3/"+kind+"/"+id, nil); a.OK() || a.Status >= 500 {
					t.Errorf("GET %s/%.60s: %s", kind, id, a)
				}
			}
		}
	}
	for _, name := range []string{"..", "../x", "/etc/passwd", "a/b", "%2e%2e", "\u202egnp"} {
		a := s.Admin.Do(t, "POST", "/identity/v3/regions", object{"region": object{"id": name}})
		if a.OK() {
			found := s.Admin.Do(t, "GET", "/identity/v3/regions/"+url.PathEscape(name), nil)
			if found.OK() && found.Value("region.id") != name || found.Status >= 500 {
				t.Errorf("the region %q is found as %s", name, found)
			}
		} else if a.Status >= 500 {
			t.Errorf("a region %q: %s", name, a)
		}
	}
}

func strangeSorts(t *testing.T, s *scene) {
	for _, list := range []string{"users", "projects", "groups", "roles", "domains", "credentials", "endpoints", "services", "regions", "policies", "limits", "registered_limits", "OS-TRUST/trusts",
		"OS-OAUTH1/consumers", "OS-EP-FILTER/endpoint_groups"} {
		for _, query := range []string{"sort_key=password_hash", "sort_key=blob_sealed", "sort_key=id%3Bdrop", "sort_key=(select%201)", "limit=-1", "limit=x", "limit=1e9", "sort_dir=up&sort_key=id",
			"marker=nobody", "marker=" + s.victim.owner.Token[:20]} {
			a := s.Admin.Do(t, "GET", "/identity/v3/"+list+"?"+query, nil)
			if a.Status != http.StatusBadRequest {
				t.Errorf("GET %s?%s: %s", list, query, a)
			}
		}
	}
}

func longTags(t *testing.T, s *scene) {
	tags := make([]string, 100_000)
	for i := range tags {
		tags[i] = strings.Repeat("t", 4) + string(rune('a'+i%26))
	}
	id, _ := s.NewProject(t, "tagged")
	refused(t, "100,000 tags", s.Admin.Do(t, "PUT", "/identity/v3/projects/"+id+"/tags", object{"tags": tags}), http.StatusBadRequest, http.StatusRequestEntityTooLarge)
	refused(t, "a long group", s.Admin.Do(t, "POST", "/identity/v3/groups", object{"group": object{"name": strings.Repeat("g", 65_536)}}), http.StatusBadRequest)
	refused(t, "further attributes without end", s.Admin.Do(t, "POST", "/identity/v3/users", object{"user": object{"name": "long", "more": strings.Repeat("m", 70_000)}}), http.StatusBadRequest)
}
