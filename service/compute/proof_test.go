package compute_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/work"
	"virga/service/compute/orders"
)

// The proofs that hold for every kind of operation: whatever happens at whichever border of
// a step, in the end the world holds exactly what the store says.

// stepsOf are the steps of the kinds.
var stepsOf = map[string][]string{
	"server_create":    {"schedule", "claim", "network", "spawn", "settle"},
	"server_delete":    {"preempt", "guest", "network", "claim", "forget"},
	"server_start":     {"order", "settle"},
	"server_stop":      {"order", "settle"},
	"server_reboot":    {"order", "settle"},
	"interface_attach": {"port", "order", "settle"},
	"interface_detach": {"order", "settle", "port"},
}

const ownPortID = "66666666-6666-4666-8666-666666666666"

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

// perform brings a server to where the kind's operation begins and starts it.
func (s *scene) perform(kind string) {
	s.t.Helper()
	if kind == "server_create" {
		s.id = s.do(member(projectID), latest, "POST", "/v2.1/servers", twoNICs).want(202, "").str("server", "id")
		return
	}
	hook := s.takeHook()
	s.id = s.do(member(projectID), latest, "POST", "/v2.1/servers", twoNICs).want(202, "").str("server", "id")
	s.waitStatus(s.id, "ACTIVE")
	if kind == "server_start" {
		s.action(`{"os-stop":null}`)
		s.waitStatus(s.id, "SHUTOFF")
	}
	if kind == "interface_detach" {
		defer func() {
			s.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+s.id+"/os-interface/"+ownPortID, "").want(202, "")
		}()
	}
	s.setHook(hook)
	switch kind {
	case "server_delete":
		s.delete(s.id)
	case "server_start":
		s.action(`{"os-start":null}`)
	case "server_stop":
		s.action(`{"os-stop":null}`)
	case "server_reboot":
		s.action(`{"reboot":{"type":"HARD"}}`)
	case "interface_attach": // its answer waits for the end of the operation, which the test does itself
		go s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/os-interface", `{"interfaceAttachment":{"net_id":"`+networkID+`"}}`)
	}
}

func (r *rig) takeHook() func(o work.Operation, undo, after bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	hook := r.hook
	r.hook = nil
	return hook
}

func (s *scene) action(body string) answer {
	s.t.Helper()
	return s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/action", body).want(202, "")
}

// atBorder calls do once, at one border of a step.
func (s *scene) atBorder(kind, step string, undo, after bool, do func(o work.Operation) error) *atomic.Bool {
	var reached atomic.Bool
	s.setHook(func(o work.Operation, u, a bool) error {
		if o.Kind == kind && o.StepName == step && u == undo && a == after && reached.CompareAndSwap(false, true) {
			return do(o)
		}
		return nil
	})
	return &reached
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

// check compares what the store says should be with what the world holds.
func (s *scene) check() {
	s.t.Helper()
	want, found := map[string]bool{}, s.world.list()
	maps.Copy(found, s.node.list())
	if a := s.show(s.id); a.status == 200 {
		want["allocation of "+s.id], want["guest "+s.id+" on host1"] = true, true
		want["port for "+s.id], want["use of port by "+s.id] = true, true
		if a.str("server", "status") == "ERROR" {
			want = map[string]bool{}
		}
		nics := a.at("server", "addresses", "private")
		ports := 0
		s.world.mu.Lock()
		for _, p := range s.world.ports {
			if p.DeviceID == s.id {
				ports++
			}
		}
		s.world.mu.Unlock()
		list, _ := nics.([]any)
		if len(list) != ports {
			s.t.Errorf("the server shows %d addresses and has %d ports", len(list), ports)
		}
		if ports < 2 {
			delete(want, "use of port by "+s.id)
		}
	}
	if diff := cmp.Diff(want, found); diff != "" {
		s.t.Errorf("wanted - found +\n%s", diff)
	}
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

func eachBorder(t *testing.T, kinds map[string][]string, test func(t *testing.T, s *scene, kind, step string, after bool)) {
	for kind, steps := range kinds {
		for _, step := range steps {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/after=%t", kind, step, after), func(t *testing.T) {
					t.Parallel()
					test(t, newScene(t), kind, step, after)
				})
			}
		}
	}
}

func TestEveryStepCanBeRepeated(t *testing.T) {
	eachBorder(t, stepsOf, func(t *testing.T, s *scene, kind, step string, after bool) {
		reached := s.atBorder(kind, step, false, after, func(work.Operation) error { return work.Retry(time.Millisecond, errors.New("a passing fault")) })
		s.perform(kind)
		if state := s.settled(kind); state != "done" || !reached.Load() {
			t.Errorf("it ended as %s; the border was reached: %t", state, reached.Load())
		}
		s.check()
		s.end()
	})
}

func TestTheProcessMayDieAtEveryBorder(t *testing.T) {
	eachBorder(t, stepsOf, func(t *testing.T, s *scene, kind, step string, after bool) {
		died := make(chan struct{})
		s.atBorder(kind, step, false, after, func(work.Operation) error { close(died); return work.ErrCrash })
		s.perform(kind)
		<-died
		s.halt()
		s.begin()
		if state := s.settled(kind); state != "done" {
			t.Errorf("it ended as %s", state)
		}
		s.check()
		s.end()
	})
}

// undoable are the kinds and steps that may still fail for good.
var undoable = map[string][]string{
	"server_create": stepsOf["server_create"], "server_start": stepsOf["server_start"], "server_stop": stepsOf["server_stop"],
	"server_reboot": stepsOf["server_reboot"], "interface_attach": stepsOf["interface_attach"],
}

func TestFailureAtEveryBorderIsUndone(t *testing.T) {
	eachBorder(t, undoable, func(t *testing.T, s *scene, kind, step string, after bool) {
		s.atBorder(kind, step, false, after, func(work.Operation) error { return work.Failf("it cannot be") })
		s.perform(kind)
		if state := s.settled(kind); state != "failed" {
			t.Errorf("it ended as %s", state)
		}
		if kind == "server_create" {
			s.show(s.id).want(200, `"message":"it cannot be"`)
		}
		s.check()
		s.end()
	})
}

func TestUndoingIsRepeatedUntilItIsDone(t *testing.T) {
	for _, step := range stepsOf["server_create"] {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after=%t", step, after), func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				var failed, reached atomic.Bool
				s.setHook(func(o work.Operation, u, a bool) error {
					switch {
					case o.Kind == "server_create" && o.StepName == "settle" && !u && a && failed.CompareAndSwap(false, true):
						return work.Failf("it cannot be")
					case u && o.StepName == step && a == after && reached.CompareAndSwap(false, true):
						return work.Wait(time.Millisecond) // called again, and sooner than after an error
					}
					return nil
				})
				s.perform("server_create")
				if state := s.settled("server_create"); state != "failed" || !reached.Load() {
					t.Errorf("it ended as %s; the border was reached: %t", state, reached.Load())
				}
				s.check()
				s.end()
			})
		}
	}
}

func TestADeleteMayComeAtEveryBorder(t *testing.T) {
	kinds := maps.Clone(stepsOf)
	delete(kinds, "server_delete")
	eachBorder(t, kinds, func(t *testing.T, s *scene, kind, step string, after bool) {
		asked := make(chan struct{})
		s.atBorder(kind, step, false, after, func(o work.Operation) error {
			defer close(asked)
			a := s.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+o.ResourceID, "")
			if a.status != 204 {
				t.Errorf("the delete: status %d: %s", a.status, a.text)
			}
			return nil
		})
		s.perform(kind)
		<-asked
		s.waitGone(s.id)
		s.end()
	})
}

func TestOrdersCarryTheFence(t *testing.T) {
	s := newScene(t)
	s.perform("server_create")
	s.settled("server_create")
	order := s.node.lastOrder(t, s.id)
	text, err := json.Marshal(order)
	if err != nil || order.OperationID == "" || order.Epoch == 0 || order.Generation == 0 {
		t.Errorf("%s %v", text, err)
	}
}
