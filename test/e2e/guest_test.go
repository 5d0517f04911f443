//go:build e2e

package e2e

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// keyPair is an ssh key as its owner has it.
type keyPair struct {
	signer ssh.Signer
	// private is the OpenSSH form of the private half; publicFile holds the public one.
	private    []byte
	publicFile string
}

func newKeyPair(t *testing.T) *keyPair {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := must[ssh.Signer](t)(ssh.NewSignerFromKey(private))
	block := must[*pem.Block](t)(ssh.MarshalPrivateKey(private, "e2e"))
	file := filepath.Join(t.TempDir(), "key.pub")
	if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	return &keyPair{signer: signer, private: pem.EncodeToMemory(block), publicFile: file}
}

func (k *keyPair) public() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.signer.PublicKey())))
}

const (
	// bootPatience covers a boot under an emulated CPU while another guest boots as well.
	bootPatience = 60 * time.Second
	dialPatience = 3 * time.Second
)

// guest is a login on a guest as root.
type guest struct {
	address string
	client  *ssh.Client
}

// dial tries once to log in.
func dial(address string, key *keyPair) (*guest, error) {
	connection, err := net.DialTimeout("tcp", net.JoinHostPort(address, "22"), dialPatience)
	if err != nil {
		return nil, err
	}
	return enter(connection, address, key)
}

// enter logs in over a connection.
func enter(connection net.Conn, address string, key *keyPair) (*guest, error) {
	connection.SetDeadline(time.Now().Add(4 * dialPatience))
	ready, channels, requests, err := ssh.NewClientConn(connection, address, &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key.signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the guest makes its key at its first boot
	})
	if err != nil {
		connection.Close()
		return nil, err
	}
	connection.SetDeadline(time.Time{})
	return &guest{address: address, client: ssh.NewClient(ready, channels, requests)}, nil
}

// login waits until the guest lets its owner in.
func login(t *testing.T, address string, key *keyPair) *guest {
	t.Helper()
	var g *guest
	await(t, "log in at "+address, bootPatience, func() (err error) {
		g, err = dial(address, key)
		return err
	})
	t.Cleanup(func() { g.client.Close() })
	return g
}

// try runs a shell script in the guest and returns what it printed.
func (g *guest) try(script, input string) (string, error) {
	// A connection that was cut ends nothing by itself.
	defer time.AfterFunc(commandPatience, func() { g.client.Close() }).Stop()
	session, err := g.client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	var out, complaints bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = strings.NewReader(input), &out, &complaints
	if err := session.Run(script); err != nil {
		return out.String(), fmt.Errorf("in guest %s: %s: %w: %s", g.address, script, err, complaints.String())
	}
	return out.String(), nil
}

// run runs a shell script in the guest, which must succeed, and returns what it printed without the last line end.
func (g *guest) run(t *testing.T, script string) string {
	t.Helper()
	out, err := g.try(script, "")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(out, "\n")
}

// put writes a file in the guest.
func (g *guest) put(t *testing.T, name string, content []byte) {
	t.Helper()
	if _, err := g.try("cat > "+name, string(content)); err != nil {
		t.Fatal(err)
	}
}

// seenFrom is the address under which a connection out of the guest arrives at the host, which is outside of the cloud. Through
// goes the way into the guest's shell.
func seenFrom(t *testing.T, through func(script string) (string, error)) string {
	t.Helper()
	listener := must[net.Listener](t)(net.Listen("tcp4", outsideAddress+":0"))
	defer listener.Close()
	from := make(chan string, 1)
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			from <- err.Error()
			return
		}
		defer connection.Close()
		host, _, _ := net.SplitHostPort(connection.RemoteAddr().String())
		from <- host
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	if out, err := through("nc -w 5 " + outsideAddress + " " + port + " < /dev/null"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return <-from
}

// outsideAddress is the host's own address on the external network.
const outsideAddress = "172.24.4.1"

// bootID changes with each boot of the guest.
func (g *guest) bootID(t *testing.T) string {
	t.Helper()
	return g.run(t, "cat /proc/sys/kernel/random/boot_id")
}

// loginAfterBoot waits until the guest lets its owner in and has a boot id other than the one it had.
func loginAfterBoot(t *testing.T, address string, key *keyPair, before string) *guest {
	t.Helper()
	var g *guest
	await(t, "log in at "+address+" after a new boot", bootPatience, func() (err error) {
		g, err = dial(address, key)
		if err != nil {
			return err
		}
		id, err := g.try("cat /proc/sys/kernel/random/boot_id", "")
		if err == nil && strings.TrimSpace(id) == before {
			err = errors.New("it has not booted yet")
		}
		if err != nil {
			g.client.Close()
		}
		return err
	})
	t.Cleanup(func() { g.client.Close() })
	return g
}

// ticker is a connection that stays: a guest that prints a line five times a second.
type ticker struct {
	session *ssh.Session
	lines   chan string
}

func (g *guest) startTicker(t *testing.T) *ticker {
	t.Helper()
	session := must[*ssh.Session](t)(g.client.NewSession())
	out := must[io.Reader](t)(session.StdoutPipe())
	if err := session.Start("while :; do cut -d ' ' -f 1 /proc/uptime; usleep 200000; done"); err != nil {
		t.Fatal(err)
	}
	k := &ticker{session: session, lines: make(chan string, 10000)}
	go func() {
		defer close(k.lines)
		buffer := make([]byte, 4096)
		for {
			n, err := out.Read(buffer)
			if n > 0 {
				k.lines <- string(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { session.Close() })
	k.next(t)
	return k
}

// tickPatience is how long a line may take when the connection is alive; TCP's own repeats after a short loss fit in.
const tickPatience = 10 * time.Second

// next waits for a line that is printed from now on.
func (k *ticker) next(t *testing.T) {
	t.Helper()
	k.drain()
	select {
	case _, alive := <-k.lines:
		if !alive {
			t.Fatal("a connection that should stay has ended")
		}
	case <-time.After(tickPatience):
		t.Fatalf("a connection that should stay is silent for %s", tickPatience)
	}
}

// quiet is how long a connection must be silent to count as cut; cutPatience, how long that may take to begin.
const (
	quiet       = 2 * time.Second
	cutPatience = 10 * time.Second
)

// awaitSilence waits until the connection ends or is silent for a while.
func (k *ticker) awaitSilence(t *testing.T, what string) {
	t.Helper()
	deadline := time.After(cutPatience)
	for {
		select {
		case _, alive := <-k.lines:
			if !alive {
				return
			}
		case <-time.After(quiet):
			return
		case <-deadline:
			t.Fatalf("%s: the connection still speaks after %s", what, cutPatience)
		}
	}
}

func (k *ticker) drain() {
	for {
		select {
		case _, alive := <-k.lines:
			if !alive {
				return
			}
		default:
			return
		}
	}
}
