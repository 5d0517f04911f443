//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
)

// TestImagesOfServers makes images of a real guest and guests of the images, while it runs and when it is off.
func TestImagesOfServers(t *testing.T) {
	s := &studio{outage: outage{cloud: startCloud(t), key: newKeyPair(t)}}
	s.prepare(t)
	empty := s.cloud.stable(t, s.client)
	s.bootWatcher(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"an image of a running server", s.snapshot},
		{"another server from the image", s.second},
		{"the process is killed while an image is made", s.killed},
		{"a rebuild", s.rebuild},
		{"shelve and unshelve", s.shelve},
	} {
		s.step(t, step.name, step.do)
	}
	for _, id := range s.made {
		if err := images.Delete(t.Context(), s.client.image, id).ExtractErr(); err != nil {
			t.Error(err)
		}
	}
	s.step(t, "nothing is left", func(t *testing.T) {
		s.admin.openstack(t, "floating", "ip", "delete", s.address)
		s.admin.openstack(t, "server", "delete", "--wait", s.id)
		s.cloud.mustBe(t, s.client, empty)
	})
}

// studio is a server of which images are made.
type studio struct {
	outage
	made []string
}

// image is an image by its name, which has to be the only one.
func (s *studio) image(t *testing.T, name string) *images.Image {
	t.Helper()
	pages := must[[]images.Image](t)(func() ([]images.Image, error) {
		all, err := images.List(s.client.image, images.ListOpts{Name: name}).AllPages(t.Context())
		if err != nil {
			return nil, err
		}
		return images.ExtractImages(all)
	}())
	if len(pages) != 1 {
		t.Fatalf("there are %d images called %s", len(pages), name)
	}
	return &pages[0]
}

// keep has the guest write what must not be lost, and everything reach its disk.
func (s *studio) keep(t *testing.T, text string) {
	t.Helper()
	g := login(t, s.address, s.key)
	g.put(t, "/root/kept", []byte(text))
	g.run(t, "sync")
}

func (s *studio) snapshot(t *testing.T) {
	s.keep(t, "before the image")
	s.admin.openstack(t, "server", "image", "create", "--name", "live", "--wait", "watcher")
	image := s.image(t, "live")
	s.made = append(s.made, image.ID)
	if image.Status != "active" || image.DiskFormat != "qcow2" || image.MinDiskGigabytes != 1 || image.Properties["instance_uuid"] != s.id ||
		image.Properties["base_image_ref"] != s.imageID {
		t.Errorf("the image is %+v", image)
	}
	s.client.awaitStatus(t, s.id, "ACTIVE", bootPatience)
	if now := qemuOf(s.id); now != s.qemu {
		t.Errorf("QEMU was process %d and is %d", s.qemu, now)
	}
	if found := snapshotFiles(t, s.cloud.dir, s.id); len(found) != 0 {
		t.Errorf("left behind: %v", found)
	}
}

// snapshotFiles are the snapshots in a guest's directory.
func snapshotFiles(t *testing.T, dir, id string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(dir + "/guests/guests/" + id)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "snapshot-") {
			found = append(found, entry.Name())
		}
	}
	return found
}

// second boots another server from the image and finds there what the first one wrote.
func (s *studio) second(t *testing.T) {
	of := s.imageID
	s.imageID = s.image(t, "live").ID
	server := must[*servers.Server](t)(s.create(t.Context(), "second"))
	s.imageID = of
	s.client.awaitStatus(t, server.ID, "ACTIVE", bootPatience)
	port := s.admin.value(t, "ID", "port", "list", "--server", server.ID)
	public := must[string](t)(networkID(t.Context(), s.client, "public"))
	ip := must[*floatingips.FloatingIP](t)(floatingips.Create(t.Context(), s.client.network,
		floatingips.CreateOpts{FloatingNetworkID: public, PortID: port}).Extract())
	g := login(t, ip.FloatingIP, s.key)
	if got := g.run(t, "cat /root/kept"); got != "before the image" {
		t.Errorf("the file holds %q", got)
	}
	if err := servers.Delete(t.Context(), s.client.compute, server.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	s.client.awaitGone(t, server.ID, bootPatience)
	if err := floatingips.Delete(t.Context(), s.client.network, ip.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
}

// killed kills the cloud in the middle of images; each becomes whole all the same, and the guest runs through all of it.
func (s *studio) killed(t *testing.T) {
	for i, after := range []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond} {
		name := fmt.Sprintf("killed-%d", i)
		id := must[string](t)(servers.CreateImage(t.Context(), s.client.compute, s.id, servers.CreateImageOpts{Name: name}).ExtractImageID())
		time.Sleep(after)
		s.cloud.kill(t)
		s.cloud.start(t)
		s.client.awaitStatus(t, s.id, "ACTIVE", bootPatience)
		if image := s.image(t, name); image.Status != "active" || image.ID != id {
			t.Errorf("killed after %s: the image is %+v", after, image)
		}
		s.made = append(s.made, id)
		if now := qemuOf(s.id); now != s.qemu {
			t.Errorf("QEMU was process %d and is %d", s.qemu, now)
		}
		await(t, "nothing is left of the snapshot", bootPatience, func() error {
			if found := snapshotFiles(t, s.cloud.dir, s.id); len(found) != 0 {
				return fmt.Errorf("there is %v", found)
			}
			return nil
		})
	}
}

// rebuild gives the server a fresh disk: its address and key stay, its files go.
func (s *studio) rebuild(t *testing.T) {
	boot := login(t, s.address, s.key).bootID(t)
	s.admin.openstack(t, "server", "rebuild", "--image", "guest", "--wait", "watcher")
	s.client.awaitStatus(t, s.id, "ACTIVE", bootPatience)
	g := loginAfterBoot(t, s.address, s.key, boot)
	if out, err := g.try("cat /root/kept", ""); err == nil {
		t.Errorf("the fresh disk holds %q", out)
	}
	if got := g.run(t, "hostname"); got != "watcher" {
		t.Errorf("the host name is %q", got)
	}
}

// shelve takes the server from its host and back; what it wrote and its address stay.
func (s *studio) shelve(t *testing.T) {
	for range 2 { // the second time it stands on the image of the first, which is gone
		text := "before the shelf " + time.Now().String()
		boot := login(t, s.address, s.key).bootID(t)
		s.keep(t, text)
		s.admin.openstack(t, "server", "shelve", "watcher")
		s.client.awaitStatus(t, s.id, "SHELVED_OFFLOADED", bootPatience)
		if pid := qemuOf(s.id); pid != 0 {
			t.Errorf("the server is shelved and QEMU runs as process %d", pid)
		}
		image := s.image(t, "watcher-shelved")
		s.admin.openstack(t, "server", "unshelve", "watcher")
		s.client.awaitStatus(t, s.id, "ACTIVE", bootPatience)
		if got := loginAfterBoot(t, s.address, s.key, boot).run(t, "cat /root/kept"); got != text {
			t.Errorf("the file holds %q, want %q", got, text)
		}
		if err := images.Get(t.Context(), s.client.image, image.ID).Err; !is(err, http.StatusNotFound) {
			t.Errorf("the image of the shelf: %v", err)
		}
	}
}
