package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"virga/core/conf"
)

// TestMetricsAreForThoseWhoWatch asks for metrics from here and elsewhere, with and without a token.
func TestMetricsAreForThoseWhoWatch(t *testing.T) {
	const token = "a token of the watchers"
	for name, c := range map[string]struct {
		token, from string
		header      []string
		status      int
	}{
		"from this machine":                  {"", "127.0.0.1:4711", nil, 200},
		"from this machine, over IPv6":       {"", "[::1]:4711", nil, 200},
		"from this machine, in both forms":   {"", "[::ffff:127.0.0.1]:4711", nil, 200},
		"from elsewhere":                     {"", "192.0.2.7:4711", nil, 403},
		"from elsewhere, over IPv6":          {"", "[2001:db8::7]:4711", nil, 403},
		"from nowhere":                       {"", "", nil, 403},
		"by a proxy on this machine":         {"", "127.0.0.1:4711", []string{"X-Forwarded-For", "192.0.2.7"}, 403},
		"by another proxy on this machine":   {"", "127.0.0.1:4711", []string{"Forwarded", "for=192.0.2.7"}, 403},
		"with a token that is not asked for": {"", "192.0.2.7:4711", []string{"Authorization", "Bearer " + token}, 403},
		"from this machine without a token":  {token, "127.0.0.1:4711", nil, 401},
		"with the token":                     {token, "192.0.2.7:4711", []string{"Authorization", "Bearer " + token}, 200},
		"with another token":                 {token, "192.0.2.7:4711", []string{"Authorization", "Bearer " + token + "x"}, 401},
		"with the token in another way":      {token, "192.0.2.7:4711", []string{"Authorization", "Basic " + token}, 401},
		"with no token":                      {token, "192.0.2.7:4711", []string{"Authorization", "Bearer "}, 401},
	} {
		cl := opened(t, &conf.Config{DataDir: t.TempDir(), Metrics: conf.Metrics{MetricsToken: conf.Secret(c.token)}})
		for path, want := range map[string]int{"/metrics": c.status, "/healthz": 200} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.RemoteAddr = c.from
			for i := 0; i+1 < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			w := httptest.NewRecorder()
			cl.front().ServeHTTP(w, r)
			if w.Code != want || (w.Code == 401) != (w.Header().Get("Www-Authenticate") != "") {
				t.Errorf("%s: %s: %d, want %d", name, path, w.Code, want)
			}
			if shown := strings.Contains(w.Body.String(), "go_goroutines"); path == "/metrics" && shown != (want == 200) {
				t.Errorf("%s: metrics are shown: %v", name, shown)
			}
		}
	}
}

// TestMetricsHaveAnAddressOfTheirOwn asks there for them, and for more.
func TestMetricsHaveAnAddressOfTheirOwn(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	cl := opened(t, &conf.Config{DataDir: t.TempDir(), Metrics: conf.Metrics{MetricsListen: address}})
	ctx, end := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	if err := cl.serveMetrics(ctx, group); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/metrics": "go_goroutines", "/healthz": "", "/": "404", "/identity/v3": "404"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", "192.0.2.7")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || (response.StatusCode == 200) == (want == "404") || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %.100s, %v", path, response.Status, body, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	end()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
