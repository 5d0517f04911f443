package attack

import (
	"net/http"
	"testing"

	"virga/test/cloud"
)

func nodeAttacks() []attack {
	return []attack{
		{"OSSN-0096", "requests of node agents by others", nodeRoutes},
		{"OSSN-0074", "the role of node agents for a user", borrowedNode},
	}
}

// nodeTries are the requests that only the agents of a host make.
func nodeTries(s *scene) []try {
	v := s.victim.ids
	metadata, host := "/compute/internal/metadata/"+v["server_id"], "/internal/hosts/"+s.Host
	return []try{
		{"GET", metadata + "/openstack/latest/meta_data.json", nil}, {"GET", metadata + "/openstack/latest/user_data", nil}, {"GET", metadata + "/latest/user-data", nil},
		{"GET", "/compute" + host + "/guests", nil}, {"PUT", "/compute" + host, object{"vcpus": 1}}, {"PUT", "/compute" + host + "/guests/" + v["server_id"], object{"generation": 1, "state": "failed"}},
		{"GET", "/network" + host + "/desired", nil}, {"PUT", "/network" + host, object{"agent_type": "x", "binary": "x"}}, {"PUT", "/network" + host + "/ports", object{v["ports"]: object{"status": "DOWN"}}}, {"PUT", "/network" + host + "/routers", object{}},
	}
}

func nodeRoutes(t *testing.T, s *scene) {
	for _, u := range []*cloud.Client{s.mallory.owner, s.victim.owner, s.Admin} {
		refuseAll(t, u, nodeTries(s), http.StatusForbidden, http.StatusNotFound)
	}
	refuseAll(t, s.Anonymous(), nodeTries(s), http.StatusUnauthorized)
}

// borrowedNode tries to get the role that agents have, from those who may make roles: rules of all services trust it.
func borrowedNode(t *testing.T, s *scene) {
	own := s.Admin.Must(t, "POST", "/identity/v3/roles", object{"role": object{"name": "agent"}}, "role.id")
	for _, name := range []string{"node", "NODE", " node ", "Node\t"} {
		refused(t, "a role "+name, s.Admin.Do(t, "POST", "/identity/v3/roles", object{"role": object{"name": name}}), http.StatusForbidden, http.StatusBadRequest)
		refused(t, "a role renamed "+name, s.Admin.Do(t, "PATCH", "/identity/v3/roles/"+own, object{"role": object{"name": name}}), http.StatusForbidden, http.StatusBadRequest)
	}
}
