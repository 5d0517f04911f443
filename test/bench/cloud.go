package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// password is given to each cloud that is measured.
const password = "only-for-the-measurement"

// cloud is the process under measurement, and a client of it.
type cloud struct {
	process *exec.Cmd
	base    string
	token   string
	client  *http.Client
}

// start runs the binary and waits until it is ready.
func start(ctx context.Context, binary, data string) (*cloud, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(data, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	c := &cloud{
		process: exec.CommandContext(ctx, binary, "up", "--virt", "fake", "--data-dir", data, "--listen", address, "--log-level", "warn"),
		base:    "http://" + address,
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	c.process.Env = append(os.Environ(), "VIRGA_ADMIN_PASSWORD="+password)
	c.process.Stderr = log
	if err := c.process.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		resp, err := c.client.Get(c.base + "/readyz")
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			c.token, err = c.login(ctx)
			return c, err
		}
	}
	text, _ := os.ReadFile(filepath.Join(data, "log"))
	return nil, fmt.Errorf("the cloud does not become ready: %s", text)
}

// stop ends the process and waits for it.
func (c *cloud) stop() error {
	if c.process == nil {
		return nil
	}
	_ = c.process.Process.Signal(syscall.SIGTERM)
	err := c.process.Wait()
	c.process = nil
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the cloud ended with %w", err)
	}
	return nil
}

// memory is the process's proportional set size.
func (c *cloud) memory() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.process.Process.Pid))
	if err != nil {
		return err.Error()
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, found := strings.CutPrefix(line, "Pss:"); found {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err == nil {
				return fmt.Sprintf("%.1f MB", float64(kib)*1024/1e6)
			}
		}
	}
	return "not told by the kernel"
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
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
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
