// Package neighbour holds the clients by which services reach each other: each implements
// an interface that a service declares, over another service's public HTTP API.
//
// Whether the other service is in this process, on another machine or a genuine
// OpenStack one is decided by the api.Client that a constructor gets. The caller's
// identity travels in the context. A refusal comes back as an *api.Error with the
// neighbour's status and message, anything else as an ordinary error.
//
// Only app imports it.
package neighbour

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"virga/core/api"
	"virga/core/bus"
)

// refusal turns a neighbour's error answer into an *api.Error, and one that says that it
// cannot serve now into bus.ErrUnavailable; other errors, and the neighbour's own trouble
// (status 500 and above), stay as they are.
func refusal(err error) error {
	var status *api.StatusError
	switch {
	case !errors.As(err, &status):
		return err
	case status.Status == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	case status.Status >= http.StatusInternalServerError:
		return err
	}
	return api.Errorf(status.Status, "%s", Message(status.Body)).Because(err)
}

// Message finds the sentence in an error answer of any of the APIs.
func Message(body []byte) string {
	var answer struct {
		Message      string
		NeutronError struct{ Message string }
		Errors       []struct{ Detail string }
	}
	if json.Unmarshal(body, &answer) == nil {
		switch {
		case answer.NeutronError.Message != "":
			return answer.NeutronError.Message
		case len(answer.Errors) > 0 && answer.Errors[0].Detail != "":
			return answer.Errors[0].Detail
		case answer.Message != "":
			return strings.TrimSpace(strings.ReplaceAll(answer.Message, "<br />", "")) // so does Glance end its sentences
		}
	}
	return "The request was refused."
}

// status is the status of a refusal, 0 for other errors.
func status(err error) int {
	var e *api.StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
