package compute_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAServerIsCreatedAndDeleted(t *testing.T) {
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	began := time.Now()
	id := r.create("")
	a := r.waitStatus(id, "ACTIVE")
	t.Logf("ACTIVE after %s", time.Since(began))
	if got := a.str("server", "addresses", "private", 0, "addr"); !strings.HasPrefix(got, "10.0.0.") {
		t.Errorf("address %s", got)
	}
	if got := a.str("server", "OS-EXT-SRV-ATTR:hypervisor_hostname"); got != "host1.example" {
		t.Errorf("hypervisor %s", got)
	}
	if got := a.str("server", "security_groups", 0, "name"); got != "default" {
		t.Errorf("security group %s", got)
	}
	want := map[string]bool{"allocation of " + id: true, "port for " + id: true}
	if diff := cmp.Diff(want, r.world.list()); diff != "" {
		t.Error(diff)
	}
	order := n.lastOrder(t, id)
	if order.Image.ID != imageID || order.Flavor.MemoryMiB != 512 || len(order.NICs) != 1 || order.NICs[0].MTU != 1450 || !strings.HasPrefix(order.NICs[0].Tap, "tap") {
		t.Errorf("order %+v", order)
	}
	actions := r.do(member(projectID), latest, "GET", "/v2.1/servers/"+id+"/os-instance-actions", "").want(200, `"action":"create"`)
	request := actions.str("instanceActions", 0, "request_id")
	r.do(member(projectID), latest, "GET", "/v2.1/servers/"+id+"/os-instance-actions/"+request, "").want(200, `"event":"compute_settle"`)
	r.delete(id)
	r.delete2(id)
	r.waitGone(id)
	if diff := cmp.Diff(map[string]bool{}, r.world.list()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]bool{}, n.list()); diff != "" {
		t.Error(diff)
	}
	r.do(member(projectID), latest, "GET", "/v2.1/servers/"+id+"/os-instance-actions", "").want(200, `"action":"delete"`)
}

// delete2 is a delete of what may be gone already.
func (r *rig) delete2(id string) {
	if a := r.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+id, ""); a.status != 204 && a.status != 404 {
		r.t.Errorf("a second delete: status %d", a.status)
	}
}

// TestGroupsOfAPortOfTheUsersAreShown gives the server a port whose group is not the one that new ports get.
func TestGroupsOfAPortOfTheUsersAreShown(t *testing.T) {
	s := newScene(t)
	own := ownPort
	own.SecurityGroupIDs = []string{webGroupID}
	s.world.mu.Lock()
	s.world.ports[ownPortID] = own
	s.world.mu.Unlock()
	id := s.do(member(projectID), latest, "POST", "/v2.1/servers", `{"server":{"name":"vm","imageRef":"`+imageID+`","flavorRef":"1","networks":[{"port":"`+
		ownPortID+`"}]}}`).want(202, "").str("server", "id")
	if got := s.waitStatus(id, "ACTIVE").str("server", "security_groups", 0, "name"); got != "web" {
		t.Errorf("security group %s", got)
	}
}
