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
		"colour = \"red\"":                           "colour",
		"virt = \"xen\"":                             "virt",
		"listen = \"x\"":                             "listen",
		"listen = \"127.0.0.1:http\"":                "listen",
		"listen = \"127.0.0.1:0\"":                   "endpoint",
		"listen = \"[0:0::]:80\"":                    "endpoint",
		"endpoint = \"http://u:p@x\"":                "endpoint",
		"endpoint = \"http://x/?a=b\"":               "endpoint",
		"host = \"a/b\"":                             "host",
		"private-cidr = \"172.24.4.0/25\"":           "private-cidr",
		"log-level = \"info\"\nlog_level = \"warn\"": "twice",
		"listen = \"0.0.0.0:80\"":                    "endpoint",
		"endpoint = \"ftp://x\"":                     "endpoint",
		"external-cidr = \"10.0.0.1/24\"":            "external-cidr",
		"private-cidr = \"10.0.0.0/30\"":             "private-cidr",
		"tunnel-ip = \"here\"":                       "tunnel-ip",
		"[listen]\nport = 1":                         "listen",
		"listen = ":                                  "configuration",
	} {
		if _, err := parse(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
