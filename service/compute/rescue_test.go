package compute_test

import (
	"encoding/json"
	"strings"
	"testing"

	"virga/service/compute"
	"virga/service/compute/orders"
)

const rescueImageID = "77777777-7777-4777-8777-777777777777"

// withRescueImage adds an image to the world.
func (s *scene) withRescueImage(properties map[string]string) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.images[rescueImageID] = compute.Image{ID: rescueImageID, Name: "rescue", Status: "active", DiskFormat: "raw", Size: 1 << 20, VirtualSize: 1 << 20,
		SHA512: "def", Properties: properties}
}

func TestRescue(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.withRescueImage(map[string]string{"hw_rescue_device": "cdrom", "hw_rescue_bus": "sata"})
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id + "/action"
	s.conflict(`{"unrescue":null}`, "unrescue", "active")
	s.do(member(projectID), "", "POST", path, `{"rescue":{"rescue_image_ref":"`+networkID+`"}}`).want(400, "Requested rescue image '"+networkID+"' is not supported")
	s.do(member(projectID), "", "POST", path, `{"rescue":{"rescue_image_ref":"no id"}}`).want(400, "")
	s.do(member(projectID), "", "POST", path, `{"rescue":{"image":"`+rescueImageID+`"}}`).want(400, "")
	s.do(member(projectID), "", "POST", path, `{"rescue":{"adminPass":"let me in","rescue_image_ref":"`+rescueImageID+`"}}`).want(200, `{"adminPass":"let me in"}`)
	s.waitStatus(s.id, "RESCUE").want(200, `"OS-EXT-STS:vm_state":"rescued"`).want(200, `"OS-EXT-STS:power_state":1`)
	order := s.node.lastOrder(t, s.id)
	if order.Desired != orders.Rescued || order.Rescue == nil || order.Rescue.Image.ID != rescueImageID || order.Rescue.Device != "cdrom" || order.Rescue.Bus != "sata" {
		t.Errorf("the order is %+v", order)
	}
	s.conflict(`{"rescue":null}`, "rescue", "rescued")
	s.conflict(`{"os-stop":null}`, "stop", "rescued")
	s.conflict(`{"reboot":{"type":"HARD"}}`, "reboot", "rescued")
	s.node.say(s.id, orders.Report{Generation: order.Generation, State: orders.StateStopped, PowerState: 4})
	s.waitStatus(s.id, "RESCUE").want(200, `"OS-EXT-STS:power_state":4`)
	s.action(`{"unrescue":null}`)
	s.waitStatus(s.id, "ACTIVE")
	if order := s.node.lastOrder(t, s.id); order.Desired != orders.Running || order.Rescue != nil && order.Rescue.Image.ID == "" {
		t.Errorf("the order is %+v", order)
	}
	if name := s.lastAction(); name != "unrescue" {
		t.Errorf("the last action is %s", name)
	}
	a := s.do(member(projectID), "", "POST", path, `{"rescue":null}`).want(200, "adminPass")
	if len(a.str("adminPass")) != 12 {
		t.Errorf("the password is %q", a.str("adminPass"))
	}
	s.waitStatus(s.id, "RESCUE")
	s.end()
}

// TestTheRescuePasswordIsOnTheConfigDrive has it there while the server is rescued, and nowhere else.
func TestTheRescuePasswordIsOnTheConfigDrive(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.id = s.create(`,"config_drive":true`)
	s.waitStatus(s.id, "ACTIVE")
	s.do(member(projectID), "", "POST", "/v2.1/servers/"+s.id+"/action", `{"rescue":{"adminPass":"let me in"}}`).want(200, "")
	s.waitStatus(s.id, "RESCUE")
	password := func() string {
		var document struct {
			AdminPass string `json:"admin_pass"`
		}
		order := s.node.lastOrder(t, s.id)
		if order.ConfigDrive == nil || json.Unmarshal(order.ConfigDrive.MetaData, &document) != nil {
			t.Fatalf("the order has no config drive: %+v", order)
		}
		return document.AdminPass
	}
	if password() != "let me in" {
		t.Errorf("the password is %q", password())
	}
	s.action(`{"unrescue":null}`)
	s.waitStatus(s.id, "ACTIVE")
	if password() == "let me in" {
		t.Error("the rescue's password stays")
	}
	events := s.do(admin(), latest, "GET", "/events?after=oldest&follow=false", "").want(200, "rescue")
	if strings.Contains(events.text, "let me in") {
		t.Error("the feed has the password")
	}
}

// TestARescueThatFailsIsTakenBack has the host refuse it.
func TestARescueThatFailsIsTakenBack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.withRescueImage(map[string]string{"hw_rescue_device": "floppy"})
	s.perform()
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id + "/action"
	s.do(member(projectID), "", "POST", path, `{"rescue":{"rescue_image_ref":"`+rescueImageID+`"}}`).want(400, "Requested rescue device 'floppy' is not supported")
	s.withRescueImage(map[string]string{"hw_rescue_bus": "fdc"})
	s.do(member(projectID), "", "POST", path, `{"rescue":{"rescue_image_ref":"`+rescueImageID+`"}}`).want(400, "Requested rescue bus 'fdc' is not supported")
	s.node.setFail(func(order orders.GuestOrder) *orders.Error {
		if order.Desired == orders.Rescued {
			return &orders.Error{Class: orders.Fail, Message: "The image of the server is not there any more."}
		}
		return nil
	})
	s.do(member(projectID), "", "POST", path, `{"rescue":null}`).want(200, "")
	if state := s.settled("server_rescue"); state != "failed" {
		t.Errorf("the operation is %s", state)
	}
	s.waitStatus(s.id, "ACTIVE")
	s.waitFor("the guest to be wished back", func() bool { return s.node.lastOrder(t, s.id).Desired == orders.Running })
}
