package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"virga/core/api"
	"virga/service/network/desired"
)

// HTTPController speaks to the network service's routes below /internal. Its client's
// requests carry the node's identity. Each call has a deadline: a connection whose other
// end has vanished would keep the caller for as long as the kernel repeats itself.
type HTTPController struct{ Client api.Client }

const (
	// signWithin bounds what says that the host lives, and tellWithin everything else.
	signWithin = 5 * time.Second
	tellWithin = 30 * time.Second
)

func (c *HTTPController) do(ctx context.Context, within time.Duration, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return c.Client.Do(ctx, method, path, in, out)
}

// ReportHost implements Controller.
func (c *HTTPController) ReportHost(ctx context.Context, host string, report desired.HostReport) (desired.HostAnswer, error) {
	var answer desired.HostAnswer
	err := c.do(ctx, signWithin, http.MethodPut, "/internal/hosts/"+url.PathEscape(host), report, &answer)
	return answer, err
}

// Alive implements Controller.
func (c *HTTPController) Alive(ctx context.Context, host string, sign desired.Alive) (desired.AliveAnswer, error) {
	var answer desired.AliveAnswer
	err := c.do(ctx, signWithin, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/alive", sign, &answer)
	return answer, err
}

// Desired implements Controller.
func (c *HTTPController) Desired(ctx context.Context, host string, since Position) (desired.State, error) {
	var state desired.State
	err := c.do(ctx, tellWithin, http.MethodGet, fmt.Sprintf("/internal/hosts/%s/desired?since=%d&moment=%s&changes=1", url.PathEscape(host), since.Generation, url.QueryEscape(since.Moment)), nil, &state)
	return state, err
}

// ReportPorts implements Controller.
func (c *HTTPController) ReportPorts(ctx context.Context, host string, report desired.StatusReport) error {
	return c.do(ctx, tellWithin, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/ports", report, nil)
}

// ReportRouters implements Controller.
func (c *HTTPController) ReportRouters(ctx context.Context, host string, report desired.StatusReport) error {
	return c.do(ctx, tellWithin, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/routers", report, nil)
}
