package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"virga/core/authz"
	"virga/core/token"
)

// Request is what a handler gets to know of a call.
type Request struct {
	// HTTP is the request itself; the body of a row that is not Raw has been read.
	HTTP *http.Request
	// ID is the request id, "req-" and a UUID.
	ID string
	// Identity is the validated caller; nil in public rows without a token.
	Identity *token.Identity
	// Version is the negotiated microversion; zero where the API has none.
	Version Version
	// Query holds the query parameters.
	Query url.Values
	// Target is what the row's loader found.
	Target Target
	// Body is the validated JSON body.
	Body []byte

	table  *Table
	route  *Route
	names  []string
	values []string
	creds  *authz.Creds
}

// Param is the value of a parameter of the path, unescaped.
func (r *Request) Param(name string) string {
	for i, n := range r.names {
		if n == name {
			return r.values[i]
		}
	}
	return ""
}

// Loaded is the row's target in its own type.
func Loaded[T Target](r *Request) T {
	target, ok := r.Target.(T)
	if !ok {
		panic(fmt.Sprintf("route %s %s loads a %T", r.route.Method, r.route.Path, r.Target))
	}
	return target
}

// Decode reads the validated body into v. Numbers read into an any keep their digits. A
// key that is a field's name in another case is refused, as no schema has looked at it.
func (r *Request) Decode(v any) error {
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.UseNumber()
	if err := decoder.Decode(v); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) {
			return BadRequest("Invalid input for field/attribute %s: a %s is not of the right type.", wrongType.Field, wrongType.Value)
		}
		return BadRequest("Malformed request body.").Because(err)
	}
	return checkSpelling(v, r.Body)
}

// May enforces a further rule on a target; nil target means the caller's own project.
func (r *Request) May(rule string, target authz.Target) error {
	if target == nil {
		target = r.ownTarget()
	}
	if !r.table.Policy.Enforce(rule, r.creds, target).Allowed {
		return Forbidden("Policy doesn't allow %s to be performed.", rule)
	}
	return nil
}

// Can is May as a question.
func (r *Request) Can(rule string, target authz.Target) bool { return r.May(rule, target) == nil }

// ownTarget is what rules see where a row has no target: the caller's own scope.
func (r *Request) ownTarget() authz.Target {
	if r.Identity == nil {
		return authz.Target{}
	}
	return authz.Target{
		"project_id": r.Identity.Project.ID, "tenant_id": r.Identity.Project.ID,
		"user_id": r.Identity.UserID, "domain_id": r.Identity.Domain.ID,
	}
}

// URL is the public address of a path of this service, for links.
func (r *Request) URL(path string) string { return r.table.Endpoint + path }

// SelfURL is the public address of the request, with its query replaced.
func (r *Request) SelfURL(query url.Values) string {
	address := r.table.Endpoint + r.HTTP.URL.EscapedPath()
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

// ProjectID is the caller's project, empty when its token has another scope.
func (r *Request) ProjectID() string {
	if r.Identity == nil {
		return ""
	}
	return r.Identity.Project.ID
}

// UserID is the caller.
func (r *Request) UserID() string {
	if r.Identity == nil {
		return ""
	}
	return r.Identity.UserID
}

// Flag reads a boolean of the query in the forms that OpenStack's clients send.
func (r *Request) Flag(name string) (value, given bool, err error) {
	if !r.Query.Has(name) {
		return false, false, nil
	}
	value, ok := ParseBool(r.Query.Get(name))
	if !ok {
		return false, true, BadRequest("Invalid value for %s: %q is not a boolean.", name, r.Query.Get(name))
	}
	return value, true, nil
}

// ParseBool reads the words that oslo.utils' strutils takes for booleans.
func ParseBool(s string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no":
		return false, true
	}
	return false, false
}
