package compute_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"virga/core/api"
	"virga/core/api/apitest"
	"virga/core/authz"
)

// TestTheRowsHold runs the tests that follow from the table of routes.
func TestTheRowsHold(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	owner := member(projectID)
	r.do(owner, "2.2", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k"}}`).want(201, "BEGIN OPENSSH PRIVATE KEY")
	group := r.do(owner, "2.64", "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"affinity"}}`).want(200, "").str("server_group", "id")
	subject := &apitest.Subject{
		Table: r.service.Table(), Handler: r.service.Handler(), Owner: owner, Stranger: member(otherID),
		Params: func(api.Route) map[string]string {
			return map[string]string{"server_id": id, "flavor_id": "1", "name": "k", "group_id": group, "project_id": projectID, "host": "host1", "hypervisor_id": "1"}
		},
		Open: []string{"GET /v2.1/flavors/{flavor_id}", "GET /v2.1/flavors/{flavor_id}/os-extra_specs", "GET /v2.1/flavors/{flavor_id}/os-extra_specs/{key}",
			"GET /v2.1/os-quota-sets/{project_id}/defaults"},
	}
	subject.Run(t)
}

func TestEveryRuleOfARowIsKnownAndCompiles(t *testing.T) {
	r := newRig(t)
	for _, row := range r.service.Table().Routes {
		if row.Doc == "" {
			t.Errorf("%s %s says nothing of itself", row.Method, row.Path)
		}
		if !row.Public && !r.service.Table().Policy.Has(row.Policy) {
			t.Errorf("%s %s: no rule %s", row.Method, row.Path, row.Policy)
		}
	}
	if r.service.Table().Policy.Allowed("os_compute_api:os-hypervisors:list", authz.CredsOf(member(projectID)), nil) {
		t.Error("members may list hypervisors")
	}
}

func TestVersionDocuments(t *testing.T) {
	r := newRig(t)
	a := r.do(nil, "", "GET", "/", "").want(200, `"version":"2.104"`)
	if a.str("versions", 0, "id") != "v2.0" || a.str("versions", 0, "version") != "" || a.str("versions", 0, "links", 0, "href") != "http://cloud/compute/v2/" {
		t.Error(a.text)
	}
	if a.str("versions", 1, "links", 0, "href") != "http://cloud/compute/v2.1/" || a.str("versions", 1, "min_version") != "2.1" {
		t.Error(a.text)
	}
	r.do(nil, "", "GET", "/v2.1/", "").want(200, `"media-types"`)
	r.do(nil, "", "GET", "/v2/", "").want(200, `"status":"SUPPORTED"`)
	r.do(member(projectID), "2.105", "GET", "/v2.1/flavors", "").want(406, "computeFault")
	a = r.do(member(projectID), "latest", "GET", "/v2.1/flavors", "").want(200, "m1.nano")
	if a.header.Get("OpenStack-API-Version") != "compute 2.104" || a.header.Get("X-OpenStack-Nova-API-Version") != "2.104" {
		t.Errorf("headers %v", a.header)
	}
	r.do(member(projectID), "2.1", "GET", "/v2.1/"+projectID+"/flavors/42", "").want(200, "m1.nano")
}

// TestTheOldAPITakesMoreThanItKnows asks for /v2, which has no microversions and ignores what it does not know in a body.
func TestTheOldAPITakesMoreThanItKnows(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	body := `{"server":{"name":"vm","imageRef":"` + imageID + `","flavorRef":"1","colour":"red","networks":[{"uuid":"` + networkID + `","speed":1}]}}`
	r.do(member(projectID), "", "POST", "/v2.1/servers", body).want(400, "not allowed")
	id := r.do(member(projectID), "2.90", "POST", "/v2/"+projectID+"/servers", body).want(202, "").str("server", "id")
	r.do(member(projectID), "", "POST", "/v2/servers", `{"server":{"name":1,"colour":"red"}}`).want(400, "")
	a := r.do(member(projectID), "2.90", "GET", "/v2/servers/"+id, "").want(200, `"name":"vm"`)
	if a.header.Get("OpenStack-API-Version") != "" || a.header.Get("Vary") != "" || a.at("server").(map[string]any)["locked"] != nil {
		t.Errorf("the old API has versions: %v %s", a.header, a.text)
	}
}

func TestBadCreatesAreRefusedInNovasStyle(t *testing.T) {
	r := newRig(t)
	w := r.world
	w.mu.Lock()
	big := w.images[imageID]
	big.ID, big.VirtualSize = "11111111-0000-4111-8111-111111111111", 3<<30
	w.images[big.ID] = big
	iso := w.images[imageID]
	iso.ID, iso.DiskFormat = "11111111-0000-4111-8111-111111111112", "aki"
	w.images[iso.ID] = iso
	ram := w.images[imageID]
	ram.ID, ram.MinRAM = "11111111-0000-4111-8111-111111111113", 1024
	w.images[ram.ID] = ram
	queued := w.images[imageID]
	queued.ID, queued.Status = "11111111-0000-4111-8111-111111111114", "queued"
	w.images[queued.ID] = queued
	taken := ownPort
	taken.ID = "66666666-0000-4666-8666-666666666666"
	w.ports[taken.ID] = taken
	w.mu.Unlock()
	body := func(old, replaced string) string { return strings.Replace(createBody(""), old, replaced, 1) }
	for name, c := range map[string]struct {
		version, body string
		status        int
		want          string
	}{
		"no such image":           {latest, body(imageID, "99999999-9999-4999-8999-999999999999"), 400, "Can not find requested image"},
		"image too big":           {latest, body(imageID, big.ID), 400, "Flavor's disk is too small for requested image. Flavor disk is 1073741824 bytes, image is 3221225472 bytes."},
		"image of no disk":        {latest, body(imageID, iso.ID), 400, "not aki"},
		"image needs memory":      {latest, body(imageID, ram.ID), 400, "Flavor's memory is too small for requested image."},
		"image not active":        {latest, body(imageID, queued.ID), 400, "is not active"},
		"image is no id":          {latest, body(imageID, "../../etc/passwd"), 400, "imageRef"},
		"no such flavor":          {latest, body(`"flavorRef":"1"`, `"flavorRef":"none"`), 400, "Flavor none could not be found."},
		"no such network":         {latest, body(networkID, subnetID), 400, "Network " + subnetID + " could not be found."},
		"networks missing":        {latest, body(`,"networks":[{"uuid":"`+networkID+`"}]`, ""), 400, "'networks' is a required property"},
		"auto in an old version":  {"2.36", body(`[{"uuid":"`+networkID+`"}]`, `"auto"`), 400, "networks"},
		"no such key":             {latest, createBody(`,"key_name":"none"`), 400, "Invalid key_name provided."},
		"no such group":           {latest, createBody(`,"security_groups":[{"name":"none"}]`), 400, "Security group none not found for project " + projectID},
		"unknown field":           {latest, createBody(`,"colour":"red"`), 400, "colour"},
		"field of a later one":    {"2.51", createBody(`,"tags":["a"]`), 400, "'tags' was unexpected"},
		"field of an earlier one": {"2.57", createBody(`,"personality":[]`), 400, "'personality' was unexpected"},
		"name of blanks":          {latest, body(`"vm"`, `"  "`), 400, "name"},
		"name too long":           {latest, body(`"vm"`, `"`+strings.Repeat("x", 256)+`"`), 400, "name"},
		"name is a number":        {latest, body(`"vm"`, `7`), 400, "name"},
		"name not printable":      {latest, body(`"vm"`, `"a\u0007b"`), 400, "name"},
		"user data not base64":    {latest, createBody(`,"user_data":"%%%"`), 400, "base64"},
		"user data too long":      {latest, createBody(`,"user_data":"` + strings.Repeat("QUJD", 20000) + `"`), 400, "user_data"},
		"counts reversed":         {latest, createBody(`,"min_count":3,"max_count":2`), 400, "min_count must be "},
		"count of nothing":        {latest, createBody(`,"min_count":0`), 400, "min_count"},
		"a volume":                {latest, createBody(`,"block_device_mapping_v2":[{"boot_index":0,"source_type":"volume","destination_type":"volume","uuid":"x"}]`), 400, "Block Device Mapping is Invalid"},
		"no such zone":            {latest, createBody(`,"availability_zone":"mars"`), 400, "The requested availability zone is not available"},
		"choosing the host":       {latest, createBody(`,"availability_zone":"nova:host1"`), 403, "forced_host"},
		"metadata too long":       {latest, createBody(`,"metadata":{"a":"` + strings.Repeat("x", 256) + `"}`), 400, "metadata"},
		"tag with a slash":        {latest, createBody(`,"tags":["a/b"]`), 400, "tags"},
		"bad host name":           {latest, createBody(`,"hostname":"-a"`), 400, "hostname"},
		"fixed address of none":   {latest, body(`{"uuid":"`+networkID+`"}`, `{"uuid":"`+networkID+`","fixed_ip":"10.0.0.900"}`), 400, "not a valid ip address"},
		"address is taken":        {latest, body(`{"uuid":"`+networkID+`"}`, `{"uuid":"`+networkID+`","fixed_ip":"10.0.9.9"}`), 400, "Fixed IP 10.0.9.9 is already in use by port " + taken.ID},
		"no such port":            {latest, body(`{"uuid":"`+networkID+`"}`, `{"port":"`+ownPortID+`"}`), 400, "Port id " + ownPortID + " could not be found."},
		"unsupported hint":        {latest, strings.TrimSuffix(createBody(""), "}") + `,"os:scheduler_hints":{"target_cell":"x"}}`, 400, "target_cell"},
		"hint of no server":       {latest, strings.TrimSuffix(createBody(""), "}") + `,"os:scheduler_hints":{"same_host":["x"]}}`, 400, "same_host"},
		"hint of no network":      {latest, strings.TrimSuffix(createBody(""), "}") + `,"os:scheduler_hints":{"build_near_host_ip":"192.0.2.1","cidr":"/99"}}`, 400, "build_near_host_ip"},
		"hint of no query":        {latest, strings.TrimSuffix(createBody(""), "}") + `,"os:scheduler_hints":{"query":"x"}}`, 400, "query"},
		"no such server group":    {latest, strings.TrimSuffix(createBody(""), "}") + `,"os:scheduler_hints":{"group":"` + imageID + `"}}`, 400, "Instance group"},
	} {
		a := r.do(member(projectID), c.version, "POST", "/v2.1/servers", c.body)
		key := map[int]string{400: "badRequest", 403: "forbidden"}[c.status]
		if a.status != c.status || !strings.Contains(a.text, c.want) || !strings.Contains(a.text, fmt.Sprintf(`{"%s":{"code":%d,`, key, c.status)) {
			t.Errorf("%s: status %d: %s", name, a.status, a.text)
		}
	}
	a := r.do(member(projectID), latest, "GET", "/v2.1/servers", "").want(200, "")
	if list, _ := a.at("servers").([]any); len(list) != 0 || len(w.list()) != 0 {
		t.Errorf("half-made: %s %v", a.text, w.list())
	}
}

func TestFlavors(t *testing.T) {
	r := newRig(t)
	root, alice := admin(), member(projectID)
	r.do(alice, "", "POST", "/v2.1/flavors", `{"flavor":{"name":"x","ram":1,"vcpus":1,"disk":1}}`).want(403, "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed.")
	a := r.do(root, "2.75", "POST", "/v2.1/flavors", `{"flavor":{"name":"mine","ram":"64","vcpus":1,"disk":0,"id":"77","os-flavor-access:is_public":false,"description":"d"}}`).want(200, `"swap":0`)
	if a.str("flavor", "id") != "77" || a.str("flavor", "description") != "d" {
		t.Error(a.text)
	}
	r.do(root, "2.1", "POST", "/v2.1/flavors", `{"flavor":{"name":"mine","ram":64,"vcpus":1,"disk":0}}`).want(409, "Flavor with name mine already exists.")
	r.do(root, "2.1", "POST", "/v2.1/flavors", `{"flavor":{"name":"other","ram":64,"vcpus":1,"disk":0,"id":"77"}}`).want(409, "Flavor with ID 77 already exists.")
	r.do(root, "2.1", "POST", "/v2.1/flavors", `{"flavor":{"name":"other","ram":0,"vcpus":1,"disk":0}}`).want(400, "ram")
	r.do(alice, "", "GET", "/v2.1/flavors/77", "").want(404, "Flavor 77 could not be found.")
	for _, id := range []string{"77", "none"} {
		r.do(alice, "", "POST", "/v2.1/flavors/"+id+"/action", `{"addTenantAccess":{"tenant":"`+projectID+`"}}`).want(403, "os-flavor-access")
	}
	r.do(root, "", "POST", "/v2.1/flavors/77/action", `{"addTenantAccess":{"tenant":"`+projectID+`"}}`).want(200, projectID)
	r.do(root, "", "POST", "/v2.1/flavors/77/action", `{"addTenantAccess":{"tenant":"`+projectID+`"}}`).want(409, "already exists")
	r.do(root, "2.7", "POST", "/v2.1/flavors/1/action", `{"addTenantAccess":{"tenant":"x"}}`).want(409, "public")
	r.do(alice, "", "GET", "/v2.1/flavors/77", "").want(200, `"swap":""`)
	r.do(alice, "", "GET", "/v2.1/flavors", "").want(200, "mine")
	r.do(member(otherID), "", "GET", "/v2.1/flavors/detail?is_public=None", "").want(200, "m1.tiny")
	if strings.Contains(r.do(member(otherID), "", "GET", "/v2.1/flavors/detail?is_public=None", "").text, "mine") {
		t.Error("another project sees a private flavor")
	}
	r.do(root, "", "GET", "/v2.1/flavors?is_public=false", "").want(200, "mine")
	r.do(root, "", "POST", "/v2.1/flavors/77/os-extra_specs", `{"extra_specs":{"hw:cpu_policy":"shared"}}`).want(200, "shared")
	r.do(alice, "2.61", "GET", "/v2.1/flavors/77", "").want(200, `"extra_specs":{"hw:cpu_policy":"shared"}`)
	r.do(alice, "", "GET", "/v2.1/flavors/77/os-extra_specs", "").want(200, `{"extra_specs":{"hw:cpu_policy":"shared"}}`)
	r.do(alice, "", "GET", "/v2.1/flavors/77/os-extra_specs/hw:cpu_policy", "").want(200, "shared")
	r.do(root, "", "PUT", "/v2.1/flavors/77/os-extra_specs/a", `{"b":"1"}`).want(400, "Request body and URI mismatch")
	r.do(root, "", "DELETE", "/v2.1/flavors/77/os-extra_specs/zz", "").want(404, "no extra specs with key zz")
	r.do(root, "", "DELETE", "/v2.1/flavors/77/os-extra_specs/hw:cpu_policy", "").want(200, "")
	a = r.do(alice, "", "GET", "/v2.1/flavors?limit=2", "").want(200, "flavors_links")
	next := strings.TrimPrefix(a.str("flavors_links", 0, "href"), "http://cloud/compute")
	r.do(alice, "", "GET", next, "").want(200, `"id":"3"`)
	r.do(root, "2.55", "PUT", "/v2.1/flavors/77", `{"flavor":{"description":null}}`).want(200, `"description":null`)
	r.do(root, "", "DELETE", "/v2.1/flavors/77", "").want(202, "")
	r.do(root, "", "GET", "/v2.1/flavors/77", "").want(404, "")
}

func TestKeypairs(t *testing.T) {
	r := newRig(t)
	alice := member(projectID)
	const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGgWZgjlrhGYVnaJ1R6ZFX7zF5DhnPhvyAnlb5kXlAWD me@there"
	r.do(alice, "2.92", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"a@b.c","public_key":"`+public+`"}}`).want(201, `"type":"ssh"`)
	r.do(alice, "2.92", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"a@b.c","public_key":"`+public+`"}}`).want(409, "Key pair 'a@b.c' already exists.")
	r.do(alice, "2.92", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"gen"}}`).want(400, "public_key")
	r.do(alice, "2.1", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"a@b"}}`).want(400, "unsafe characters")
	r.do(alice, "2.2", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"x","type":"x509","public_key":"`+public+`"}}`).want(400, "failed to generate fingerprint")
	made := r.do(alice, "2.2", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"cert","type":"x509"}}`).want(201, `"type":"x509"`)
	again, err := json.Marshal(map[string]any{"keypair": map[string]string{"name": "same", "type": "x509", "public_key": made.str("keypair", "public_key")}})
	if err != nil {
		t.Fatal(err)
	}
	r.do(alice, "2.2", "POST", "/v2.1/os-keypairs", string(again)).want(201, made.str("keypair", "fingerprint"))
	if _, err := tls.X509KeyPair([]byte(made.str("keypair", "public_key")), []byte(made.str("keypair", "private_key"))); err != nil {
		t.Error(err)
	}
	r.do(alice, "2.2", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"x","public_key":"not a key"}}`).want(400, "failed to generate fingerprint")
	r.do(alice, "2.10", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"x","user_id":"root"}}`).want(403, "os-keypairs:create")
	r.do(admin(), "2.10", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"x","user_id":"`+alice.UserID+`"}}`).want(201, "private_key")
	a := r.do(alice, "2.1", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"old"}}`).want(200, "private_key")
	if strings.Contains(a.text, `"type"`) {
		t.Error("version 2.1 has no key types")
	}
	r.do(alice, "2.35", "GET", "/v2.1/os-keypairs?limit=1", "").want(200, "keypairs_links")
	r.do(alice, "", "GET", "/v2.1/os-keypairs/a@b.c", "").want(200, `"fingerprint":"`)
	r.do(member(otherID), "", "GET", "/v2.1/os-keypairs/a@b.c", "").want(404, "not found for user")
	r.do(alice, "2.2", "DELETE", "/v2.1/os-keypairs/old", "").want(204, "")
	r.do(alice, "2.1", "DELETE", "/v2.1/os-keypairs/x", "").want(202, "")
}
