package agent_test

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

func TestImagesAreCachedBeforehand(t *testing.T) {
	r := newRig(t, fake.Options{})
	sum := sha512.Sum512(content)
	good := orders.Image{ID: imageID, SHA512: hex.EncodeToString(sum[:]), Size: int64(len(content)), DiskFormat: "raw", VirtualSize: int64(len(content))}
	bad := good
	bad.ID = server
	order := func(id string, images ...orders.Image) {
		r.controller.mu.Lock()
		r.controller.generation++
		r.controller.caches = append(r.controller.caches, orders.CacheOrder{ID: id, Generation: r.controller.generation, Images: images})
		r.controller.mu.Unlock()
		r.bus.Ring(orders.Topic(r.name))
	}
	said := func(id string) orders.CacheReport {
		t.Helper()
		var report orders.CacheReport
		for limit := time.After(waitTime); len(report.Images) == 0; {
			select {
			case <-r.controller.came:
			case <-limit:
				t.Fatalf("no report of %s", id)
			}
			r.controller.mu.Lock()
			report = r.controller.cacheReports[id]
			r.controller.mu.Unlock()
		}
		return report
	}
	order("first", good, bad)
	if first := said("first"); first.Images[good.ID] != orders.CacheDone || first.Images[bad.ID] != orders.CacheFailed ||
		first.Errors[bad.ID] != "The image is not there any more." {
		t.Errorf("first: %+v", first)
	}
	order("second", good)
	if second := said("second"); second.Images[good.ID] != orders.CacheExisting || len(second.Errors) != 0 {
		t.Errorf("second: %+v", second)
	}
	image := hypervisor.Image{ID: good.ID, SHA512: good.SHA512, SizeBytes: good.Size, DiskFormat: "raw", VirtualSize: good.VirtualSize}
	if err := r.driver.EnsureImage(t.Context(), image, nil); err != nil {
		t.Errorf("the image is not in the cache: %v", err)
	}
	if err := r.driver.EnsureImage(t.Context(), hypervisor.Image{ID: "x"}, nil); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Errorf("a broken id: %v", err)
	}
}
