package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"virga/test/process"
)

// password is given to each cloud that is measured.
const password = "only-for-the-measurement"

// cloud is the process under measurement, and a client of it.
type cloud struct {
	*process.Cloud
	token  string
	client *http.Client
}

// start runs the binary, waits until it is ready and logs in.
func start(ctx context.Context, binary, data string) (*cloud, error) {
	running, err := process.Start(ctx, process.Options{Binary: binary, DataDir: data, AdminPassword: password})
	if err != nil {
		return nil, err
	}
	c := &cloud{Cloud: running, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if c.token, err = c.login(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// memory is the process's proportional set size in bytes, 0 where the kernel does not tell.
func (c *cloud) memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.PID))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "Pss:"); found {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

// memoryWhile looks at the memory again and again while do runs and gives the most it was.
func (c *cloud) memoryWhile(do func() error) (most int64, err error) {
	done := make(chan error, 1)
	go func() { done <- do() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		most = max(most, c.memory())
		select {
		case err := <-done:
			return most, err
		case <-tick.C:
		}
	}
}

// passwordBody asks for a token of the admin's project by password, tokenBody by token.
func passwordBody() string {
	return `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"` + password +
		`"}}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`
}

func tokenBody(token string) string {
	return `{"auth":{"identity":{"methods":["token"],"token":{"id":"` + token +
		`"}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`
}

func (c *cloud) login(ctx context.Context) (string, error) {
	resp, err := c.send(ctx, http.MethodPost, "/identity/v3/auth/tokens", strings.NewReader(passwordBody()), nil)
	if err != nil {
		return "", err
	}
	return resp.Header.Get("X-Subject-Token"), resp.Body.Close()
}

// send sends a request and fails on a status of 300 or more.
func (c *cloud) send(ctx context.Context, method, path string, body io.Reader, header map[string]string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Auth-Token", c.token)
	r.Header.Set("Content-Type", "application/json")
	for key, value := range header {
		r.Header.Set(key, value)
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	return resp, nil
}

// call sends JSON and reads the answer into out, which may be nil.
func (c *cloud) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	resp, err := c.send(ctx, method, path, body, map[string]string{"OpenStack-API-Version": "compute 2.60"})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(text, out)
}
