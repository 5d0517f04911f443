package identity_test

import (
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"time"
)

// TestARepeatedSignatureHoldsFifteenMinutes repeats a signed request later, with times that were not signed (OSSA-2020-003,
// CVE-2020-12692).
func TestARepeatedSignatureHoldsFifteenMinutes(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	access, secret := c.keyPair(m)
	old := signedFour(access, secret, c.clock.Now())
	c.must(200, "POST", "/v3/ec2tokens", c.admin(), object{"credentials": old})
	posted := signedAs("POST", "", access, secret, c.clock.Now())
	c.must(200, "POST", "/v3/ec2tokens", c.admin(), object{"credentials": posted})
	c.clock.Advance(16 * time.Minute)
	now := c.clock.Now().UTC()
	for name, request := range map[string]object{
		"as it was": old, "with a timestamp": with(old, "params", "Timestamp", now.Format(time.RFC3339)),
		"with a date in the query":   with(old, "params", "X-Amz-Date", now.Format("20060102T150405Z")),
		"with the header twice":      with(old, "headers", "x-amz-date", now.Format("20060102T150405Z")),
		"with another date":          with(old, "headers", "X-Amz-Date", now.Format("20060102T150405Z")),
		"posted, with another time":  with(posted, "params", "Timestamp", now.Format(time.RFC3339)),
		"as of the version before":   with(old, "params", "SignatureVersion", "2"),
		"as of no version":           with(old, "headers", "Authorization", "none"),
		"without what names headers": with(signedFour(access, secret, now), "headers", "Authorization", "AWS4-HMAC-SHA256 Credential="+access+"/x"),
	} {
		if got := c.do("POST", "/v3/ec2tokens", c.admin(), object{"credentials": request}); got.status != 401 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	c.must(200, "POST", "/v3/ec2tokens", c.admin(), object{"credentials": signedFour(access, secret, now)})
}

// with is a request with one value more in a part of it.
func with(request object, part, key string, value any) object {
	inner := maps.Clone(request[part].(object))
	inner[key] = value
	changed := maps.Clone(request)
	changed[part] = inner
	return changed
}

// TestAnEndThatWasSignedIsKept repeats requests of version 2 that say when they end.
func TestAnEndThatWasSignedIsKept(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	access, secret := c.keyPair(m)
	end := c.clock.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	query := "AWSAccessKeyId=" + access + "&Expires=" + strings.ReplaceAll(end, ":", "%3A") + "&SignatureMethod=HmacSHA256&SignatureVersion=2"
	request := object{"access": access, "host": "cloud", "verb": "GET", "path": "/",
		"params":    object{"AWSAccessKeyId": access, "Expires": end, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2"},
		"signature": base64.StdEncoding.EncodeToString(hmacSHA256([]byte(secret), "GET\ncloud\n/\n"+query))}
	c.must(200, "POST", "/v3/ec2tokens", c.admin(), object{"credentials": request})
	c.must(401, "POST", "/v3/ec2tokens", c.admin(), object{"credentials": with(request, "params", "Expires", c.clock.Now().Add(time.Hour).Format(time.RFC3339))})
	c.clock.Advance(2 * time.Minute)
	c.must(401, "POST", "/v3/ec2tokens", c.admin(), object{"credentials": request})
}
