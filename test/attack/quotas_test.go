package attack

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"virga/test/cloud"
)

func quotaAttacks() []attack {
	return []attack{
		{"CVE-2025-69233", "a hundred at once over a quota of seven: network", networkQuotas},
		{"OSSA-2013-008", "a hundred at once over a quota of seven: compute", computeQuotas},
		{"OSSA-2012-005", "groups and rules without end", bulkQuotas},
		{"", "one address for a hundred", oneAddress},
		{"OSSN-0057", "images without end", imageQuota},
	}
}

const (
	crowd = 100
	quota = 7
)

// rush sends a hundred requests at once and tells how many succeeded; all others must be refused as over the quota.
func rush(t *testing.T, u *cloud.Client, path string, body func(i int) any, refusals ...int) int {
	t.Helper()
	answers := make([]*cloud.Answer, crowd)
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() { answers[i] = u.Do(t, "POST", path, body(i)) })
	}
	all.Wait()
	made := 0
	for _, a := range answers {
		switch {
		case a.OK():
			made++
		case !slices.Contains(refusals, a.Status):
			t.Errorf("POST %s: %s", path, a)
		}
	}
	return made
}

func networkQuotas(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "rush", "member")
	e := smallNetwork(t, u, "203.0.113.0/24")
	u.IDs(t, groups, "security_groups") // the default group is there from the first look on
	used := object{"network": 1, "subnet": 1, "port": 0, "router": 0, "floatingip": 0, "security_group": 1, "security_group_rule": 4}
	limits := object{}
	for name, n := range used {
		limits[name] = n.(int) + quota
	}
	s.Admin.Must(t, "PUT", "/network/v2.0/quotas/"+u.ProjectID, object{"quota": limits}, "")
	group := u.Must(t, "POST", groups, object{"security_group": object{"name": "x"}}, "security_group.id")
	s.Admin.Must(t, "PUT", "/network/v2.0/quotas/"+u.ProjectID, object{"quota": object{"security_group": 2 + quota, "security_group_rule": 6 + quota}}, "")
	for _, kind := range []struct {
		path, key string
		body      func(i int) any
	}{
		{ports, "ports", func(int) any { return object{"port": object{"network_id": e.ids["networks"]}} }},
		{routers, "routers", func(i int) any { return object{"router": object{"name": fmt.Sprint(i)}} }},
		{floating, "floatingips", func(int) any { return object{"floatingip": object{"floating_network_id": s.mallory.ids["public"]}} }},
		{subnets, "subnets", func(i int) any {
			return object{"subnet": object{"network_id": e.ids["networks"], "cidr": fmt.Sprintf("10.9.%d.0/24", i), "ip_version": 4}}
		}},
		{networks, "networks", func(i int) any { return object{"network": object{"name": fmt.Sprint(i)}} }},
		{rules, "security_group_rules", func(i int) any {
			return object{"security_group_rule": object{"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": i + 1, "port_range_max": i + 1}}
		}},
		{groups, "security_groups", func(i int) any { return object{"security_group": object{"name": fmt.Sprint(i)}} }},
	} {
		before := len(u.IDs(t, kind.path+"?project_id="+u.ProjectID, kind.key))
		made := rush(t, u, kind.path, kind.body, http.StatusConflict)
		after := len(u.IDs(t, kind.path+"?project_id="+u.ProjectID, kind.key))
		if kind.path == groups { // each comes with rules, whose quota is at its end
			if made > quota {
				t.Errorf("%d groups were made", made)
			}
			continue
		}
		if made != quota || after-before != quota {
			t.Errorf("%s: %d were made, %d are there and %d were there before", kind.key, made, after, before)
		}
	}
}

func computeQuotas(t *testing.T, s *scene) {
	u := s.NewUser(t, "rush", "member")
	image := u.Must(t, "POST", images, object{"disk_format": "raw", "container_format": "bare"}, "id")
	u.Must(t, "PUT", images+"/"+image+"/file", "raw data", "", "Content-Type", "application/octet-stream")
	s.Admin.Must(t, "PUT", "/compute/v2.1/os-quota-sets/"+u.ProjectID, object{"quota_set": object{"instances": quota, "cores": quota, "key_pairs": quota, "server_groups": quota}}, "")
	for _, kind := range []struct {
		path, key string
		body      func(i int) any
	}{
		{"/compute/v2.1/os-keypairs", "keypairs", func(i int) any {
			return object{"keypair": object{"name": fmt.Sprint(i), "type": "ssh", "public_key": publicKey}}
		}},
		{"/compute/v2.1/os-server-groups", "server_groups", func(i int) any { return object{"server_group": object{"name": fmt.Sprint(i), "policy": "affinity"}} }},
		{servers, "servers", func(i int) any {
			return serverOf(s, object{"name": fmt.Sprint(i), "imageRef": image, "networks": "none"})
		}},
	} {
		if made := rush(t, u, kind.path, kind.body, http.StatusForbidden); made != quota {
			t.Errorf("%d %s were made", made, kind.key)
		}
		if there := len(u.IDs(t, kind.path, kind.key)); there != quota {
			t.Errorf("%d %s are there", there, kind.key)
		}
	}
	refused(t, "many in one request", u.Do(t, "POST", servers, serverOf(s, object{"imageRef": image, "networks": "none", "min_count": 1000})), http.StatusForbidden)
	for _, id := range u.IDs(t, servers, "servers") {
		u.Do(t, "DELETE", servers+"/"+id, nil)
	}
	placed := s.Admin.Do(t, "GET", "/placement/usages?project_id="+u.ProjectID, nil)
	if placed.Status >= 500 {
		t.Errorf("usages: %s", placed)
	}
}

// bulkQuotas asks for many things in one request: all are made or none.
func bulkQuotas(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "bulk", "member")
	s.Admin.Must(t, "PUT", "/network/v2.0/quotas/"+u.ProjectID, object{"quota": object{"network": quota}}, "")
	many := slices.Repeat([]object{{"name": "x"}}, quota+1)
	refused(t, "one too many", u.Do(t, "POST", networks, object{"networks": many}), http.StatusConflict)
	refused(t, "more than one request may have", u.Do(t, "POST", networks, object{"networks": slices.Repeat(many, 100)}), http.StatusBadRequest, http.StatusConflict)
	if there := u.IDs(t, networks+"?project_id="+u.ProjectID, "networks"); len(there) != 0 {
		t.Errorf("%d networks of a refused request are there", len(there))
	}
	u.Must(t, "POST", networks, object{"networks": many[:quota]}, "")
	refused(t, "one more", u.Do(t, "POST", networks, object{"network": object{}}), http.StatusConflict)
	for _, limit := range []any{-2, 1.5, "x", 1 << 40, nil, []int{1}} {
		if a := s.Admin.Do(t, "PUT", "/network/v2.0/quotas/"+u.ProjectID, object{"quota": object{"network": limit}}); a.Status >= 500 {
			t.Errorf("quota %v: %s", limit, a)
		}
	}
}

// oneAddress has a hundred ask for the same fixed address, and a hundred for the last floating ones.
func oneAddress(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "address", "member")
	e := smallNetwork(t, u, "203.0.113.0/24")
	if made := rush(t, u, ports, func(int) any {
		return object{"port": object{"network_id": e.ids["networks"], "fixed_ips": []object{{"ip_address": "203.0.113.50"}}}}
	}, http.StatusConflict); made != 1 {
		t.Errorf("%d ports have one address", made)
	}
	small := smallNetwork(t, u, "198.18.0.0/29") // five addresses besides the gateway's
	if made := rush(t, u, ports, func(int) any { return object{"port": object{"network_id": small.ids["networks"]}} }, http.StatusConflict); made != 5 {
		t.Errorf("%d ports have the five addresses", made)
	}
	if made := rush(t, u, ports, func(int) any {
		return object{"port": object{"network_id": e.ids["networks"], "mac_address": "02:11:22:33:44:55"}}
	}, http.StatusConflict); made != 1 {
		t.Errorf("%d ports have one Ethernet address", made)
	}
	made := rush(t, u, networks, func(int) any { return object{"network": object{}} }, http.StatusConflict)
	if left := u.Do(t, "GET", "/network/v2.0/quotas/"+u.ProjectID+"/details", nil); left.Value("quota.network.used") != fmt.Sprint(made+2) {
		t.Errorf("%d networks were made, %s are used", made+2, left.Value("quota.network.used"))
	}
}

// imageQuota makes as many images without data as it can.
func imageQuota(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "images", "member")
	made, rushes := 0, 0
	for ; rushes < 11; rushes++ {
		made += rush(t, u, images, func(i int) any { return object{"name": fmt.Sprint(i)} }, http.StatusRequestEntityTooLarge)
	}
	if made != 1000 {
		t.Errorf("%d of %d images were made", made, rushes*crowd)
	}
}
