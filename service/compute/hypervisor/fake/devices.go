package fake

import (
	"fmt"
	"slices"
	"strings"

	"virga/service/compute/hypervisor"
)

// The simulated machine has what QEMU has on a common x86 host: these words, each for its kind of device.
const (
	videos = "bochs cirrus none qxl vga virtio vmvga"
	vifs   = "virtio ne2k_pci pcnet rtl8139 e1000 e1000e vmxnet3"
	sounds = "sb16 es1370 pcspk ac97 ich6 ich9 usb"
	iommus = "auto intel virtio"
	buses  = "fdc ide sata scsi usb virtio"
	usbs   = "nec-xhci qemu-xhci"
)

// traits names what guests can have on the simulated host, as os_traits does.
func traits() []string {
	all := []string{"COMPUTE_ARCH_X86_64", "COMPUTE_FIRMWARE_BIOS", "COMPUTE_FIRMWARE_UEFI", "COMPUTE_NET_VIRTIO_PACKED",
		"COMPUTE_SECURITY_STATELESS_FIRMWARE", "COMPUTE_SECURITY_UEFI_SECURE_BOOT"}
	for prefix, words := range map[string]string{"GRAPHICS_MODEL": videos, "NET_VIF_MODEL": vifs, "SOUND_MODEL": sounds, "VIOMMU_MODEL": iommus,
		"STORAGE_BUS": buses, "USB_MODEL": usbs} {
		for word := range strings.FieldsSeq(words) {
			all = append(all, "COMPUTE_"+prefix+"_"+strings.ToUpper(strings.ReplaceAll(word, "-", "_")))
		}
	}
	slices.Sort(all)
	return all
}

// fits refuses a guest that the simulated host cannot run, as a real one would.
func fits(guest hypervisor.Guest) error {
	unsupported := func(format string, args ...any) error {
		return fmt.Errorf("define guest %s: %w: %s", guest.ID, hypervisor.ErrUnsupported, fmt.Sprintf(format, args...))
	}
	dev, machine := guest.Devices, guest.Hints.Machine
	q35 := machine == "q35" || strings.HasPrefix(machine, "pc-q35-")
	if machine != "" && machine != "pc" && !q35 && !strings.HasPrefix(machine, "pc-i440fx-") {
		return unsupported("'%s' is not valid/supported machine type", machine)
	}
	for _, model := range []struct{ word, known string }{{dev.Video, videos}, {dev.Sound, sounds}, {dev.IOMMU, iommus}} {
		if model.word != "" && !slices.Contains(strings.Fields(model.known), model.word) {
			return unsupported("model %s is not supported", model.word)
		}
	}
	for _, nic := range guest.NICs {
		if nic.Model != "" && !slices.Contains(strings.Fields(vifs), nic.Model) {
			return unsupported("requested hardware '%s' is not supported", nic.Model)
		}
	}
	switch {
	case dev.Firmware == "uefi" && dev.SecureBoot == "required" && !q35:
		return unsupported("Secure Boot is not supported by host with machine type %s", machine)
	case dev.IOMMU != "" && !q35:
		return unsupported("vIOMMU is not supported by current machine type %s (architecture: x86_64)", machine)
	}
	return nil
}
