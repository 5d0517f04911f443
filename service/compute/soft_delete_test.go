package compute_test

import (
	"strings"
	"testing"
	"time"
)

// newWastebasket is a scene in which deleted servers can be restored for a while.
func newWastebasket(t *testing.T, long time.Duration) *scene {
	t.Helper()
	s := newScene(t)
	s.halt()
	s.reclaim = long
	s.begin()
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	return s
}

func (s *scene) remove() {
	s.t.Helper()
	s.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+s.id, "").want(204, "")
}

func TestADeleteCanBeTakenBackForAWhile(t *testing.T) {
	t.Parallel()
	s := newWastebasket(t, time.Hour)
	s.conflict(`{"restore":null}`, "restore", "active")
	s.remove()
	s.waitStatus(s.id, "SOFT_DELETED").want(200, `"OS-EXT-STS:vm_state":"soft-delete"`).want(200, `"OS-EXT-STS:power_state":4`)
	s.remove() // again: nothing more happens
	if list := s.do(member(projectID), latest, "GET", "/v2.1/servers", "").want(200, ""); strings.Contains(list.text, s.id) {
		t.Errorf("a server that was put aside is listed: %s", list.text)
	}
	s.do(member(projectID), latest, "GET", "/v2.1/servers?status=SOFT_DELETED", "").want(200, s.id)
	s.conflict(`{"os-start":null}`, "start", "soft-delete")
	s.conflict(`{"reboot":{"type":"HARD"}}`, "reboot", "soft-delete")
	s.do(member(projectID), latest, "GET", "/v2.1/limits", "").want(200, `"totalInstancesUsed":0`)
	s.action(`{"restore":null}`)
	s.waitStatus(s.id, "ACTIVE").want(200, `"OS-EXT-STS:power_state":1`)
	s.do(member(projectID), latest, "GET", "/v2.1/limits", "").want(200, `"totalInstancesUsed":1`)
	s.remove()
	s.waitStatus(s.id, "SOFT_DELETED")
	s.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"instances":0}}`).want(200, "")
	s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/action", `{"restore":null}`).want(403, "Quota exceeded for instances: Requested 1, but already used 0 of 0 instances")
	s.action(`{"forceDelete":null}`)
	s.waitGone(s.id)
}

func TestServersAreReclaimedWhenTheirTimeIsOver(t *testing.T) {
	t.Parallel()
	s := newWastebasket(t, time.Millisecond)
	s.remove()
	s.waitStatus(s.id, "SOFT_DELETED")
	if err := s.service.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitGone(s.id)
	s.reclaim = 0
}

// TestADeletePutsAsideWhatIsBusy has it come in the middle of another operation.
func TestADeletePutsAsideWhatIsBusy(t *testing.T) {
	t.Parallel()
	s := newWastebasket(t, time.Hour)
	s.action(`{"suspend":null}`)
	s.remove()
	s.waitStatus(s.id, "SOFT_DELETED")
	s.action(`{"restore":null}`)
	s.waitStatus(s.id, "ACTIVE")
	s.action(`{"resize":{"flavorRef":"2"}}`)
	s.waitStatus(s.id, "VERIFY_RESIZE")
	s.remove()
	s.waitStatus(s.id, "SOFT_DELETED")
	s.action(`{"restore":null}`)
	s.waitStatus(s.id, "VERIFY_RESIZE")
	s.action(`{"revertResize":null}`)
	s.waitStatus(s.id, "ACTIVE")
}
