package pki_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"virga/core/clock"
	"virga/core/pki"
)

func start() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }

func newAuthority(t testing.TB, c clock.Clock) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(c, "test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func key(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func uri(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func csr(t testing.TB, template *x509.CertificateRequest, k crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func extension(t testing.TB, id asn1.ObjectIdentifier, value any) []pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return []pkix.Extension{{Id: id, Value: der}}
}

func TestRequestsThatAreRefused(t *testing.T) {
	good := func() *x509.CertificateRequest {
		return &x509.CertificateRequest{URIs: []*url.URL{uri(t, "virga://node/n1")}}
	}
	with := func(change func(*x509.CertificateRequest)) *x509.CertificateRequest {
		template := good()
		change(template)
		return template
	}
	p256 := key(t, elliptic.P256())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	plain := csr(t, good(), p256)
	block, _ := pem.Decode(plain)
	broken := bytes.Clone(block.Bytes)
	broken[len(broken)-1] ^= 1
	many := strings.Split(strings.Repeat("a.example ", 65), " ")[:65]
	for what, text := range map[string][]byte{
		"RSA":             csr(t, good(), rsaKey),
		"P-384":           csr(t, good(), key(t, elliptic.P384())),
		"SHA-512":         csr(t, with(func(r *x509.CertificateRequest) { r.SignatureAlgorithm = x509.ECDSAWithSHA512 }), p256),
		"other signature": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: broken}),
		"an authority": csr(t, with(func(r *x509.CertificateRequest) {
			r.ExtraExtensions = extension(t, asn1.ObjectIdentifier{2, 5, 29, 19}, struct{ CA bool }{true})
		}), p256),
		"key usage": csr(t, with(func(r *x509.CertificateRequest) {
			r.ExtraExtensions = extension(t, asn1.ObjectIdentifier{2, 5, 29, 15}, asn1.BitString{Bytes: []byte{6}, BitLength: 8})
		}), p256),
		"two subjects":       csr(t, with(func(r *x509.CertificateRequest) { r.URIs = append(r.URIs, uri(t, "virga://controller/c1")) }), p256),
		"no subject":         csr(t, with(func(r *x509.CertificateRequest) { r.URIs = nil }), p256),
		"mail":               csr(t, with(func(r *x509.CertificateRequest) { r.EmailAddresses = []string{"a@b.example"} }), p256),
		"odd host name":      csr(t, with(func(r *x509.CertificateRequest) { r.DNSNames = []string{"a_b.example"} }), p256),
		"many host names":    csr(t, with(func(r *x509.CertificateRequest) { r.DNSNames = many }), p256),
		"other scheme":       csr(t, with(func(r *x509.CertificateRequest) { r.URIs[0] = uri(t, "spiffe://node/n1") }), p256),
		"unknown kind":       csr(t, with(func(r *x509.CertificateRequest) { r.URIs[0] = uri(t, "virga://admin/n1") }), p256),
		"longer path":        csr(t, with(func(r *x509.CertificateRequest) { r.URIs[0] = uri(t, "virga://node/n1/x") }), p256),
		"escaped":            csr(t, with(func(r *x509.CertificateRequest) { r.URIs[0] = uri(t, "virga://node/%6e1") }), p256),
		"with a query":       csr(t, with(func(r *x509.CertificateRequest) { r.URIs[0] = uri(t, "virga://node/n1?") }), p256),
		"with a port":        csr(t, with(func(r *x509.CertificateRequest) { r.URIs[0] = uri(t, "virga://node:1/n1") }), p256),
		"with a user":        csr(t, with(func(r *x509.CertificateRequest) { r.URIs[0] = uri(t, "virga://x@node/n1") }), p256),
		"trailing text":      append(bytes.Clone(plain), plain...),
		"other block":        bytes.ReplaceAll(plain, []byte("CERTIFICATE REQUEST"), []byte("CERTIFICATE")),
		"headers":            bytes.Replace(plain, []byte("REQUEST-----\n"), []byte("REQUEST-----\nX: y\n\n"), 1),
		"too long":           append(bytes.Clone(plain), bytes.Repeat([]byte("\n"), 17<<10)...),
		"nothing":            nil,
		"garbage in PEM":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte("x")}),
		"garbage at the end": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: append(bytes.Clone(block.Bytes), 0)}),
	} {
		if r, err := pki.ParseRequest(text); !errors.Is(err, pki.ErrRequest) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	r, err := pki.ParseRequest(plain)
	if err != nil || r.Subject != (pki.Subject{Kind: pki.Node, Name: "n1"}) {
		t.Errorf("a good request: %+v, %v", r, err)
	}
}

// TestOddNamesSayNobody has names of any bytes in the URI of a request.
func TestOddNamesSayNobody(t *testing.T) {
	k := key(t, elliptic.P256())
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom([]string{"node", "controller", "Node", "", "nodes", "node\x00"}).Draw(rt, "kind")
		name := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z0-9._-]{0,66}`),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 70), func(b []byte) string { return string(b) }),
			rapid.StringN(0, 20, 70),
		).Draw(rt, "name")
		subject := pki.Subject{Kind: pki.Kind(kind), Name: name}
		good := (kind == "node" || kind == "controller") && len(name) > 0 && len(name) <= 64 && isName(name)
		if subject.Valid() != good {
			rt.Fatalf("%q is valid: %v", subject, subject.Valid())
		}
		for _, u := range []*url.URL{{Scheme: "virga", Host: kind, Path: "/" + name}, {Scheme: "virga", Host: kind, Opaque: "//" + kind + "/" + name}} {
			der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{u}}, k)
			if err != nil {
				continue // the library already writes no such name
			}
			r, err := pki.ParseRequest(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
			if err == nil && (!good || r.Subject != subject) {
				rt.Fatalf("%q gives %+v", u, r.Subject)
			}
			if err != nil && good && u.Opaque == "" {
				rt.Fatalf("%q: %v", u, err)
			}
		}
	})
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return false
		}
	}
	return true
}

func TestIssue(t *testing.T) {
	c := clock.NewSeeded(1, start())
	a := newAuthority(t, c)
	subject := pki.Subject{Kind: pki.Controller, Name: "c1"}
	request := func(dns ...string) *pki.Request {
		t.Helper()
		r, err := pki.ParseRequest(csr(t, &x509.CertificateRequest{URIs: []*url.URL{uri(t, subject.String())}, DNSNames: dns}, key(t, elliptic.P256())))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	names := pki.Names{DNS: []string{"cloud.example"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}}
	issued, err := a.Issue(request("wish.example"), subject, names, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(issued.Chain)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(leaf.DNSNames, " ") != "controller.virga.internal cloud.example" || len(leaf.IPAddresses) != 2 || leaf.IsCA ||
		!leaf.NotAfter.Equal(start().Add(time.Hour)) || !leaf.NotBefore.Equal(start().Add(-pki.Skew)) || !issued.NotAfter.Equal(leaf.NotAfter) ||
		issued.Serial != leaf.SerialNumber.Text(16) || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("%+v", leaf)
	}
	if !bytes.Equal(rest, a.Certificate()) {
		t.Error("the authority's certificate does not follow")
	}
	for what, wrong := range map[string]func() error{
		"another subject": func() error {
			_, err := a.Issue(request(), pki.Subject{Kind: pki.Node, Name: "c1"}, pki.Names{}, time.Hour)
			return err
		},
		"a star over all kinds": func() error {
			_, err := a.Issue(request(), subject, pki.Names{DNS: []string{"*.Virga.Internal"}}, time.Hour)
			return err
		},
		"another kind's name": func() error {
			_, err := a.Issue(request(), subject, pki.Names{DNS: []string{"NODE.virga.internal"}}, time.Hour)
			return err
		},
		"too short": func() error { _, err := a.Issue(request(), subject, names, time.Second); return err },
		"too long":  func() error { _, err := a.Issue(request(), subject, names, 400*24*time.Hour); return err },
	} {
		if wrong() == nil {
			t.Errorf("%s: a certificate was issued", what)
		}
	}
	c.Advance(pki.AuthorityLife - time.Minute)
	issued, err = a.Issue(request(), subject, names, time.Hour)
	if err != nil || issued.NotAfter.After(c.Now().Add(time.Minute)) {
		t.Errorf("a certificate outlives its authority: %v, %v", issued.NotAfter, err)
	}
}

func TestAuthorityIsKept(t *testing.T) {
	c := clock.NewSeeded(1, start())
	a := newAuthority(t, c)
	secret, err := a.Secret()
	if err != nil {
		t.Fatal(err)
	}
	again, err := pki.LoadAuthority(c, secret)
	if err != nil || again.Pin() != a.Pin() || !bytes.Equal(again.Certificate(), a.Certificate()) {
		t.Errorf("read back: %v", err)
	}
	other, err := newAuthority(t, c).Secret()
	if err != nil {
		t.Fatal(err)
	}
	_, certificate := pem.Decode(other)
	ownKey, _ := pem.Decode(secret)
	for what, text := range map[string][]byte{
		"no key": a.Certificate(), "not a pair": append(pem.EncodeToMemory(ownKey), certificate...), "nothing": nil, "garbage": []byte("x"),
		"two keys": append(bytes.Clone(secret), secret...),
	} {
		if _, err := pki.LoadAuthority(c, text); err == nil {
			t.Errorf("%s: it was loaded", what)
		}
	}
}

func TestPins(t *testing.T) {
	a := newAuthority(t, clock.NewSeeded(1, start()))
	back, err := pki.ParsePin(a.Pin().String())
	if err != nil || !back.Equal(a.Pin()) {
		t.Errorf("%v %v", back, err)
	}
	for _, text := range []string{"", "00", strings.ToUpper(a.Pin().String()), a.Pin().String() + "00", strings.Repeat("g", 64)} {
		if _, err := pki.ParsePin(text); err == nil && text != a.Pin().String() {
			t.Errorf("%q is a pin", text)
		}
	}
}
