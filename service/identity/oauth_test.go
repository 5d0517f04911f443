package identity_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"virga/core/token"
)

// oauthClient is a consumer with, perhaps, a token.
type oauthClient struct {
	c                         *cloud
	key, secret, id, idSecret string
	nonces                    int
}

func newConsumer(c *cloud) *oauthClient {
	c.t.Helper()
	made := c.must(201, "POST", "/v3/OS-OAUTH1/consumers", c.admin(), object{"consumer": object{"description": "printer"}})
	return &oauthClient{c: c, key: made.id("consumer"), secret: fmt.Sprint(made.at("consumer", "secret"))}
}

// sign is the header Authorization for a request, with changes to its parameters.
func (o *oauthClient) sign(method, path string, changes map[string]string) string {
	o.nonces++
	params := map[string]string{"oauth_consumer_key": o.key, "oauth_signature_method": "HMAC-SHA1", "oauth_version": "1.0",
		"oauth_timestamp": fmt.Sprint(o.c.clock.Now().Unix()), "oauth_nonce": fmt.Sprint("nonce", o.nonces)}
	if o.id != "" {
		params["oauth_token"] = o.id
	}
	for name, value := range changes {
		params[name] = value
	}
	encode := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	var pairs, parts []string
	for name, value := range params {
		pairs = append(pairs, encode(name)+"="+encode(value))
		parts = append(parts, name+`="`+encode(value)+`"`)
	}
	slices.Sort(pairs)
	base := method + "&" + encode("http://cloud/identity"+path) + "&" + encode(strings.Join(pairs, "&"))
	mac := hmac.New(sha1.New, []byte(encode(o.secret)+"&"+encode(o.idSecret)))
	mac.Write([]byte(base))
	return "OAuth " + strings.Join(append(parts, `oauth_signature="`+encode(base64.StdEncoding.EncodeToString(mac.Sum(nil)))+`"`), ", ")
}

const requestPath, accessPath, loginPath = "/v3/OS-OAUTH1/request_token", "/v3/OS-OAUTH1/access_token", "/v3/auth/tokens"

// holding is the consumer with the token that an answer gives.
func (o *oauthClient) holding(a answer) *oauthClient {
	o.c.t.Helper()
	form, err := url.ParseQuery(a.text)
	if err != nil || form.Get("oauth_token") == "" || form.Get("oauth_token_secret") == "" || form.Get("oauth_expires_at") == "" ||
		a.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		o.c.t.Fatalf("%v %s", a.header, a.text)
	}
	return &oauthClient{c: o.c, key: o.key, secret: o.secret, id: form.Get("oauth_token"), idSecret: form.Get("oauth_token_secret"), nonces: o.nonces}
}

// request asks for a request token on a project.
func (o *oauthClient) request(project string) *oauthClient {
	o.c.t.Helper()
	return o.holding(o.c.must(201, "POST", requestPath, "", nil, "Authorization", o.sign("POST", requestPath, map[string]string{"oauth_callback": "oob"}),
		"Requested-Project-Id", project))
}

// granted is the consumer with an access token for the extra role of the trustor.
func (o *oauthClient) granted(p trustees) *oauthClient {
	o.c.t.Helper()
	wish := o.request(p.trustor.project)
	verifier := fmt.Sprint(o.c.must(200, "PUT", "/v3/OS-OAUTH1/authorize/"+wish.id, p.trustor.scoped,
		object{"roles": []object{{"id": p.extra}}}).at("token", "oauth_verifier"))
	return wish.holding(o.c.must(201, "POST", accessPath, "", nil, "Authorization", wish.sign("POST", accessPath, map[string]string{"oauth_verifier": verifier})))
}

func oauthBody(scope any) object {
	auth := object{"identity": object{"methods": []string{"oauth1"}, "oauth1": object{}}}
	if scope != nil {
		auth["scope"] = scope
	}
	return object{"auth": auth}
}

func (o *oauthClient) login(status int, scope any) answer {
	o.c.t.Helper()
	return o.c.must(status, "POST", loginPath, "", oauthBody(scope), "Authorization", o.sign("POST", loginPath, nil))
}

func TestAConsumerIsHandedRolesOn(t *testing.T) {
	for _, kind := range []string{token.KindFernet, token.KindJWS} {
		c := newCloud(t)
		ring, err := token.NewSigningRing()
		if err != nil {
			t.Fatal(err)
		}
		c.signing, c.kind = token.NewSigningKeys(ring), kind
		c.restart()
		p := newTrustees(c)
		holder := newConsumer(c).granted(p)
		got := holder.login(201, nil)
		roles, _ := got.at("token", "roles").([]any)
		if got.at("token", "user", "id") != p.trustor.user || len(roles) != 1 || got.at("token", "roles", 0, "name") != "extra" ||
			got.at("token", "project", "id") != p.trustor.project || got.at("token", "OS-OAUTH1", "access_token_id") != holder.id ||
			got.at("token", "OS-OAUTH1", "consumer_id") != holder.key {
			t.Errorf("%s: %s", kind, got.text)
		}
		text := got.header.Get("X-Subject-Token")
		c.must(200, "GET", "/v3/auth/catalog", text, nil)
		c.restart()
		if shown := c.must(200, "GET", "/v3/auth/tokens", text, nil, "X-Subject-Token", text); shown.at("token", "OS-OAUTH1", "access_token_id") != holder.id {
			t.Errorf("%s: %s", kind, shown.text)
		}
		all := "/v3/users/" + p.trustor.user + "/OS-OAUTH1/access_tokens"
		if list := c.must(200, "GET", all, p.trustor.scoped, nil); list.at("access_tokens", 0, "id") != holder.id || strings.Contains(list.text, holder.idSecret) {
			t.Errorf("listed %s", list.text)
		}
		one := all + "/" + holder.id
		if shown := c.must(200, "GET", one, p.trustor.scoped, nil); shown.at("access_token", "consumer_id") != holder.key {
			t.Errorf("shown %s", shown.text)
		}
		if listed := c.must(200, "GET", one+"/roles", p.trustor.scoped, nil); listed.at("roles", 0, "id") != p.extra {
			t.Errorf("roles %s", listed.text)
		}
		c.must(200, "GET", one+"/roles/"+p.extra, p.trustor.scoped, nil)
		c.must(404, "GET", one+"/roles/"+p.trustor.role, p.trustor.scoped, nil)
		for _, path := range []string{all, one, one + "/roles"} {
			c.must(403, "GET", path, p.trustee.scoped, nil)
		}
		c.must(404, "GET", "/v3/users/"+p.trustee.user+"/OS-OAUTH1/access_tokens/"+holder.id, p.trustee.scoped, nil)
		c.must(403, "DELETE", one, p.trustee.scoped, nil)
		c.must(204, "DELETE", one, p.trustor.scoped, nil)
		c.must(401, "GET", "/v3/auth/catalog", text, nil)
		holder.login(401, nil)
	}
}

func TestATokenOfAnAccessTokenMakesNoMore(t *testing.T) {
	c := newCloud(t)
	p := newTrustees(c)
	holder := newConsumer(c).granted(p)
	text := holder.login(201, onProjectID(p.trustor.project)).header.Get("X-Subject-Token")
	holder.login(401, onProjectID(p.trustee.project))
	holder.login(401, onSystem())
	wish := newConsumer(c).request(p.trustor.project)
	for _, scope := range []any{nil, onProjectID(p.trustor.project), onProjectID(p.trustee.project), onSystem(), "unscoped"} {
		c.must(403, "POST", loginPath, "", tokenAuth(text, scope))
	}
	user := "/v3/users/" + p.trustor.user
	for _, try := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/v3/OS-TRUST/trusts", p.body(nil)},
		{"POST", user + "/application_credentials", object{"application_credential": object{"name": "more"}}},
		{"POST", user + "/credentials/OS-EC2", object{"tenant_id": p.trustor.project}},
		{"POST", "/v3/credentials", object{"credential": object{"type": "cert", "blob": "b", "project_id": p.trustor.project, "user_id": p.trustor.user}}},
		{"PUT", "/v3/OS-OAUTH1/authorize/" + wish.id, object{"roles": []object{{"id": p.extra}}}},
		{"GET", user + "/OS-OAUTH1/access_tokens", nil},
		{"DELETE", user + "/OS-OAUTH1/access_tokens/" + holder.id, nil},
	} {
		if got := c.do(try.method, try.path, text, try.body); got.status != 403 {
			t.Errorf("%s %s: %d %s", try.method, try.path, got.status, got.text)
		}
	}
	list := c.must(200, "GET", "/v3/auth/projects", text, nil)
	if projects, _ := list.at("projects").([]any); len(projects) != 1 {
		t.Errorf("projects %s", list.text)
	}
	// Beside another method an access token is worth nothing.
	both := p.trustor.byID(nil)
	both["auth"].(object)["identity"].(object)["methods"] = []string{"password", "oauth1"}
	both["auth"].(object)["identity"].(object)["oauth1"] = object{}
	c.must(401, "POST", loginPath, "", both, "Authorization", holder.sign("POST", loginPath, nil))
}

func TestAnAccessTokenEndsWithWhatItStandsOn(t *testing.T) {
	for name, end := range map[string]func(c *cloud, p trustees, o *oauthClient){
		"role taken": func(c *cloud, p trustees, _ *oauthClient) {
			c.must(204, "DELETE", "/v3/projects/"+p.trustor.project+"/users/"+p.trustor.user+"/roles/"+p.extra, c.admin(), nil)
		},
		"role deleted": func(c *cloud, p trustees, _ *oauthClient) {
			c.must(204, "DELETE", "/v3/roles/"+p.extra, c.admin(), nil)
		},
		"user disabled": func(c *cloud, p trustees, _ *oauthClient) {
			c.must(200, "PATCH", "/v3/users/"+p.trustor.user, c.admin(), object{"user": object{"enabled": false}})
		},
		"user deleted": func(c *cloud, p trustees, _ *oauthClient) {
			c.must(204, "DELETE", "/v3/users/"+p.trustor.user, c.admin(), nil)
		},
		"project deleted": func(c *cloud, p trustees, _ *oauthClient) {
			c.must(204, "DELETE", "/v3/projects/"+p.trustor.project, c.admin(), nil)
		},
		"project disabled": func(c *cloud, p trustees, _ *oauthClient) {
			c.must(200, "PATCH", "/v3/projects/"+p.trustor.project, c.admin(), object{"project": object{"enabled": false}})
		},
		"consumer deleted": func(c *cloud, _ trustees, o *oauthClient) {
			c.must(204, "DELETE", "/v3/OS-OAUTH1/consumers/"+o.key, c.admin(), nil)
		},
		"time": func(c *cloud, _ trustees, _ *oauthClient) { c.clock.Advance(25 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			p := newTrustees(c)
			holder := newConsumer(c).granted(p)
			text := holder.login(201, nil).header.Get("X-Subject-Token")
			c.must(200, "GET", "/v3/auth/catalog", text, nil)
			end(c, p, holder)
			c.must(401, "GET", "/v3/auth/catalog", text, nil)
			holder.login(401, nil)
			if err := c.service.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestForgedOAuthRequestsAreRefused has session fixation (advisory 2009.1 of OAuth, the reason for the verifier), replays,
// and tokens in the hands of another consumer.
func TestForgedOAuthRequestsAreRefused(t *testing.T) {
	c := newCloud(t)
	p := newTrustees(c)
	consumer, other := newConsumer(c), newConsumer(c)
	refused := func(name string, path, header string) {
		t.Helper()
		var body any
		if path == loginPath {
			body = oauthBody(nil)
		}
		if got := c.do("POST", path, "", body, "Authorization", header, "Requested-Project-Id", p.trustor.project); got.status != 401 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	ago := func(d time.Duration) map[string]string {
		return map[string]string{"oauth_timestamp": fmt.Sprint(c.clock.Now().Add(-d).Unix())}
	}
	refused("no signature", requestPath, "")
	refused("a stranger", requestPath, (&oauthClient{c: c, key: "nobody"}).sign("POST", requestPath, nil))
	refused("another's secret", requestPath, (&oauthClient{c: c, key: consumer.key, secret: other.secret}).sign("POST", requestPath, nil))
	refused("signed for another path", requestPath, consumer.sign("POST", accessPath, nil))
	refused("signed for another method", requestPath, consumer.sign("GET", requestPath, nil))
	refused("old", requestPath, consumer.sign("POST", requestPath, ago(time.Hour)))
	refused("of tomorrow", requestPath, consumer.sign("POST", requestPath, ago(-time.Hour)))
	header := consumer.sign("POST", requestPath, nil)
	c.must(201, "POST", requestPath, "", nil, "Authorization", header, "Requested-Project-Id", p.trustor.project)
	refused("again", requestPath, header)
	c.must(400, "POST", requestPath, "", nil, "Authorization", consumer.sign("POST", requestPath, nil))
	c.must(404, "POST", requestPath, "", nil, "Authorization", consumer.sign("POST", requestPath, nil), "Requested-Project-Id", "nowhere")

	wish := consumer.request(p.trustor.project)
	grant, roles := "/v3/OS-OAUTH1/authorize/"+wish.id, object{"roles": []object{{"id": p.extra}}}
	refused("not granted yet", accessPath, wish.sign("POST", accessPath, map[string]string{"oauth_verifier": ""}))
	c.must(401, "PUT", grant, "", roles)
	c.must(403, "PUT", grant, p.trustee.scoped, roles)
	c.must(403, "PUT", grant, p.trustor.scoped, object{"roles": []object{{"name": "admin"}}})
	c.must(400, "PUT", grant, p.trustor.scoped, object{"roles": []object{}})
	c.must(404, "PUT", "/v3/OS-OAUTH1/authorize/nothing", p.trustor.scoped, roles)
	verifier := map[string]string{"oauth_verifier": fmt.Sprint(c.must(200, "PUT", grant, p.trustor.scoped, roles).at("token", "oauth_verifier"))}
	c.must(403, "PUT", grant, p.trustor.scoped, roles)
	refused("no verifier", accessPath, wish.sign("POST", accessPath, nil))
	refused("a wrong verifier", accessPath, wish.sign("POST", accessPath, map[string]string{"oauth_verifier": "12345678"}))
	thief := &oauthClient{c: c, key: other.key, secret: other.secret, id: wish.id, idSecret: wish.idSecret}
	refused("another consumer", accessPath, thief.sign("POST", accessPath, verifier))
	refused("a request token to log in with", loginPath, wish.sign("POST", loginPath, nil))
	header = wish.sign("POST", accessPath, verifier)
	holder := wish.holding(c.must(201, "POST", accessPath, "", nil, "Authorization", header))
	refused("exchanged again", accessPath, wish.sign("POST", accessPath, verifier))

	thief.id, thief.idSecret = holder.id, holder.idSecret
	refused("another consumer's access token", loginPath, thief.sign("POST", loginPath, nil))
	guesser := &oauthClient{c: c, key: holder.key, secret: holder.secret, id: holder.id}
	refused("an access token without its secret", loginPath, guesser.sign("POST", loginPath, nil))
	header = holder.sign("POST", loginPath, nil)
	c.must(201, "POST", loginPath, "", oauthBody(nil), "Authorization", header)
	refused("the log-in again", loginPath, header)
	c.restart()
	refused("the log-in again, after a restart", loginPath, header)
	late := consumer.request(p.trustor.project)
	c.clock.Advance(9 * time.Hour)
	p.trustor.scoped = c.login(p.trustor.byID(onProjectID(p.trustor.project)))
	c.must(404, "PUT", "/v3/OS-OAUTH1/authorize/"+late.id, p.trustor.scoped, roles)
}
