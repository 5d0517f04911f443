package identity

import (
	"net/http"
	"testing"
	"time"

	"virga/core/token"
)

// oauthHeader is what a client of RFC 5849's example sends.
func oauthHeader(method, address, header string) *http.Request {
	r, err := http.NewRequest(method, address, http.NoBody)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", header)
	return r
}

// TestOAuthSignaturesOfTheRFC has the examples of section 1.2.
func TestOAuthSignaturesOfTheRFC(t *testing.T) {
	const consumer = token.Secret("kd94hf93k423kf44")
	for _, c := range []struct {
		method, address, header string
		secret                  token.Secret
	}{
		{"POST", "https://photos.example.net/token", `OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="hh5s93j4hdidpola",
			oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="walatlh", oauth_verifier="hfdp7dh39dks9884",
			oauth_signature="gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D"`, "hdhd0244k9j7ao03"},
		{"GET", "http://photos.example.net/photos?file=vacation.jpg&size=original", `OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03",
			oauth_token="nnch734d00sl2jdk", oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131202", oauth_nonce="chapoH",
			oauth_signature="MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D"`, "pfkkdhi9sl3r4s00"},
	} {
		r := oauthHeader(c.method, c.address, c.header)
		address := *r.URL
		address.RawQuery = ""
		q, err := readOAuth(r, address.String())
		if err != nil {
			t.Fatalf("%s: %v", c.address, err)
		}
		if !q.verifies(consumer, c.secret) {
			t.Errorf("%s: the signature is not that of %s", c.address, q.base())
		}
		if q.verifies(consumer, c.secret+"x") || q.verifies("", c.secret) {
			t.Errorf("%s: another secret does as well", c.address)
		}
		if !q.fresh(q.at.Add(oauthWindow-time.Second)) || q.fresh(q.at.Add(oauthWindow)) || q.fresh(q.at.Add(-oauthWindow)) {
			t.Errorf("%s: the time is not bounded", c.address)
		}
	}
}

func TestBaseAddressesAreNormal(t *testing.T) {
	for address, want := range map[string]string{
		"HTTP://EXAMPLE.com:80/r%20v/X": "http://example.com/r%20v/X", "https://www.example.net:8080/": "https://www.example.net:8080/",
		"https://cloud:443/identity": "https://cloud/identity", "http://cloud:443/": "http://cloud:443/",
	} {
		if got := baseAddress(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestOddOAuthHeadersAreRefused(t *testing.T) {
	const good = `OAuth oauth_consumer_key="k", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1", oauth_nonce="n", oauth_signature="s"`
	if _, err := readOAuth(oauthHeader("GET", "http://h/", good), "http://h/"); err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]string{
		"nothing": "", "another scheme": "Bearer x", "scheme alone": "OAuth ", "no quotes": "OAuth a=b", "twice": good + `, oauth_nonce="m"`,
		"bad escape": good + `, x="%zz"`, "plain": `OAuth oauth_consumer_key="k", oauth_signature_method="PLAINTEXT", oauth_timestamp="1", oauth_nonce="n", oauth_signature="s"`,
		"no nonce":    `OAuth oauth_consumer_key="k", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1", oauth_signature="s"`,
		"no time":     `OAuth oauth_consumer_key="k", oauth_signature_method="HMAC-SHA1", oauth_timestamp="soon", oauth_nonce="n", oauth_signature="s"`,
		"huge time":   `OAuth oauth_consumer_key="k", oauth_signature_method="HMAC-SHA1", oauth_timestamp="9223372036854775807", oauth_nonce="n", oauth_signature="s"`,
		"version two": good + `, oauth_version="2.0"`,
	} {
		if _, err := readOAuth(oauthHeader("GET", "http://h/", header), "http://h/"); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	if _, err := readOAuth(oauthHeader("GET", "http://h/?oauth_token=x", good), "http://h/"); err == nil {
		t.Error("a part of the signature in the query: read")
	}
}
