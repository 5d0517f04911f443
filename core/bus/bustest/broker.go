package bustest

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// BrokersVariable is the environment's name of the brokers to test with.
const BrokersVariable = "VIRGA_TEST_BROKERS"

// The broker's user, and the virtual host on which it may do everything.
const (
	User        = "virga"
	Password    = "s3cret/?#"
	VirtualHost = "clouds/one"
	// OpenStack is the name and password of a user who may do everything on the virtual host
	// of that name, where other people's programs are.
	OpenStack = "openstack"
	// ForbiddenHost is a virtual host that the user may not enter.
	ForbiddenHost = "private"
)

// limit is how long a broker may take to start or stop on a busy machine.
const limit = 2 * time.Minute

// Broker is a RabbitMQ that belongs to the test process.
type Broker struct {
	folder  string
	ports   ports
	environ []string
	orders  io.WriteCloser
	ended   <-chan error
}

// Each runs a test with the broker that all tests of the process share, as a subtest with
// the broker's name.
func Each(t *testing.T, test func(t *testing.T, b *Broker)) {
	t.Helper()
	for _, name := range wanted(t) {
		t.Run(name, func(t *testing.T) { test(t, shared.get(t)) })
	}
}

// EachOwn is Each with a broker that the test has for itself, to stop and start it.
func EachOwn(t *testing.T, test func(t *testing.T, b *Broker)) {
	t.Helper()
	for _, name := range wanted(t) {
		t.Run(name, func(t *testing.T) {
			b, err := start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = b.orders.Close()
				if err := <-b.ended; err != nil {
					t.Errorf("the broker ended: %v", err)
				}
			})
			test(t, b)
		})
	}
}

// Available is the shared broker, or false when none is wanted; benchmarks ask for it.
func Available(t testing.TB) (*Broker, bool) {
	t.Helper()
	if len(wanted(t)) == 0 {
		return nil, false
	}
	return shared.get(t), true
}

func wanted(t testing.TB) []string {
	t.Helper()
	switch named := os.Getenv(BrokersVariable); named {
	case "":
		return nil
	case "rabbitmq":
		return []string{named}
	default:
		t.Fatalf("%s: %q is not rabbitmq", BrokersVariable, named)
		return nil
	}
}

// shared is the broker of this test process: starting one takes seconds.
var shared once

type once struct {
	mu     sync.Mutex
	broker *Broker
	failed error
}

func (o *once) get(t testing.TB) *Broker {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broker == nil && o.failed == nil {
		o.broker, o.failed = start()
	}
	if o.failed != nil {
		t.Fatalf("RabbitMQ is wanted by %s: %v", BrokersVariable, o.failed)
	}
	return o.broker
}

// URL is the address of the virtual host with the user's name and password.
func (b *Broker) URL() string { return b.address("amqp", b.ports.amqp) }

// OpenStackURL is the address for other people's programs.
func (b *Broker) OpenStackURL() string {
	return "amqp://" + OpenStack + ":" + OpenStack + "@" + b.Address() + "/" + OpenStack
}

// TLSURL is the same over TLS; the broker's certificate is one of its own CA.
func (b *Broker) TLSURL() string {
	return b.address("amqps", b.ports.amqps) + "?cacertfile=" + url.QueryEscape(b.CA())
}

// CA is the file with the certificate of the broker's CA.
func (b *Broker) CA() string { return filepath.Join(b.folder, "ca.pem") }

// Address is where the broker takes plain connections: "127.0.0.1:PORT".
func (b *Broker) Address() string { return fmt.Sprintf("127.0.0.1:%d", b.ports.amqp) }

// TLSAddress is where the broker takes connections with TLS.
func (b *Broker) TLSAddress() string { return fmt.Sprintf("127.0.0.1:%d", b.ports.amqps) }

func (b *Broker) address(scheme string, port int) string {
	return fmt.Sprintf("%s://%s:%s@127.0.0.1:%d/%s", scheme, User, url.QueryEscape(Password), port, url.PathEscape(VirtualHost))
}

// Stop ends the broker as its operator would and waits until it is gone.
func (b *Broker) Stop(t testing.TB) {
	t.Helper()
	b.order(t, "stop")
	b.until(t, "end", func() bool { return !b.runs() })
}

// Start starts the broker after Stop and waits until it answers.
func (b *Broker) Start(t testing.TB) {
	t.Helper()
	b.order(t, "start")
	if err := b.answers(); err != nil {
		t.Fatal(err)
	}
}

// Pause makes the broker stand still, with all its connections open: nothing is refused and
// nothing answered.
func (b *Broker) Pause(t testing.TB) {
	t.Helper()
	b.order(t, "pause")
	b.until(t, "stand still", func() bool { return b.state() == "T" })
}

// Resume ends a Pause.
func (b *Broker) Resume(t testing.TB) {
	t.Helper()
	b.order(t, "resume")
	b.until(t, "go on", func() bool { return b.state() != "T" })
}

func (b *Broker) order(t testing.TB, word string) {
	t.Helper()
	if _, err := fmt.Fprintln(b.orders, word); err != nil {
		t.Fatal(err)
	}
}

func (b *Broker) until(t testing.TB, what string, met func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(limit); !met(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("the broker does not %s: %s", what, b.log())
		}
	}
}

// runs tells whether the process of the broker is there; the script removes its pid.
func (b *Broker) runs() bool {
	pid, err := os.ReadFile(filepath.Join(b.folder, "server"))
	return err == nil && len(bytes.TrimSpace(pid)) > 0
}

// state is the letter that the kernel shows for the broker's process.
func (b *Broker) state() string {
	pid, err := os.ReadFile(filepath.Join(b.folder, "server"))
	if err != nil {
		return ""
	}
	stat, err := os.ReadFile(filepath.Join("/proc", string(bytes.TrimSpace(pid)), "stat"))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	letter, _, _ := strings.Cut(rest, " ")
	return letter
}

// Control runs rabbitmqctl and returns what it prints; it takes seconds.
func (b *Broker) Control(t testing.TB, args ...string) string {
	t.Helper()
	program, err := find("rabbitmqctl")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--silent"}, args...)...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = b.folder, b.environ, unprivileged()
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Run(); err != nil {
		t.Fatalf("rabbitmqctl %s: %v: %s", strings.Join(args, " "), err, trouble.String())
	}
	return out.String()
}

// answers waits until the broker lets its user in.
func (b *Broker) answers() error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(limit); ; {
		conn, err := amqp091.Dial(b.URL())
		if err == nil {
			return conn.Close()
		}
		select {
		case ended := <-b.ended:
			return fmt.Errorf("the broker ended at once (%w): %s", ended, b.log())
		case <-ticker.C:
		}
		if time.Now().After(end) {
			return fmt.Errorf("the broker does not answer: %w: %s", err, b.log())
		}
	}
}

// log is the end of the broker's log.
func (b *Broker) log() []byte {
	log, _ := os.ReadFile(filepath.Join(b.folder, "log"))
	return log[max(0, len(log)-3000):]
}
