package pki_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/clock"
	"virga/core/pki"
)

// issueTo has an authority answer the request of a folder.
func issueTo(t testing.TB, a *pki.Authority, life time.Duration) pki.Renewer {
	t.Helper()
	return func(_ context.Context, text []byte) ([]byte, error) {
		r, err := pki.ParseRequest(text)
		if err != nil {
			return nil, err
		}
		issued, err := a.Issue(r, r.Subject, pki.Names{}, life)
		return issued.Chain, err
	}
}

// member makes credentials with a certificate.
func member(t testing.TB, c clock.Clock, a *pki.Authority, subject pki.Subject, life time.Duration) *pki.Credentials {
	t.Helper()
	m, err := pki.OpenCredentials(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	enter(t, m, a, subject, life)
	return m
}

func enter(t testing.TB, m *pki.Credentials, a *pki.Authority, subject pki.Subject, life time.Duration) {
	t.Helper()
	text, err := m.Request(subject, pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := issueTo(t, a, life)(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Accept(chain, subject); err != nil {
		t.Fatal(err)
	}
}

// shake makes a connection inside the process and returns what each side makes of it: the
// client's error, the server's, and who the server takes the client for.
func shake(t testing.TB, client, server *tls.Config) (peer pki.Subject, clientErr, serverErr error) {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := tls.Server(far, server)
		if serverErr = s.Handshake(); serverErr == nil {
			state := s.ConnectionState()
			peer, _ = pki.Peer(&state)
			_, serverErr = s.Write([]byte("hello\n"))
		}
		_ = far.Close()
	}()
	c := tls.Client(near, client)
	if clientErr = c.Handshake(); clientErr == nil {
		_, clientErr = bufio.NewReader(c).ReadString('\n') // a server's refusal of the client comes after the handshake
	}
	_ = near.Close()
	<-done
	return peer, clientErr, serverErr
}

func node(name string) pki.Subject { return pki.Subject{Kind: pki.Node, Name: name} }

func controller(name string) pki.Subject { return pki.Subject{Kind: pki.Controller, Name: name} }

func TestMembersKnowEachOther(t *testing.T) {
	c := clock.NewSeeded(1, start())
	a := newAuthority(t, c)
	n, ctl := member(t, c, a, node("n1"), time.Hour), member(t, c, a, controller("c1"), time.Hour)
	peer, clientErr, serverErr := shake(t, n.Client(), ctl.Server())
	if clientErr != nil || serverErr != nil || peer != node("n1") {
		t.Errorf("node to controller: %v, %v, %v", clientErr, serverErr, peer)
	}
	peer, clientErr, serverErr = shake(t, pki.Stranger(a.Pin(), c.Now), ctl.Server())
	if clientErr != nil || serverErr != nil || peer.Valid() {
		t.Errorf("newcomer to controller: %v, %v, %v", clientErr, serverErr, peer)
	}
	other := member(t, c, a, node("n2"), time.Hour)
	peer, clientErr, serverErr = shake(t, n.ClientOf(pki.Node), other.ServerOf(pki.Node))
	if clientErr != nil || serverErr != nil || peer != node("n1") {
		t.Errorf("node to node: %v, %v, %v", clientErr, serverErr, peer)
	}
}

// forged makes credentials by hand, as somebody with an authority's key could.
func forged(t testing.TB, secret []byte, template *x509.Certificate) *tls.Certificate {
	t.Helper()
	keyBlock, rest := pem.Decode(secret)
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(rest)
	issuer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = start().Add(-time.Hour), start().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, own.Public(), parsed)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, block.Bytes}, PrivateKey: own}
}

func both() []x509.ExtKeyUsage {
	return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
}

// TestCertificatesThatAreRefused shows both sides certificates that prove nothing.
func TestCertificatesThatAreRefused(t *testing.T) {
	c := clock.NewSeeded(1, start())
	a, foreign := newAuthority(t, c), newAuthority(t, c)
	own, err := a.Secret()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := foreign.Secret()
	if err != nil {
		t.Fatal(err)
	}
	n, ctl := member(t, c, a, node("n1"), time.Hour), member(t, c, a, controller("c1"), time.Hour)
	as := func(text, dns string) *x509.Certificate {
		return &x509.Certificate{URIs: []*url.URL{{Scheme: "virga", Host: text, Path: "/x"}}, DNSNames: []string{dns}, ExtKeyUsage: both()}
	}
	with := func(template *x509.Certificate, change func(*x509.Certificate)) *x509.Certificate {
		change(template)
		return template
	}
	const asNode, asController = "node.virga.internal", "controller.virga.internal"
	for what, certificate := range map[string]*tls.Certificate{
		"another authority": forged(t, theirs, as("node", asNode)),
		"expired": forged(t, own, with(as("node", asNode), func(x *x509.Certificate) {
			x.NotBefore, x.NotAfter = start().Add(-2*time.Hour), start().Add(-time.Second)
		})),
		"not yet valid":     forged(t, own, with(as("node", asNode), func(x *x509.Certificate) { x.NotBefore, x.NotAfter = start().Add(time.Second), start().Add(time.Hour) })),
		"for servers alone": forged(t, own, with(as("node", asNode), func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
		"unknown kind":      forged(t, own, as("admin", asNode)),
		"no subject":        forged(t, own, with(as("node", asNode), func(x *x509.Certificate) { x.URIs = nil })),
		"odd bytes":         forged(t, own, with(as("node", asNode), func(x *x509.Certificate) { x.URIs[0].Path = "/n1\x00\n/../n2" })),
	} {
		config := n.Client()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
		if peer, clientErr, serverErr := shake(t, config, ctl.Server()); serverErr == nil || clientErr == nil || peer.Valid() {
			t.Errorf("a client's certificate, %s: %v, %v, %v", what, clientErr, serverErr, peer)
		}
	}
	for what, certificate := range map[string]*tls.Certificate{
		"another authority": forged(t, theirs, as("controller", asController)),
		"a node's":          forged(t, own, as("node", asNode)),
		"a node as another": forged(t, own, as("node", asController)),
		"expired": forged(t, own, with(as("controller", asController), func(x *x509.Certificate) {
			x.NotBefore, x.NotAfter = start().Add(-2*time.Hour), start().Add(-time.Second)
		})),
		"for clients alone":  forged(t, own, with(as("controller", asController), func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })),
		"without its kind":   forged(t, own, as("controller", "cloud.example")),
		"under another kind": forged(t, own, as("controller", asNode)),
	} {
		server := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*certificate}, Time: c.Now}
		if _, clientErr, _ := shake(t, n.Client(), server); clientErr == nil {
			t.Errorf("a server's certificate, %s: the member goes on", what)
		}
		// The newcomer has nothing but the pin, and the one in the middle shows any chain.
		if _, clientErr, _ := shake(t, pki.Stranger(a.Pin(), c.Now), server); clientErr == nil {
			t.Errorf("a server's certificate, %s: the newcomer goes on", what)
		}
	}
	// Node to node: a controller's certificate does not open a node's listener, nor none at all.
	silent := ctl.ClientOf(pki.Node)
	silent.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	for what, client := range map[string]*tls.Config{"a controller": ctl.ClientOf(pki.Node), "nobody": silent} {
		if _, _, serverErr := shake(t, client, n.ServerOf(pki.Node)); serverErr == nil {
			t.Errorf("%s is let in by a node", what)
		}
	}
	old := n.Client()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, clientErr, _ := shake(t, old, ctl.Server()); clientErr == nil {
		t.Error("TLS 1.2 is spoken")
	}
}

// TestPinnedAuthorityWithForeignLeaf has the one in the middle show our authority's
// certificate, which is no secret, behind a certificate of his own.
func TestPinnedAuthorityWithForeignLeaf(t *testing.T) {
	c := clock.NewSeeded(1, start())
	a := newAuthority(t, c)
	middle := member(t, c, newAuthority(t, c), controller("c1"), time.Hour)
	server := middle.Server()
	pair, err := server.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(a.Certificate())
	shown := *pair
	shown.Certificate = [][]byte{pair.Certificate[0], block.Bytes}
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &shown, nil }
	if _, clientErr, _ := shake(t, pki.Stranger(a.Pin(), c.Now), server); clientErr == nil {
		t.Error("the newcomer goes on")
	}
}

func TestClockMayBeBehind(t *testing.T) {
	ahead, behind := clock.NewSeeded(1, start()), clock.NewSeeded(1, start().Add(-50*time.Minute))
	a := newAuthority(t, ahead)
	ctl := member(t, ahead, a, controller("c1"), time.Hour)
	n, err := pki.OpenCredentials(t.TempDir(), behind)
	if err != nil {
		t.Fatal(err)
	}
	enter(t, n, a, node("n1"), time.Hour)
	if _, clientErr, serverErr := shake(t, n.Client(), ctl.Server()); clientErr != nil || serverErr != nil {
		t.Errorf("%v, %v", clientErr, serverErr)
	}
}

// TestTenMinutesForADay has a node and a controller with certificates of ten minutes renew
// them for a day; every five minutes a new connection is made with settings from the beginning,
// and one connection lasts all the time.
func TestTenMinutesForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const life = 10 * time.Minute
		a := newAuthority(t, clock.System{})
		n, ctl := member(t, clock.System{}, a, node("n1"), life), member(t, clock.System{}, a, controller("c1"), life)
		ctx, cancel := context.WithCancel(t.Context())
		renewals := make(chan int)
		for _, m := range []*pki.Credentials{n, ctl} {
			go func() {
				count, tries := 0, 0
				err := m.Run(ctx, slog.New(slog.DiscardHandler), func() pki.Names { return pki.Names{} }, func(ctx context.Context, text []byte) ([]byte, error) {
					if tries++; tries%3 == 0 {
						return nil, errors.New("the controller is away")
					}
					return issueTo(t, a, life)(ctx, text)
				}, func() { count++ })
				if err != nil {
					t.Error(err)
				}
				renewals <- count
			}()
		}
		client, server := n.Client(), ctl.Server()
		near, far := net.Pipe()
		echoed := make(chan struct{})
		go func() {
			defer close(echoed)
			conn := tls.Server(far, server)
			_, _ = io.Copy(conn, conn)
		}()
		lasting := tls.Client(near, client)
		seen := map[pki.Pin]bool{}
		for range 24 * 12 {
			time.Sleep(5 * time.Minute)
			if peer, clientErr, serverErr := shake(t, client, server); clientErr != nil || serverErr != nil || peer != node("n1") {
				t.Fatalf("after %d keys: %v, %v, %v", len(seen), clientErr, serverErr, peer)
			}
			if n.Expired() {
				t.Fatal("the certificate has expired")
			}
			seen[pki.PinOf(n.Certificate())] = true
			echo := make([]byte, 1)
			if _, err := lasting.Write([]byte("x")); err != nil {
				t.Fatalf("the connection that lasts: %v", err)
			}
			if _, err := io.ReadFull(lasting, echo); err != nil {
				t.Fatalf("the connection that lasts: %v", err)
			}
		}
		cancel()
		for range 2 {
			if count := <-renewals; count < 200 || count > 235 {
				t.Errorf("%d renewals in a day", count)
			}
		}
		if len(seen) < 200 {
			t.Errorf("%d keys in a day", len(seen))
		}
		_ = near.Close()
		<-echoed
	})
}

// TestFolderIsUsableAtEveryInstant stops between the writes of a renewal.
func TestFolderIsUsableAtEveryInstant(t *testing.T) {
	c := clock.NewSeeded(1, start())
	a := newAuthority(t, c)
	dir := t.TempDir()
	open := func() *pki.Credentials {
		t.Helper()
		m, err := pki.OpenCredentials(dir, c)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first, err := open().Request(node("n1"), pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	m := open() // killed before the answer: the same key asks again
	second, err := m.Request(node("n1"), pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	if pinOf(t, first) != pinOf(t, second) || m.Joined() {
		t.Error("the repeated request is for another key")
	}
	enter(t, m, a, node("n1"), time.Hour)
	used, err := os.ReadFile(filepath.Join(dir, "identity.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if m = open(); !m.Joined() || m.Subject() != node("n1") {
		t.Error("the certificate was not kept")
	}
	// Killed after the certificate was written and before the key was taken away.
	block, _ := pem.Decode(used)
	if err := os.WriteFile(filepath.Join(dir, "next-key.pem"), pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".new-1"), []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	m = open()
	if err := m.Renew(t.Context(), pki.Names{}, issueTo(t, a, time.Hour)); err != nil {
		t.Fatal(err)
	}
	before := pki.PinOf(m.Certificate())
	if err := m.Renew(t.Context(), pki.Names{}, issueTo(t, a, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if pki.PinOf(m.Certificate()) == before {
		t.Error("the key was not changed")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

func pinOf(t *testing.T, text []byte) pki.Pin {
	t.Helper()
	r, err := pki.ParseRequest(text)
	if err != nil {
		t.Fatal(err)
	}
	return r.Pin
}

func TestAnswersThatAreNotAccepted(t *testing.T) {
	c := clock.NewSeeded(1, start())
	a := newAuthority(t, c)
	m := member(t, c, a, node("n1"), time.Hour)
	kept := pki.PinOf(m.Certificate())
	request, err := m.Request(node("n1"), pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := issueTo(t, a, time.Hour)(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := issueTo(t, newAuthority(t, c), time.Hour)(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	other := member(t, c, a, node("n1"), time.Hour)
	text, err := other.Request(node("n1"), pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	notMine, err := issueTo(t, a, time.Hour)(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(chain)
	for what, test := range map[string]struct {
		chain   []byte
		subject pki.Subject
	}{
		"another authority": {foreign, node("n1")}, "another key": {notMine, node("n1")}, "another subject": {chain, node("n2")},
		"no authority": {pem.EncodeToMemory(block), node("n1")}, "garbage": {[]byte("x"), node("n1")}, "nothing": {nil, node("n1")},
	} {
		if err := m.Accept(test.chain, test.subject); err == nil || pki.PinOf(m.Certificate()) != kept {
			t.Errorf("%s: it was accepted", what)
		}
	}
	if err := m.Accept(chain, node("n1")); err != nil || pki.PinOf(m.Certificate()) == kept {
		t.Errorf("the right answer: %v", err)
	}
}

func TestSignatures(t *testing.T) {
	c := clock.NewSeeded(1, start())
	m := member(t, c, newAuthority(t, c), node("n1"), time.Hour)
	signature, public, err := m.Sign([]byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	if pin, err := pki.VerifySignature([]byte("message"), signature, public); err != nil || pin != pki.PinOf(m.Certificate()) {
		t.Errorf("%v, %v", pin, err)
	}
	for what, test := range map[string][3][]byte{
		"message": {[]byte("massage"), signature, public}, "signature": {[]byte("message"), []byte("x"), public}, "key": {[]byte("message"), signature, []byte("x")},
	} {
		if _, err := pki.VerifySignature(test[0], test[1], test[2]); err == nil {
			t.Errorf("another %s is verified", what)
		}
	}
	empty, err := pki.OpenCredentials(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := empty.Sign(nil); !errors.Is(err, pki.ErrNoIdentity) || empty.Joined() || !empty.Expired() {
		t.Errorf("without a certificate: %v", err)
	}
}

func TestBrokenFoldersAreNamed(t *testing.T) {
	c := clock.NewSeeded(1, start())
	for what, text := range map[string]string{"garbage": "x", "empty": "", "no key": string(newAuthority(t, c).Certificate())} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "identity.pem"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := pki.OpenCredentials(dir, c); err == nil || !strings.Contains(err.Error(), "identity.pem") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
