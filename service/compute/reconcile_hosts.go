package compute

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"virga/core/db"
	"virga/service/compute/orders"
)

const topicHosts = "compute.hosts"

// The shares of a host's resources that servers get: nova's initial allocation ratios, and
// 512 MiB for the host itself, less on a tiny one.
const (
	vcpuRatio      = 4.0
	memoryRatio    = 1.0
	diskRatio      = 1.0
	reservedMemory = 512
)

// ReportedClass tells whether a resource class is one of which hosts report what they have; others are for operators to set.
func ReportedClass(class string) bool {
	return slices.Contains([]string{classVCPU, "PCPU", classMemory, classDisk}, class)
}

// providedAtOnce is how many hosts one round tells placement of, providing is how many of
// them at the same time.
const (
	providedAtOnce = 1000
	providing      = 4
)

// reconcileHosts has a resource provider in placement for each host, with its inventory
// and traits. It looks only at hosts that changed and at those whose provider placement
// lost, which the roster knows without asking for each.
func (s *Service) reconcileHosts(ctx context.Context) error {
	if err := s.removeGoneProviders(ctx); err != nil {
		return err
	}
	unplaced, err := s.roster.unplaced(ctx, s)
	if err != nil {
		return err
	}
	var hosts []host
	if len(unplaced) > 0 {
		if err := s.db.Write(ctx, func(tx *db.Tx) error { return forgetProvided(tx, unplaced) }); err != nil {
			return err
		}
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		hosts, err = hostsToProvide(tx, providedAtOnce)
		return err
	})
	if err != nil {
		return err
	}
	group := errgroup.Group{}
	group.SetLimit(providing)
	for i := range hosts {
		group.Go(func() error {
			if err := s.provideHost(ctx, &hosts[i]); err != nil {
				return fmt.Errorf("provide host %s: %w", hosts[i].Name, err)
			}
			return nil
		})
	}
	err = group.Wait()
	if len(hosts) == providedAtOnce && err == nil {
		s.deps.Bus.Ring(topicHosts)
	}
	return err
}

func (s *Service) provideHost(ctx context.Context, h *host) error {
	ctx, cancel := context.WithTimeout(s.self(ctx), 30*time.Second)
	defer cancel()
	if err := s.deps.Placement.EnsureProvider(ctx, h.HypervisorID, h.Facts.HostName, inventoryOf(h.Facts), traitsOf(h.Facts)); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if err := doubtMirrored(tx, h.Name); err != nil { // a provider that is made anew is in no aggregate
			return err
		}
		tx.AfterCommit(func() { s.deps.Bus.Ring(topicAggregates) })
		return setProvided(tx, h.Name, digestOf(h.Name, h.Facts))
	})
}

func inventoryOf(f orders.Host) map[string]Inventory {
	share := func(total, reserved int64, set, initial float64) Inventory {
		return Inventory{Total: total, Reserved: min(reserved, total), Ratio: cmp.Or(set, initial), Fixed: set != 0}
	}
	inventory := map[string]Inventory{
		classVCPU:   share(sharedCPUs(&f), f.Shares.ReservedCPUs, f.Shares.CPURatio, vcpuRatio),
		classMemory: share(f.MemoryMiB, reservedMemoryOf(f), f.Shares.MemoryRatio, memoryRatio),
		classDisk:   share(f.LocalGiB, (f.Shares.ReservedDiskMiB+1023)/1024, f.Shares.DiskRatio, diskRatio),
	}
	if f.CPUs != nil {
		inventory[classPCPU] = Inventory{Total: int64(len(f.CPUs.Dedicated)), Ratio: 1}
	}
	for class, i := range inventory {
		if i.Total <= 0 {
			delete(inventory, class)
		}
	}
	return inventory
}

// reservedMemoryOf is what the host keeps for itself, in MiB: unless its operator has said so, at most an eighth of its memory.
func reservedMemoryOf(f orders.Host) int64 {
	if f.Shares.ReservedMemoryMiB != nil {
		return *f.Shares.ReservedMemoryMiB
	}
	return min(reservedMemory, f.MemoryMiB/8)
}

// traitsOfBefore are those of hosts with agents that state none: what these can give guests.
const traitsOfBefore = `COMPUTE_STORAGE_BUS_IDE COMPUTE_STORAGE_BUS_SATA COMPUTE_STORAGE_BUS_VIRTIO COMPUTE_NET_VIF_MODEL_E1000 COMPUTE_NET_VIF_MODEL_E1000E
	COMPUTE_NET_VIF_MODEL_RTL8139 COMPUTE_NET_VIF_MODEL_VIRTIO`

// traitsOf are the standard traits (os_traits) that a host's facts tell of, and those that it states.
func traitsOf(f orders.Host) []string {
	traits := append([]string{"COMPUTE_NODE", "COMPUTE_DEVICE_TAGGING", "COMPUTE_NET_ATTACH_INTERFACE"}, f.Traits...)
	if len(f.Traits) == 0 {
		traits = append(traits, strings.Fields(traitsOfBefore)...)
	}
	arch := map[string]string{"x86_64": "HW_ARCH_X86_64", "aarch64": "HW_ARCH_AARCH64", "i686": "HW_ARCH_I686", "ppc64le": "HW_ARCH_PPC64LE",
		"s390x": "HW_ARCH_S390X", "riscv64": "HW_ARCH_RISCV64"}
	if trait := arch[canonicalArch(f.CPU.Arch)]; trait != "" {
		traits = append(traits, trait)
	}
	traits = append(traits, "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_IMAGE_TYPE_QCOW2")
	traits = append(traits, cpuTraits(f.CPUs)...)
	slices.Sort(traits)
	return slices.Compact(traits)
}

// ReportedTrait tells whether a trait is of the families that hosts report; others are for operators to set.
func ReportedTrait(trait string) bool {
	return slices.ContainsFunc([]string{"COMPUTE_", "HW_ARCH_", "HW_CPU_"}, func(family string) bool { return strings.HasPrefix(trait, family) })
}

// digestOf tells whether what placement should know of a host has changed.
func digestOf(name string, f orders.Host) string {
	text, err := json.Marshal([]any{name, f.HostName, inventoryOf(f), traitsOf(f)})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
