package compute

import (
	"encoding/json"
	"errors"
	"net/http"

	"virga/core/api"
)

// faultNames are the keys of nova/api/openstack/wsgi.py for each status.
var faultNames = map[int]string{
	http.StatusBadRequest: "badRequest", http.StatusForbidden: "forbidden", http.StatusNotFound: "itemNotFound",
	http.StatusMethodNotAllowed: "badMethod", http.StatusConflict: "conflictingRequest",
	http.StatusRequestEntityTooLarge: "overLimit", http.StatusUnsupportedMediaType: "badMediaType",
	http.StatusTooManyRequests: "overLimit", http.StatusNotImplemented: "notImplemented",
	http.StatusServiceUnavailable: "serviceUnavailable",
}

// errorStyle renders errors as Nova does: {"badRequest": {"code": 400, "message": …}}. The
// 401 is the one of keystone's middleware in front of it.
func errorStyle(e *api.Error, _ *api.Request) (contentType string, body []byte) {
	var document any
	if e.Status == http.StatusUnauthorized {
		document = map[string]any{"error": map[string]any{"code": e.Status, "title": "Unauthorized", "message": e.Message}}
	} else {
		name := faultNames[e.Status]
		if name == "" {
			name = "computeFault"
		}
		document = map[string]any{name: map[string]any{"code": e.Status, "message": e.Message}}
	}
	body, err := json.Marshal(document)
	if err != nil {
		body = []byte(`{"computeFault": {"code": 500, "message": "The error could not be written."}}`)
	}
	return "application/json", body
}

// stateConflict is Nova's answer to an action in the wrong state.
func stateConflict(action, serverID, what, state string) error {
	return api.Conflict("Cannot '%s' instance %s while it is in %s %s", action, serverID, what, shownState(state))
}

// refusalText is the sentence of a neighbour's refusal.
func refusalText(err error) string {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "The request was refused."
}

// unavailable is the answer when a neighbour cannot be asked now.
func unavailable(neighbour string, err error) error {
	return api.Unavailable("The %s service cannot be reached now.", neighbour).Because(err)
}
