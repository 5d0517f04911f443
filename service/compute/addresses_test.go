package compute_test

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// TestRenamedSecurityGroupsAreSeen renames a group whose name servers remember.
func TestRenamedSecurityGroupsAreSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 4096)
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	r.show(id).want(200, `"security_groups":[{"name":"default"}]`)
	r.halt()
	asked := make(chan struct{})
	var once sync.Once
	r.world.mu.Lock()
	r.world.groups[projectID][0].Name = "renamed"
	r.world.refuse = func(call string) error {
		if call == "security groups" {
			once.Do(func() { close(asked) })
		}
		return nil
	}
	r.world.mu.Unlock()
	r.begin() // the sweep over all servers comes first
	<-asked
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		shown := r.show(id)
		if strings.Contains(shown.text, `"security_groups":[{"name":"renamed"}]`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("shown: %s", shown.text)
		}
	}
}
