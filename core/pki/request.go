package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Names are the addresses under which a server is reached, for certificates of servers
// that others than Virga's own talk to.
type Names struct {
	DNS       []string
	Addresses []netip.Addr
}

// Request is a checked request for a certificate (PKCS #10).
type Request struct {
	// Subject and Names are what the requester wants; the issuer decides.
	Subject Subject
	Names   Names
	// Pin identifies the key that has signed the request.
	Pin Pin
	key *ecdsa.PublicKey
}

// The greatest numbers that a request may hold: its bytes and its names of either sort.
const (
	maxRequest = 16 << 10
	maxNames   = 64
)

// ErrRequest is wrapped by errors about requests that are not granted whoever asks.
var ErrRequest = errors.New("request for a certificate is not acceptable")

func refuse(format string, args ...any) error {
	return fmt.Errorf("read request: %s: %w", fmt.Sprintf(format, args...), ErrRequest)
}

// ParseRequest reads a request in PEM. It must be signed by the P-256 key that it is for
// and ask for names alone: no authority, no usages, no extension of any other sort.
func ParseRequest(text []byte) (*Request, error) {
	if len(text) > maxRequest {
		return nil, refuse("more than %d bytes", maxRequest)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(block.Headers) > 0 || len(trim(rest)) > 0 {
		return nil, refuse("not one PEM block of type CERTIFICATE REQUEST")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, refuse("%.200q", err.Error())
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, refuse("the key is not an ECDSA key on P-256")
	}
	if csr.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		return nil, refuse("the signature is not ECDSA with SHA-256")
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, refuse("the signature is not the key's")
	}
	for _, extension := range csr.Extensions {
		if !extension.Id.Equal(subjectAltName()) {
			return nil, refuse("it asks for the extension %s", extension.Id)
		}
	}
	r := &Request{Pin: PinOfKey(csr.RawSubjectPublicKeyInfo), key: key}
	if r.Subject, err = subjectOf(csr.URIs); err != nil {
		return nil, refuse("%s", err)
	}
	if len(csr.EmailAddresses) > 0 || len(csr.DNSNames) > maxNames || len(csr.IPAddresses) > maxNames {
		return nil, refuse("it asks for mail addresses or for more than %d names", maxNames)
	}
	r.Names, err = namesOf(csr.DNSNames, csr.IPAddresses)
	return r, err
}

func subjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

func namesOf(dns []string, addresses []net.IP) (Names, error) {
	var names Names
	for _, text := range dns {
		if !ValidDNSName(text) {
			return Names{}, refuse("%.200q is not a host name", text)
		}
		names.DNS = append(names.DNS, text)
	}
	for _, raw := range addresses {
		address, ok := netip.AddrFromSlice(raw)
		if !ok {
			return Names{}, refuse("an address has %d bytes", len(raw))
		}
		names.Addresses = append(names.Addresses, address.Unmap())
	}
	return names, nil
}

// Covers tells whether all names of other are among n's.
func (n Names) Covers(other Names) bool {
	for _, text := range other.DNS {
		if !slices.Contains(n.DNS, text) {
			return false
		}
	}
	for _, address := range other.Addresses {
		if !slices.Contains(n.Addresses, address) {
			return false
		}
	}
	return true
}

// newRequest makes a request for a key.
func newRequest(key *ecdsa.PrivateKey, subject Subject, names Names) ([]byte, error) {
	if !subject.Valid() {
		return nil, fmt.Errorf("make request for %.200q: %w", subject.String(), ErrSubject)
	}
	template := &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: subject.Name},
		DNSNames: names.DNS, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	template.URIs = append(template.URIs, subject.uri())
	for _, address := range names.Addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("make request for %s: %w", subject, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}
