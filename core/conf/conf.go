// Package conf is the configuration: one struct with defaults, help and units, filled
// from a TOML file, the environment and flags, in rising order of precedence.
//
// It owns the settings' names. A setting that nobody knows is an error. Only app and
// cmd import it: what a service needs is handed to it.
package conf

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
)

// Config is every setting of `virga up` and `virga run`. Names in the file are the flags'
// names, with - or _; the environment's are VIRGA_ and the name in capitals.
type Config struct {
	// Roles are given by the command: those named for run; none stands for all.
	Roles Roles `kong:"-"`
	// EndpointGiven tells, after Complete, that Endpoint is no default.
	EndpointGiven bool `kong:"-"`
	// PolicyDirGiven tells, after Complete, that PolicyDir is no default and has to be there.
	PolicyDirGiven bool `kong:"-"`

	DataDir  string `name:"data-dir" env:"VIRGA_DATA_DIR" default:"/var/lib/virga" help:"Folder for databases, images, disks, keys and credentials."`
	Database Secret `name:"database" env:"VIRGA_DATABASE" placeholder:"URL" help:"Database server: postgres://USER:PASSWORD@HOST/NAME (a schema for each service is made in it) or mysql://USER:PASSWORD@HOST/NAME (MariaDB; databases NAME_identity … are made), or sqlite:FOLDER; default: SQLite files in the data folder. In a command line everybody can read the password; give the variable or the file instead." json:"-"`
	Bus      Secret `name:"bus" env:"VIRGA_BUS" default:"local" placeholder:"URL" help:"What carries doorbells between the processes of a cloud: amqp://USER:PASSWORD@HOST/VHOST or amqps://… (RabbitMQ), or local, which does for a single process." json:"-"`
	Listen   string `name:"listen" env:"VIRGA_LISTEN" default:"127.0.0.1:8780" help:"Address and port to serve all APIs on."`
	Endpoint string `name:"endpoint" env:"VIRGA_ENDPOINT" help:"URL under which clients reach this server; default: http:// (https:// where TLS is on) and the listening address."`
	Internal string `name:"internal-listen" env:"VIRGA_INTERNAL_LISTEN" placeholder:"ADDRESS:PORT" help:"Address and port where other processes of the cloud reach this one, under mutual TLS; default: the address of --listen (or of --tunnel-ip, when that is every address) and a port that the system chooses."`
	TLS      string `name:"tls" env:"VIRGA_TLS" enum:"auto,on,off" default:"auto" help:"Serve over TLS: on, off, or auto: wherever the listening address is not loopback. Machines can join only where it is on."`
	TLSCert  string `name:"tls-cert" env:"VIRGA_TLS_CERT" placeholder:"FILE" help:"Certificate chain in PEM to show to clients instead of one of the cloud's own authority; read again when it changes."`
	TLSKey   string `name:"tls-key" env:"VIRGA_TLS_KEY" placeholder:"FILE" help:"Private key of that certificate in PEM."`
	// CertificateLife 0 stands for the default.
	CertificateLife time.Duration `name:"certificate-life" env:"VIRGA_CERTIFICATE_LIFE" default:"24h" help:"How long certificates of the cloud's own processes are valid; they are renewed when two thirds of it are over."`

	Region string `name:"region" env:"VIRGA_REGION" default:"RegionOne" help:"Name of the region in the catalog."`
	Host   string `name:"host" env:"VIRGA_HOST" help:"Name of this machine as a compute and network node; default: the host name."`

	ImagesDir string `name:"images-dir" env:"VIRGA_IMAGES_DIR" placeholder:"DIR" help:"Folder for the content of images; processes that share it share the work of serving them. Default: images in the data folder."`

	PolicyDir string `name:"policy-dir" env:"VIRGA_POLICY_DIR" placeholder:"DIR" help:"Folder of policy files, SERVICE.yaml or SERVICE.json (identity, image, compute, network, placement, fleet), whose rules take the place of the defaults; read again when they change. Default: policy in the data folder, where there is one."`

	TokenProvider string `name:"token-provider" env:"VIRGA_TOKEN_PROVIDER" enum:"fernet,jws" default:"fernet" help:"Kind of new tokens: fernet (sealed, short) or jws (signed, readable by everybody). Tokens of both kinds are accepted, so it can be changed at any time."`

	Virt          string `name:"virt" env:"VIRGA_VIRT" enum:"auto,libvirt,fake" default:"auto" help:"Hypervisor: libvirt for real guests, fake for simulated ones, auto: libvirt where it answers."`
	LibvirtSocket string `name:"libvirt-socket" env:"VIRGA_LIBVIRT_SOCKET" default:"/run/libvirt/libvirt-sock" help:"Socket of libvirtd."`

	ResizeOnSameHost bool `name:"resize-on-same-host" env:"VIRGA_RESIZE_ON_SAME_HOST" help:"Let a server that is resized stay on its host although there are others; its disk then grows in place."`

	// KeepImages is nova's remove_unused_original_minimum_age_seconds.
	KeepImages time.Duration `name:"image-cache-age" env:"VIRGA_IMAGE_CACHE_AGE" default:"24h" help:"How long this host keeps a cached image that no server needs; 0: it goes at once."`

	// ShelvedOffload is nova's shelved_offload_time.
	ShelvedOffload time.Duration `name:"shelved-offload-time" env:"VIRGA_SHELVED_OFFLOAD_TIME" help:"How long a shelved server stays on its host; default: it leaves at once, a negative time: it stays."`

	RateLimits []string `name:"compute-rate-limit" env:"VIRGA_COMPUTE_RATE_LIMIT" placeholder:"METHOD PATH COUNT/UNIT" help:"Bound how many requests of a project the compute API takes: 'POST /servers 10/minute', '* * 100/second'; in a path * stands for anything. All processes count together. Default: no limits."`

	// ReclaimAfter is nova's reclaim_instance_interval.
	ReclaimAfter time.Duration `name:"reclaim-instance-interval" env:"VIRGA_RECLAIM_INSTANCE_INTERVAL" help:"How long a deleted server waits, powered off, to be restored, before it really goes; default: it goes at once."`

	// ResumeGuests is nova's resume_guests_state_on_host_boot.
	ResumeGuests bool `name:"resume-guests-state-on-host-boot" env:"VIRGA_RESUME_GUESTS_STATE_ON_HOST_BOOT" help:"Start guests of this node again that ran when the machine, or this program, went down; default: they are left off."`
	// MemoryStatsPeriod is nova's mem_stats_period_seconds.
	MemoryStatsPeriod time.Duration `name:"memory-stats-period" env:"VIRGA_MEMORY_STATS_PERIOD" default:"10s" help:"How often guests of this node tell how much memory they use, in whole seconds; 0s: they have no memory balloon."`

	ExternalCIDR string `name:"external-cidr" env:"VIRGA_EXTERNAL_CIDR" default:"172.24.4.0/24" help:"Addresses of the external network 'public' that a fresh cloud gets."`
	PrivateCIDR  string `name:"private-cidr" env:"VIRGA_PRIVATE_CIDR" default:"10.0.0.0/24" help:"Addresses of the network 'private' that a fresh cloud gets."`
	TunnelIP     string `name:"tunnel-ip" env:"VIRGA_TUNNEL_IP" default:"127.0.0.1" help:"Address of this machine that VXLAN packets of other nodes come to."`
	NodeListen   string `name:"node-listen" env:"VIRGA_NODE_LISTEN" placeholder:"ADDRESS:PORT" help:"Address and port where other nodes fetch disks from this one, under mutual TLS; default: --tunnel-ip and port 8781 (on loopback one that the system chooses)."`
	ExternalNAT  bool   `name:"external-nat" env:"VIRGA_EXTERNAL_NAT" help:"Masquerade traffic of a fresh cloud's external network behind this machine's own address, so that guests reach the world."`

	AdminPassword string `name:"admin-password" env:"VIRGA_ADMIN_PASSWORD" help:"Password of the user admin when the data folder is new; default: a random one." json:"-"`

	Passwords  `embed:""`
	Imports    `embed:""`
	Images     `embed:""`
	Fakes      `embed:""`
	Metrics    `embed:""`
	Moves      `embed:""`
	Shares     `embed:""`
	Scheduler  `embed:""`
	Processors `embed:""`

	Notifications Secret `name:"notifications" env:"VIRGA_NOTIFICATIONS" placeholder:"URL" help:"RabbitMQ on which changes are published as OpenStack's notifications: amqp://USER:PASSWORD@HOST/VHOST, with options behind a ?: topics=notifications and versioned_topics=versioned_notifications (lists with commas, or none), durable=true, identity=basic. Default: they are not published." json:"-"`

	LogLevel  string `name:"log-level" env:"VIRGA_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"Least level of log records."`
	LogFormat string `name:"log-format" env:"VIRGA_LOG_FORMAT" enum:"text,json" default:"text" help:"Form of log records."`
}

// Secret is a setting that is not shown: whatever prints or logs it gets three stars.
type Secret string

// Reveal is the setting itself.
func (s Secret) Reveal() string { return string(s) }

// String gives stars.
func (s Secret) String() string { return "***" }

// Format implements fmt.Formatter: it gives stars for every verb.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "***") }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Complete fills in what follows from other settings and refuses what cannot work.
func (c *Config) Complete() error {
	for _, part := range []interface{ complete() error }{&c.Passwords, &c.Imports, &c.Images, &c.Metrics, &c.Moves, &c.Scheduler, &c.Shares} {
		if err := part.complete(); err != nil {
			return err
		}
	}
	if err := c.Fakes.complete(c.Virt); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q is not ADDRESS:PORT", c.Listen)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("listen: %q is not a port from 0 to 65535", port)
	}
	c.EndpointGiven = c.Endpoint != ""
	if c.Endpoint == "" {
		if number == 0 {
			return fmt.Errorf("endpoint: it must be given when the port is chosen by the system (%s)", c.Listen)
		}
		if address, err := netip.ParseAddr(host); host == "" || err == nil && address.IsUnspecified() {
			return fmt.Errorf("endpoint: it must be given when listening on every address (%s)", c.Listen)
		}
		c.Endpoint = c.scheme() + c.Listen
	}
	c.Endpoint = strings.TrimSuffix(c.Endpoint, "/")
	if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		(u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("endpoint: %q is not an http or https URL of scheme, host and path", c.Endpoint)
	}
	external, err := network("external-cidr", c.ExternalCIDR)
	if err != nil {
		return err
	}
	private, err := network("private-cidr", c.PrivateCIDR)
	if err != nil {
		return err
	}
	if private.Overlaps(external) {
		return fmt.Errorf("private-cidr: %s overlaps external-cidr %s", private, external)
	}
	if _, err := netip.ParseAddr(c.TunnelIP); err != nil {
		return fmt.Errorf("tunnel-ip: %q is not an IP address", c.TunnelIP)
	}
	if c.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("host: %w", err)
		}
		c.Host = name
	}
	if !hostName.MatchString(c.Host) {
		return fmt.Errorf("host: %q is not a name of at most 64 letters, digits, dots, underscores and hyphens", c.Host)
	}
	if c.DataDir, err = filepath.Abs(c.DataDir); err != nil {
		return fmt.Errorf("data-dir: %w", err)
	}
	if c.ImagesDir == "" {
		c.ImagesDir = filepath.Join(c.DataDir, "images")
	}
	if c.ImagesDir, err = filepath.Abs(c.ImagesDir); err != nil {
		return fmt.Errorf("images-dir: %w", err)
	}
	if c.PolicyDir == "" {
		c.PolicyDir = filepath.Join(c.DataDir, "policy")
	}
	if c.PolicyDir, err = filepath.Abs(c.PolicyDir); err != nil {
		return fmt.Errorf("policy-dir: %w", err)
	}
	c.PolicyDirGiven = c.PolicyDir != filepath.Join(c.DataDir, "policy")
	if err := c.completeSecurity(); err != nil {
		return err
	}
	return c.completeProcess(host)
}

// hostName is what becomes part of addresses, topics and leases.
var hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func network(name, cidr string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil || !prefix.Addr().Is4() || prefix.Bits() > 28 || prefix != prefix.Masked() {
		return prefix, fmt.Errorf("%s: %q is not an IPv4 network of at least 16 addresses", name, cidr)
	}
	return prefix, nil
}

// File reads settings from a TOML file. A key that is no setting is an error.
func File(path string) (kong.Resolver, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	var values map[string]any
	if err := toml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	settings := map[string]any{}
	for key, value := range values {
		switch value.(type) {
		case string, bool, int64, float64:
		default:
			return nil, fmt.Errorf("read configuration %s: %s is not a single value", path, key)
		}
		name := strings.ReplaceAll(key, "_", "-")
		if _, twice := settings[name]; twice {
			return nil, fmt.Errorf("read configuration %s: %s is set twice", path, name)
		}
		settings[name] = value
	}
	return &file{path, settings}, nil
}

type file struct {
	path     string
	settings map[string]any
}

// Validate implements kong.Resolver: every key must be a flag.
func (f *file) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for key := range f.settings {
		if !known[key] {
			return fmt.Errorf("configuration %s: there is no setting %q", f.path, key)
		}
	}
	return nil
}

// Resolve implements kong.Resolver. The environment goes before the file.
func (f *file) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return f.settings[flag.Name], nil
}
