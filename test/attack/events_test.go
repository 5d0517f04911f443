package attack

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func eventAttacks() []attack {
	return []attack{
		{"", "events of what others own", foreignEvents},
		{"", "secrets in events", secretEvents},
		{"", "events from where there are none", strangeEvents},
	}
}

// eventPaths are the streams of a cloud, the merged one first.
var eventPaths = []string{"/events", "/identity/events", "/image/events", "/network/events", "/compute/events", "/placement/events"}

const everything = "?after=oldest&follow=false"

// foreignEvents listens to everything as Mallory, who asks for the victim's things by all means.
func foreignEvents(t *testing.T, s *scene) {
	u, v := s.mallory.owner, s.victim
	for _, path := range eventPaths {
		for _, filter := range []string{"", "&project_id=" + v.owner.ProjectID, "&id=" + v.ids["server_id"], "&kind=server&kind=port&kind=image&kind=user", "&all_projects=true&all_tenants=1"} {
			a := u.Do(t, "GET", path+everything+filter, nil)
			text := string(a.Body)
			if !a.OK() || !strings.Contains(text, "event: end") {
				t.Errorf("%s%s: %s", path, filter, a)
			}
			for _, hidden := range []string{marker, v.owner.ProjectID, v.owner.UserID, v.ids["server_id"], v.ids["ports"], v.ids["image_id"], s.Host, s.DataDir,
				"binding:host_id", "binding:profile", "provider:", "OS-EXT-SRV-ATTR:host\"", "resource_provider", `"kind":"user"`, `"kind":"authentication"`} {
				if hidden != "" && strings.Contains(text, hidden) {
					t.Errorf("%s%s tells %q", path, filter, hidden)
				}
			}
		}
	}
	for path, own := range map[string]string{"/compute/events": s.mallory.ids["server_id"], "/network/events": s.mallory.ids["networks"], "/image/events": s.mallory.ids["image_id"], "/events": s.mallory.ids["server_id"]} {
		if a := u.Do(t, "GET", path+everything, nil); !strings.Contains(string(a.Body), own) {
			t.Errorf("%s does not tell Mallory of %s, which is Mallory's", path, own)
		}
	}
}

// secretEvents looks for secrets in what administrators hear, who hear everything else.
func secretEvents(t *testing.T, s *scene) {
	for _, path := range eventPaths {
		a := s.Admin.Do(t, "GET", path+everything, nil)
		text := string(a.Body)
		if !a.OK() || !strings.Contains(text, "event: ") {
			t.Errorf("%s: %s", path, a)
		}
		for what, secret := range map[string]string{"user data": base64.StdEncoding.EncodeToString([]byte(marker)), "a token": "gAAAAA", "a password": "password of ",
			"a secret": credentialSecret, "a private key": "PRIVATE KEY", "a hash": "$2b$", "another hash": "$2a$"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s tells %s", path, what)
			}
		}
	}
}

func strangeEvents(t *testing.T, s *scene) {
	for _, path := range eventPaths {
		refused(t, path+" without a token", s.Anonymous().Do(t, "GET", path, nil), http.StatusUnauthorized)
		refused(t, path+" with a bad token", s.With("gAAAAAbad").Do(t, "GET", path, nil), http.StatusUnauthorized)
		for _, query := range []string{"after=-1", "after=1e3", "after=99999999999999999999", "after=%00", "after=compute:1:2", "after=../1", "kind=" + url.QueryEscape(strings.Repeat("x", 300)),
			"kind=", strings.Repeat("id=x&", 60), "follow=perhaps", "after=" + strings.Repeat("compute:1,", 1000)} {
			refused(t, path+"?"+query, s.mallory.owner.Do(t, "GET", path+"?"+query, nil), http.StatusBadRequest)
		}
		refused(t, path+" from a strange place", s.mallory.owner.Do(t, "GET", path, nil, "Last-Event-ID", "nowhere"), http.StatusBadRequest)
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			refused(t, method+" "+path, s.mallory.owner.Do(t, method, path, object{}), http.StatusMethodNotAllowed)
		}
	}
}
