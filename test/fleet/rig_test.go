package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"virga/app"
	"virga/core/clock"
	"virga/core/conf"
	"virga/core/pki"
	"virga/core/token"
	"virga/test/cloud"
)

type object = map[string]any

const (
	tokens  = "/fleet/v1/join-tokens"
	members = "/fleet/v1/members"
	servers = "/compute/v2.1/servers"
)

// start runs a controller whose certificates live for the time (0: as long as usual).
func start(t *testing.T, life time.Duration, change ...func(*conf.Config)) *cloud.Cloud {
	t.Helper()
	return cloud.Start(t, append(change, func(c *conf.Config) { c.TLS, c.CertificateLife = "on", life })...)
}

// newToken creates a join token and returns its text.
func newToken(t *testing.T, c *cloud.Cloud, request object) string {
	t.Helper()
	return c.Admin.Must(t, "POST", tokens, request, "join_token.token")
}

// machine is one that joins: a node in a process of its own, which here is a goroutine.
type machine struct {
	host   string
	dir    string
	health string
	log    *cloud.Journal
	stop   context.CancelFunc
	ended  chan struct{}
	err    error
}

func newMachine(t *testing.T, host string) *machine {
	t.Helper()
	m := &machine{host: host, dir: filepath.Join(t.TempDir(), host), health: cloud.FreeAddress(t), log: &cloud.Journal{}}
	t.Cleanup(func() { m.end(t) })
	return m
}

func (m *machine) settings() *conf.Config {
	return &conf.Config{DataDir: m.dir, Listen: m.health, Region: "RegionOne", Host: m.host, Virt: "fake", ExternalCIDR: "172.24.4.0/24",
		PrivateCIDR: "10.0.0.0/24", TunnelIP: "127.0.0.1", LogLevel: "debug", LogFormat: "text"}
}

// enter makes the machine a member and returns what came of it.
func (m *machine) enter(t *testing.T, address, text string) error {
	t.Helper()
	return app.Join(t.Context(), app.JoinParams{URL: address, Token: token.Secret(text), Kind: pki.Node, Only: true}, m.settings(), "test", io.Discard, m.log)
}

// run runs the node as `virga run --roles node` does.
func (m *machine) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	m.stop, m.ended = stop, ended
	go func() {
		defer close(ended)
		settings := m.settings()
		settings.Roles = conf.Roles{Node: true}
		m.err = app.Run(ctx, settings, "test", io.Discard, m.log)
	}()
}

// end ends the node; guests stay as they are.
func (m *machine) end(t *testing.T) {
	t.Helper()
	if m.stop == nil {
		return
	}
	m.stop()
	<-m.ended
	m.stop = nil
	if m.err != nil {
		t.Errorf("node %s ended with %v", m.host, m.err)
	}
}

// join makes a machine a node of the cloud and waits until it works.
func join(t *testing.T, c *cloud.Cloud, host string) *machine {
	t.Helper()
	m := newMachine(t, host)
	if err := m.enter(t, c.Base, newToken(t, c, object{})); err != nil {
		t.Fatal(err)
	}
	m.run(t)
	m.ready(t, c)
	return m
}

// ready waits until the node says that it works and the cloud says that it is up.
func (m *machine) ready(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	c.Await(t, m.host+" is ready", func() error {
		answer, err := http.Get("http://" + m.health + "/readyz")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, m.log)
		}
		defer func() { _ = answer.Body.Close() }()
		if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s\n%s", text, m.log)
		}
		return nil
	})
	c.Await(t, m.host+" is up", func() error {
		a := c.Admin.Do(t, "GET", "/compute/v2.1/os-services?binary=nova-compute&host="+m.host, nil)
		if a.Value("services.0.state") != "up" {
			return errors.New(a.String())
		}
		return nil
	})
}

// says waits until a node's log has the words.
func (m *machine) says(t *testing.T, c *cloud.Cloud, words string) {
	t.Helper()
	c.Await(t, m.host+" says "+words, func() error {
		if strings.Contains(m.log.String(), words) {
			return nil
		}
		return errors.New(m.log.String())
	})
}

// image uploads a small image; nodes fetch it from the cloud.
func image(t *testing.T, c *cloud.Cloud) string {
	t.Helper()
	id := c.Admin.Must(t, "POST", "/image/v2/images", object{"name": "tiny", "disk_format": "raw", "container_format": "bare"}, "id")
	content := strings.NewReader(strings.Repeat("bytes of a disk ", 4096))
	c.Admin.Must(t, "PUT", "/image/v2/images/"+id+"/file", content, "", "Content-Type", "application/octet-stream")
	return id
}

// boot creates a server on a host and waits until it runs.
func boot(t *testing.T, c *cloud.Cloud, imageID, host string) string {
	t.Helper()
	flavor := c.Admin.Do(t, "GET", "/compute/v2.1/flavors", nil).Value("flavors.0.id")
	id := c.Admin.Must(t, "POST", servers, object{"server": object{"name": "on-" + host, "imageRef": imageID, "flavorRef": flavor,
		"networks": "none", "availability_zone": "nova:" + host}}, "server.id")
	c.Await(t, "the server on "+host+" is ACTIVE", func() error {
		a := c.Admin.Do(t, "GET", servers+"/"+id, nil)
		if status := a.Value("server.status"); status != "ACTIVE" {
			return fmt.Errorf("%s: %s", status, a.Value("server.fault.message"))
		}
		if got := a.Value("server.OS-EXT-SRV-ATTR:host"); got != host {
			t.Fatalf("the server is on %s, not on %s", got, host)
		}
		return nil
	})
	return id
}

// credentials are those that a machine has.
func (m *machine) credentials(t *testing.T) *pki.Credentials {
	t.Helper()
	c, err := pki.OpenCredentials(filepath.Join(m.dir, "pki", "node", "joined"), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with is a client whose connections have the settings.
func with(t *testing.T, settings *tls.Config) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: settings}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// ask sends a request and returns the status; header has names and values in turn.
func ask(t *testing.T, client *http.Client, method, address, body string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// copyFolder is what a thief does.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}
