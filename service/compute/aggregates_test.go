package compute_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// aggregate makes a host aggregate and returns the path that it is under.
func (r *rig) aggregate(name, zone string) string {
	r.t.Helper()
	made := r.do(admin(), latest, "POST", "/v2.1/os-aggregates", fmt.Sprintf(`{"aggregate":{"name":%q,"availability_zone":%s}}`, name, zone)).want(200, `"deleted":false`)
	return fmt.Sprintf("/v2.1/os-aggregates/%s", made.at("aggregate", "id"))
}

func TestAggregates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 16_384)
	root := admin()
	path := r.aggregate("fast", "null")
	r.do(root, "2.40", "GET", path, "").want(200, `"availability_zone":null,"hosts":[],"metadata":{},`)
	for _, test := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"fast"}}`, 409, "Aggregate fast already exists."},
		{"POST", "/v2.1/os-aggregates", `{"aggregate":{"name":" fast"}}`, 400, "name"},
		{"POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"x","availability_zone":"a:b"}}`, 400, "availability_zone"},
		{"POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"x","hosts":[]}}`, 400, "hosts"},
		{"GET", "/v2.1/os-aggregates/x", "", 400, "Invalid input received: id must be an integer"},
		{"GET", "/v2.1/os-aggregates/77", "", 404, "Aggregate 77 could not be found."},
		{"PUT", "/v2.1/os-aggregates/77", `{"aggregate":{"name":"x"}}`, 404, "Aggregate 77 could not be found."},
		{"PUT", path, `{"aggregate":{}}`, 400, ""},
		{"PUT", path, `{"aggregate":{"availability_zone":null}}`, 400, "Aggregate fast does not support empty named availability zone"},
		{"PUT", path, `{"aggregate":{"name":" faster "}}`, 200, `"name":"faster"`},
		{"POST", path + "/action", `{"dance":{}}`, 400, "There is no such action: dance"},
		{"POST", path + "/action", `{"add_host":{"host":"nobody"}}`, 404, "Compute host nobody could not be found."},
		{"POST", path + "/action", `{"remove_host":{"host":"host1"}}`, 404, "Cannot remove host host1 in aggregate"},
		{"POST", path + "/action", `{"set_metadata":{"metadata":{"ssd":"true","tier":"1"}}}`, 200, `"ssd":"true"`},
		{"POST", path + "/action", `{"set_metadata":{"metadata":{"tier":null}}}`, 200, `"metadata":{"ssd":"true"}`},
		{"POST", path + "/action", `{"set_metadata":{"metadata":{"ssd":1}}}`, 400, ""},
		{"POST", path + "/action", `{"add_host":{"host":"host1"}}`, 200, `"hosts":["host1"]`},
		{"POST", path + "/action", `{"add_host":{"host":"host1"}}`, 409, "already has host host1."},
		{"DELETE", path, "", 400, "Host aggregate is not empty."},
		{"POST", path + "/action", `{"remove_host":{"host":"host1"}}`, 200, `"hosts":[]`},
		{"DELETE", path, "", 200, ""},
		{"GET", path, "", 404, ""},
	} {
		r.do(root, latest, test.method, test.path, test.body).want(test.status, test.text)
	}
	r.do(member(projectID), latest, "GET", "/v2.1/os-aggregates", "").want(403, "os_compute_api:os-aggregates:index")
	r.do(member(projectID), latest, "POST", path+"/action", `{"add_host":{"host":"host1"}}`).want(403, "os_compute_api:os-aggregates:add_host")
}

func TestAggregatesMakeZones(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 16_384)
	r.startNode("host2", 16_384)
	root := admin()
	east, west := r.aggregate("e", `"east"`), r.aggregate("w", `"west"`)
	r.do(root, latest, "POST", east+"/action", `{"add_host":{"host":"host1"}}`).want(200, `"availability_zone":"east"`)
	r.do(root, latest, "GET", "/v2.1/os-availability-zone", "").want(200, `"zoneName":"east"`)
	r.do(root, latest, "POST", west+"/action", `{"add_host":{"host":"host1"}}`).want(409, "One or more hosts already in availability zone(s) ['east']")
	id := r.create(`,"availability_zone":"east"`)
	r.waitStatus(id, "ACTIVE").want(200, `"OS-EXT-AZ:availability_zone":"east"`).want(200, `"OS-EXT-SRV-ATTR:host":"host1"`)
	r.do(root, latest, "POST", east+"/action", `{"remove_host":{"host":"host1"}}`).want(409,
		"the availability zone of the host would change from 'east' to 'None' but the host already has 1 instance(s)")
	r.do(root, latest, "PUT", east, `{"aggregate":{"name":"e2","availability_zone":"north"}}`).want(400, "One or more hosts contain instances in this zone")
	r.do(root, latest, "GET", east, "").want(200, `"name":"e"`)
	r.do(root, latest, "POST", east+"/action", `{"set_metadata":{"metadata":{"availability_zone":"north"}}}`).want(400, "Cannot update metadata of aggregate")
	r.do(member(projectID), latest, "POST", "/v2.1/servers", createBody(`,"availability_zone":"west"`)).want(400, "The requested availability zone is not available")
	r.delete(id)
	r.waitGone(id)
	r.do(root, latest, "PUT", east, `{"aggregate":{"availability_zone":"north"}}`).want(200, `"availability_zone":"north"`)
	r.do(root, latest, "GET", "/v2.1/os-services", "").want(200, `"zone":"north"`)
	r.do(root, latest, "POST", east+"/action", `{"remove_host":{"host":"host1"}}`).want(200, `"hosts":[]`)
	if zones := r.do(root, latest, "GET", "/v2.1/os-availability-zone", "").want(200, "").at("availabilityZoneInfo").([]any); len(zones) != 1 {
		t.Errorf("zones %v", zones)
	}
}

// Two administrators who add one host to aggregates of two zones at once: one of them is refused.
func TestHostIsInOneZone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 16_384)
	paths := []string{r.aggregate("e", `"east"`), r.aggregate("w", `"west"`)}
	statuses := make([]int, len(paths))
	var both sync.WaitGroup
	for i := range paths {
		both.Go(func() {
			statuses[i] = r.do(admin(), latest, "POST", paths[i]+"/action", `{"add_host":{"host":"host1"}}`).status
		})
	}
	both.Wait()
	if statuses[0]+statuses[1] != 200+409 {
		t.Errorf("statuses %v", statuses)
	}
}

func TestSchedulerHeedsAggregatesAndHints(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 1<<20) // preferred as long as nothing else is said
	r.startNode("host2", 16_384)
	hinted := func(hints string) string {
		body := strings.TrimSuffix(createBody(""), "}") + `,"os:scheduler_hints":` + hints + `}`
		return r.do(member(projectID), latest, "POST", "/v2.1/servers", body).want(202, "").str("server", "id")
	}
	on := func(id, host string) {
		t.Helper()
		r.waitStatus(id, "ACTIVE").want(200, `"OS-EXT-SRV-ATTR:host":"`+host+`"`)
	}
	first := r.create("")
	on(first, "host1")
	on(hinted(`{"different_host":"`+first+`"}`), "host2")
	on(hinted(`{"same_host":["`+first+`"],"build_near_host_ip":"192.0.2.200"}`), "host1")
	on(hinted(`{"query":"[\"<\",\"$free_ram_mb\",20000]"}`), "host2")
	path := r.aggregate("kept", "null")
	r.do(admin(), latest, "POST", path+"/action", `{"set_metadata":{"metadata":{"filter_tenant_id":"`+otherID+`"}}}`).want(200, "")
	r.do(admin(), latest, "POST", path+"/action", `{"add_host":{"host":"host1"}}`).want(200, "")
	on(r.create(""), "host2")
	r.do(admin(), latest, "POST", path+"/action", `{"set_metadata":{"metadata":{"filter_tenant_id":null}}}`).want(200, "")
	on(r.create(""), "host1")
}
