package compute_test

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/db/dbtest"
	"virga/service/compute"
)

// TestWhatCameLateIsRemoved has ports and allocations appear of which compute knows nothing,
// as when a request arrives that was believed to be lost.
func TestWhatCameLateIsRemoved(t *testing.T) {
	t.Setenv(dbtest.EnginesVariable, "sqlite") // a server has a time of its own
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.perform()
		s.waitStatus(s.id, "ACTIVE")
		gone := s.create("")
		s.waitStatus(gone, "ACTIVE")
		s.delete2(gone)
		s.waitGone(gone)
		want := s.world.list()
		s.world.mu.Lock()
		mark := map[string]any{"virga_nic": "late"}
		for id, p := range map[string]compute.Port{
			"late-1": {DeviceID: gone, Profile: mark}, "late-2": {DeviceID: s.id, Profile: mark},
			"users-1": {DeviceID: gone}, "users-2": {DeviceID: s.id},
		} {
			p.ID, p.NetworkID, p.ProjectID = id, networkID, projectID
			s.world.ports[id] = p
		}
		s.world.allocations[gone] = s.world.allocations[s.id]
		s.world.mu.Unlock()
		time.Sleep(6 * time.Minute)
		want["use of port by "+s.id] = true // somebody is about to attach it
		if found := s.world.list(); !maps.Equal(found, want) {
			t.Errorf("there is %v, not %v", found, want)
		}
		s.world.mu.Lock()
		defer s.world.mu.Unlock()
		if p, there := s.world.ports["users-1"]; !there || p.DeviceID != "" {
			t.Errorf("the user's port is %+v", p)
		}
		if _, there := s.world.ports["late-2"]; there {
			t.Error("a port of the living server is there that it does not have")
		}
	})
}
