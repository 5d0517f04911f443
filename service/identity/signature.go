package identity

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what the older forms of signatures are made with
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/core/token"
)

// signedRequest is a request that was signed with a secret key, in the form in which services
// hand it on (AWS Signature Version 2 and 4; Amazon S3 REST authentication for the older
// requests to object stores).
type signedRequest struct {
	Access    string            `json:"access"`
	Signature string            `json:"signature"`
	Host      string            `json:"host"`
	Verb      string            `json:"verb"`
	Path      string            `json:"path"`
	Params    map[string]string `json:"params"`
	Headers   map[string]string `json:"headers"`
	BodyHash  string            `json:"body_hash"`
	// Token is the base64 of the text that was signed, of requests to object stores.
	Token string `json:"token"`
}

// signatureAge is how old a signature may be.
const signatureAge = 15 * time.Minute

// fresh tells whether the time that was signed is near enough, and what the signer wanted it to
// hold for is not over. A request of version 2 without one was signed so that it holds at any time.
func (q *signedRequest) fresh(now time.Time) bool {
	text, age := q.signedTime(), signatureAge
	if text == "" {
		return !q.isVersion4() && q.unexpired(now)
	}
	if seconds, given := q.Params["X-Amz-Expires"]; given && q.isVersion4() {
		n, err := strconv.ParseUint(seconds, 10, 31)
		if err != nil {
			return false
		}
		age = min(age, time.Duration(n)*time.Second)
	}
	at, ok := readTime(text)
	return ok && now.Before(at.Add(age)) && at.Before(now.Add(signatureAge)) && q.unexpired(now)
}

// signedTime is the time that is part of what was signed: others in the request may have been
// added by whoever repeats it.
func (q *signedRequest) signedTime() string {
	switch {
	case !q.isVersion4():
		return q.Params["Timestamp"]
	case q.headerSigned():
		return q.header("X-Amz-Date")
	}
	return q.Params["X-Amz-Date"]
}

// unexpired tells whether the end that a request of version 2 may have is to come.
func (q *signedRequest) unexpired(now time.Time) bool {
	text, given := q.Params["Expires"]
	if !given || q.isVersion4() {
		return true
	}
	at, ok := readTime(text)
	return ok && now.Before(at)
}

func readTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "20060102T150405Z", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// isVersion4 tells whether the request says that it is signed after version 4, in a header or in
// its query.
func (q *signedRequest) isVersion4() bool {
	return q.Params["SignatureVersion"] != "2" && (q.headerSigned() || q.Params["X-Amz-Algorithm"] == algorithm4)
}

func (q *signedRequest) headerSigned() bool {
	return strings.HasPrefix(q.header("Authorization"), algorithm4)
}

// ambiguous tells whether a header is there twice, in other letters: one may be signed and the
// other looked at.
func (q *signedRequest) ambiguous() bool {
	seen := map[string]bool{}
	for name := range q.Headers {
		name = strings.ToLower(name)
		if seen[name] {
			return true
		}
		seen[name] = true
	}
	return false
}

func (q *signedRequest) header(name string) string {
	for key, value := range q.Headers {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// verifiesEC2 tells whether the request was signed with the secret.
func (q *signedRequest) verifiesEC2(secret token.Secret) bool {
	if q.Signature == "" || q.ambiguous() {
		return false
	}
	if q.Params["SignatureVersion"] == "2" {
		return same(q.Signature, q.version2(secret, q.Host)) ||
			same(q.Signature, q.version2(secret, withoutPort(q.Host))) // clients leave out the port, or not
	}
	if q.isVersion4() && q.signsHost() {
		return same(q.Signature, q.version4(secret, q.header("Host"))) || same(q.Signature, q.version4(secret, withoutPort(q.header("Host"))))
	}
	return false
}

// signsHost tells whether the host is part of what was signed after version 4: else the request
// would do at any other, too.
func (q *signedRequest) signsHost() bool {
	names := q.Params["X-Amz-SignedHeaders"]
	if authorization, found := strings.CutPrefix(q.header("Authorization"), algorithm4); found {
		names = authorizationPart(authorization, "SignedHeaders")
	}
	return slices.ContainsFunc(strings.Split(names, ";"), func(name string) bool { return strings.EqualFold(name, "host") })
}

func withoutPort(host string) string {
	name, _, _ := strings.Cut(host, ":")
	return name
}

func same(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

func sum(newHash func() hash.Hash, key []byte, text string) []byte {
	mac := hmac.New(newHash, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// version2 is the signature of version 2 over the query.
func (q *signedRequest) version2(secret token.Secret, host string) string {
	newHash := sha1.New
	if q.Params["SignatureMethod"] == "HmacSHA256" {
		newHash = sha256.New
	}
	text := q.Verb + "\n" + strings.ToLower(host) + "\n" + q.Path + "\n" + canonicalQuery(q.Params, "Signature")
	return base64.StdEncoding.EncodeToString(sum(newHash, []byte(secret.Reveal()), text))
}

// canonicalQuery is the parameters but one, sorted, encoded as RFC 3986 says.
func canonicalQuery(params map[string]string, without string) string {
	var pairs []string
	for key, value := range params {
		if key != without {
			pairs = append(pairs, escape(key)+"="+escape(value))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func escape(text string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(text))
}

const algorithm4 = "AWS4-HMAC-SHA256"

// version4 is the signature of version 4; host is what the client took for the header Host.
func (q *signedRequest) version4(secret token.Secret, host string) string {
	scope, signedHeaders, date, query := q.Params["X-Amz-Credential"], q.Params["X-Amz-SignedHeaders"], q.Params["X-Amz-Date"], ""
	if authorization, found := strings.CutPrefix(q.header("Authorization"), algorithm4); found {
		scope, signedHeaders, date = authorizationPart(authorization, "Credential"), authorizationPart(authorization, "SignedHeaders"), q.header("X-Amz-Date")
		if q.Verb != "POST" {
			query = canonicalQuery(q.Params, "")
		}
	} else {
		query = canonicalQuery(q.Params, "X-Amz-Signature")
	}
	_, scope, _ = strings.Cut(scope, "/") // the access key stands in front
	var headers strings.Builder
	for name := range strings.SplitSeq(signedHeaders, ";") {
		value := q.header(name)
		if strings.EqualFold(name, "host") {
			value = host
		}
		headers.WriteString(strings.ToLower(name) + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	request := strings.Join([]string{q.Verb, q.Path, query, headers.String(), signedHeaders, q.BodyHash}, "\n")
	digest := sha256.Sum256([]byte(request))
	text := strings.Join([]string{algorithm4, date, scope, hex.EncodeToString(digest[:])}, "\n")
	return hex.EncodeToString(sum(sha256.New, scopeKey(secret, scope), text))
}

// authorizationPart is one part of an Authorization header: "Credential=…, SignedHeaders=…".
func authorizationPart(header, name string) string {
	for part := range strings.SplitSeq(header, ",") {
		if value, found := strings.CutPrefix(strings.TrimSpace(part), name+"="); found {
			return value
		}
	}
	return ""
}

// scopeKey derives the key for a scope: date/region/service/aws4_request.
func scopeKey(secret token.Secret, scope string) []byte {
	key := []byte("AWS4" + secret.Reveal())
	for part := range strings.SplitSeq(scope, "/") {
		key = sum(sha256.New, key, part)
	}
	return key
}

// verifiesS3 tells whether the text of a request to an object store was signed with the secret.
func (q *signedRequest) verifiesS3(secret token.Secret) bool {
	raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(q.Token))
	if err != nil || q.Signature == "" || len(raw) == 0 {
		return false
	}
	text := string(raw)
	if lines := strings.Split(text, "\n"); lines[0] == algorithm4 {
		return len(lines) == 4 && q.signedAt(lines[1]) && same(q.Signature, hex.EncodeToString(sum(sha256.New, scopeKey(secret, lines[2]), text)))
	}
	return same(q.Signature, base64.StdEncoding.EncodeToString(sum(sha1.New, []byte(secret.Reveal()), text)))
}

// signedAt has fresh look at the time that is part of the signed text.
func (q *signedRequest) signedAt(date string) bool {
	q.Params = map[string]string{"X-Amz-Date": date, "X-Amz-Algorithm": algorithm4}
	q.Headers = nil
	return true
}
