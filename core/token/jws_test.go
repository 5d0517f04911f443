package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newRing(t testing.TB) SigningRing {
	t.Helper()
	ring, err := NewSigningRing()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func rotated(t testing.TB, ring SigningRing) SigningRing {
	t.Helper()
	next, err := ring.Rotated(minActiveKeys)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// somePayloads has one of each scope and delegation, in whole seconds.
func somePayloads(now time.Time) map[string]Payload {
	const user, project = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	base := Payload{UserID: user, Methods: []string{"password"}, AuditIDs: []string{NewAuditID(), NewAuditID()}, IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	with := func(change func(*Payload)) Payload {
		p := base
		change(&p)
		return p
	}
	return map[string]Payload{
		"unscoped":     base,
		"project":      with(func(p *Payload) { p.ProjectID = project }),
		"domain":       with(func(p *Payload) { p.DomainID = "default" }),
		"system":       with(func(p *Payload) { p.System = true }),
		"trust":        with(func(p *Payload) { p.ProjectID, p.TrustID = project, user }),
		"application":  with(func(p *Payload) { p.ProjectID, p.AppCredID = project, user }),
		"access token": with(func(p *Payload) { p.ProjectID, p.AccessTokenID = project, user }),
		"odd ids":      with(func(p *Payload) { p.ProjectID, p.AccessTokenID = "p", "a-token" }),
	}
}

func TestBothKindsCarryEveryPayload(t *testing.T) {
	clock := newClock()
	for _, kind := range []string{KindFernet, KindJWS} {
		provider, err := NewProvider(kind, newKeys(t), NewSigningKeys(newRing(t)), clock)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range somePayloads(clock.now) {
			text, err := provider.Issue(want)
			if err != nil {
				t.Fatalf("%s %s: %v", kind, name, err)
			}
			if IsJWS(text.Reveal()) != (kind == KindJWS) {
				t.Errorf("%s %s: %q", kind, name, text.Reveal())
			}
			got, err := provider.Open(text.Reveal(), clock.now)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s %s: %v (-want +got):\n%s", kind, name, err, diff)
			}
			got, err = provider.Open(text.Reveal(), clock.now.Add(time.Hour))
			if diff := cmp.Diff(want, got); !errors.Is(err, ErrExpired) || diff != "" {
				t.Errorf("%s %s, expired: %v (-want +got):\n%s", kind, name, err, diff)
			}
			if _, err := provider.Open(text.Reveal(), clock.now.Add(-2*maxClockSkew)); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s %s, from the future: %v", kind, name, err)
			}
		}
		for name, wrong := range map[string]Payload{
			"no user":         {},
			"two scopes":      {UserID: "u", ProjectID: "p", DomainID: "d"},
			"two delegations": {UserID: "u", ProjectID: "p", TrustID: "t", AccessTokenID: "a"},
			"nowhere":         {UserID: "u", AccessTokenID: "a"},
			"strange method":  {UserID: "u", Methods: []string{"guess"}},
			"too long":        {UserID: strings.Repeat("u", maxTokenLength)},
		} {
			wrong.ExpiresAt = clock.now.Add(time.Hour)
			if _, err := provider.Issue(wrong); err == nil {
				t.Errorf("%s, %s: issued", kind, name)
			}
		}
	}
}

// TestClaimsAreThoseOfTheField reads a token as any other program would.
func TestClaimsAreThoseOfTheField(t *testing.T) {
	clock := newClock()
	text, err := NewJWS(NewSigningKeys(newRing(t)), clock).Issue(somePayloads(clock.now)["access token"])
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(text.Reveal(), ".")
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err := json.Unmarshal(body, &claims); err != nil {
		t.Fatal(err)
	}
	if string(header) != `{"alg":"ES256","typ":"JWT"}` || claims["openstack_access_token_id"] != claims["sub"] || claims["iat"] != float64(clock.now.Unix()) ||
		claims["exp"] != float64(clock.now.Unix()+3600) || claims["openstack_methods"] == nil || claims["openstack_audit_ids"] == nil || claims["openstack_project_id"] == nil {
		t.Errorf("%s %s", header, body)
	}
	if _, unset := claims["openstack_trust_id"]; unset {
		t.Errorf("a claim that is not there is written: %s", body)
	}
}

// TestForgedSignaturesAreRefused is CVE-2015-9235 (alg none), CVE-2022-21449 (zero signature), CVE-2016-10555 (the public
// key as the secret of another algorithm) and their like.
func TestForgedSignaturesAreRefused(t *testing.T) {
	clock := newClock()
	ring := newRing(t)
	keys := NewSigningKeys(ring)
	tokens := NewJWS(keys, clock)
	issued, err := tokens.Issue(somePayloads(clock.now)["project"])
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(issued.Reveal(), ".")
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 2*jwsHalf))
	der, err := ecdsa.SignASN1(rand.Reader, ring.keys[0], make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := NewJWS(NewSigningKeys(newRing(t)), clock).Issue(somePayloads(clock.now)["project"])
	if err != nil {
		t.Fatal(err)
	}
	system := strings.Split(mustIssue(t, tokens, somePayloads(clock.now)["system"]), ".")
	extra, err := signedText(ring.keys[0], `{"sub":"u","iat":1,"exp":99999999999,"openstack_group_ids":["g"]}`)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"alg none":           encode(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + ".",
		"alg none, signed":   encode(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + "." + parts[2],
		"alg HS256":          encode(`{"alg":"HS256","typ":"JWT"}`) + "." + parts[1] + "." + parts[2],
		"own key inside":     encode(`{"alg":"ES256","typ":"JWT","jwk":{}}`) + "." + parts[1] + "." + parts[2],
		"zero signature":     parts[0] + "." + parts[1] + "." + zero,
		"no signature":       parts[0] + "." + parts[1] + ".",
		"DER signature":      parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(der),
		"another's body":     parts[0] + "." + system[1] + "." + parts[2],
		"another's key":      stranger.Reveal(),
		"two parts":          parts[0] + "." + parts[1],
		"four parts":         issued.Reveal() + "." + parts[2],
		"padded":             issued.Reveal() + "==",
		"line break":         parts[0] + "." + parts[1] + "\n." + parts[2],
		"claim nobody knows": extra,
		"huge":               strings.Repeat("a", 1<<20) + "." + parts[1] + "." + parts[2],
		"full stops":         "..",
	} {
		if p, err := tokens.Open(text, clock.now); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: opened as %+v, %v", name, p, err)
		}
	}
}

func mustIssue(t testing.TB, from interface {
	Issue(p Payload) (Secret, error)
}, p Payload) string {
	t.Helper()
	text, err := from.Issue(p)
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal()
}

// signedText signs claims that JWS would not write.
func signedText(key *ecdsa.PrivateKey, claims string) (string, error) {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	text := encode(`{"alg":"ES256","typ":"JWT"}`) + "." + encode(claims)
	signature, err := signES256(key, text)
	return text + "." + signature, err
}

func TestSignedTokensOutliveRotations(t *testing.T) {
	clock := newClock()
	ring := newRing(t)
	keys := NewSigningKeys(ring)
	behind := NewPublicKeys(ring) // of a process that has not heard of the rotation yet
	tokens := NewJWS(keys, clock)
	old := mustIssue(t, tokens, somePayloads(clock.now)["project"])
	keys.Replace(rotated(t, ring))
	fresh := mustIssue(t, tokens, somePayloads(clock.now)["project"])
	for name, open := range map[string]func() error{
		"an old token after a rotation": func() error { _, err := tokens.Open(old, clock.now); return err },
		"a new token":                   func() error { _, err := tokens.Open(fresh, clock.now); return err },
		"a new token, who is behind":    func() error { _, err := behind.Open(fresh, clock.now); return err },
		"an old token, who is behind":   func() error { _, err := behind.Open(old, clock.now); return err },
	} {
		if err := open(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	twice := rotated(t, rotated(t, rotated(t, ring)))
	if twice.Count() != minActiveKeys {
		t.Errorf("%d keys remain", twice.Count())
	}
	if _, err := NewPublicKeys(twice).Open(old, clock.now); !errors.Is(err, ErrInvalid) {
		t.Errorf("a key that was rotated out verifies still: %v", err)
	}
}

// TestMissingSigningKeysAreLookedFor is TestMissingKeysAreLookedFor for signed tokens.
func TestMissingSigningKeysAreLookedFor(t *testing.T) {
	clock := newClock()
	ring := newRing(t)
	next := rotated(t, rotated(t, ring))
	behind, looks := NewPublicKeys(ring), 0
	behind.WhenMissing(func() { looks++; behind.Replace(next) })
	fresh := mustIssue(t, NewJWS(NewSigningKeys(next), clock), somePayloads(clock.now)["project"])
	forged := mustIssue(t, NewJWS(NewSigningKeys(newRing(t)), clock), somePayloads(clock.now)["project"])
	if _, err := behind.Open(fresh, clock.now); err != nil || looks != 1 {
		t.Errorf("after two rotations: %v, %d looks", err, looks)
	}
	if _, err := behind.Open(forged, clock.now); !errors.Is(err, ErrInvalid) || looks != 2 {
		t.Errorf("a forged token: %v, %d looks", err, looks)
	}
}

func TestSigningRingsAreKeptAsText(t *testing.T) {
	ring := newRing(t)
	text, err := ring.Text()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseSigningRing(text)
	if err != nil || back.Count() != 2 || !back.keys[0].Equal(ring.keys[0]) || !back.keys[1].Equal(ring.keys[1]) {
		t.Errorf("read back: %d keys, %v", back.Count(), err)
	}
	if shown := fmt.Sprintf("%v %+v %s", ring, ring, ring); strings.Trim(shown, "* ") != "" {
		t.Errorf("a ring shows %q", shown)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := SigningRing{[]*ecdsa.PrivateKey{other}}.Text()
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]string{"nothing": "", "no PEM": "key", "rest": string(text) + "x", "another curve": string(weak)} {
		if _, err := ParseSigningRing([]byte(wrong)); err == nil {
			t.Errorf("%s: read as a ring", name)
		}
	}
}

func TestProvidersNeedTheirKeys(t *testing.T) {
	clock := newClock()
	for kind, signing := range map[string]*SigningKeys{KindJWS: nil, "uuid": NewSigningKeys(newRing(t))} {
		if _, err := NewProvider(kind, newKeys(t), signing, clock); err == nil {
			t.Errorf("kind %s: made", kind)
		}
	}
	fernetOnly, err := NewProvider("", newKeys(t), nil, clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fernetOnly.Open("a.b.c", clock.now); !errors.Is(err, ErrInvalid) {
		t.Errorf("a signed token where there are no keys: %v", err)
	}
}

// asked counts the questions and answers whoever it knows.
type asked struct {
	questions int
	answer    *Identity
	err       error
}

func (a *asked) Authenticate(context.Context, string) (*Identity, error) {
	a.questions++
	return a.answer, a.err
}

func TestForgedTokensCostNoQuestion(t *testing.T) {
	clock := newClock()
	ring := newRing(t)
	next := &asked{answer: &Identity{UserID: "u"}}
	screened := NewScreened(NewPublicKeys(ring), clock, next)
	genuine := mustIssue(t, NewJWS(NewSigningKeys(ring), clock), somePayloads(clock.now)["project"])
	if _, err := screened.Authenticate(t.Context(), genuine[:len(genuine)-4]+"AAAA"); !errors.Is(err, ErrInvalid) || next.questions != 0 {
		t.Errorf("forged: %v after %d questions", err, next.questions)
	}
	if _, err := screened.Authenticate(t.Context(), genuine); err != nil || next.questions != 1 {
		t.Errorf("genuine: %v after %d questions", err, next.questions)
	}
	next.err = ErrInvalid // it was revoked
	if _, err := screened.Authenticate(t.Context(), genuine); !errors.Is(err, ErrInvalid) || next.questions != 2 {
		t.Errorf("revoked: %v after %d questions", err, next.questions)
	}
	clock.now = clock.now.Add(2 * time.Hour)
	if _, err := screened.Authenticate(t.Context(), genuine); !errors.Is(err, ErrExpired) || next.questions != 2 {
		t.Errorf("expired: %v after %d questions", err, next.questions)
	}
	if _, _ = screened.Authenticate(t.Context(), "gAAAA"); next.questions != 3 {
		t.Errorf("a Fernet token was not passed on")
	}
}
