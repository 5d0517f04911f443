package cpus

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Flavor is what Read looks at of a flavor.
type Flavor struct {
	Name      string
	VCPUs     int
	MemoryMiB int64
	Specs     map[string]string
}

// Image is what Read looks at of an image.
type Image struct {
	Name       string
	Properties map[string]string
}

// Refusal says, in nova's words, why flavor and image cannot be together.
type Refusal struct{ Text string }

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// asked are a flavor and an image while they are read; err is the first value that was no number.
type asked struct {
	flavor Flavor
	image  Image
	err    error
}

func (a *asked) both(key string) (flavor, image string) {
	return a.flavor.Specs["hw:"+key], a.image.Properties["hw_"+key]
}

func (a *asked) specInt(name string) int {
	n, err := intOf(a.flavor.Specs, name)
	if err != nil && a.err == nil {
		a.err = refuse("Invalid flavor extra spec. Error: invalid literal for int() with base 10: '%.60s'", a.flavor.Specs[name])
	}
	return n
}

func (a *asked) propertyInt(name string) int {
	n, err := intOf(a.image.Properties, name)
	if err != nil && a.err == nil {
		a.err = refuse("Invalid image metadata. Error: invalid literal for int() with base 10: '%.60s'", a.image.Properties[name])
	}
	return n
}

func intOf(from map[string]string, name string) (int, error) {
	text, given := from[name]
	if !given {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	return int(n), err
}

// flag is a boolean in the words of oslo's bool_from_string: whatever is not true is false.
func flag(from map[string]string, name string) (value, given bool) {
	text, given := from[name]
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(strings.TrimSpace(text))), given
}

// Read tells what a flavor and an image ask for together. What they cannot ask for is a Refusal, by the rules of
// numa_get_constraints and its neighbours in nova/virt/hardware.py.
func Read(flavor Flavor, image Image) (*Wish, error) {
	a := &asked{flavor: flavor, image: image}
	w := &Wish{VCPUs: flavor.VCPUs}
	for _, read := range []func(*Wish) error{a.readPMU, a.readRealTime, a.readTopology, a.readPolicies, a.readCells, a.readAddress, a.readLimits} {
		if err := read(w); err != nil {
			return nil, err
		}
	}
	w.Features = a.features()
	return w, nil
}

func (a *asked) readPMU(w *Wish) error {
	flavor, inFlavor := flag(a.flavor.Specs, "hw:pmu")
	image, inImage := flag(a.image.Properties, "hw_pmu")
	if inFlavor && inImage && flavor != image {
		return a.conflict("pmu", python(flavor), python(image))
	}
	if inFlavor || inImage {
		value := flavor || image
		w.PMU = &value
	}
	return nil
}

// python is a flag as nova's texts show it.
func python(value bool) string {
	if value {
		return "True"
	}
	return "False"
}

func (a *asked) conflict(key, flavor, image string) error {
	return refuse("Flavor %s has hw:%s extra spec explicitly set to %s, conflicting with image %s which has hw_%s explicitly set to %s.",
		a.flavor.Name, key, flavor, a.image.Name, key, image)
}

func (a *asked) readTopology(w *Wish) error {
	prefer, most, err := a.topologyBounds()
	if err == nil {
		w.Topology, err = bestTopology(a.flavor.VCPUs, prefer, most)
	}
	return err
}

// mask reads a set of the guest's processors; one that begins with ^ leaves out of all.
func (a *asked) mask(text string) (Set, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "^") {
		text = fmt.Sprintf("0-%d,%s", a.flavor.VCPUs-1, text)
	}
	return ParseSet(text)
}

const realTimeText = "Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads."

// readRealTime is get_realtime_cpu_constraint; the image's mask goes first.
func (a *asked) readRealTime(w *Wish) (err error) {
	switch w.Emulator = EmulatorPolicy(a.flavor.Specs["hw:emulator_threads_policy"]); w.Emulator {
	case "", EmulatorShare, EmulatorIsolate:
	default:
		return refuse("CPU emulator threads option requested is invalid, given: '%.60s', available: '('share', 'isolate')'.", w.Emulator)
	}
	if on, _ := flag(a.flavor.Specs, "hw:cpu_realtime"); !on {
		return nil
	}
	flavor, image := a.both("cpu_realtime_mask")
	if image != "" {
		flavor = image
	}
	all := Range(a.flavor.VCPUs)
	w.RealTime = all
	if flavor != "" {
		if w.RealTime, err = a.mask(flavor); err != nil {
			return err
		}
	}
	switch {
	case len(w.RealTime) == 0, slices.Equal(w.RealTime, all) && w.Emulator == "":
		return refuse(realTimeText)
	case len(w.RealTime.Without(all)) > 0:
		return refuse("Realtime policy vCPU(s) mask is configured with RT vCPUs that are not a subset of the vCPUs in the flavor. See hw:cpu_realtime_mask or hw_cpu_realtime_mask")
	}
	return nil
}

// readAddress is get_maxphysaddr_mode.
func (a *asked) readAddress(w *Wish) error {
	flavor, image := a.both("maxphysaddr_mode")
	if flavor != "" && image != "" && flavor != image {
		return a.conflict("maxphysaddr_mode", flavor, image)
	}
	mode := flavor + image
	if flavor != "" {
		mode = flavor
	}
	if mode == "" {
		return nil
	}
	if mode != "passthrough" && mode != "emulate" {
		return refuse("Invalid Maxphyaddr mode '%.60s'. Allowed values: passthrough, emulate.", mode)
	}
	w.Address = &Address{Mode: mode, Bits: a.specInt("hw:maxphysaddr_bits")}
	if w.Address.Bits == 0 {
		w.Address.Bits = a.propertyInt("hw_maxphysaddr_bits")
	}
	return a.err
}

// readLimits reads quota:cpu_* and quota:memory_limit.
func (a *asked) readLimits(w *Wish) error {
	for name, into := range map[string]**int64{"quota:cpu_shares": &w.Limits.Shares, "quota:cpu_period": &w.Limits.PeriodUS, "quota:cpu_quota": &w.Limits.QuotaUS} {
		if _, given := a.flavor.Specs[name]; given {
			n := int64(a.specInt(name))
			*into = &n
		}
	}
	w.Limits.MemoryMiB = int64(max(0, a.specInt("quota:memory_limit")))
	return a.err
}

var traitSpec = regexp.MustCompile(`^trait(?:\d*|_[a-zA-Z0-9_-]+):([A-Z0-9_]+)$`)

// features are the features of processors that traits require.
func (a *asked) features() []string {
	names := map[string]bool{}
	for _, from := range []map[string]string{a.flavor.Specs, a.image.Properties} {
		for key, value := range from {
			match := traitSpec.FindStringSubmatch(key)
			if match == nil || value != "required" {
				continue
			}
			if feature := FeatureOf(match[1]); feature != "" {
				names[feature] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
