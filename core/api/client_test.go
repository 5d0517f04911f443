package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"virga/core/api"
)

func TestClientSpeaksJSONAndKeepsTheStatus(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, `{"reason":"because"}`, http.StatusConflict)
			return
		}
		var in map[string]int
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		in["n"]++
		_ = json.NewEncoder(w).Encode(map[string]any{"n": in["n"], "version": r.Header.Get("X-Version")})
	})
	c := &api.Client{HTTP: &http.Client{Transport: api.Local{Handler: handler}}, Base: "http://in", Header: http.Header{"X-Version": {"7"}}}
	var out struct {
		N       int
		Version string
	}
	if err := c.Do(t.Context(), "POST", "/yes", map[string]int{"n": 1}, &out); err != nil || out.N != 2 || out.Version != "7" {
		t.Errorf("%+v %v", out, err)
	}
	var status *api.StatusError
	if err := c.Do(t.Context(), "GET", "/no", nil, &out); !errors.As(err, &status) || status.Status != 409 || len(status.Body) == 0 {
		t.Errorf("%v", err)
	}
}
