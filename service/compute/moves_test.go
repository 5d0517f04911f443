package compute_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/work"
	"virga/service/compute/orders"
)

// moving is a rig with two hosts and a server that runs on the first of them.
type moving struct {
	*rig
	nodes    map[string]*node
	id       string
	from, to string
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	r := newRig(t)
	m := &moving{rig: r, nodes: map[string]*node{"host1": r.startNode("host1", 16_384), "host2": r.startNode("host2", 16_384)}}
	m.id = m.create("")
	m.from = m.waitStatus(m.id, "ACTIVE").str("server", "OS-EXT-SRV-ATTR:host")
	m.to = map[string]string{"host1": "host2", "host2": "host1"}[m.from]
	m.write("by the guest")
	return m
}

// write has the guest write to its disk.
func (m *moving) write(text string) {
	m.t.Helper()
	n := m.nodes[m.show(m.id).str("server", "OS-EXT-SRV-ATTR:host")]
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disks[m.id] += ", " + text
}

// found is what the world holds.
func (m *moving) found() map[string]bool {
	found := m.world.list()
	for name, n := range m.nodes {
		maps.Copy(found, n.list())
		n.mu.Lock()
		for id, guest := range n.guests {
			if guest.Desired == orders.Running {
				found["running "+id+" on "+name] = true
			}
		}
		n.mu.Unlock()
	}
	return found
}

// check compares the world with where the server says that it is.
func (m *moving) check() {
	m.t.Helper()
	m.waitFor("the world to be as the store says", func() bool { return m.difference() == "" || m.t.Failed() })
	if diff := m.difference(); diff != "" {
		m.t.Errorf("wanted - found +\n%s", diff)
	}
}

func (m *moving) difference() string {
	want := map[string]bool{}
	if a := m.show(m.id); a.status == 200 {
		host, status := a.str("server", "OS-EXT-SRV-ATTR:host"), a.str("server", "status")
		for _, what := range []string{"allocation of " + m.id, "port for " + m.id, "guest " + m.id + " on " + host} {
			want[what] = true
		}
		if fmt.Sprint(a.at("server", "OS-EXT-STS:power_state")) == "1" {
			want["running "+m.id+" on "+host] = true
		}
		if status == "VERIFY_RESIZE" {
			want["allocation of "+m.lastMove().str("migrations", 0, "uuid")] = true
			want["guest "+m.id+" on "+m.lastMove().str("migrations", 0, "source_compute")] = true
		}
		for _, p := range m.ports() {
			if p != host {
				return fmt.Sprintf("a port is on %s, the server on %s", p, host)
			}
		}
	}
	return cmp.Diff(want, m.found())
}

func (m *moving) ports() (hosts []string) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	for _, p := range m.world.ports {
		if p.DeviceID == m.id {
			hosts = append(hosts, p.HostID)
		}
	}
	return hosts
}

func (m *moving) lastMove() answer {
	m.t.Helper()
	return m.do(admin(), latest, "GET", "/v2.1/os-migrations?limit=1&instance_uuid="+m.id, "").want(200, "uuid")
}

func (m *moving) act(body string) answer {
	m.t.Helper()
	return m.do(admin(), latest, "POST", "/v2.1/servers/"+m.id+"/action", body)
}

// gone deletes the server and finds nothing of it anywhere.
func (m *moving) gone() {
	m.t.Helper()
	m.setHook(nil)
	if a := m.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+m.id, ""); a.status != 204 && a.status != 404 {
		m.t.Errorf("delete: %d %s", a.status, a.text)
	}
	m.waitGone(m.id)
	if diff := cmp.Diff(map[string]bool{}, m.found()); diff != "" {
		m.t.Errorf("left behind:\n%s", diff)
	}
	for name, n := range m.nodes {
		m.waitFor("the orders of "+name+" to be forgotten", func() bool {
			var list orders.GuestList
			n.call("GET", "/internal/hosts/"+name+"/guests?since=0", nil, &list)
			return len(list.Guests) == 0
		})
	}
	used := m.do(member(projectID), latest, "GET", "/v2.1/limits", "").want(200, "")
	if cores := fmt.Sprint(used.at("limits", "absolute", "totalCoresUsed")); cores != "0" {
		m.t.Errorf("the quota still counts %s cores", cores)
	}
}

const resizeTo2 = `{"resize":{"flavorRef":"2"}}`

func TestResizeIsConfirmed(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.act(`{"resize":{"flavorRef":"2","OS-DCF:diskConfig":"AUTO"}}`).want(202, "")
	a := m.waitStatus(m.id, "VERIFY_RESIZE")
	a.want(200, `"original_name":"m1.small"`).want(200, `"OS-DCF:diskConfig":"AUTO"`)
	if a.str("server", "OS-EXT-SRV-ATTR:host") != m.to || a.str("server", "OS-EXT-STS:vm_state") != "resized" {
		t.Errorf("the server is %s", a.text)
	}
	if disk := m.nodes[m.to].disks[m.id]; disk != "disk of "+m.id+", by the guest" {
		t.Errorf("its disk says %q", disk)
	}
	order := m.nodes[m.to].lastOrder(t, m.id)
	if order.Flavor.VCPUs != 1 || order.Flavor.MemoryMiB != 2048 || order.Flavor.RootGiB != 20 || order.Receive != nil {
		t.Errorf("the order is %+v", order)
	}
	m.check()
	for _, item := range m.do(admin(), latest, "GET", "/v2.1/os-services", "").want(200, m.from).at("services").([]any) {
		if s, _ := item.(map[string]any); s["host"] == m.from {
			m.do(admin(), latest, "DELETE", fmt.Sprint("/v2.1/os-services/", s["id"]), "").want(409, "has in-progress migrations")
		}
	}
	m.act(`{"reboot":{"type":"HARD"}}`).want(409, "vm_state resized")
	m.act(resizeTo2).want(400, "must change flavor")
	m.act(`{"confirmResize":null}`).want(204, "")
	m.waitStatus(m.id, "ACTIVE")
	m.check()
	m.lastMove().want(200, `"status":"confirmed"`)
	m.act(`{"confirmResize":null}`).want(409, "vm_state active")
	for _, action := range []string{"resize", "confirmResize"} {
		m.do(member(projectID), latest, "GET", "/v2.1/servers/"+m.id+"/os-instance-actions", "").want(200, `"action":"`+action+`"`)
	}
	m.gone()
}

func TestResizeIsReverted(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.act(resizeTo2).want(202, "")
	m.waitStatus(m.id, "VERIFY_RESIZE")
	m.write("lost with the revert")
	m.act(`{"revertResize":null}`).want(202, "")
	a := m.waitStatus(m.id, "ACTIVE").want(200, `"original_name":"m1.tiny"`)
	if a.str("server", "OS-EXT-SRV-ATTR:host") != m.from {
		t.Errorf("the server is %s", a.text)
	}
	if disk := m.nodes[m.from].disks[m.id]; disk != "disk of "+m.id+", by the guest" {
		t.Errorf("its disk says %q", disk)
	}
	m.check()
	m.lastMove().want(200, `"status":"reverted"`)
	m.gone()
}

func TestAStoppedServerMigratesAndStaysStopped(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.act(`{"os-stop":null}`).want(202, "")
	m.waitStatus(m.id, "SHUTOFF")
	m.do(member(projectID), latest, "POST", "/v2.1/servers/"+m.id+"/action", `{"migrate":null}`).want(403, "")
	m.act(`{"migrate":{"host":"nowhere"}}`).want(400, "Compute host nowhere could not be found")
	m.act(`{"migrate":{"host":"`+m.from+`"}}`).want(400, "Cannot migrate to the host where the server exists")
	m.act(`{"migrate":{"hosts":"`+m.to+`"}}`).want(400, "")
	m.act(`{"migrate":{"host":"`+m.to+`"}}`).want(202, "")
	m.waitStatus(m.id, "VERIFY_RESIZE")
	m.check()
	m.act(`{"confirmResize":null}`).want(204, "")
	m.waitStatus(m.id, "SHUTOFF")
	m.check()
	m.act(`{"os-start":null}`).want(202, "")
	m.waitStatus(m.id, "ACTIVE")
	m.check()
	m.gone()
}

func TestAResizeStaysOnTheOnlyHost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := &moving{rig: r, nodes: map[string]*node{"host1": r.startNode("host1", 16_384)}}
	m.id = m.create("")
	m.waitStatus(m.id, "ACTIVE")
	m.act(`{"migrate":null}`).want(400, "No valid host was found")
	for _, end := range []string{"revertResize", "confirmResize"} {
		m.act(resizeTo2).want(202, "")
		m.waitStatus(m.id, "VERIFY_RESIZE")
		m.check()
		m.do(member(projectID), latest, "POST", "/v2.1/servers/"+m.id+"/action", `{"`+end+`":null}`)
		m.waitStatus(m.id, "ACTIVE")
		m.check()
		if order := m.nodes["host1"].lastOrder(t, m.id); order.Flavor.RootGiB != 20 {
			t.Errorf("after %s the disk is to have %d GiB: it cannot shrink", end, order.Flavor.RootGiB)
		}
	}
	m.gone()
}

func TestResizesThatCannotBe(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.act(`{"resize":{"flavorRef":"1"}}`).want(400, "must change flavor")
	m.act(`{"resize":{"flavorRef":"nothing"}}`).want(400, "Flavor nothing could not be found")
	m.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"ram":2047}}`).want(200, "")
	m.act(`{"resize":{"flavorRef":2}}`).want(403, "Quota exceeded for ram: Requested 1536, but already used 512 of 2047 ram")
	m.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"ram":2048}}`).want(200, "")
	m.act(`{"resize":{"flavorRef":2}}`).want(202, "")
	m.waitStatus(m.id, "VERIFY_RESIZE")
	m.act(`{"resize":{"flavorRef":"1"}}`).want(400, "cannot be made smaller")
	m.do(member(projectID), latest, "POST", "/v2.1/servers", createBody("")).want(403, "Quota exceeded for ram")
	m.gone()
}

func TestAMoveToAHostThatCannotGoesElsewhereOrBack(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.nodes["host3"] = m.startNode("host3", 8_192)
	cannot := func(order orders.GuestOrder) *orders.Error {
		if order.Desired == orders.Absent {
			return nil
		}
		return &orders.Error{Class: orders.Elsewhere, Message: "no space"}
	}
	m.nodes[m.to].setFail(cannot)
	m.act(`{"migrate":null}`).want(202, "")
	if a := m.waitStatus(m.id, "VERIFY_RESIZE"); a.str("server", "OS-EXT-SRV-ATTR:host") != "host3" {
		t.Errorf("the server is on %s", a.text)
	}
	m.check()
	m.act(`{"confirmResize":null}`).want(204, "")
	m.waitStatus(m.id, "ACTIVE")
	for _, n := range m.nodes {
		n.setFail(func(order orders.GuestOrder) *orders.Error {
			if order.Receive == nil {
				return nil
			}
			return cannot(order)
		})
	}
	m.act(`{"migrate":null}`).want(202, "")
	m.waitFor("the migration to fail", func() bool { return strings.Contains(m.lastMove().text, `"status":"error"`) })
	m.waitStatus(m.id, "ACTIVE")
	m.check()
	m.gone()
}

func TestMigrationsAreListed(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	list := func(version, query string) answer {
		return m.do(admin(), version, "GET", "/v2.1/os-migrations"+query, "").want(200, `"migrations"`)
	}
	if text := list("2.1", "").text; text != `{"migrations":[]}`+"\n" && text != `{"migrations":[]}` {
		t.Errorf("listed %s", text)
	}
	m.act(resizeTo2).want(202, "")
	m.waitStatus(m.id, "VERIFY_RESIZE")
	oldest := list("2.1", "").want(200, `"instance_uuid":"`+m.id).want(200, `"old_instance_type_id":1,"new_instance_type_id":2`)
	for _, field := range []string{"uuid\":", "migration_type", "project_id"} {
		if strings.Contains(strings.ReplaceAll(oldest.text, "instance_uuid\":", ""), field) {
			t.Errorf("2.1 has %s: %s", field, oldest.text)
		}
	}
	list("2.23", "").want(200, `"migration_type":"resize"`)
	list("2.59", "?limit=1").want(200, `"migrations_links"`).want(200, `"uuid"`)
	list("2.80", "?status=finished&source_compute="+m.from+"&project_id="+projectID).want(200, m.id)
	for _, query := range []string{"?status=error", "?host=nowhere", "?migration_type=migration", "?changes-since=2999-01-01T00:00:00", "?user_id=x"} {
		if a := list(latest, query); strings.Contains(a.text, m.id) {
			t.Errorf("%s lists %s", query, a.text)
		}
	}
	m.do(admin(), latest, "GET", "/v2.1/os-migrations?marker=x", "").want(400, "could not be found")
	m.do(member(projectID), latest, "GET", "/v2.1/os-migrations", "").want(403, "")
	m.do(admin(), latest, "GET", "/v2.1/servers/"+m.id+"/migrations", "").want(200, `{"migrations":[]}`)
	m.do(admin(), latest, "GET", "/v2.1/servers/"+m.id+"/migrations/1", "").want(404, "is not live-migration")
	m.gone()
}

// moveSteps are the steps of the kinds that move servers.
var moveSteps = map[string][]string{
	"server_resize":         {"schedule", "claim", "stop", "stopped", "transfer", "received", "network", "finish", "settle"},
	"server_resize_confirm": {"decide", "source", "claim", "settle"},
	"server_resize_revert":  {"decide", "destination", "network", "claim", "finish", "settle"},
}

// perform brings the server to where the kind begins, and begins it.
func (m *moving) perform(kind string) {
	m.t.Helper()
	if kind == "server_resize" {
		m.act(resizeTo2).want(202, "")
		return
	}
	m.mu.Lock()
	hook := m.hook
	m.hook = nil
	m.mu.Unlock()
	m.act(resizeTo2).want(202, "")
	m.waitStatus(m.id, "VERIFY_RESIZE")
	m.setHook(hook)
	m.act(map[string]string{"server_resize_confirm": `{"confirmResize":null}`, "server_resize_revert": `{"revertResize":null}`}[kind])
}

// ended waits until no operation is at work and returns how the last of a kind ended.
func (m *moving) ended(kind string) (state string) {
	m.t.Helper()
	m.waitFor("the operations on "+m.id+" to end", func() bool {
		var list []work.Operation
		if err := readOperations(m.rig, m.id, &list); err != nil {
			m.t.Fatal(err)
		}
		over := true
		for _, o := range list {
			over = over && !o.FinishedAt.IsZero()
			if o.Kind == kind {
				state = string(o.State)
			}
		}
		return over && state != ""
	})
	return state
}

func eachMoveBorder(t *testing.T, chosen func(kind, step string) bool, test func(t *testing.T, m *moving, kind, step string, after bool)) {
	for kind, steps := range moveSteps {
		for _, step := range slices.DeleteFunc(slices.Clone(steps), func(step string) bool { return !chosen(kind, step) }) {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/after=%t", kind, step, after), func(t *testing.T) {
					t.Parallel()
					test(t, newMoving(t), kind, step, after)
				})
			}
		}
	}
}

func anyBorder(string, string) bool { return true }

// turnsBack tells whether a move can still fail at a step: confirming and reverting only go
// forward once they have decided.
func turnsBack(kind, step string) bool { return kind == "server_resize" || step == "decide" }

// at calls do once, at one border of a step.
func (m *moving) at(kind, step string, after bool, do func(o work.Operation) error) *atomic.Bool {
	var reached atomic.Bool
	m.setHook(func(o work.Operation, undo, a bool) error {
		if o.Kind == kind && o.StepName == step && !undo && a == after && reached.CompareAndSwap(false, true) {
			return do(o)
		}
		return nil
	})
	return &reached
}

func TestStepsOfMovesCanBeRepeatedAndSurviveDeath(t *testing.T) {
	eachMoveBorder(t, anyBorder, func(t *testing.T, m *moving, kind, step string, after bool) {
		died := make(chan struct{})
		m.at(kind, step, after, func(work.Operation) error { close(died); return work.ErrCrash })
		m.perform(kind)
		<-died
		m.halt()
		m.begin()
		if state := m.ended(kind); state != "done" {
			t.Errorf("it ended as %s", state)
		}
		m.check()
		m.gone()
	})
}

func TestMovesThatFailAreUndone(t *testing.T) {
	eachMoveBorder(t, turnsBack, func(t *testing.T, m *moving, kind, step string, after bool) {
		reached := m.at(kind, step, after, func(work.Operation) error { return work.Failf("it cannot be") })
		m.perform(kind)
		if state := m.ended(kind); state != "failed" || !reached.Load() {
			t.Errorf("it ended as %s, the border reached: %t", state, reached.Load())
		}
		want := "ACTIVE"
		if kind != "server_resize" {
			want = "VERIFY_RESIZE"
		}
		m.waitStatus(m.id, want)
		m.check()
		m.gone()
	})
}

func TestADeleteMayComeAtEveryBorderOfAMove(t *testing.T) {
	eachMoveBorder(t, anyBorder, func(t *testing.T, m *moving, kind, step string, after bool) {
		asked := make(chan struct{})
		m.at(kind, step, after, func(o work.Operation) error {
			defer close(asked)
			m.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+o.ResourceID, "")
			return nil
		})
		m.perform(kind)
		<-asked
		m.waitGone(m.id)
		m.gone()
	})
}

func TestAGuestIsNotStartedAgainWhileItMayRunElsewhere(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.act(`{"migrate":null}`).want(202, "")
	m.waitStatus(m.id, "VERIFY_RESIZE")
	m.nodes[m.to].stop()
	m.act(`{"revertResize":null}`).want(202, "")
	m.waitFor("the revert to wait", func() bool {
		var list []work.Operation
		if err := readOperations(m.rig, m.id, &list); err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			if o.Kind == "server_resize_revert" && o.StepName == "destination" && o.WakeAt.After(time.Now()) {
				return true
			}
		}
		return false
	})
	if a := m.show(m.id); a.str("server", "status") != "REVERT_RESIZE" || m.nodes[m.from].lastOrder(t, m.id).Desired != orders.Stopped {
		t.Errorf("the server is %s", a.text)
	}
	m.nodes[m.to].run()
	m.waitStatus(m.id, "ACTIVE")
	m.check()
	m.gone()
}

func TestTransferSecretsAreNotShown(t *testing.T) {
	receive := orders.Receive{FromHost: "a", Secret: "s3cret"}
	for _, text := range []string{fmt.Sprint(receive), fmt.Sprintf("%+v", receive), fmt.Sprintf("%#v", receive)} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("printed %s", text)
		}
	}
}
