package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

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

// reconcileHosts has a resource provider in placement for each host, with its inventory
// and traits. A provider that placement lost is made again.
func (s *Service) reconcileHosts(ctx context.Context) error {
	var hosts []host
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		hosts, err = listHosts(tx)
		return err
	})
	if err != nil {
		return err
	}
	var firstErr error
	for i := range hosts {
		if err := s.provideHost(ctx, &hosts[i]); err != nil && firstErr == nil {
			firstErr = fmt.Errorf("provide host %s: %w", hosts[i].Name, err)
		}
	}
	return firstErr
}

func (s *Service) provideHost(ctx context.Context, h *host) error {
	ctx, cancel := context.WithTimeout(s.self(ctx), 30*time.Second)
	defer cancel()
	digest := digestOf(h.Name, h.Facts)
	if h.Provided == digest {
		there, err := s.deps.Placement.HasProvider(ctx, h.HypervisorID)
		if err != nil || there {
			return err
		}
	}
	if err := s.deps.Placement.EnsureProvider(ctx, h.HypervisorID, h.Facts.HostName, inventoryOf(h.Facts), traitsOf(h.Facts)); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *db.Tx) error { return setProvided(tx, h.Name, digest) })
}

func inventoryOf(f orders.Host) map[string]Inventory {
	inventory := map[string]Inventory{
		classVCPU:   {Total: int64(f.VCPUs), Ratio: vcpuRatio},
		classMemory: {Total: f.MemoryMiB, Reserved: reservedOf(f.MemoryMiB), Ratio: memoryRatio},
		classDisk:   {Total: f.LocalGiB, Ratio: diskRatio},
	}
	for class, i := range inventory {
		if i.Total <= 0 {
			delete(inventory, class)
		}
	}
	return inventory
}

// reservedOf is what the host keeps for itself, in MiB: at most an eighth of its memory.
func reservedOf(memoryMiB int64) int64 { return min(reservedMemory, memoryMiB/8) }

// traitsOf are the standard traits (os_traits) that a host's facts tell of.
func traitsOf(f orders.Host) []string {
	traits := []string{"COMPUTE_NODE", "COMPUTE_DEVICE_TAGGING", "COMPUTE_NET_ATTACH_INTERFACE"}
	arch := map[string]string{"x86_64": "HW_ARCH_X86_64", "aarch64": "HW_ARCH_AARCH64", "i686": "HW_ARCH_I686", "ppc64le": "HW_ARCH_PPC64LE",
		"s390x": "HW_ARCH_S390X", "riscv64": "HW_ARCH_RISCV64"}
	if trait := arch[canonicalArch(f.CPU.Arch)]; trait != "" {
		traits = append(traits, trait)
	}
	return append(traits, "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_IMAGE_TYPE_QCOW2")
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
