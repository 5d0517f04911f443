// Package process runs the virga binary as a process of its own for
// programs that measure it or let other people's programs loose on it.
//
// It owns the process and its data folder's log, and nothing of what is done with the
// cloud. Only packages below test import it.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options says what to start.
type Options struct {
	// Binary is the path of virga.
	Binary string
	// DataDir is made when it is not there; the log is written to the file log in it.
	DataDir string
	// AdminPassword is that of the user admin when the data folder is new.
	AdminPassword string
	// Virt is the driver of guests; empty: fake.
	Virt string
	// Args are further arguments of `virga up`.
	Args []string
	// LogLevel is the least level of log records; empty: warn.
	LogLevel string
}

// Cloud is a running process.
type Cloud struct {
	// Base is the address of all services, without a slash at the end.
	Base string
	// PID is the process's id.
	PID int
	// LogFile is the path of what the process has logged.
	LogFile string

	command *exec.Cmd
	client  *http.Client
}

// readyWithin bounds how long a cloud may take to become ready.
const readyWithin = 60 * time.Second

// Start runs `virga up`, with simulated guests unless said otherwise, on a free port of the loopback interface and
// waits until it is ready. The end of ctx kills it.
func Start(ctx context.Context, o Options) (*Cloud, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	level := o.LogLevel
	if level == "" {
		level = "warn"
	}
	args := append([]string{"up", "--virt", cmp.Or(o.Virt, "fake"), "--data-dir", o.DataDir, "--listen", address, "--log-level", level}, o.Args...)
	c := &Cloud{Base: "http://" + address, LogFile: filepath.Join(o.DataDir, "log"), command: exec.CommandContext(ctx, o.Binary, args...),
		client: &http.Client{Timeout: 10 * time.Second}}
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }() // the process has its own descriptor
	c.command.Env = append(os.Environ(), "VIRGA_ADMIN_PASSWORD="+o.AdminPassword)
	c.command.Stderr = log
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Binary, err)
	}
	c.PID = c.command.Process.Pid
	if err := c.ready(ctx); err != nil {
		text, _ := os.ReadFile(c.LogFile)
		return nil, errors.Join(fmt.Errorf("%w; its log:\n%s", err, text), c.Stop())
	}
	return c, nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// ready waits until the cloud says that it is.
func (c *Cloud) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := c.client.Get(c.Base + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cloud does not become ready: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Stop asks the process to end and waits for it.
func (c *Cloud) Stop() error {
	_ = c.command.Process.Signal(syscall.SIGTERM)
	err := c.command.Wait()
	if err != nil && !strings.Contains(err.Error(), "signal") {
		return fmt.Errorf("the cloud ended with %w", err)
	}
	return nil
}
