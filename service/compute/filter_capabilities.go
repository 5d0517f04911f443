package compute

import (
	"fmt"
	"strconv"
	"strings"
)

// capabilityScope is the scope of extra specs that are about what hosts tell of themselves.
const capabilityScope = "capabilities:"

// askCapabilities wants hosts of which the flavor's extra specs of the scope capabilities hold, and those without a scope whose
// names are of something that hosts tell (nova/scheduler/filters/compute_capabilities_filter.py).
func askCapabilities(_ *scheduler, q *question) hostJudge {
	var wanted []specOf
	for key, want := range q.extraSpecs {
		if spec, asked := capabilitySpec(key, want); asked {
			wanted = append(wanted, spec)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	sortSpecs(wanted)
	return func(c *candidate) miss {
		for i := range wanted {
			w := &wanted[i]
			value, known := c.capability(w.key)
			if !known {
				return miss{text: "it tells nothing of what the flavor wants: ", subject: w.key}
			}
			if !w.holds(value) {
				return miss{text: "it does not have what the flavor wants of ", subject: w.key, rank: 1, tell: func(c *candidate, _ *question, m *miss) string {
					value, _ := c.capability(m.subject)
					return fmt.Sprintf("its %s is %s, which is not what the flavor wants", m.subject, oneLine(value, 100))
				}}
			}
		}
		return miss{}
	}
}

// capabilitySpec is what an extra spec wants of what hosts tell of themselves; asked is false for specs that are about something else.
func capabilitySpec(key, want string) (spec specOf, asked bool) {
	path, scoped := strings.CutPrefix(key, capabilityScope)
	switch {
	case key == "hw:maxphysaddr_bits":
		return newSpec("cpu_info:maxphysaddr:bits", ">= "+want), true
	case scoped, !strings.Contains(key, ":") && isCapability(key):
		return newSpec(path, want), true
	}
	return spec, false
}

// isCapability tells whether a name without a path is of something that hosts tell.
func isCapability(name string) bool {
	if name == "cpu_info" {
		return true
	}
	_, known := (&candidate{kind: &hostKind{capabilities: map[string]string{"hypervisor_type": "", "hypervisor_version": ""}}}).capability(name)
	return known
}

// capability is what a host tells of itself by one of the names that nova's hosts have.
func (c *candidate) capability(path string) (value string, known bool) {
	if c.kind != nil {
		if value, known = c.kind.capabilities[path]; known {
			return value, true
		}
	}
	switch path {
	case "host":
		return c.name, true
	case "hypervisor_hostname", "nodename":
		return c.hostName, true
	case "host_ip":
		return c.ip.String(), true
	case "uuid":
		return c.providerID, true
	}
	if n, known := c.number(path); known {
		return strconv.FormatInt(n, 10), true
	}
	return "", false
}

// number is what a host tells of itself in a number; of classes that placement knows nothing of it is 0.
func (c *candidate) number(name string) (n int64, known bool) {
	used := func(class string) int64 {
		if u := c.unit(class); u != nil {
			return u.used + u.held
		}
		return 0
	}
	all := func(class string) int64 {
		if u := c.unit(class); u != nil {
			return u.capacity
		}
		return 0
	}
	switch name {
	case "free_ram_mb":
		return c.free(classMemory), true
	case "total_usable_ram_mb":
		return all(classMemory), true
	case "free_disk_mb":
		return c.free(classDisk) * 1024, true
	case "disk_mb_used":
		return used(classDisk) * 1024, true
	case "total_usable_disk_gb":
		return all(classDisk), true
	case "vcpus_total":
		return all(classVCPU), true
	case "vcpus_used":
		return used(classVCPU), true
	case "num_instances":
		return c.load.count(), true
	case "num_io_ops":
		return c.load.busy(), true
	case "failed_builds":
		return c.load.failures, true
	}
	return 0, false
}
