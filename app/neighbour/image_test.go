package neighbour

import (
	"maps"
	"testing"
)

// TestPropertiesAreThoseOfUsers has none of what the image service says of an image be taken for its property: a server's snapshots inherit those,
// and nobody may write the others.
func TestPropertiesAreThoseOfUsers(t *testing.T) {
	image := readImage(map[string]any{"id": "i", "name": "n", "size": float64(7), "stores": "file", "direct_url": "file:///x", "os_glance_failed_import": "file",
		"checksum": "c", "os_hidden": false, "protected": false, "tags": []any{"t"}, "hw_rescue_bus": "usb", "empty": ""})
	if want := map[string]string{"hw_rescue_bus": "usb"}; !maps.Equal(image.Properties, want) || image.Size != 7 {
		t.Errorf("read %+v", image)
	}
}
