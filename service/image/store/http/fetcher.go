package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options configure a Fetcher. The zero value reaches the public Internet over http on port 80 and https on port 443.
type Options struct {
	Schemes         []string       // allowed schemes of "http" and "https"; empty for both
	Ports           []uint16       // allowed ports; empty for 80 and 443
	AllowedNetworks []netip.Prefix // reached although private or this machine's own
	MaxRedirects    int            // 0 for 5, negative for none
	ConnectTimeout  time.Duration  // for connecting, TLS and the response's header each; 0 for 10 s
	StallTimeout    time.Duration  // longest wait for the next byte of the body; 0 for 60 s
	TLS             *tls.Config    // settings to start from, for a CA of one's own; nil for the system's
	Resolver        Resolver       // nil for the system's

	// OwnAddresses lists addresses of Virga itself that must not be reached even though they are public; nil for those
	// of this machine's interfaces.
	OwnAddresses func() ([]netip.Addr, error)
}

// SourceError is the one error for every URL that gives no content: what is refused and what does not answer look the
// same to the user, who could otherwise explore networks that only Virga can reach.
type SourceError struct{ cause error }

// Error is the same text for every cause.
func (e *SourceError) Error() string {
	return "image source cannot be read: its URL is not allowed or does not answer with content"
}

// Cause is for the operator's log alone; it is deliberately no Unwrap.
func (e *SourceError) Cause() error { return e.cause }

func sourceError(format string, args ...any) error {
	return &SourceError{cause: fmt.Errorf(format, args...)}
}

// Fetcher reads URLs that come from users.
type Fetcher struct {
	guard  *guard
	client *nethttp.Client
	stall  time.Duration
}

// NewFetcher makes a Fetcher; it uses no proxy, no cookies and no connection twice.
func NewFetcher(opts Options) *Fetcher {
	opts = withDefaults(opts)
	dialer := &net.Dialer{Timeout: opts.ConnectTimeout}
	g := &guard{
		schemes: opts.Schemes, ports: opts.Ports, allowed: opts.AllowedNetworks,
		own: opts.OwnAddresses, resolver: opts.Resolver, dial: dialer.DialContext,
	}
	transport := &nethttp.Transport{
		DialContext:            g.dialContext,
		TLSClientConfig:        opts.TLS.Clone(),
		DisableKeepAlives:      true, // so that every request passes the guard
		DisableCompression:     true, // the sums are of the bytes as they are
		TLSHandshakeTimeout:    opts.ConnectTimeout,
		ResponseHeaderTimeout:  opts.ConnectTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         64 << 10,
	}
	f := &Fetcher{guard: g, stall: opts.StallTimeout}
	f.client = &nethttp.Client{Transport: transport, CheckRedirect: f.redirect(opts.MaxRedirects)}
	return f
}

func withDefaults(o Options) Options {
	if len(o.Schemes) == 0 {
		o.Schemes = []string{"http", "https"}
	}
	if len(o.Ports) == 0 {
		o.Ports = []uint16{80, 443}
	}
	if o.MaxRedirects == 0 {
		o.MaxRedirects = 5
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 10 * time.Second
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = time.Minute
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.OwnAddresses == nil {
		o.OwnAddresses = interfaceAddresses
	}
	return o
}

// redirect checks each hop before it is followed; its connection is checked again when it is made.
func (f *Fetcher) redirect(most int) func(*nethttp.Request, []*nethttp.Request) error {
	return func(req *nethttp.Request, via []*nethttp.Request) error {
		if len(via) > most {
			return fmt.Errorf("more than %d redirects", most)
		}
		if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return errors.New("redirect from https to http")
		}
		req.Header.Del("Referer")
		return f.guard.checkURL(req.URL)
	}
}

// CheckURL tells early, without connecting, whether the URL could be fetched at all. Its error is a *SourceError.
func (f *Fetcher) CheckURL(rawURL string) error {
	_, err := f.parse(rawURL)
	return err
}

func (f *Fetcher) parse(rawURL string) (*url.URL, error) {
	if len(rawURL) > 2048 {
		return nil, sourceError("URL of %d characters", len(rawURL))
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, sourceError("parse URL: %w", err)
	}
	if err := f.guard.checkURL(u); err != nil {
		return nil, sourceError("check URL: %w", err)
	}
	u.Fragment = ""
	return u, nil
}

// Open begins to read the content of a URL, and tells its size in bytes, or -1 when the server does not. A body that
// breaks off or stalls fails with a *SourceError. The caller closes it.
func (f *Fetcher) Open(ctx context.Context, rawURL string) (io.ReadCloser, int64, error) {
	resp, err := f.do(ctx, nethttp.MethodGet, rawURL, "")
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode != nethttp.StatusOK {
		_ = resp.Body.Close()
		return nil, 0, sourceError("server answered %s", resp.Status)
	}
	return resp.Body, resp.ContentLength, nil
}

// size asks for the size alone.
func (f *Fetcher) size(ctx context.Context, rawURL string) (int64, error) {
	resp, err := f.do(ctx, nethttp.MethodHead, rawURL, "")
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != nethttp.StatusOK || resp.ContentLength < 0 {
		return 0, sourceError("server answered %s with length %d", resp.Status, resp.ContentLength)
	}
	return resp.ContentLength, nil
}

// Size asks for the size of the content of a URL, in bytes. Its error is a *SourceError.
func (f *Fetcher) Size(ctx context.Context, rawURL string) (int64, error) {
	return f.size(ctx, rawURL)
}

// OpenRange reads n bytes from offset on of a content that has size bytes; n is positive.
// The caller closes. Its error is a *SourceError.
func (f *Fetcher) OpenRange(ctx context.Context, rawURL string, offset, n, size int64) (io.ReadCloser, error) {
	return f.openRange(ctx, rawURL, offset, n, size)
}

// openRange reads n bytes from offset on of a content with the given size; n is positive.
func (f *Fetcher) openRange(ctx context.Context, rawURL string, offset, n, size int64) (io.ReadCloser, error) {
	resp, err := f.do(ctx, nethttp.MethodGet, rawURL, fmt.Sprintf("bytes=%d-%d", offset, offset+n-1))
	if err != nil {
		return nil, err
	}
	want := fmt.Sprintf("bytes %d-%d/%d", offset, offset+n-1, size)
	switch {
	case resp.StatusCode == nethttp.StatusPartialContent && resp.Header.Get("Content-Range") == want:
	case resp.StatusCode == nethttp.StatusOK && resp.ContentLength == size: // a server without ranges
		if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
			_ = resp.Body.Close()
			return nil, err
		}
	default:
		_ = resp.Body.Close()
		return nil, sourceError("server answered %s with range %q", resp.Status, resp.Header.Get("Content-Range"))
	}
	return &part{body: resp.Body, left: n}, nil
}

func (f *Fetcher) do(ctx context.Context, method, rawURL, byteRange string) (*nethttp.Response, error) {
	u, err := f.parse(rawURL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := nethttp.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, sourceError("make request: %w", err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "virga")
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		cancel(nil)
		return nil, sourceError("%w", err)
	}
	if enc := strings.ToLower(resp.Header.Get("Content-Encoding")); enc != "" && enc != "identity" {
		_ = resp.Body.Close()
		cancel(nil)
		return nil, sourceError("server sends the content encoded as %s", strconv.Quote(enc))
	}
	resp.Body = newWatched(resp.Body, cancel, f.stall)
	return resp, nil
}

// watched is a response's body that fails when no byte comes for too long.
type watched struct {
	body   io.ReadCloser
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
}

func newWatched(body io.ReadCloser, cancel context.CancelCauseFunc, stall time.Duration) *watched {
	w := &watched{body: body, cancel: cancel, stall: stall}
	w.timer = time.AfterFunc(stall, func() { cancel(errors.New("source stalls")) })
	w.timer.Stop() // the time between two Reads is the reader's own
	return w
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.stall)
	n, err := w.body.Read(p)
	w.timer.Stop()
	if err != nil && err != io.EOF {
		err = sourceError("read body: %w", err)
	}
	return n, err
}

// Close implements io.Closer.
func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	return w.body.Close()
}

// part is a body of which a known number of bytes is wanted.
type part struct {
	body io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (p *part) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.body.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	if err == io.EOF {
		err = nil
		if p.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Close implements io.Closer.
func (p *part) Close() error { return p.body.Close() }
