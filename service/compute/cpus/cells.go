package cpus

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The second half of numa_get_constraints: policies for processors, and the guest's NUMA nodes.

var (
	vcpuSpec      = regexp.MustCompile(`^resources([1-9][0-9]*)?:VCPU`)
	pcpuSpec      = regexp.MustCompile(`^resources([1-9][0-9]*)?:PCPU`)
	threadingSpec = regexp.MustCompile(`^trait([1-9][0-9]*)?:HW_CPU_HYPERTHREADING`)
)

// readPolicies settles the policies for processors and threads.
func (a *asked) readPolicies(w *Wish) (err error) {
	if w.Policy, err = a.policy(); err != nil {
		return err
	}
	if w.Threads, err = a.threadPolicy(); err != nil {
		return err
	}
	if err := a.readResources(w); err != nil {
		return err
	}
	return a.readThreading(w)
}

func (a *asked) policy() (Policy, error) {
	flavor, image := a.both("cpu_policy")
	for source, policy := range map[string]string{"flavor extra specs": flavor, "image properties": image} {
		if policy != "" && !slices.Contains([]Policy{Dedicated, Shared, Mixed}, Policy(policy)) {
			return "", refuse("CPU policy requested from '%s' is invalid, given: '%.60s', available: '('dedicated', 'shared', 'mixed')'.", source, policy)
		}
	}
	forbidden := Policy(flavor) == Mixed && Policy(image) == Dedicated || Policy(flavor) == Shared && (Policy(image) == Mixed || Policy(image) == Dedicated)
	switch {
	case forbidden:
		return "", refuse("Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor")
	case flavor != "":
		return Policy(flavor), nil
	}
	return Policy(image), nil
}

func (a *asked) threadPolicy() (ThreadPolicy, error) {
	flavor, image := a.both("cpu_thread_policy")
	for source, policy := range map[string]string{"flavor extra specs": flavor, "image properties": image} {
		if policy != "" && !slices.Contains([]ThreadPolicy{Prefer, Isolate, Require}, ThreadPolicy(policy)) {
			return "", refuse("CPU thread policy requested from '%s' is invalid, given: '%.60s', available: '('prefer', 'isolate', 'require')'.", source, policy)
		}
	}
	switch {
	case flavor != "" && ThreadPolicy(flavor) != Prefer && image != "" && image != flavor:
		return "", refuse("Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor")
	case flavor != "":
		return ThreadPolicy(flavor), nil
	}
	return ThreadPolicy(image), nil
}

// readResources heeds resources:VCPU and resources:PCPU, which stand for policies.
func (a *asked) readResources(w *Wish) error {
	vcpus, pcpus := a.requested(vcpuSpec), a.requested(pcpuSpec)
	wanted := a.flavor.VCPUs
	if w.Emulator == EmulatorIsolate {
		wanted++
	}
	switch {
	case w.Policy != "" && (vcpus != 0 || pcpus != 0):
		return refuse("It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in combination with the 'hw:cpu_policy' extra spec or " +
			"'hw_cpu_policy' image metadata property; use one or the other")
	case vcpus != 0 && pcpus != 0:
		return refuse("It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; use one or the other")
	case pcpus != 0 && pcpus != wanted && w.Emulator == EmulatorIsolate:
		return refuse("You have requested 'hw:emulator_threads_policy=isolate' but have not requested sufficient PCPUs to handle this policy; " +
			"you must allocate exactly flavor.vcpus + 1 PCPUs.")
	case pcpus != 0 && pcpus != wanted:
		return refuse("There is a mismatch between the number of PCPUs requested via 'resourcesNN:PCPU' and the flavor); you must allocate exactly flavor.vcpus PCPUs")
	case pcpus != 0:
		w.Policy = Dedicated
	case vcpus != 0:
		w.Policy = Shared
	}
	return nil
}

// requested sums up extra specs whose values are numbers.
func (a *asked) requested(pattern *regexp.Regexp) (sum int) {
	for key, value := range a.flavor.Specs {
		if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && pattern.MatchString(key) {
			sum += n
		}
	}
	return sum
}

// readThreading heeds the trait HW_CPU_HYPERTHREADING, which stands for a policy, too.
func (a *asked) readThreading(w *Wish) error {
	trait := ""
	for key, value := range a.flavor.Specs {
		if threadingSpec.MatchString(key) {
			trait = value
		}
	}
	if trait == "" && a.image.Properties["trait:HW_CPU_HYPERTHREADING"] == "required" {
		trait = "required"
	}
	switch {
	case trait != "" && w.Threads != "":
		return refuse("It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec in combination with the 'hw:cpu_thread_policy' extra spec or " +
			"'hw_cpu_thread_policy' image metadata property; use one or the other")
	case trait == "forbidden":
		w.Threads = Isolate
	case trait == "required":
		w.Threads = Require
	}
	return nil
}

// readCells settles the guest's NUMA nodes and which processors are dedicated.
func (a *asked) readCells(w *Wish) error {
	dedicated, err := a.dedicated(w)
	if err != nil {
		return err
	}
	nodes, err := a.nodeCount()
	if err != nil {
		return err
	}
	if w.PageKiB, err = a.pageSize(); err != nil {
		return err
	}
	if w.Locked, err = a.locked(); err != nil {
		return err
	}
	if nodes == 0 && w.PageKiB == 0 && !w.Pinned() {
		return nil
	}
	w.Cells, err = a.cells(max(nodes, 1), dedicated)
	return err
}

// dedicated are the guest's processors that are to have one of the host each.
func (a *asked) dedicated(w *Wish) (Set, error) {
	mask, err := a.dedicatedMask()
	if err != nil {
		return nil, err
	}
	switch w.Policy {
	case Dedicated:
		if mask != nil {
			return nil, refuse("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
		}
		return Range(a.flavor.VCPUs), nil
	case Mixed:
		if (mask == nil) == (w.RealTime == nil) {
			return nil, refuse("Dedicated CPU set can be specified from either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask' when using 'mixed' CPU policy. " +
				"'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can not be specified at the same time, or be specified with none of them.")
		}
		return mask.Or(w.RealTime), nil
	}
	switch {
	case w.Threads != "":
		return nil, refuse("Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy")
	case w.Emulator == EmulatorIsolate:
		return nil, refuse("An isolated CPU emulator threads option requires a dedicated CPU policy option.")
	case mask != nil:
		return nil, refuse("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")
	case w.RealTime != nil:
		return nil, refuse("Cannot set realtime policy in a non dedicated cpu pinning policy")
	}
	return nil, nil
}

// dedicatedMask is get_dedicated_cpu_constraint.
func (a *asked) dedicatedMask() (Set, error) {
	text := a.flavor.Specs["hw:cpu_dedicated_mask"]
	if text == "" {
		return nil, nil
	}
	mask, err := a.mask(text)
	all := Range(a.flavor.VCPUs)
	switch {
	case err != nil:
		return nil, err
	case len(mask) == 0 || len(all.Without(mask)) == 0:
		return nil, refuse("Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See 'hw:cpu_dedicated_mask'.")
	case len(mask.Without(all)) > 0:
		return nil, refuse("Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor. See \"hw:cpu_dedicated_mask\"")
	}
	return mask, nil
}

func overrides(name string) error {
	return refuse("Image property '%s' is not permitted to override NUMA configuration set against the flavor", name)
}

// maxCells is nova's NUMA_NODES_MAX.
const maxCells = 128

func (a *asked) nodeCount() (int, error) {
	flavor, image := a.both("numa_nodes")
	if flavor != "" && image != "" {
		return 0, overrides("hw_numa_nodes")
	}
	text := flavor + image
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, refuse("The property 'numa_nodes' cannot be '%.60s'. It must be a number greater than 0", text)
	}
	return n, nil
}

// pageSize is _get_numa_pagesize_constraint: an image may choose where the flavor lets it.
func (a *asked) pageSize() (int64, error) {
	flavor, image := a.both("mem_page_size")
	if flavor == "" {
		if image != "" {
			return 0, refuse("Page size %.60s forbidden against '<empty>'", image)
		}
		return 0, nil
	}
	size, err := parsePageSize(flavor)
	switch {
	case err != nil || image == "":
		return size, err
	case size == AnyPages || size == LargePages:
		return parsePageSize(image)
	}
	return 0, refuse("Page size %.60s forbidden against '%.60s'", image, flavor)
}

var bytesText = regexp.MustCompile(`^(\d*\.?\d+)([kKMGTP]?)i?(b|bit|B)$`)

// parsePageSize reads a word, a number of KiB, or a number with a unit as oslo's string_to_bytes does. The result is in KiB.
func parsePageSize(text string) (int64, error) {
	switch text {
	case "any":
		return AnyPages, nil
	case "large":
		return LargePages, nil
	case "small":
		return SmallPages, nil
	}
	if n, err := strconv.ParseInt(text, 10, 48); err == nil && n > 0 {
		return n, nil
	}
	match := bytesText.FindStringSubmatch(text)
	if match == nil {
		return 0, refuse("Invalid memory page size '%.60s'", text)
	}
	value, err := strconv.ParseFloat(match[1], 64)
	if match[2] != "" {
		value *= math.Pow(1024, float64(1+strings.Index("KMGTP", strings.ToUpper(match[2]))))
	}
	if match[3] != "B" {
		value /= 8
	}
	if value /= 1024; err != nil || value < 1 || value > 1<<40 {
		return 0, refuse("Invalid memory page size '%.60s'", text)
	}
	return int64(value), nil
}

// locked is get_locked_memory_constraint.
func (a *asked) locked() (bool, error) {
	flavor, inFlavor := flag(a.flavor.Specs, "hw:locked_memory")
	image, inImage := flag(a.image.Properties, "hw_locked_memory")
	if inFlavor && inImage && flavor != image {
		return false, refuse("locked_memory value in image (%s) and flavor (%s) conflict. A consistent value is expected if both specified.", python(image), python(flavor))
	}
	pagesFlavor, pagesImage := a.both("mem_page_size")
	if (flavor || image) && pagesFlavor == "" && pagesImage == "" {
		return false, refuse("locked_memory value in image or flavor is forbidden when mem_page_size is not set.")
	}
	return flavor || image, nil
}

// cells makes the guest's nodes: alike, or as hw:numa_cpus.N and hw:numa_mem.N say.
func (a *asked) cells(nodes int, dedicated Set) ([]Cell, error) {
	sets, err := a.nodeCPUs()
	if err != nil {
		return nil, err
	}
	sizes, err := a.nodeMemory()
	switch {
	case err != nil:
		return nil, err
	case sets == nil && sizes == nil:
		return a.evenCells(nodes, dedicated)
	case len(sets) != nodes || len(sizes) != nodes:
		return nil, refuse("CPU and memory allocation must be provided for all NUMA nodes")
	}
	left, total := Range(a.flavor.VCPUs), int64(0)
	var cells []Cell
	for i, set := range sets {
		for _, cpu := range set {
			if cpu >= a.flavor.VCPUs {
				return nil, refuse("CPU number %d is larger than max %d", cpu, a.flavor.VCPUs-1)
			}
			if !left.Has(cpu) {
				return nil, refuse("CPU number %d is assigned to two nodes", cpu)
			}
		}
		left, total = left.Without(set), total+sizes[i]
		cells = append(cells, Cell{CPUs: set, Dedicated: set.And(dedicated), MemoryMiB: sizes[i]})
	}
	if len(left) > 0 {
		return nil, refuse("CPU number {%s} is not assigned to any node", strings.Trim(strings.Join(strings.Fields(fmt.Sprint([]int(left))), ", "), "[]"))
	}
	if total != a.flavor.MemoryMiB {
		return nil, refuse("%d MB of memory assigned, but expected %d MB", total, a.flavor.MemoryMiB)
	}
	return cells, nil
}

func (a *asked) evenCells(nodes int, dedicated Set) ([]Cell, error) {
	if a.flavor.VCPUs%nodes != 0 || a.flavor.MemoryMiB%int64(nodes) != 0 {
		return nil, refuse("Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. Explicit assignment of CPUs and memory to nodes is required")
	}
	var cells []Cell
	each := a.flavor.VCPUs / nodes
	for node := range nodes {
		set := Range((node + 1) * each).Without(Range(node * each))
		cells = append(cells, Cell{CPUs: set, Dedicated: set.And(dedicated), MemoryMiB: a.flavor.MemoryMiB / int64(nodes)})
	}
	return cells, nil
}

func (a *asked) nodeCPUs() (sets []Set, err error) {
	flavor, image := numbered(a.flavor.Specs, "hw:numa_cpus."), numbered(a.image.Properties, "hw_numa_cpus.")
	if flavor != nil && image != nil {
		return nil, overrides("hw_numa_cpus")
	}
	for _, text := range slices.Concat(flavor, image) {
		set, err := ParseSet(text)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

func (a *asked) nodeMemory() (sizes []int64, err error) {
	flavor, image := numbered(a.flavor.Specs, "hw:numa_mem."), numbered(a.image.Properties, "hw_numa_mem.")
	if flavor != nil && image != nil {
		return nil, overrides("hw_numa_mem")
	}
	for _, text := range slices.Concat(flavor, image) {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 48)
		if err != nil || n <= 0 {
			return nil, refuse("Invalid NUMA memory size '%.60s': a number of MB is expected", text)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// numbered are the values of PREFIX0, PREFIX1 … up to the first that is not there.
func numbered(from map[string]string, prefix string) (values []string) {
	for i := range maxCells {
		value, given := from[prefix+strconv.Itoa(i)]
		if !given {
			break
		}
		values = append(values, value)
	}
	return values
}
