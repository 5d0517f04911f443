package identity

import (
	"encoding/json"
	"time"

	"virga/core/api"
)

// userBody is what clients say of a user.
type userBody struct {
	Name             optional[string]         `json:"name"`
	DomainID         optional[string]         `json:"domain_id"`
	Enabled          optional[*bool]          `json:"enabled"`
	DefaultProjectID optional[string]         `json:"default_project_id"`
	Password         optional[secretText]     `json:"password"`
	Options          optional[map[string]any] `json:"options"`
}

// passwordChangeBody is a user's wish for a new password.
type passwordChangeBody struct {
	User struct {
		Original secretText `json:"original_password"`
		Password secretText `json:"password"`
	} `json:"user"`
}

type userView struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	DomainID          string            `json:"domain_id"`
	Enabled           bool              `json:"enabled"`
	DefaultProjectID  string            `json:"default_project_id,omitempty"`
	PasswordExpiresAt *string           `json:"password_expires_at"`
	Options           map[string]any    `json:"options"`
	Links             map[string]string `json:"links"`
}

func viewUser(r *api.Request, row userRow) (json.RawMessage, error) {
	return withExtra(userView{
		PasswordExpiresAt: viewPasswordEnd(row.PasswordExpires), ID: row.ID, Name: row.Name, DomainID: row.DomainID, Enabled: row.Enabled, DefaultProjectID: row.DefaultProjectID,
		Options: nonNil(row.Options), Links: selfLink(r, "users", row.ID),
	}, row.Extra)
}

// viewPasswordEnd writes when a password expires, without a zone as in keystone.
func viewPasswordEnd(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	text := viewExpiry(at)
	return &text
}

// viewEach shows every row of a list.
func viewEach[R any](r *api.Request, rows []R, view func(*api.Request, R) (json.RawMessage, error)) ([]json.RawMessage, error) {
	views := make([]json.RawMessage, len(rows))
	for i, row := range rows {
		var err error
		if views[i], err = view(r, row); err != nil {
			return nil, err
		}
	}
	return views, nil
}
