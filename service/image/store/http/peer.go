package http

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	nethttp "net/http"
	"net/url"
	"time"
)

// Peers read images of other image services as the users who ask. Their addresses are those of the operator's catalog,
// so they may be anywhere; no redirect leads elsewhere, and a token goes to no other address.
type Peers struct {
	endpoint func(ctx context.Context, region, interfaceName string) (string, error)
	client   *nethttp.Client
	stall    time.Duration
}

// maxPeerImage bounds the description of an image, in bytes.
const maxPeerImage = 1 << 20

// NewPeers makes Peers; endpoint finds the address of a region's image service, settings are those to start TLS from,
// nil for the system's.
func NewPeers(endpoint func(ctx context.Context, region, interfaceName string) (string, error), settings *tls.Config) *Peers {
	defaults := withDefaults(Options{TLS: settings})
	transport := &nethttp.Transport{TLSClientConfig: settings.Clone(), DisableKeepAlives: true, DisableCompression: true,
		TLSHandshakeTimeout: defaults.ConnectTimeout, ResponseHeaderTimeout: defaults.StallTimeout, MaxResponseHeaderBytes: 64 << 10}
	refuse := func(*nethttp.Request, []*nethttp.Request) error { return errors.New("an image service redirects") }
	return &Peers{endpoint: endpoint, client: &nethttp.Client{Transport: transport, CheckRedirect: refuse}, stall: defaults.StallTimeout}
}

// Show describes an image of a region's image service. Its error is a *SourceError.
func (p *Peers) Show(ctx context.Context, region, interfaceName, token, imageID string) (map[string]any, error) {
	body, _, err := p.get(ctx, region, interfaceName, token, "/v2/images/"+url.PathEscape(imageID))
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	var image map[string]any
	if err := json.NewDecoder(io.LimitReader(body, maxPeerImage)).Decode(&image); err != nil {
		return nil, sourceError("read image %s of region %s: %w", imageID, region, err)
	}
	return image, nil
}

// Open begins to read the data of an image, and tells its size in bytes, or -1. The caller closes. Its error is a
// *SourceError.
func (p *Peers) Open(ctx context.Context, region, interfaceName, token, imageID string) (io.ReadCloser, int64, error) {
	return p.get(ctx, region, interfaceName, token, "/v2/images/"+url.PathEscape(imageID)+"/file")
}

func (p *Peers) get(ctx context.Context, region, interfaceName, token, path string) (io.ReadCloser, int64, error) {
	base, err := p.endpoint(ctx, region, interfaceName)
	if err != nil {
		return nil, 0, sourceError("find the image service of region %q: %w", region, err)
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, 0, sourceError("the image service of region %q has no address: %q", region, base)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, base+path, nil)
	if err != nil {
		cancel(nil)
		return nil, 0, sourceError("make request: %w", err)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "virga")
	resp, err := p.client.Do(req)
	if err != nil {
		cancel(nil)
		return nil, 0, sourceError("%w", err)
	}
	resp.Body = newWatched(resp.Body, cancel, p.stall)
	if resp.StatusCode != nethttp.StatusOK {
		_ = resp.Body.Close()
		return nil, 0, sourceError("image service of region %q answered %s", region, resp.Status)
	}
	return resp.Body, resp.ContentLength, nil
}
