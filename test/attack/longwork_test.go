package attack

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"virga/test/cloud"
)

// TestWorkOutlivesTheToken starts what takes long and takes away the token right after the answer: what was admitted is
// done. Nothing more is admitted.
func TestWorkOutlivesTheToken(t *testing.T) {
	c := cloud.Start(t)
	u := c.NewUser(t, "starter", "member")
	e := furnish(t, c, u, "198.51.100.0/24", "own")
	image := u.Must(t, "POST", "/image/v2/images", object{"name": "late", "disk_format": "raw", "container_format": "bare"}, "id")
	staged := u.Do(t, "PUT", "/image/v2/images/"+image+"/stage", strings.NewReader("content"), "Content-Type", "application/octet-stream")
	if !staged.OK() {
		t.Fatalf("stage: %s", staged)
	}
	server := u.Must(t, "POST", "/compute/v2.1/servers", object{"server": object{"name": "late", "imageRef": e.ids["image_id"], "flavorRef": e.ids["flavor_id"],
		"networks": []object{{"uuid": e.ids["networks"]}}}}, "server.id")
	u.Must(t, "POST", "/image/v2/images/"+image+"/import", object{"method": object{"name": "glance-direct"}}, "")
	if a := u.Do(t, "DELETE", "/identity/v3/auth/tokens", nil, "X-Subject-Token", u.Token); !a.OK() {
		t.Fatalf("revoke: %s", a)
	}
	refused(t, "another request", u.Do(t, "GET", "/compute/v2.1/servers/"+server, nil), http.StatusUnauthorized)
	for what, one := range map[string][3]string{
		"the server": {"/compute/v2.1/servers/" + server, "server.status", "ACTIVE"}, "the image": {"/image/v2/images/" + image, "status", "active"},
	} {
		c.Await(t, what+" is "+one[2], func() error {
			a := c.Admin.Do(t, "GET", one[0], nil)
			if got := a.Value(one[1]); got != one[2] {
				return fmt.Errorf("it is %q: %s", got, a)
			}
			return nil
		})
	}
}
