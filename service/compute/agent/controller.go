package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"virga/core/api"
	"virga/service/compute/orders"
)

// HTTPController speaks to the compute service's routes below /internal. Its client's
// requests carry the node's identity.
type HTTPController struct{ Client api.Client }

// ReportHost implements Controller.
func (c *HTTPController) ReportHost(ctx context.Context, host string, report orders.Host) error {
	return c.Client.Do(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host), report, nil)
}

// Alive implements Controller.
func (c *HTTPController) Alive(ctx context.Context, host string, sign orders.Alive) (orders.AliveAnswer, error) {
	var answer orders.AliveAnswer
	err := c.Client.Do(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/alive", sign, &answer)
	return answer, err
}

// Guests implements Controller.
func (c *HTTPController) Guests(ctx context.Context, host string, since int64) (orders.GuestList, error) {
	var list orders.GuestList
	err := c.Client.Do(ctx, http.MethodGet, fmt.Sprintf("/internal/hosts/%s/guests?since=%d", url.PathEscape(host), since), nil, &list)
	return list, err
}

// ReportGuest implements Controller.
func (c *HTTPController) ReportGuest(ctx context.Context, host, serverID string, report orders.Report) error {
	return c.Client.Do(ctx, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/guests/"+url.PathEscape(serverID), report, nil)
}
