package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Server is the address of the database server, empty when the data is in SQLite files.
func (c *Config) Server() string {
	if address := c.Database.Reveal(); !strings.HasPrefix(address, "sqlite:") {
		return address
	}
	return ""
}

// FilesFolder is the folder of the SQLite files when the setting database names one.
func (c *Config) FilesFolder() string {
	folder, _ := strings.CutPrefix(c.Database.Reveal(), "sqlite:")
	if c.Server() != "" {
		return ""
	}
	return strings.TrimPrefix(folder, "//")
}

// Shared tells whether other processes of the cloud can hear this one.
func (c *Config) Shared() bool { return c.Bus.Reveal() != "local" }

// completeProcess completes the settings by which processes work together, and refuses
// roles that cannot work with them. listenHost is the host of the setting listen.
func (c *Config) completeProcess(listenHost string) error {
	if err := c.completeBus(); err != nil {
		return err
	}
	if strings.HasPrefix(c.Database.Reveal(), "sqlite:") && c.FilesFolder() == "" {
		return errors.New("database: sqlite: needs the folder for the files, as in sqlite:/var/lib/virga/db")
	}
	if !c.Roles.Controls() && !c.Roles.Node {
		c.Roles = AllRoles()
	}
	if !c.Roles.Controls() && c.Server() == "" { // a node that has joined needs neither
		return nil
	}
	if c.Server() == "" {
		if !c.Roles.Whole() {
			return fmt.Errorf("roles: %s needs other processes, and SQLite files serve one process alone: it must be api, conductor and scheduler,"+
				" or the data must be on a database server (--database postgres://… or mysql://…)", c.Roles)
		}
		if c.Shared() {
			return errors.New("bus: SQLite files serve one process alone, which needs no broker: leave --bus local, or give --database postgres://… or mysql://…")
		}
	}
	if !c.Roles.Whole() && !c.Shared() {
		return fmt.Errorf("roles: %s needs other processes, which hear of nothing with --bus local: give --bus amqp://…", c.Roles)
	}
	return c.completeInternal(listenHost)
}

func (c *Config) completeBus() error {
	if c.Bus == "" {
		c.Bus = "local"
	}
	if !c.Shared() {
		return nil
	}
	u, err := url.Parse(c.Bus.Reveal()) // its error would show the password
	if err != nil || u.Scheme != "amqp" && u.Scheme != "amqps" || u.Host == "" {
		return errors.New("bus: it is neither local nor a URL like amqp://user:password@host/vhost")
	}
	return nil
}

// completeInternal finds an address that others can reach this process at.
func (c *Config) completeInternal(listenHost string) error {
	if c.Internal == "" {
		if every(listenHost) {
			listenHost = c.TunnelIP
		}
		c.Internal = net.JoinHostPort(listenHost, "0")
	}
	host, _, err := net.SplitHostPort(c.Internal)
	if err != nil {
		return fmt.Errorf("internal-listen: %q is not ADDRESS:PORT", c.Internal)
	}
	if every(host) {
		return fmt.Errorf("internal-listen: %q is every address, other processes need to know one", c.Internal)
	}
	return nil
}

// every tells whether a listener at host listens on all addresses of the machine.
func every(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "" || err == nil && address.IsUnspecified()
}
