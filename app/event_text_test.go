package app

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// teller is a cloud with one service that tells of changes: it breaks each stream off after
// two of them.
type teller struct {
	mu    sync.Mutex
	asked []string
	// expired tells that the token was refused once.
	expired bool
}

func (l *teller) event(w http.ResponseWriter, n int) {
	fmt.Fprintf(w, "id: %d\nevent: server.update\ndata: {\"sequence\":%d,\"service\":\"compute\",\"time\":\"2026-01-01T00:00:0%d.000000Z\",\"user_id\":\"u\",\"kind\":\"server\","+
		"\"id\":\"s%d\",\"action\":\"update\",\"before\":{\"n\":1},\"after\":{\"n\":2}}\n\n", n, n, n, n)
}

func newTeller(t *testing.T) (*teller, Account) {
	t.Helper()
	l := &teller{}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("POST /identity/v3/auth/tokens", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Subject-Token", "good")
		fmt.Fprintf(w, `{"token":{"catalog":[{"endpoints":[{"interface":"public","url":"%[1]s/compute/v2.1"}]},{"endpoints":[{"interface":"public","url":"%[1]s/foreign"}]}]}}`, server.URL)
	})
	mux.HandleFunc("GET /compute/events", func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked = append(l.asked, r.URL.RawQuery)
		w.Header().Set("Content-Type", "text/event-stream")
		if r.FormValue("follow") == "false" {
			fmt.Fprint(w, "retry: 1\nid: 0\n\n")
			for n := 1; n <= 3; n++ {
				l.event(w, n)
			}
			fmt.Fprint(w, "id: 3\nevent: end\ndata: {\"reason\":\"there is no more\"}\n\n")
			return
		}
		from := 0
		if r.FormValue("after") == "5" && !l.expired {
			l.expired = true
			http.Error(w, `{}`, http.StatusUnauthorized)
			return
		}
		if _, err := fmt.Sscan(r.FormValue("after"), &from); err != nil || from >= 7 {
			http.Error(w, `{"x":{"message":"no more of this"}}`, http.StatusGone)
			return
		}
		fmt.Fprintf(w, "id: %d\n\n", from)
		l.event(w, from+1)
		l.event(w, from+2)
	})
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	text := "clouds:\n  virga:\n    auth: {auth_url: " + server.URL + "/identity, username: u, password: p}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return l, Account{CloudConfig: file}
}

func TestEventsAreShownAndFollowed(t *testing.T) {
	l, account := newTeller(t)
	var out bytes.Buffer
	if err := ShowEvents(t.Context(), account, EventsWanted{Limit: 2, Kinds: []string{"server"}}, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, " s1 ") || !strings.Contains(got, "compute    server s2  update  by u  n: 1 → 2\n") || strings.Count(got, "\n") != 2 {
		t.Errorf("shown\n%s", got)
	}
	if l.asked[0] != "after=oldest&follow=false&kind=server" {
		t.Errorf("asked for %s", l.asked[0])
	}
	// Followed until the service has no more, also over the end of the token; broken streams are resumed behind the last event.
	out.Reset()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := ShowEvents(ctx, account, EventsWanted{Limit: 0, Follow: true, JSON: true}, &out)
	if err == nil || !strings.Contains(err.Error(), "no more of this") {
		t.Errorf("the end is told as %v", err)
	}
	for n := 4; n <= 7; n++ {
		if strings.Count(out.String(), fmt.Sprintf(`"id":"s%d"`, n)) != 1 {
			t.Errorf("event %d is not shown once:\n%s", n, out.String())
		}
	}
}
