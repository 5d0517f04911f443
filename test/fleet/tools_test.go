package fleet

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"virga/app"
	"virga/core/conf"
	"virga/core/pki"
	"virga/test/cloud"
)

// selfSigned makes a certificate for a name, as an operator brings one.
func selfSigned(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, own.Public(), own)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// insecure writes a clouds.yaml whose reader trusts any certificate.
func insecure(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	text = bytes.Replace(text, []byte("        interface: public"), []byte("        interface: public\n        verify: false"), 1)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runAll runs a whole cloud instead of a node.
func (m *machine) runAll(t *testing.T, settings *conf.Config) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	m.stop, m.ended = stop, ended
	t.Cleanup(func() { m.end(t) })
	go func() {
		defer close(ended)
		m.err = app.Up(ctx, settings, "test", io.Discard, m.log)
	}()
}

// await looks until something is so.
func await(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: it does not come", what)
		}
	}
}

// renewer renews as a node does, over a client's connections.
func renewer(t *testing.T, client *http.Client, c *cloud.Cloud) pki.Renewer {
	t.Helper()
	return func(_ context.Context, request []byte) ([]byte, error) {
		body, err := json.Marshal(object{"request": string(request)})
		if err != nil {
			return nil, err
		}
		status, text := ask(t, client, "POST", c.Base+"/fleet/v1/renew", string(body))
		if status != http.StatusOK {
			return nil, fmt.Errorf("%d %s", status, text)
		}
		var answer struct{ Certificate string }
		return []byte(answer.Certificate), json.Unmarshal([]byte(text), &answer)
	}
}
