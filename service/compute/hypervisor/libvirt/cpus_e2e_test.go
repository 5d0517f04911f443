//go:build e2e

package libvirt_test

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/libvirt"
)

// openWith opens a driver of a host whose last processor is dedicated.
func openWith(t *testing.T, dir string, config libvirt.CPUConfig) *libvirt.Driver {
	t.Helper()
	driver, err := libvirt.New(libvirt.Config{Dir: dir, Clock: systemClock{}, CPUs: config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { driver.Close() })
	return driver
}

func TestHostTellsOfItsProcessors(t *testing.T) {
	driver := openWith(t, t.TempDir(), libvirt.CPUConfig{Dedicated: cpus.Of(1)})
	facts, err := driver.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	host := facts.CPUs
	if !slices.Equal(host.Dedicated, cpus.Of(1)) || len(host.Shared) != 0 || len(host.Cells) == 0 || host.Cells[0].MemoryMiB == 0 || len(host.Cells[0].Pages) == 0 || facts.VCPUs != 1 {
		t.Errorf("the host: %+v", host)
	}
	if traits := cpus.TraitsOf(host.Features); !slices.Contains(traits, "HW_CPU_X86_SSE42") || !host.Address {
		t.Errorf("traits %v of features %v", traits, host.Features)
	}
	custom := openWith(t, t.TempDir(), libvirt.CPUConfig{Mode: "custom", Models: []string{"Nehalem"}, Flags: []string{"+avx"}})
	if facts, err = custom.Facts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if traits := cpus.TraitsOf(facts.CPUs.Features); !slices.Contains(traits, "HW_CPU_X86_AVX") || slices.Contains(traits, "HW_CPU_X86_AVX2") || !slices.Contains(traits, "HW_CPU_X86_SSE42") {
		t.Errorf("traits of a Nehalem with AVX: %v", traits)
	}
	absent := openWith(t, t.TempDir(), libvirt.CPUConfig{Dedicated: cpus.Of(4000)})
	if _, err := absent.Facts(t.Context()); err == nil || !strings.Contains(err.Error(), "cpu-dedicated-set names the processors 4000") {
		t.Errorf("a processor that is not there: %v", err)
	}
}

// pinned is a guest with a processor of the host's own.
func pinned(id string) hypervisor.Guest {
	return hypervisor.Guest{ID: id, Generation: 1, VCPUs: 1, MemoryMiB: 64, RootGiB: 1, Power: hypervisor.PowerRunning,
		CPUs: &cpus.Wish{VCPUs: 1, Topology: cpus.Topology{Sockets: 1, Cores: 1, Threads: 1}, Policy: cpus.Dedicated,
			Cells: []cpus.Cell{{CPUs: cpus.Of(0), Dedicated: cpus.Of(0), MemoryMiB: 64}}}}
}

func TestDedicatedProcessorIsKeptOverRestarts(t *testing.T) {
	const one, two = "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c11", "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c12"
	dir, config, l := t.TempDir(), libvirt.CPUConfig{Dedicated: cpus.Of(1), Shared: cpus.Of(0)}, dial(t)
	driver := openWith(t, dir, config)
	if err := driver.EnsureGuest(t.Context(), pinned(one)); err != nil {
		t.Fatal(err)
	}
	defer func() { remove(t, driver, one) }() // the driver is another one by then
	state, err := driver.GetGuest(t.Context(), one)
	if err != nil || state.Placement == nil || state.Placement.Cells[0].Pins[0] != 1 {
		t.Fatalf("%+v, %v", state, err)
	}
	domain := describe(t, l, one)
	if domain.CPUTune == nil || domain.CPUTune.VCPUPin[0].CPUSet != "1" || domain.NUMATune.MemNodes[0].Nodeset != "0" || domain.CPU.Numa.Cell[0].CPUs != "0" {
		t.Errorf("the definition: %+v", domain.CPUTune)
	}
	for _, process := range qemuProcesses(t) {
		if text, err := os.ReadFile("/proc/" + process + "/status"); err == nil && !strings.Contains(string(text), "Cpus_allowed_list:\t1\n") {
			t.Errorf("QEMU runs elsewhere, too: %s", text)
		}
	}
	if err := driver.EnsureGuest(t.Context(), pinned(two)); !errors.Is(err, hypervisor.ErrNoRoom) || !strings.Contains(err.Error(), "1 dedicated processors in one NUMA node needed, 0 free") {
		t.Errorf("a second guest on the same processor: %v", err)
	}
	driver.Close()
	driver = openWith(t, dir, config)
	if err := driver.EnsureGuest(t.Context(), pinned(two)); !errors.Is(err, hypervisor.ErrNoRoom) {
		t.Errorf("a second guest on the same processor, after a restart: %v", err)
	}
	facts, err := driver.Facts(t.Context())
	if err != nil || !slices.Equal(facts.CPUs.Cells[0].Pinned, cpus.Of(1)) || facts.CPUs.Cells[0].MemoryUse != 64 {
		t.Errorf("the host has %+v, %v", facts.CPUs, err)
	}
	remove(t, driver, one)
	if err := driver.EnsureGuest(t.Context(), pinned(two)); err != nil {
		t.Errorf("a second guest after the first is gone: %v", err)
	}
	remove(t, driver, two)
}

// TestDefinitionsWithAllWishesAreTaken has libvirt define what this machine cannot run.
func TestDefinitionsWithAllWishesAreTaken(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("processor models of x86")
	}
	const id = "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c13"
	driver := openWith(t, t.TempDir(), libvirt.CPUConfig{Dedicated: cpus.Of(1), Shared: cpus.Of(0), Mode: "custom", Models: []string{"Nehalem", "SandyBridge"}, Flags: []string{"-vmx"}})
	g := pinned(id)
	shares, period, quota, off := int64(512), int64(50000), int64(25000), false
	g.VCPUs, g.MemoryMiB, g.Power = 2, 128, hypervisor.PowerStopped
	g.CPUs = &cpus.Wish{VCPUs: 2, Topology: cpus.Topology{Sockets: 1, Cores: 1, Threads: 2}, Policy: cpus.Mixed, RealTime: cpus.Of(1), PMU: &off, Emulator: cpus.EmulatorShare,
		Features: []string{"avx"}, PageKiB: cpus.SmallPages, Cells: []cpus.Cell{{CPUs: cpus.Of(0, 1), Dedicated: cpus.Of(1), MemoryMiB: 128}},
		Address: &cpus.Address{Mode: "emulate", Bits: 40}, Limits: cpus.Limits{Shares: &shares, PeriodUS: &period, QuotaUS: &quota, MemoryMiB: 100}}
	defer remove(t, driver, id)
	if err := driver.EnsureGuest(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	domain := describe(t, dial(t), id)
	tune := domain.CPUTune
	if domain.CPU.Model.Value != "SandyBridge" || domain.CPU.Topology.Threads != 2 || tune.Shares.Value != 512 || tune.Quota.Value != 25000 || tune.VCPUPin[0].CPUSet != "0" ||
		tune.VCPUPin[1].CPUSet != "1" || tune.EmulatorPin.CPUSet != "0" || len(tune.VCPUSched) != 1 || domain.MemoryTune.SoftLimit.Value != 100<<10 || domain.MemoryBacking.MemoryLocked == nil ||
		domain.CPU.MaxPhysAddr.Bits != 40 {
		t.Errorf("libvirt has %+v with %+v", domain.CPU, tune)
	}
}

// TestLargePages runs a guest in pages of 2 MiB, where the machine lets some be set apart.
func TestLargePages(t *testing.T) {
	const id, knob = "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c14", "/proc/sys/vm/nr_hugepages"
	before, err := os.ReadFile(knob)
	if err != nil {
		t.Logf("the kernel knows no large pages: %v", err)
		return
	}
	large := pinned(id)
	large.CPUs.Policy, large.CPUs.Cells[0].Dedicated, large.CPUs.PageKiB = "", nil, cpus.LargePages
	if strings.TrimSpace(string(before)) == "0" {
		driver := openWith(t, t.TempDir(), libvirt.CPUConfig{})
		if err := driver.EnsureGuest(t.Context(), large); !errors.Is(err, hypervisor.ErrNoRoom) || !strings.Contains(err.Error(), "64 MB in pages of 2048 KiB in one NUMA node needed, 0 free") {
			t.Errorf("a guest in large pages that are not there: %v", err)
		}
	}
	if err := os.WriteFile(knob, []byte("48"), 0o644); err != nil {
		t.Logf("no large pages can be set apart here: %v", err)
		return
	}
	t.Cleanup(func() { _ = os.WriteFile(knob, before, 0o644) })
	now, err := os.ReadFile(knob)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := strconv.Atoi(strings.TrimSpace(string(now))); n < 32 { // its memory is in pieces
		t.Logf("the machine sets only %d large pages apart", n)
		return
	}
	driver := openWith(t, t.TempDir(), libvirt.CPUConfig{})
	defer remove(t, driver, id)
	if err := driver.EnsureGuest(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if domain := describe(t, dial(t), id); domain.MemoryBacking.MemoryHugePages.Hugepages[0].Size != 2048 {
		t.Errorf("its memory: %+v", domain.MemoryBacking)
	}
}
