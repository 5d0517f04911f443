package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"virga/app/folder"
	"virga/core/pki"
)

// authorityFile is where clients find the certificate that they are to trust.
func authorityFile(dataDir string) string { return filepath.Join(dataDir, "ca.pem") }

// secure puts TLS in front of what clients talk to, unless the settings say otherwise. The
// cloud's own are told apart by the name that they ask for: they get TLS 1.3 alone, the
// certificate of the cloud's authority, and are asked for theirs. Clients get the
// operator's certificate where there is one, and are asked for none.
func (cl *cloud) secure(context.Context) error {
	if cl.conf.Exposed() {
		cl.log.Warn("passwords and tokens travel unencrypted: TLS is off on an address that others reach", "listen", cl.conf.Listen)
	}
	if !cl.conf.Secure() {
		return nil
	}
	own := cl.credentials.Server()
	own.NextProtos = []string{"http/1.1"}
	clients := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: own.GetCertificate}
	if cl.conf.TLSCert != "" {
		pair := &pairFile{certificate: cl.conf.TLSCert, key: cl.conf.TLSKey, log: cl.log}
		if _, err := pair.get(nil); err != nil {
			return err
		}
		clients.GetCertificate = pair.get
	}
	clients.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName == pki.Controller.ServerName() {
			return own.GetConfigForClient(hello)
		}
		return nil, nil
	}
	cl.public = tls.NewListener(cl.public, clients)
	return cl.showAuthority()
}

// showAuthority writes the file in which clients find the certificates of the authority's keys
// that are believed now, where they are served by one of them.
func (cl *cloud) showAuthority() error {
	if !cl.conf.Secure() {
		return nil
	}
	return folder.Write(authorityFile(cl.conf.DataDir), cl.authority.Trusted())
}

// trusted is the file that clients find the certificate to trust in; empty where it is not
// Virga's to say.
func (cl *cloud) trusted() string {
	if cl.conf.Secure() && cl.conf.TLSCert == "" {
		return authorityFile(cl.conf.DataDir)
	}
	return ""
}

// pairFile is a certificate of the operator's, read again when its files change.
type pairFile struct {
	certificate, key string
	log              *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	stamp   [2]fileStamp
	checked time.Time
}

// fileStamp tells whether a file is another than before.
type fileStamp struct {
	changed time.Time
	size    int64
}

// checkEvery is how often the files are looked at.
const checkEvery = time.Second

// get is a tls.Config's GetCertificate. A pair that cannot be read leaves the one before in
// use: the operator may be in the middle of replacing it.
func (p *pairFile) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.pair != nil && now.Sub(p.checked) < checkEvery {
		return p.pair, nil
	}
	p.checked = now
	stamp, err := p.look()
	if err == nil && p.pair != nil && stamp == p.stamp {
		return p.pair, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(p.certificate, p.key); err == nil {
			p.pair, p.stamp = &pair, stamp
			return p.pair, nil
		}
	}
	if p.pair == nil {
		return nil, fmt.Errorf("read tls-cert and tls-key: %w", err)
	}
	if stamp != p.stamp {
		p.log.Warn("the new certificate of tls-cert and tls-key cannot be used; the one before still is", "error", err)
		p.stamp = stamp // say it once
	}
	return p.pair, nil
}

func (p *pairFile) look() (stamp [2]fileStamp, err error) {
	for i, path := range []string{p.certificate, p.key} {
		info, err := os.Stat(path)
		if err != nil {
			return stamp, err
		}
		stamp[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamp, nil
}

// newcomers bounds the connections that have not made a request yet: those in a handshake
// and those that say nothing. When there are too many, the oldest of the address that has
// the most goes, so that thousands of half-open ones from somewhere keep nobody else out.
type newcomers struct {
	limit int

	mu    sync.Mutex
	count int
	// waiting are the connections of each source, oldest first.
	waiting map[netip.Prefix]*[]net.Conn
}

// maxNewcomers is far more than a burst of honest clients brings, and small beside the
// files that a process may open.
const maxNewcomers = 1024

func newNewcomers(limit int) *newcomers {
	return &newcomers{limit: limit, waiting: map[netip.Prefix]*[]net.Conn{}}
}

// observe is a http.Server's ConnState.
func (n *newcomers) observe(conn net.Conn, state http.ConnState) {
	if state != http.StateNew {
		n.forget(conn)
		return
	}
	if victim := n.add(conn); victim != nil {
		_ = victim.Close()
	}
}

// sourceOf is where a connection comes from: an address, or a network of IPv6, where one
// machine has many.
func sourceOf(conn net.Conn) netip.Prefix {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address, bits := tcp.AddrPort().Addr().Unmap(), 32
	if address.Is6() {
		bits = 64
	}
	source, _ := address.WithZone("").Prefix(bits)
	return source
}

// add notes a connection and takes out another when there are too many.
func (n *newcomers) add(conn net.Conn) (victim net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	source := sourceOf(conn)
	if n.waiting[source] == nil {
		n.waiting[source] = new([]net.Conn)
	}
	*n.waiting[source] = append(*n.waiting[source], conn)
	n.count++
	if n.count <= n.limit {
		return nil
	}
	most := source
	for other, list := range n.waiting {
		if len(*list) > len(*n.waiting[most]) {
			most = other
		}
	}
	victim = (*n.waiting[most])[0]
	n.remove(most, 0)
	return victim
}

func (n *newcomers) forget(conn net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	source := sourceOf(conn)
	if list := n.waiting[source]; list != nil {
		for i, other := range *list {
			if other == conn {
				n.remove(source, i)
				return
			}
		}
	}
}

// remove takes out the connection at i of a source; mu is held.
func (n *newcomers) remove(source netip.Prefix, i int) {
	list := n.waiting[source]
	*list = append((*list)[:i], (*list)[i+1:]...)
	n.count--
	if len(*list) == 0 {
		delete(n.waiting, source)
	}
}
