package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"virga/core/api"
	"virga/service/compute/orders"
)

// HTTPController speaks to the compute service's routes below /internal. Its client's
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
func (c *HTTPController) ReportHost(ctx context.Context, host string, report orders.Host) error {
	return c.do(ctx, signWithin, http.MethodPut, "/internal/hosts/"+url.PathEscape(host), report, nil)
}

// Alive implements Controller.
func (c *HTTPController) Alive(ctx context.Context, host string, sign orders.Alive) (orders.AliveAnswer, error) {
	var answer orders.AliveAnswer
	err := c.do(ctx, signWithin, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/alive", sign, &answer)
	return answer, err
}

// Guests implements Controller.
func (c *HTTPController) Guests(ctx context.Context, host string, since int64) (orders.GuestList, error) {
	var list orders.GuestList
	err := c.do(ctx, tellWithin, http.MethodGet, fmt.Sprintf("/internal/hosts/%s/guests?since=%d", url.PathEscape(host), since), nil, &list)
	return list, err
}

// ReportCache implements Controller.
func (c *HTTPController) ReportCache(ctx context.Context, host, cacheID string, report orders.CacheReport) error {
	return c.do(ctx, tellWithin, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/caches/"+url.PathEscape(cacheID), report, nil)
}

// ReportGuest implements Controller.
func (c *HTTPController) ReportGuest(ctx context.Context, host, serverID string, report orders.Report) error {
	return c.do(ctx, tellWithin, http.MethodPut, "/internal/hosts/"+url.PathEscape(host)+"/guests/"+url.PathEscape(serverID), report, nil)
}
