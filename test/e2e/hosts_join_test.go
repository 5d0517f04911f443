//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"virga/test/isolated"
)

var joinToken = regexp.MustCompile(`vj1\.[^\s]+`)

// join has a machine become a node of the cloud, with a token that is good for once.
func (r *region) join(t *testing.T, m *isolated.Machine, address string) *process {
	t.Helper()
	out, err := exec.Command(os.Getenv(binaryVariable), "token", "create", "--data-dir", r.controller.dir).CombinedOutput()
	token := joinToken.FindString(string(out))
	if err != nil || token == "" {
		t.Fatalf("virga token create: %v: %s", err, out)
	}
	p := r.process(t, m, "join", "https://"+r.controller.address, "--token", token, "--tunnel-ip", address, "--virt", "libvirt")
	p.ready = func() error { return nil } // the lists of the controller tell
	p.start(t)
	return p
}
