package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
)

// The compact form of RFC 7515 with ES256 of RFC 7518, and the claims of keystone's jws provider.
const (
	jwsAlgorithm = "ES256"
	jwsType      = "JWT"
	jwsHalf      = 32
)

type jwsHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
}

type jwsClaims struct {
	Subject     string   `json:"sub"`
	IssuedAt    int64    `json:"iat"`
	ExpiresAt   int64    `json:"exp"`
	Methods     []string `json:"openstack_methods"`
	AuditIDs    []string `json:"openstack_audit_ids"`
	System      string   `json:"openstack_system,omitempty"`
	DomainID    string   `json:"openstack_domain_id,omitempty"`
	ProjectID   string   `json:"openstack_project_id,omitempty"`
	TrustID     string   `json:"openstack_trust_id,omitempty"`
	AccessToken string   `json:"openstack_access_token_id,omitempty"`
	AppCredID   string   `json:"openstack_app_cred_id,omitempty"`
}

// JWS makes and opens signed tokens. Everybody can read what they carry; only the holder of a private key makes them.
type JWS struct {
	keys  *SigningKeys
	clock Clock
}

// NewJWS returns a JWS over the keys; the clock stamps the tokens that it makes.
func NewJWS(keys *SigningKeys, clock Clock) *JWS { return &JWS{keys: keys, clock: clock} }

// Issue makes a token of the payload with the primary key. A zero IssuedAt means now; both times are in whole seconds.
func (j *JWS) Issue(p Payload) (Secret, error) {
	if p.UserID == "" {
		return "", errors.New("issue token: it has no user")
	}
	if err := p.check(); err != nil {
		return "", fmt.Errorf("issue token for user %s: %w", p.UserID, err)
	}
	at := p.IssuedAt
	if at.IsZero() {
		at = j.clock.Now()
	}
	claims := jwsClaims{Subject: p.UserID, IssuedAt: at.Unix(), ExpiresAt: p.ExpiresAt.Unix(), Methods: p.Methods, AuditIDs: p.AuditIDs,
		DomainID: p.DomainID, ProjectID: p.ProjectID, TrustID: p.TrustID, AccessToken: p.AccessTokenID, AppCredID: p.AppCredID}
	if p.System {
		claims.System = systemScope
	}
	signed, err := j.sign(claims)
	if err != nil {
		return "", fmt.Errorf("issue token for user %s: %w", p.UserID, err)
	}
	if len(signed) > maxTokenLength {
		return "", fmt.Errorf("issue token for user %s: it would have %d characters, the most is %d", p.UserID, len(signed), maxTokenLength)
	}
	return Secret(signed), nil
}

func (j *JWS) sign(claims jwsClaims) (string, error) {
	header, err := json.Marshal(jwsHeader{jwsAlgorithm, jwsType})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := signES256(j.keys.primary(), text)
	return text + "." + signature, err
}

// signES256 is the signature of a text: r and s, one after the other.
func signES256(key *ecdsa.PrivateKey, text string) (string, error) {
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 2*jwsHalf)
	r.FillBytes(signature[:jwsHalf])
	s.FillBytes(signature[jwsHalf:])
	return base64.RawURLEncoding.EncodeToString(signature), nil
}

// Open verifies a token and returns what it carries, with the errors of Fernet's Open.
func (j *JWS) Open(token string, now time.Time) (Payload, error) {
	return j.keys.public.Open(token, now)
}

// IsJWS tells whether the text has the form of a signed token; Fernet's have no full stops.
func IsJWS(token string) bool { return strings.Contains(token, ".") }

// Open verifies a token's signature and times, and returns what it carries, with the errors of Fernet's Open. Whether the
// token still stands it does not know.
func (k *PublicKeys) Open(token string, now time.Time) (Payload, error) {
	if len(token) > maxTokenLength {
		return Payload{}, ErrInvalid
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Payload{}, ErrInvalid
	}
	var header jwsHeader
	if !decodeJWSPart(parts[0], &header) || header != (jwsHeader{jwsAlgorithm, jwsType}) {
		return Payload{}, ErrInvalid
	}
	if !k.verifies(parts[0]+"."+parts[1], parts[2]) {
		return Payload{}, ErrInvalid
	}
	var claims jwsClaims
	if !decodeJWSPart(parts[1], &claims) {
		return Payload{}, ErrInvalid
	}
	return claims.payload(now)
}

// decodeJWSPart reads the JSON of a part. A claim that nobody here knows may bound the token, so it is refused.
func decodeJWSPart(text string, into any) bool {
	raw, ok := decodeJWSBytes(text)
	if !ok {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if decoder.Decode(into) != nil {
		return false
	}
	_, err := decoder.Token()
	return errors.Is(err, io.EOF)
}

func decodeJWSBytes(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") { // the decoder would skip line breaks
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return raw, err == nil
}

func (k *PublicKeys) verifies(text, signature string) bool {
	raw, ok := decodeJWSBytes(signature)
	if !ok || len(raw) != 2*jwsHalf {
		return false
	}
	r, s := new(big.Int).SetBytes(raw[:jwsHalf]), new(big.Int).SetBytes(raw[jwsHalf:])
	digest := sha256.Sum256([]byte(text))
	signs := func(key *ecdsa.PublicKey) bool { return ecdsa.Verify(key, digest[:], r, s) }
	if slices.ContainsFunc(k.current(), signs) {
		return true
	}
	if k.look == nil {
		return false
	}
	k.look()
	return slices.ContainsFunc(k.current(), signs)
}

// payload checks the claims as those of a Fernet token are.
func (c *jwsClaims) payload(now time.Time) (Payload, error) {
	if c.Subject == "" || c.IssuedAt < 0 || c.ExpiresAt < 0 || c.ExpiresAt > maxExpirySeconds || c.System != "" && c.System != systemScope ||
		c.IssuedAt > now.Add(maxClockSkew).Unix() {
		return Payload{}, ErrInvalid
	}
	p := Payload{UserID: c.Subject, Methods: c.Methods, AuditIDs: c.AuditIDs, System: c.System != "", DomainID: c.DomainID, ProjectID: c.ProjectID,
		TrustID: c.TrustID, AccessTokenID: c.AccessToken, AppCredID: c.AppCredID,
		IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(c.ExpiresAt, 0).UTC()}
	if err := p.check(); err != nil {
		return Payload{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !now.Before(p.ExpiresAt) {
		return p, ErrExpired
	}
	return p, nil
}
