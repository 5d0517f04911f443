package compute_test

import (
	"bytes"
	"strings"
	"testing"

	"virga/service/compute/hypervisor"
)

// write has the guest of the estate's server write to one of its disks.
func (e *estate) write(id, text string) {
	e.t.Helper()
	if err := e.hosts[e.servers()[0].Host].virt().WriteDisk(e.t.Context(), id, hypervisor.DiskRoot, []byte(text)); err != nil {
		e.t.Fatal(err)
	}
}

// wrote tells whether the guest's root disk holds a text.
func (e *estate) wrote(id, text string) bool {
	return bytes.Contains(e.hosts[e.servers()[0].Host].virt().ReadDisk(id, hypervisor.DiskRoot), []byte(text))
}

func TestRebuild(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		e.write(id, "the old system")
		a := e.action(latest, id, `{"rebuild":{"imageRef":"`+otherImageID+`","name":"anew","metadata":{"a":"b"},"adminPass":"let me in",
			"description":"fresh","hostname":"anew-host","user_data":"aGVsbG8=","accessIPv4":"192.0.2.1"}}`).want(202, `"status":"REBUILD"`)
		for _, want := range []string{`"adminPass":"let me in"`, `"user_data":"aGVsbG8="`, `"name":"anew"`, otherImageID, `"description":"fresh"`} {
			a.want(202, want)
		}
		e.action(latest, id, `{"os-stop":null}`).want(409, "while it is in task_state rebuil")
		host := e.servers()[0].Host
		e.is("ACTIVE")
		shown := e.show(id).want(200, `"OS-EXT-SRV-ATTR:user_data":"aGVsbG8="`)
		if shown.str("server", "name") != "anew" || shown.str("server", "image", "id") != otherImageID || shown.str("server", "OS-EXT-SRV-ATTR:hostname") != "anew-host" ||
			e.servers()[0].Host != host {
			t.Errorf("it has become %s", shown.text)
		}
		if e.wrote(id, "the old system") {
			t.Error("the disk is the old one")
		}
		e.action(latest, id, `{"os-stop":null}`).want(202, "")
		e.is("SHUTOFF")
		e.write(id, "the second system")
		e.action("2.1", id, `{"rebuild":{"imageRef":"`+otherImageID+`"}}`).want(202, "")
		e.is("SHUTOFF")
		if e.wrote(id, "the second system") {
			t.Error("the disk is the second one")
		}
	})
}

// TestFailedRebuildLeavesTheServerAsItWas has an image that no host can fetch.
func TestFailedRebuildLeavesTheServerAsItWas(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		e.write(id, "the old system")
		gone := strings.Replace(otherImageID, "2222", "3333", 1)
		e.world.mu.Lock()
		image := e.world.images[otherImageID]
		image.ID = gone
		e.world.images[gone] = image
		e.world.mu.Unlock()
		e.action(latest, id, `{"rebuild":{"imageRef":"`+gone+`","name":"never","user_data":"aGVsbG8="}}`).want(202, "")
		e.is("ACTIVE")
		if e.lastOperation(id) != "failed" || !e.wrote(id, "the old system") {
			t.Error("the old system is gone")
		}
		shown := e.show(id).want(200, `"OS-EXT-SRV-ATTR:user_data":null`)
		if shown.str("server", "name") == "never" || shown.str("server", "image", "id") != imageID {
			t.Errorf("it has become %s", shown.text)
		}
	})
}

func TestRebuildRequestsAreChecked(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		for _, test := range []struct{ version, fields, text string }{
			{latest, ``, "'imageRef' is a required property"},
			{latest, `"imageRef":"http://images/` + imageID + `"`, "is not a 'uuid'"},
			{latest, `"imageRef":"` + networkID + `"`, "Cannot find image for rebuild"},
			{latest, `"imageRef":"` + imageID + `","name":""`, "name"},
			{latest, `"imageRef":"` + imageID + `","key_name":"nobody's"`, "Keypair nobody's not found for user"},
			{latest, `"imageRef":"` + imageID + `","user_data":"%"`, "base64"},
			{latest, `"imageRef":"` + imageID + `","personality":[]`, "personality"},
			{latest, `"imageRef":"` + imageID + `","accessIPv4":"::1"`, "accessIPv4"},
			{latest, `"imageRef":"` + imageID + `","trusted_image_certificates":["a"]`, "not supported"},
			{latest, `"imageRef":"` + imageID + `","flavorRef":"2"`, "flavorRef"},
			{"2.53", `"imageRef":"` + imageID + `","key_name":null`, "key_name"},
			{"2.56", `"imageRef":"` + imageID + `","user_data":null`, "user_data"},
			{"2.18", `"imageRef":"` + imageID + `","description":null`, "description"},
			{"2.89", `"imageRef":"` + imageID + `","hostname":"x"`, "hostname"},
		} {
			e.action(test.version, id, `{"rebuild":{`+test.fields+`}}`).want(400, test.text)
		}
		e.do(member(otherID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"rebuild":{"imageRef":"`+imageID+`"}}`).want(404, "")
		e.action(latest, id, `{"lock":null}`).want(202, "")
		e.action(latest, id, `{"rebuild":{"imageRef":"`+imageID+`"}}`).want(409, "is locked")
	})
}
