package app

import (
	"fmt"

	"virga/core/conf"
	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor/libvirt"
)

// processors reads which processors of this machine guests get.
func processors(c *conf.Config) (read libvirt.CPUConfig, err error) {
	if read.Dedicated, err = cpus.ParseSet(c.DedicatedCPUs); err != nil {
		return read, fmt.Errorf("cpu-dedicated-set: %w", err)
	}
	if read.Shared, err = cpus.ParseSet(c.SharedCPUs); err != nil {
		return read, fmt.Errorf("cpu-shared-set: %w", err)
	}
	if c.CPUMode != "auto" {
		read.Mode = c.CPUMode
	}
	read.Models, read.Flags = c.CPUModels, c.CPUFlags
	return read, nil
}
