package compute_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/core/work"
	"virga/service/compute/orders"
)

// scene is a rig with one host, and what was in the world before the servers of the test.
type scene struct {
	*rig
	node *node
	id   string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	r := newRig(t)
	s := &scene{rig: r, node: r.startNode("host1", 16_384)}
	r.world.mu.Lock()
	r.world.ports[ownPortID] = ownPort
	r.world.mu.Unlock()
	return s
}

// perform creates a server with a port of its own and the user's.
func (s *scene) perform() {
	s.t.Helper()
	s.id = s.do(member(projectID), latest, "POST", "/v2.1/servers", twoNICs).want(202, "").str("server", "id")
}

func (s *scene) action(body string) answer {
	s.t.Helper()
	return s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/action", body).want(202, "")
}

// settled waits until no operation is at work and returns how the last of a kind ended.
func (s *scene) settled(kind string) string {
	s.t.Helper()
	state := ""
	s.waitFor("the operations on "+s.id+" to end", func() bool {
		ended := true
		var list []work.Operation
		if err := readOperations(s.rig, s.id, &list); err != nil {
			s.t.Fatal(err)
		}
		for _, o := range list {
			ended = ended && !o.FinishedAt.IsZero()
			if o.Kind == kind {
				state = string(o.State)
			}
		}
		return ended && state != ""
	})
	return state
}

// end deletes the server and finds nothing of it anywhere.
func (s *scene) end() {
	s.t.Helper()
	s.setHook(nil)
	s.delete2(s.id)
	s.waitGone(s.id)
	found := s.world.list()
	maps.Copy(found, s.node.list())
	if diff := cmp.Diff(map[string]bool{}, found); diff != "" {
		s.t.Errorf("left behind:\n%s", diff)
	}
	s.waitFor("the orders to be forgotten", func() bool {
		var list orders.GuestList
		s.node.call("GET", "/internal/hosts/host1/guests?since=0", nil, &list)
		return len(list.Guests) == 0
	})
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if p, there := s.world.ports[ownPortID]; !there || p.DeviceID != "" || p.HostID != "" {
		s.t.Errorf("the user's own port is left as %+v", p)
	}
}
