package compute_test

import (
	"strings"
	"testing"

	"virga/service/compute"
)

// TestKernelsOfImages creates servers of images that name a kernel and a ramdisk.
func TestKernelsOfImages(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	w := r.world
	id := func(n string) string { return "22222222-0000-4222-8222-00000000000" + n }
	w.mu.Lock()
	for _, image := range []compute.Image{
		{ID: id("1"), Status: "active", DiskFormat: "aki", Size: 5 << 20, SHA512: "k"}, {ID: id("2"), Status: "active", DiskFormat: "ari", Size: 9 << 20, SHA512: "r"},
		{ID: id("3"), Status: "queued", DiskFormat: "aki"}, {ID: id("4"), Status: "active", DiskFormat: "aki", Size: 600 << 20},
	} {
		w.images[image.ID] = image
	}
	w.mu.Unlock()
	create := func(kernel, ramdisk string) answer {
		w.mu.Lock()
		image := w.images[imageID]
		image.Properties = map[string]string{"kernel_id": kernel, "ramdisk_id": ramdisk}
		w.images[imageID] = image
		w.mu.Unlock()
		return r.do(member(projectID), latest, "POST", "/v2.1/servers", createBody(""))
	}
	create(id("9"), "").want(400, "Image "+id("9")+" could not be found.")
	create(id("3"), "").want(400, "Image "+id("3")+" is not active.")
	create(id("1"), imageID).want(400, "its disk format is qcow2, and not ari or raw.")
	create(id("4"), "").want(400, "Flavor's memory is too small for requested image.")
	made := create(id("1"), id("2")).want(202, "").str("server", "id")
	shown := r.do(admin(), latest, "GET", "/v2.1/servers/"+made, "").want(200, `"OS-EXT-SRV-ATTR:kernel_id":"`+id("1")+`"`)
	if !strings.Contains(shown.text, `"OS-EXT-SRV-ATTR:ramdisk_id":"`+id("2")+`"`) || !strings.Contains(shown.text, `"OS-EXT-SRV-ATTR:root_device_name":"/dev/vda"`) {
		t.Error(shown.text)
	}
	create("nokernel", id("9")).want(202, "")
}

// TestDisksOfCreates asks for disks one by one, and for a config drive by the image.
func TestDisksOfCreates(t *testing.T) {
	r := newRig(t)
	r.startNode("host1", 16_384)
	flavor := r.do(admin(), latest, "POST", "/v2.1/flavors", `{"flavor":{"name":"disks","ram":64,"vcpus":1,"disk":1,"OS-FLV-EXT-DATA:ephemeral":3,"swap":64}}`).want(200, "").str("flavor", "id")
	none := r.do(admin(), latest, "POST", "/v2.1/flavors", `{"flavor":{"name":"none","ram":64,"vcpus":1,"disk":0}}`).want(200, "").str("flavor", "id")
	body := func(flavorID, more string) string {
		return strings.Replace(createBody(more), `"flavorRef":"1"`, `"flavorRef":"`+flavorID+`"`, 1)
	}
	create := func(text string) answer { return r.do(member(projectID), latest, "POST", "/v2.1/servers", text) }
	create(body(none, "")).want(403, "Only volume-backed servers are allowed for flavors with zero disk.")
	devices := func(list string) string {
		return body(flavor, `,"block_device_mapping_v2":[{"boot_index":"0","uuid":"`+imageID+`","source_type":"image","destination_type":"local"},`+list+`]`)
	}
	create(devices(`{"source_type":"blank","volume_size":0}`)).want(400, "volume_size")
	create(devices(`{"source_type":"blank","volume_size":2,"device_name":"a b"}`)).want(400, "device_name")
	create(devices(`{"source_type":"blank","volume_size":2,"boot_index":"x"}`)).want(400, "boot_index")
	create(devices(`{"source_type":"blank","volume_size":4}`)).want(400, "Ephemeral disks requested are larger than the instance type allows.")
	w := r.world
	w.mu.Lock()
	image := w.images[imageID]
	image.Properties = map[string]string{"img_config_drive": "mandatory"}
	w.images[imageID] = image
	w.mu.Unlock()
	id := create(devices(`{"source_type":"blank","volume_size":"1","boot_index":-1},{"source_type":"blank","destination_type":"local","guest_format":"vfat","volume_size":2,"boot_index":null},{"source_type":"blank","guest_format":"swap","volume_size":32}`)).
		want(202, "").str("server", "id")
	r.do(member(projectID), latest, "GET", "/v2.1/servers/"+id, "").want(200, `"config_drive":"True"`)
}
