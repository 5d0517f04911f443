package identity_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"virga/core/db"
)

// newOwner is a user with a role on a project and a token for it.
func newOwner(c *cloud) *member {
	c.t.Helper()
	c.owners++
	m := &member{admin: c.admin(), password: "pass word"}
	name := fmt.Sprintf("owner-%d", c.owners)
	m.project = c.must(201, "POST", "/v3/projects", m.admin, object{"project": object{"name": name}}).id("project")
	m.user = c.must(201, "POST", "/v3/users", m.admin, object{"user": object{"name": name, "password": m.password}}).id("user")
	m.role = fmt.Sprint(c.must(200, "GET", "/v3/roles?name=member", m.admin, nil).at("roles", 0, "id"))
	c.must(204, "PUT", "/v3/projects/"+m.project+"/users/"+m.user+"/roles/"+m.role, m.admin, nil)
	m.scoped = c.login(m.byID(onProjectID(m.project)))
	return m
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestCredentialsAreTheirOwners(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	other := newOwner(c)
	admin := c.admin()
	made := c.must(201, "POST", "/v3/credentials", m.scoped, object{"credential": object{"type": "cert", "blob": "very private", "user_id": m.user, "flavour": "sweet"}})
	id := made.id("credential")
	path := "/v3/credentials/" + id
	if made.at("credential", "blob") != "very private" || made.at("credential", "flavour") != "sweet" || made.at("credential", "project_id") != nil {
		t.Errorf("made %s", made.text)
	}
	for _, c2 := range []struct {
		method, path string
		body         any
	}{{"GET", path, nil}, {"PATCH", path, object{"credential": object{"blob": "mine"}}}, {"DELETE", path, nil}} {
		c.must(403, c2.method, c2.path, other.scoped, c2.body)
	}
	c.must(403, "POST", "/v3/credentials", other.scoped, object{"credential": object{"type": "cert", "blob": "x", "user_id": m.user}})
	c.must(403, "PATCH", path, m.scoped, object{"credential": object{"user_id": other.user}})
	if got := c.must(200, "GET", "/v3/credentials", other.scoped, nil); len(got.at("credentials").([]any)) != 0 {
		t.Errorf("another sees %s", got.text)
	}
	if got := c.must(200, "GET", "/v3/credentials?user_id="+m.user, admin, nil); len(got.at("credentials").([]any)) != 1 {
		t.Errorf("the administrator sees %s", got.text)
	}
	if got := c.must(200, "PATCH", path, m.scoped, object{"credential": object{"blob": "changed"}}); got.at("credential", "blob") != "changed" {
		t.Errorf("changed %s", got.text)
	}
	for _, text := range c.everything() {
		if strings.Contains(text, "very private") || strings.Contains(text, "changed") && strings.Contains(text, "blob") {
			t.Errorf("a blob lies open in the database: %s", text)
		}
	}
	c.must(204, "DELETE", path, m.scoped, nil)
	c.must(404, "GET", path, admin, nil)
}

// everything is the text of all columns that could hold a blob.
func (c *cloud) everything() []string {
	c.t.Helper()
	var texts, changes []string
	if err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		if err := tx.Select(&texts, "SELECT blob_sealed FROM credentials"); err != nil {
			return err
		}
		return tx.Select(&changes, "SELECT COALESCE(after_json, '') FROM feed")
	}); err != nil {
		c.t.Fatal(err)
	}
	return append(texts, changes...)
}

// keyPair is a new EC2 key pair of the member.
func (c *cloud) keyPair(m *member) (access, secret string) {
	c.t.Helper()
	made := c.must(201, "POST", "/v3/users/"+m.user+"/credentials/OS-EC2", m.scoped, object{"tenant_id": m.project})
	return fmt.Sprint(made.at("credential", "access")), fmt.Sprint(made.at("credential", "secret"))
}

func TestKeyPairsAreTheirOwners(t *testing.T) {
	c := newCloud(t)
	m, other := newOwner(c), newOwner(c)
	access, secret := c.keyPair(m)
	path := "/v3/users/" + m.user + "/credentials/OS-EC2/" + access
	if got := c.must(200, "GET", path, m.scoped, nil); got.at("credential", "secret") != secret || got.at("credential", "tenant_id") != m.project {
		t.Errorf("shown %s", got.text)
	}
	c.must(403, "GET", path, other.scoped, nil)
	c.must(404, "GET", "/v3/users/"+other.user+"/credentials/OS-EC2/"+access, other.scoped, nil)
	c.must(403, "POST", "/v3/users/"+m.user+"/credentials/OS-EC2", other.scoped, object{"tenant_id": m.project})
	c.must(404, "POST", "/v3/users/"+m.user+"/credentials/OS-EC2", m.scoped, object{"tenant_id": "nothing"})
	c.must(400, "POST", "/v3/users/"+m.user+"/credentials/OS-EC2", m.scoped, object{"tenant_id": 7})
	if got := c.must(200, "GET", "/v3/users/"+m.user+"/credentials/OS-EC2", m.scoped, nil); len(got.at("credentials").([]any)) != 1 {
		t.Errorf("listed %s", got.text)
	}
	c.must(204, "DELETE", path, m.scoped, nil)
	c.must(404, "GET", path, m.scoped, nil)
}

func TestACredentialKeepsWhatItWasMadeUnder(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	blob := `{"access":"a1","secret":"s1"}`
	body := object{"credential": object{"type": "ec2", "blob": blob, "project_id": m.project}}
	id := c.must(201, "POST", "/v3/credentials", m.scoped, body).id("credential")
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte("a1"))); id != want {
		t.Errorf("id %s, want %s", id, want)
	}
	c.must(409, "POST", "/v3/credentials", m.scoped, body)
	for name, change := range map[string]object{
		"no secret":        {"blob": `{"access":"a2"}`},
		"a trust":          {"blob": `{"access":"a1","secret":"s1","trust_id":"t"}`},
		"a credential":     {"blob": `{"access":"a1","secret":"s1","app_cred_id":"t"}`},
		"another type":     {"type": "cert"},
		"no project":       {"project_id": nil},
		"no JSON":          {"blob": "x"},
		"too long a type":  {"type": strings.Repeat("x", 256)},
		"a wrong blob":     {"blob": 5},
		"nobody's project": {"project_id": "a/b"},
	} {
		if got := c.do("PATCH", "/v3/credentials/"+id, m.scoped, object{"credential": change}); got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	other := c.must(201, "POST", "/v3/credentials", m.scoped, object{"credential": object{"type": "ec2", "blob": `{"access":"a2","secret":"s"}`, "project_id": m.project}})
	c.must(409, "PATCH", "/v3/credentials/"+other.id("credential"), m.scoped, object{"credential": object{"blob": blob}})
	c.must(200, "PATCH", "/v3/credentials/"+other.id("credential"), m.scoped, object{"credential": object{"blob": `{"access":"a3","secret":"s3"}`}})
	c.must(200, "POST", "/v3/ec2tokens", c.admin(), object{"credentials": signedFour("a3", "s3", c.clock.Now())})
	c.must(401, "POST", "/v3/ec2tokens", c.admin(), object{"credentials": signedFour("a2", "s", c.clock.Now())})
	for name, wrong := range map[string]object{
		"no project":  {"type": "ec2", "blob": blob},
		"no access":   {"type": "ec2", "blob": `{"secret":"s"}`, "project_id": m.project},
		"no JSON":     {"type": "ec2", "blob": "x", "project_id": m.project},
		"no type":     {"blob": "x"},
		"no blob":     {"type": "cert"},
		"a poor seed": {"type": "totp", "blob": "AAAA"},
		"no seed":     {"type": "totp", "blob": "!!!!"},
	} {
		if got := c.do("POST", "/v3/credentials", m.scoped, object{"credential": wrong}); got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestASignatureGivesAToken(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	admin := c.admin()
	access, secret := c.keyPair(m)
	now := c.clock.Now()
	params := object{"AWSAccessKeyId": access, "Action": "Describe Things", "SignatureMethod": "HmacSHA256", "SignatureVersion": "2", "Timestamp": now.Format(time.RFC3339)}
	query := "AWSAccessKeyId=" + access + "&Action=Describe%20Things&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=" +
		strings.ReplaceAll(now.Format(time.RFC3339), ":", "%3A")
	two := object{"access": access, "host": "cloud:8773", "verb": "GET", "path": "/", "params": params,
		"signature": base64.StdEncoding.EncodeToString(hmacSHA256([]byte(secret), "GET\ncloud:8773\n/\n"+query))}
	four := signedFour(access, secret, now)
	for name, request := range map[string]object{"version 2": two, "version 4": four} {
		got := c.must(200, "POST", "/v3/ec2tokens", admin, object{"credentials": request})
		if got.at("token", "user", "id") != m.user || got.at("token", "project", "id") != m.project {
			t.Errorf("%s: %s", name, got.text)
		}
		c.must(200, "GET", "/v3/users/"+m.user+"/projects", got.header.Get("X-Subject-Token"), nil)
		wrong := object{}
		for key, value := range request {
			wrong[key] = value
		}
		wrong["path"] = "/other"
		c.must(401, "POST", "/v3/ec2tokens", admin, object{"credentials": wrong})
		c.must(403, "POST", "/v3/ec2tokens", m.scoped, object{"credentials": request})
		c.must(401, "POST", "/v3/ec2tokens", "", object{"credentials": request})
	}
	c.must(400, "POST", "/v3/ec2tokens", admin, object{})
	c.must(401, "POST", "/v3/ec2tokens", admin, object{"credentials": object{"access": "nobody", "signature": "x"}})
	c.clock.Advance(16 * time.Minute)
	c.must(401, "POST", "/v3/ec2tokens", admin, object{"credentials": four})
	c.must(200, "PATCH", "/v3/users/"+m.user, admin, object{"user": object{"enabled": false}})
	c.must(401, "POST", "/v3/ec2tokens", admin, object{"credentials": signedFour(access, secret, c.clock.Now())})
}

func signedFour(access, secret string, at time.Time) object {
	return signedAs("GET", "Action=List", access, secret, at)
}

// signedAs signs after version 4, with the query that is part of the signature.
func signedAs(verb, query, access, secret string, at time.Time) object {
	date := at.UTC().Format("20060102T150405Z")
	scope := date[:8] + "/RegionOne/ec2/aws4_request"
	empty := fmt.Sprintf("%x", sha256.Sum256(nil))
	request := verb + "\n/\n" + query + "\nhost:cloud:8773\nx-amz-date:" + date + "\n\nhost;x-amz-date\n" + empty
	text := "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + fmt.Sprintf("%x", sha256.Sum256([]byte(request)))
	return object{"access": access, "host": "cloud:8773", "verb": verb, "path": "/", "params": object{"Action": "List"}, "body_hash": empty,
		"headers": object{"Host": "cloud:8773", "X-Amz-Date": date,
			"Authorization": "AWS4-HMAC-SHA256 Credential=" + access + "/" + scope + ", SignedHeaders=host;x-amz-date, Signature=x"},
		"signature": hex.EncodeToString(hmacSHA256(scopeKey(secret, scope), text))}
}

func scopeKey(secret, scope string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range strings.Split(scope, "/") {
		key = hmacSHA256(key, part)
	}
	return key
}

func TestAnObjectStoreAsksWhoHasSigned(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	admin := c.admin()
	access, secret := c.keyPair(m)
	old := "GET\n\n\nWed, 02 Jan 2030 03:04:05 GMT\n/bucket"
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(old))
	date := c.clock.Now().UTC().Format("20060102T150405Z")
	scope := date[:8] + "/RegionOne/s3/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + strings.Repeat("0", 64)
	four := hex.EncodeToString(hmacSHA256(scopeKey(secret, scope), text))
	for name, signed := range map[string][2]string{"old": {old, base64.StdEncoding.EncodeToString(h.Sum(nil))}, "version 4": {text, four}} {
		request := object{"access": access, "signature": signed[1], "token": base64.URLEncoding.EncodeToString([]byte(signed[0]))}
		if got := c.must(200, "POST", "/v3/s3tokens", admin, object{"credentials": request}); got.at("token", "user", "id") != m.user {
			t.Errorf("%s: %s", name, got.text)
		}
		request["token"] = base64.StdEncoding.EncodeToString([]byte(signed[0] + "x"))
		c.must(401, "POST", "/v3/s3tokens", admin, object{"credentials": request})
	}
}

func TestAKeyPairGivesNoMoreThanWhatItWasMadeUnder(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	body := func(name string, unrestricted bool) object {
		return object{"application_credential": object{"name": name, "unrestricted": unrestricted, "secret": "s"}}
	}
	path := "/v3/users/" + m.user + "/application_credentials"
	login := func(id string) string {
		return c.login(object{"auth": object{"identity": object{"methods": []string{"application_credential"},
			"application_credential": object{"id": id, "secret": "s"}}}})
	}
	restricted := login(c.must(201, "POST", path, m.scoped, body("one", false)).id("application_credential"))
	c.must(403, "POST", "/v3/users/"+m.user+"/credentials/OS-EC2", restricted, object{"tenant_id": m.project})
	c.must(403, "POST", "/v3/credentials", restricted, object{"credential": object{"type": "ec2", "blob": `{"access":"a","secret":"s"}`, "project_id": m.project}})

	id := c.must(201, "POST", path, m.scoped, body("two", true)).id("application_credential")
	free := login(id)
	made := c.must(201, "POST", "/v3/users/"+m.user+"/credentials/OS-EC2", free, object{"tenant_id": m.project})
	signed := func() object {
		return object{"credentials": signedFour(fmt.Sprint(made.at("credential", "access")), fmt.Sprint(made.at("credential", "secret")), c.clock.Now())}
	}
	got := c.must(200, "POST", "/v3/ec2tokens", c.admin(), signed())
	if got.at("token", "application_credential", "id") != id {
		t.Errorf("the token is not bound: %s", got.text)
	}
	c.must(204, "DELETE", path+"/"+id, m.scoped, nil)
	c.must(401, "POST", "/v3/ec2tokens", c.admin(), signed())
}

func TestOneTimePasswordsHoldOnce(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	seed := []byte("12345678901234567890")
	c.must(201, "POST", "/v3/credentials", m.scoped, object{"credential": object{"type": "totp", "user_id": m.user, "blob": base32.StdEncoding.EncodeToString(seed)}})
	auth := func(code string) object {
		return object{"auth": object{"identity": object{"methods": []string{"totp"}, "totp": object{"user": object{"id": m.user, "passcode": code}}}}}
	}
	now := code(seed, c.clock.Now())
	before := code(seed, c.clock.Now().Add(-30*time.Second))
	c.must(401, "POST", "/v3/auth/tokens", "", auth("000000"))
	c.must(401, "POST", "/v3/auth/tokens", "", auth(code(seed, c.clock.Now().Add(-61*time.Second))))
	if got := c.must(201, "POST", "/v3/auth/tokens", "", auth(before)); got.at("token", "user", "id") != m.user {
		t.Errorf("the one of the step before: %s", got.text)
	}
	c.must(401, "POST", "/v3/auth/tokens", "", auth(before))
	c.must(201, "POST", "/v3/auth/tokens", "", auth(now))
	c.must(401, "POST", "/v3/auth/tokens", "", auth(now))
}

// code is written after RFC 6238 for itself, and tried with the RFC's own example.
func code(seed []byte, at time.Time) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(at.Unix()/30))
	h := hmac.New(sha1.New, seed)
	h.Write(counter[:])
	sum := h.Sum(nil)
	offset := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[offset:offset+4])&0x7fffffff)%1_000_000)
}

func TestTheRFCsOneTimePassword(t *testing.T) {
	if got := code([]byte("12345678901234567890"), time.Unix(1111111109, 0)); got != "081804" {
		t.Errorf("got %s", got)
	}
}
