//go:build crash

package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// caller sends requests to a cloud that dies now and then.
type caller struct {
	http  *http.Client
	base  string
	token string
	count *counters
}

// counters tell in the end that something happened at all.
type counters struct {
	requests, unknown, later, refused, repeated, lookedUp atomic.Int64
	// made and deleted are servers.
	made, deleted atomic.Int64
}

// String implements fmt.Stringer.
func (c *counters) String() string {
	return fmt.Sprintf("%d requests, %d times nobody listened, %d without an answer, %d answered 503, %d looked for, %d repeated; %d servers made, %d deleted",
		c.requests.Load(), c.refused.Load(), c.unknown.Load(), c.later.Load(), c.lookedUp.Load(), c.repeated.Load(), c.made.Load(), c.deleted.Load())
}

const (
	// answerPatience is how long a living cloud may take for an answer.
	answerPatience = 60 * time.Second
	// outage is how long the cloud may be away for a client.
	outage = 60 * time.Second
	// breath is taken before a request is sent again, and a deeper one after "later".
	breath = 20 * time.Millisecond
	later  = 100 * time.Millisecond
)

func newCaller(base string, count *counters) *caller {
	// A connection per request: a kept one that turns out to be dead makes net/http send some requests again by itself.
	transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	return &caller{http: &http.Client{Transport: transport, Timeout: answerPatience}, base: base, count: count}
}

// errUnknown is a request that was sent and has no answer: it may have taken effect or not.
var errUnknown = errors.New("the outcome is unknown")

// errHung is a request that a living cloud does not answer.
var errHung = errors.New("there was no answer for a long time")

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// String shows the beginning.
func (a *answer) String() string { return fmt.Sprintf("%d %.500s", a.status, a.body) }

func (a *answer) into(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("read answer %s: %w", a, err)
	}
	return nil
}

// send sends a request once. While nobody listens nothing is sent, and it goes on trying.
func (c *caller) send(method, path string, body any) (*answer, error) {
	content, kind, err := encode(body)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(outage); ; <-time.After(breath) {
		r, err := http.NewRequest(method, c.base+path, bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		if slow, ok := body.(*slowly); ok {
			r.Body, r.ContentLength = io.NopCloser(slow.again()), int64(len(slow.content))
		}
		c.dress(r, path, kind)
		a, err := c.once(r)
		var dialing *net.OpError
		if err != nil && errors.As(err, &dialing) && dialing.Op == "dial" && time.Now().Before(deadline) {
			c.count.refused.Add(1)
			continue
		}
		return a, err
	}
}

func encode(body any) (content []byte, kind string, err error) {
	switch body := body.(type) {
	case nil:
		return nil, "", nil
	case *slowly:
		return nil, "application/octet-stream", nil
	case string:
		return []byte(body), "application/json", nil
	default:
		content, err = json.Marshal(body)
		return content, "application/json", err
	}
}

func (c *caller) dress(r *http.Request, path, kind string) {
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		r.Header.Set("X-Auth-Token", c.token)
	}
	for _, service := range []string{"compute", "placement"} {
		if strings.HasPrefix(path, "/"+service) {
			r.Header.Set("OpenStack-API-Version", service+" latest")
		}
	}
}

func (c *caller) once(r *http.Request) (*answer, error) {
	c.count.requests.Add(1)
	response, err := c.http.Do(r)
	if err == nil {
		defer func() { _ = response.Body.Close() }()
		var text []byte
		if text, err = io.ReadAll(response.Body); err == nil {
			return &answer{response.StatusCode, response.Header, text}, nil
		}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return nil, fmt.Errorf("%s %s: %w: %w", r.Method, r.URL.Path, errHung, err)
	}
	c.count.unknown.Add(1)
	return nil, fmt.Errorf("%s %s: %w: %w", r.Method, r.URL.Path, errUnknown, err)
}

// change sends a request that changes something. An answer of 503 leaves the outcome open as well.
func (c *caller) change(method, path string, body any) (*answer, error) {
	a, err := c.send(method, path, body)
	if err == nil && a.status == http.StatusServiceUnavailable {
		c.count.later.Add(1)
		if a.header.Get("Retry-After") == "" {
			return a, fmt.Errorf("%s %s: no Retry-After: %s", method, path, a)
		}
		<-time.After(later)
		return nil, fmt.Errorf("%s %s: %w: %s", method, path, errUnknown, a)
	}
	if err == nil && a.status >= 500 {
		return a, fmt.Errorf("%s %s: %s", method, path, a)
	}
	return a, err
}

// ask reads, until there is an answer that is not "later".
func (c *caller) ask(path string) (*answer, error) {
	for deadline := time.Now().Add(outage); ; <-time.After(breath) {
		a, err := c.change(http.MethodGet, path, nil)
		if err == nil || !errors.Is(err, errUnknown) || time.Now().After(deadline) {
			return a, err
		}
	}
}

// read asks for something that is there.
func (c *caller) read(path string, into any) error {
	a, err := c.ask(path)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, a)
	}
	return a.into(into)
}

// must sends a request that has to succeed at once, and reads its answer; for times of peace.
func (c *caller) must(method, path string, body, into any) error {
	a, err := c.change(method, path, body)
	if err != nil {
		return err
	}
	if a.status >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, a)
	}
	if into == nil {
		return nil
	}
	return a.into(into)
}

// logIn gives the caller a token of a project of the same name as the user, or of the project admin.
func (c *caller) logIn(user, password, project string) error {
	domain := map[string]string{"id": "default"}
	body := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": user, "domain": domain, "password": password}}},
		"scope": map[string]any{"project": map[string]any{"name": project, "domain": domain}}}}
	for {
		a, err := c.change(http.MethodPost, "/identity/v3/auth/tokens", body)
		switch {
		case errors.Is(err, errUnknown): // another token more does no harm
			continue
		case err != nil:
			return err
		case a.status != http.StatusCreated:
			return fmt.Errorf("log in as %s: %s", user, a)
		}
		c.token = a.header.Get("X-Subject-Token")
		return nil
	}
}

// slowly is content that is sent in pieces, so that a kill finds its way between them.
type slowly struct{ content []byte }

const (
	pieceSize  = 64 << 10
	piecePause = 3 * time.Millisecond
)

type pieces struct{ left []byte }

func (s *slowly) again() io.Reader { return &pieces{s.content} }

// Read implements io.Reader.
func (p *pieces) Read(to []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	<-time.After(piecePause)
	n := copy(to[:min(len(to), pieceSize)], p.left)
	p.left = p.left[n:]
	return n, nil
}
