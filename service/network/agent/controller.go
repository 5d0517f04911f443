package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"virga/core/api"
	"virga/service/network/desired"
)

// HTTPController speaks to the network service's routes below /internal. Its client's
// requests carry the node's identity.
type HTTPController struct{ Client api.Client }

// ReportHost implements Controller.
func (c *HTTPController) ReportHost(ctx context.Context, host string, report desired.HostReport) (desired.HostAnswer, error) {
	var answer desired.HostAnswer
	err := c.Client.Do(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host), report, &answer)
	return answer, err
}

// Alive implements Controller.
func (c *HTTPController) Alive(ctx context.Context, host string, sign desired.Alive) (desired.AliveAnswer, error) {
	var answer desired.AliveAnswer
	err := c.Client.Do(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/alive", sign, &answer)
	return answer, err
}

// Desired implements Controller.
func (c *HTTPController) Desired(ctx context.Context, host string, since int64) (desired.State, error) {
	var state desired.State
	err := c.Client.Do(ctx, http.MethodGet, fmt.Sprintf("/internal/hosts/%s/desired?since=%d", url.PathEscape(host), since), nil, &state)
	return state, err
}

// ReportPorts implements Controller.
func (c *HTTPController) ReportPorts(ctx context.Context, host string, report desired.StatusReport) error {
	return c.Client.Do(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/ports", report, nil)
}

// ReportRouters implements Controller.
func (c *HTTPController) ReportRouters(ctx context.Context, host string, report desired.StatusReport) error {
	return c.Client.Do(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/routers", report, nil)
}
