//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// account is who a client is: an entry of a clouds.yaml.
type account struct {
	file, cloud string
	auth        authentication
	shell       *shell
}

type authentication struct {
	AuthURL           string `yaml:"auth_url"`
	Username          string `yaml:"username"`
	Password          string `yaml:"password"`
	ProjectName       string `yaml:"project_name"`
	UserDomainName    string `yaml:"user_domain_name"`
	ProjectDomainName string `yaml:"project_domain_name"`
}

// admin is the account that the cloud itself wrote down.
func (p *process) admin(t *testing.T) *account {
	t.Helper()
	var file struct {
		Clouds map[string]struct {
			Auth authentication `yaml:"auth"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(must[[]byte](t)(os.ReadFile(p.clouds())), &file); err != nil {
		t.Fatal(err)
	}
	cloud, found := file.Clouds["virga"]
	if !found {
		t.Fatalf("%s has no cloud virga", p.clouds())
	}
	return newAccount(t, p.clouds(), "virga", cloud.Auth)
}

func newAccount(t *testing.T, file, cloud string, auth authentication) *account {
	t.Helper()
	a := &account{file: file, cloud: cloud, auth: auth}
	a.shell = must[*shell](t)(a.startShell())
	t.Cleanup(a.shell.close)
	return a
}

// member makes a project with a user who is no administrator, and returns the user's account.
func (a *account) member(t *testing.T, name string) *account {
	t.Helper()
	const password = "e2e-secret"
	a.openstack(t, "project", "create", name)
	a.openstack(t, "user", "create", "--project", name, "--password", password, name)
	a.openstack(t, "role", "add", "--project", name, "--user", name, "member")
	auth := a.auth
	auth.Username, auth.Password, auth.ProjectName = name, password, name
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	text, err := yaml.Marshal(map[string]any{"clouds": map[string]any{name: map[string]any{"auth": auth, "region_name": "RegionOne"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return newAccount(t, file, name, auth)
}

// alone runs the openstack command in a process of its own, whose exit status tells whether it succeeded.
func (a *account) alone(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	command := exec.CommandContext(ctx, "openstack", args...)
	command.Env = a.environment()
	var out, complaints bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaints
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("openstack %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return out.String(), nil
}

// openstack runs the openstack command, which must succeed, and returns what it printed.
func (a *account) openstack(t *testing.T, args ...string) string {
	t.Helper()
	out, err := a.shell.run(t.Context(), args)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// id runs a command that makes something and returns the id of it.
func (a *account) id(t *testing.T, args ...string) string {
	t.Helper()
	return a.value(t, "id", args...)
}

// value runs a command and returns one column of what it shows.
func (a *account) value(t *testing.T, column string, args ...string) string {
	t.Helper()
	out := strings.TrimSpace(a.openstack(t, append(args, "-f", "value", "-c", column)...))
	if out == "" {
		t.Fatalf("openstack %s shows no %s", strings.Join(args, " "), column)
	}
	return out
}

// show runs a show or create command and returns all that it shows.
func (a *account) show(t *testing.T, args ...string) map[string]any {
	t.Helper()
	return decode[map[string]any](t, a, args)
}

// list runs a list command and returns its rows.
func (a *account) list(t *testing.T, args ...string) []map[string]any {
	t.Helper()
	return decode[[]map[string]any](t, a, args)
}

func decode[T any](t *testing.T, a *account, args []string) T {
	t.Helper()
	var into T
	out := a.openstack(t, append(args, "-f", "json")...)
	if err := json.Unmarshal([]byte(out), &into); err != nil {
		t.Fatalf("openstack %s: %v in %q", strings.Join(args, " "), err, out)
	}
	return into
}
