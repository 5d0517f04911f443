package conf

import "fmt"

// Shares are the settings of what servers get of this host: nova's cpu_allocation_ratio and its kin, reserved_host_cpus and its kin.
type Shares struct {
	CPURatio       float64 `name:"cpu-allocation-ratio" env:"VIRGA_CPU_ALLOCATION_RATIO" help:"How many processors of servers each processor of this host stands for; default: 4, or what was set by the placement API."`
	MemoryRatio    float64 `name:"ram-allocation-ratio" env:"VIRGA_RAM_ALLOCATION_RATIO" help:"The same for memory; default: 1, or what was set by the placement API."`
	DiskRatio      float64 `name:"disk-allocation-ratio" env:"VIRGA_DISK_ALLOCATION_RATIO" help:"The same for disks; default: 1, or what was set by the placement API."`
	ReservedCPUs   int64   `name:"reserved-host-cpus" env:"VIRGA_RESERVED_HOST_CPUS" help:"How many processors of this host servers do not get."`
	ReservedMemory *int64  `name:"reserved-host-memory" env:"VIRGA_RESERVED_HOST_MEMORY" placeholder:"MIB" help:"How much memory of this host, in MiB, servers do not get; default: 512, an eighth on a host with less than 4 GiB."`
	ReservedDisk   int64   `name:"reserved-host-disk" env:"VIRGA_RESERVED_HOST_DISK" placeholder:"MIB" help:"How much of the disk of this host, in MiB, servers do not get."`
}

func (s *Shares) complete() error {
	for name, ratio := range map[string]float64{"cpu-allocation-ratio": s.CPURatio, "ram-allocation-ratio": s.MemoryRatio, "disk-allocation-ratio": s.DiskRatio} {
		if ratio != 0 && (ratio < 0.01 || ratio > 1000) || ratio != ratio {
			return fmt.Errorf("%s: %g is not from 0.01 to 1000", name, ratio)
		}
	}
	reserved := map[string]int64{"reserved-host-cpus": s.ReservedCPUs, "reserved-host-disk": s.ReservedDisk}
	if s.ReservedMemory != nil {
		reserved["reserved-host-memory"] = *s.ReservedMemory
	}
	for name, amount := range reserved {
		if amount < 0 {
			return fmt.Errorf("%s: %d is less than nothing", name, amount)
		}
	}
	return nil
}
