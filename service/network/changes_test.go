package network

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"virga/core/feed"
)

// changesOf are the feed's entries of a resource.
func (c *cloud) changesOf(id string) []feed.Entry {
	c.t.Helper()
	entries, err := feed.After(c.t.Context(), c.s.deps.DB, 0, 10_000)
	if err != nil {
		c.t.Fatal(err)
	}
	return slices.DeleteFunc(entries, func(e feed.Entry) bool { return e.ID != id })
}

func TestResourcesAreToldAsNeutronDoes(t *testing.T) {
	c := newCloud(t)
	as := who("alice", "a", "member", "reader")
	network := c.network(as, "n")
	subnet := c.subnet(as, network, "10.1.0.0/24")
	port := c.port(as, network, "")["id"].(string)
	c.want(http.StatusOK, as, "PUT", "/v2.0/ports/"+port, `{"port":{"name":"new"}}`)
	c.want(http.StatusOK, as, "PUT", "/v2.0/ports/"+port+"/tags", `{"tags":["t"]}`)
	router := c.want(http.StatusCreated, as, "POST", "/v2.0/routers", `{"router":{"name":"r"}}`).text("router.id")
	c.want(http.StatusOK, as, "PUT", "/v2.0/routers/"+router+"/add_router_interface", `{"subnet_id":"`+subnet+`"}`)
	c.want(http.StatusOK, as, "PUT", "/v2.0/routers/"+router+"/remove_router_interface", `{"subnet_id":"`+subnet+`"}`)
	for _, path := range []string{"ports/" + port, "routers/" + router, "subnets/" + subnet, "networks/" + network} {
		c.want(http.StatusNoContent, as, "DELETE", "/v2.0/"+path, "")
	}
	for id, want := range map[string]string{
		network: "network.create.start network.create.end network.delete.start network.delete.end",
		subnet:  "subnet.create.start subnet.create.end subnet.delete.start subnet.delete.end",
		port:    "port.create.start port.create.end port.update.start port.update.end tag.update.start tag.update.end port.delete.start port.delete.end",
		router:  "router.create.start router.create.end router.interface.create router.interface.delete router.delete.start router.delete.end",
	} {
		var types []string
		for _, e := range c.changesOf(id) {
			if e.OwnerProjectID != "a" || e.UserID != "alice" {
				t.Errorf("%s %s: owner %q, user %q", e.Kind, e.Action, e.OwnerProjectID, e.UserID)
			}
			list, err := Notifications("here")(&e)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range list {
				types = append(types, n.EventType)
				text, err := json.Marshal(n.Payload)
				if err != nil || n.Publisher != "network.here" || !strings.Contains(string(text), id) {
					t.Errorf("%s by %s: %s, %v", n.EventType, n.Publisher, text, err)
				}
			}
		}
		if got := strings.Join(types, " "); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	}
}

func TestChangesOfNetworksSayWhatWasAndIs(t *testing.T) {
	c := newCloud(t)
	as := who("alice", "a", "member", "reader")
	network := c.network(as, "old")
	c.want(http.StatusOK, as, "PUT", "/v2.0/networks/"+network, `{"network":{"name":"new"}}`)
	entries := c.changesOf(network)
	var before, after struct {
		Name string
		Type string `json:"provider:network_type"`
	}
	if len(entries) != 2 || json.Unmarshal(entries[1].Before, &before) != nil || json.Unmarshal(entries[1].After, &after) != nil ||
		before.Name != "old" || after.Name != "new" || after.Type == "" || before.Type != after.Type {
		t.Errorf("the feed has %+v, %+v of %d entries", before, after, len(entries))
	}
}
