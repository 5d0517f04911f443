package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// simulations has the binary simulate large clouds and tell how it does: a thousand servers
// on a thousand hosts on SQLite and on PostgreSQL, long lists, and the largest number of
// hosts. What is wanted stands beside each figure.
func simulations(ctx context.Context, s settings) error {
	if s.hosts == 0 {
		return nil
	}
	few := strconv.Itoa(min(s.hosts, 1000))
	many := strconv.Itoa(s.servers)
	heading(few + " hosts on SQLite")
	if err := simulate(ctx, s, "--hosts", few, "--servers", many, "--stock", strconv.Itoa(s.stock)); err != nil {
		return err
	}
	err := withPostgres(ctx, func(database string) error {
		heading(few + " hosts on PostgreSQL")
		return simulate(ctx, s, "--hosts", few, "--servers", many, "--stock", strconv.Itoa(s.stock), "--database", database)
	})
	if err != nil {
		return err
	}
	heading(strconv.Itoa(s.hosts) + " hosts on SQLite")
	return simulate(ctx, s, "--hosts", strconv.Itoa(s.hosts), "--servers", "200", "--idle", "30s")
}

// heading says what follows, and how busy the machine is.
func heading(what string) {
	load, _ := os.ReadFile("/proc/loadavg") // where there is none, none is told
	first, _, _ := strings.Cut(string(load), " ")
	fmt.Printf("\n%s (load of the machine %s)\n", what, first)
}

func simulate(ctx context.Context, s settings, args ...string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	sim := exec.CommandContext(ctx, s.binary, append([]string{"sim", "--listen", address}, args...)...)
	sim.Cancel = func() error { return sim.Process.Signal(syscall.SIGTERM) }
	sim.Stdout, sim.Stderr = os.Stdout, os.Stderr
	if err := sim.Run(); err != nil {
		return fmt.Errorf("virga sim %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// withPostgres gives a PostgreSQL of its own, as Debian sets it up, to measure.
func withPostgres(ctx context.Context, measure func(database string) error) (err error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is well formed
	if len(found) == 0 {
		fmt.Println("\nPostgreSQL is not installed: nothing is measured on it (packaging/make/deps engines)")
		return nil
	}
	programs := filepath.Dir(found[len(found)-1])
	folder, err := os.MkdirTemp("", "virga-bench-db-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	as := &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal is for the measurement
	if os.Geteuid() == 0 {
		const nobody = 65534 // the server refuses to run as root
		if err := os.Chown(folder, nobody, nobody); err != nil {
			return err
		}
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(programs, name), args...)
		cmd.Dir, cmd.SysProcAttr, cmd.Env = folder, as, append(os.Environ(), "LC_ALL=C.UTF-8")
		return cmd
	}
	if out, err := run("initdb", "-D", "data", "-U", "virga", "-A", "trust", "-E", "UTF8").CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	server := run("postgres", "-D", "data", "-k", folder, "-c", "listen_addresses=", "-c", "max_connections=200")
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGINT) }
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait() // it is thrown away
	}()
	for limit := time.Now().Add(30 * time.Second); ; {
		out, err := run("createdb", "-h", folder, "-U", "virga", "bench").CombinedOutput()
		if err == nil {
			break
		}
		if time.Now().After(limit) {
			return fmt.Errorf("createdb: %w: %s", err, out)
		}
		time.Sleep(200 * time.Millisecond)
	}
	return measure("postgres:///bench?user=virga&host=" + url.QueryEscape(folder))
}
