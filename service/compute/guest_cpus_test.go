package compute_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"virga/core/db/dbtest"
	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor/fake"
)

// inNUMA runs a test in an estate with a third host of two nodes, each with 4 shared and 4 dedicated processors, and a
// flavor "9" of 2 processors and 512 MB with the extra specs given.
func inNUMA(t *testing.T, specs string, run func(t *testing.T, e *estate)) {
	t.Helper()
	t.Setenv(dbtest.EnginesVariable, "sqlite")
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t, dbtest.Open(t))
		e.addHostWith("numa", fake.SimulateCPUs(2, 16, 8<<10, cpus.Of(4, 5, 6, 7, 12, 13, 14, 15)))
		e.waitFor("the third host", func() bool {
			e.world.mu.Lock()
			defer e.world.mu.Unlock()
			return len(e.world.providers) == 3
		})
		e.do(admin(), latest, "POST", "/v2.1/flavors", `{"flavor":{"id":"9","name":"pinned","vcpus":2,"ram":512,"disk":1}}`).want(200, "")
		e.do(admin(), latest, "POST", "/v2.1/flavors/9/os-extra_specs", `{"extra_specs":{`+specs+`}}`).want(200, "")
		run(t, e)
	})
}

// make asks for a server of the flavor "9".
func (e *estate) make(name string) answer {
	return e.do(member(projectID), latest, "POST", "/v2.1/servers", fmt.Sprintf(`{"server":{"name":%q,"imageRef":%q,"flavorRef":"9","networks":"none"}}`, name, imageID))
}

// becomes waits for a server's status.
func (e *estate) becomes(id, status string) {
	e.t.Helper()
	e.waitFor("server "+id+" to be "+status, func() bool { return e.show(id).str("server", "status") == status })
}

// claims are what a server has in placement.
func (e *estate) claims(id string) string {
	e.world.mu.Lock()
	defer e.world.mu.Unlock()
	return fmt.Sprint(e.world.allocations[id].Resources)
}

func TestDedicatedProcessorsAreOneServersAlone(t *testing.T) {
	inNUMA(t, `"hw:cpu_policy":"dedicated"`, func(t *testing.T, e *estate) {
		seen := map[string]bool{}
		var ids []string
		for i := range 4 {
			id := e.make(fmt.Sprint("s", i)).want(202, "").str("server", "id")
			e.becomes(id, "ACTIVE")
			ids = append(ids, id)
			topology := e.do(admin(), latest, "GET", "/v2.1/servers/"+id+"/topology", "").want(200, `"pagesize_kb":null`)
			for vcpu := range 2 {
				cpu := fmt.Sprint(topology.at("nodes", 0, "cpu_pinning", fmt.Sprint(vcpu)))
				if seen[cpu] || !strings.Contains(" 4 5 6 7 12 13 14 15 ", " "+cpu+" ") {
					t.Errorf("processor %d of server %d is on %s: %s", vcpu, i, cpu, topology.text)
				}
				seen[cpu] = true
			}
			e.do(member(projectID), latest, "GET", "/v2.1/servers/"+id+"/topology", "").want(200, `{"nodes":[{"memory_mb":512,"vcpu_set":[0,1],"siblings":[]}],"pagesize_kb":null}`)
			if got := e.claims(id); got != "map[DISK_GB:1 MEMORY_MB:512 PCPU:2]" {
				t.Errorf("it takes %s", got)
			}
		}
		full := e.make("one too many").want(202, "").str("server", "id")
		e.becomes(full, "ERROR")
		e.show(full).want(200, "Each of 3 hosts: it has too few dedicated processors in one NUMA node (2 needed, 0 free at most).")
		e.Delete(full)
		e.Delete(ids[0])
		e.waitFor("the first to be gone", func() bool { return e.show(ids[0]).status == 404 })
		again := e.make("again").want(202, "").str("server", "id")
		e.becomes(again, "ACTIVE")
		e.do(admin(), latest, "GET", "/v2.1/servers/"+again+"/topology", "").want(200, `"cpu_pinning":{"0":`)
	})
}

func TestServersWithNUMANodes(t *testing.T) {
	inNUMA(t, `"hw:numa_nodes":"2","hw:mem_page_size":"large","hw:cpu_threads":"2","hw:cpu_sockets":"1"`, func(t *testing.T, e *estate) {
		id := e.make("numa").want(202, "").str("server", "id")
		e.becomes(id, "ACTIVE")
		if host := e.servers()[0].Host; host != "numa" {
			t.Errorf("it is on %s, which has one node", host)
		}
		e.do(admin(), latest, "GET", "/v2.1/servers/"+id+"/topology", "").want(200, `{"nodes":[{"memory_mb":256,"vcpu_set":[0],"siblings":[[0]],"host_node":0,"cpu_pinning":{}},`+
			`{"memory_mb":256,"vcpu_set":[1],"siblings":[[1]],"host_node":1,"cpu_pinning":{}}],"pagesize_kb":2048}`)
		if got := e.claims(id); got != "map[DISK_GB:1 MEMORY_MB:512 VCPU:2]" {
			t.Errorf("it takes %s", got)
		}
		e.do(admin(), latest, "POST", "/v2.1/flavors/9/os-extra_specs", `{"extra_specs":{"hw:numa_nodes":"3"}}`).want(200, "")
		e.make("odd").want(400, "Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes.")
	})
}

func TestServersThatNoNodeHolds(t *testing.T) {
	inNUMA(t, `"hw:numa_nodes":"1","hw:mem_page_size":"1GB"`, func(t *testing.T, e *estate) {
		id := e.make("huge").want(202, "").str("server", "id")
		e.becomes(id, "ERROR")
		e.show(id).want(200, "it has too few MB in pages of 1048576 KiB in one NUMA node (512 needed, 0 free at most).")
	})
}

func TestResizeTakesDedicatedProcessors(t *testing.T) {
	inNUMA(t, `"hw:cpu_policy":"mixed","hw:cpu_dedicated_mask":"1"`, func(t *testing.T, e *estate) {
		e.active()
		id := e.only()
		e.action(latest, id, `{"resize":{"flavorRef":"9"}}`).want(202, "")
		e.becomes(id, "VERIFY_RESIZE")
		if got := e.claims(id); !strings.Contains(got, "PCPU:1 VCPU:1]") {
			t.Errorf("it takes %s", got)
		}
		e.action(latest, id, `{"confirmResize":null}`).want(204, "")
		e.becomes(id, "ACTIVE")
		e.do(admin(), latest, "GET", "/v2.1/servers/"+id+"/topology", "").want(200, `"host_node":0,"cpu_pinning":{"1":4}`)
		e.action(latest, id, `{"rebuild":{"imageRef":"`+imageID+`"}}`).want(202, "")
		e.becomes(id, "ACTIVE")
		e.world.mu.Lock()
		image := e.world.images[otherImageID]
		image.Properties = map[string]string{"hw_numa_nodes": "2"}
		e.world.images[otherImageID] = image
		e.world.mu.Unlock()
		e.action(latest, id, `{"rebuild":{"imageRef":"`+otherImageID+`"}}`).want(400, "An instance's NUMA topology cannot be changed as part of a rebuild.")
	})
}
