package amqp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rabbitmq/amqp091-go"
)

// address is a parsed URL. It has no String of its own: the password is never printed.
type address struct {
	hosts    []string // with ports
	user     string
	password string
	vhost    string
	tls      *tls.Config // nil without TLS; ServerName is empty when the host's name counts
	external bool        // the client certificate says who we are
}

// CheckURL tells what is wrong with a broker's address, without its password. Certificates
// that it names are read.
func CheckURL(text string) error {
	_, err := parse(text)
	return err
}

// parse reads amqp[s]://USER:PASSWORD@HOST[:PORT][,HOST…]/VHOST[?cacertfile=…]. Parts of the
// text are shown in errors only when they come after the password and cannot be part of it.
func parse(text string) (*address, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || scheme != "amqp" && scheme != "amqps" {
		return nil, errors.New("a broker's address begins with amqp:// or amqps://")
	}
	port := "5672"
	if scheme == "amqps" {
		port = "5671"
	}
	if strings.ContainsAny(text, " \t\r\n") {
		return nil, errors.New("a broker's address has no spaces in it")
	}
	authority, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(authority, "/")
	a := &address{vhost: "/"}
	identity, hosts, named := cutLast(authority, "@")
	if err := a.setHosts(hosts, port); err != nil {
		return nil, err
	}
	if path != "" {
		vhost, err := url.PathUnescape(path)
		if err != nil {
			return nil, errors.New("the virtual host in a broker's address is badly escaped (what is not a letter or digit is written %XX)")
		}
		a.vhost = vhost
	}
	if err := a.setOptions(query, scheme == "amqps"); err != nil {
		return nil, err
	}
	if !named {
		if a.tls != nil && len(a.tls.Certificates) > 0 {
			a.external = true
			return a, nil
		}
		return nil, errors.New("a broker's address names the user: amqp://USER:PASSWORD@HOST/VHOST")
	}
	user, password, _ := strings.Cut(identity, ":")
	var err, err2 error
	a.user, err = url.PathUnescape(user)
	a.password, err2 = url.PathUnescape(password)
	if err != nil || err2 != nil || a.user == "" || a.password == "" {
		return nil, errors.New("user and password in a broker's address are not empty, and what is not a letter or digit is written %XX")
	}
	return a, nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return "", text, false
}

// setHosts reads "host", "host:port", "[::1]:port", several of them with commas.
func (a *address) setHosts(hosts, port string) error {
	for host := range strings.SplitSeq(hosts, ",") {
		name, number, err := net.SplitHostPort(host)
		if err != nil {
			name, number = strings.Trim(host, "[]"), port
		}
		if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 || name == "" || strings.ContainsAny(name, ":@") && net.ParseIP(name) == nil {
			// Not shown: with a password that is not escaped, this is a part of it.
			return errors.New("a broker's address names hosts as HOST or HOST:PORT, joined by commas; in a password what is not a letter or digit is written %XX")
		}
		a.hosts = append(a.hosts, net.JoinHostPort(name, number))
	}
	return nil
}

// setOptions reads what may follow the "?": the files for TLS.
func (a *address) setOptions(query string, secure bool) error {
	options, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what follows the ? of a broker's address is NAME=VALUE, joined by &")
	}
	known := []string{"cacertfile", "certfile", "keyfile", "server_name_indication"}
	for name, values := range options {
		switch {
		case !slices.Contains(known, name):
			return fmt.Errorf("a broker's address has an option that is none of %s", strings.Join(known, ", "))
		case len(values) != 1 || values[0] == "":
			return fmt.Errorf("the option %s of a broker's address has one value", name)
		case !secure:
			return fmt.Errorf("the option %s of a broker's address is for amqps:// only", name)
		}
	}
	if !secure {
		return nil
	}
	a.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: options.Get("server_name_indication")}
	if file := options.Get("cacertfile"); file != "" {
		certificates, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read the CA of the broker: %w", err)
		}
		a.tls.RootCAs = x509.NewCertPool()
		if !a.tls.RootCAs.AppendCertsFromPEM(certificates) {
			return fmt.Errorf("read the CA of the broker: no certificate is in %s", file)
		}
	}
	certificate, key := options.Get("certfile"), options.Get("keyfile")
	if (certificate == "") != (key == "") {
		return errors.New("the options certfile and keyfile of a broker's address come together")
	}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return fmt.Errorf("read the client certificate for the broker: %w", err)
		}
		a.tls.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// login is how we say who we are. The library erases passwords after use, so it gets a new one each time.
func (a *address) login() []amqp091.Authentication {
	if a.external {
		return []amqp091.Authentication{&amqp091.ExternalAuth{}}
	}
	return []amqp091.Authentication{&amqp091.PlainAuth{Username: a.user, Password: a.password}}
}
