package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// dnsName is a host name of RFC 1123; a star may take the place of its first label.
var dnsName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// ValidDNSName tells whether the text can stand as a host name in a certificate.
func ValidDNSName(text string) bool { return len(text) <= 253 && dnsName.MatchString(text) }

// internal tells whether a name is among those that tell kinds of processes apart, or
// stands for one of them.
func internal(dns string) bool {
	dns = strings.ToLower(dns)
	return dns == internalDomain || strings.HasSuffix(dns, "."+internalDomain)
}

func trim(text []byte) []byte { return bytes.TrimSpace(text) }

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// bundle is what a PEM text holds.
type bundle struct {
	key          *ecdsa.PrivateKey
	certificates []*x509.Certificate
}

// maxBundle bounds how many certificates a text may hold.
const maxBundle = 16

// parseBundle reads certificates and at most one private key; anything else is refused.
func parseBundle(text []byte) (bundle, error) {
	var b bundle
	for rest := trim(text); len(rest) > 0; rest = trim(rest) {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return b, errors.New("the text is not PEM")
		}
		switch {
		case block.Type == "CERTIFICATE" && len(b.certificates) < maxBundle:
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return b, err
			}
			b.certificates = append(b.certificates, certificate)
		case block.Type == "PRIVATE KEY" && b.key == nil:
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return b, errors.New("the key cannot be read") // the library's words may tell of the key
			}
			key, ok := parsed.(*ecdsa.PrivateKey)
			if !ok || key.Curve != elliptic.P256() {
				return b, errors.New("the key is not an ECDSA key on P-256")
			}
			b.key = key
		default:
			return b, fmt.Errorf("there is a block of type %.40q too many", block.Type)
		}
	}
	return b, nil
}
