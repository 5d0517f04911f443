package conf_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"virga/core/conf"
)

func parse(t *testing.T, text string, args ...string) (conf.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "virga.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var c conf.Config
	resolver, err := conf.File(path)
	if err != nil {
		return c, err
	}
	parser, err := kong.New(&c, kong.Resolvers(resolver), kong.Exit(func(int) {}))
	if err != nil {
		return c, err
	}
	if _, err := parser.Parse(args); err != nil {
		return c, err
	}
	return c, c.Complete()
}

func TestPrecedence(t *testing.T) {
	t.Setenv("VIRGA_REGION", "env")
	c, err := parse(t, "region = \"file\"\nhost = \"file\"\nlog_level = \"warn\"\nlisten = \"127.0.0.1:1\"\n", "--listen", "127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "env" || c.Host != "file" || c.Listen != "127.0.0.1:2" || c.LogLevel != "warn" || c.Endpoint != "http://127.0.0.1:2" {
		t.Errorf("%+v", c)
	}
}

// TestSecretsAreNotShown looks for a password in all that prints or encodes the settings.
func TestSecretsAreNotShown(t *testing.T) {
	const address = "postgres://virga:s3cret@db.example/virga"
	c, err := parse(t, "database = \""+address+"\"\n")
	if err != nil || c.Database.Reveal() != address {
		t.Fatalf("the setting is %q, %v", c.Database.Reveal(), err)
	}
	encoded, err := json.Marshal(map[string]any{"all": c, "one": c.Database})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "one", c.Database, "all", c)
	shown := string(encoded) + log.String() + c.Database.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown += fmt.Sprintf(verb, c) + fmt.Sprintf(verb, c.Database)
	}
	if strings.Contains(shown, "s3cret") || strings.Contains(shown, hex.EncodeToString([]byte("s3cret"))) {
		t.Errorf("shown: %s", shown)
	}
	t.Setenv("VIRGA_DATABASE", "mysql://other/virga")
	if c, err = parse(t, "database = \""+address+"\"\n"); err != nil || c.Database.Reveal() != "mysql://other/virga" {
		t.Errorf("the environment does not go before the file: %q, %v", c.Database.Reveal(), err)
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"colour = \"red\"":                                 "colour",
		"virt = \"xen\"":                                   "virt",
		"listen = \"x\"":                                   "listen",
		"listen = \"127.0.0.1:http\"":                      "listen",
		"listen = \"127.0.0.1:0\"":                         "endpoint",
		"listen = \"[0:0::]:80\"":                          "endpoint",
		"endpoint = \"http://u:p@x\"":                      "endpoint",
		"endpoint = \"http://x/?a=b\"":                     "endpoint",
		"host = \"a/b\"":                                   "host",
		"private-cidr = \"172.24.4.0/25\"":                 "private-cidr",
		"log-level = \"info\"\nlog_level = \"warn\"":       "twice",
		"listen = \"0.0.0.0:80\"":                          "endpoint",
		"endpoint = \"ftp://x\"":                           "endpoint",
		"external-cidr = \"10.0.0.1/24\"":                  "external-cidr",
		"private-cidr = \"10.0.0.0/30\"":                   "private-cidr",
		"tunnel-ip = \"here\"":                             "tunnel-ip",
		"[listen]\nport = 1":                               "listen",
		"listen = ":                                        "configuration",
		"listen = \"10.0.0.1:1\"\nendpoint = \"http://x\"": "https://",
		"tls = \"on\"\nendpoint = \"http://x\"":            "https://",
		"tls = \"on\"\ntls-cert = \"x\"":                   "tls-key",
		"tls-cert = \"x\"\ntls-key = \"y\"":                "--tls on",
		"tls = \"yes\"":                                    "tls",
		"certificate-life = \"1s\"":                        "certificate-life",
		"certificate-life = \"9999h\"":                     "certificate-life",
		"node-listen = \"0.0.0.0:1\"":                      "node-listen",
		"node-listen = \"x\"":                              "node-listen",
		"database = \"sqlite:\"":                           "sqlite",
		"bus = \"kafka://x\"":                              "bus",
		"bus = \"amqp:///x\"":                              "bus",
		"bus = \"amqp://u:p@x/\"":                          "one process alone",
		"internal-listen = \"0.0.0.0:1\"":                  "internal-listen",
		"cpu-allocation-ratio = -1":                        "cpu-allocation-ratio",
		"ram-allocation-ratio = 1e9":                       "ram-allocation-ratio",
		"reserved-host-memory = -1":                        "reserved-host-memory",
		"internal-listen = \"here\"":                       "internal-listen",
	} {
		if _, err := parse(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTLSIsOnWhereOthersListen has listening addresses of all sorts.
func TestTLSIsOnWhereOthersListen(t *testing.T) {
	for text, want := range map[string]string{
		"": "http://127.0.0.1:8780", "listen = \"[::1]:1\"": "http://[::1]:1", "listen = \"localhost:1\"": "http://localhost:1",
		"listen = \"10.0.0.1:1\"": "https://10.0.0.1:1", "listen = \"[fd00::1]:1\"": "https://[fd00::1]:1", "listen = \"cloud.example:1\"": "https://cloud.example:1",
		"listen = \"0.0.0.0:1\"\nendpoint = \"https://cloud.example\"": "https://cloud.example",
		"listen = \"10.0.0.1:1\"\ntls = \"off\"":                       "http://10.0.0.1:1", "tls = \"on\"": "https://127.0.0.1:8780",
		"listen = \"10.0.0.1:1\"\ntls = \"off\"\nendpoint = \"https://proxy.example\"": "https://proxy.example",
	} {
		c, err := parse(t, text)
		if err != nil || c.Endpoint != want || c.Exposed() != strings.Contains(text, "off") {
			t.Errorf("%q: %s, exposed %v, %v", text, c.Endpoint, c.Exposed(), err)
		}
	}
}

func TestRolesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]string{
		"api,conductor,scheduler,node":     "api,conductor,scheduler,node",
		" node , api:network,api:identity": "api:identity,api:network,node",
		"scheduler":                        "scheduler",
		"api:identity,api:placement,api:image,api:network,api:compute": "api",
	} {
		var roles conf.Roles
		if err := roles.UnmarshalText([]byte(text)); err != nil || roles.String() != want {
			t.Errorf("%q: %s, %v", text, roles, err)
		}
	}
	for text, want := range map[string]string{
		"": "empty role", "api,": "empty role", "apis": `no role "apis"`, "api:volume": `no service "volume"`, "node,node": "twice",
		"api,api:compute": "does not go with", "API": `no role "API"`,
	} {
		var roles conf.Roles
		if err := roles.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRolesThatCannotWorkAreRefused has processes that would wait for ever for others.
func TestRolesThatCannotWorkAreRefused(t *testing.T) {
	const server, broker = "postgres://u:s3cret@x/y", "amqp://u:s3cret@x/"
	for _, test := range []struct{ roles, database, bus, want string }{
		{"api,conductor,scheduler,node", "", "", ""},
		{"api,conductor,scheduler", "", "", ""},
		{"api,conductor", "", "", "one process alone"},
		{"scheduler", "sqlite:/x", "", "one process alone"},
		{"api", server, "", "hear of nothing"},
		{"api", server, broker, ""},
		{"api,conductor,scheduler", server, "local", ""},
		{"node", server, "local", "hear of nothing"},
		{"node", "", "", ""},
	} {
		c, err := parse(t, "")
		if err != nil {
			t.Fatal(err)
		}
		c.Database, c.Bus = conf.Secret(test.database), conf.Secret(test.bus)
		if err := c.Roles.UnmarshalText([]byte(test.roles)); err != nil {
			t.Fatal(err)
		}
		err = c.Complete()
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}
