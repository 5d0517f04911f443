package compute_test

import (
	"testing"

	"virga/service/compute"
)

const publicID = "66666666-6666-4666-8666-666666666666"

func TestSecurityGroupsAreKeptByTheNetworkService(t *testing.T) {
	r := newRig(t)
	do := func(method, path, body string) answer {
		return r.do(member(projectID), "2.35", method, "/v2.1"+path, body)
	}
	made := do("POST", "/os-security-groups", `{"security_group": {"name": "db", "description": "d"}}`).want(200, `"rules":[]`)
	id := made.str("security_group", "id")
	for body, want := range map[string]int{
		`{"parent_group_id": "` + id + `", "ip_protocol": "tcp", "from_port": 22, "to_port": "23", "cidr": "10.0.0.0/8"}`:              200,
		`{"parent_group_id": "` + id + `", "ip_protocol": "icmp", "from_port": -1, "to_port": -1}`:                                     200,
		`{"parent_group_id": "` + id + `", "group_id": "` + webGroupID + `"}`:                                                          200,
		`{"parent_group_id": "` + id + `", "ip_protocol": "tcp", "from_port": 5, "to_port": 4}`:                                        400,
		`{"parent_group_id": "` + id + `", "ip_protocol": "tcp", "from_port": 0, "to_port": 70000}`:                                    400,
		`{"parent_group_id": "` + id + `", "ip_protocol": "sctp", "from_port": 1, "to_port": 2}`:                                       400,
		`{"parent_group_id": "` + id + `", "ip_protocol": "tcp", "from_port": "x", "to_port": 2}`:                                      400,
		`{"parent_group_id": "` + id + `", "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "10.0.0.0/0"}`:                  400,
		`{"parent_group_id": "` + id + `", "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "here"}`:                        400,
		`{"parent_group_id": "` + id + `", "ip_protocol": "tcp"}`:                                                                      400,
		`{"parent_group_id": "` + projectID[:8] + `-0000-4000-8000-000000000000", "ip_protocol": "tcp", "from_port": 1, "to_port": 2}`: 404,
	} {
		do("POST", "/os-security-group-rules", `{"security_group_rule": `+body+`}`).want(want, "")
	}
	again := `{"security_group_rule": {"parent_group_id": "` + id + `", "ip_protocol": "tcp", "from_port": 22, "to_port": 23, "cidr": "10.1.2.3/8"}}`
	do("POST", "/os-security-group-rules", again).want(400, "This rule already exists in group "+id)
	rules := do("GET", "/os-security-groups/"+id, "").want(200, `"cidr":"10.0.0.0/8"`)
	do("DELETE", "/os-security-group-rules/"+rules.str("security_group", "rules", 0, "id"), "").want(202, "")
	do("DELETE", "/os-security-group-rules/"+publicID, "").want(404, "")
	do("PUT", "/os-security-groups/"+id, `{"security_group": {"name": "x", "description": ""}}`).want(200, `"name":"x"`)
	do("PUT", "/os-security-groups/"+id, `{"security_group": {"name": 1, "description": ""}}`).want(400, "")
	do("DELETE", "/os-security-groups/"+groupID, "").want(400, "in use")
	do("DELETE", "/os-security-groups/"+id, "").want(202, "")
	do("DELETE", "/os-security-groups/"+id, "").want(404, "Security group "+id+" not found.")
}

func TestFloatingAddressesAreTakenFromPools(t *testing.T) {
	r := newRig(t)
	r.world.networks[publicID] = compute.Network{ID: publicID, Name: "public", External: true}
	do := func(method, path, body string) answer { return r.do(member(projectID), "", method, "/v2.1"+path, body) }
	do("GET", "/os-floating-ip-pools", "").want(200, `{"floating_ip_pools":[{"name":"public"}]}`)
	do("POST", "/os-floating-ips", `{"pool": "none"}`).want(404, "Floating IP pool not found.")
	id := do("POST", "/os-floating-ips", `{"pool": "public"}`).want(200, `"pool":"public"`).str("floating_ip", "id")
	do("POST", "/os-floating-ips", `null`).want(200, `"instance_id":null`)
	do("POST", "/os-floating-ips", `{}`).want(403, "IP allocation over quota.")
	do("GET", "/os-floating-ips", "").want(200, id)
	do("GET", "/os-floating-ips/"+id, "").want(200, `"ip":"203.0.113.7"`)
	do("DELETE", "/os-floating-ips/"+id, "").want(202, "")
	do("GET", "/os-floating-ips/"+id, "").want(404, "Floating IP not found for ID "+id)
}

func TestNetworksAreShownInNovasForms(t *testing.T) {
	r := newRig(t)
	r.do(member(projectID), "", "GET", "/v2.1/os-tenant-networks", "").want(200, `{"cidr":"None","id":"`+networkID+`","label":"private"}`)
	r.do(member(projectID), "", "GET", "/v2.1/os-tenant-networks/"+publicID, "").want(404, "Network not found")
	if a := r.do(member(projectID), "", "GET", "/v2.1/os-networks/"+networkID, "").want(200, `"label":"private"`); len(a.at("network").(map[string]any)) != 11 {
		t.Errorf("a member sees %s", a.text)
	}
	r.do(admin(), "", "GET", "/v2.1/os-networks/"+networkID, "").want(200, `"vlan":null`)
	r.do(member(projectID), "2.36", "GET", "/v2.1/os-networks", "").want(404, "")
}

func TestImagesAreShownInNovasForm(t *testing.T) {
	r := newRig(t)
	do := func(method, path, body string) answer {
		return r.do(member(projectID), "", method, "/v2.1/images"+path, body)
	}
	do("GET", "?limit=1", "").want(200, `"images_links":[{"rel":"next"`)
	do("GET", "/detail?name=none", "").want(200, `{"images":[]}`)
	do("GET", "/detail?changes-since=never", "").want(400, "")
	do("GET", "/"+imageID, "").want(200, `"status":"ACTIVE","progress":100,"OS-EXT-IMG-SIZE:size":20971520`)
	do("GET", "/"+publicID, "").want(404, "Image not found.")
	do("DELETE", "/"+imageID, "").want(403, "You are not allowed to delete the image.")
	do("PUT", "/"+imageID+"/metadata", `{"metadata": {"a": "1", "b": "2"}}`).want(200, `{"metadata":{"a":"1","b":"2"}}`)
	do("POST", "/"+imageID+"/metadata", `{"metadata": {"b": "3"}}`).want(200, `{"metadata":{"a":"1","b":"3"}}`)
	do("PUT", "/"+imageID+"/metadata/c", `{"meta": {"c": "4"}}`).want(200, `{"meta":{"c":"4"}}`)
	do("PUT", "/"+imageID+"/metadata/c", `{"meta": {"d": "4"}}`).want(400, "Request body and URI mismatch")
	do("DELETE", "/"+imageID+"/metadata/a", "").want(204, "")
	do("DELETE", "/"+imageID+"/metadata/a", "").want(404, "Invalid metadata key")
	do("GET", "/"+imageID+"/metadata/c", "").want(200, `{"meta":{"c":"4"}}`)
	do("GET", "/"+imageID+"/metadata", "").want(200, `{"metadata":{"b":"3","c":"4"}}`)
	r.do(admin(), "", "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set": {"metadata_items": 2}}`).want(200, "")
	do("POST", "/"+imageID+"/metadata", `{"metadata": {"x": "1"}}`).want(403, "Image metadata limit exceeded")
}

func TestHostsAreShownUntilTheyWent(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	do := func(method, path, body string) answer {
		return r.do(admin(), "2.42", method, "/v2.1/os-hosts"+path, body)
	}
	do("GET", "?zone=nova", "").want(200, `{"hosts":[{"host_name":"host1","service":"compute","zone":"nova"}]}`)
	do("GET", "?zone=x", "").want(200, `{"hosts":[]}`)
	a := do("GET", "/host1", "").want(200, `"project":"(used_max)","cpu":1,"memory_mb":512`)
	if a.str("host", 3, "resource", "project") != projectID {
		t.Errorf("the project has %s", a.text)
	}
	do("GET", "/host2", "").want(404, "Compute host host2 could not be found.")
	do("PUT", "/host1", `{"status": "disable"}`).want(200, `{"host":"host1","status":"disabled"}`)
	do("GET", "", "").want(200, `{"hosts":[]}`)
	do("PUT", "/host1", `{"maintenance_mode": "enable"}`).want(400, "not supported")
	do("PUT", "/host1", `{"status": "perhaps"}`).want(400, "")
	do("GET", "/host1/reboot", "").want(501, "not supported")
	r.do(admin(), "2.43", "GET", "/v2.1/os-hosts", "").want(404, "")
}

func TestReportsOfUsageAreToldOf(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	r.do(admin(), "", "GET", "/v2.1/os-instance_usage_audit_log", "").want(200, `"overall_status":"0 of 1 hosts done. 0 errors."`)
	r.do(admin(), "", "GET", "/v2.1/os-instance_usage_audit_log/2026-03-05 10:00:00", "").
		want(200, `"period_beginning":"2026-02-01 00:00:00","period_ending":"2026-03-01 00:00:00"`)
	r.do(admin(), "", "GET", "/v2.1/os-instance_usage_audit_log/yesterday", "").want(400, "Invalid timestamp for date yesterday")
}

func TestWhatIsGoneIsSaidToBeGone(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/os-cells", "/os-cells/detail", "/os-agents", "/os-cloudpipe", "/os-fping", "/os-certificates/root", "/os-fixed-ips/10.0.0.1", "/servers/x/os-virtual-interfaces"} {
		r.do(member(projectID), latest, "GET", "/v2.1"+path, "").want(410, "This resource is no longer available.")
	}
}

func TestVolumesAndSharesThatAreNotThere(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	do := func(method, path, body string) answer {
		return r.do(member(projectID), "2.97", method, "/v2.1/servers/"+id+path, body)
	}
	do("GET", "/os-volume_attachments", "").want(200, `{"volumeAttachments":[]}`)
	do("POST", "/os-volume_attachments", `{"volumeAttachment": {"volumeId": "`+publicID+`"}}`).want(404, "Volume "+publicID+" could not be found.")
	do("GET", "/os-volume_attachments/"+publicID, "").want(404, "Instance "+id+" is not attached to volume "+publicID)
	do("DELETE", "/os-volume_attachments/"+publicID, "").want(404, "")
	do("GET", "/shares", "").want(200, `{"shares":[]}`)
	do("POST", "/shares", `{"share": {"share_id": "`+publicID+`"}}`).want(404, "")
	do("GET", "/topology", "").want(200, `{"nodes":[],"pagesize_kb":null}`)
	r.do(member(projectID), "", "GET", "/v2.1/os-volumes", "").want(404, "There is no block storage service")
	r.do(admin(), "", "POST", "/v2.1/os-baremetal-nodes", "{}").want(400, "Please use Ironic command node-create")
	r.do(admin(), "", "POST", "/v2.1/os-assisted-volume-snapshots", `{"snapshot": {"volume_id": "v", "create_info": {"snapshot_id": "s", "type": "qcow2", "new_file": "f"}}}`).
		want(400, "No volume Block Device Mapping with id v.")
	r.do(admin(), "", "DELETE", "/v2.1/os-assisted-volume-snapshots/s", "").want(400, "")
}
