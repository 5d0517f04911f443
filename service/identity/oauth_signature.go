package identity

import (
	"crypto/sha1" //nolint:gosec // HMAC-SHA1 is the method that RFC 5849 and the field's clients have
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/core/token"
)

const (
	oauthScheme = "OAuth "
	oauthMethod = "HMAC-SHA1"
	// oauthWindow is how far the time of a signed request may be from now.
	oauthWindow = 10 * time.Minute
	// maxOAuthHeader and maxOAuthPart bound what is looked at, in bytes.
	maxOAuthHeader = 4096
	maxOAuthPart   = 256
)

// oauthRequest is a request that is signed as RFC 5849 says, by the header Authorization.
type oauthRequest struct {
	method, address string
	query           url.Values
	// params are those of the header, without realm.
	params map[string]string
	at     time.Time
}

// readOAuth reads the header; the reason why it cannot is not for the caller.
func readOAuth(r *http.Request, address string) (*oauthRequest, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 || len(headers[0]) > maxOAuthHeader || len(headers[0]) < len(oauthScheme) || !strings.EqualFold(headers[0][:len(oauthScheme)], oauthScheme) {
		return nil, denied("the request is not signed")
	}
	q := &oauthRequest{method: r.Method, address: address, query: r.URL.Query(), params: map[string]string{}}
	for part := range strings.SplitSeq(headers[0][len(oauthScheme):], ",") {
		name, quoted, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found || len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
			return nil, denied("the header of the signature cannot be read")
		}
		name, nameErr := url.PathUnescape(name)
		value, valueErr := url.PathUnescape(quoted[1 : len(quoted)-1])
		if _, twice := q.params[name]; twice || nameErr != nil || valueErr != nil {
			return nil, denied("the header of the signature cannot be read")
		}
		if name != "realm" {
			q.params[name] = value
		}
	}
	return q, q.check()
}

// check refuses what has to be there and is not, or is there as a part of the query as well.
func (q *oauthRequest) check() error {
	for _, name := range []string{"oauth_consumer_key", "oauth_nonce", "oauth_timestamp", "oauth_signature"} {
		if value := q.params[name]; value == "" || len(value) > maxOAuthPart {
			return denied("%s is missing or too long", name)
		}
	}
	for name := range q.query {
		if strings.HasPrefix(name, "oauth_") {
			return denied("%s is in the query", name)
		}
	}
	if q.params["oauth_signature_method"] != oauthMethod {
		return denied("the method of the signature is not %s", oauthMethod)
	}
	if version, given := q.params["oauth_version"]; given && version != "1.0" {
		return denied("the version is not 1.0")
	}
	seconds, err := strconv.ParseInt(q.params["oauth_timestamp"], 10, 64)
	if err != nil || seconds <= 0 || seconds > maxOAuthTime {
		return denied("the timestamp is no time")
	}
	q.at = time.Unix(seconds, 0)
	return nil
}

// maxOAuthTime is the end of the year 9999.
const maxOAuthTime = 253402300799

// fresh tells whether the request was signed just now.
func (q *oauthRequest) fresh(now time.Time) bool {
	return q.at.After(now.Add(-oauthWindow)) && q.at.Before(now.Add(oauthWindow))
}

// verifies tells whether the request was signed with the secrets; token's is empty where there
// is no token yet.
func (q *oauthRequest) verifies(consumer, tokenSecret token.Secret) bool {
	key := escape(consumer.Reveal()) + "&" + escape(tokenSecret.Reveal())
	return same(q.params["oauth_signature"], base64.StdEncoding.EncodeToString(sum(sha1.New, []byte(key), q.base())))
}

// base is the signature base string: section 3.4.1.
func (q *oauthRequest) base() string {
	var pairs []string
	for name, value := range q.params {
		if name != "oauth_signature" {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	for name, values := range q.query {
		for _, value := range values {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	slices.SortFunc(pairs, func(a, b string) int {
		nameA, valueA, _ := strings.Cut(a, "=")
		nameB, valueB, _ := strings.Cut(b, "=")
		if order := strings.Compare(nameA, nameB); order != 0 {
			return order
		}
		return strings.Compare(valueA, valueB)
	})
	return escape(strings.ToUpper(q.method)) + "&" + escape(baseAddress(q.address)) + "&" + escape(strings.Join(pairs, "&"))
}

// baseAddress has scheme and host in small letters, and no port that goes without saying.
func baseAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	host, scheme := strings.ToLower(u.Host), strings.ToLower(u.Scheme)
	if port := map[string]string{"http": ":80", "https": ":443"}[scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return scheme + "://" + host + u.EscapedPath()
}

// nonceID is what is remembered of the request's nonce.
func (q *oauthRequest) nonceID() string {
	digest := sha256.Sum256([]byte(strings.Join([]string{escape(q.params["oauth_consumer_key"]), escape(q.params["oauth_token"]),
		q.params["oauth_timestamp"], escape(q.params["oauth_nonce"])}, "&")))
	return hex.EncodeToString(digest[:])
}
