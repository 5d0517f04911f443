package token

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// maxAuditIDs is the token's own id and that of the chain it belongs to.
const maxAuditIDs = 2

// Payload is what a token carries; all else about the caller is looked up when it is validated.
//
// At most one of ProjectID, DomainID and System is set, and at most one of TrustID, AppCredID and AccessTokenID, which need
// a project.
type Payload struct {
	UserID    string
	Methods   []string
	ProjectID string
	DomainID  string
	System    bool
	TrustID   string
	AppCredID string
	// AccessTokenID is the OAuth1 access token that the token stands on.
	AccessTokenID string
	// AuditIDs are the token's own id and, when it was made from another token, the id of the chain's first.
	AuditIDs []string
	// IssuedAt is kept in whole seconds, ExpiresAt in microseconds.
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// payloadVersion tells the layouts of keystone's token_formatters.py apart. Federation (4 to 6) and OAuth2 (10) tokens are
// not issued.
type payloadVersion uint64

const (
	unscopedPayload payloadVersion = 0
	domainPayload   payloadVersion = 1
	projectPayload  payloadVersion = 2
	trustPayload    payloadVersion = 3
	oauth1Payload   payloadVersion = 7
	systemPayload   payloadVersion = 8
	appCredPayload  payloadVersion = 9
)

// version finds the layout that holds the payload.
func (p *Payload) version() (payloadVersion, error) {
	scopes := 0
	for _, scoped := range []bool{p.ProjectID != "", p.DomainID != "", p.System} {
		if scoped {
			scopes++
		}
	}
	delegations := 0
	for _, delegated := range []bool{p.TrustID != "", p.AppCredID != "", p.AccessTokenID != ""} {
		if delegated {
			delegations++
		}
	}
	switch {
	case scopes > 1:
		return 0, errors.New("it has more than one scope")
	case delegations > 1:
		return 0, errors.New("it has more than one delegation")
	case delegations > 0 && p.ProjectID == "":
		return 0, errors.New("it has a delegation without a project")
	case p.AccessTokenID != "":
		return oauth1Payload, nil
	case p.TrustID != "":
		return trustPayload, nil
	case p.AppCredID != "":
		return appCredPayload, nil
	case p.ProjectID != "":
		return projectPayload, nil
	case p.DomainID != "":
		return domainPayload, nil
	case p.System:
		return systemPayload, nil
	}
	return unscopedPayload, nil
}

// check finds what no kind of token can carry.
func (p *Payload) check() error {
	if _, err := p.version(); err != nil {
		return err
	}
	if _, err := packMethods(p.Methods); err != nil {
		return err
	}
	_, err := packAuditIDs(p.AuditIDs)
	return err
}

// methodNames are the authentication methods by their bit, in the order of keystone's default configuration, then ours.
func methodNames() []string {
	return []string{
		"external", "password", "token", "oauth1", "mapped", "application_credential",
		"totp", "ec2credential", "trust",
	}
}

func packMethods(methods []string) (uint64, error) {
	var bits uint64
next:
	for _, method := range methods {
		for i, name := range methodNames() {
			if method == name {
				bits |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("authentication method %q is unknown", method)
	}
	return bits, nil
}

func unpackMethods(bits uint64) ([]string, error) {
	var methods []string
	for i, name := range methodNames() {
		if bits&(1<<i) != 0 {
			methods = append(methods, name)
		}
	}
	if bits>>len(methodNames()) != 0 {
		return nil, errors.New("it has an unknown authentication method")
	}
	return methods, nil
}

// packID makes 16 bytes of an id that is a UUID in 32 lower-case hexadecimal digits; other ids stay as they are.
func packID(id string) (raw []byte, ok bool) {
	if len(id) != 32 {
		return nil, false
	}
	raw, err := hex.DecodeString(id)
	if err != nil || hex.EncodeToString(raw) != id {
		return nil, false
	}
	return raw, true
}

// NewAuditID makes a random audit id: 16 bytes as URL-safe base64 without padding.
func NewAuditID() string {
	var raw [16]byte
	// crypto/rand.Read never fails; it ends the program when the system has no randomness.
	_, _ = rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
