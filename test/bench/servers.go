package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// servers measures the way from POST to ACTIVE and the way back. Lists of many are the
// simulations' business.
func servers(ctx context.Context, c *cloud, s settings) error {
	for _, quota := range []string{"instances", "cores", "ram"} {
		if err := c.raiseQuota(ctx, "/compute/v2.1/os-quota-sets/", quota); err != nil {
			return err
		}
	}
	network, err := c.roomyNetwork(ctx)
	if err != nil {
		return err
	}
	image, err := c.tinyImage(ctx)
	if err != nil {
		return err
	}
	body := map[string]any{"server": map[string]any{
		"name": "measured", "flavorRef": "42", "imageRef": image, "networks": []any{map[string]string{"uuid": network}},
	}}
	var mu sync.Mutex
	var ids []string
	create := func(ctx context.Context, _ int) error {
		var made struct{ Server struct{ ID string } }
		if err := c.call(ctx, http.MethodPost, "/compute/v2.1/servers", body, &made); err != nil {
			return err
		}
		mu.Lock()
		ids = append(ids, made.Server.ID)
		mu.Unlock()
		return c.untilStatus(ctx, made.Server.ID, "ACTIVE")
	}
	if err := both(ctx, "server create to ACTIVE, one port", "50 ms · 100/s", s.clients, 200, create); err != nil {
		return err
	}
	n := len(ids)
	return both(ctx, "server delete to gone", "50 ms · 100/s", s.clients, n-max(n/10, 5), func(ctx context.Context, _ int) error {
		mu.Lock()
		id := ids[0]
		ids = ids[1:]
		mu.Unlock()
		if err := c.call(ctx, http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil); err != nil {
			return err
		}
		return c.untilStatus(ctx, id, "")
	})
}

// pollEvery is how often a client asks for a server's status; it is part of the measured time.
const pollEvery = 5 * time.Millisecond

// untilStatus waits until the server has a status; empty: until it is gone.
func (c *cloud) untilStatus(ctx context.Context, id, want string) error {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+"/compute/v2.1/servers/"+id, nil)
		if err != nil {
			return err
		}
		r.Header.Set("X-Auth-Token", c.token)
		resp, err := c.client.Do(r)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		_, err = text.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		switch {
		case err != nil:
			return err
		case resp.StatusCode == http.StatusNotFound && want == "":
			return nil
		case want != "" && bytes.Contains(text.Bytes(), []byte(`"status":"`+want+`"`)):
			return nil
		case want != "" && bytes.Contains(text.Bytes(), []byte(`"status":"ERROR"`)):
			return fmt.Errorf("server %s: %s", id, text.Bytes())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// roomyNetwork makes a network with addresses for every server.
func (c *cloud) roomyNetwork(ctx context.Context) (string, error) {
	var network struct{ Network struct{ ID string } }
	if err := c.call(ctx, http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]any{"name": "roomy"}}, &network); err != nil {
		return "", err
	}
	subnet := map[string]any{"subnet": map[string]any{"network_id": network.Network.ID, "ip_version": 4, "cidr": "10.100.0.0/16"}}
	return network.Network.ID, c.call(ctx, http.MethodPost, "/network/v2.0/subnets", subnet, nil)
}

// tinyImage uploads an image of one MiB.
func (c *cloud) tinyImage(ctx context.Context) (string, error) {
	var image struct{ ID string }
	if err := c.call(ctx, http.MethodPost, "/image/v2/images", map[string]any{"name": "tiny", "disk_format": "raw", "container_format": "bare"}, &image); err != nil {
		return "", err
	}
	resp, err := c.send(ctx, http.MethodPut, "/image/v2/images/"+image.ID+"/file", newNoise(1<<20), map[string]string{"Content-Type": "application/octet-stream"})
	if err != nil {
		return "", err
	}
	return image.ID, resp.Body.Close()
}
