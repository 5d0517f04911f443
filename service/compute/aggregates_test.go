package compute_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

func TestZonesAreAvailableAsTheirHostsAreEnabled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	zones := func(path string) string {
		return r.do(admin(), latest, "GET", "/v2.1/os-availability-zone"+path, "").want(200, "").text
	}
	if got := zones(""); got != `{"availabilityZoneInfo":[{"zoneName":"nova","zoneState":{"available":true},"hosts":null}]}` {
		t.Errorf("without hosts: %s", got)
	}
	r.startNode("host1", 16_384)
	r.startNode("host2", 16_384)
	east := r.aggregate("e", `"east"`)
	r.do(admin(), latest, "POST", east+"/action", `{"add_host":{"host":"host1"}}`).want(200, "")
	r.do(admin(), "2.1", "PUT", "/v2.1/os-services/disable", `{"host":"host1","binary":"nova-compute"}`).want(200, "")
	if got := zones(""); got != `{"availabilityZoneInfo":[{"zoneName":"nova","zoneState":{"available":true},"hosts":null},{"zoneName":"east","zoneState":{"available":false},"hosts":null}]}` {
		t.Errorf("with one host disabled: %s", got)
	}
	detail := zones("/detail")
	if !strings.Contains(detail, `"hosts":{"host2":{"nova-compute":{"active":true,"available":true,`) || !strings.HasSuffix(detail, `{"zoneName":"east","zoneState":{"available":false},"hosts":null}]}`) {
		t.Errorf("detail: %s", detail)
	}
	r.do(admin(), "2.1", "PUT", "/v2.1/os-services/enable", `{"host":"host1","binary":"nova-compute"}`).want(200, "")
	r.do(admin(), "2.11", "PUT", "/v2.1/os-services/force-down", `{"host":"host1","binary":"nova-compute","forced_down":true}`).want(200, "")
	if got := zones("/detail"); !strings.Contains(got, `{"zoneName":"east","zoneState":{"available":true},"hosts":{"host1":{"nova-compute":{"active":true,"available":false,`) {
		t.Errorf("with one host down: %s", got)
	}
}

func TestPlacementHearsOfAggregates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	inPlacement := func() string {
		r.world.mu.Lock()
		defer r.world.mu.Unlock()
		for _, p := range r.world.providers {
			slices.Sort(p.aggregates)
			return strings.Join(p.aggregates, " ")
		}
		return "no provider"
	}
	const foreign = "0aaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	r.world.mu.Lock()
	for _, p := range r.world.providers {
		p.aggregates = []string{foreign} // somebody else's
	}
	refuse := true
	r.world.refuse = func(call string) error {
		if call == "aggregates" && refuse {
			refuse = false
			return errors.New("placement is away")
		}
		return nil
	}
	r.world.mu.Unlock()
	path := r.aggregate("fast", "null")
	id := r.do(admin(), latest, "GET", path, "").str("aggregate", "uuid")
	r.do(admin(), latest, "POST", path+"/action", `{"add_host":{"host":"host1"}}`).want(200, "")
	both := strings.Join([]string{foreign, id}, " ")
	if id < foreign {
		both = strings.Join([]string{id, foreign}, " ")
	}
	r.ringUntil("compute.aggregates", "placement has the host in the aggregate", func() bool { return inPlacement() == both })
	r.world.mu.Lock()
	clear(r.world.providers) // placement lost it
	r.world.mu.Unlock()
	r.ringUntil("compute.hosts", "a provider made anew is in the aggregate again", func() bool { return inPlacement() == id })
	r.do(admin(), latest, "POST", path+"/action", `{"remove_host":{"host":"host1"}}`).want(200, "")
	r.ringUntil("compute.aggregates", "placement has the host out of the aggregate", func() bool { return inPlacement() == "" })
	r.do(admin(), latest, "POST", path+"/action", `{"add_host":{"host":"host1"}}`).want(200, "")
	n.stop()
	n.call("PUT", "/internal/hosts/host1/alive", map[string]bool{"leaving": true}, nil)
	service := r.do(admin(), latest, "GET", "/v2.1/os-services", "").str("services", 0, "id")
	r.do(admin(), latest, "DELETE", "/v2.1/os-services/"+service, "").want(204, "")
	r.ringUntil("compute.hosts", "the provider is gone", func() bool { return inPlacement() == "no provider" })
	r.do(admin(), latest, "DELETE", path, "").want(200, "")
}

// ringUntil rings for a repair loop until something is true.
func (r *rig) ringUntil(topic, what string, true func() bool) {
	r.t.Helper()
	r.waitFor(what, func() bool {
		r.bus.Ring(topic)
		return true()
	})
}

func TestAggregatesAreToldAsNovaDoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 16_384)
	path := r.aggregate("fast", `"east"`)
	for _, body := range []string{`{"add_host":{"host":"host1"}}`, `{"set_metadata":{"metadata":{"ssd":"true","old":null}}}`, `{"remove_host":{"host":"host1"}}`} {
		r.do(admin(), latest, "POST", path+"/action", body).want(200, "")
	}
	r.do(admin(), latest, "PUT", path, `{"aggregate":{"name":"faster","availability_zone":"west"}}`).want(200, "")
	r.do(admin(), latest, "POST", path+"/images", `{"cache":[{"id":"`+imageID+`"}]}`).want(202, "")
	r.do(admin(), latest, "DELETE", path, "").want(200, "")
	var plain, versioned []string
	payloads := map[string]string{}
	for _, n := range told(t, r.changesOf("aggregate", "")) {
		text, err := json.Marshal(n.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if n.Versioned {
			versioned = append(versioned, strings.TrimPrefix(n.EventType, "aggregate."))
			payloads["versioned "+n.EventType+" of "+n.Publisher] = string(text)
		} else {
			plain = append(plain, strings.TrimPrefix(n.EventType, "aggregate."))
			payloads[n.EventType+" of "+n.Publisher] = string(text)
		}
	}
	phases := func(words ...string) (all []string) {
		for _, word := range words {
			all = append(all, word+".start", word+".end")
		}
		return all
	}
	if want := phases("create", "addhost", "updatemetadata", "removehost", "updateprop", "updatemetadata", "delete"); !slices.Equal(plain, want) {
		t.Errorf("plain: %q", plain)
	}
	if want := phases("create", "add_host", "update_metadata", "remove_host", "update_prop", "update_metadata", "cache_images", "delete"); !slices.Equal(versioned, want) {
		t.Errorf("versioned: %q", versioned)
	}
	for key, want := range map[string]string{
		"aggregate.create.start of aggregate.fast":                 `"meta_data":{"availability_zone":"east"},"name":"fast"`,
		"aggregate.create.end of aggregate.1":                      `{"aggregate_id":1,`,
		"aggregate.addhost.end of aggregate.1":                     `{"aggregate_id":1,"host_name":"host1","name":"fast"}`,
		"aggregate.updatemetadata.end of aggregate.1":              `{"aggregate_id":1,"meta_data":{"availability_zone":"west"}}`,
		"aggregate.updateprop.start of aggregate.1":                `{"aggregate_id":1}`,
		"versioned aggregate.create.start of nova-api:api-host":    `"hosts":null,"id":null,"metadata":{"availability_zone":"east"},"name":"fast"`,
		"versioned aggregate.add_host.start of nova-api:api-host":  `"hosts":[],"id":1`,
		"versioned aggregate.add_host.end of nova-api:api-host":    `"hosts":["host1"],"id":1`,
		"versioned aggregate.remove_host.end of nova-api:api-host": `"nova_object.name":"AggregatePayload","nova_object.namespace":"nova","nova_object.version":"1.1"`,
	} {
		if !strings.Contains(payloads[key], want) {
			t.Errorf("%s is %s, want %s", key, payloads[key], want)
		}
	}
}
