// Package identity is the identity service: the OpenStack Identity API version 3.
//
// It owns domains, projects, users, groups, roles, their assignments, the catalog
// (regions, services, endpoints), application credentials, and the question whether a
// token still stands. Its tables are those of migrations/; it has no durable operations:
// every change is one transaction. Service implements token.Authenticator for the
// services of the same process; others validate tokens at GET /v3/auth/tokens.
//
// What a token may do follows from the database alone. Whatever takes a right away
// (revocation, a disabled or deleted user, project or domain, a removed role, a changed
// password) is written first and then dropped from the cache of validated identities, so
// that it holds from the moment the change is answered, and after a restart.
//
// It never talks to other services, does not decide what callers may do elsewhere, and
// never stores or shows a password or token as it is.
//
// Only package app imports it.
package identity
