package api

import (
	"context"
	"errors"
	"net/http"

	"virga/core/authz"
	"virga/core/token"
)

// serviceTokenHeader has the token of a service that makes a request for a user, whose own token
// is in X-Auth-Token.
const serviceTokenHeader = "X-Service-Token"

// serviceRole is what a service has to have for the user's token to count after its end.
const serviceRole = "service"

// authenticate finds out who calls: the identity that an in-process caller put into the
// context, or the owner of the token.
func (s *server) authenticate(ctx context.Context, header http.Header, r *Request) error {
	identity, inProcess := token.IdentityFrom(ctx)
	if !inProcess {
		var err error
		if identity, err = s.bearer(ctx, r.HTTP.Header); err != nil {
			return err
		}
	}
	if identity == nil {
		if r.route.Public {
			r.creds = authz.CredsOf(nil)
			return nil
		}
		return s.unauthenticated(header)
	}
	if !inProcess && !forService(identity) && !identity.AllowsRequest(s.table.Type, r.HTTP.Method, r.HTTP.URL.Path) {
		return s.unauthenticated(header)
	}
	r.Identity, r.creds = identity, authz.CredsOf(identity)
	return nil
}

// forService tells whether a service makes the request for the user: access rules of application
// credentials say what the user may ask for, not what services do about it.
func forService(identity *token.Identity) bool {
	return identity.Service != nil && identity.Service.HasRole(serviceRole)
}

// unauthenticated tells a client to bring a valid token, and where there are some.
func (s *server) unauthenticated(header http.Header) error {
	if s.table.AuthenticateURI != "" {
		header.Set("Www-Authenticate", "Keystone uri=\""+s.table.AuthenticateURI+"\"")
	}
	return Unauthorized("The request you have made requires authentication.")
}

// bearer is whom the tokens of a request belong to; nil when one of them is not valid, or there
// is none. As in keystonemiddleware, a service that shows its own token besides may finish for a
// user what began before the user's token expired; one that was revoked ends that.
func (s *server) bearer(ctx context.Context, header http.Header) (*token.Identity, error) {
	text, serviceText := header.Get("X-Auth-Token"), header.Get(serviceTokenHeader)
	if text == "" {
		return nil, nil
	}
	if serviceText == "" {
		return accepted(s.table.Auth.Authenticate(ctx, text))
	}
	service, err := accepted(s.table.Auth.Authenticate(ctx, serviceText))
	if service == nil {
		return nil, err
	}
	user, err := s.table.Auth.Authenticate(ctx, text)
	if late, can := s.table.Auth.(token.LateAuthenticator); can && errors.Is(err, token.ErrExpired) && service.HasRole(serviceRole) {
		user, err = late.AuthenticateLate(ctx, text)
	}
	if user, err = accepted(user, err); user == nil {
		return nil, err
	}
	both := *user // the one that is remembered is of every request with that token
	both.Service = service
	return &both, nil
}

// accepted makes nobody of the bearer of a token that is at fault.
func accepted(identity *token.Identity, err error) (*token.Identity, error) {
	switch {
	case err == nil:
		return identity, nil
	case errors.Is(err, token.ErrInvalid), errors.Is(err, token.ErrExpired):
		return nil, nil
	}
	return nil, Unavailable("The token could not be checked now.").Because(err)
}
