//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"virga/test/isolated"
)

// process is one cloud, or a part of one: a data folder and the process that works on it, which a test may kill and start again.
type process struct {
	dir     string // the data folder
	address string
	log     string
	// machine is where it runs; nil: where the tests do. arguments are the binary's; nil: a whole cloud. ready tells whether
	// it works; nil: it answers /readyz.
	machine   *isolated.Machine
	arguments []string
	ready     func() error
	command   *exec.Cmd
	ended     chan error
}

const (
	readyPatience = 30 * time.Second
	stopPatience  = 20 * time.Second
)

// startCloud starts the binary on a fresh data folder and waits until it is ready. The log is shown when the test fails.
func startCloud(t *testing.T) *process {
	t.Helper()
	return startCloudOn(t, func(*process) {})
}

// startCloudOn is startCloud with a chance to change the process, or to furnish its data folder, before.
func startCloudOn(t *testing.T, furnish func(p *process)) *process {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &process{dir: filepath.Join(dir, "data"), address: listener.Addr().String(), log: filepath.Join(dir, "virga.log")}
	listener.Close()
	furnish(p)
	t.Cleanup(func() {
		p.checkLog(t)
		if t.Failed() {
			p.abort()
			p.showLog(t)
		}
		p.stop(t)
	})
	p.start(t)
	return p
}

// start runs the binary on the data folder, as it is, and waits for /readyz.
func (p *process) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	arguments := p.arguments
	if arguments == nil {
		arguments = p.wholeCloud()
	}
	p.command = exec.Command(os.Getenv(binaryVariable), arguments...)
	p.command.Stdout, p.command.Stderr = log, log
	begin := p.command.Start
	if p.machine != nil {
		begin = func() error { return p.machine.Start(p.command) }
	}
	if err := begin(); err != nil {
		t.Fatal(err)
	}
	command, ended := p.command, make(chan error, 1)
	p.ended = ended
	go func() { ended <- command.Wait() }()
	p.awaitReady(t)
}

// wholeCloud are the arguments of a process that is all of a cloud.
func (p *process) wholeCloud() []string {
	return []string{"up", "--data-dir", p.dir, "--listen", p.address, "--virt", "libvirt", "--image-cache-age", "0"} // what is left over is looked for
}

func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	await(t, "the cloud is ready", readyPatience, func() error {
		select {
		case err := <-p.ended:
			p.ended = nil
			t.Fatalf("virga %s ended: %v", p.verb(), err)
		default:
		}
		if p.ready != nil {
			return p.ready()
		}
		answer, err := http.Get("http://" + p.address + "/readyz")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz answers %s", answer.Status)
		}
		return nil
	})
}

// verb is the binary's command.
func (p *process) verb() string {
	if len(p.arguments) == 0 {
		return "up"
	}
	return p.arguments[0]
}

// kill ends the process as a power failure would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	p.ended = nil
}

// abort ends the process in such a way that its log tells what each goroutine was at.
func (p *process) abort() {
	if p.ended == nil {
		return
	}
	p.command.Process.Signal(syscall.SIGQUIT)
	<-p.ended
	p.ended = nil
}

// stop asks the process to end and insists on a clean one.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if p.ended == nil {
		return
	}
	ended := p.ended
	p.ended = nil
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop the cloud: %v", err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("virga up ended with %v when asked to stop", err)
		}
	case <-time.After(stopPatience):
		t.Errorf("virga up did not end within %s when asked to", stopPatience)
		p.ended = ended
		p.abort()
		p.showLog(t)
	}
}

// showLog prints the end of the log.
func (p *process) showLog(t *testing.T) {
	const most = 100000
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Log(err)
		return
	}
	t.Logf("the log of virga "+p.verb()+" (%d bytes):\n%s", len(text), text[max(0, len(text)-most):])
}

// checkLog fails the test when the process met a bug of its own, whatever its clients saw of it.
func (p *process) checkLog(t *testing.T) {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return
	}
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("panic:")) || bytes.Contains(line, []byte("level=ERROR")) || bytes.Contains(line, []byte("DATA RACE")) {
			t.Errorf("in the log: %s", line)
		}
	}
}

func (p *process) clouds() string { return filepath.Join(p.dir, "clouds.yaml") }
