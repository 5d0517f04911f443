package hypervisor

import (
	"errors"
	"testing"
)

func TestDevicesMustBeKnown(t *testing.T) {
	t.Parallel()
	good := Devices{Firmware: "uefi", SecureBoot: "optional", Video: "qxl", VideoMiB: 64, RNGBytes: 1, RNGPeriod: 1, Watchdog: "none", Pointer: "usb",
		Keyboard: "virtio", SerialPorts: MaxSerialPorts, Sound: "ac97", USB: "nec-xhci", IOMMU: "auto"}
	if err := good.check("g"); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]Devices{
		"firmware": {Firmware: "efi"}, "secure boot": {SecureBoot: "yes"}, "video": {Video: `vga" heads="9`}, "watchdog": {Watchdog: "disabled"},
		"pointer": {Pointer: "ps2"}, "keyboard": {Keyboard: "ps2"}, "sound": {Sound: "gus"}, "USB": {USB: "none"}, "IOMMU": {IOMMU: "amd"},
		"serial ports": {SerialPorts: MaxSerialPorts + 1}, "fewer than none": {SerialPorts: -1}, "video memory": {VideoMiB: 1 << 20},
		"random bytes": {RNGBytes: -1}, "random period": {RNGPeriod: -1},
	} {
		if err := bad.check("g"); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
