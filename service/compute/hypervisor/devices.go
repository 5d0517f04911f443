package hypervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnsupported says that this host's hypervisor lacks what the guest asks for; another host may have it.
var ErrUnsupported = errors.New("host does not support this")

// Devices is what a guest wishes of its virtual hardware, apart from disks and processors; a zero value leaves the choice to the driver.
// Package orders says what each field means. What the host has not makes EnsureGuest fail with ErrUnsupported; other devices hold from the
// guest's next start.
type Devices struct {
	Firmware       string // "bios", "uefi"
	SecureBoot     string // "required", "optional", "disabled"
	Stateless      bool
	BootMenu       bool
	Video          string // a model; "none": no display
	VideoMiB       int64
	NoRNG          bool
	RNGBytes       int64
	RNGPeriod      int64  // milliseconds
	Watchdog       string // "none", "pause", "poweroff", "reset"
	Pointer        string // "usb", "virtio"
	Keyboard       string // "usb", "virtio"
	SerialPorts    int    // 0: one
	Sound          string
	USB            string // "qemu-xhci", "nec-xhci"
	HideHypervisor bool
	HPET           bool
	Windows        bool
	MultiQueue     bool
	PackedRing     bool
	IOMMU          string // "intel", "smmuv3", "virtio", "auto"
}

// MaxSerialPorts is how many serial ports a guest can have (nova's ALLOWED_QEMU_SERIAL_PORTS).
const MaxSerialPorts = 4

// The words that a field may have.
var (
	videoModels = strings.Fields("bochs cirrus gop none qxl vga virtio vmvga xen")
	soundModels = strings.Fields("sb16 es1370 pcspk ac97 ich6 ich9 usb virtio")
	vifModels   = strings.Fields("virtio ne2k_pci pcnet rtl8139 e1000 e1000e igb lan9118 netfront spapr-vlan sriov vmxnet vmxnet3")
)

// check returns an error wrapping ErrInvalid for words and numbers that no driver understands.
func (dev Devices) check(id string) error {
	words := func(list string) []string { return strings.Fields(list) }
	for _, field := range []struct {
		name, word string
		known      []string
	}{
		{"firmware", dev.Firmware, words("bios uefi")}, {"secure boot", dev.SecureBoot, words("required optional disabled")},
		{"video", dev.Video, videoModels}, {"watchdog", dev.Watchdog, words("none pause poweroff reset")},
		{"pointer", dev.Pointer, words("usb virtio")}, {"keyboard", dev.Keyboard, words("usb virtio")}, {"sound", dev.Sound, soundModels},
		{"USB controller", dev.USB, words("qemu-xhci nec-xhci")},
		{"IOMMU", dev.IOMMU, words("intel smmuv3 virtio auto")},
	} {
		if field.word != "" && !slices.Contains(field.known, field.word) {
			return fmt.Errorf("%w: guest %s wants %s %.40q", ErrInvalid, id, field.name, field.word)
		}
	}
	switch {
	case dev.SerialPorts < 0 || dev.SerialPorts > MaxSerialPorts:
		return fmt.Errorf("%w: guest %s wants %d serial ports, at most %d are possible", ErrInvalid, id, dev.SerialPorts, MaxSerialPorts)
	case dev.VideoMiB < 0 || dev.VideoMiB > 1<<12:
		return fmt.Errorf("%w: guest %s wants %d MiB of video memory", ErrInvalid, id, dev.VideoMiB)
	case dev.RNGBytes < 0 || dev.RNGBytes > 1<<40 || dev.RNGPeriod < 0 || dev.RNGPeriod > 1<<31:
		return fmt.Errorf("%w: guest %s wants %d random bytes in %d ms", ErrInvalid, id, dev.RNGBytes, dev.RNGPeriod)
	}
	return nil
}
