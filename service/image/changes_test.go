package image

import (
	"slices"
	"strings"
	"testing"

	"virga/core/feed"
	"virga/core/feed/notify"
)

func TestImagesAreToldAsGlanceDoes(t *testing.T) {
	c := newCloud(t)
	id := c.active(alice(), `"kernel":"k"`, "data of an image")
	c.patch(200, alice(), id, `[{"op":"replace","path":"/name","value":"new"}]`)
	c.must(200, alice(), "POST", "/v2/images/"+id+"/members", `{"member":"b"}`)
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	entries, err := feed.After(t.Context(), c.db, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	last := map[string]any{}
	for i := range entries {
		if e := entries[i]; e.OwnerProjectID != alice().Project.ID || e.UserID != alice().UserID {
			t.Errorf("%s: owner %q, user %q", e.Action, e.OwnerProjectID, e.UserID)
		}
		list, err := Notifications("here")(&entries[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			types = append(types, n.EventType)
			if n.Publisher != "image.here" || n.Priority != notify.Info {
				t.Errorf("%s by %s, %s", n.EventType, n.Publisher, n.Priority)
			}
			last, _ = n.Payload.(map[string]any)
		}
	}
	if got := strings.Join(types, " "); got != "image.create image.prepare image.upload image.activate image.update image.member.create image.delete" {
		t.Errorf("told %s", got)
	}
	properties, _ := last["properties"].(map[string]any)
	if last["id"] != id || last["deleted"] != true || last["status"] != "deleted" || last["name"] != "new" || last["size"] != 16.0 || properties["kernel"] != "k" ||
		slices.ContainsFunc([]string{"self", "file", "name"}, func(name string) bool { _, there := properties[name]; return there }) {
		t.Errorf("the last one tells %v", last)
	}
}
