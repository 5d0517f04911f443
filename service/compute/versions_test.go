package compute_test

import (
	"fmt"
	"strings"
	"testing"

	"virga/core/token"
	"virga/service/compute"
)

// said is what an answer must be like.
type said struct {
	status     int
	has, lacks string
}

// change is what a microversion (2.since) brought: one request and what it is answered before
// and from then on. {server}, {group}, {image} … stand for what is there, {n} for a number that
// is another in each request.
type change struct {
	since                    int
	what, method, path, body string
	admin                    bool
	before, after            said
}

const (
	serverPath = "/v2.1/servers/{server}"
	key        = `"public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS x"`
	oneServer  = `"name":"v{n}","imageRef":"{image}","flavorRef":"1"`
)

func show(since int, what, has string, admin bool) change {
	return change{since, what, "GET", serverPath, "", admin, said{200, `"id"`, has}, said{200, has, ""}}
}

// changes are what every version differs in from the one before.
func changes() []change {
	return []change{
		{2, "key pairs have a type", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k{n}","type":"ssh",` + key + `}}`, false, said{400, "type", ""}, said{201, `"type":"ssh"`, ""}},
		show(3, "administrators see more attributes", `"OS-EXT-SRV-ATTR:reservation_id"`, true),
		{5, "members filter by IPv6 address", "GET", "/v2.1/servers?ip6=fd00", "", false, said{200, "{server}", ""}, said{200, `"servers":[]`, "{server}"}},
		{7, "public flavors give no access", "POST", "/v2.1/flavors/1/action", `{"addTenantAccess":{"tenant":"{project}"}}`, true, said{200, "", ""}, said{409, "public flavor", ""}},
		show(9, "servers tell whether they are locked", `"locked":false`, false),
		{10, "administrators see others' key pairs", "GET", "/v2.1/os-keypairs?user_id={user}", "", true, said{200, "", `"name":"mine"`}, said{200, `"name":"mine"`, ""}},
		{11, "services are forced down", "GET", "/v2.1/os-services", "", true, said{200, "host1", "forced_down"}, said{200, `"forced_down":false`, ""}},
		{13, "groups have owners", "GET", "/v2.1/os-server-groups", "", false, said{200, "{group}", "project_id"}, said{200, `"project_id":"{project}"`, ""}},
		{15, "groups are soft", "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g{n}","policies":["soft-affinity"]}}`, false, said{400, "soft-affinity", ""}, said{200, "soft-affinity", ""}},
		show(16, "administrators see the host's status", `"host_status":"UP"`, true),
		show(19, "servers have a description", `"description":"of the test"`, false),
		{21, "actions outlive their servers", "GET", "/v2.1/servers/{deleted}/os-instance-actions", "", false, said{404, "", ""}, said{200, `"action":"delete"`, ""}},
		{23, "live migrations have a list", "GET", serverPath + "/migrations", "", true, said{404, "", ""}, said{200, `{"migrations":[]}`, ""}},
		{26, "servers have tags", "GET", serverPath + "/tags", "", false, said{404, "", ""}, said{200, `{"tags":["blue"]}`, ""}},
		show(26, "servers show their tags", `"tags":["blue"]`, false),
		{28, "cpu_info is an object", "GET", "/v2.1/os-hypervisors/detail", "", true, said{200, `"cpu_info":"{`, ""}, said{200, `"cpu_info":{`, ""}},
		{32, "interfaces have tags", "POST", "/v2.1/servers", `{"server":{` + oneServer + `,"networks":[{"uuid":"{network}","tag":"nic"}]}}`, false, said{400, "tag", ""}, said{202, "", ""}},
		{33, "hypervisors come in pages", "GET", "/v2.1/os-hypervisors?limit=1", "", true, said{200, "host1", "hypervisors_links"}, said{200, "hypervisors_links", ""}},
		{35, "key pairs come in pages", "GET", "/v2.1/os-keypairs?limit=1", "", false, said{200, `"name":"mine"`, "keypairs_links"}, said{200, "keypairs_links", ""}},
		{36, "images are the image service's", "GET", "/v2.1/images", "", false, said{200, "{image}", ""}, said{404, "", ""}},
		{36, "networks are the network service's", "GET", "/v2.1/os-networks", "", false, said{200, "", ""}, said{404, "", ""}},
		{36, "networks' quotas are the network service's", "GET", "/v2.1/os-quota-sets/{project}", "", false, said{200, "floating_ips", ""}, said{200, "", "floating_ips"}},
		{37, "networks are required", "POST", "/v2.1/servers", `{"server":{` + oneServer + `}}`, false, said{202, "", ""}, said{400, "'networks' is a required property", ""}},
		{37, "tags of interfaces went by mistake", "POST", "/v2.1/servers", `{"server":{` + oneServer + `,"networks":[{"uuid":"{network}","tag":"nic"}]}}`, false, said{202, "", ""}, said{400, "tag", ""}},
		{38, "statuses are checked", "GET", "/v2.1/servers?status=FLYING", "", false, said{200, `"servers":[]`, ""}, said{400, "Invalid status value", ""}},
		{39, "images' metadata are the image service's", "GET", "/v2.1/images/{image}/metadata", "", false, said{200, "metadata", ""}, said{404, "", ""}},
		{39, "limits have none of images", "GET", "/v2.1/limits", "", false, said{200, "maxImageMeta", ""}, said{200, "", "maxImageMeta"}},
		{40, "usage comes in pages", "GET", "/v2.1/os-simple-tenant-usage/{project}?limit=1&start=2020-01-01T00:00:00", "", false,
			said{200, "server_usages", "tenant_usage_links"}, said{200, "tenant_usage_links", ""}},
		{41, "aggregates have an id besides their number", "POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"a{n}"}}`, true, said{200, `"name"`, `"uuid"`}, said{200, `"uuid"`, ""}},
		{42, "tags of interfaces came back", "POST", "/v2.1/servers", `{"server":{` + oneServer + `,"networks":[{"uuid":"{network}","tag":"nic"}]}}`, false, said{400, "tag", ""}, said{202, "", ""}},
		{43, "hosts went", "GET", "/v2.1/os-hosts", "", true, said{200, "host1", ""}, said{404, "", ""}},
		show(47, "servers have their flavor in them", `"original_name":"m1.tiny"`, false),
		{49, "attached interfaces have tags", "POST", serverPath + "/os-interface", `{"interfaceAttachment":{"net_id":"{network}","tag":"x{n}"}}`, false, said{400, "tag", ""}, said{200, "", ""}},
		{50, "default quotas have groups", "GET", "/v2.1/os-quota-class-sets/default", "", true, said{200, "fixed_ips", "server_groups"}, said{200, "server_groups", "fixed_ips"}},
		{51, "volumes are extended", "POST", "/v2.1/os-server-external-events", `{"events":[{"name":"volume-extended","server_uuid":"{server}","tag":"t"}]}`, true, said{400, "volume-extended", ""}, said{200, "completed", ""}},
		{51, "members see events", "GET", serverPath + "/os-instance-actions/{request}", "", false, said{200, "create", `"events"`}, said{200, `"events"`, "traceback"}},
		{52, "servers begin with tags", "POST", "/v2.1/servers", `{"server":{` + oneServer + `,"networks":"none","tags":["t"]}}`, false, said{400, "tags", ""}, said{202, "", ""}},
		{53, "services have UUIDs", "GET", "/v2.1/os-services", "", true, said{200, `"id":1,`, ""}, said{200, `"id":"`, ""}},
		{53, "hypervisors are found by a query", "GET", "/v2.1/os-hypervisors/host1/search", "", true, said{200, "host1", ""}, said{404, "", ""}},
		{55, "flavors have a description", "GET", "/v2.1/flavors/1", "", false, said{200, "m1.tiny", "description"}, said{200, `"description":null`, ""}},
		{56, "migrations have a destination", "POST", serverPath + "/action", `{"migrate":{"host":"nowhere"}}`, true, said{400, "host", ""}, said{400, "nowhere", ""}},
		{57, "no files are injected", "POST", "/v2.1/servers", `{"server":{` + oneServer + `,"networks":"none","personality":[]}}`, false, said{202, "", ""}, said{400, "personality", ""}},
		{57, "limits have none of files", "GET", "/v2.1/limits", "", false, said{200, "maxPersonality", ""}, said{200, "", "maxPersonality"}},
		{58, "actions come in pages", "GET", serverPath + "/os-instance-actions?limit=1", "", false, said{200, "create", `"updated_at"`}, said{200, `"updated_at"`, ""}},
		{59, "migrations come in pages", "GET", "/v2.1/os-migrations?colour=red", "", true, said{200, "migrations", ""}, said{400, "colour", ""}},
		{61, "flavors have extra specs", "GET", "/v2.1/flavors/1", "", false, said{200, "m1.tiny", "extra_specs"}, said{200, `"extra_specs":{}`, ""}},
		{62, "events have hosts", "GET", serverPath + "/os-instance-actions/{request}", "", false, said{200, `"events"`, "hostId"}, said{200, `"hostId"`, `"host"`}},
		show(63, "servers have certificates", `"trusted_image_certificates":null`, false),
		{64, "groups have one policy and rules", "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g{n}","policy":"anti-affinity","rules":{"max_server_per_host":2}}}`, false,
			said{400, "policy", ""}, said{200, `"rules":{"max_server_per_host":2}`, "policies"}},
		{66, "changes have an end", "GET", "/v2.1/servers?changes-before=2020-01-01T00:00:00Z", "", false, said{200, "{server}", ""}, said{200, `"servers":[]`, ""}},
		{67, "new volumes have types", "POST", "/v2.1/servers", `{"server":{` + oneServer + `,"networks":"none","block_device_mapping_v2":[{"boot_index":0,"uuid":"{image}","source_type":"image","destination_type":"local","volume_type":"fast"}]}}`, false,
			said{400, "'volume_type' was unexpected", ""}, said{400, "Specifying a volume_type with destination_type=local is not supported.", ""}},
		{70, "interfaces show their tags", "GET", serverPath + "/os-interface", "", false, said{200, "port_state", `"tag"`}, said{200, `"tag":`, ""}},
		show(71, "servers show their groups", `"server_groups":["{group}"]`, false),
		show(73, "locks have reasons", `"locked_reason":null`, false),
		{74, "servers ask for a host", "POST", "/v2.1/servers", `{"server":{` + oneServer + `,"networks":"none","host":"host1"}}`, true, said{400, "host", ""}, said{202, "", ""}},
		{75, "unknown filters are refused", "GET", "/v2.1/servers?colour=red", "", false, said{200, "{server}", ""}, said{400, "'colour' was unexpected", ""}},
		{75, "unknown parameters are refused", "GET", "/v2.1/flavors?colour=red", "", false, said{200, "m1.tiny", ""}, said{400, "'colour' was unexpected", ""}},
		{6, "consoles are made", "POST", serverPath + "/remote-consoles", `{"remote_console":{"protocol":"vnc","type":"novnc"}}`, false, said{404, "", ""}, said{200, "vnc.html", ""}},
		{6, "consoles are no action", "POST", serverPath + "/action", `{"os-getVNCConsole":{"type":"novnc"}}`, false, said{200, "vnc.html", ""}, said{404, "", ""}},
		{8, "VMware's consoles have a name", "POST", serverPath + "/remote-consoles", `{"remote_console":{"protocol":"mks","type":"webmks"}}`, false, said{400, "does not know", ""}, said{400, "Unavailable console type webmks.", ""}},
		{31, "tokens of all consoles are shown", "GET", "/v2.1/os-console-auth-tokens/{group}", "", true, said{404, "", "Token not found"}, said{404, "Token not found", ""}},
		{99, "SPICE is reached directly", "POST", serverPath + "/remote-consoles", `{"remote_console":{"protocol":"spice","type":"spice-direct"}}`, false, said{400, "does not know", ""}, said{400, "Unavailable console type spice-direct.", ""}},
		{75, "updates answer with all attributes", "PUT", serverPath, `{"server":{"name":"vm"}}`, false, said{200, `"name":"vm"`, "OS-EXT-STS"}, said{200, `"OS-EXT-STS:vm_state":"active"`, ""}},
		{75, "no swap is a number", "GET", "/v2.1/flavors/1", "", false, said{200, `"swap":""`, ""}, said{200, `"swap":0`, ""}},
		{76, "bare metal tells of its power", "POST", "/v2.1/os-server-external-events", `{"events":[{"name":"power-update","server_uuid":"{server}","tag":"POWER_ON"}]}`, true, said{400, "power-update", ""}, said{200, "completed", ""}},
		{78, "servers have a topology", "GET", serverPath + "/topology", "", false, said{404, "", ""}, said{200, `{"nodes":[],"pagesize_kb":null}`, ""}},
		{79, "attached volumes end with their server", "POST", serverPath + "/os-volume_attachments", `{"volumeAttachment":{"volumeId":"{group}","delete_on_termination":true}}`, false,
			said{400, "delete_on_termination", ""}, said{404, "Volume {group} could not be found.", ""}},
		{81, "hosts of aggregates cache images", "POST", "/v2.1/os-aggregates/77/images", `{"cache":[{"id":"{image}"}]}`, true, said{404, "", "Aggregate"}, said{404, "Aggregate 77 could not be found.", ""}},
		{82, "accelerators are bound", "POST", "/v2.1/os-server-external-events", `{"events":[{"name":"accelerator-request-bound","server_uuid":"{server}","tag":"t"}]}`, true, said{400, "accelerator", ""}, said{200, "completed", ""}},
		{83, "members filter by more", "GET", "/v2.1/servers?vm_state=paused", "", false, said{200, "{server}", ""}, said{200, `"servers":[]`, ""}},
		{84, "events have details", "GET", serverPath + "/os-instance-actions/{request}", "", false, said{200, `"events"`, `"details"`}, said{200, `"details":`, ""}},
		{86, "extra specs are checked", "POST", "/v2.1/flavors/42/os-extra_specs", `{"extra_specs":{"hw:cpu_policy":"fast"}}`, true, said{200, "fast", ""}, said{400, "'fast' is not one of: dedicated, shared, mixed.", ""}},
		{88, "hypervisors have no figures", "GET", "/v2.1/os-hypervisors/detail", "", true, said{200, "memory_mb_used", "uptime"}, said{200, "uptime", "memory_mb_used"}},
		{88, "statistics went", "GET", "/v2.1/os-hypervisors/statistics", "", true, said{200, "count", ""}, said{404, "", ""}},
		{90, "servers choose their host name", "POST", "/v2.1/servers", `{"server":{` + oneServer + `,"networks":"none","hostname":"h{n}"}}`, false, said{400, "hostname", ""}, said{202, "", ""}},
		show(90, "everybody sees the host name", `"OS-EXT-SRV-ATTR:hostname"`, false),
		{90, "members filter by host name", "GET", "/v2.1/servers?hostname=nobody", "", false, said{200, "{server}", ""}, said{200, `"servers":[]`, ""}},
		{73, "locked servers are found", "GET", "/v2.1/servers?locked=true", "", false, said{200, "{server}", ""}, said{200, `"servers":[]`, ""}},
		{73, "servers are sorted by locks", "GET", "/v2.1/servers?sort_key=locked", "", false, said{200, "{server}", ""}, said{200, "{server}", ""}},
		{75, "forgotten sort keys are refused", "GET", "/v2.1/servers?sort_key=vcpus", "", false, said{200, "{server}", ""}, said{400, "vcpus", ""}},
		{92, "key pairs are imported alone", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k{n}"}}`, false, said{201, "private_key", ""}, said{400, "public_key", ""}},
		{93, "volumes are imaged anew", "POST", "/v2.1/os-server-external-events", `{"events":[{"name":"volume-reimaged","server_uuid":"{server}","tag":"t"}]}`, true, said{400, "volume-reimaged", ""}, said{200, "completed", ""}},
		{94, "host names have domains", "PUT", serverPath, `{"server":{"hostname":"a.example.org"}}`, false, said{400, "hostname", ""}, said{200, "a.example.org", ""}},
		show(96, "servers show the zone that they are pinned to", `"pinned_availability_zone":null`, false),
		{97, "servers have shares", "GET", serverPath + "/shares", "", false, said{404, "", ""}, said{200, `{"shares":[]}`, ""}},
		show(98, "servers show their image's properties", `"properties":{"hw_disk_bus":"virtio"}`, false),
		{98, "lists show the images' properties", "GET", "/v2.1/servers/detail", "", false, said{200, "{server}", `"hw_disk_bus"`}, said{200, `"properties":{"hw_disk_bus":"virtio"}`, ""}},
		show(100, "servers show their scheduler hints", `"scheduler_hints":{"group":["{group}"]}`, false),
		{100, "lists show scheduler hints", "GET", "/v2.1/servers/detail", "", false, said{200, "{server}", "scheduler_hints"}, said{200, `"scheduler_hints":{"group":["{group}"]}`, ""}},
		{102, "flavors are found by name", "GET", "/v2.1/flavors?name=^m1.n", "", false, said{400, "'name' was unexpected", ""}, said{200, "m1.nano", "m1.tiny"}},
		{102, "flavors have no factor", "GET", "/v2.1/flavors/1", "", false, said{200, "rxtx_factor", ""}, said{200, "m1.tiny", "rxtx_factor"}},
		{102, "all queries are checked", "GET", serverPath + "?colour=red", "", false, said{200, "{server}", ""}, said{400, "'colour' was unexpected", ""}},
		{103, "servers have lost a name", "GET", "/v2.1/os-volumes_boot", "", false, said{200, "{server}", ""}, said{404, "", ""}},
		{104, "zones are pinned", "PUT", serverPath, `{"server":{"pinned_availability_zone":"nova"}}`, false, said{400, "pinned_availability_zone", ""}, said{200, `"pinned_availability_zone":"nova"`, ""}},
	}
}

// sameHere are versions in which nothing differs here, with the reason; those that belong to an
// action have their tests with it.
var sameHere = map[int]string{
	4: "os-fixed-ips is gone", 12: "os-virtual-interfaces is gone", 14: "evacuate", 17: "trigger_crash_dump",
	18: "addresses are understood with and without a project in all versions", 20: "there are no volumes to attach to shelved servers", 22: "force_complete",
	24: "abort of live migrations", 25: "os-migrateLive", 27: "both headers are understood in all versions", 29: "evacuate", 30: "os-migrateLive",
	34: "os-migrateLive", 44: "actions on addresses", 45: "createImage and createBackup",
	46: "both headers have the request's id in all versions", 48: "diagnostics", 54: "rebuild", 60: "there are no volumes to attach twice", 65: "abort of live migrations",
	68: "os-migrateLive and evacuate", 69: "no server is in a part of the database that could be away", 72: "ports with requests are taken in all versions",
	77: "unshelve", 80: "migrations have an owner once they are there", 85: "there are no volumes whose attachment could change",
	87: "rescue", 89: "there are no attached volumes", 91: "unshelve", 95: "evacuate", 101: "there are no volumes to attach",
}

func TestEveryVersionDiffersAsItSays(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 1<<20)
	image := r.world.images[imageID]
	image.Properties = map[string]string{"hw_disk_bus": "virtio", "colour": "red"}
	r.world.images[imageID] = image
	do := func(who *token.Identity, method, path, body string) answer {
		return r.do(who, latest, method, path, body)
	}
	do(admin(), "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"instances":-1,"cores":-1,"ram":-1,"server_groups":-1}}`).want(200, "")
	do(admin(), "PUT", "/v2.1/os-quota-sets/admin-project", `{"quota_set":{"instances":-1,"cores":-1,"ram":-1}}`).want(200, "")
	do(member(projectID), "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"mine",`+key+`}}`).want(201, "")
	group := do(member(projectID), "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"affinity"}}`).str("server_group", "id")
	gone := r.create("")
	body := strings.TrimSuffix(createBody(`,"description":"of the test","tags":["blue"]`), "}") + `,"os:scheduler_hints":{"group":"` + group + `"}}`
	id := do(member(projectID), "POST", "/v2.1/servers", body).want(202, "").str("server", "id")
	r.waitStatus(id, "ACTIVE")
	r.waitStatus(gone, "ACTIVE")
	r.delete(gone)
	r.waitGone(gone)
	request := do(member(projectID), "GET", "/v2.1/servers/"+id+"/os-instance-actions", "").str("instanceActions", 0, "request_id")
	names := []string{"{server}", id, "{deleted}", gone, "{group}", group, "{image}", imageID, "{network}", networkID, "{project}", projectID,
		"{user}", member(projectID).UserID, "{request}", request}
	known := map[int]bool{}
	for n, c := range changes() {
		known[c.since] = true
		for i, want := range []said{c.before, c.after} {
			fill := strings.NewReplacer(append(names, "{n}", fmt.Sprintf("%d-%d", n, i))...).Replace
			who := member(projectID)
			if c.admin {
				who = admin()
			}
			a := r.do(who, fmt.Sprintf("2.%d", c.since-1+i), c.method, fill(c.path), fill(c.body))
			has, lacks := fill(want.has), fill(want.lacks)
			if a.status != want.status || !strings.Contains(a.text, has) || lacks != "" && strings.Contains(a.text, lacks) {
				t.Errorf("2.%d, %s: in 2.%d %s %s is answered %d, not %d, with %q and without %q: %.700s",
					c.since, c.what, c.since-1+i, c.method, fill(c.path), a.status, want.status, has, lacks, a.text)
			}
		}
	}
	for v := 2; v <= compute.NewestVersion; v++ {
		if _, same := sameHere[v]; same == known[v] {
			t.Errorf("nothing is said of 2.%d, or two things", v)
		}
	}
}
