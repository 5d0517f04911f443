// Package token holds what a validated caller is, and how tokens are made, opened and remembered.
//
// It owns: the Identity that every service reads, the Secret type, Fernet and signed (JWS) tokens with keystone's payload
// layouts and claims, their keys with rotation, and the cache of validated identities.
//
// It does not own: users, projects, roles, catalogs and revocation lists (service/identity decides whether a payload still
// stands), nor the question of what a caller may do (core/authz).
//
// core/authz, core/api, app and every service may import it; it imports no other package of Virga.
package token

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrInvalid is returned for a token that is malformed, forged, from the future or otherwise not acceptable.
	ErrInvalid = errors.New("token is not valid")
	// ErrExpired is returned for a genuine token whose time is over.
	ErrExpired = errors.New("token has expired")
	// ErrNoKeys is returned when a key repository holds no key.
	ErrNoKeys = errors.New("key repository holds no key")
)

// Clock is the part of core/clock that this package needs.
type Clock interface {
	Now() time.Time
}

// LateAuthenticator is an Authenticator that can tell, of a token whose time is over but not for long, whose it was and
// would be still. It answers like Authenticate; tokens that have not expired are none of its business.
type LateAuthenticator interface {
	AuthenticateLate(ctx context.Context, token string) (*Identity, error)
}

// authenticateLate asks for a late token, where that can be asked.
func authenticateLate(ctx context.Context, next Authenticator, token string) (*Identity, error) {
	if late, can := next.(LateAuthenticator); can {
		return late.AuthenticateLate(ctx, token)
	}
	return nil, ErrExpired
}

// Authenticator turns the token string of a request into the caller's identity.
//
// It answers an error that wraps ErrInvalid or ErrExpired when the token is at fault, and any other error when the answer
// could not be found out. The identity is shared between requests: nobody may change it.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (*Identity, error)
}
