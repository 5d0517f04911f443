package compute

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the form of fingerprint that the API has; nothing is trusted for it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"virga/core/token"
)

// Key pairs of type x509 are certificates with which Windows guests let users in (WinRM).

// certificateYears is how long a certificate of the service's own making holds.
const certificateYears = 10

// userPrincipalName is the kind of name that WinRM looks for (OID of Microsoft's).
func userPrincipalName() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
}

// generateCertificate makes a certificate that signs itself, for a user, and its key.
func generateCertificate(userID string, now time.Time) (string, token.Secret, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", fmt.Errorf("generate key pair: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return "", "", fmt.Errorf("generate key pair: %w", err)
	}
	names, err := principalNames(userID + "@localhost")
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: userID}, NotBefore: now.Add(-time.Minute), NotAfter: now.AddDate(certificateYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ExtraExtensions: []pkix.Extension{names}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", fmt.Errorf("generate key pair: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("generate key pair: %w", err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return strings.TrimSpace(string(public)), token.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), nil
}

// principalNames is the extension subjectAltName with a user principal name (RFC 5280, otherName).
func principalNames(name string) (pkix.Extension, error) {
	type otherName struct {
		Kind  asn1.ObjectIdentifier
		Value string `asn1:"tag:0,explicit,utf8"`
	}
	inner, err := asn1.MarshalWithParams(otherName{userPrincipalName(), name}, "tag:0")
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("write user principal name: %w", err)
	}
	value, err := asn1.Marshal([]asn1.RawValue{{FullBytes: inner}})
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("write user principal name: %w", err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}, nil
}

// fingerprintOfCertificate is the SHA-1 of a certificate in PEM.
func fingerprintOfCertificate(text string) (string, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return "", errors.New("the public key is no certificate in PEM")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return "", fmt.Errorf("read certificate: %w", err)
	}
	sum := sha1.Sum(block.Bytes) //nolint:gosec // see above
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":"), nil
}
