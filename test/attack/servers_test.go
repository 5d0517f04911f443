package attack

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"virga/test/cloud"
)

const servers = "/compute/v2.1/servers"

func serverAttacks() []attack {
	return []attack{
		{"OSSA-2014-011 CVE-2014-0167", "servers from what others own", foreignParts},
		{"", "interfaces that belong to others", foreignInterfaces},
		{"", "lists and filters of administrators", foreignServers},
		{"OSSA-2017-005 CVE-2017-16239", "a host of one's own choice", chosenHost},
		{"OSSA-2014-034 CVE-2014-7960", "metadata past the limit, little by little", metadataLimit},
		{"OSSA-2012-009", "user data, tags and hints without end", longServers},
		{"", "an administrator's lock", lockedServer},
		{"OSSN-0034", "key pairs of others", foreignKeys},
		{"", "console output of any length", consoleLength},
		{"", "faults with the host's troubles", hiddenEvents},
	}
}

// serverOf is the body of a server of Mallory's with some fields changed.
func serverOf(s *scene, more object) object {
	m := s.mallory.ids
	body := object{"name": "x", "imageRef": m["image_id"], "flavorRef": m["flavor_id"], "networks": []object{{"uuid": m["networks"]}}}
	for key, value := range more {
		body[key] = value
	}
	return object{"server": body}
}

func awaitSettled(t *testing.T, s *scene, owner *cloud.Client, id string) {
	t.Helper()
	s.Await(t, "server "+id+" is settled", func() error {
		if a := owner.Do(t, "GET", servers+"/"+id, nil); a.Value("server.status") != "ACTIVE" && a.Value("server.status") != "ERROR" {
			return fmt.Errorf("%s", a)
		}
		return nil
	})
}

func foreignParts(t *testing.T, s *scene) {
	u, m, v := s.mallory.owner, s.mallory.ids, s.victim.ids
	private := s.Admin.Must(t, "POST", "/compute/v2.1/flavors", object{"flavor": object{"name": "private", "ram": 1, "vcpus": 1, "disk": 0, "os-flavor-access:is_public": false}}, "flavor.id")
	for _, more := range []object{
		{"imageRef": v["image_id"]}, {"imageRef": "http://x/images/" + v["image_id"]}, {"imageRef": "", "block_device_mapping_v2": []object{{"boot_index": 0, "uuid": v["image_id"], "source_type": "image", "destination_type": "local"}}},
		{"networks": []object{{"uuid": v["networks"]}}}, {"networks": []object{{"port": v["ports"]}}}, {"networks": []object{{"port": v["port_id"]}}}, {"networks": []object{{"uuid": m["networks"]}, {"port": v["port_id"]}}},
		{"security_groups": []object{{"name": v["security-groups"]}}}, {"flavorRef": private}, {"networks": []object{{"uuid": v["networks"], "fixed_ip": "192.0.2.200"}}}, {"imageRef": "../images/" + v["image_id"]}, {"networks": []object{{"uuid": m["public"]}}},
	} {
		refused(t, fmt.Sprint(more), u.Do(t, "POST", servers, serverOf(s, more)), http.StatusBadRequest, http.StatusNotFound, http.StatusForbidden)
	}
	for _, name := range []string{"os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"} {
		body := serverOf(s, nil)
		body[name] = object{"group": v["group_id"]}
		refused(t, "the group of another", u.Do(t, "POST", servers, body), http.StatusBadRequest, http.StatusNotFound)
	}
	refuseAll(t, u, []try{{"GET", "/compute/v2.1/flavors/" + private, nil}, {"GET", "/compute/v2.1/flavors/" + private + "/os-extra_specs", nil}}, http.StatusNotFound)
	if a := u.Do(t, "GET", "/compute/v2.1/flavors?is_public=None", nil); strings.Contains(string(a.Body), private) {
		t.Errorf("a user sees a private flavor: %s", a)
	}
	// A group of the same name in another project is not meant.
	own := s.mallory.owner.InNewProject(t, "groups", "member")
	refused(t, "a group's name in another project", own.Do(t, "POST", servers, serverOf(s, object{"security_groups": []object{{"name": marker}}})), http.StatusBadRequest)
	refused(t, "a group added by id", u.Do(t, "POST", servers+"/"+m["server_id"]+"/action", object{"addSecurityGroup": object{"name": v["security-groups"]}}), http.StatusBadRequest, http.StatusNotFound)
}

func foreignInterfaces(t *testing.T, s *scene) {
	u, m, v := s.mallory.owner, s.mallory.ids, s.victim.ids
	mine := servers + "/" + m["server_id"] + "/os-interface"
	attach := func(fields object) object { return object{"interfaceAttachment": fields} }
	refuseAll(t, u, []try{
		{"POST", mine, attach(object{"port_id": v["ports"]})}, {"POST", mine, attach(object{"port_id": v["port_id"]})}, {"POST", mine, attach(object{"net_id": v["networks"]})},
		{"POST", mine, attach(object{"net_id": v["networks"], "fixed_ips": []object{{"ip_address": "192.0.2.201"}}})}, {"GET", mine + "/" + v["port_id"], nil}, {"DELETE", mine + "/" + v["port_id"], nil}, {"DELETE", mine + "/" + v["ports"], nil},
		{"DELETE", mine + "/" + m["ports"], nil}, {"GET", mine + "/" + m["ports"], nil}, {"POST", servers + "/" + v["server_id"] + "/os-interface", attach(object{"port_id": m["ports"]})}, {"POST", mine, attach(object{"net_id": m["public"]})},
	}, http.StatusNotFound, http.StatusBadRequest, http.StatusForbidden)
	for _, path := range []string{"/metadata/" + marker, "/tags/" + marker, "/os-instance-actions/" + s.victim.ids["request_id"], "/os-interface/" + v["port_id"], "/ips/" + marker} {
		refused(t, path, u.Do(t, "GET", servers+"/"+v["server_id"]+path, nil), http.StatusNotFound)
	}
	refused(t, "another's action through one's own server", u.Do(t, "GET", servers+"/"+m["server_id"]+"/os-instance-actions/"+v["request_id"], nil), http.StatusNotFound)
}

func foreignServers(t *testing.T, s *scene) {
	u, v := s.mallory.owner, s.victim.ids
	for _, query := range []string{"all_tenants=1", "all_tenants", "all_tenants=true&project_id=" + v["project_id"], "all_tenants=1&status=ACTIVE"} {
		refused(t, query, u.Do(t, "GET", servers+"?"+query, nil), http.StatusForbidden)
		refused(t, query, u.Do(t, "GET", servers+"/detail?"+query, nil), http.StatusForbidden)
	}
	for _, query := range []string{"project_id=" + v["project_id"], "tenant_id=" + v["project_id"], "all_tenants=0&project_id=" + v["project_id"], "user_id=" + v["user_id"], "uuid=" + v["server_id"], "host=" + s.Host, "node=x", "deleted=true", "ip=192.0.2", "tags=" + marker, "not-tags=x", "tags-any=a,b",
		"name=.", "changes-since=2000-01-01", "sort_key=project_id", "key_name=key", "reservation_id=x&reservation_id=", "image=" + v["image_id"], "locked=false", "availability_zone=nova", "status=ACTIVE&status=BUILD", "vm_state=active", "power_state=1", "task_state=x", "config_drive=false", "soft_deleted=1", "created_at=x", "description=" + marker} {
		a := u.Do(t, "GET", servers+"/detail?"+query, nil)
		if a.Status >= 500 || strings.Contains(string(a.Body), v["server_id"]) && !strings.Contains(query, v["server_id"]) || a.OK() && strings.Contains(string(a.Body), v["project_id"]) {
			t.Errorf("GET servers?%s: %s", query, a)
		}
	}
	refuseAll(t, u, []try{{"GET", servers + "?sort_key=host", nil}, {"GET", "/compute/v2.1/limits?tenant_id=" + v["project_id"], nil}, {"GET", "/compute/v2.1/os-simple-tenant-usage", nil}, {"GET", "/compute/v2.1/os-simple-tenant-usage/" + v["project_id"], nil},
		{"GET", servers + "?status=DELETED", nil}, {"GET", "/compute/v2.1/os-server-groups?all_projects=1&limit=-1", nil}}, http.StatusForbidden, http.StatusBadRequest)
	if a := u.Do(t, "GET", "/compute/v2.1/os-server-groups?all_projects=1", nil); strings.Contains(string(a.Body), v["group_id"]) {
		t.Errorf("all groups: %s", a)
	}
}

func chosenHost(t *testing.T, s *scene) {
	for _, more := range []object{{"availability_zone": "nova:" + s.Host}, {"availability_zone": ":" + s.Host}, {"availability_zone": "nova:" + s.Host + ":" + s.Host}, {"availability_zone": "nova::" + s.Host}, {"host": s.Host}, {"hypervisor_hostname": s.Host}, {"availability_zone": "nova", "host": s.Host}} {
		refused(t, fmt.Sprint(more), s.mallory.owner.Do(t, "POST", servers, serverOf(s, more)), http.StatusForbidden, http.StatusBadRequest)
	}
	a := s.mallory.owner.Do(t, "GET", servers+"/"+s.mallory.ids["server_id"], nil)
	for _, field := range []string{"OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname", "OS-EXT-SRV-ATTR:user_data", "host_status"} {
		if a.Value("server."+field) != "" {
			t.Errorf("a user sees %s: %s", field, a)
		}
	}
	if strings.Contains(string(a.Body), s.Host) {
		t.Errorf("a user sees the host: %s", a)
	}
}

func metadataLimit(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "metadata", "member")
	e := smallNetwork(t, u, "203.0.113.0/24")
	image := u.Must(t, "POST", "/image/v2/images", object{"disk_format": "raw", "container_format": "bare"}, "id")
	u.Must(t, "PUT", "/image/v2/images/"+image+"/file", "raw data", "", "Content-Type", "application/octet-stream")
	id := u.Must(t, "POST", servers, serverOf(s, object{"imageRef": image, "networks": []object{{"uuid": e.ids["networks"]}}}), "server.id")
	path := servers + "/" + id + "/metadata"
	for i := range 20 {
		some := object{}
		for j := range 10 {
			some[fmt.Sprintf("k%d-%d", i, j)] = "v"
		}
		a := u.Do(t, "POST", path, object{"metadata": some})
		if i < 12 != a.OK() || !a.OK() && a.Status != http.StatusForbidden {
			t.Errorf("the items from %d on: %s", i*10, a)
		}
	}
	for i := range 20 {
		u.Do(t, "PUT", fmt.Sprintf("%s/one-%d", path, i), object{"meta": object{fmt.Sprintf("one-%d", i): "v"}})
	}
	if n := strings.Count(string(u.Do(t, "GET", path, nil).Body), `:"v"`); n != 128 {
		t.Errorf("the server has %d items of metadata", n)
	}
	for _, bad := range []object{{strings.Repeat("k", 256): "v"}, {"k": strings.Repeat("v", 256)}, {"": "v"}, {"a/b": "v"}, {"k\x00": "v"}, {"k": nil}, {"k": 1}, {"k": object{}}} {
		refused(t, fmt.Sprintf("%.40v", bad), u.Do(t, "PUT", path, object{"metadata": bad}), http.StatusBadRequest)
	}
}

func longServers(t *testing.T, s *scene) {
	many := slices.Repeat([]string{"x"}, 100_000)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	metadata := object{}
	for i := range 129 {
		metadata[fmt.Sprint(i)] = "v"
	}
	var nics []object
	for range 33 {
		nics = append(nics, object{"uuid": s.mallory.ids["networks"]})
	}
	for what, more := range map[string]object{
		"user data": {"user_data": base64.StdEncoding.EncodeToString(make([]byte, 65_536))}, "user data that is no base64": {"user_data": "***"}, "tags": {"tags": many}, "51 tags": {"tags": many[:51]}, "metadata": {"metadata": metadata}, "interfaces": {"networks": nics},
		"a million servers": {"min_count": 1_000_000}, "servers below none": {"max_count": -1}, "2^63 servers": {"max_count": 9223372036854775807}, "more at least than at most": {"min_count": 3, "max_count": 2}, "a description": {"description": strings.Repeat("x", 70_000)},
		"a host name": {"hostname": "a\nb"}, "a host name of a megabyte": {"hostname": strings.Repeat("a", 500_000)}, "a key's name": {"key_name": strings.Repeat("x", 70_000)}, "a tag with a slash": {"tags": []string{"a/b"}},
	} {
		refused(t, what, s.mallory.owner.Do(t, "POST", servers, serverOf(s, more)), http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge)
	}
	hints := serverOf(s, nil)
	hints["os:scheduler_hints"] = object{"group": strings.Repeat("x", 70_000)}
	refused(t, "a hint", s.mallory.owner.Do(t, "POST", servers, hints), http.StatusBadRequest)
	hints["os:scheduler_hints"] = object{"query": []any{"=", "$free_ram_mb", 1}}
	refused(t, "a query", s.mallory.owner.Do(t, "POST", servers, hints), http.StatusBadRequest)
}

func lockedServer(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "locked", "member")
	e := smallNetwork(t, u, "203.0.113.0/24")
	image := u.Must(t, "POST", "/image/v2/images", object{"disk_format": "raw", "container_format": "bare"}, "id")
	u.Must(t, "PUT", "/image/v2/images/"+image+"/file", "raw data", "", "Content-Type", "application/octet-stream")
	id := u.Must(t, "POST", servers, serverOf(s, object{"imageRef": image, "networks": []object{{"uuid": e.ids["networks"]}}}), "server.id")
	awaitServer(t, s.Cloud, u, id, "ACTIVE")
	path := servers + "/" + id
	s.Admin.Must(t, "POST", path+"/action", object{"lock": object{"locked_reason": "r"}}, "")
	refuseAll(t, u, []try{
		{"POST", path + "/action", object{"unlock": nil}}, {"POST", path + "/action", object{"os-stop": nil}}, {"POST", path + "/action", object{"reboot": object{"type": "HARD"}}}, {"DELETE", path, nil}, {"POST", path + "/action", object{"forceDelete": nil}},
		{"PUT", path + "/metadata", object{"metadata": object{}}}, {"POST", path + "/os-interface", object{"interfaceAttachment": object{"net_id": e.ids["networks"]}}}, {"POST", path + "/action", object{"os-resetState": object{"state": "active"}}},
	}, http.StatusConflict, http.StatusForbidden)
	// To lock it once more is no way to own the lock.
	u.Do(t, "POST", path+"/action", object{"lock": nil})
	refused(t, "unlocking after a lock of one's own", u.Do(t, "POST", path+"/action", object{"unlock": nil}), http.StatusForbidden, http.StatusConflict)
}

func foreignKeys(t *testing.T, s *scene) {
	u, v := s.NewUser(t, "keys", "member"), s.victim.owner
	refuseAll(t, u, []try{
		{"GET", "/compute/v2.1/os-keypairs?user_id=" + v.UserID, nil}, {"GET", "/compute/v2.1/os-keypairs/key?user_id=" + v.UserID, nil}, {"DELETE", "/compute/v2.1/os-keypairs/key?user_id=" + v.UserID, nil}, {"GET", "/compute/v2.1/os-keypairs/key", nil}, {"DELETE", "/compute/v2.1/os-keypairs/key", nil},
		{"POST", "/compute/v2.1/os-keypairs", object{"keypair": object{"name": "x", "type": "ssh", "public_key": publicKey, "user_id": v.UserID}}},
	}, http.StatusForbidden, http.StatusNotFound)
	// A colleague in the same project has keys of her own.
	colleague := s.UserIn(t, v.ProjectID, v.Project, "colleague of "+v.Name, "member")
	refused(t, "a colleague's key", colleague.Do(t, "GET", "/compute/v2.1/os-keypairs/key", nil), http.StatusNotFound)
	for _, key := range []string{"ssh-rsa", "ssh-rsa AAAA", "-----BEGIN RSA PRIVATE KEY-----\nx", strings.Repeat("x", 100_000), "command=\"rm -rf /\" " + publicKey, publicKey + "\n" + publicKey, "ssh-ed25519 " + strings.Repeat("A", 20_000)} {
		a := u.Do(t, "POST", "/compute/v2.1/os-keypairs", object{"keypair": object{"name": "k", "type": "ssh", "public_key": key}})
		refused(t, fmt.Sprintf("%.30q", key), a, http.StatusBadRequest)
	}
}

func consoleLength(t *testing.T, s *scene) {
	path := servers + "/" + s.mallory.ids["server_id"] + "/action"
	for _, length := range []any{-1, 0, 1, "9", "x", 9223372036854775807, "9223372036854775808", 1e18, 1.5, true, []int{1}, object{}, ""} {
		if a := s.mallory.owner.Do(t, "POST", path, object{"os-getConsoleOutput": object{"length": length}}); a.Status >= 500 || len(a.Body) > 2<<20 {
			t.Errorf("%v: %s", length, a)
		}
	}
	refused(t, "another's console", s.mallory.owner.Do(t, "POST", servers+"/"+s.victim.ids["server_id"]+"/action", object{"os-getConsoleOutput": object{}}), http.StatusNotFound)
}

// hiddenEvents has a server fail and looks at what its owner is told: the reason in words for users, no trace.
func hiddenEvents(t *testing.T, s *scene) {
	u := s.mallory.owner
	a := u.Do(t, "GET", servers+"/"+s.mallory.ids["server_id"]+"/os-instance-actions/"+s.mallory.ids["request_id"], nil)
	for _, word := range append([]string{"traceback\":\"", s.Host, s.DataDir}, inside...) {
		if !a.OK() || strings.Contains(string(a.Body), word) {
			t.Errorf("the events have %q: %s", word, a)
		}
	}
}
