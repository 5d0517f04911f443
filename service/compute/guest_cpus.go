package compute

import (
	"errors"
	"reflect"

	"virga/core/api"
	"virga/service/compute/cpus"
	"virga/service/compute/orders"
)

// What guests ask of processors and memory; the rules are in package cpus.

const classPCPU = "PCPU"

// wishForCPUs reads what flavor and image ask of processors and memory.
func (a asked) wishForCPUs() (*cpus.Wish, error) {
	return cpus.Read(cpus.Flavor{Name: a.flavor.Name, VCPUs: a.flavor.VCPUs, MemoryMiB: a.flavor.MemoryMiB, Specs: a.flavor.ExtraSpecs},
		cpus.Image{Name: a.image.Name, Properties: a.image.Properties})
}

// checkCPUs refuses what cannot be asked for together, in nova's words.
func checkCPUs(a asked) error {
	_, err := a.wishForCPUs()
	var refusal *cpus.Refusal
	if errors.As(err, &refusal) {
		return api.BadRequest("%s", oneLine(refusal.Text, 500))
	}
	return err
}

// cpusOf is what a server asks of processors and memory; nil: nothing but their number and size. A server that was
// admitted before there were rules, and breaks them, is such a one.
func cpusOf(row *server) *cpus.Wish {
	w, err := asked{&row.Detail.Flavor, &row.Detail.Image}.wishForCPUs()
	if err != nil || w.Plain() && !w.Pinned() {
		return nil
	}
	return w
}

// checkRebuildCPUs refuses an image by which the server's NUMA nodes would be others.
func checkRebuildCPUs(flavor *flavorSnapshot, before, after *imageSnapshot) error {
	old, oldErr := asked{flavor, before}.wishForCPUs()
	next, err := asked{flavor, after}.wishForCPUs()
	if err != nil || oldErr != nil {
		return nil // checkGuest tells what is wrong
	}
	if reflect.DeepEqual(old.Cells, next.Cells) && old.Policy == next.Policy && old.Threads == next.Threads && old.PageKiB == next.PageKiB {
		return nil
	}
	return api.BadRequest("An instance's NUMA topology cannot be changed as part of a rebuild. The image provided is invalid for this instance.")
}

// addCPUs puts a server's processors into what it takes in placement: dedicated ones are PCPU.
func addCPUs(resources map[string]int64, w *cpus.Wish, vcpus int) {
	if w == nil || !w.Pinned() {
		resources[classVCPU] = int64(vcpus)
		return
	}
	resources[classPCPU] = int64(w.Dedicated())
	if shared := w.Shared(); shared > 0 {
		resources[classVCPU] = int64(shared)
	}
}

// addCPUTraits adds the traits of hosts that a server's processors need (nova's _translate_pinning_policies and its neighbours).
func (w *wish) addCPUTraits() {
	if w.CPUs == nil {
		return
	}
	switch w.CPUs.Threads {
	case cpus.Require:
		w.Required = append(w.Required, traitThreads)
	case cpus.Isolate:
		w.Forbidden = append(w.Forbidden, traitThreads)
	}
	if address := w.CPUs.Address; address != nil {
		w.Required = append(w.Required, addressTraits[address.Mode])
	}
}

const traitThreads = "HW_CPU_HYPERTHREADING"

var addressTraits = map[string]string{"passthrough": "COMPUTE_ADDRESS_SPACE_PASSTHROUGH", "emulate": "COMPUTE_ADDRESS_SPACE_EMULATED"}

// cpuTraits are the traits of a host's processors.
func cpuTraits(host *cpus.Host) []string {
	if host == nil {
		return nil
	}
	traits := cpus.TraitsOf(host.Features)
	if host.HasThreads() {
		traits = append(traits, traitThreads)
	}
	if host.Address {
		traits = append(traits, addressTraits["passthrough"], addressTraits["emulate"])
	}
	return traits
}

// sharedCPUs counts the processors of a host that guests share.
func sharedCPUs(f *orders.Host) int64 {
	if f.CPUs == nil {
		return int64(f.VCPUs)
	}
	return int64(len(f.CPUs.Shared))
}
