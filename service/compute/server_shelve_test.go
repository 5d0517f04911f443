package compute_test

import (
	"testing"
	"time"
)

// shelvedImage is the image of a shelved server's disk.
func (e *estate) shelvedImage() string {
	e.t.Helper()
	if s := e.servers()[0].Detail.Shelved; s != nil {
		return s.ImageID
	}
	return ""
}

func TestShelveAndUnshelve(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		e.write(id, "what must not be lost")
		e.action(latest, id, `{"shelve":null}`).want(202, "")
		e.action(latest, id, `{"os-stop":null}`).want(409, "while it is in task_state shelving")
		e.is("SHELVED_OFFLOADED")
		image := e.world.picture(e.shelvedImage())
		if image.Name != e.show(id).str("server", "name")+"-shelved" || image.data == nil || image.Properties["image_type"] != "snapshot" {
			t.Errorf("the image is %+v", image.NewImage)
		}
		if len(e.world.allocations) != 0 || e.servers()[0].Host != "" {
			t.Errorf("it still takes %v", e.world.allocations)
		}
		e.show(id).want(200, `"OS-EXT-STS:vm_state":"shelved_offloaded"`).want(200, `"OS-EXT-STS:power_state":0`)
		for _, action := range []string{`{"os-start":null}`, `{"reboot":{"type":"HARD"}}`, `{"shelve":null}`, `{"createImage":{"name":"x"}}`, `{"resize":{"flavorRef":"2"}}`} {
			e.action(latest, id, action).want(409, "while it is in vm_state shelved_offloaded")
		}
		e.do(member(projectID), latest, "GET", "/v2.1/servers?status=SHELVED_OFFLOADED", "").want(200, id)
		e.action(latest, id, `{"unshelve":null}`).want(202, "")
		e.is("ACTIVE")
		if !e.wrote(id, "what must not be lost") || len(e.world.allocations) != 1 {
			t.Error("it came back as another")
		}
		if e.world.picture(image.ID).Name != "" || e.shelvedImage() != "" {
			t.Error("the image is left over")
		}
		if e.show(id).str("server", "image", "id") != imageID {
			t.Error("its image is another one")
		}
		e.write(id, "and more") // what stands on a deleted image can be used, shelved and rebuilt again
		e.action(latest, id, `{"reboot":{"type":"HARD"}}`).want(202, "")
		e.is("ACTIVE")
		e.action(latest, id, `{"shelve":null}`).want(202, "")
		e.is("SHELVED_OFFLOADED")
		e.action(latest, id, `{"unshelve":null}`).want(202, "")
		e.is("ACTIVE")
		if !e.wrote(id, "what must not be lost") || !e.wrote(id, "and more") {
			t.Error("the second time something was lost")
		}
		e.action(latest, id, `{"rebuild":{"imageRef":"`+imageID+`"}}`).want(202, "")
		e.is("ACTIVE")
		if e.wrote(id, "what must not be lost") {
			t.Error("a rebuild kept the disk")
		}
	})
}

func TestUnshelvedServerMovesToAnotherHost(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		e.write(id, "what must not be lost")
		e.action(latest, id, `{"shelve":null}`).want(202, "")
		e.is("SHELVED_OFFLOADED")
		e.action(latest, id, `{"unshelve":null}`).want(202, "")
		e.is("ACTIVE")
		from := e.servers()[0].Host
		e.do(admin(), latest, "POST", "/v2.1/servers/"+id+"/action", `{"migrate":null}`).want(202, "")
		e.is("VERIFY_RESIZE")
		e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"confirmResize":null}`).want(204, "")
		e.is("ACTIVE")
		if e.servers()[0].Host == from || !e.wrote(id, "what must not be lost") {
			t.Errorf("it came from %s to %s without its data", from, e.servers()[0].Host)
		}
	})
}

func TestShelvedServersAreOffloadedInTime(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		e.offloadAfter = 10 * time.Minute
		e.Die()
		e.Live()
		e.write(id, "what must not be lost")
		e.action(latest, id, `{"shelve":null}`).want(202, "")
		e.is("SHELVED")
		host := e.servers()[0].Host
		e.action("2.77", id, `{"unshelve":{"availability_zone":"nova"}}`).want(409, "The server status must be SHELVED_OFFLOADED.")
		e.action(latest, id, `{"shelveOffload":null}`).want(403, "os-shelve:shelve_offload")
		e.action(latest, id, `{"unshelve":null}`).want(202, "")
		e.is("ACTIVE")
		if e.servers()[0].Host != host || !e.wrote(id, "what must not be lost") {
			t.Error("it is not what it was")
		}
		e.action(latest, id, `{"shelve":null}`).want(202, "")
		e.is("SHELVED")
		time.Sleep(12 * time.Minute) // of the bubble's
		e.is("SHELVED_OFFLOADED")
		e.do(member(projectID), latest, "GET", "/v2.1/servers/"+id+"/os-instance-actions", "").want(200, `"action":"shelveOffload"`)
	})
}

func TestUnshelveToAPlace(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		e.action(latest, id, `{"shelve":null}`).want(202, "")
		e.is("SHELVED_OFFLOADED")
		for _, test := range []struct {
			version, argument string
			status            int
			text              string
		}{
			{"2.77", `{}`, 400, "'availability_zone' is a required property"},
			{"2.77", `{"availability_zone":null}`, 400, "availability_zone"},
			{"2.77", `{"availability_zone":"nowhere"}`, 400, "The requested availability zone is not available"},
			{"2.77", `{"availability_zone":"nova","host":"host1"}`, 400, "host"},
			{latest, `{"elsewhere":"x"}`, 400, "elsewhere"},
			{latest, `{"host":"host2"}`, 403, "os-shelve:unshelve_to_host"},
		} {
			e.action(test.version, id, `{"unshelve":`+test.argument+`}`).want(test.status, test.text)
		}
		as := func(body string) answer {
			return e.do(admin(), latest, "POST", "/v2.1/servers/"+id+"/action", body)
		}
		as(`{"unshelve":{"host":"host9"}}`).want(400, "Compute host host9 could not be found.")
		as(`{"unshelve":{"host":"host2","availability_zone":"nova"}}`).want(202, "")
		e.is("ACTIVE")
		if e.servers()[0].Host != "host2" || e.show(id).str("server", "pinned_availability_zone") != "nova" {
			t.Errorf("it is %s", e.show(id).text)
		}
		as(`{"shelve":null}`).want(202, "")
		e.is("SHELVED_OFFLOADED")
		as(`{"unshelve":{"host":"host1","availability_zone":null}}`).want(202, "")
		e.is("ACTIVE")
		if e.servers()[0].Host != "host1" {
			t.Errorf("it is on %s", e.servers()[0].Host)
		}
		e.show(id).want(200, `"pinned_availability_zone":null`)
	})
}

func TestDeletedShelvedServersLeaveNoImage(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		e.action(latest, id, `{"shelve":null}`).want(202, "")
		e.is("SHELVED_OFFLOADED")
		e.Delete(id)
		e.waitFor("the server to be gone", func() bool { return len(e.servers()) == 0 })
		if len(e.world.made) != 0 {
			t.Errorf("left: %v", e.world.made)
		}
	})
}
