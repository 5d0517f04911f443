package libvirt

import (
	"slices"
	"strings"
)

// traits names what guests can have on this host, as os_traits does.
func (d *Driver) traits(can abilities) ([]string, error) {
	arch := machineArch()
	var traits []string
	add := func(prefix string, words ...string) {
		for _, word := range words {
			traits = append(traits, prefix+strings.ToUpper(strings.ReplaceAll(word, "-", "_")))
		}
	}
	add("COMPUTE_ARCH_", arch)
	add("COMPUTE_GRAPHICS_MODEL_", can.videos...)
	add("COMPUTE_STORAGE_BUS_", can.buses...)
	add("COMPUTE_NET_VIF_MODEL_", can.vifs()...)
	add("COMPUTE_SOUND_MODEL_", can.sounds()...)
	add("COMPUTE_USB_MODEL_", "qemu-xhci", "nec-xhci")
	if models := can.iommus(arch); len(models) > 0 {
		add("COMPUTE_VIOMMU_MODEL_", append(models, "auto")...)
	}
	add("COMPUTE_NET_", "virtio-packed")
	if defaultFirmware(arch) == "bios" {
		add("COMPUTE_FIRMWARE_", "bios")
	}
	all, err := readDescriptors(d.firmwareDirs)
	if err != nil {
		return nil, err
	}
	for _, board := range boards(arch) {
		machine := can.machines[board]
		if openFirmware(all, arch, machine) != nil {
			add("COMPUTE_FIRMWARE_", "uefi")
		}
		if secureFirmware(all, arch, machine) != nil {
			add("COMPUTE_SECURITY_", "uefi-secure-boot")
		}
		if statelessFirmware(all, arch, machine) != nil {
			add("COMPUTE_SECURITY_", "stateless-firmware")
		}
	}
	slices.Sort(traits)
	return slices.Compact(traits), nil
}
