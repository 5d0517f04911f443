package app

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/conf"
)

// office is a part with rules.
type office struct{ table *api.Table }

func (o office) Table() *api.Table         { return o.table }
func (office) Handler() http.Handler       { return http.NotFoundHandler() }
func (office) Run(context.Context) error   { return nil }
func (office) Ready(context.Context) error { return nil }

func TestPolicyFilesReachTheServices(t *testing.T) {
	policy, err := authz.NewEnforcer([]authz.Rule{{Name: "office:enter", Check: "role:member"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &conf.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:1", ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/24", TunnelIP: "127.0.0.1", Host: "h"}
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if c.PolicyDirGiven || c.PolicyDir != filepath.Join(c.DataDir, "policy") {
		t.Fatalf("folder %s, given: %v", c.PolicyDir, c.PolicyDirGiven)
	}
	cl := &cloud{conf: c, log: slog.New(slog.DiscardHandler), parts: []part{office{&api.Table{Service: "office", Policy: policy}}}}
	if err := cl.readPolicies(t.Context()); err != nil {
		t.Fatalf("without a folder: %v", err)
	}
	if err := os.Mkdir(c.PolicyDir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.PolicyDir, "office.yaml")
	if err := os.WriteFile(file, []byte("office:enter: role:boss"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cl.readPolicies(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !policy.Allowed("office:enter", &authz.Creds{Roles: []string{"boss"}}, nil) {
		t.Error("the file does not hold")
	}
	if err := os.WriteFile(file, []byte("\noffice:enter: (role:boss"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cl.readPolicies(t.Context()); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("starting with a wrong file: %v", err)
	}
	c.PolicyDir, c.PolicyDirGiven = filepath.Join(c.DataDir, "elsewhere"), true
	if err := cl.readPolicies(t.Context()); err == nil {
		t.Error("a folder that was asked for is missing, and that is no error")
	}
}
