package compute_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"virga/core/work"
)

// Members that are created at once are scheduled at once: every one of them has chosen a host before the first choice is
// written. The policy of their group holds nevertheless.
func TestServerGroupsHoldForThoseWhoComeAtOnce(t *testing.T) {
	t.Parallel()
	const servers = 4
	for policy, hosts := range map[string]int{"affinity": 1, "anti-affinity": servers} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for i := range servers {
				memory := int64(16_384) // equal hosts: everybody goes elsewhere
				if i == 0 && policy == "anti-affinity" {
					memory = 1 << 20 // all prefer this one
				}
				r.startNode(fmt.Sprintf("host%d", i), memory)
			}
			group := r.do(member(projectID), latest, "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"`+policy+`"}}`).str("server_group", "id")
			r.meetAfter("schedule", servers)
			body := strings.TrimSuffix(createBody(`,"min_count":`+fmt.Sprint(servers)), "}") + `,"os:scheduler_hints":{"group":"` + group + `"}}`
			r.do(member(projectID), latest, "POST", "/v2.1/servers", body).want(202, "")
			found := map[string]bool{}
			for _, id := range r.do(member(projectID), latest, "GET", "/v2.1/os-server-groups/"+group, "").at("server_group", "members").([]any) {
				found[r.waitStatus(id.(string), "ACTIVE").str("server", "OS-EXT-SRV-ATTR:host")] = true
			}
			if len(found) != hosts {
				t.Errorf("hosts %v, want %d", found, hosts)
			}
		})
	}
}

// meetAfter has the first n operations that come to the end of a step wait for each other there.
func (r *rig) meetAfter(step string, n int) {
	var mu sync.Mutex
	arrived, all := map[string]bool{}, make(chan struct{})
	r.setHook(func(o work.Operation, undo, after bool) error {
		if o.StepName != step || undo || !after {
			return nil
		}
		mu.Lock()
		first := !arrived[o.ID]
		arrived[o.ID] = true
		if first && len(arrived) == n {
			close(all)
		}
		mu.Unlock()
		if first {
			<-all
		}
		return nil
	})
}
