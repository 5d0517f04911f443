package app

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"

	"virga/core/conf"
	"virga/core/token"
)

// TestCredentialsSurviveHostilePasswords reads both files back with the programs they are for.
func TestCredentialsSurviveHostilePasswords(t *testing.T) {
	hostile := `it's $(touch /tmp/x) "` + "`id`" + ` : {a} #\ é`
	c := &conf.Config{DataDir: t.TempDir(), Endpoint: "http://127.0.0.1:1", Region: "R", AdminPassword: hostile}
	for round := range 3 {
		password := passwordOf(t, c)
		if password.Reveal() != hostile {
			t.Fatalf("password %q", password.Reveal())
		}
		if err := writeCredentials(c, password, ""); err != nil {
			t.Fatal(err)
		}
		c.AdminPassword = "another one, which comes too late"
		if round < 2 { // the next round closes it again
			if err := os.Chmod(filepath.Join(c.DataDir, "clouds.yaml"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `. "$1"; printf %s "$OS_PASSWORD"`, "sh", filepath.Join(c.DataDir, "admin-openrc")).Output()
	if err != nil || string(out) != hostile {
		t.Errorf("the shell reads %q, %v", out, err)
	}
	text, err := os.ReadFile(filepath.Join(c.DataDir, "clouds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var clouds struct {
		Clouds map[string]struct {
			Auth map[string]string
		}
	}
	if err := yaml.Unmarshal(text, &clouds); err != nil || clouds.Clouds["virga"].Auth["password"] != hostile {
		t.Errorf("YAML reads %v, %v", clouds, err)
	}
	for _, name := range []string{"clouds.yaml", "admin-openrc", "secrets/admin-password"} {
		info, err := os.Stat(filepath.Join(c.DataDir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// passwordOf is the password of the user admin as a process that starts finds it.
func passwordOf(t *testing.T, c *conf.Config) token.Secret {
	t.Helper()
	cl, err := newCloud(c, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cl.close() }()
	if err := cl.openCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	password, err := cl.adminPassword(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return password
}

func TestRandomPasswordIsKept(t *testing.T) {
	c := &conf.Config{DataDir: t.TempDir()}
	first, second := passwordOf(t, c), passwordOf(t, c)
	if first.Reveal() != second.Reveal() || len(first.Reveal()) < 20 {
		t.Errorf("%d characters, kept: %v", len(first.Reveal()), first.Reveal() == second.Reveal())
	}
}

// TestClientsFindTheAuthority reads the file to trust back with the programs it is for.
func TestClientsFindTheAuthority(t *testing.T) {
	c := &conf.Config{DataDir: t.TempDir(), Endpoint: "https://127.0.0.1:1", Region: "R"}
	const hostile = "/it's a $(folder)/ca.pem"
	if err := writeCredentials(c, "p", hostile); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `. "$1"; printf %s "$OS_CACERT"`, "sh", filepath.Join(c.DataDir, "admin-openrc")).Output()
	if err != nil || string(out) != hostile {
		t.Errorf("the shell reads %q, %v", out, err)
	}
	entry, err := Account{DataDir: c.DataDir}.read()
	if err != nil || entry.CACert != hostile {
		t.Errorf("YAML reads %+v, %v", entry, err)
	}
}
