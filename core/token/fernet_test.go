package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// fakeClock stands still until it is set.
type fakeClock struct{ now time.Time }

func (c *fakeClock) Now() time.Time { return c.now }

func newClock() *fakeClock { return &fakeClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func newKeys(t testing.TB) *Keys {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := SetUpKeys(dir); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// specKey is the key of all vectors of github.com/fernet/spec.
const specKey = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="

func specTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

const specToken = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="

func TestFernetSpecGenerate(t *testing.T) {
	key, err := parseFernetKey(specKey)
	if err != nil {
		t.Fatal(err)
	}
	var iv [16]byte
	for i := range iv {
		iv[i] = byte(i)
	}
	got := key.seal([]byte("hello"), specTime(t, "1985-10-26T01:20:00-07:00"), iv)
	if want := strings.TrimRight(specToken, "="); got != want {
		t.Errorf("token %s, want %s", got, want)
	}
}

func TestFernetSpecVerify(t *testing.T) {
	key, err := parseFernetKey(specKey)
	if err != nil {
		t.Fatal(err)
	}
	now := specTime(t, "1985-10-26T01:20:01-07:00")
	for _, token := range []string{specToken, strings.TrimRight(specToken, "=")} {
		sealed, made, err := decodeFernet(token, now)
		if err != nil {
			t.Fatal(err)
		}
		message, ok := key.open(sealed)
		if !ok || string(message) != "hello" || !made.Equal(now.Add(-time.Second)) {
			t.Errorf("message %q made at %s, genuine %v", message, made, ok)
		}
	}
}

// TestFernetSpecInvalid has the spec's invalid vectors, without "expired TTL": the payload says when a token expires.
func TestFernetSpecInvalid(t *testing.T) {
	key, err := parseFernetKey(specKey)
	if err != nil {
		t.Fatal(err)
	}
	now := specTime(t, "1985-10-26T01:20:01-07:00")
	for name, token := range map[string]string{
		"incorrect mac":        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
		"too short":            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==",
		"invalid base64":       "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
		"not whole blocks":     "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
		"padding error":        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
		"far future":           "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==",
		"incorrect IV":         "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
		"line break within":    specToken[:40] + "\n" + specToken[40:],
		"too much padding":     specToken + "=",
		"other last bits":      strings.TrimRight(specToken, "A=") + "B",
		"other version":        "gQ" + specToken[2:],
		"longer than accepted": strings.Repeat("gAAAAAAdwJ6w", 1000),
	} {
		sealed, _, err := decodeFernet(token, now)
		if err == nil {
			_, genuine := key.open(sealed)
			if genuine {
				t.Errorf("%s: accepted", name)
			}
		}
	}
}

const (
	userID    = "0ca8f6d3a3bb4f4c9f5a1c0c3b3e7d11"
	projectID = "7b5b8d9e6ad34bb2a0dd1f3c4e5f6a7b"
)

func payloads(now time.Time) map[string]Payload {
	made, expires := now.UTC().Truncate(time.Second), now.UTC().Add(time.Hour).Truncate(time.Microsecond)
	audits := []string{NewAuditID(), NewAuditID()}
	return map[string]Payload{
		"unscoped": {UserID: userID, Methods: []string{"password"}, AuditIDs: audits[:1], IssuedAt: made, ExpiresAt: expires},
		"project":  {UserID: userID, Methods: []string{"password", "token"}, ProjectID: projectID, AuditIDs: audits, IssuedAt: made, ExpiresAt: expires},
		"domain":   {UserID: userID, Methods: []string{"password"}, DomainID: projectID, AuditIDs: audits, IssuedAt: made, ExpiresAt: expires},
		"default":  {UserID: userID, Methods: []string{"password"}, DomainID: "default", AuditIDs: audits, IssuedAt: made, ExpiresAt: expires},
		"system":   {UserID: userID, Methods: []string{"password"}, System: true, AuditIDs: audits, IssuedAt: made, ExpiresAt: expires},
		"trust":    {UserID: userID, Methods: []string{"password"}, ProjectID: projectID, TrustID: userID, AuditIDs: audits, IssuedAt: made, ExpiresAt: expires},
		"app cred": {UserID: userID, Methods: []string{"application_credential"}, ProjectID: projectID, AppCredID: userID, AuditIDs: audits, IssuedAt: made, ExpiresAt: expires},
		"odd ids":  {UserID: "LDAP user " + strings.Repeat("x", 54), Methods: []string{"external", "totp"}, ProjectID: strings.ToUpper(projectID), AuditIDs: audits, IssuedAt: made, ExpiresAt: expires},
		"bare":     {UserID: "u", IssuedAt: made, ExpiresAt: expires},
	}
}

func TestTokensOpenAsTheyWereIssued(t *testing.T) {
	clock := newClock()
	fernet := NewFernet(newKeys(t), clock)
	for name, want := range payloads(clock.now) {
		secret, err := fernet.Issue(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := fernet.Open(secret.Reveal(), clock.now)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-issued +opened):\n%s", name, diff)
		}
		// Clients keep tokens in columns of 255 characters; as with keystone this holds when users have UUIDs.
		if len(want.UserID) == 32 && len(secret) > 255 {
			t.Errorf("%s: token has %d characters", name, len(secret))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	clock := newClock()
	fernet := NewFernet(newKeys(t), clock)
	payload := payloads(clock.now)["project"]
	secret, err := fernet.Issue(payload)
	if err != nil {
		t.Fatal(err)
	}
	token := secret.Reveal()
	if got, err := fernet.Open(token, payload.ExpiresAt); !errors.Is(err, ErrExpired) || got.UserID != userID {
		t.Errorf("expired token: payload %+v, error %v", got, err)
	}
	if _, err := fernet.Open(token, payload.ExpiresAt.Add(-time.Microsecond)); err != nil {
		t.Errorf("token in its last moment: %v", err)
	}
	if _, err := fernet.Open(token, payload.IssuedAt.Add(-time.Hour)); !errors.Is(err, ErrInvalid) {
		t.Errorf("clock set back by an hour: error %v", err)
	}
	stranger := NewFernet(newKeys(t), clock)
	if _, err := stranger.Open(token, clock.now); !errors.Is(err, ErrInvalid) {
		t.Errorf("token of other keys: error %v", err)
	}
	for i := range token {
		other := byte('A')
		if token[i] == other {
			other = 'B'
		}
		if _, err := fernet.Open(token[:i]+string(other)+token[i+1:], clock.now); !errors.Is(err, ErrInvalid) {
			t.Fatalf("character %d changed: error %v", i, err)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	clock := newClock()
	fernet := NewFernet(newKeys(t), clock)
	for name, payload := range map[string]Payload{
		"no user":         {},
		"two scopes":      {UserID: "u", ProjectID: "p", System: true},
		"trust, unscoped": {UserID: "u", TrustID: "t"},
		"two delegations": {UserID: "u", ProjectID: "p", TrustID: "t", AppCredID: "a"},
		"unknown method":  {UserID: "u", Methods: []string{"charm"}},
		"audit id":        {UserID: "u", AuditIDs: []string{"not base64!"}},
		"three audit ids": {UserID: "u", AuditIDs: []string{NewAuditID(), NewAuditID(), NewAuditID()}},
		"giant user id":   {UserID: strings.Repeat("u", 4000)},
	} {
		payload.ExpiresAt = clock.now.Add(time.Hour)
		if secret, err := fernet.Issue(payload); err == nil {
			t.Errorf("%s: issued %s", name, secret.Reveal())
		}
	}
}

// TestKeystoneLayout pins the bytes to what keystone's token_formatters.py packs for a project-scoped payload.
func TestKeystoneLayout(t *testing.T) {
	audit := "AAECAwQFBgcICQoLDA0ODw"
	got, err := encodePayload(Payload{UserID: userID, Methods: []string{"password", "token"}, ProjectID: projectID,
		AuditIDs: []string{audit}, ExpiresAt: time.Unix(1772366400, 500000000)})
	if err != nil {
		t.Fatal(err)
	}
	want := "96" + "02" + "92c3c410" + userID + "06" + "92c3c410" + projectID +
		"cb41da690a90200000" + "91c410000102030405060708090a0b0c0d0e0f"
	if fmt.Sprintf("%x", got) != want {
		t.Errorf("payload %x, want %s", got, want)
	}
	// An expiry in whole seconds as an integer, and ids as text of old msgpack, open as well.
	old := "\x95\x00\x92\xc2\xa5admin\x02\xce\x69\xa4\x31\x80\x90"
	p, err := decodePayload([]byte(old))
	if err != nil || p.UserID != "admin" || p.ExpiresAt.Unix() != 0x69a43180 {
		t.Errorf("payload %+v, error %v", p, err)
	}
}

func TestPayloadReaderSurvivesAnything(t *testing.T) {
	seeds := [][]byte{nil}
	for _, p := range payloads(newClock().now) {
		data, err := encodePayload(p)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, data)
	}
	rapid.Check(t, func(t *rapid.T) {
		data := append([]byte{}, rapid.SampledFrom(seeds).Draw(t, "seed")...)
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			if len(data) > 0 {
				data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "to")
			}
		}
		data = data[:rapid.IntRange(0, len(data)).Draw(t, "length")]
		data = append(data, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "more")...)
		if p, err := decodePayload(data); err == nil {
			if _, err := encodePayload(p); err != nil && len(p.AuditIDs) == 0 {
				t.Fatalf("%x opened as %+v, which cannot be written: %v", data, p, err)
			}
		}
	})
}

func TestOpenSurvivesAnything(t *testing.T) {
	clock := newClock()
	keys := newKeys(t)
	fernet := NewFernet(keys, clock)
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.String().Draw(t, "text")
		if rapid.Bool().Draw(t, "base64") {
			raw := append([]byte{fernetVersion}, rapid.SliceOf(rapid.Byte()).Draw(t, "raw")...)
			token = base64.RawURLEncoding.EncodeToString(raw)
		}
		if _, err := fernet.Open(token, clock.now); !errors.Is(err, ErrInvalid) {
			t.Fatalf("%q: error %v", token, err)
		}
		// What is properly sealed may still hold anything.
		message := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "message")
		sealed := keys.current()[0].seal(message, clock.now, [16]byte{})
		if _, err := fernet.Open(sealed, clock.now); err == nil {
			t.Fatalf("message %x opened", message)
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	clock := newClock()
	fernet := NewFernet(newKeys(b), clock)
	payload := payloads(clock.now)["project"]
	for b.Loop() {
		if _, err := fernet.Issue(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	clock := newClock()
	fernet := NewFernet(newKeys(b), clock)
	secret, err := fernet.Issue(payloads(clock.now)["project"])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := fernet.Open(secret.Reveal(), clock.now); err != nil {
			b.Fatal(err)
		}
	}
}

func keyFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("key file %s has mode %04o", entry.Name(), info.Mode().Perm())
		}
		files[entry.Name()] = string(text)
	}
	return files
}
