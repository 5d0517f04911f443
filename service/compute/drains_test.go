package compute_test

import (
	"testing"
	"time"
)

func TestAHostIsDrained(t *testing.T) {
	e, id, from, to := newLive(t)
	path := "/internal/drains/" + from
	e.do(admin(), latest, "GET", path, "").want(404, "is not being drained")
	e.do(admin(), latest, "DELETE", path, "").want(404, "is not being drained")
	e.do(admin(), latest, "PUT", "/internal/drains/nowhere", `{}`).want(404, "could not be found")
	e.do(admin(), latest, "PUT", path, `{"because":"x"}`).want(400, "")
	e.do(member(projectID), latest, "PUT", path, `{}`).want(403, "")
	e.do(member(projectID), latest, "GET", "/internal/drains", "").want(403, "")
	e.do(admin(), latest, "PUT", path, `{"reason":"new memory"}`).want(200, `"status":"draining"`).want(200, `"moving":1`)
	e.do(admin(), latest, "GET", "/v2.1/os-services?host="+from, "").want(200, `"disabled_reason":"drained: new memory"`)
	e.waitFor("the host to be empty", func() bool {
		return e.do(admin(), latest, "GET", path, "").want(200, from).str("drain", "status") == "drained"
	})
	e.is("ACTIVE")
	if now := e.show(id).str("server", "OS-EXT-SRV-ATTR:host"); now != to {
		t.Errorf("the server is on %s", now)
	}
	e.do(admin(), latest, "GET", "/internal/drains", "").want(200, `"moved":1`)
	e.same()
	e.do(admin(), latest, "DELETE", path, "").want(204, "")
	e.do(admin(), latest, "GET", "/v2.1/os-services?host="+from, "").want(200, `"status":"enabled"`)
	e.act(`{"os-stop":null}`)
	e.is("SHUTOFF")
	e.do(admin(), latest, "PUT", "/internal/drains/"+to, `{}`).want(200, "")
	e.waitFor("the other host to be empty", func() bool {
		return e.do(admin(), latest, "GET", "/internal/drains/"+to, "").want(200, to).str("drain", "status") == "drained"
	})
	e.is("SHUTOFF") // a cold move that nobody is asked to confirm
	e.same()
}

func TestWhatCannotBeMovedIsTold(t *testing.T) {
	e, id, from, _ := newLive(t)
	e.act(`{"suspend":null}`)
	e.is("SUSPENDED")
	e.do(admin(), latest, "PUT", "/internal/drains/"+from, `{}`).want(200, `"status":"blocked"`).want(200, `"stuck":"it is suspended"`)
	if now := e.show(id).str("server", "OS-EXT-SRV-ATTR:host"); now != from {
		t.Errorf("the server is on %s", now)
	}
}

func TestAResizeIsConfirmedByItself(t *testing.T) {
	r := newRig(t)
	r.halt()
	r.confirmWindow = time.Nanosecond
	r.begin()
	m := &moving{rig: r, nodes: map[string]*node{"host1": r.startNode("host1", 16_384), "host2": r.startNode("host2", 16_384)}}
	m.id = m.create("")
	m.waitStatus(m.id, "ACTIVE")
	m.act(resizeTo2).want(202, "")
	m.waitStatus(m.id, "VERIFY_RESIZE")
	m.halt() // the next life looks at once
	m.begin()
	m.waitStatus(m.id, "ACTIVE").want(200, `"original_name":"m1.small"`)
	m.check()
	m.gone()
}
