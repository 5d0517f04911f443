package compute_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"virga/core/api"
	"virga/core/work"
	"virga/service/compute"
	"virga/service/compute/orders"
)

func TestNoValidHostSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 1024)
	r.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"ram":-1,"cores":-1}}`).want(200, "")
	body := strings.Replace(createBody(""), `"flavorRef":"1"`, `"flavorRef":"4"`, 1)
	id := r.do(member(projectID), latest, "POST", "/v2.1/servers", body).want(202, "").str("server", "id")
	r.waitStatus(id, "ERROR")
	a := r.do(member(projectID), latest, "GET", "/v2.1/servers/"+id, "").want(200, "No valid host was found. 1 host: it has too few MB of memory (8192 needed, 896 free).")
	if strings.Contains(a.text, `"details"`) {
		t.Error("the decision table is for administrators")
	}
	r.show(id).want(200, `\"class\":\"MEMORY_MB\",\"needed\":8192,\"free\":896`)
	if len(r.world.list()) != 0 {
		t.Errorf("left behind: %v", r.world.list())
	}
	r.delete(id)
	r.waitGone(id)
}

func TestWithoutAnyHostTheServerFailsAndSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create("")
	r.waitStatus(id, "ERROR").want(200, "There is no compute host yet.")
	r.delete(id)
	r.show(id).want(404, "")
}

func TestAnotherHostIsTriedAndTheFailedOneExcluded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	big, small := r.startNode("big", 32_768), r.startNode("small", 16_384)
	big.setFail(func(o orders.GuestOrder) *orders.Error {
		if o.Desired == orders.Running {
			return &orders.Error{Class: orders.Elsewhere, Message: "no space left on host"}
		}
		return nil
	})
	id := r.create("")
	a := r.waitStatus(id, "ACTIVE")
	if got := a.str("server", "OS-EXT-SRV-ATTR:host"); got != "small" {
		t.Errorf("it runs on %s", got)
	}
	if len(big.list()) != 0 || len(small.list()) != 1 {
		t.Errorf("guests %v %v", big.list(), small.list())
	}
	r.world.mu.Lock()
	for _, p := range r.world.ports {
		if p.HostID != "small" {
			t.Errorf("port on %s", p.HostID)
		}
	}
	ports := len(r.world.ports)
	r.world.mu.Unlock()
	if ports != 1 {
		t.Errorf("%d ports", ports)
	}
	small.setFail(func(o orders.GuestOrder) *orders.Error {
		if o.Desired == orders.Running {
			return &orders.Error{Class: orders.Elsewhere, Message: "no space left on host"}
		}
		return nil
	})
	second := r.create("")
	r.waitStatus(second, "ERROR").want(200, "Each of 2 hosts: it failed before: no space left on host")
}

func TestAHostThatFailsForGoodEndsTheCreate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	n.setFail(func(o orders.GuestOrder) *orders.Error {
		if o.Desired == orders.Running {
			return &orders.Error{Class: orders.Fail, Message: "image does not match its checksum"}
		}
		return nil
	})
	id := r.create("")
	r.waitStatus(id, "ERROR").want(200, "image does not match its checksum")
}

func TestANeighboursRefusalIsTheFaultAndItsTroubleIsNot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 16_384)
	refuse := func(err error) {
		r.world.mu.Lock()
		defer r.world.mu.Unlock()
		r.world.refuse = func(call string) error {
			if call == "create port" {
				return err
			}
			return nil
		}
	}
	refuse(api.Conflict("No more IP addresses available on network n."))
	r.waitStatus(r.create(""), "ERROR").want(200, "No more IP addresses available on network n.")
	refuse(errors.New("dial tcp 10.9.8.7:9696: secret"))
	id := r.create("")
	a := r.waitStatus(id, "ERROR")
	if a.want(200, "The network service could not do its part."); strings.Contains(a.text, "10.9.8.7") {
		t.Errorf("the inside shows: %s", a.text)
	}
}

func TestADeleteEndsWhenTheHostIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	n.stop()
	service := r.do(admin(), latest, "GET", "/v2.1/os-services", "").want(200, "nova-compute").str("services", 0, "id")
	r.do(admin(), latest, "PUT", "/v2.1/os-services/"+service, `{"forced_down":true}`).want(200, `"state":"down"`)
	r.delete(id)
	r.waitGone(id)
	if len(r.world.list()) != 0 {
		t.Errorf("left behind: %v", r.world.list())
	}
	r.do(admin(), latest, "PUT", "/v2.1/os-services/"+service, `{"forced_down":false}`).want(200, `"state":"up"`)
	n.run() // it comes back and finds the order
	r.waitFor("the guest to be removed", func() bool { return len(n.list()) == 0 })
}

func TestQuotaIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 64_000)
	var all sync.WaitGroup
	var created, refused atomic.Int32
	for range 30 {
		all.Go(func() {
			switch a := r.do(member(projectID), latest, "POST", "/v2.1/servers", createBody("")); a.status {
			case 202:
				created.Add(1)
			case 403:
				refused.Add(1)
			default:
				t.Errorf("status %d: %s", a.status, a.text)
			}
		})
	}
	all.Wait()
	if created.Load() != 10 || refused.Load() != 20 {
		t.Errorf("%d created, %d refused", created.Load(), refused.Load())
	}
	r.do(member(projectID), latest, "POST", "/v2.1/servers", createBody("")).
		want(403, "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances")
	r.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"instances":5}}`).want(400, "must be greater than or equal to already used and reserved 10")
	r.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"instances":5,"force":true}}`).want(200, `"instances":5`)
	r.do(member(projectID), latest, "GET", "/v2.1/limits", "").want(200, `"totalInstancesUsed":10`)
	r.do(member(projectID), latest, "GET", "/v2.1/os-quota-sets/"+projectID+"/detail", "").want(200, `"instances":{"in_use":10,"limit":5,"reserved":0}`)
	r.do(member(otherID), latest, "GET", "/v2.1/os-quota-sets/"+projectID, "").want(403, "")
	r.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"fixed_ips":5}}`).want(400, "fixed_ips")
	r.do(admin(), latest, "DELETE", "/v2.1/os-quota-sets/"+projectID, "").want(202, "")
	r.do(admin(), latest, "GET", "/v2.1/os-quota-sets/"+projectID, "").want(200, `"instances":10`)
}

func TestSeveralServersAreMadeAtOnceAsFarAsTheQuotaAllows(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 64_000)
	a := r.do(member(projectID), latest, "POST", "/v2.1/servers", createBody(`,"min_count":2,"max_count":30,"return_reservation_id":true`)).want(202, "r-")
	reservation := a.str("reservation_id")
	list := r.do(member(projectID), latest, "GET", "/v2.1/servers/detail?reservation_id="+reservation, "").want(200, `"name":"vm-10"`)
	if servers, _ := list.at("servers").([]any); len(servers) != 10 {
		t.Errorf("%d servers", len(servers))
	}
}

func TestPowerActions(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id + "/action"
	s.do(member(projectID), latest, "POST", path, `{"os-start":null}`).want(409, "Cannot 'start' instance "+s.id+" while it is in vm_state active")
	s.action(`{"os-stop":null}`)
	s.waitStatus(s.id, "SHUTOFF").want(200, `"OS-EXT-STS:power_state":4`)
	s.do(member(projectID), latest, "POST", path, `{"reboot":{"type":"SOFT"}}`).want(409, "vm_state stopped")
	s.action(`{"os-start":null}`)
	s.waitStatus(s.id, "ACTIVE")
	s.action(`{"reboot":{"type":"SOFT"}}`)
	s.waitStatus(s.id, "ACTIVE")
	s.waitFor("the reboot", func() bool {
		s.node.mu.Lock()
		defer s.node.mu.Unlock()
		return s.node.reboot[s.id] == 1
	})
	s.do(member(projectID), latest, "POST", path, `{"reboot":{"type":"warm"}}`).want(400, "reboot")
	s.do(member(projectID), latest, "POST", path, `{"os-getRDPConsole":{"type":"rdp-html5"}}`).want(404, "not supported on this method")
	s.do(member(projectID), latest, "POST", path, `{"dance":null}`).want(400, "There is no such action: dance")
	s.do(member(projectID), latest, "POST", path, `{"os-stop":null,"os-start":null}`).want(400, "")
	s.do(member(projectID), latest, "POST", path, `{"os-getConsoleOutput":{"length":2}}`).want(200, `{"output":"two\nthree\n"}`)
	s.do(member(projectID), "2.72", "POST", path, `{"lock":{}}`).want(202, "") // as tempest has it
	s.do(member(projectID), latest, "POST", path, `{"lock":{"locked_reason":"mine"}}`).want(202, "")
	s.show(s.id).want(200, `"locked":true,"locked_reason":"mine"`)
	s.do(member(projectID), latest, "POST", path, `{"os-stop":null}`).want(409, "is locked")
	s.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+s.id, "").want(409, "is locked")
	s.do(member(projectID), latest, "POST", path, `{"unlock":null}`).want(202, "")
	s.do(member(projectID), latest, "POST", path, `{"os-resetState":{"state":"error"}}`).want(403, "")
	s.do(admin(), latest, "POST", path, `{"os-resetState":{"state":"error"}}`).want(202, "")
	s.show(s.id).want(200, `"status":"ERROR"`)
	s.action(`{"reboot":{"type":"HARD"}}`)
	s.waitStatus(s.id, "ACTIVE")
	s.action(`{"forceDelete":null}`)
	s.waitGone(s.id)
}

func TestTransitionalStatesFollowFromTheOperation(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	in, out := make(chan string), make(chan struct{})
	s.setHook(func(o work.Operation, _, after bool) error {
		if !after {
			in <- o.Kind + "/" + o.StepName
			<-out
		}
		return nil
	})
	expect := func(step, status, task string) {
		t.Helper()
		if got := <-in; got != step {
			t.Fatalf("at %s, want %s", got, step)
		}
		a := s.show(s.id)
		if got := a.at("server", "OS-EXT-STS:task_state"); a.str("server", "status") != status || got != task {
			t.Errorf("at %s: status %s, task %v", step, a.str("server", "status"), got)
		}
		s.do(member(projectID), latest, "GET", "/v2.1/servers/detail?status="+status, "").want(200, s.id)
		out <- struct{}{}
	}
	s.perform()
	expect("server_create/schedule", "BUILD", "scheduling")
	expect("server_create/claim", "BUILD", "scheduling")
	expect("server_create/network", "BUILD", "networking")
	expect("server_create/spawn", "BUILD", "spawning")
	done := make(chan struct{})
	go func() { // settle may be looked at more than once
		defer close(done)
		for range in {
			out <- struct{}{}
		}
	}()
	s.waitStatus(s.id, "ACTIVE")
	s.setHook(nil)
	close(in)
	<-done
}

// TestADetachThatTheHostRefusesEnds has the host say that it can never take the interface
// away: the port goes, and nothing stands in the way of a delete.
func TestADetachThatTheHostRefusesEnds(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	s.node.setFail(func(orders.GuestOrder) *orders.Error { return &orders.Error{Class: orders.Fail, Message: "never"} })
	s.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+s.id+"/os-interface/"+ownPortID, "").want(202, "")
	if state := s.settled("interface_detach"); state != "done" {
		t.Errorf("it ended as %s", state)
	}
	s.node.setFail(nil)
	s.end()
}

// TestAGuestThatStopsDuringAnOperationIsFollowed has the guest go down while its server loses
// an interface, which has nothing to say about that.
func TestAGuestThatStopsDuringAnOperationIsFollowed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	s.setHook(func(o work.Operation, undo, after bool) error {
		if o.Kind == "interface_detach" && o.StepName == "port" && !undo && after {
			order := s.node.lastOrder(t, s.id)
			s.node.say(s.id, orders.Report{Generation: order.Generation, State: orders.StateStopped, PowerState: 4})
		}
		return nil
	})
	s.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+s.id+"/os-interface/"+ownPortID, "").want(202, "")
	s.waitStatus(s.id, "SHUTOFF").want(200, `"OS-EXT-STS:power_state":4`)
}

func TestAGuestThatStopsByItselfIsFollowed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	order := s.node.lastOrder(t, s.id)
	s.node.say(s.id, orders.Report{Generation: order.Generation - 1, State: orders.StateStopped, PowerState: 4})
	s.show(s.id).want(200, `"status":"ACTIVE"`)
	s.node.say(s.id, orders.Report{Generation: order.Generation, State: orders.StateStopped, PowerState: 4})
	s.waitStatus(s.id, "SHUTOFF").want(200, `"OS-EXT-STS:power_state":4`)
	var list orders.GuestList
	s.node.call("GET", "/internal/hosts/host1/guests?since=0", nil, &list)
	if len(list.Guests) != 1 || !list.Guests[0].Settled {
		t.Errorf("the guest would be started again: %+v", list.Guests)
	}
	s.action(`{"os-start":null}`)
	s.waitStatus(s.id, "ACTIVE")
	if status := s.node.call("PUT", "/internal/hosts/host1/guests/"+imageID, orders.Report{Generation: 1, State: orders.StateRunning}, nil); status != 404 {
		t.Errorf("a guest without an order: status %d", status)
	}
}

func TestNodesSpeakForThemselvesAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	for _, path := range []string{"/internal/hosts/host2", "/internal/hosts/host2/guests/x"} {
		if status := n.call("PUT", path, map[string]any{"generation": 1, "state": "running"}, nil); status != http.StatusForbidden {
			t.Errorf("PUT %s: status %d", path, status)
		}
	}
	r.do(admin(), "", "GET", "/internal/hosts/host1/guests", "").want(403, "")
	r.do(member(projectID), "", "GET", "/internal/metadata/"+imageID+"/latest", "").want(403, "")
}

func TestInterfaces(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.id = s.create("")
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id + "/os-interface"
	s.do(member(projectID), latest, "POST", path, `{"interfaceAttachment":{"net_id":"`+networkID+`","port_id":"`+ownPortID+`"}}`).want(400, "Must not input both")
	s.do(member(projectID), latest, "POST", path, `{"interfaceAttachment":{"port_id":"`+imageID+`"}}`).want(404, "could not be found")
	s.do(member(projectID), latest, "POST", path, `{"interfaceAttachment":{"port_id":"`+ownPortID+`","tag":"lan"}}`).want(200, `"tag":"lan"`)
	s.do(member(projectID), latest, "POST", path, `{"interfaceAttachment":{"port_id":"`+ownPortID+`"}}`).want(409, "still in use")
	if order := s.node.lastOrder(t, s.id); len(order.NICs) != 2 || order.NICs[1].PortID != ownPortID {
		t.Errorf("order %+v", order.NICs)
	}
	a := s.do(member(projectID), latest, "GET", path, "").want(200, ownPortID)
	made := a.str("interfaceAttachments", 0, "port_id")
	s.do(member(projectID), latest, "GET", path+"/"+made, "").want(200, made)
	for _, port := range []string{made, ownPortID} {
		s.do(member(projectID), latest, "DELETE", path+"/"+port, "").want(202, "")
		s.settled("interface_detach")
	}
	s.do(member(projectID), latest, "DELETE", path+"/"+made, "").want(404, "")
	s.waitFor("the ports to be free", func() bool {
		s.world.mu.Lock()
		defer s.world.mu.Unlock()
		return len(s.world.ports) == 1 && s.world.ports[ownPortID].DeviceID == ""
	})
	s.node.setFail(func(orders.GuestOrder) *orders.Error {
		return &orders.Error{Class: orders.Fail, Message: "no slot left"}
	})
	s.do(member(projectID), latest, "POST", path, `{"interfaceAttachment":{}}`).want(400, "no slot left")
	s.node.setFail(nil)
	s.end()
}

func TestFloatingAddressesAndGroupsShowSoon(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.id = s.create("")
	s.waitStatus(s.id, "ACTIVE")
	s.world.mu.Lock()
	for id, p := range s.world.ports {
		if p.DeviceID == s.id {
			s.world.floating = append(s.world.floating, compute.FloatingIP{PortID: id, FixedAddress: p.FixedIPs[0].Address, Address: "203.0.113.9"})
		}
	}
	s.world.mu.Unlock()
	s.do(admin(), latest, "POST", "/v2.1/os-server-external-events", `{"events":[{"name":"network-changed","server_uuid":"`+s.id+`"},{"name":"network-changed","server_uuid":"`+imageID+`"}]}`).want(207, `"code":404`)
	s.do(member(projectID), latest, "POST", "/v2.1/os-server-external-events", `{"events":[{"name":"network-changed","server_uuid":"`+s.id+`"}]}`).want(403, "")
	s.do(admin(), latest, "POST", "/v2.1/os-server-external-events", `{"events":[{"name":"network-changed","server_uuid":"`+imageID+`"}]}`).want(404, "No instances found for any event")
	s.waitFor("the floating address", func() bool {
		return strings.Contains(s.do(member(projectID), latest, "GET", "/v2.1/servers/detail", "").text, "203.0.113.9")
	})
	s.do(member(projectID), latest, "GET", "/v2.1/servers/detail?ip=203.0.113", "").want(200, s.id)
	s.do(member(projectID), latest, "GET", "/v2.1/servers/"+s.id+"/ips/private", "").want(200, "203.0.113.9")
	s.action(`{"addSecurityGroup":{"name":"web"}}`)
	s.do(member(projectID), latest, "GET", "/v2.1/servers/"+s.id+"/os-security-groups", "").want(200, `"name":"web"`)
	s.action(`{"removeSecurityGroup":{"name":"default"}}`)
	s.do(member(projectID), latest, "POST", "/v2.1/servers/"+s.id+"/action", `{"addSecurityGroup":{"name":"none"}}`).want(404, "not found for project")
	if a := s.show(s.id); strings.Contains(a.text, `"name":"default"`) {
		t.Errorf("the group is still there: %s", a.text)
	}
}

func TestListFiltersAndPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 64_000)
	r.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"instances":-1,"cores":-1,"ram":-1}}`).want(200, "")
	r.do(member(projectID), latest, "POST", "/v2.1/servers", createBody(`,"min_count":5,"tags":["blue","big"],"metadata":{"a":"1"}`)).want(202, "")
	other := r.create(`,"description":"the odd one"`)
	r.waitStatus(other, "ACTIVE")
	names := func(version, query string) string {
		t.Helper()
		var list struct{ Servers []struct{ Name string } }
		a := r.do(member(projectID), version, "GET", "/v2.1/servers?"+query, "").want(200, "")
		if err := json.Unmarshal([]byte(a.text), &list); err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, s := range list.Servers {
			found = append(found, s.Name)
		}
		return strings.Join(found, " ")
	}
	for query, want := range map[string]string{
		"sort_key=display_name&sort_dir=asc":               "vm vm-1 vm-2 vm-3 vm-4 vm-5",
		"sort_key=display_name&sort_dir=asc&limit=2":       "vm vm-1",
		"name=vm-[12]&sort_key=display_name&sort_dir=desc": "vm-2 vm-1",
		"name=vm$": "vm",
		"tags=blue,big&limit=1&sort_key=display_name&sort_dir=asc": "vm-1",
		"not-tags=blue":                      "vm",
		"tags-any=none":                      "",
		"status=SHUTOFF":                     "",
		"image=" + subnetID:                  "",
		"flavor=1&key_name=none":             "",
		"changes-since=2999-01-01T00:00:00Z": "",
		"host=elsewhere&name=vm$":            "vm",
	} {
		if got := names(latest, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	page := r.do(member(projectID), latest, "GET", "/v2.1/servers?limit=4", "").want(200, "servers_links")
	next := strings.TrimPrefix(page.str("servers_links", 0, "href"), "http://cloud/compute")
	if rest, _ := r.do(member(projectID), latest, "GET", next, "").want(200, "").at("servers").([]any); len(rest) != 2 {
		t.Errorf("%d on the second page", len(rest))
	}
	for query, want := range map[string]string{"limit=-1": "limit", "marker=" + imageID: "marker [" + imageID + "] not found", "sort_key=secret": "sort_key",
		"name=" + "%28": "regular expression", "status=FLYING": "Invalid status value", "changes-since=x": "'x' is not a 'date-time'", "colour=red": "colour", "all_tenants=maybe": "all_tenants"} {
		r.do(member(projectID), latest, "GET", "/v2.1/servers?"+query, "").want(400, want)
	}
	r.do(member(projectID), latest, "GET", "/v2.1/servers?all_tenants=1", "").want(403, "get_all_tenants")
	for _, query := range []string{"limit=0", "tenant_id=" + otherID, "project_id=" + otherID} { // a project counts with all_tenants only
		if a := r.do(admin(), latest, "GET", "/v2.1/servers?"+query, "").want(200, ""); strings.Contains(a.text, `"id"`) {
			t.Errorf("%s finds %s", query, a.text)
		}
	}
	r.do(member(projectID), latest, "GET", "/v2.1/servers?limit=0", "").want(200, `{"servers":[]}`)
	r.do(member(projectID), "2.1", "GET", "/v2.1/servers?colour=red", "").want(200, other)
	r.do(admin(), latest, "GET", "/v2.1/servers/detail?all_tenants=1&host=host1&project_id="+projectID, "").want(200, other)
	r.do(member(otherID), latest, "GET", "/v2.1/servers?marker="+other, "").want(400, "not found")
	r.do(member(otherID), latest, "GET", "/v2.1/servers/"+other, "").want(404, "Instance "+other+" could not be found.")
	r.delete(other)
	r.waitGone(other)
	r.do(admin(), latest, "GET", "/v2.1/servers/detail?all_tenants=1&deleted=true", "").want(200, `"status":"DELETED"`)
	r.do(member(projectID), latest, "GET", "/v2.1/servers/detail?changes-since=2020-01-01T00:00:00Z", "").want(200, `"status":"DELETED"`)
}

func TestVersionsShowWhatTheyHave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 16_384)
	id := r.create(`,"description":"d","tags":["t"],"hostname":"web","availability_zone":"nova"`)
	r.waitStatus(id, "ACTIVE")
	for _, c := range []struct{ version, has, hasNot string }{
		{"2.1", `"flavor":{"id":"1"`, "OS-EXT-SRV-ATTR:reservation_id"}, {"2.8", `"key_name":null`, `"locked"`}, {"2.9", `"locked":false`, "description"},
		{"2.19", `"description":"d"`, `"tags"`}, {"2.26", `"tags":["t"]`, "original_name"}, {"2.47", `"original_name":"m1.tiny"`, "trusted_image"},
		{"2.63", `"trusted_image_certificates":null`, "server_groups"}, {"2.71", `"server_groups":[]`, "locked_reason"},
		{"2.73", `"locked_reason":null`, "pinned"}, {"2.90", `"OS-EXT-SRV-ATTR:hostname":"web"`, "pinned"}, {"2.96", `"pinned_availability_zone":"nova"`, `"OS-EXT-SRV-ATTR:host"`},
	} {
		a := r.do(member(projectID), c.version, "GET", "/v2.1/servers/"+id, "").want(200, c.has)
		if strings.Contains(a.text, c.hasNot) {
			t.Errorf("version %s shows %s: %s", c.version, c.hasNot, a.text)
		}
	}
	r.do(admin(), "2.3", "GET", "/v2.1/servers/"+id, "").want(200, "OS-EXT-SRV-ATTR:reservation_id")
	r.do(admin(), "2.16", "GET", "/v2.1/servers/"+id, "").want(200, `"host_status":"UP"`)
	r.do(member(projectID), "2.25", "GET", "/v2.1/servers/"+id+"/tags", "").want(404, "")
	r.do(member(projectID), "2.18", "PUT", "/v2.1/servers/"+id, `{"server":{"description":"x"}}`).want(400, "description")
	r.do(member(projectID), latest, "PUT", "/v2.1/servers/"+id, `{"server":{"name":"renamed","description":null,"hostname":"db"}}`).want(200, `"name":"renamed"`)
	r.do(member(projectID), latest, "PUT", "/v2.1/servers/"+id, `{"server":{"accessIPv6":"0:0:0:0:0:babe:220.12.22.2"}}`).want(200, `"accessIPv6":"::babe:dc0c:1602"`)
	r.do(member(projectID), latest, "PUT", "/v2.1/servers/"+id, `{"server":{"name":" "}}`).want(400, "name")
	r.do(member(projectID), latest, "PUT", "/v2.1/servers/"+id, `{"server":{}}`).want(200, "OS-EXT-STS:vm_state")
	if a := r.do(member(projectID), "2.1", "PUT", "/v2.1/servers/"+id, `{"server":{}}`).want(200, `"status":"ACTIVE"`); strings.Contains(a.text, "OS-EXT") {
		t.Errorf("an old update shows extensions: %s", a.text)
	}
}

// TestSecurityGroupsInNovasForm: the openstack command finds a group by its name in this list.
func TestSecurityGroupsInNovasForm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	port := 22
	r.world.groups[projectID][1].Rules = []compute.SecurityGroupRule{
		{ID: "r1", Direction: "egress", EtherType: "IPv4"},
		{ID: "r2", Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", PortMin: &port, PortMax: &port, RemotePrefix: "10.0.0.0/8"},
		{ID: "r3", Direction: "ingress", EtherType: "IPv6", Protocol: "udp"},
		{ID: "r4", Direction: "ingress", EtherType: "IPv4", RemoteGroupID: groupID},
	}
	alice := member(projectID)
	r.do(alice, "2.35", "GET", "/v2.1/os-security-groups", "").want(200, `"name":"default"`)
	web := r.do(alice, "2.1", "GET", "/v2.1/os-security-groups/"+webGroupID, "")
	for _, want := range []string{`"ip_protocol":"tcp","from_port":22,"to_port":22,"group":{},"ip_range":{"cidr":"10.0.0.0/8"}`,
		`"ip_protocol":"udp","from_port":1,"to_port":65535,"group":{},"ip_range":{"cidr":"::/0"}`,
		`"ip_protocol":null,"from_port":null,"to_port":null,"group":{"name":"default","tenant_id":""},"ip_range":{}`} {
		web.want(200, want)
	}
	if strings.Contains(web.text, "r1") {
		t.Errorf("nova knows no rules for what goes out: %s", web.text)
	}
	r.do(alice, "2.1", "GET", "/v2.1/os-security-groups/none", "").want(404, "Security group none not found.")
	r.do(alice, "2.36", "GET", "/v2.1/os-security-groups", "").want(404, "")
	if other := r.do(member(otherID), "2.1", "GET", "/v2.1/os-security-groups?all_tenants=1", "").want(200, ""); strings.Contains(other.text, "web") {
		t.Errorf("another project sees %s", other.text)
	}
}

// TestPasswordIsOnTheConfigDriveAlone: it is told in the answer to the create and never again; one is made up where none is given.
func TestPasswordIsOnTheConfigDriveAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.startNode("host1", 4096)
	a := r.do(member(projectID), "2.1", "POST", "/v2.1/servers", createBody(`,"adminPass":"open sesame"`)).want(202, "")
	if a.str("server", "adminPass") != "open sesame" {
		t.Errorf("answered: %s", a.text)
	}
	if made := r.do(member(projectID), "2.1", "POST", "/v2.1/servers", createBody("")).want(202, "").str("server", "adminPass"); len(made) != 12 {
		t.Errorf("the password made up is %q", made)
	}
	id := a.str("server", "id")
	r.waitStatus(id, "ACTIVE")
	if shown := r.show(id); strings.Contains(shown.text, "sesame") {
		t.Errorf("shown: %s", shown.text)
	}
	if served := r.do(n.identity(), "", "GET", "/internal/metadata/"+id+"/openstack/latest/meta_data.json", "").want(200, id); strings.Contains(served.text, "sesame") {
		t.Errorf("served: %s", served.text)
	}
	if drive := n.lastOrder(t, id).ConfigDrive; drive == nil || !strings.Contains(string(drive.MetaData), `"admin_pass":"open sesame"`) {
		t.Errorf("on the config drive: %+v", drive)
	}
}

func TestTagsAndMetadata(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.create("")
	path, alice := "/v2.1/servers/"+id, member(projectID)
	r.do(alice, latest, "PUT", path+"/tags/a", "").want(201, "")
	r.do(alice, latest, "PUT", path+"/tags/a", "").want(204, "")
	r.do(alice, latest, "GET", path+"/tags/b", "").want(404, "has no tag 'b'")
	r.do(alice, latest, "PUT", path+"/tags", `{"tags":["z","y","z"]}`).want(200, `{"tags":["y","z"]}`)
	r.do(alice, latest, "PUT", path+"/tags/"+strings.Repeat("x", 61), "").want(400, "tag")
	r.do(alice, latest, "DELETE", path+"/tags/y", "").want(204, "")
	r.do(alice, latest, "DELETE", path+"/tags", "").want(204, "")
	r.do(alice, "", "POST", path+"/metadata", `{"metadata":{"a":"1"}}`).want(200, `{"metadata":{"a":"1"}}`)
	r.do(alice, "", "PUT", path+"/metadata/b", `{"meta":{"b":"2"}}`).want(200, `{"meta":{"b":"2"}}`)
	r.do(alice, "", "PUT", path+"/metadata/b", `{"meta":{"c":"2"}}`).want(400, "Request body and URI mismatch")
	r.do(alice, "", "GET", path+"/metadata/c", "").want(404, "Metadata item was not found")
	for i := range 13 { // the limit holds for what comes together
		var items []string
		for j := range 10 {
			items = append(items, fmt.Sprintf(`"k%d":"v"`, i*10+j))
		}
		a := r.do(alice, "", "POST", path+"/metadata", `{"metadata":{`+strings.Join(items, ",")+`}}`)
		if want := map[bool]int{true: 200, false: 403}[i < 12]; a.status != want {
			t.Fatalf("round %d: status %d: %s", i, a.status, a.text)
		}
	}
	r.do(alice, "", "PUT", path+"/metadata", `{"metadata":{}}`).want(200, `{"metadata":{}}`)
	r.do(alice, "", "DELETE", path+"/metadata/a", "").want(404, "")
}

func TestGuestsReadAboutThemselves(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGgWZgjlrhGYVnaJ1R6ZFX7zF5DhnPhvyAnlb5kXlAWD me"
	r.do(member(projectID), latest, "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k","public_key":"`+public+`"}}`).want(201, "")
	userData := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho hello\n"))
	id := r.create(`,"key_name":"k","user_data":"` + userData + `","config_drive":true,"metadata":{"role":"web"}`)
	r.waitStatus(id, "ACTIVE")
	get := func(path string) answer {
		return r.do(n.identity(), "", "GET", "/internal/metadata/"+id+"/"+path, "")
	}
	for path, want := range map[string]string{
		"": "2009-04-04\nlatest", "latest": "meta-data/\nuser-data", "latest/meta-data/": "public-keys/", "latest/meta-data/public-keys/": "0=k",
		"latest/meta-data/public-keys/0/openssh-key": public, "2009-04-04/meta-data/local-ipv4": "10.0.0.", "latest/meta-data/instance-id": "i-" + id[:8],
		"latest/meta-data/hostname": "vm", "latest/meta-data/placement/availability-zone": "nova", "latest/user-data": "echo hello",
		"openstack": "2018-08-27\n2020-10-14\nlatest", "openstack/latest/": "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json",
		"openstack/latest/meta_data.json": `"public_keys":{"k":"` + public, "openstack/latest/network_data.json": `"type":"ipv4_dhcp"`,
		"openstack/latest/user_data": "echo hello", "openstack/2012-08-10/meta_data.json": `"meta":{"role":"web"}`, "latest/meta-data/block-device-mapping/root": "/dev/vda",
		"openstack/latest/vendor_data.json": "{}",
	} {
		get(path).want(200, want)
	}
	for _, path := range []string{"latest/nothing", "openstack/2012-08-10/network_data.json", "openstack/latest/../x", "latest/meta-data/hostname/x", "x"} {
		get(path).want(404, "")
	}
	drive := n.lastOrder(t, id).ConfigDrive
	if drive == nil || !strings.Contains(string(drive.MetaData), public) || !strings.Contains(string(drive.UserData), "hello") || !strings.Contains(string(drive.NetworkData), "ipv4_dhcp") {
		t.Fatalf("config drive %+v", drive)
	}
	served := get("openstack/latest/meta_data.json").text
	if onDrive, _, _ := strings.Cut(string(drive.MetaData), `,"admin_pass"`); onDrive+"}" != served {
		t.Errorf("config drive and service differ:\n%s\n%s", drive.MetaData, served)
	}
}

func TestOperatorsSeeHosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 16_384)
	r.waitStatus(r.create(""), "ACTIVE")
	root := admin()
	r.do(root, "2.87", "GET", "/v2.1/os-hypervisors/detail", "").want(200, `"memory_mb_used":1024`)
	a := r.do(root, latest, "GET", "/v2.1/os-hypervisors/detail?with_servers=true", "").want(200, `"servers":[{"name":"instance-`)
	id := a.str("hypervisors", 0, "id")
	r.do(root, latest, "GET", "/v2.1/os-hypervisors/"+id, "").want(200, `up 1 days`)
	r.do(root, "2.1", "GET", "/v2.1/os-hypervisors/1", "").want(200, `"cpu_info":"{`)
	r.do(root, "2.1", "GET", "/v2.1/os-hypervisors/1/uptime", "").want(200, "load average")
	r.do(root, "2.1", "GET", "/v2.1/os-hypervisors/host/search", "").want(200, "host1.example")
	r.do(root, "2.1", "GET", "/v2.1/os-hypervisors/host1/servers", "").want(200, "instance-")
	r.do(root, "2.1", "GET", "/v2.1/os-hypervisors/statistics", "").want(200, `"count":1`)
	r.do(root, "2.88", "GET", "/v2.1/os-hypervisors/statistics", "").want(404, "")
	r.do(root, latest, "GET", "/v2.1/os-hypervisors?hypervisor_hostname_pattern=zzz", "").want(404, "No hypervisor matching")
	r.do(member(projectID), latest, "GET", "/v2.1/os-hypervisors", "").want(403, "")
	service := r.do(root, latest, "GET", "/v2.1/os-services?binary=nova-compute", "").want(200, `"forced_down":false`).str("services", 0, "id")
	r.do(root, latest, "PUT", "/v2.1/os-services/"+service, `{"status":"disabled","disabled_reason":"rest"}`).want(200, `"disabled_reason":"rest"`)
	r.do(root, latest, "PUT", "/v2.1/os-services/"+service, `{}`).want(400, "No updates were requested")
	r.waitStatus(r.create(""), "ERROR").want(200, "its compute service is disabled")
	r.do(root, "2.1", "PUT", "/v2.1/os-services/enable", `{"host":"host1","binary":"nova-compute"}`).want(200, `"status":"enabled"`)
	r.do(root, latest, "DELETE", "/v2.1/os-services/"+service, "").want(409, "hosting instances")
	r.do(root, latest, "GET", "/v2.1/os-availability-zone/detail", "").want(200, `"host1":{"nova-compute"`)
	r.do(member(projectID), latest, "GET", "/v2.1/os-availability-zone", "").want(200, `"hosts":null`)
	r.do(root, latest, "GET", "/v2.1/os-simple-tenant-usage?detailed=1", "").want(200, `"total_vcpus_usage"`)
	r.do(member(projectID), latest, "GET", "/v2.1/os-simple-tenant-usage/"+projectID, "").want(200, `"server_usages"`)
	r.do(member(projectID), "", "GET", "/v2.1/extensions", "").want(200, `"alias":"os-keypairs"`)
}

func TestServerGroupsKeepMembersApart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 16_384)
	r.startNode("host2", 16_384)
	alice := member(projectID)
	group := r.do(alice, "2.15", "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policies":["anti-affinity"]}}`).want(200, `"policies":["anti-affinity"]`).str("server_group", "id")
	body := strings.TrimSuffix(createBody(""), "}") + `,"os:scheduler_hints":{"group":"` + group + `"}}`
	hosts := map[string]bool{}
	for range 2 {
		id := r.do(alice, latest, "POST", "/v2.1/servers", body).want(202, "").str("server", "id")
		hosts[r.waitStatus(id, "ACTIVE").str("server", "OS-EXT-SRV-ATTR:host")] = true
	}
	if len(hosts) != 2 {
		t.Errorf("hosts %v", hosts)
	}
	id := r.do(alice, latest, "POST", "/v2.1/servers", body).want(202, "").str("server", "id")
	r.waitStatus(id, "ERROR").want(200, "1 members of the server group already")
	r.do(alice, latest, "GET", "/v2.1/os-server-groups/"+group, "").want(200, id)
	r.do(member(otherID), latest, "GET", "/v2.1/os-server-groups/"+group, "").want(404, "Instance group")
	r.do(alice, latest, "DELETE", "/v2.1/os-server-groups/"+group, "").want(204, "")
}
