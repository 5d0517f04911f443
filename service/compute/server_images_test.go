package compute_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/api"
	"virga/core/db/dbtest"
	"virga/core/token"
	"virga/core/work"
	"virga/service/compute/hypervisor"
)

// inEstate runs a test in a bubble with an estate that has one server.
func inEstate(t *testing.T, run func(t *testing.T, e *estate, id string)) {
	t.Helper()
	t.Setenv(dbtest.EnginesVariable, "sqlite") // a server has a time of its own; the proofs are for that
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t, dbtest.Open(t))
		e.active()
		run(t, e, e.only())
	})
}

func (e *estate) action(version, id, body string) answer {
	e.t.Helper()
	return e.do(member(projectID), version, "POST", "/v2.1/servers/"+id+"/action", body)
}

// picture returns what the image service has of an image.
func (w *world) picture(id string) madeImage {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made[id] == nil {
		return madeImage{}
	}
	return *w.made[id]
}

func asMember(t *testing.T) context.Context {
	return token.WithIdentity(t.Context(), member(projectID))
}

// lastOperation is how the newest operation on the server ended.
func (e *estate) lastOperation(id string) (state string) {
	e.t.Helper()
	var list []work.Operation
	if err := readOperations(e.rig, id, &list); err != nil {
		e.t.Fatal(err)
	}
	for _, o := range list {
		if !o.FinishedAt.IsZero() && o.Kind != "server_create" {
			state = string(o.State)
		}
	}
	return state
}

func TestCreateImage(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		host := e.hosts[e.servers()[0].Host].virt()
		if err := host.WriteDisk(t.Context(), id, hypervisor.DiskRoot, []byte("what the guest wrote")); err != nil {
			t.Fatal(err)
		}
		image := e.action(latest, id, `{"createImage":{"name":"mine","metadata":{"colour":"blue","image_type":"mine"}}}`).want(202, "").str("image_id")
		made := e.world.picture(image)
		if made.project != projectID || made.Name != "mine" || made.Visibility != "private" || made.DiskFormat != "qcow2" || made.MinDisk != 1 {
			t.Errorf("the record is %+v", made)
		}
		for key, want := range map[string]string{"instance_uuid": id, "base_image_ref": imageID, "image_type": "mine", "colour": "blue",
			"user_id": member(projectID).UserID, "boot_roles": "member,reader", "owner_project_name": "p"} {
			if made.Properties[key] != want {
				t.Errorf("property %s is %q, want %q", key, made.Properties[key], want)
			}
		}
		e.is("ACTIVE")
		if made = e.world.picture(image); !bytes.Contains(made.data, []byte("what the guest wrote")) {
			t.Errorf("the image holds %d other bytes", len(made.data))
		}
		location := e.action("2.44", id, `{"createImage":{"name":"mine"}}`).want(202, "").header.Get("Location")
		if at := strings.LastIndex(location, "/images/"); at < 0 || e.world.picture(location[at+8:]).Name != "mine" {
			t.Errorf("Location: %q", location)
		}
		e.is("ACTIVE")
		e.do(member(projectID), latest, "GET", "/v2.1/servers/"+id+"/os-instance-actions", "").want(200, `"action":"createImage"`)
	})
}

func TestImageRequestsAreChecked(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		long := strings.Repeat("n", 256)
		for body, text := range map[string]string{
			`{"createImage":null}`:                                          "None is not of type 'object'",
			`{"createImage":{}}`:                                            "'name' is a required property",
			`{"createImage":{"name":""}}`:                                   "name",
			`{"createImage":{"name":" x"}}`:                                 "name",
			`{"createImage":{"name":"` + long + `"}}`:                       "is too long",
			`{"createImage":{"name":"x","other":1}}`:                        "other",
			`{"createImage":{"name":1}}`:                                    "name",
			`{"createImage":{"name":"x","metadata":{"a":1}}}`:               "metadata",
			`{"createImage":{"name":"x","metadata":{"":"b"}}}`:              "metadata",
			`{"createBackup":{"name":"x","rotation":1}}`:                    "'backup_type' is a required property",
			`{"createBackup":{"name":"x","backup_type":"d"}}`:               "'rotation' is a required property",
			`{"createBackup":{"name":"x","backup_type":"d","rotation":-1}}`: "less than the minimum of 0",
		} {
			e.action(latest, id, body).want(400, text)
		}
		e.do(member(otherID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"createImage":{"name":"x"}}`).want(404, "")
		e.action(latest, id, `{"lock":null}`).want(202, "")
		e.action(latest, id, `{"createImage":{"name":"of a locked server"}}`).want(202, "")
		e.action(latest, id, `{"createImage":{"name":"second"}}`).want(409, "Cannot 'createImage' instance "+id+" while it is in task_state image_")
		e.is("ACTIVE")
	})
}

func TestImageServiceRefusesTheRecord(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		e.world.setRefuse(func(call string) error {
			if call == "create image" {
				return api.TooLarge("Project p is over a limit for [image_count_total]")
			}
			return nil
		})
		e.action(latest, id, `{"createImage":{"name":"x"}}`).want(403, "over a limit")
		e.is("ACTIVE")
		if len(e.world.made) != 0 {
			t.Errorf("there are images: %v", e.world.made)
		}
	})
}

// TestImageIsDeletedInTheMiddle is an owner who has thought better of it.
func TestImageIsDeletedInTheMiddle(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		host := e.hosts[e.servers()[0].Host]
		host.cut.Store(true)
		image := e.action(latest, id, `{"createImage":{"name":"x"}}`).want(202, "").str("image_id")
		if err := (images{e.world}).DropImage(asMember(t), image); err != nil {
			t.Fatal(err)
		}
		host.cut.Store(false)
		e.is("ACTIVE")
		if e.lastOperation(id) != "failed" || e.world.picture(image).Name != "" {
			t.Error("there is an image that was deleted")
		}
		e.action(latest, id, `{"createImage":{"name":"again"}}`).want(202, "")
		e.is("ACTIVE")
	})
}

func TestBackupsRotate(t *testing.T) {
	inEstate(t, func(t *testing.T, e *estate, id string) {
		var made []string
		for _, kind := range []string{"daily", "weekly", "daily", "daily"} {
			body := `{"createBackup":{"name":"b","backup_type":"` + kind + `","rotation":2}}`
			made = append(made, e.action(latest, id, body).want(202, "").str("image_id"))
			e.is("ACTIVE")
			time.Sleep(time.Second)
		}
		for i, there := range []bool{false, true, true, true} {
			if got := e.world.picture(made[i]).data != nil; got != there {
				t.Errorf("backup %d is there: %t", i, got)
			}
		}
		if p := e.world.picture(made[3]).Properties; p["image_type"] != "backup" || p["backup_type"] != "daily" {
			t.Errorf("properties are %v", p)
		}
		if answer := e.action("2.44", id, `{"createBackup":{"name":"b","backup_type":"daily","rotation":0}}`).want(202, ""); answer.header.Get("Location") != "" {
			t.Errorf("Location of an image that will not be there: %v", answer.header)
		}
		e.is("ACTIVE")
		if len(e.world.made) != 1 {
			t.Errorf("%d images are left, want the weekly one", len(e.world.made))
		}
	})
}
