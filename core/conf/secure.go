package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Words of the setting tls.
const (
	tlsAuto = "auto"
	tlsOn   = "on"
	tlsOff  = "off"
)

// Secure tells whether the listening address is served over TLS.
func (c *Config) Secure() bool {
	switch c.TLS {
	case tlsOn:
		return true
	case tlsOff:
		return false
	}
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && !loopback(host)
}

// Exposed tells whether the operator has asked for plain HTTP where others can listen in.
func (c *Config) Exposed() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return c.TLS == tlsOff && err == nil && !loopback(host)
}

// loopback tells whether a listener at host hears this machine alone.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

func (c *Config) scheme() string {
	if c.Secure() {
		return "https://"
	}
	return "http://"
}

// The bounds of the setting certificate-life.
const (
	minLife = 10 * time.Second
	maxLife = 397 * 24 * time.Hour
)

// completeSecurity completes the settings of TLS; the endpoint is known.
func (c *Config) completeSecurity() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("tls-cert: it and tls-key are given together")
	case c.TLSCert != "" && !c.Secure():
		return errors.New("tls-cert: it is for TLS, which is off: give --tls on")
	case c.Secure() && strings.HasPrefix(c.Endpoint, "http://"):
		return fmt.Errorf("endpoint: %s is not what is served, TLS is on: it must begin with https:// (or give --tls off)", c.Endpoint)
	}
	if c.CertificateLife == 0 {
		c.CertificateLife = 24 * time.Hour
	}
	if c.CertificateLife < minLife || c.CertificateLife > maxLife {
		return fmt.Errorf("certificate-life: %s is not between %s and %s", c.CertificateLife, minLife, maxLife)
	}
	if c.NodeListen == "" {
		port := "8781" // one that firewalls can be told of
		if loopback(c.TunnelIP) {
			port = "0"
		}
		c.NodeListen = net.JoinHostPort(c.TunnelIP, port)
	}
	host, _, err := net.SplitHostPort(c.NodeListen)
	if err != nil {
		return fmt.Errorf("node-listen: %q is not ADDRESS:PORT", c.NodeListen)
	}
	if address, err := netip.ParseAddr(host); err != nil || address.IsUnspecified() {
		return fmt.Errorf("node-listen: %q is not one address of this machine; other nodes need to know one", c.NodeListen)
	}
	return nil
}
