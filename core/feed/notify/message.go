package notify

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"virga/core/feed"
)

// Priorities of notifications.
const (
	Info  = "INFO"
	Error = "ERROR"
)

// Notification is what a change is to OpenStack's consumers.
type Notification struct {
	// EventType is "compute.instance.create.end", Publisher "compute.HOST".
	EventType, Publisher string
	// Priority is Info or Error.
	Priority string
	// Payload is encoded as JSON.
	Payload any
	// Versioned notifications go to topics of their own.
	Versioned bool
}

// Format tells which notifications a change makes, in order; most make none or one.
type Format func(e *feed.Entry) ([]Notification, error)

// space is what the ids of messages are made in.
var space = uuid.MustParse("6c1b4c0e-0f0a-4a53-9a5b-7a3f2d0c8d11")

// envelope is a message of oslo.messaging, version 2.0 (_drivers/common.py, serialize_msg).
type envelope struct {
	Version string `json:"oslo.version"`
	Message string `json:"oslo.message"`
}

// message is the inner one (notify/notifier.py). Times have the form of Python's str().
type message struct {
	MessageID string `json:"message_id"`
	Publisher string `json:"publisher_id"`
	EventType string `json:"event_type"`
	Priority  string `json:"priority"`
	Payload   any    `json:"payload"`
	Timestamp string `json:"timestamp"`
	UniqueID  string `json:"_unique_id"`

	RequestID       string   `json:"_context_request_id"`
	GlobalRequestID *string  `json:"_context_global_request_id"`
	UserID          *string  `json:"_context_user_id"`
	ProjectID       *string  `json:"_context_project_id"`
	User            *string  `json:"_context_user"`
	Tenant          *string  `json:"_context_tenant"`
	Roles           []string `json:"_context_roles"`
	IsAdmin         bool     `json:"_context_is_admin"`
	At              string   `json:"_context_timestamp"`
}

// encode makes the body of the n-th notification of a change. The same change makes the
// same ids again.
func encode(service string, e *feed.Entry, n int, what *Notification) ([]byte, string, error) {
	id := uuid.NewSHA1(space, fmt.Appendf(nil, "%s/%d/%s/%s/%d", service, e.Seq, e.At.UTC().Format(timeForm), e.ID, n))
	m := message{MessageID: id.String(), UniqueID: strings.ReplaceAll(id.String(), "-", ""), Publisher: what.Publisher, EventType: what.EventType,
		Priority: what.Priority, Payload: what.Payload, Timestamp: e.At.UTC().Format("2006-01-02 15:04:05.000000"),
		RequestID: e.RequestID, UserID: orNull(e.UserID), ProjectID: orNull(e.ProjectID), User: orNull(e.UserID), Tenant: orNull(e.ProjectID),
		Roles: []string{}, At: e.At.UTC().Format(timeForm)}
	inner, err := json.Marshal(m)
	if err != nil {
		return nil, "", fmt.Errorf("encode notification %s: %w", what.EventType, err)
	}
	body, err := json.Marshal(envelope{"2.0", string(inner)})
	return body, m.MessageID, err
}

const timeForm = "2006-01-02T15:04:05.000000"

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
