package compute

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/service/compute/orders"
)

// hardware is a flavor's extra specs and an image's properties, as "hw:a=1 hw_b=2": a colon before the value's sign makes an extra spec.
func hardware(vcpus int, text string) asked {
	a := asked{&flavorSnapshot{Name: "f", VCPUs: vcpus, ExtraSpecs: map[string]string{}}, &imageSnapshot{Name: "i", Properties: map[string]string{}}}
	for field := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(field, "=")
		if strings.Contains(name, ":") || name == "hide_hypervisor_id" {
			a.flavor.ExtraSpecs[name] = value
		} else {
			a.image.Properties[name] = value
		}
	}
	return a
}

func TestDevicesOfFlavorAndImage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want orders.Devices
	}{
		"nothing":                    {"", orders.Devices{}},
		"what says no":               {"hw:watchdog_action=disabled hw_usb_model=none hw:boot_menu=no hw_time_hpet=false", orders.Devices{}},
		"firmware":                   {"hw_firmware_type=uefi os:secure_boot=required hw_firmware_stateless=true", orders.Devices{Firmware: "uefi", SecureBoot: "required", Stateless: true}},
		"no BIOS on ARM":             {"architecture=arm64", orders.Devices{Firmware: "uefi"}},
		"a BIOS has no states":       {"hw_firmware_type=bios hw_firmware_stateless=true", orders.Devices{Firmware: "bios"}},
		"video within bounds":        {"hw_video_model=qxl hw_video_ram=64 hw_video:ram_max_mb=64", orders.Devices{Video: "qxl", VideoMiB: 64}},
		"no random numbers":          {"hw_rng:allowed=False hw_rng:rate_bytes=10", orders.Devices{NoRNG: true}},
		"a bound on random numbers":  {"hw_rng:rate_bytes=10 hw_rng:rate_period=20 hw_rng_model=virtio", orders.Devices{RNGBytes: 10, RNGPeriod: 20}},
		"a bound without a period":   {"hw_rng:rate_bytes=10", orders.Devices{RNGBytes: 10, RNGPeriod: 1000}},
		"the image's watchdog":       {"hw:watchdog_action=none hw_watchdog_action=reset", orders.Devices{Watchdog: "reset"}},
		"the image has no watchdog":  {"hw:watchdog_action=none hw_watchdog_action=disabled", orders.Devices{}},
		"the flavor's watchdog":      {"hw:watchdog_action=pause", orders.Devices{Watchdog: "pause"}},
		"the image's boot menu":      {"hw:boot_menu=true hw_boot_menu=false", orders.Devices{}},
		"the flavor's boot menu":     {"hw:boot_menu=true", orders.Devices{BootMenu: true}},
		"an input bus":               {"hw_input_bus=virtio hw_pointer_model=usbtablet", orders.Devices{Pointer: "virtio", Keyboard: "virtio"}},
		"a tablet":                   {"hw_pointer_model=usbtablet", orders.Devices{Pointer: "usb"}},
		"no screen to point at":      {"hw_video_model=none hw_input_bus=usb", orders.Devices{Video: "none"}},
		"fewer ports than allowed":   {"hw:serial_port_count=4 hw_serial_port_count=2", orders.Devices{SerialPorts: 2}},
		"as many ports as allowed":   {"hw:serial_port_count=4", orders.Devices{SerialPorts: 4}},
		"the image's ports":          {"hw_serial_port_count=3", orders.Devices{SerialPorts: 3}},
		"sound and USB":              {"hw:sound_model=ich9 hw_sound_model=ich9 hw:usb_model=nec-xhci", orders.Devices{Sound: "ich9", USB: "nec-xhci"}},
		"hidden by the flavor":       {"hw:hide_hypervisor_id=true img_hide_hypervisor_id=false", orders.Devices{HideHypervisor: true}},
		"hidden by the old word":     {"hide_hypervisor_id=yes", orders.Devices{HideHypervisor: true}},
		"hidden by the image":        {"img_hide_hypervisor_id=1", orders.Devices{HideHypervisor: true}},
		"Windows":                    {"os_type=WINDOWS hw_time_hpet=on", orders.Devices{Windows: true, HPET: true}},
		"queues":                     {"hw:vif_multiqueue_enabled=true hw_virtio_packed_ring=true", orders.Devices{MultiQueue: true, PackedRing: true}},
		"the flavor's IOMMU":         {"hw:viommu_model=auto hw_viommu_model=intel", orders.Devices{IOMMU: "auto"}},
		"no redirected USB is right": {"hw:redirected_usb_ports=0", orders.Devices{}},
	} {
		got, err := devicesOf(hardware(2, test.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got, err := devicesOf(hardware(1, "hw:vif_multiqueue_enabled=true")); err != nil || got.MultiQueue {
		t.Errorf("one processor has several queues: %+v, %v", got, err)
	}
}

func TestDevicesThatContradict(t *testing.T) {
	t.Parallel()
	const conflict = "Flavor f has %s extra spec explicitly set to %s, conflicting with image i which has %s explicitly set to %s."
	words := func(spec, a, property, b string) string {
		return fmt.Sprintf(conflict, spec, a, property, b)
	}
	for text, want := range map[string]string{
		"hw:vif_multiqueue_enabled=true hw_vif_multiqueue_enabled=false": words("hw:vif_multiqueue_enabled", "True", "hw_vif_multiqueue_enabled", "False"),
		"hw:virtio_packed_ring=no hw_virtio_packed_ring=yes":             words("hw:virtio_packed_ring", "False", "hw_virtio_packed_ring", "True"),
		"os:secure_boot=disabled os_secure_boot=required":                words("os:secure_boot", "disabled", "os_secure_boot", "required"),
		"hw:sound_model=ac97 hw_sound_model=ich9":                        words("hw:sound_model", "ac97", "hw_sound_model", "ich9"),
		"hw:usb_model=none hw_usb_model=qemu-xhci":                       words("hw:usb_model", "none", "hw_usb_model", "qemu-xhci"),
		"hw:tpm_version=2.0 hw_tpm_version=1.2":                          words("hw:tpm_version", "2.0", "hw_tpm_version", "1.2"),
		"hw:mem_encryption=true hw_mem_encryption=false":                 words("hw:mem_encryption", "True", "hw_mem_encryption", "False"),
		"hw_video_ram=64":                               "The requested amount of video memory 64 is higher than the maximum allowed by flavor 0.",
		"hw_video_ram=64 hw_video:ram_max_mb=32":        "The requested amount of video memory 64 is higher than the maximum allowed by flavor 32.",
		"hw:watchdog_action=bark":                       "Provided watchdog action (bark) is not supported.",
		"hw:serial_port_count=two":                      "Number of serial ports specified in flavor is invalid: expected an integer, got 'two'",
		"hw:serial_port_count=1 hw_serial_port_count=2": "Forbidden to exceed flavor value of number of serial ports passed in image meta.",
		"hw_serial_port_count=5":                        "Maximum number of serial port exceeds 4 for qemu",
		"hw:redirected_usb_ports=2":                     "Redirected USB ports need SPICE, which is not supported here.",
		"hw:tpm_version=1.2 hw:tpm_model=tpm-crb":       "TPM model CRB is only valid with TPM version 2.0.",
		"hw:mem_encryption=true":                        "Memory encryption is requested by hw:mem_encryption extra spec in f flavor but the image metadata doesn't have the 'hw_firmware_type' property set to 'uefi'",
	} {
		a := hardware(2, text)
		if got := textOf(checkGuest(a.flavor, a.image)); got != want {
			t.Errorf("%s:\n got %q\nwant %q", text, got, want)
		}
	}
}

func TestTraitsForDevices(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "",
		"hw_disk_bus=scsi hw_cdrom_bus=sata hw_video_model=virtio hw_vif_model=VirtualE1000": "COMPUTE_GRAPHICS_MODEL_VIRTIO COMPUTE_NET_VIF_MODEL_E1000 " +
			"COMPUTE_STORAGE_BUS_SATA COMPUTE_STORAGE_BUS_SCSI",
		"hw_vif_model=spapr-vlan": "COMPUTE_NET_VIF_MODEL_SPAPR_VLAN",
		"hw_firmware_type=uefi os_secure_boot=required hw_firmware_stateless=yes": "COMPUTE_FIRMWARE_UEFI COMPUTE_SECURITY_STATELESS_FIRMWARE COMPUTE_SECURITY_UEFI_SECURE_BOOT",
		"os_secure_boot=optional": "",
		"hw:tpm_version=2.0":      "COMPUTE_SECURITY_TPM_2_0 COMPUTE_SECURITY_TPM_SECRET_SECURITY_USER COMPUTE_SECURITY_TPM_TIS",
		"hw:tpm_version=2.0 hw_tpm_model=tpm-crb hw:tpm_secret_security=host": "COMPUTE_SECURITY_TPM_2_0 COMPUTE_SECURITY_TPM_CRB COMPUTE_SECURITY_TPM_SECRET_SECURITY_HOST",
		"hw:viommu_model=auto hw:sound_model=virtio hw_usb_model=nec-xhci":    "COMPUTE_SOUND_MODEL_VIRTIO COMPUTE_USB_MODEL_NEC_XHCI COMPUTE_VIOMMU_MODEL_AUTO",
		"hw_virtio_packed_ring=true accel:device_profile=gpu":                 "COMPUTE_ACCELERATORS COMPUTE_NET_VIRTIO_PACKED",
		"hw_mem_encryption=1 hw:mem_encryption_model=amd-sev-es":              "HW_CPU_X86_AMD_SEV_ES",
		"hw_ephemeral_encryption=1 hw_ephemeral_encryption_format=luks":       "COMPUTE_EPHEMERAL_ENCRYPTION COMPUTE_EPHEMERAL_ENCRYPTION_LUKS",
		"hw_emulation_architecture=arm64":                                     "COMPUTE_ARCH_AARCH64",
	} {
		if got := traitsFor(hardware(2, text)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q needs %v, want %s", text, got, want)
		}
	}
}
