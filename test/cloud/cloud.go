package cloud

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/app"
	"virga/core/conf"
)

// AdminPassword is that of the user admin of every cloud here.
const AdminPassword = "the administrator's, for tests only"

// Cloud is a cloud in this process.
type Cloud struct {
	// Base is the address that all services are under, without a slash at the end.
	Base string
	// Address is the host and port of Base, for those that write to the socket themselves.
	Address string
	// DataDir holds databases, keys, images and guests.
	DataDir string
	// Host is the name of the one node.
	Host string
	// Log is all that the cloud has logged, at level debug.
	Log *Journal
	// Admin acts as the administrator, in the project admin.
	Admin *Client

	http  *http.Client
	mu    sync.Mutex
	roles map[string]string
	count int

	settings conf.Config
	stop     context.CancelFunc
	ended    chan struct{}
	outcome  error
}

// Journal keeps what is written to it.
type Journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *Journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// String is everything so far.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// Start runs a cloud until the test ends, with settings that may be changed before. A record
// of level ERROR in its log fails the test.
func Start(t testing.TB, change ...func(*conf.Config)) *Cloud {
	t.Helper()
	address := FreeAddress(t)
	c := &Cloud{Base: "http://" + address, Address: address, DataDir: filepath.Join(t.TempDir(), "data"), Host: "host-of-tests", Log: &Journal{},
		roles: map[string]string{}}
	transport := &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true, TLSClientConfig: c.trust()}
	c.http = &http.Client{Timeout: time.Minute, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.settings = conf.Config{DataDir: c.DataDir, Listen: address, Region: "RegionOne", Host: c.Host, Virt: "fake", ExternalCIDR: "172.24.4.0/24",
		PrivateCIDR: "10.0.0.0/24", TunnelIP: "127.0.0.1", AdminPassword: AdminPassword, Images: conf.Images{ImageCache: 16}, LogLevel: "debug", LogFormat: "text"}
	for _, fn := range change {
		fn(&c.settings)
	}
	if c.settings.Secure() {
		c.Base = "https://" + address
	}
	t.Cleanup(func() {
		c.Stop(t)
		for line := range strings.Lines(c.Log.String()) {
			if strings.Contains(line, "level=ERROR") {
				t.Errorf("in the log: %s", line)
			}
		}
	})
	c.Run(t)
	c.Admin = &Client{cloud: c, Name: "admin", Project: "admin", Password: AdminPassword}
	c.Admin.LogIn(t)
	return c
}

// Run runs the cloud again after Stop, with other settings when there is a change.
func (c *Cloud) Run(t testing.TB, change ...func(*conf.Config)) {
	t.Helper()
	for _, fn := range change {
		fn(&c.settings)
	}
	ctx, stop := context.WithCancel(context.Background())
	settings, ended := c.settings, make(chan struct{})
	c.stop, c.ended = stop, ended
	go func() {
		defer close(ended)
		c.outcome = app.Up(ctx, &settings, "test", io.Discard, c.Log)
	}()
	c.Await(t, "the cloud is ready", func() error { return c.ready(ended) })
}

// Stop ends the cloud's processes as their operator would.
func (c *Cloud) Stop(t testing.TB) {
	t.Helper()
	if c.stop == nil {
		return
	}
	c.http.CloseIdleConnections()
	c.stop()
	<-c.ended
	c.stop = nil
	if c.outcome != nil {
		t.Errorf("the cloud ended with %v", c.outcome)
	}
}

// trust is what a client with the cloud's cacert does.
func (c *Cloud) trust() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error { //nolint:gosec // the file is there only once the cloud serves
		text, err := os.ReadFile(filepath.Join(c.DataDir, "ca.pem"))
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1"})
		return err
	}}
}

// FreeAddress finds a port that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

var errEnded = errors.New("the cloud has ended")

func (c *Cloud) ready(ended <-chan struct{}) error {
	select {
	case <-ended:
		return fmt.Errorf("%w:\n%s", errEnded, c.Log)
	default:
	}
	answer, err := c.http.Get(c.Base + "/readyz")
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("readyz: %s", answer.Status)
	}
	return nil
}

// Await looks until check returns nil, for half a minute at most: what is waited for happens in goroutines of the cloud,
// which tell a client nothing.
func (c *Cloud) Await(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if errors.Is(err, errEnded) {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: %v", what, err)
		}
	}
}
