//go:build crash

package crash

import (
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// set is a view of something, a line each.
type set map[string]bool

func (s set) add(format string, args ...any) { s[fmt.Sprintf(format, args...)] = true }

// comparison collects where views differ.
type comparison struct{ differences []string }

// same notes what one view has and the other has not.
func (c *comparison) same(leftName string, left set, rightName string, right set) {
	for _, line := range slices.Sorted(maps.Keys(left)) {
		if !right[line] {
			c.note("%s has %s and %s has not", leftName, line, rightName)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(right)) {
		if !left[line] {
			c.note("%s has %s and %s has not", rightName, line, leftName)
		}
	}
}

func (c *comparison) note(format string, args ...any) {
	c.differences = append(c.differences, fmt.Sprintf(format, args...))
}

// world is everything that the APIs and the files tell.
type world struct {
	servers   []serverView
	ports     []portView
	addresses []addressView
	images    []imageView
	// given are placement's allocations, by consumer.
	given    map[string]map[string]int64
	guests   map[string]guestFile
	fabric   set
	contents []string // their SHA-512
	incoming []string
}

type portView struct {
	ID, Name, Status string
	Project          string `json:"project_id"`
	Network          string `json:"network_id"`
	MAC              string `json:"mac_address"`
	Device           string `json:"device_id"`
	Owner            string `json:"device_owner"`
	Host             string `json:"binding:host_id"`
	FixedIPs         []struct {
		Address string `json:"ip_address"`
	} `json:"fixed_ips"`
}

type addressView struct {
	ID, Description string
	Address         string `json:"floating_ip_address"`
	Port            string `json:"port_id"`
	Project         string `json:"project_id"`
}

type imageView struct {
	ID, Name, Status, Owner string
	Hash                    string `json:"os_hash_value"`
}

// guestFile is what the simulated hypervisor keeps of a guest.
type guestFile struct {
	Guest struct {
		ID    string
		VCPUs int
		NICs  []struct{ PortID, MAC string }
	}
	Power int
}

// powerRunning is hypervisor.Running.
const powerRunning = 1

// look reads all views; the caller is an administrator's.
func (c *cloud) look(admin *caller) (*world, error) {
	w := &world{given: map[string]map[string]int64{}, guests: map[string]guestFile{}, fabric: set{}}
	for _, list := range []struct {
		path, key string
		into      any
	}{
		{"/compute/v2.1/servers/detail?all_tenants=1", "servers", &w.servers}, {"/network/v2.0/ports", "ports", &w.ports},
		{"/network/v2.0/floatingips", "floatingips", &w.addresses}, {"/image/v2/images?limit=1000", "images", &w.images},
	} {
		var body map[string]json.RawMessage
		if err := admin.read(list.path, &body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body[list.key], list.into); err != nil {
			return nil, fmt.Errorf("GET %s: %w", list.path, err)
		}
	}
	if err := w.readAllocations(admin); err != nil {
		return nil, err
	}
	return w, w.readFiles(c)
}

func (w *world) readAllocations(admin *caller) error {
	var providers struct {
		Providers []struct{ UUID string } `json:"resource_providers"`
	}
	if err := admin.read("/placement/resource_providers", &providers); err != nil {
		return err
	}
	for _, p := range providers.Providers {
		var body struct {
			Allocations map[string]struct{ Resources map[string]int64 }
		}
		if err := admin.read("/placement/resource_providers/"+p.UUID+"/allocations", &body); err != nil {
			return err
		}
		for consumer, allocation := range body.Allocations {
			w.given[consumer] = allocation.Resources
		}
	}
	return nil
}

func (w *world) readFiles(c *cloud) error {
	err := eachFile(c.guests(), func(name string, text []byte) error {
		var guest guestFile
		err := json.Unmarshal(text, &guest)
		w.guests[strings.TrimSuffix(name, ".json")] = guest
		return err
	})
	if err != nil {
		return err
	}
	if err := eachFile(c.fabric("ports"), func(name string, _ []byte) error { w.fabric.add("%s", strings.TrimSuffix(name, ".json")); return nil }); err != nil {
		return err
	}
	if err := eachFile(c.images("content"), func(_ string, text []byte) error {
		sum := sha512.Sum512(text)
		w.contents = append(w.contents, hex.EncodeToString(sum[:]))
		return nil
	}); err != nil {
		return err
	}
	return eachFile(c.images("incoming"), func(name string, _ []byte) error { w.incoming = append(w.incoming, name); return nil })
}

// eachFile reads every whole file of a folder; those that a killed process was writing end in .new.
func eachFile(folder string, do func(name string, text []byte) error) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".new") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if os.IsNotExist(err) {
			continue // it went while the folder was read
		}
		if err != nil {
			return err
		}
		if err := do(entry.Name(), text); err != nil {
			return fmt.Errorf("read %s: %w", entry.Name(), err)
		}
	}
	return nil
}

// resources of the flavor of the test.
const (
	flavorVCPUs  = 1
	flavorMemory = 128
	flavorDisk   = 1
)

// differences compares the views with each other.
func (w *world) differences() []string {
	c := &comparison{}
	w.compareServers(c)
	w.comparePorts(c)
	w.compareImages(c)
	w.findTwins(c)
	return c.differences
}

func (w *world) compareServers(c *comparison) {
	hosted, claimed, guests := set{}, set{}, set{}
	powers, states := set{}, set{}
	for _, s := range w.servers {
		switch {
		case s.task() != "":
			c.note("server %s (%s) is in %s and nothing goes on", s.ID, s.Status, s.task())
		case s.Status == "ERROR" && s.Fault.Message == "":
			c.note("server %s is in ERROR and does not say why", s.ID)
		case s.Status != "ERROR" && s.Status != "ACTIVE" && s.Status != "SHUTOFF":
			c.note("server %s is %s", s.ID, s.Status)
		}
		if s.Host == nil || *s.Host == "" {
			if s.Status != "ERROR" {
				c.note("server %s is %s on no host", s.ID, s.Status)
			}
			continue
		}
		hosted.add("%s", s.ID)
		states.add("%s running: %t", s.ID, s.Status == "ACTIVE")
	}
	for consumer, resources := range w.given {
		claimed.add("%s", consumer)
		if want := map[string]int64{"VCPU": flavorVCPUs, "MEMORY_MB": flavorMemory, "DISK_GB": flavorDisk}; !maps.Equal(resources, want) {
			c.note("consumer %s has %v and not %v", consumer, resources, want)
		}
	}
	for id, guest := range w.guests {
		guests.add("%s", id)
		powers.add("%s running: %t", id, guest.Power == powerRunning)
	}
	c.same("compute", hosted, "placement", claimed)
	c.same("compute", hosted, "the hypervisor", guests)
	c.same("compute", states, "the hypervisor", powers)
}

func (w *world) comparePorts(c *comparison) {
	known := map[string]bool{}
	for _, s := range w.servers {
		known[s.ID] = true
	}
	byNetwork, byCompute, byGuests, bound := set{}, set{}, set{}, set{}
	floating := map[string][]string{}
	for _, f := range w.addresses {
		floating[f.Port] = append(floating[f.Port], f.Address)
	}
	for _, p := range w.ports {
		if !strings.HasPrefix(p.Owner, "compute:") {
			if p.Device == "" && p.Host != "" {
				c.note("port %s is bound to %s and nobody has it", p.ID, p.Host)
			}
			continue
		}
		if !known[p.Device] {
			c.note("port %s is that of %s, which is no server", p.ID, p.Device)
		}
		bound.add("%s", p.ID)
		byGuests.add("%s port %s %s", p.Device, p.ID, p.MAC)
		for _, ip := range p.FixedIPs {
			byNetwork.add("%s %s %s fixed", p.Device, p.MAC, ip.Address)
		}
		for _, ip := range floating[p.ID] {
			byNetwork.add("%s %s %s floating", p.Device, p.MAC, ip)
		}
	}
	for _, s := range w.servers {
		for _, addresses := range s.Addresses {
			for _, ip := range addresses {
				byCompute.add("%s %s %s %s", s.ID, ip.MAC, ip.Addr, ip.Type)
			}
		}
	}
	guests := set{}
	for id, guest := range w.guests {
		for _, nic := range guest.Guest.NICs {
			guests.add("%s port %s %s", id, nic.PortID, nic.MAC)
		}
	}
	c.same("network", byNetwork, "compute", byCompute)
	c.same("network", byGuests, "the hypervisor", guests)
	c.same("network", bound, "the data plane", w.fabric)
}

func (w *world) compareImages(c *comparison) {
	active, there := set{}, set{}
	times := map[string]int{}
	for _, i := range w.images {
		switch i.Status {
		case "active":
			times[i.Hash]++
			active.add("%.16s (%d)", i.Hash, times[i.Hash])
		case "queued":
		default:
			c.note("image %s is %s and nobody uploads", i.ID, i.Status)
		}
	}
	clear(times)
	for _, hash := range w.contents {
		times[hash]++
		there.add("%.16s (%d)", hash, times[hash])
	}
	c.same("the image service", active, "its store", there)
	for _, name := range w.incoming {
		c.note("the image store keeps the broken-off upload %s", name)
	}
}

// findTwins looks for what must be there once.
func (w *world) findTwins(c *comparison) {
	seen := set{}
	once := func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		if seen[line] {
			c.note("there are two of: %s", line)
		}
		seen[line] = true
	}
	for _, s := range w.servers {
		once("server %s", s.Name)
	}
	for _, p := range w.ports {
		if p.Name != "" {
			once("port %s", p.Name)
		}
		once("MAC address %s on network %s", p.MAC, p.Network)
		for _, ip := range p.FixedIPs {
			once("address %s on network %s", ip.Address, p.Network)
		}
	}
	for _, f := range w.addresses {
		once("floating IP with description %s", f.Description)
		once("floating IP %s", f.Address)
	}
	for _, i := range w.images {
		once("image %s", i.Name)
	}
}

// quotas compares what a project is said to use with what it has.
func (w *world) quotas(admin *caller, project string) ([]string, error) {
	c := &comparison{}
	type use struct {
		Used  int
		InUse int `json:"in_use"`
	}
	var compute struct {
		Set struct{ Instances, Cores, RAM use } `json:"quota_set"`
	}
	var network struct{ Quota map[string]use }
	if err := admin.read("/compute/v2.1/os-quota-sets/"+project+"/detail", &compute); err != nil {
		return nil, err
	}
	if err := admin.read("/network/v2.0/quotas/"+project+"/details", &network); err != nil {
		return nil, err
	}
	servers, ports, addresses := 0, 0, 0
	for _, s := range w.servers {
		if s.TenantID == project {
			servers++
		}
	}
	for _, p := range w.ports {
		if p.Project == project {
			ports++
		}
	}
	for _, f := range w.addresses {
		if f.Project == project {
			addresses++
		}
	}
	for what, pair := range map[string][2]int{
		"servers": {compute.Set.Instances.InUse, servers}, "cores": {compute.Set.Cores.InUse, servers * flavorVCPUs},
		"MiB of memory": {compute.Set.RAM.InUse, servers * flavorMemory},
		"ports":         {network.Quota["port"].Used, ports}, "floating IPs": {network.Quota["floatingip"].Used, addresses},
	} {
		if pair[0] != pair[1] {
			c.note("project %s uses %d %s and has %d", project, pair[0], what, pair[1])
		}
	}
	return c.differences, nil
}
