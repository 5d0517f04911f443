package identity

import (
	"encoding/json"
	"net/http"
	"strings"

	"virga/core/api"
)

// errorStyle renders errors in keystone's form.
func errorStyle(e *api.Error, _ *api.Request) (contentType string, body []byte) {
	var wire struct {
		Error struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Title   string `json:"title"`
		} `json:"error"`
	}
	wire.Error.Code, wire.Error.Title, wire.Error.Message = e.Status, http.StatusText(e.Status), e.Message
	if action, denied := strings.CutPrefix(e.Message, "Policy doesn't allow "); denied && e.Status == http.StatusForbidden {
		wire.Error.Message = "You are not authorized to perform the requested action: " +
			strings.TrimSuffix(action, " to be performed.") + "."
	}
	body, err := json.Marshal(wire)
	if err != nil {
		panic("strings and numbers can be encoded: " + err.Error())
	}
	return "application/json", body
}

// unauthorized is the one answer to every failed authentication: it does not tell what
// was wrong.
func (s *Service) unauthorized() *api.Error {
	e := api.Unauthorized("The request you have made requires authentication.")
	e.Header = http.Header{"Www-Authenticate": {`Keystone uri="` + s.deps.AuthenticateURI + `"`}}
	return e
}

func notFound(kind, id string) *api.Error {
	return api.NotFound("Could not find %s: %s.", kind, id)
}

func conflict(kind, details string) *api.Error {
	return api.Conflict("Conflict occurred attempting to store %s - %s.", kind, details)
}

// duplicateName is the conflict of two resources of one name in one domain.
func duplicateName(kind, name, domainID string) *api.Error {
	if domainID == "" {
		return conflict(kind, "Duplicate entry found with name "+name)
	}
	return conflict(kind, "Duplicate entry found with name "+name+" at domain ID "+domainID)
}
