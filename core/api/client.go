package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client calls JSON APIs: those of neighbours and of the controller. Its HTTP client
// decides how requests travel (Local for the same process) and as whom.
type Client struct {
	HTTP *http.Client
	// Base is the address of the API, without a slash at its end.
	Base string
	// Header is added to every request: a microversion, for example.
	Header http.Header
	// Timeout bounds a call with Do; 0 means 20 seconds.
	Timeout time.Duration
}

// StatusError is an answer with a status of 300 or more.
type StatusError struct {
	Method, Path string
	Status       int
	// Body is the beginning of the answer.
	Body []byte
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: status %d: %.300s", e.Method, e.Path, e.Status, e.Body)
}

// maxAnswer bounds the JSON that Do reads.
const maxAnswer = 256 << 20

// Do sends in as JSON (nil: no body) and reads the answer into out (nil: not read). A
// status of 300 or more is a *StatusError.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(text)
	}
	resp, err := c.Open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out)
		_, _ = io.CopyN(io.Discard, resp.Body, 1<<10) // an answer read to its end leaves its connection for the next
	}
	if err != nil {
		return fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	return nil
}

// Open sends a request and hands out the answer as a stream, which the caller closes.
func (c *Client) Open(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	for key, values := range c.Header {
		r.Header[key] = values
	}
	if body != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		start, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		_ = resp.Body.Close()
		return nil, &StatusError{Method: method, Path: path, Status: resp.StatusCode, Body: start}
	}
	return resp, nil
}
