//go:build crash

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"virga/core/db/dbtest"
)

// cloud is a data folder and the process that works on it at the moment.
type cloud struct {
	binary, dir, address, log string
	// database is where the data is; nil for files in the data folder.
	database *dbtest.Server
	// databaseURL is its address, and lag how long it may go on with what a process wanted
	// that is dead.
	databaseURL string
	// wire is between the cloud and the database.
	wire *dbtest.Proxy
	lag  time.Duration
	// kills and outages count.
	kills, outages int

	command *exec.Cmd
	started time.Time
	ended   chan error
}

const (
	adminPassword = "only-for-this-test"
	readyPatience = 30 * time.Second
)

func newCloud(t *testing.T, engine string) *cloud {
	t.Helper()
	binary := os.Getenv("VIRGA_BIN")
	if binary == "" {
		t.Fatal("VIRGA_BIN names no binary: use make test-crash")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	dir := t.TempDir()
	c := &cloud{binary: binary, dir: filepath.Join(dir, "data"), address: listener.Addr().String(), log: filepath.Join(dir, "log")}
	if engine != "sqlite" {
		c.database, c.lag = dbtest.Own(t, engine), 200*time.Millisecond
		c.wire, c.databaseURL = dbtest.NewProxy(t, c.database.URL(t))
	}
	t.Cleanup(func() {
		c.stop(t)
		c.checkLog(t)
	})
	return c
}

// start starts a process on the data folder, as it is, and does not wait for it.
func (c *cloud) start() error {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	c.command = exec.Command(c.binary, "up", "--virt", "fake", "--data-dir", c.dir, "--listen", c.address, "--host", "simulated")
	c.command.Env = append(os.Environ(), "VIRGA_ADMIN_PASSWORD="+adminPassword, "VIRGA_DATABASE="+c.databaseURL)
	c.command.Stdout, c.command.Stderr = log, log
	if err := c.command.Start(); err != nil {
		return err
	}
	command, ended := c.command, make(chan error, 1)
	c.started, c.ended = time.Now(), ended
	go func() { ended <- command.Wait() }()
	return nil
}

// awaitReady waits for /readyz.
func (c *cloud) awaitReady() error {
	deadline := time.Now().Add(readyPatience)
	for {
		select {
		case err := <-c.ended:
			c.ended = nil
			return fmt.Errorf("virga up ended by itself: %w", errors.Join(err, errors.New(c.logEnd())))
		case <-time.After(5 * time.Millisecond):
		}
		answer, err := http.Get("http://" + c.address + "/readyz")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("readyz answers %s", answer.Status)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("virga up is not ready within %s: %w", readyPatience, err)
		}
	}
}

// live lets the process work that long.
func (c *cloud) live(d time.Duration) error {
	select {
	case err := <-c.ended:
		c.ended = nil
		return fmt.Errorf("virga up ended by itself: %w", errors.Join(err, errors.New(c.logEnd())))
	case <-time.After(d):
		return nil
	}
}

// die kills the process, as the kernel does when memory is short.
func (c *cloud) die() error {
	if err := c.command.Process.Kill(); err != nil {
		return err
	}
	<-c.ended
	c.ended = nil
	c.kills++
	return nil
}

// killAgainAndAgain has the cloud die that many times, and then until enough was done, and
// leaves it running. Now and then its database goes away, too.
func (c *cloud) killAgainAndAgain(t *testing.T, times int, chance *rand.Rand, enough func() bool) error {
	began := time.Now()
	for c.kills < times || !enough() && time.Since(began) < longest {
		err := c.liveAMoment(chance)
		if err == nil && c.database != nil && chance.IntN(outageEvery) == 0 {
			err = c.loseDatabase(t, chance)
		}
		if err == nil {
			err = c.die()
		}
		if err != nil {
			return fmt.Errorf("life %d: %w", c.kills, err)
		}
		if err := c.start(); err != nil {
			return fmt.Errorf("life %d: %w", c.kills, err)
		}
	}
	return c.awaitReady()
}

// longest is how long more kills are waited for to have the clients do enough.
const longest = 2 * time.Minute

// outageEvery is how many lives there are for one loss of the database, by the mean.
const outageEvery = 10

// loseDatabase takes the database away from a process that serves, for a moment. In half of
// the cases the process dies before the database is back.
func (c *cloud) loseDatabase(t *testing.T, chance *rand.Rand) error {
	c.outages++
	if err := c.awaitReady(); err != nil {
		return err
	}
	if chance.IntN(2) == 0 {
		c.database.Kill(t)
	} else {
		c.database.Stop(t)
	}
	if err := c.live(between(chance, 0, 1500)); err != nil {
		return err
	}
	if chance.IntN(2) == 0 {
		if err := c.die(); err != nil {
			return err
		}
		c.database.Start(t)
		if err := c.start(); err != nil {
			return err
		}
	} else {
		c.database.Start(t)
	}
	return c.liveAMoment(chance)
}

// liveAMoment lets the process work: some die while they start, most in the middle of work, some after long.
func (c *cloud) liveAMoment(chance *rand.Rand) error {
	n := chance.IntN(10)
	if n < 3 {
		return c.live(between(chance, 0, 300))
	}
	if err := c.awaitReady(); err != nil {
		return err
	}
	// A busy machine does less in the same time, and takes longer to start, too.
	most := max(400, int(2*time.Since(c.started).Milliseconds()))
	if n < 9 {
		return c.live(between(chance, 0, most))
	}
	return c.live(between(chance, most, 3*most))
}

// between is a time of so many milliseconds.
func between(chance *rand.Rand, from, to int) time.Duration {
	return time.Duration(chance.Int64N(int64(to-from)*int64(time.Millisecond))) + time.Duration(from)*time.Millisecond
}

// stop ends the process in good order.
func (c *cloud) stop(t *testing.T) {
	if c.ended == nil {
		return
	}
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case err := <-c.ended:
		if err != nil {
			t.Errorf("virga up ended with %v when asked to", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("virga up does not end when asked to")
		_ = c.command.Process.Signal(syscall.SIGQUIT) // shows in its log where it stands
		<-c.ended
	}
	c.ended = nil
}

// checkLog fails the test when a process met a bug of its own, and keeps the log of a failed test.
func (c *cloud) checkLog(t *testing.T) {
	text, err := os.ReadFile(c.log)
	if err != nil {
		t.Error(err)
		return
	}
	for line := range bytes.Lines(text) {
		// What one service cannot do without the database is the other's trouble, too.
		if c.outages > 0 && (bytes.Contains(line, []byte("database is unavailable")) || bytes.Contains(line, []byte("The database cannot serve this now"))) {
			continue
		}
		if bytes.HasPrefix(line, []byte("panic:")) || bytes.Contains(line, []byte("level=ERROR")) || bytes.Contains(line, []byte("panicked")) {
			t.Errorf("in the log: %.1000s", line)
		}
	}
	if !t.Failed() {
		return
	}
	kept := filepath.Join(os.TempDir(), "virga-crash.log")
	if err := os.WriteFile(kept, text, 0o600); err == nil {
		t.Logf("the log of all lives: %s", kept)
	}
}

func (c *cloud) logEnd() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-4000):]))
}

// guests reads the files of the simulated hypervisor.
func (c *cloud) guests() string { return filepath.Join(c.dir, "guests", "guests") }

// fabric is the folder of one kind of object of the simulated data plane.
func (c *cloud) fabric(kind string) string { return filepath.Join(c.dir, "fabric", kind) }

// images is a folder of the image store.
func (c *cloud) images(kind string) string { return filepath.Join(c.dir, "images", kind) }
