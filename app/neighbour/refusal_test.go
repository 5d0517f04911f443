package neighbour

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"virga/core/api"
	"virga/core/bus"
)

// TestRefusalsKeepTheirMeaning has a neighbour refuse, be away and be in trouble.
func TestRefusalsKeepTheirMeaning(t *testing.T) {
	of := func(status int, body string) error {
		return refusal(fmt.Errorf("call: %w", &api.StatusError{Status: status, Body: []byte(body)}))
	}
	var refused *api.Error
	if err := of(409, `{"NeutronError": {"message": "in use"}}`); !errors.As(err, &refused) || refused.Status != 409 || refused.Message != "in use" {
		t.Errorf("a refusal is %v", err)
	}
	if err := of(http.StatusServiceUnavailable, "{}"); !errors.Is(err, bus.ErrUnavailable) || api.StatusOf(err) == 503 {
		t.Errorf("a neighbour that is away is %v", err)
	}
	if err := of(500, "{}"); errors.Is(err, bus.ErrUnavailable) || errors.As(err, &refused) {
		t.Errorf("a neighbour in trouble is %v", err)
	}
	other := errors.New("other")
	if err := refusal(other); !errors.Is(err, other) {
		t.Errorf("another error is %v", err)
	}
}
