package network

import (
	"encoding/json"
	"net/http"
	"strings"

	"virga/core/api"
)

// errorStyle renders errors as the network API does:
// {"NeutronError": {"type", "message", "detail"}}. What the token check refuses has the
// form of keystonemiddleware.
func errorStyle(e *api.Error, r *api.Request) (string, []byte) {
	if e.Status == http.StatusUnauthorized {
		body, _ := json.Marshal(map[string]any{"error": map[string]any{
			"code": e.Status, "title": "Unauthorized", "message": e.Message}})
		return "application/json", body
	}
	message := e.Message
	if e.Status == http.StatusForbidden && e.Code == "" {
		rule := strings.TrimSuffix(strings.TrimPrefix(message, "Policy doesn't allow "), " to be performed.")
		message = "rule:" + rule + " is disallowed by policy"
	}
	body, _ := json.Marshal(map[string]any{"NeutronError": map[string]any{
		"type": errorType(e), "message": message, "detail": ""}})
	return "application/json", body
}

// errorType is the exception's name for errors that carry none.
func errorType(e *api.Error) string {
	if e.Code != "" {
		return e.Code
	}
	switch e.Status {
	case http.StatusBadRequest:
		return "HTTPBadRequest"
	case http.StatusForbidden:
		return "PolicyNotAuthorized"
	case http.StatusNotFound:
		return "HTTPNotFound"
	case http.StatusMethodNotAllowed:
		return "HTTPMethodNotAllowed"
	case http.StatusConflict:
		return "HTTPConflict"
	case http.StatusPreconditionFailed:
		return "RevisionNumberConstraintFailed"
	case http.StatusRequestEntityTooLarge:
		return "HTTPRequestEntityTooLarge"
	case http.StatusServiceUnavailable:
		return "HTTPServiceUnavailable"
	}
	return "HTTPInternalServerError"
}

// badInput is the network API's InvalidInput.
func badInput(format string, args ...any) *api.Error {
	e := api.BadRequest(format, args...).WithCode("InvalidInput")
	e.Message = "Invalid input for operation: " + e.Message + "."
	return e
}

// badValue says that an attribute has a value that it cannot have.
func badValue(attribute, format string, args ...any) *api.Error {
	e := api.BadRequest(format, args...).WithCode("HTTPBadRequest")
	e.Message = "Invalid input for " + attribute + ". Reason: " + e.Message + "."
	return e
}

// badRequest is the API's BadRequest exception: "Bad router request: …".
func badRequest(resource, format string, args ...any) *api.Error {
	e := api.BadRequest(format, args...).WithCode("BadRequest")
	e.Message = "Bad " + resource + " request: " + e.Message + "."
	return e
}

func conflict(code, format string, args ...any) *api.Error {
	return api.Conflict(format, args...).WithCode(code)
}

func refuse(code, format string, args ...any) *api.Error {
	return api.BadRequest(format, args...).WithCode(code)
}

func missing(code, format string, args ...any) *api.Error {
	return api.NotFound(format, args...).WithCode(code)
}

func networkNotFound(id string) *api.Error {
	return missing("NetworkNotFound", "Network %s could not be found.", id)
}

func subnetNotFound(id string) *api.Error {
	return missing("SubnetNotFound", "Subnet %s could not be found.", id)
}

func portNotFound(id string) *api.Error {
	return missing("PortNotFound", "Port %s could not be found.", id)
}

func routerNotFound(id string) *api.Error {
	return missing("RouterNotFound", "Router %s could not be found", id)
}

func floatingIPNotFound(id string) *api.Error {
	return missing("FloatingIPNotFound", "Floating IP %s could not be found", id)
}

func groupNotFound(id string) *api.Error {
	return missing("SecurityGroupNotFound", "Security group %s does not exist", id)
}

func groupRuleNotFound(id string) *api.Error {
	return missing("SecurityGroupRuleNotFound", "Security group rule %s does not exist", id)
}

func agentNotFound(id string) *api.Error {
	return missing("AgentNotFound", "Agent %s could not be found.", id)
}
