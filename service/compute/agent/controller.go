package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"virga/service/compute/orders"
)

// callTimeout bounds one call to the controller.
const callTimeout = 20 * time.Second

// HTTPController speaks to the compute service's routes below /internal.
type HTTPController struct {
	client *http.Client
	base   string
}

// NewHTTPController takes a client whose requests carry the node's identity, and the
// compute service's address.
func NewHTTPController(client *http.Client, base string) *HTTPController {
	return &HTTPController{client, base}
}

// ReportHost implements Controller.
func (c *HTTPController) ReportHost(ctx context.Context, host string, report orders.Host) error {
	return c.call(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host), report, nil)
}

// Guests implements Controller.
func (c *HTTPController) Guests(ctx context.Context, host string, since int64) (orders.GuestList, error) {
	var list orders.GuestList
	err := c.call(ctx, http.MethodGet, fmt.Sprintf("/internal/hosts/%s/guests?since=%d", url.PathEscape(host), since), nil, &list)
	return list, err
}

// ReportGuest implements Controller.
func (c *HTTPController) ReportGuest(ctx context.Context, host, serverID string, report orders.Report) error {
	return c.call(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/guests/"+url.PathEscape(serverID), report, nil)
}

func (c *HTTPController) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("call %s: %w", path, err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("call %s: status %d: %.200s", path, resp.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	return nil
}
