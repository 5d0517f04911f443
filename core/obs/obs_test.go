package obs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"virga/core/obs"
)

func TestRecordsCarryWhatTheContextHolds(t *testing.T) {
	var out bytes.Buffer
	log, err := obs.NewLogger(&out, "info", "json", func(context.Context) []slog.Attr { return []slog.Attr{slog.String("request_id", "req-1")} })
	if err != nil {
		t.Fatal(err)
	}
	log.With("a", 1).InfoContext(t.Context(), "hello")
	log.Debug("not this")
	if got := out.String(); !strings.Contains(got, `"a":1,"request_id":"req-1"`) || strings.Contains(got, "not this") {
		t.Error(got)
	}
	for _, wrong := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := obs.NewLogger(&out, wrong[0], wrong[1], nil); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}

func TestReadyNamesThePartThatIsNot(t *testing.T) {
	var h obs.Health
	h.Add("database", func(context.Context) error { return nil })
	get := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.Ready().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil))
		return w
	}
	if w := get(); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h.Add("bus", func(context.Context) error { return errors.New("password=x refused") })
	if w := get(); w.Code != 503 || !strings.Contains(w.Body.String(), `"bus":"not ready"`) || strings.Contains(w.Body.String(), "password") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMetricsAreThere(t *testing.T) {
	w := httptest.NewRecorder()
	obs.Metrics(obs.NewRegistry()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), "go_goroutines") {
		t.Error(w.Body)
	}
}
