package compute_test

import (
	"strings"
	"testing"
)

// TestListsReadTheirQueriesAsNovaDoes asks the lists besides that of servers, in versions that differ, by every parameter they have.
func TestListsReadTheirQueriesAsNovaDoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 64_000)
	r.startNode("host2", 64_000)
	me, root := member(projectID), admin()
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	r.do(root, latest, "POST", "/v2.1/servers/"+id+"/action", `{"migrate":null}`).want(202, "")
	r.waitStatus(id, "VERIFY_RESIZE")
	for _, name := range []string{"k1", "k2"} {
		r.do(me, latest, "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"`+name+`",`+key+`}}`).want(201, "")
	}
	group := r.do(me, latest, "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g1","policy":"affinity"}}`).str("server_group", "id")
	r.do(me, latest, "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g2","policy":"affinity"}}`).want(200, "")
	r.do(root, "2.1", "PUT", "/v2.1/os-services/disable", `{"host":"host2","binary":"nova-compute"}`).want(200, "")
	actions := "/v2.1/servers/" + id + "/os-instance-actions"
	for _, test := range []struct {
		admin         bool
		version, path string
		status        int
		has, lacks    string
	}{
		{false, latest, "/v2.1/flavors?limit=0", 200, `{"flavors":[]}`, ""},
		{false, latest, "/v2.1/flavors?limit=1&sort_key=memory_mb&sort_dir=desc", 200, "flavors_links", "m1.tiny"},
		{false, latest, "/v2.1/flavors?sort_key=colour", 400, "colour", ""},
		{false, latest, "/v2.1/flavors?sort_dir=up", 400, "up", ""},
		{false, "2.101", "/v2.1/flavors?sort_key=rxtx_factor", 200, "m1.tiny", ""},
		{false, latest, "/v2.1/flavors?sort_key=rxtx_factor", 400, "rxtx_factor", ""},
		{false, latest, "/v2.1/flavors?minRam=x", 400, "Invalid minRam filter [x]", ""},
		{false, latest, "/v2.1/flavors?minDisk=1.5", 400, "Invalid minDisk filter [1.5]", ""},
		{false, latest, "/v2.1/flavors?minRam=1000000", 200, `{"flavors":[]}`, ""},
		{false, latest, "/v2.1/flavors?marker=none", 400, "marker [none] not found", ""},
		{false, latest, "/v2.1/flavors?is_public=false", 200, "m1.tiny", ""},
		{true, latest, "/v2.1/flavors?is_public=false", 200, `{"flavors":[]}`, ""},
		{true, latest, "/v2.1/flavors?is_public=None", 200, "m1.tiny", ""},
		{true, latest, "/v2.1/flavors?is_public=perhaps", 400, "Invalid is_public filter [perhaps]", ""},
		{false, latest, "/v2.1/os-keypairs?limit=1", 200, "keypairs_links", `"k2"`},
		{false, latest, "/v2.1/os-keypairs?limit=1&marker=k1", 200, `"k2"`, `"k1"`},
		{false, latest, "/v2.1/os-keypairs?limit=0", 200, `{"keypairs":[]}`, ""},
		{false, latest, "/v2.1/os-keypairs?marker=none", 400, "Marker none could not be found.", ""},
		{false, latest, "/v2.1/os-keypairs?user_id=other", 403, "", ""},
		{true, latest, "/v2.1/os-keypairs?user_id=" + me.UserID, 200, `"k1"`, ""},
		{false, "2.34", "/v2.1/os-keypairs?limit=1", 200, `"k2"`, "keypairs_links"},
		{false, latest, "/v2.1/os-keypairs?colour=red", 400, "'colour' was unexpected", ""},
		{true, latest, "/v2.1/os-migrations?limit=0", 200, `{"migrations":[]}`, ""},
		{true, latest, "/v2.1/os-migrations?limit=1&limit=2", 400, "['1', '2'] is too long", ""},
		{true, latest, "/v2.1/os-migrations?status=finished&migration_type=migration&instance_uuid=" + id + "&host=host1", 200, id, ""},
		{true, latest, "/v2.1/os-migrations?status=error", 200, `{"migrations":[]}`, ""},
		{true, latest, "/v2.1/os-migrations?source_compute=nowhere", 200, `{"migrations":[]}`, ""},
		{true, latest, "/v2.1/os-migrations?hidden=0", 200, id, ""},
		{true, latest, "/v2.1/os-migrations?project_id=" + otherID, 200, `{"migrations":[]}`, ""},
		{true, "2.79", "/v2.1/os-migrations?project_id=" + otherID, 400, "'project_id' was unexpected", ""},
		{true, "2.58", "/v2.1/os-migrations?project_id=" + otherID, 200, id, ""},
		{true, "2.65", "/v2.1/os-migrations?changes-before=2000-01-01T00:00:00Z", 400, "'changes-before' was unexpected", ""},
		{true, "2.58", "/v2.1/os-migrations?changes-since=2999-01-01T00:00:00Z", 200, id, ""},
		{true, "2.59", "/v2.1/os-migrations?changes-since=2999-01-01T00:00:00Z", 200, `{"migrations":[]}`, ""},
		{true, "2.59", "/v2.1/os-migrations?changes-since=x", 400, "'x' is not a 'date-time'", ""},
		{true, latest, "/v2.1/os-migrations?changes-since=2999-01-01T00:00:00Z&changes-before=2000-01-01T00:00:00Z", 400, "must be less than or equal to changes-before.", ""},
		{true, latest, "/v2.1/os-migrations?marker=none", 400, "Marker none could not be found.", ""},
		{false, latest, actions + "?limit=1", 200, `"links"`, ""},
		{false, latest, actions + "?limit=0", 200, `{"instanceActions":[]}`, ""},
		{false, latest, actions + "?limit=1&limit=1", 400, "is too long", ""},
		{false, latest, actions + "?marker=none", 400, "marker [none] not found", ""},
		{false, latest, actions + "?changes-since=2999-01-01T00:00:00Z", 200, `{"instanceActions":[]}`, ""},
		{false, latest, actions + "?changes-before=2000-01-01T00:00:00Z", 200, `{"instanceActions":[]}`, ""},
		{false, "2.65", actions + "?changes-before=2000-01-01T00:00:00Z", 400, "'changes-before' was unexpected", ""},
		{false, "2.57", actions + "?changes-since=2999-01-01T00:00:00Z", 200, "create", ""},
		{true, latest, "/v2.1/os-hypervisors?limit=0", 200, `{"hypervisors":[]}`, ""},
		{true, latest, "/v2.1/os-hypervisors?limit=1", 200, "hypervisors_links", "host2"},
		{true, latest, "/v2.1/os-hypervisors?with_servers=perhaps", 400, "perhaps", ""},
		{true, latest, "/v2.1/os-hypervisors?with_servers=true", 200, `"uuid":"` + id, ""},
		{true, latest, "/v2.1/os-hypervisors/detail?with_servers=true", 200, `"servers":[]`, ""},
		{true, "2.74", "/v2.1/os-hypervisors/detail?with_servers=true", 200, `"uuid":"` + id, `"servers":[]`},
		{true, latest, "/v2.1/os-hypervisors?hypervisor_hostname_pattern=host2", 200, "host2", "host1"},
		{true, latest, "/v2.1/os-hypervisors?hypervisor_hostname_pattern=nowhere", 404, "No hypervisor matching 'nowhere' could be found.", ""},
		{true, latest, "/v2.1/os-hypervisors?marker=none", 400, "marker [none] not found", ""},
		{true, latest, "/v2.1/os-hypervisors?colour=red", 400, "'colour' was unexpected", ""},
		{true, "2.52", "/v2.1/os-hypervisors?colour=red", 200, "host1", ""},
		{true, latest, "/v2.1/os-services?host=host2", 200, "host2", "host1"},
		{true, latest, "/v2.1/os-services?binary=nova-conductor", 200, `{"services":[]}`, ""},
		{true, latest, "/v2.1/os-services?colour=red", 400, "'colour' was unexpected", ""},
		{false, latest, "/v2.1/os-server-groups?limit=1", 200, `"members":[]`, "g2"},
		{false, latest, "/v2.1/os-server-groups?limit=1&offset=1", 200, "g2", group},
		{false, latest, "/v2.1/os-server-groups?limit=-1", 400, "limit", ""},
		{false, latest, "/v2.1/os-server-groups?all_projects=1", 200, group, ""},
		{true, latest, "/v2.1/os-server-groups", 200, `{"server_groups":[]}`, ""},
		{true, latest, "/v2.1/os-server-groups?all_projects=1", 200, group, ""},
		{false, latest, "/v2.1/os-server-groups?colour=red", 400, "'colour' was unexpected", ""},
	} {
		who := me
		if test.admin {
			who = root
		}
		path := test.path
		a := r.do(who, test.version, "GET", path, "")
		if a.status != test.status || !strings.Contains(a.text, test.has) || test.lacks != "" && strings.Contains(a.text, test.lacks) {
			t.Errorf("%s in %s: status %d, want %d with %q without %q: %s", path, test.version, a.status, test.status, test.has, test.lacks, a.text)
		}
	}
}
