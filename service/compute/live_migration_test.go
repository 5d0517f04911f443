package compute_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/core/db/dbtest"
)

// newLive is an estate with a server that runs.
func newLive(t *testing.T) (e *estate, id, from, to string) {
	t.Helper()
	e = newEstate(t, dbtest.Open(t))
	e.active()
	id = e.only()
	from = e.show(id).str("server", "OS-EXT-SRV-ATTR:host")
	return e, id, from, map[string]string{"host1": "host2", "host2": "host1"}[from]
}

func (e *estate) adminAct(id, version, body string) answer {
	e.t.Helper()
	return e.do(admin(), version, "POST", "/v2.1/servers/"+id+"/action", body)
}

// same waits until the store and the world tell the same.
func (e *estate) same() {
	e.t.Helper()
	difference := ""
	defer func() {
		if e.t.Failed() {
			e.t.Logf("store - world +\n%s", difference)
		}
	}()
	e.waitFor("the store and the world to tell the same", func() bool {
		store, world := e.Views()
		difference = cmp.Diff(store, world)
		return difference == "" && len(e.Transitional()) == 0
	})
}

// migration waits until the newest migration of a server has a status.
func (e *estate) migration(id, status string) answer {
	e.t.Helper()
	var a answer
	e.waitFor("the migration to be "+status, func() bool {
		a = e.do(admin(), latest, "GET", "/v2.1/os-migrations?limit=1&instance_uuid="+id, "").want(200, "uuid")
		return a.str("migrations", 0, "status") == status
	})
	return a
}

func TestALiveMigrationMovesTheServer(t *testing.T) {
	e, id, from, to := newLive(t)
	e.adminAct(id, latest, `{"os-migrateLive":{"host":"`+to+`","block_migration":"auto"}}`).want(202, "")
	e.migration(id, "completed").want(200, `"migration_type":"live-migration"`).want(200, `"dest_compute":"`+to+`"`)
	e.is("ACTIVE")
	if now := e.show(id).str("server", "OS-EXT-SRV-ATTR:host"); now != to {
		t.Errorf("the server is on %s, and was on %s", now, from)
	}
	e.same()
	e.world.mu.Lock()
	for _, p := range e.world.ports {
		if p.HostID != to || p.Profile["migrating_to"] != to {
			t.Errorf("a port is left as %+v", p)
		}
	}
	e.world.mu.Unlock()
	e.do(admin(), latest, "GET", "/v2.1/servers/"+id+"/migrations", "").want(200, `{"migrations":[]}`)
	e.do(admin(), latest, "GET", "/v2.1/servers/"+id+"/os-instance-actions", "").want(200, `"action":"live-migration"`)
	e.adminAct(id, "2.25", `{"os-migrateLive":{"host":null,"block_migration":true}}`).want(202, "") // and back
	e.is("ACTIVE")
	if now := e.show(id).str("server", "OS-EXT-SRV-ATTR:host"); now != from {
		t.Errorf("the server is on %s, and was on %s", now, from)
	}
	e.same()
}

func TestALiveMigrationIsAborted(t *testing.T) {
	e, id, from, _ := newLive(t)
	e.lingers.Store(true)
	e.adminAct(id, latest, `{"os-migrateLive":{"host":null,"block_migration":"auto"}}`).want(202, "")
	path := "/v2.1/servers/" + id + "/migrations"
	var listed answer
	e.waitFor("progress", func() bool {
		listed = e.do(admin(), latest, "GET", path, "").want(200, "")
		return strings.Contains(listed.text, `"memory_remaining_bytes":268435456`)
	})
	e.show(id).want(200, `"status":"MIGRATING"`).want(200, `"OS-EXT-STS:task_state":"migrating"`)
	num := fmt.Sprint(listed.at("migrations", 0, "id"))
	e.do(admin(), "2.59", "GET", path+"/"+num, "").want(200, `"uuid"`).want(200, `"status":"running"`)
	if a := e.do(admin(), "2.23", "GET", path+"/"+num, "").want(200, `"server_uuid"`); strings.Contains(a.text, `"uuid"`) || strings.Contains(a.text, "project_id") {
		t.Errorf("2.23 shows %s", a.text)
	}
	e.do(admin(), latest, "GET", path+"/99", "").want(404, "In-progress live migration 99 is not found for server "+id)
	e.do(admin(), latest, "DELETE", path+"/99", "").want(404, "Migration 99 not found for instance "+id)
	e.do(admin(), latest, "POST", path+"/99/action", `{"force_complete":null}`).want(400, "Migration 99 not found for instance "+id)
	e.do(member(projectID), latest, "DELETE", path+"/"+num, "").want(403, "")
	e.do(admin(), "2.23", "DELETE", path+"/"+num, "").want(404, "")
	e.do(admin(), "2.24", "DELETE", path+"/"+num, "").want(202, "")
	e.migration(id, "cancelled")
	e.is("ACTIVE")
	if now := e.show(id).str("server", "OS-EXT-SRV-ATTR:host"); now != from {
		t.Errorf("the server is on %s, and was on %s", now, from)
	}
	e.same()
	e.do(admin(), latest, "DELETE", path+"/"+num, "").want(409, "Cannot 'abort live migration' instance "+id+" while it is in task_state None")
	e.do(admin(), latest, "GET", path+"/"+num, "").want(404, "Live migration "+num+" for server "+id+" is not in progress.")
}

func TestALiveMigrationIsForcedToComplete(t *testing.T) {
	e, id, _, to := newLive(t)
	e.lingers.Store(true)
	e.adminAct(id, "2.30", `{"os-migrateLive":{"host":"`+to+`","block_migration":"auto","force":true}}`).want(202, "")
	path := "/v2.1/servers/" + id + "/migrations"
	num := ""
	e.waitFor("progress", func() bool {
		listed := e.do(admin(), latest, "GET", path, "").want(200, "")
		if strings.Contains(listed.text, `memory_remaining_bytes":268435456`) {
			num = fmt.Sprint(listed.at("migrations", 0, "id"))
		}
		return num != ""
	})
	e.do(admin(), latest, "POST", path+"/"+num+"/action", `{"force_complete":{}}`).want(400, "")
	e.do(admin(), "2.22", "POST", path+"/"+num+"/action", `{"force_complete":null}`).want(202, "")
	e.migration(id, "completed")
	e.is("ACTIVE")
	e.same()
}

func TestLiveMigrationsThatCannotBe(t *testing.T) {
	e, id, from, to := newLive(t)
	for _, test := range []struct {
		version, argument string
		status            int
		text              string
	}{
		{"2.1", `{"host":null,"block_migration":true}`, 400, "'disk_over_commit' is a required property"},
		{"2.1", `{"host":null,"block_migration":"auto","disk_over_commit":false}`, 400, "block_migration"},
		{"2.25", `{"host":null,"block_migration":"auto","disk_over_commit":false}`, 400, "'disk_over_commit' was unexpected"},
		{"2.25", `{"host":null,"block_migration":"auto","force":true}`, 400, "'force' was unexpected"},
		{"2.30", `{"host":null,"block_migration":"auto","force":true}`, 400, "Can't force to a non-provided destination"},
		{"2.68", `{"host":"` + to + `","block_migration":"auto","force":false}`, 400, "'force' was unexpected"},
		{latest, `{"block_migration":"auto"}`, 400, "'host' is a required property"},
		{latest, `{"host":null}`, 400, "'block_migration' is a required property"},
		{latest, `{"host":"","block_migration":"auto"}`, 400, "host"},
		{latest, `{"host":7,"block_migration":"auto"}`, 400, "host"},
		{latest, `{"host":"nowhere","block_migration":"auto"}`, 400, "Compute host nowhere could not be found."},
		{"2.25", `{"host":"` + from + `","block_migration":"auto"}`, 400, "Unable to migrate instance (" + id + ") to current host (" + from + ")."},
		{"2.1", `{"host":null,"block_migration":false,"disk_over_commit":false}`, 400, "is not on shared storage"},
	} {
		e.adminAct(id, test.version, `{"os-migrateLive":`+test.argument+`}`).want(test.status, test.text)
	}
	e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"os-migrateLive":{"host":null,"block_migration":"auto"}}`).want(403, "")
	e.adminAct(id, latest, `{"os-migrateLive":{"host":"`+from+`","block_migration":"auto"}}`).want(202, "") // told by the migration
	e.migration(id, "error")
	e.is("ACTIVE")
	e.act(`{"os-stop":null}`)
	e.is("SHUTOFF")
	e.adminAct(id, latest, `{"os-migrateLive":{"host":null,"block_migration":"auto"}}`).want(409, "Cannot 'os-migrateLive' instance "+id+" while it is in vm_state stopped")
	e.same()
}

// TestADestinationThatIsDeclaredDownHasNotTheGuest cuts the cable of the host to which the guest is about to go.
func TestADestinationThatIsDeclaredDownHasNotTheGuest(t *testing.T) {
	e, id, from, to := newLive(t)
	e.lingers.Store(true)
	e.adminAct(id, latest, `{"os-migrateLive":{"host":null,"block_migration":"auto"}}`).want(202, "")
	e.waitFor("the migration to run", func() bool {
		return strings.Contains(e.do(admin(), latest, "GET", "/v2.1/servers/"+id+"/migrations", "").text, `"status":"running"`)
	})
	e.hosts[to].cut.Store(true)
	for _, item := range e.do(admin(), latest, "GET", "/v2.1/os-services", "").want(200, to).at("services").([]any) {
		if s, _ := item.(map[string]any); s["host"] == to {
			e.do(admin(), latest, "PUT", fmt.Sprint("/v2.1/os-services/", s["id"]), `{"forced_down":true}`).want(200, "")
		}
	}
	e.migration(id, "error")
	e.is("ACTIVE")
	if now := e.show(id).str("server", "OS-EXT-SRV-ATTR:host"); now != from {
		t.Errorf("the server is on %s, and was on %s", now, from)
	}
	e.hosts[to].cut.Store(false)
	e.same()
}
