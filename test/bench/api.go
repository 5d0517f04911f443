package main

import (
	"context"
	"crypto/md5" //nolint:gosec // the sum that image clients compare
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// get reads a path to its end.
func (c *cloud) get(path string) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		resp, err := c.send(ctx, http.MethodGet, path, nil, map[string]string{"OpenStack-API-Version": "compute 2.60"})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
}

func tokens(ctx context.Context, c *cloud, s settings) error {
	alone, err := median(3, func() error { _, err := c.login(ctx); return err })
	if err != nil {
		return err
	}
	row("token by password (nearly all of it the hash)", alone.Round(time.Millisecond).String(), "hash + 1 ms")
	err = both(ctx, "token by token (no hash)", "1 ms · 1000/s", s.clients, 1000, func(ctx context.Context, _ int) error {
		resp, err := c.send(ctx, http.MethodPost, "/identity/v3/auth/tokens", strings.NewReader(tokenBody(c.token)), nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	})
	if err != nil {
		return err
	}
	return both(ctx, "token validation (GET /v3/auth/tokens)", "0.2 ms · 5000/s", s.clients, 5000, func(ctx context.Context, _ int) error {
		resp, err := c.send(ctx, http.MethodGet, "/identity/v3/auth/tokens?nocatalog", nil, map[string]string{"X-Subject-Token": c.token})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	})
}

func lists(ctx context.Context, c *cloud, s settings) error {
	if err := both(ctx, "authenticated request (GET a flavor)", "0.5 ms · 2000/s", s.clients, 6000, c.get("/compute/v2.1/flavors/1")); err != nil {
		return err
	}
	for _, l := range []struct{ what, path string }{
		{"image list", "/image/v2/images"}, {"flavor list", "/compute/v2.1/flavors/detail"}, {"network list", "/network/v2.0/networks"},
	} {
		if err := both(ctx, l.what, "0.5 ms · 4000/s", s.clients, 2000, c.get(l.path)); err != nil {
			return err
		}
	}
	return nil
}

// noise is a reader of n bytes that do not compress, made faster than anything can use them.
type noise struct {
	left int64
	at   int
	pool []byte
}

func newNoise(n int64) *noise {
	pool := make([]byte, 1<<20+7919)
	state := uint64(88172645463325252)
	for i := range pool {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		pool[i] = byte(state)
	}
	return &noise{left: n, pool: pool}
}

func (r *noise) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.pool[r.at:])
	r.at = (r.at + n) % len(r.pool)
	r.left -= int64(n)
	return n, nil
}

// imageContent compares upload and download with plain copying of the same bytes with the same sums.
func imageContent(ctx context.Context, c *cloud, s settings) error {
	plain, err := copyWithSums(s.upload)
	if err != nil {
		return err
	}
	var image struct{ ID string }
	if err := c.call(ctx, http.MethodPost, "/image/v2/images", map[string]any{"name": "noise", "disk_format": "raw", "container_format": "bare"}, &image); err != nil {
		return err
	}
	path := "/image/v2/images/" + image.ID + "/file"
	before := c.memory()
	began := time.Now()
	most, err := c.memoryWhile(func() error {
		resp, err := c.send(ctx, http.MethodPut, path, newNoise(s.upload), map[string]string{"Content-Type": "application/octet-stream"})
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	if err != nil {
		return err
	}
	up := time.Since(began)
	began = time.Now()
	mostDown, err := c.memoryWhile(func() error { return c.get(path)(ctx, 0) })
	if err != nil {
		return err
	}
	down := time.Since(began)
	speed := func(d time.Duration) string {
		return fmt.Sprintf("%.0f MB/s, %.0f %% of plain copying", float64(s.upload)/1e6/d.Seconds(), 100*plain.Seconds()/d.Seconds())
	}
	row(fmt.Sprintf("plain copy of %d MiB with md5 and sha512", s.upload>>20), fmt.Sprintf("%.0f MB/s", float64(s.upload)/1e6/plain.Seconds()), "")
	row("image upload", speed(up), "50 %")
	row("image download", speed(down), "50 %")
	row("memory before, most in upload, in download (PSS)", megabytes(before)+", "+megabytes(most)+", "+megabytes(mostDown), "constant")
	return nil
}

func copyWithSums(n int64) (time.Duration, error) {
	file, err := os.CreateTemp("", "virga-bench-copy-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	began := time.Now()
	_, err = io.Copy(io.MultiWriter(file, md5.New(), sha512.New()), newNoise(n)) //nolint:gosec // as above
	err = errors.Join(err, file.Sync(), file.Close())
	return time.Since(began), err
}

func networks(ctx context.Context, c *cloud, s settings) error {
	var made atomic.Int64
	var network struct{ Network struct{ ID string } }
	for _, quota := range []string{"network", "port", "subnet"} {
		if err := c.raiseQuota(ctx, "/network/v2.0/quotas/", quota); err != nil {
			return err
		}
	}
	create := func(ctx context.Context, _ int) error {
		return c.call(ctx, http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]any{"name": fmt.Sprint("n", made.Add(1))}}, &struct{}{})
	}
	if err := both(ctx, "network create", "3 ms · 400/s", s.clients, 400, create); err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]any{"name": "ports"}}, &network); err != nil {
		return err
	}
	id := network.Network.ID
	subnet := map[string]any{"subnet": map[string]any{"network_id": id, "ip_version": 4, "cidr": "10.200.0.0/16"}}
	if err := c.call(ctx, http.MethodPost, "/network/v2.0/subnets", subnet, nil); err != nil {
		return err
	}
	return both(ctx, "port create", "3 ms · 400/s", s.clients, 400, func(ctx context.Context, _ int) error {
		return c.call(ctx, http.MethodPost, "/network/v2.0/ports", map[string]any{"port": map[string]any{"network_id": id}}, nil)
	})
}

// raiseQuota lifts a limit of the admin's project.
func (c *cloud) raiseQuota(ctx context.Context, path, resource string) error {
	project, err := c.project(ctx)
	if err != nil {
		return err
	}
	body := map[string]any{"quota": map[string]int{resource: -1}}
	if strings.HasPrefix(path, "/compute") {
		body = map[string]any{"quota_set": map[string]int{resource: -1}}
	}
	return c.call(ctx, http.MethodPut, path+project, body, nil)
}

func (c *cloud) project(ctx context.Context) (string, error) {
	var answer struct{ Projects []struct{ ID string } }
	if err := c.call(ctx, http.MethodGet, "/identity/v3/projects?name=admin", nil, &answer); err != nil {
		return "", err
	}
	if len(answer.Projects) != 1 {
		return "", fmt.Errorf("%d projects are called admin", len(answer.Projects))
	}
	return answer.Projects[0].ID, nil
}

func placementCandidates(ctx context.Context, c *cloud, s settings) error {
	return both(ctx, "allocation candidates", "1 ms · 1000/s", s.clients, 2000, func(ctx context.Context, _ int) error {
		resp, err := c.send(ctx, http.MethodGet, "/placement/allocation_candidates?resources=VCPU:1,MEMORY_MB:128", nil,
			map[string]string{"OpenStack-API-Version": "placement 1.36"})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	})
}
