package attack

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"virga/test/cloud"
)

// furnishAccessToken adds a request token and what a user has handed on to a consumer.
func (e *estate) furnishAccessToken(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	made := c.Admin.Do(t, "POST", "/identity/v3/OS-OAUTH1/consumers", object{"consumer": object{"description": e.word}})
	consumer := consumerOf(made.Value("consumer.id"), made.Value("consumer.secret"))
	project := []string{"Requested-Project-Id", e.ids["project_id"]}
	e.ids["request_token_id"] = consumer.ask(t, c, "/request_token", nil, project...).token
	wish := consumer.ask(t, c, "/request_token", nil, project...)
	verifier := e.owner.Must(t, "PUT", "/identity/v3/OS-OAUTH1/authorize/"+wish.token, object{"roles": []object{{"id": e.ids["role_id"]}}}, "token.oauth_verifier")
	e.ids["access_token_id"] = wish.ask(t, c, "/access_token", map[string]string{"oauth_verifier": verifier}).token
}

// signer signs as RFC 5849 says.
type signer struct{ key, secret, token, tokenSecret string }

func consumerOf(id, secret string) signer { return signer{key: id, secret: secret} }

// header is the header Authorization for a request.
func (s signer) header(method, address string, extra map[string]string) string {
	params := map[string]string{"oauth_consumer_key": s.key, "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": fmt.Sprint(time.Now().Unix()),
		"oauth_nonce": rand.Text()}
	if s.token != "" {
		params["oauth_token"] = s.token
	}
	maps.Copy(params, extra)
	encode := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	var pairs, parts []string
	for name, value := range params {
		pairs, parts = append(pairs, encode(name)+"="+encode(value)), append(parts, name+`="`+encode(value)+`"`)
	}
	slices.Sort(pairs)
	mac := hmac.New(sha1.New, []byte(encode(s.secret)+"&"+encode(s.tokenSecret)))
	fmt.Fprintf(mac, "%s&%s&%s", method, encode(address), encode(strings.Join(pairs, "&")))
	return "OAuth " + strings.Join(append(parts, `oauth_signature="`+encode(base64.StdEncoding.EncodeToString(mac.Sum(nil)))+`"`), ", ")
}

// ask asks for a token of OAuth, and returns the consumer that holds it.
func (s signer) ask(t *testing.T, c *cloud.Cloud, path string, extra map[string]string, header ...string) signer {
	t.Helper()
	path = "/identity/v3/OS-OAUTH1" + path
	a := c.Anonymous().Do(t, "POST", path, nil, append(header, "Authorization", s.header("POST", c.Base+path, extra))...)
	form, err := url.ParseQuery(string(a.Body))
	if err != nil || a.Status != 201 {
		t.Fatalf("%s: %s", path, a)
	}
	return signer{s.key, s.secret, form.Get("oauth_token"), form.Get("oauth_token_secret")}
}

// accessTokens tries to make another delegation out of an access token, or a token without its bounds. Other services take
// the token for what it is.
func accessTokens(t *testing.T, s *scene) {
	c, alice := s.Cloud, s.NewUser(t, "alice", "member")
	reader := c.Role(t, "reader")
	made := c.Admin.Do(t, "POST", "/identity/v3/OS-OAUTH1/consumers", object{"consumer": object{}})
	wish := consumerOf(made.Value("consumer.id"), made.Value("consumer.secret")).ask(t, c, "/request_token", nil, "Requested-Project-Id", alice.ProjectID)
	verifier := alice.Must(t, "PUT", "/identity/v3/OS-OAUTH1/authorize/"+wish.token, object{"roles": []object{{"id": reader}}}, "token.oauth_verifier")
	holder := wish.ask(t, c, "/access_token", map[string]string{"oauth_verifier": verifier})
	const path = "/identity/v3/auth/tokens"
	header := holder.header("POST", c.Base+path, nil)
	body := object{"auth": object{"identity": object{"methods": []string{"oauth1"}, "oauth1": object{}}}}
	text := c.Anonymous().Do(t, "POST", path, body, "Authorization", header).Header.Get("X-Subject-Token")
	if text == "" {
		t.Fatal("the consumer cannot log in")
	}
	if a := c.Anonymous().Do(t, "POST", path, body, "Authorization", header); a.Status != 401 {
		t.Errorf("the same request again: %s", a)
	}
	consumer := c.With(text)
	if a := consumer.Do(t, "GET", "/network/v2.0/networks", nil); a.Status != 200 {
		t.Errorf("reading with a reader's role: %s", a)
	}
	for name, a := range map[string]*cloud.Answer{
		"a network with a reader's role": consumer.Do(t, "POST", "/network/v2.0/networks", object{"network": object{"name": "n"}}),
		"a trust": consumer.Do(t, "POST", "/identity/v3/OS-TRUST/trusts", object{"trust": object{"trustor_user_id": alice.UserID, "trustee_user_id": c.Admin.UserID,
			"impersonation": true, "project_id": alice.ProjectID, "roles": []object{{"id": reader}}}}),
		"an application credential": consumer.Do(t, "POST", "/identity/v3/users/"+alice.UserID+"/application_credentials",
			object{"application_credential": object{"name": "n"}}),
		"a key pair": consumer.Do(t, "POST", "/identity/v3/users/"+alice.UserID+"/credentials/OS-EC2", object{"tenant_id": alice.ProjectID}),
		"a token": c.Anonymous().Do(t, "POST", path, object{"auth": object{"identity": object{"methods": []string{"token"}, "token": object{"id": text}},
			"scope": object{"project": object{"id": alice.ProjectID}}}}),
	} {
		if a.Status != 403 {
			t.Errorf("%s: %s", name, a)
		}
	}
	alice.Must(t, "DELETE", "/identity/v3/users/"+alice.UserID+"/OS-OAUTH1/access_tokens/"+holder.token, nil, "")
	if a := consumer.Do(t, "GET", "/network/v2.0/networks", nil); a.Status != 401 {
		t.Errorf("after the access token was deleted: %s", a)
	}
}
