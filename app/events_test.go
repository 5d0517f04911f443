package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"virga/core/api"
	"virga/core/api/events"
	"virga/core/authz"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/conf"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/token"
)

// shop is a service of a cloud that only tells of changes.
type shop struct {
	db      *db.DB
	log     *feed.Log
	desk    *events.Desk
	handler http.Handler
}

type clerk struct{}

func (clerk) Authenticate(_ context.Context, text string) (*token.Identity, error) {
	if text != "good" {
		return nil, token.ErrInvalid
	}
	return &token.Identity{UserID: "u", Roles: []token.Role{{Name: "admin"}}}, nil
}

func newShop(t *testing.T, name string) *shop {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite:"+t.TempDir()+"/shop.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context(), "feed", feed.Migrations()); err != nil {
		t.Fatal(err)
	}
	policy, err := authz.NewEnforcer(append(authz.BaseRules(), events.Rules(name)...), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{db: d, log: feed.NewLog(name, bus.NewLocal())}
	log := slog.New(slog.DiscardHandler)
	if s.desk, err = events.New(events.Config{DB: d, Feed: s.log, Clock: clock.System{}, Auth: clerk{}, Log: log}); err != nil {
		t.Fatal(err)
	}
	s.handler, err = api.NewHandler(&api.Table{Service: name, Type: name, Endpoint: "http://x/" + name, Policy: policy, Auth: clerk{}, Log: log,
		Routes: s.desk.Routes(), Errors: func(e *api.Error, _ *api.Request) (string, []byte) {
			body, _ := json.Marshal(map[string]any{"error": map[string]string{"message": e.Message}})
			return "application/json", body
		}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) Handler() http.Handler         { return s.handler }
func (s *shop) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (s *shop) Ready(context.Context) error   { return nil }
func (s *shop) Events() *events.Desk          { return s.desk }

func (s *shop) change(t *testing.T, id string) {
	t.Helper()
	err := s.db.Write(t.Context(), func(tx *db.Tx) error {
		return s.log.Record(tx, feed.Change{At: time.Now(), Kind: "ware", ID: id, Action: "update",
			Before: map[string]any{"price": 1}, After: map[string]any{"price": 2}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// newMarket is a cloud of two shops and its address.
func newMarket(t *testing.T) (fish, meat *shop, address string) {
	t.Helper()
	cl := &cloud{conf: &conf.Config{Roles: conf.AllRoles()}}
	fish, meat = newShop(t, "compute"), newShop(t, "network")
	cl.edge = &api.Edge{Clock: clock.System{}, Services: map[string]http.Handler{"/compute": fish.handler, "/network": meat.handler}, Fallback: cl.allEvents()}
	cl.parts = []part{fish, meat}
	server := httptest.NewServer(cl.edge)
	t.Cleanup(func() {
		fish.desk.Close()
		meat.desk.Close()
		server.Close()
	})
	return fish, meat, server.URL
}

func listen(t *testing.T, address, as, last string) (*http.Response, *events.Reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Auth-Token", as)
	request.Header.Set("Last-Event-ID", last)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer, events.NewReader(answer.Body)
}

// nextEvent skips what is no event.
func nextEvent(t *testing.T, reader *events.Reader) (position, service, id string) {
	t.Helper()
	for {
		m, err := reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		if m.Data == nil {
			continue
		}
		var e events.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Fatal(err)
		}
		if m.Name == events.EndName {
			return m.ID, "", "end"
		}
		return m.ID, e.Service, e.ID
	}
}

func TestTheRootMergesTheEventsOfAllServices(t *testing.T) {
	fish, meat, address := newMarket(t)
	fish.change(t, "cod")
	answer, reader := listen(t, address+"/events", "good", "")
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	if m, err := reader.Next(); err != nil || m.ID != "compute:1,network:0" {
		t.Fatalf("a stream begins with %+v, %v", m, err)
	}
	meat.change(t, "ham")
	if position, service, id := nextEvent(t, reader); position != "compute:1,network:1" || service != "network" || id != "ham" {
		t.Errorf("got %s %s at %s", service, id, position)
	}
	fish.change(t, "eel")
	position, service, id := nextEvent(t, reader)
	if position != "compute:2,network:1" || service != "compute" || id != "eel" {
		t.Errorf("got %s %s at %s", service, id, position)
	}
	_ = answer.Body.Close()
	fish.change(t, "cod again")
	meat.change(t, "ham again")
	_, reader = listen(t, address+"/events?follow=false&after=oldest", "good", position)
	got := map[string]bool{}
	for range 2 {
		_, _, id := nextEvent(t, reader)
		got[id] = true
	}
	if position, _, id := nextEvent(t, reader); !got["cod again"] || !got["ham again"] || id != "end" || position != "compute:3,network:2" {
		t.Errorf("resumed with %v, then %s at %s", got, id, position)
	}
}

func TestTheMergedStreamEndsWithItsServices(t *testing.T) {
	fish, _, address := newMarket(t)
	_, reader := listen(t, address+"/events", "good", "")
	if _, err := reader.Next(); err != nil {
		t.Fatal(err)
	}
	fish.desk.Close()
	if position, _, id := nextEvent(t, reader); id != "end" || position != "compute:0,network:0" {
		t.Errorf("got %s at %s", id, position)
	}
}

func TestRefusalsOfTheMergedStream(t *testing.T) {
	_, _, address := newMarket(t)
	for _, c := range []struct {
		query, as, last string
		want            int
	}{
		{"", "bad", "", 401}, {"after=compute", "good", "", 400}, {"after=compute:x", "good", "", 400}, {"", "good", "compute:1,,", 400},
		{"after=compute:99", "good", "", 400}, {"after=compute:1,network:1,a:1,b:1,c:1,d:1", "good", "", 400}, {"kind=", "good", "", 400},
		{"follow=false", "good", "compute:0", 200},
	} {
		answer, _ := listen(t, address+"/events?"+c.query, c.as, c.last)
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != c.want {
			t.Errorf("%s as %s: %d %s, want %d", c.query, c.as, answer.StatusCode, text, c.want)
		}
	}
}

func TestAChangeIsPrintedOnOneLine(t *testing.T) {
	e := &events.Event{Time: "2026-01-01T00:00:00.000000Z", Service: "compute", UserID: "u", Kind: "server", ID: "s\x1b[31m", Action: "update",
		Before: json.RawMessage(`{"status":"BUILD","updated":"1","gone":1}`), After: json.RawMessage(`{"status":"ACTIVE","updated":"2","new":[1]}`)}
	var out bytes.Buffer
	writeEvent(&out, e, false)
	if got := out.String(); got != "2026-01-01T00:00:00.000000Z  compute    server s [31m  update  by u  gone: 1 → -, new: - → [1], status: BUILD → ACTIVE\n" {
		t.Errorf("printed %q", got)
	}
	out.Reset()
	writeEvent(&out, e, true)
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"after":{"status":"ACTIVE"`) {
		t.Errorf("as JSON %q", got)
	}
}
