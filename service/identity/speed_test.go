package identity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
)

// request serves one request in process.
func (c *cloud) request(b *testing.B, method, path, token string, body []byte, want int, header ...string) {
	r := httptest.NewRequestWithContext(b.Context(), method, path, bytes.NewReader(body))
	if body == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.service.Handler().ServeHTTP(w, r)
	if w.Code != want {
		b.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
}

// BenchmarkAuthenticatedRequest is a request whose token is remembered, that reads one row.
func BenchmarkAuthenticatedRequest(b *testing.B) {
	c := newCloud(b)
	m := newOwner(c)
	for b.Loop() {
		c.request(b, "GET", "/v3/users/"+m.user, m.scoped, nil, 200)
	}
}

// BenchmarkValidation is a service that asks whose a token is.
func BenchmarkValidation(b *testing.B) {
	c := newCloud(b)
	m := newOwner(c)
	admin := c.admin()
	for b.Loop() {
		c.request(b, "GET", "/v3/auth/tokens", admin, nil, 200, "X-Subject-Token", m.scoped)
	}
}

// BenchmarkAuthenticate is what another service in the process does with a remembered token.
func BenchmarkAuthenticate(b *testing.B) {
	c := newCloud(b)
	m := newOwner(c)
	for b.Loop() {
		if _, err := c.service.Authenticate(b.Context(), m.scoped); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIssueByToken rescopes a token.
func BenchmarkIssueByToken(b *testing.B) {
	c := newCloud(b)
	m := newOwner(c)
	unscoped := c.login(m.byID("unscoped"))
	body, err := json.Marshal(tokenAuth(unscoped, onProjectID(m.project)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.request(b, "POST", "/v3/auth/tokens", "", body, 201)
	}
}

// BenchmarkIssueByScopedToken makes a token of one that was made of another: its descent is written down.
func BenchmarkIssueByScopedToken(b *testing.B) {
	c := newCloud(b)
	m := newOwner(c)
	second := c.login(tokenAuth(c.login(m.byID("unscoped")), onProjectID(m.project)))
	body, err := json.Marshal(tokenAuth(second, onProjectID(m.project)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.request(b, "POST", "/v3/auth/tokens", "", body, 201)
	}
}

// BenchmarkIssueWithRevocations is BenchmarkIssueByToken where many tokens are revoked.
func BenchmarkIssueWithRevocations(b *testing.B) {
	c := newCloud(b)
	m := newOwner(c)
	for range 200 {
		text := c.login(m.byID(nil))
		c.must(204, "DELETE", "/v3/auth/tokens", text, nil, "X-Subject-Token", text)
	}
	body, err := json.Marshal(tokenAuth(c.login(m.byID("unscoped")), onProjectID(m.project)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.request(b, "POST", "/v3/auth/tokens", "", body, 201)
	}
}

// TestLoginsStarveNobody has every core that may hash be taken and the line of log-ins be long: requests with tokens, and for
// tokens by tokens, are answered, and log-ins are as soon as there is a core.
func TestLoginsStarveNobody(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	release := c.service.HoldCores()
	const line = 20
	done := make(chan int, line)
	var all sync.WaitGroup
	for range line {
		all.Go(func() { done <- c.do("POST", "/v3/auth/tokens", "", m.byID(nil)).status })
	}
	for c.service.Waiting() < line {
		runtime.Gosched()
	}
	c.must(200, "GET", "/v3/users/"+m.user, m.scoped, nil)
	c.must(200, "GET", "/v3/auth/tokens", m.admin, nil, "X-Subject-Token", m.scoped)
	c.must(201, "POST", "/v3/auth/tokens", "", tokenAuth(m.unscopedToken(c), onProjectID(m.project)))
	c.must(200, "PATCH", "/v3/projects/"+m.project, m.admin, object{"project": object{"description": "changed meanwhile"}})
	if len(done) != 0 {
		t.Errorf("%d log-ins went past the bound", len(done))
	}
	release()
	all.Wait()
	close(done)
	for status := range done {
		if status != 201 {
			t.Errorf("a log-in that waited: %d", status)
		}
	}
}

// unscopedToken makes a token of the scoped one.
func (m *member) unscopedToken(c *cloud) string { return c.login(tokenAuth(m.scoped, "unscoped")) }

// TestARememberedTokenCostsNoQuestion validates a token again and again: the database is asked once.
func TestARememberedTokenCostsNoQuestion(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	questions := 0
	c.around.Begin = func(context.Context, bool) error {
		questions++
		return nil
	}
	c.restart()
	questions = 0
	for range 100 {
		if _, err := c.service.Authenticate(t.Context(), m.scoped); err != nil {
			t.Fatal(err)
		}
	}
	if questions != 1 {
		t.Errorf("%d questions", questions)
	}
}
