package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// styled tells whether an error is written as the API that the path belongs to writes errors, with a message for the reader.
func styled(path string, a *answer) error {
	if !json.Valid(a.body) {
		return fmt.Errorf("the body is no JSON")
	}
	service, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if a.status == http.StatusUnauthorized && strings.HasPrefix(string(a.body), `{"error":`) {
		service = "identity" // every OpenStack service has keystone's middleware before it, which answers in keystone's style
	}
	message := ""
	switch {
	case service == "identity":
		var body struct {
			Error struct {
				Code           int
				Message, Title string
			}
		}
		if err := json.Unmarshal(a.body, &body); err != nil || body.Error.Code != a.status || body.Error.Title == "" {
			return fmt.Errorf("not in keystone's style: %w", err)
		}
		message = body.Error.Message
	case service == "compute":
		var body map[string]struct {
			Code    int
			Message string
		}
		if err := json.Unmarshal(a.body, &body); err != nil || len(body) != 1 {
			return fmt.Errorf("not in nova's style: %w", err)
		}
		for name, fault := range body {
			if want := computeFaults[a.status]; name != want || fault.Code != a.status {
				return fmt.Errorf("the fault is called %s with code %d, want %s", name, fault.Code, want)
			}
			message = fault.Message
		}
	case service == "network":
		var body struct {
			NeutronError struct{ Type, Message string }
		}
		if err := json.Unmarshal(a.body, &body); err != nil || body.NeutronError.Type == "" {
			return fmt.Errorf("not in neutron's style: %w", err)
		}
		message = body.NeutronError.Message
	case service == "image":
		var body struct{ Message, Code, Title string }
		if err := json.Unmarshal(a.body, &body); err != nil || !strings.HasPrefix(body.Code, fmt.Sprint(a.status)) || body.Title == "" {
			return fmt.Errorf("not in glance's style: %w", err)
		}
		message = body.Message
	case service == "placement":
		var body struct {
			Errors []struct {
				Status        int
				Title, Detail string
			}
		}
		if err := json.Unmarshal(a.body, &body); err != nil || len(body.Errors) != 1 || body.Errors[0].Status != a.status {
			return fmt.Errorf("not in placement's style: %w", err)
		}
		message = body.Errors[0].Detail
	default:
		return fmt.Errorf("no API is known for it")
	}
	if strings.TrimSpace(message) == "" {
		return fmt.Errorf("it says nothing")
	}
	for _, inside := range []string{"sql", "SQLITE", "goroutine", ".go:", "panic", "nil pointer", "json: ", "strconv."} {
		if strings.Contains(message, inside) {
			return fmt.Errorf("the message shows the inside (%q)", inside)
		}
	}
	return nil
}

var computeFaults = map[int]string{
	http.StatusBadRequest: "badRequest", http.StatusForbidden: "forbidden", http.StatusNotFound: "itemNotFound",
	http.StatusMethodNotAllowed: "badMethod", http.StatusConflict: "conflictingRequest", http.StatusRequestEntityTooLarge: "overLimit",
	http.StatusUnsupportedMediaType: "badMediaType", http.StatusNotAcceptable: "computeFault",
}
