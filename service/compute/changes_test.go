package compute_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"virga/core/feed"
	"virga/core/feed/notify"
	"virga/service/compute"
)

// changesOf reads what the feed tells of a resource.
func (r *rig) changesOf(kind, id string) []feed.Entry {
	r.t.Helper()
	entries, err := feed.After(r.t.Context(), r.db, 0, 10_000)
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.DeleteFunc(entries, func(e feed.Entry) bool { return e.Kind != kind || id != "" && e.ID != id })
}

// told are the notifications of changes.
func told(t *testing.T, entries []feed.Entry) (all []notify.Notification) {
	t.Helper()
	for i := range entries {
		list, err := compute.Notifications("api-host")(&entries[i])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

func field(t *testing.T, document json.RawMessage, name string) any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(document, &fields); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	return fields[name]
}

func TestTheLifeOfAServerIsTold(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	const data = "c2VjcmV0IHVzZXIgZGF0YQ=="
	id := r.create(`,"user_data":"` + data + `","adminPass":"hunter2-s3cret","metadata":{"a":"b","db_password":"hunter2-s3cret"}`)
	r.waitStatus(id, "ACTIVE")
	who := member(projectID)
	r.do(who, latest, "PUT", "/v2.1/servers/"+id, `{"server":{"name":"other"}}`).want(200, "")
	r.do(who, latest, "PUT", "/v2.1/servers/"+id+"/tags", `{"tags":["t"]}`).want(200, "")
	r.do(who, latest, "POST", "/v2.1/servers/"+id+"/action", `{"os-stop":null}`).want(202, "")
	r.waitStatus(id, "SHUTOFF")
	r.delete(id)
	r.waitGone(id)
	// On a slow machine the service may look at the addresses meanwhile, which is nobody's request.
	entries := slices.DeleteFunc(r.changesOf("server", id), func(e feed.Entry) bool { return e.Action == "update" && e.RequestID == "" })
	var actions []string
	for i, e := range entries {
		actions = append(actions, e.Action)
		if e.OwnerProjectID != projectID || e.RequestID == "" || e.UserID != who.UserID {
			t.Errorf("%s: owner %s, request %s, user %s", e.Action, e.OwnerProjectID, e.RequestID, e.UserID)
		}
		if text := string(e.Before) + string(e.After); strings.Contains(text, data) || strings.Contains(text, "hunter2") {
			t.Errorf("%s tells a secret: %s", e.Action, text)
		}
		if (e.Before == nil) != (i == 0) || (e.After == nil) != (e.Action == "delete") {
			t.Errorf("%s: before %s, after %s", e.Action, e.Before, e.After)
		}
	}
	want := []string{"create.start", "update", "update", "create", "update", "tags", "stop.start", "stop", "delete.start", "delete"}
	if !slices.Equal(actions, want) {
		t.Fatalf("the feed has %q, want %q", actions, want)
	}
	for i, change := range []struct{ name, before, after string }{3: {"OS-EXT-STS:vm_state", "building", "active"}, 4: {"name", "vm", "other"},
		7: {"OS-EXT-STS:vm_state", "active", "stopped"}} {
		if change.name == "" {
			continue
		}
		if was, is := field(t, entries[i].Before, change.name), field(t, entries[i].After, change.name); was != change.before || is != change.after {
			t.Errorf("%s has %s from %v to %v", actions[i], change.name, was, is)
		}
	}
	if entries[3].OperationID == "" || entries[3].OperationID != entries[0].OperationID || entries[4].OperationID != "" {
		t.Errorf("operations %q", []string{entries[0].OperationID, entries[3].OperationID, entries[4].OperationID})
	}
}

func TestServersAreToldAsNovaDoes(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	r.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"os-stop":null}`).want(202, "")
	r.waitStatus(id, "SHUTOFF")
	r.delete(id)
	r.waitGone(id)
	var plain, versioned []string
	all := told(t, r.changesOf("server", id))
	for _, n := range all {
		if n.Versioned {
			versioned = append(versioned, n.EventType)
		} else {
			plain = append(plain, n.EventType)
		}
	}
	want := []string{"compute.instance.create.start", "compute.instance.update", "compute.instance.update", "compute.instance.create.end",
		"compute.instance.power_off.start", "compute.instance.power_off.end", "compute.instance.delete.start", "compute.instance.delete.end"}
	if !slices.Equal(plain, want) {
		t.Errorf("plain %q", plain)
	}
	for i := range want {
		want[i] = strings.TrimPrefix(want[i], "compute.")
	}
	if !slices.Equal(versioned, want) {
		t.Errorf("versioned %q", versioned)
	}
	for _, n := range all {
		text, err := json.Marshal(n.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if n.EventType == "compute.instance.create.end" {
			if n.Publisher != "compute.host1" || n.Priority != notify.Info {
				t.Errorf("publisher %s, priority %s", n.Publisher, n.Priority)
			}
			for name, want := range map[string]any{"instance_id": id, "tenant_id": projectID, "state": "active", "host": "host1", "memory_mb": 512.0, "vcpus": 1.0,
				"disk_gb": 1.0, "instance_type": "m1.tiny", "message": "Success"} {
				if got := field(t, text, name); got != want {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
			if fixed, ok := field(t, text, "fixed_ips").([]any); !ok || len(fixed) != 1 {
				t.Errorf("fixed_ips %v", field(t, text, "fixed_ips"))
			}
		}
		if n.EventType == "instance.create.end" && (n.Publisher != "nova-compute:host1" || field(t, text, "nova_object.name") != "InstanceCreatePayload") {
			t.Errorf("%s by %s", text, n.Publisher)
		}
	}
}

func TestAFailedServerIsToldAsAnError(t *testing.T) {
	r := newRig(t) // without a host
	id := r.create("")
	r.waitFor("the server to fail", func() bool { return r.show(id).str("server", "status") == "ERROR" })
	var failed []string
	for _, n := range told(t, r.changesOf("server", id)) {
		if n.Priority == notify.Error {
			failed = append(failed, n.EventType)
		}
	}
	if !slices.Equal(failed, []string{"compute.instance.create.error", "instance.create.error"}) {
		t.Errorf("errors %q", failed)
	}
}

func TestKeysGroupsAndFlavorsAreTold(t *testing.T) {
	r := newRig(t)
	who := member(projectID)
	r.do(who, latest, "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k","public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDn1g4JQbbmJRQ3pm8mVWcGK6oVPEk9bPiLs3Qz9Vt5e x"}}`).want(201, "")
	r.do(who, latest, "DELETE", "/v2.1/os-keypairs/k", "").want(204, "")
	group := r.do(who, latest, "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"affinity"}}`).want(200, "").str("server_group", "id")
	r.do(who, latest, "DELETE", "/v2.1/os-server-groups/"+group, "").want(204, "")
	r.do(admin(), latest, "POST", "/v2.1/flavors", `{"flavor":{"id":"f","name":"f","ram":64,"vcpus":1,"disk":1}}`).want(200, "")
	r.do(admin(), latest, "PUT", "/v2.1/flavors/f", `{"flavor":{"description":"d"}}`).want(200, "")
	r.do(admin(), latest, "DELETE", "/v2.1/flavors/f", "").want(202, "")
	for _, c := range []struct {
		kind, id string
		want     []string
	}{
		{"keypair", "", []string{"keypair.create.start", "keypair.create.start", "keypair.create.end", "keypair.create.end",
			"keypair.delete.start", "keypair.delete.start", "keypair.delete.end", "keypair.delete.end"}},
		{"server_group", group, []string{"servergroup.create", "server_group.create", "servergroup.delete", "server_group.delete"}},
		{"flavor", "f", []string{"flavor.create", "flavor.update", "flavor.delete"}},
	} {
		var types []string
		for _, n := range told(t, r.changesOf(c.kind, c.id)) {
			types = append(types, n.EventType)
		}
		if !slices.Equal(types, c.want) {
			t.Errorf("%s: %q", c.kind, types)
		}
	}
}
