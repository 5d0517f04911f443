package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"virga/app/folder"
	"virga/core/api"
	"virga/core/pki"
	"virga/service/fleet"
)

// membership is what a node knows of its cloud: the settings that it was told last, and the
// address at which it has joined, which is tried last: that one was reached once.
type membership struct {
	fleet.Settings
	JoinedAt string `json:"joined_at"`
}

// addresses are where controllers may be, the most promising first.
func (m *membership) addresses() []string {
	if m.JoinedAt == "" || slices.Contains(m.Controllers, m.JoinedAt) {
		return m.Controllers
	}
	return append(slices.Clip(m.Controllers), m.JoinedAt)
}

func membershipFile(dataDir string) string { return filepath.Join(dataDir, "pki", "membership.json") }

// readMembership reads the file; the error wraps fs.ErrNotExist when there is none.
func readMembership(dataDir string) (membership, error) {
	var known membership
	text, err := os.ReadFile(membershipFile(dataDir))
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return known, fmt.Errorf("read membership: %w", err)
	}
	return known, nil
}

func writeMembership(dataDir string, known membership) error {
	text, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return fmt.Errorf("write membership: %w", err)
	}
	return folder.Write(membershipFile(dataDir), append(text, '\n'))
}

// controllers are the controllers as a node reaches them: by any of several addresses, under
// mutual TLS. It is a http.RoundTripper; the host of a request's address does not matter.
type controllers struct {
	dataDir     string
	credentials *pki.Credentials
	log         *slog.Logger

	mu        sync.Mutex
	known     membership
	current   string
	transport *http.Transport
	// complained is when the log last said that the cloud knows this node no more.
	complained time.Time
}

// controllersBase is the address that a node's calls carry; which controller they go to is
// found out when they are made.
const controllersBase = "https://controller.virga.internal/"

// openControllers opens what a node remembers of its cloud.
func openControllers(dataDir string, credentials *pki.Credentials, log *slog.Logger) (*controllers, error) {
	known, err := readMembership(dataDir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(known.addresses()) == 0 {
		return nil, fmt.Errorf("%s has a certificate, but not where the controllers are: join again", dataDir)
	}
	if err != nil {
		return nil, err
	}
	c := &controllers{dataDir: dataDir, credentials: credentials, log: log, known: known, current: known.addresses()[0]}
	c.reconnect()
	return c, nil
}

// newTransport makes connections that notice a peer that is gone without a word.
func newTransport(credentials *pki.Credentials, server pki.Kind) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingAfter, Interval: time.Second, Count: 4}}
	return &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: credentials.ClientOf(server), TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
	}
}

// newLastingTransport is newTransport for those who keep it for ever: which keys of the authority
// are believed is looked at for each connection.
func newLastingTransport(credentials *pki.Credentials, server pki.Kind) *http.Transport {
	transport := newTransport(credentials, server)
	dial := transport.DialContext
	transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
		defer cancel()
		connection, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		secured := tls.Client(connection, credentials.ClientOf(server))
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = connection.Close()
			return nil, err
		}
		return secured, nil
	}
	return transport
}

// reconnect has new requests use new connections, which show the newest certificate; those
// under way are left alone.
func (c *controllers) reconnect() {
	c.mu.Lock()
	old := c.transport
	c.transport = newTransport(c.credentials, pki.Controller)
	c.mu.Unlock()
	if old != nil {
		old.CloseIdleConnections()
	}
}

// learn takes what a controller has told of the cloud.
func (c *controllers) learn(told fleet.Settings) error {
	if len(told.Controllers) == 0 {
		return nil // one that is not reached by members itself
	}
	c.mu.Lock()
	c.known.Settings = told
	if !slices.Contains(c.known.addresses(), c.current) {
		c.current = told.Controllers[0]
	}
	known := c.known
	c.mu.Unlock()
	return writeMembership(c.dataDir, known)
}

func (c *controllers) now() (address string, transport *http.Transport, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, c.transport, len(c.known.addresses())
}

// avoid turns to the controller after the one at address, unless somebody has done so.
func (c *controllers) avoid(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == address {
		all := c.known.addresses()
		c.current = all[(slices.Index(all, address)+1)%len(all)]
	}
}

// RoundTrip implements http.RoundTripper. Requests of nodes can be repeated, so one that does
// not get through is sent to the next controller.
func (c *controllers) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _, count := c.now()
	var errs []error
	for attempt := range count + 1 { // and the first one again, should it have been an old connection's fault
		address, transport, _ := c.now()
		sent, err := toController(r, address, attempt)
		if err != nil {
			errs = append(errs, err)
			break
		}
		resp, err := transport.RoundTrip(sent)
		if err == nil && resp.Header.Get(memberHeader) == memberExpired && attempt < count {
			_ = resp.Body.Close()
			errs = append(errs, errExpired)
			c.reconnect()
			continue
		}
		if err == nil {
			c.notice(resp, address)
			return resp, nil
		}
		errs = append(errs, fmt.Errorf("controller %s: %w", address, err))
		if r.Context().Err() != nil {
			break
		}
		c.avoid(address)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, errors.Join(errs...)
}

// toController is the request as it goes to an address. From the second attempt on it needs
// a body that can be had again.
func toController(r *http.Request, address string, attempt int) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("controller %q: %w", address, err)
	}
	sent := r.Clone(r.Context())
	sent.URL.Scheme, sent.URL.Host, sent.Host = "https", u.Host, ""
	if attempt > 0 && r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return nil, errors.New("the request cannot be repeated")
		}
		if sent.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return sent, nil
}

// complainEvery is how often the log says that the cloud knows this node no more.
const complainEvery = time.Minute

// notice looks at an answer for what concerns the way and not the question.
func (c *controllers) notice(resp *http.Response, address string) {
	if resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusBadGateway {
		c.avoid(address)
	}
	if resp.Header.Get(memberHeader) != memberRemoved {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.complained) >= complainEvery {
		c.complained = now
		c.log.Error("the cloud does not serve this node any more: it has been removed. Its guests are left as they are."+
			" To come back it needs a new join token (virga token create, virga join)", "controller", address, "node", c.credentials.Subject().Name)
	}
}

// client is a client of a service.
func (c *controllers) client(service string) api.Client {
	return api.Client{HTTP: &http.Client{Transport: c}, Base: controllersBase + service}
}

// renewTimeout bounds one attempt to renew the certificate.
const renewTimeout = 15 * time.Second

// renew is a pki.Renewer. Where the certificate does not open connections any more, the key
// still proves whose it was.
func (c *controllers) renew(version string) pki.Renewer {
	return func(ctx context.Context, request []byte) ([]byte, error) {
		if !c.credentials.Expired() {
			client := c.client("fleet")
			client.Timeout = renewTimeout
			answer := new(fleet.Membership)
			err := client.Do(ctx, http.MethodPost, "/v1/renew", map[string]string{"request": string(request), "version": version}, answer)
			var refused *api.StatusError
			if err == nil || errors.As(err, &refused) && refused.Status != http.StatusUnauthorized {
				return c.take(answer, err)
			}
			c.log.Debug("renew by the certificate", "error", err) // the clocks may differ
		}
		return c.take(c.recover(ctx, request, version))
	}
}

func (c *controllers) take(answer *fleet.Membership, err error) ([]byte, error) {
	if err != nil {
		return nil, refusal(err)
	}
	return []byte(answer.Certificate), c.learn(answer.Settings)
}

// recover asks each controller for a certificate by the key alone.
func (c *controllers) recover(ctx context.Context, request []byte, version string) (answer *fleet.Membership, err error) {
	_, _, count := c.now()
	for range count {
		address, _, _ := c.now()
		if answer, err = askToRecover(ctx, c.credentials, address, request, version); err == nil {
			return answer, nil
		}
		c.avoid(address)
	}
	return nil, err
}

// askToRecover asks a controller for a certificate by the key alone.
func askToRecover(ctx context.Context, credentials *pki.Credentials, address string, request []byte, version string) (*fleet.Membership, error) {
	signature, key, err := credentials.Sign(fleet.RecoverMessage(string(request)))
	if err != nil {
		return nil, err
	}
	body := map[string]any{"request": string(request), "key": key, "signature": signature, "version": version}
	answer := new(fleet.Membership)
	return answer, askStranger(ctx, address, credentials.AuthorityPins(), "/fleet/v1/recover", body, answer)
}

// askStranger puts a question to a controller before this machine can show a certificate.
func askStranger(ctx context.Context, address string, authorities []pki.Pin, path string, body, answer any) error {
	transport := &http.Transport{
		DialContext:       (&net.Dialer{Timeout: renewTimeout}).DialContext,
		TLSClientConfig:   pki.StrangerOf(authorities, time.Now),
		DisableKeepAlives: true,
	}
	client := api.Client{HTTP: &http.Client{Transport: transport, CheckRedirect: noRedirect}, Base: address, Timeout: renewTimeout}
	return client.Do(ctx, http.MethodPost, path, body, answer)
}

// noRedirect keeps what is meant for one controller from being sent elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// followEvery is how often a node asks where the controllers are.
const followEvery = 5 * time.Minute

// follow keeps up with where the controllers are, until ctx ends.
func (c *controllers) follow(ctx context.Context) error {
	client := c.client("fleet")
	for ctx.Err() == nil {
		var answer struct {
			Settings fleet.Settings `json:"settings"`
		}
		wait := followEvery
		err := client.Do(ctx, http.MethodGet, "/v1/settings", nil, &answer)
		if err == nil {
			err = c.learn(answer.Settings)
		}
		if err != nil {
			wait = retryFollow
			if ctx.Err() == nil {
				c.log.Debug("ask where the controllers are", "error", err)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

const retryFollow = 10 * time.Second
