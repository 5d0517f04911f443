package compute_test

import (
	"testing"

	"virga/service/compute/orders"
)

// conflict expects an action to be refused because of the server's state.
func (s *scene) conflict(body, action, state string) {
	s.t.Helper()
	s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/action", body).
		want(409, "Cannot '"+action+"' instance "+s.id+" while it is in vm_state "+state)
}

// lastAction is the newest entry of the server's instance actions.
func (s *scene) lastAction() string {
	s.t.Helper()
	return s.do(member(projectID), latest, "GET", "/v2.1/servers/"+s.id+"/os-instance-actions", "").want(200, "").str("instanceActions", 0, "action")
}

func TestPauseAndSuspend(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	s.conflict(`{"unpause":null}`, "unpause", "active")
	s.conflict(`{"resume":null}`, "resume", "active")
	s.action(`{"pause":null}`)
	s.waitStatus(s.id, "PAUSED").want(200, `"OS-EXT-STS:power_state":3`).want(200, `"OS-EXT-STS:vm_state":"paused"`)
	if name := s.lastAction(); name != "pause" {
		t.Errorf("the last action is %s", name)
	}
	s.conflict(`{"pause":null}`, "pause", "paused")
	s.conflict(`{"suspend":null}`, "suspend", "paused")
	s.conflict(`{"os-stop":null}`, "stop", "paused")
	s.conflict(`{"reboot":{"type":"SOFT"}}`, "reboot", "paused")
	s.do(member(projectID), latest, "GET", "/v2.1/servers?status=PAUSED", "").want(200, s.id)
	s.action(`{"unpause":null}`)
	s.waitStatus(s.id, "ACTIVE").want(200, `"OS-EXT-STS:power_state":1`)
	s.action(`{"suspend":null}`)
	s.waitStatus(s.id, "SUSPENDED").want(200, `"OS-EXT-STS:power_state":4`).want(200, `"OS-EXT-STS:vm_state":"suspended"`)
	s.conflict(`{"suspend":null}`, "suspend", "suspended")
	s.conflict(`{"os-start":null}`, "start", "suspended")
	s.action(`{"resume":null}`)
	s.waitStatus(s.id, "ACTIVE")
	s.action(`{"suspend":null}`)
	s.waitStatus(s.id, "SUSPENDED")
	s.action(`{"reboot":{"type":"HARD"}}`)
	s.waitStatus(s.id, "ACTIVE")
	s.action(`{"pause":null}`)
	s.waitStatus(s.id, "PAUSED")
	s.end()
}

// TestWhatAnOperatorDoesOnTheHostIsFollowed has somebody pause, suspend and stop guests past the service.
func TestWhatAnOperatorDoesOnTheHostIsFollowed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	say := func(state orders.State, power int) {
		s.node.say(s.id, orders.Report{Generation: s.node.lastOrder(t, s.id).Generation, State: state, PowerState: power})
	}
	say(orders.StateRunning, 3) // hypervisors pause guests for reasons of their own: only the power state follows, as in nova
	s.waitStatus(s.id, "ACTIVE").want(200, `"OS-EXT-STS:power_state":3`)
	say(orders.StateRunning, 1)
	s.waitStatus(s.id, "ACTIVE").want(200, `"OS-EXT-STS:power_state":1`)
	say(orders.StateSuspended, 4)
	s.waitStatus(s.id, "SUSPENDED")
	s.action(`{"resume":null}`)
	s.waitStatus(s.id, "ACTIVE")
	s.action(`{"pause":null}`)
	s.waitStatus(s.id, "PAUSED")
	say(orders.StateStopped, 4)
	s.waitStatus(s.id, "SHUTOFF")
}

// TestAPauseThatFailsLeavesTheServerAsItWas has the host refuse.
func TestAPauseThatFailsLeavesTheServerAsItWas(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	s.node.setFail(func(order orders.GuestOrder) *orders.Error {
		if order.Desired == orders.Suspended {
			return &orders.Error{Class: orders.Fail, Message: "The guest cannot be kept."}
		}
		return nil
	})
	s.action(`{"suspend":null}`)
	if state := s.settled("server_suspend"); state != "failed" {
		t.Errorf("the operation is %s", state)
	}
	s.waitStatus(s.id, "ACTIVE")
	s.waitFor("the guest to be wished back", func() bool { return s.node.lastOrder(t, s.id).Desired == orders.Running })
}

// TestHostsLearnWhatRan has a host that begins a new life be told which guests ran.
func TestHostsLearnWhatRan(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	ran := func() bool {
		var list orders.GuestList
		s.node.call("GET", "/internal/hosts/host1/guests?since=0", nil, &list)
		return len(list.Guests) == 1 && list.Guests[0].Settled && list.Guests[0].WasRunning
	}
	if !ran() {
		t.Error("a guest that runs did not run")
	}
	for _, body := range []string{`{"pause":null}`, `{"unpause":null}`, `{"suspend":null}`} {
		s.action(body)
		s.waitFor("the action", func() bool { return s.show(s.id).at("server", "OS-EXT-STS:task_state") == nil })
		if ran() != (body == `{"unpause":null}`) {
			t.Errorf("after %s: ran %t", body, ran())
		}
	}
	s.action(`{"resume":null}`)
	s.waitStatus(s.id, "ACTIVE")
	s.node.say(s.id, orders.Report{Generation: s.node.lastOrder(t, s.id).Generation, State: orders.StateStopped, PowerState: 4})
	s.waitStatus(s.id, "SHUTOFF")
	if ran() {
		t.Error("a guest that went off by itself is to be started")
	}
}
