package compute_test

import (
	"strings"
	"testing"

	"virga/service/compute/orders"
)

// askImage has the world's image ask for hardware.
func (r *rig) askImage(properties map[string]string) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	image := r.world.images[imageID]
	image.Properties = properties
	r.world.images[imageID] = image
}

// TestDevicesReachTheHost follows what an image asks for from the create to the host's order, and refuses what means nothing.
func TestDevicesReachTheHost(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.askImage(map[string]string{"hw_video_model": "vga", "hw_video_ram": "16"})
	s.do(member(projectID), latest, "POST", "/v2.1/servers", createBody("")).want(400, "higher than the maximum allowed by flavor 0")
	s.askImage(map[string]string{"hw_video_model": "matrox"})
	s.do(member(projectID), latest, "POST", "/v2.1/servers", createBody("")).want(400, "Invalid image metadata. Error: Field value matrox is invalid")

	s.askImage(map[string]string{"hw_watchdog_action": "reset", "hw_vif_model": "VirtualE1000", "hw_video_model": "none"})
	id := s.create("")
	a := s.waitStatus(id, "ERROR") // its host states no displays
	if !strings.Contains(a.text, "COMPUTE_GRAPHICS_MODEL_NONE") {
		t.Errorf("the fault does not name the trait: %s", a.text)
	}
	s.delete(id)
	s.waitGone(id)

	s.askImage(map[string]string{"hw_watchdog_action": "reset", "hw_vif_model": "VirtualE1000"})
	id = s.create("")
	s.waitStatus(id, "ACTIVE")
	order := s.node.lastOrder(t, id)
	if want := (orders.Devices{Watchdog: "reset"}); order.Devices != want || len(order.NICs) != 1 || order.NICs[0].Model != "e1000" {
		t.Errorf("the order is %+v, %+v", order.Devices, order.NICs)
	}
	s.delete(id)
	s.waitGone(id)
}
