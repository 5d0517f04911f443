package compute_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"virga/core/token"
)

// TestServersAreFilteredAsNovaDoes asks for servers by every parameter that nova has, as administrator and as member, in versions
// that differ. Of alpha and beta the first is on host1, locked by its owner, and has everything that can be told apart.
func TestServersAreFilteredAsNovaDoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 64_000)
	alpha := r.create(`,"name":"alpha","description":"first of two","hostname":"a-host","config_drive":true,"tags":["x","y"],"accessIPv4":"192.0.2.1","accessIPv6":"2001:db8::1"`)
	r.waitStatus(alpha, "ACTIVE")
	beta := r.create(`,"name":"beta","tags":["x"],"OS-DCF:diskConfig":"AUTO"`)
	r.waitStatus(beta, "ACTIVE")
	me := member(projectID)
	r.do(me, latest, "POST", "/v2.1/servers/"+alpha+"/action", `{"lock":null}`).want(202, "")
	r.do(me, latest, "POST", "/v2.1/servers/"+beta+"/action", `{"os-stop":null}`).want(202, "")
	r.waitStatus(beta, "SHUTOFF")
	gone := r.create(`,"name":"gone"`)
	r.waitStatus(gone, "ACTIVE")
	r.delete(gone)
	r.waitGone(gone)
	shown := r.do(admin(), latest, "GET", "/v2.1/servers/"+alpha, "").want(200, "")
	created, reservation, address := shown.str("server", "created"), shown.str("server", "OS-EXT-SRV-ATTR:reservation_id"), shown.str("server", "addresses", "private", 0, "addr")
	const both, none = "alpha beta", ""
	for _, test := range []struct {
		query string
		// asAdmin and asMember are what the newest version finds, refused: what is in the text of the error.
		asAdmin, asMember string
		refused           string
	}{
		{"name=ALP", "alpha", "alpha", ""},
		{"name=a&name=^b", "beta", "beta", ""},
		{"name=%28", "", "", "regular expression"},
		{"display_name=^b", "beta", both, ""},
		{"description=first", "alpha", both, ""},
		{"display_description=two", "alpha", both, ""},
		{"uuid=" + alpha, "alpha", both, ""},
		{"image=" + imageID, both, both, ""},
		{"image=" + subnetID, none, none, ""},
		{"image_ref=" + subnetID, none, both, ""},
		{"flavor=nowhere", none, none, ""},
		{"status=ACTIVE", "alpha", "alpha", ""},
		{"status=active&status=shutoff", both, both, ""},
		{"status=FLYING&status=ACTIVE", "alpha", "alpha", ""},
		{"status=UNKNOWN", "", "", "Invalid status value"},
		{"reservation_id=" + reservation, "alpha", "alpha", ""},
		{"ip=" + url.QueryEscape("^"+strings.ReplaceAll(address, ".", `\.`)+"$"), "alpha", "alpha", ""},
		{"ip6=2001", none, none, ""},
		{"ip6=%5B", "", "", "regular expression"},
		{"tags=x,y", "alpha", "alpha", ""},
		{"tags-any=y,z", "alpha", "alpha", ""},
		{"not-tags=x,y", "beta", "beta", ""},
		{"not-tags-any=z", both, both, ""},
		{"locked=true", "alpha", "alpha", ""},
		{"locked=maybe", "", "", "Unrecognized value 'maybe'"},
		{"locked_by=owner", "alpha", both, ""},
		{"availability_zone=^nov", both, both, ""},
		{"availability_zone=mars", none, none, ""},
		{"config_drive=True", "alpha", "alpha", ""},
		{"config_drive=no", "beta", "beta", ""},
		{"config_drive=perhaps", none, none, ""},
		{"key_name=key", none, none, ""},
		{"user_id=" + me.UserID, both, both, ""},
		{"user_id=nobody", none, none, ""},
		{"vm_state=stopped", "beta", "beta", ""},
		{"task_state=rebooting", none, none, ""},
		{"power_state=4", "beta", "beta", ""},
		{"power_state=x", none, none, ""},
		{"progress=0", both, both, ""},
		{"name=alpha&created_at=" + created, "alpha", "alpha", ""},
		{"created_at=1999-01-01T00:00:00Z", none, none, ""},
		{"created_at=^" + created[:4], both, both, ""},
		{"launched_at=1999", none, none, ""},
		{"terminated_at=20", none, none, ""},
		{"hostname=^a-", "alpha", "alpha", ""},
		{"host=host1", both, both, ""},
		{"host=host2", none, both, ""},
		{"node=example", both, both, ""},
		{"node=^example", none, both, ""},
		{"launch_index=0", both, both, ""},
		{"launch_index=7", none, both, ""},
		{"access_ip_v4=192", "alpha", both, ""},
		{"access_ip_v6=db8", "alpha", both, ""},
		{"auto_disk_config=true", "beta", both, ""},
		{"kernel_id=x", none, both, ""},
		{"ramdisk_id=x", none, both, ""},
		{"root_device_name=vda", both, both, ""},
		{"deleted=true", "gone", both, ""},
		{"deleted=perhaps", both, both, ""},
		{"deleted=true&soft_deleted=false", "gone", both, ""},
		{"soft_deleted=true", both, both, ""},
		{"changes-since=2000-01-01T00:00:00Z", "alpha beta gone", "alpha beta gone", ""},
		{"changes-since=2000-01-01T00:00:00Z&deleted=false", both, "alpha beta gone", ""},
		{"changes-since=2000-01-01T00:00:00Z&status=ACTIVE", "alpha", "alpha", ""},
		{"changes-before=2000-01-01T00:00:00Z", none, none, ""},
		{"changes-since=2010-01-01T00:00:00Z&changes-before=2000-01-01T00:00:00Z", "", "", "The value of changes-since must be less than or equal to changes-before."},
		{"changes-before=x", "", "", "'x' is not a 'date-time'"},
		{"limit=1&sort_key=display_name&sort_dir=asc", "alpha", "alpha", ""},
		{"sort_dir=up", "", "", "Unknown sort direction, must be 'desc' or 'asc'"},
		{"sort_key=uuid&sort_dir=asc&sort_dir=asc", "", "", "Sort direction size exceeds sort key size"},
		{"sort_key=vcpus", "", "", "vcpus"},
		{"sort_key=name", "", "", "name"},
		{"limit=x", "", "", "limit"},
		{"marker=x", "", "", "marker [x] not found"},
		{"colour=red", "", "", "('colour' was unexpected)"},
	} {
		for _, who := range []*token.Identity{{UserID: "boss", Project: me.Project, Roles: admin().Roles}, me} {
			a := r.do(who, latest, "GET", "/v2.1/servers?"+test.query, "")
			if test.refused != "" {
				a.want(400, test.refused)
				continue
			}
			want := test.asMember
			if who != me {
				want = test.asAdmin
			}
			if got := namesIn(a.want(200, ""), true); got != want {
				t.Errorf("%s as %s: %q, want %q", test.query, who.UserID, got, want)
			}
		}
	}
	boss := &token.Identity{UserID: "boss", Project: me.Project, Roles: admin().Roles}
	for _, test := range []struct {
		who            *token.Identity
		version, query string
		status         int
		text           string
	}{
		{me, latest, "status=DELETED", 403, "Only administrators may list deleted instances"},
		{me, latest, "status=DELETED&status=ACTIVE", 200, alpha},
		{boss, latest, "status=DELETED", 200, gone},
		{boss, latest, "metadata=a", 400, "Invalid filter field: metadata."},
		{boss, "2.1", "_secret=a", 400, "Invalid filter field: _secret."},
		{me, latest, "security_groups=a", 200, alpha},
		{me, latest, "_secret=a", 200, alpha},
		{boss, "2.1", "colour=red", 200, alpha},
		{boss, "2.25", "tags=none", 200, alpha},
		{boss, "2.65", "changes-before=2000-01-01T00:00:00Z", 200, alpha},
		{boss, "2.72", "locked=maybe", 200, alpha},
		{boss, "2.1", "ip6=fd00", 200, `{"servers":[]}`},
		{me, "2.82", "vm_state=paused", 200, alpha},
		{me, "2.89", "hostname=nobody", 200, alpha},
		{me, "2.37", "status=FLYING", 200, `{"servers":[]}`},
		{me, "2.74", "sort_key=vcpus&sort_dir=desc&sort_key=display_name&sort_dir=asc", 200, alpha},
		{me, latest, "sort_key=host", 403, "Only administrators can sort servers by host"},
		{me, latest, "sort_key=node", 403, "Only administrators can sort servers by node"},
		{boss, latest, "sort_key=host&sort_key=node", 200, alpha},
		{me, latest, "all_tenants=", 403, "get_all_tenants"},
		{boss, latest, "all_tenants=perhaps", 400, "all_tenants"},
		{boss, latest, "all_tenants=1&tenant_id=" + otherID, 200, `{"servers":[]}`},
		{boss, latest, "tenant_id=" + otherID, 200, alpha},
	} {
		r.do(test.who, test.version, "GET", "/v2.1/servers?"+test.query, "").want(test.status, test.text)
	}
}

// namesIn are the names of a list of servers, sorted on demand.
func namesIn(a answer, sorted bool) string {
	a.t.Helper()
	var list struct{ Servers []struct{ Name string } }
	if err := json.Unmarshal([]byte(a.text), &list); err != nil {
		a.t.Fatal(err)
	}
	var names []string
	for _, s := range list.Servers {
		names = append(names, s.Name)
	}
	if sorted {
		slices.Sort(names)
	}
	return strings.Join(names, " ")
}

func TestServersAreSortedByEveryKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.startNode("host1", 64_000)
	for _, more := range []string{`,"name":"one","description":"b","accessIPv4":"192.0.2.2"`, `,"name":"two","description":"a","accessIPv4":"192.0.2.3","OS-DCF:diskConfig":"AUTO"`,
		`,"name":"three","description":"c","accessIPv4":"192.0.2.1","OS-DCF:diskConfig":"AUTO"`} {
		r.waitStatus(r.create(more), "ACTIVE")
	}
	boss := &token.Identity{UserID: "boss", Project: member(projectID).Project, Roles: admin().Roles}
	for query, want := range map[string]string{
		"":             "three two one",
		"sort_dir=asc": "one two three",
		"sort_key=display_description&sort_dir=asc":                     "two one three",
		"sort_key=display_description":                                  "three one two",
		"sort_key=access_ip_v4&sort_dir=asc":                            "three one two",
		"sort_key=auto_disk_config&sort_dir=asc":                        "one two three",
		"sort_key=auto_disk_config&sort_key=display_name&sort_dir=desc": "two three one",
		"sort_key=vm_state&sort_key=display_name&sort_dir=asc":          "one three two",
		"sort_key=progress&sort_key=display_name&sort_dir=desc":         "two three one",
	} {
		for _, path := range []string{"/v2.1/servers?", "/v2.1/servers/detail?"} {
			if got := namesIn(r.do(boss, latest, "GET", path+query, "").want(200, ""), false); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		walked, next := []string{}, "/v2.1/servers?limit=1&"+query
		for next != "" {
			page := r.do(boss, latest, "GET", next, "").want(200, "")
			if walked, next = append(walked, namesIn(page, false)), ""; strings.Contains(page.text, "servers_links") {
				next = strings.TrimPrefix(page.str("servers_links", 0, "href"), "http://cloud/compute")
			}
		}
		if got := strings.TrimSpace(strings.Join(walked, " ")); got != want {
			t.Errorf("pages of %s: %q, want %q", query, got, want)
		}
	}
	keys := []string{"access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "created_at", "display_description", "display_name", "host",
		"hostname", "image_ref", "instance_type_id", "kernel_id", "key_name", "launch_index", "launched_at", "locked_by", "node", "power_state", "progress", "project_id",
		"ramdisk_id", "root_device_name", "task_state", "terminated_at", "updated_at", "user_id", "uuid", "vm_state", "locked"}
	for _, key := range keys {
		if got := namesIn(r.do(boss, latest, "GET", "/v2.1/servers?sort_key="+key, "").want(200, ""), true); got != "one three two" {
			t.Errorf("%s: %q", key, got)
		}
	}
	r.do(boss, latest, "GET", "/v2.1/servers?sort_key="+strings.Join(keys, "&sort_key="), "").want(200, "three")
}
