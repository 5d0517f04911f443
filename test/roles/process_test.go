package roles

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"virga/core/bus/bustest"
	"virga/core/db/dbtest"
)

// binary is built once for all tests.
var binary struct {
	once sync.Once
	path string
	err  error
}

// virga is the path of the binary.
func virga(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("VIRGA_BIN"); path != "" {
		return path
	}
	binary.once.Do(func() {
		dir, err := os.MkdirTemp("", "virga-roles-")
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(dir, "virga")
		build := exec.Command("go", "build", "-o", binary.path, "virga/cmd/virga")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if binary.path != "" {
		_ = os.RemoveAll(filepath.Dir(binary.path))
	}
	os.Exit(code)
}

// eachServer runs a test for each database server that the environment names, where it
// names a broker, too.
func eachServer(t *testing.T, test func(t *testing.T, f *fleet)) {
	t.Helper()
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		bustest.Each(t, func(t *testing.T, broker *bustest.Broker) {
			test(t, &fleet{t: t, binary: virga(t), database: dbtest.ServerURL(t, engine), bus: broker.URL()})
		})
	})
}

// fleet is the processes of one cloud.
type fleet struct {
	t                     *testing.T
	binary, database, bus string
	// key is the data folder whose cluster key the next processes get.
	key string
	// secure has APIs be served over TLS.
	secure bool
}

func (f *fleet) scheme() string {
	if f.secure {
		return "https"
	}
	return "http"
}

// process is one of them.
type process struct {
	fleet *fleet
	// host is the name of its machine; the process's own, unless it shares one.
	name, host, roles  string
	dir, base, address string
	out                journal
	command            *exec.Cmd
	ended              chan error
}

// journal keeps what a process writes.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

const adminPassword = "only-for-this-test"

// prepare makes a process's data folder, with the cluster key as an operator copies it.
func (f *fleet) prepare(name, roles string) *process {
	f.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	p := &process{fleet: f, name: name, host: name, roles: roles, dir: filepath.Join(f.t.TempDir(), name), address: listener.Addr().String()}
	p.base = f.scheme() + "://" + p.address
	if f.key != "" {
		text, err := os.ReadFile(filepath.Join(f.key, "secrets", "cluster-key"))
		if err != nil {
			f.t.Fatal(err)
		}
		p.putKey(string(text))
	}
	f.t.Cleanup(func() {
		p.stop()
		if f.t.Failed() {
			f.t.Logf("%s (%s):\n%s", p.name, p.roles, tail(p.out.String(), 6000))
		}
	})
	return p
}

func tail(text string, most int) string { return text[max(0, len(text)-most):] }

func (p *process) putKey(text string) {
	p.fleet.t.Helper()
	if err := os.MkdirAll(filepath.Join(p.dir, "secrets"), 0o700); err != nil {
		p.fleet.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "secrets", "cluster-key"), []byte(text), 0o600); err != nil {
		p.fleet.t.Fatal(err)
	}
}

// start starts a process and waits until it serves.
func (f *fleet) start(name, roles string, args ...string) *process {
	f.t.Helper()
	p := f.prepare(name, roles)
	p.launch(args...)
	p.ready()
	if f.key == "" {
		f.key = p.dir
	}
	return p
}

// launch starts the process and does not wait for it.
func (p *process) launch(args ...string) {
	p.fleet.t.Helper()
	p.execute([]string{"VIRGA_ADMIN_PASSWORD=" + adminPassword, "VIRGA_DATABASE=" + p.fleet.database, "VIRGA_BUS=" + p.fleet.bus},
		append([]string{"run", "--roles", p.roles}, args...))
}

// join starts the process as a node that joins, without knowledge of database and broker.
func (p *process) join(controller *process, token string) {
	p.fleet.t.Helper()
	p.execute([]string{"VIRGA_JOIN_TOKEN=" + token}, []string{"join", controller.base, "--tls", "off"})
}

// execute starts the process with what all have.
func (p *process) execute(environ, args []string) {
	p.fleet.t.Helper()
	p.command = exec.Command(p.fleet.binary, append(args, "--virt", "fake", "--data-dir", p.dir, "--listen", p.address, "--host", p.host)...)
	p.command.Env = append(os.Environ(), environ...)
	p.command.Stdout, p.command.Stderr = &p.out, &p.out
	if err := p.command.Start(); err != nil {
		p.fleet.t.Fatal(err)
	}
	ended := make(chan error, 1)
	p.ended = ended
	go func() { ended <- p.command.Wait() }()
}

func (p *process) ready() {
	p.fleet.t.Helper()
	await(p.fleet.t, time.Minute, p.name+" serves", func() bool {
		select {
		case err := <-p.ended:
			p.command = nil
			p.fleet.t.Fatalf("%s ended with %v:\n%s", p.name, err, p.out.String())
		default:
		}
		answer, err := browser.Get(p.base + "/readyz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// kill ends the process as a power cut does.
func (p *process) kill() {
	p.fleet.t.Helper()
	if err := p.command.Process.Kill(); err != nil {
		p.fleet.t.Fatal(err)
	}
	<-p.ended
	p.command = nil
}

// stop ends the process as an operator does; it has to end well.
func (p *process) stop() {
	if p.command == nil {
		return
	}
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		if err != nil {
			p.fleet.t.Errorf("%s ended with %v:\n%s", p.name, err, tail(p.out.String(), 3000))
		}
	case <-time.After(time.Minute):
		_ = p.command.Process.Kill()
		p.fleet.t.Errorf("%s does not end", p.name)
	}
	p.command = nil
}

// refused starts a process that has to end by itself and returns what it says.
func (p *process) refused(args ...string) string {
	p.fleet.t.Helper()
	p.launch(args...)
	select {
	case err := <-p.ended:
		if err == nil {
			p.fleet.t.Errorf("%s was to be refused and ended well", p.name)
		}
	case <-time.After(time.Minute):
		p.fleet.t.Errorf("%s was to be refused and runs", p.name)
		_ = p.command.Process.Kill()
	}
	p.command = nil
	return p.out.String()
}

// token has a controller make a join token.
func (p *process) token(role string) string {
	p.fleet.t.Helper()
	said := p.fleet.run("token", "create", "--role", role, "--data-dir", p.dir)
	token, _, _ := strings.Cut(said, "\n")
	return token
}

// run runs a command beside the processes.
func (f *fleet) run(args ...string) string {
	f.t.Helper()
	out, err := f.try(args...)
	if err != nil {
		f.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// try runs a command that may fail.
func (f *fleet) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, f.binary, args...)
	command.Env = append(os.Environ(), "VIRGA_DATABASE="+f.database, "VIRGA_BUS="+f.bus)
	out, err := command.CombinedOutput()
	return string(out), err
}

func await(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(within), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}
