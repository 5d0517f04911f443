package compute_test

import (
	"fmt"
	"testing"

	"virga/service/compute/hypervisor"
)

// forceDown has an operator declare a host down, or not down any more.
func (e *estate) forceDown(host string, down bool) {
	e.t.Helper()
	for _, item := range e.do(admin(), latest, "GET", "/v2.1/os-services", "").want(200, host).at("services").([]any) {
		if s, _ := item.(map[string]any); s["host"] == host {
			e.do(admin(), latest, "PUT", fmt.Sprint("/v2.1/os-services/", s["id"]), fmt.Sprintf(`{"forced_down":%t}`, down)).want(200, "")
		}
	}
}

// deserted has the server's host declared down.
func (e *estate) deserted() {
	e.active()
	e.forceDown(e.show(e.only()).str("server", "OS-EXT-SRV-ATTR:host"), true)
}

func TestAServerIsEvacuated(t *testing.T) {
	e, id, from, to := newLive(t)
	e.hosts[from].cut.Store(true)
	e.adminAct(id, latest, `{"evacuate":{}}`).want(400, "Compute service of "+from+" is still in use.")
	e.forceDown(from, true)
	for _, test := range []struct {
		version, argument string
		status            int
		text              string
	}{
		{"2.13", `{}`, 400, "'onSharedStorage' is a required property"},
		{"2.13", `{"onSharedStorage":true,"adminPass":"x"}`, 400, "admin password can't be changed on existing disk"},
		{"2.14", `{"onSharedStorage":false}`, 400, "'onSharedStorage' was unexpected"},
		{"2.28", `{"host":"` + to + `","force":true}`, 400, "'force' was unexpected"},
		{"2.29", `{"force":true}`, 400, "Can't force to a non-provided destination"},
		{"2.68", `{"host":"` + to + `","force":true}`, 400, "'force' was unexpected"},
		{latest, `{"host":"nowhere"}`, 404, "Compute host nowhere not found."},
		{latest, `{"host":"` + from + `"}`, 400, "The target host can't be the same one."},
		{latest, `{"host":""}`, 400, "host"},
	} {
		e.adminAct(id, test.version, `{"evacuate":`+test.argument+`}`).want(test.status, test.text)
	}
	e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"evacuate":{}}`).want(403, "")
	e.adminAct(id, "2.1", `{"evacuate":{"onSharedStorage":false,"adminPass":"open sesame"}}`).want(200, `{"adminPass":"open sesame"}`)
	e.migration(id, "done").want(200, `"migration_type":"evacuation"`).want(200, `"dest_compute":"`+to+`"`)
	e.is("ACTIVE")
	if now := e.show(id).str("server", "OS-EXT-SRV-ATTR:host"); now != to {
		t.Errorf("the server is on %s, and was on %s", now, from)
	}
	if state, err := e.hosts[from].virt().GetGuest(t.Context(), id); err != nil || state.Power != hypervisor.Running {
		t.Errorf("the host that is cut off has %+v %v", state, err)
	}
	e.hosts[from].cut.Store(false) // it comes back, and removes what is not its own any more
	e.forceDown(from, false)
	e.same()
	e.do(admin(), latest, "GET", "/v2.1/servers/"+id+"/os-instance-actions", "").want(200, `"action":"evacuate"`)
	e.forceDown(to, true)
	e.adminAct(id, "2.95", `{"evacuate":{}}`).want(200, "")
	e.is("SHUTOFF")
	e.same()
}

func TestAnEvacuationThatCannotBeLosesNothing(t *testing.T) {
	e, id, from, to := newLive(t)
	e.forceDown(from, true)
	e.forceDown(to, true)
	e.adminAct(id, "2.94", `{"evacuate":{}}`).want(200, "")
	e.migration(id, "error")
	e.forceDown(from, false)
	e.adminAct(id, "2.13", `{"evacuate":{"onSharedStorage":true}}`).want(400, "is still in use")
	if now := e.show(id).str("server", "OS-EXT-SRV-ATTR:host"); now != from {
		t.Errorf("the server is on %s, and was on %s", now, from)
	}
	e.same()
}
