package image

import (
	"fmt"
	"testing"
)

// BenchmarkList lists a page of ten images with properties and tags, a goal of the cloud's
// speed: half a millisecond.
func BenchmarkList(b *testing.B) {
	c := newCloud(b)
	for i := range 10 {
		c.image(alice(), fmt.Sprintf(`"tags":["a","b"],"hw_disk_bus":"virtio","os_distro":"debian","number":"%d"`, i))
	}
	for b.Loop() {
		if w := c.do(alice(), "GET", "/v2/images", nil); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkShow shows one image.
func BenchmarkShow(b *testing.B) {
	c := newCloud(b)
	id := c.image(alice(), `"tags":["a","b"],"hw_disk_bus":"virtio"`)
	for b.Loop() {
		if w := c.do(alice(), "GET", "/v2/images/"+id, nil); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
