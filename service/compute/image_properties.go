package compute

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"virga/core/api"
)

// Nova's properties of images by kind (nova/objects/image_meta.py: ImageMetaProps). Flags and texts take anything.

// wordProperties are those that have a word of a list (nova/objects/fields.py).
func wordProperties() map[string]string {
	const buses = "fdc ide sata scsi usb virtio xen lxc uml"
	return map[string]string{
		"hw_cdrom_bus": buses, "hw_disk_bus": buses, "hw_floppy_bus": buses, "hw_rescue_bus": buses,
		"hw_cpu_policy": "dedicated shared mixed", "hw_cpu_thread_policy": "prefer isolate require",
		"hw_firmware_type": "uefi bios", "hw_input_bus": "usb virtio", "hw_mem_encryption_model": "amd-sev amd-sev-es amd-sev-snp",
		"hw_pci_numa_affinity_policy": "required legacy preferred socket", "hw_pointer_model": "usbtablet",
		"hw_rescue_device": "cdrom disk floppy fs lun", "hw_rng_model": "virtio",
		"hw_scsi_model":  "buslogic ibmvscsi lsilogic lsisas1068 lsisas1078 virtio-scsi vmpvscsi lsilogicsas paravirtual",
		"hw_video_model": "cirrus qxl vga vmvga xen virtio gop none bochs",
		"hw_vif_model": "virtio ne2k_pci pcnet rtl8139 e1000 e1000e netfront spapr-vlan lan9118 sriov vmxnet vmxnet3 igb " +
			"virtuale1000 virtuale1000e virtualpcnet32 virtualsriovethernetcard virtualvmxnet virtualvmxnet3",
		"hw_viommu_model": "intel smmuv3 virtio auto", "hw_watchdog_action": "none pause poweroff reset disabled",
		"hw_tpm_model": "tpm-tis tpm-crb", "hw_tpm_version": "1.2 2.0", "hw_ephemeral_encryption_format": "plain luks luksv2",
		"hw_maxphysaddr_mode": "passthrough emulate", "hw_sound_model": "sb16 es1370 pcspk ac97 ich6 ich9 usb virtio",
		"hw_usb_model": "none nec-xhci qemu-xhci", "img_config_drive": "optional mandatory",
		"os_secure_boot": "required disabled optional", "os_type": "linux windows",
	}
}

// foldedProperties are those of which the case does not matter.
const foldedProperties = "hw_scsi_model hw_vif_model os_type"

// numberProperties are those that are whole numbers.
const numberProperties = `hw_cpu_cores hw_cpu_sockets hw_cpu_max_cores hw_cpu_max_sockets hw_cpu_max_threads hw_cpu_threads hw_device_id hw_numa_nodes
	hw_serial_port_count hw_video_ram hw_maxphysaddr_bits hw_redirected_usb_ports img_compression_level img_version`

// architectures are the processors that nova knows, by their canonical names.
const architectures = `alpha armv6 armv7l armv7b aarch64 cris i686 ia64 lm32 m68k microblaze microblazeel mips mipsel mips64 mips64el openrisc parisc parisc64
	ppc ppcle ppc64 ppc64le ppcemb s390 s390x sh4 sh4eb sparc sparc64 unicore32 x86_64 xtensa xtensaeb`

// checkImageProperties refuses an image of which a property that nova knows has a value that means nothing.
func checkImageProperties(a asked) error {
	if drive, given := a.image.Properties["img_config_drive"]; given && drive != "optional" && drive != "mandatory" {
		return api.BadRequest("Image's config drive option '%s' is invalid", oneLine(drive, 60))
	}
	words, numbers, folded := wordProperties(), strings.Fields(numberProperties), strings.Fields(foldedProperties)
	for _, name := range slices.Sorted(maps.Keys(a.image.Properties)) {
		value := a.property(name)
		if slices.Contains(folded, name) {
			value = strings.ToLower(value)
		}
		switch {
		case words[name] != "" && !slices.Contains(strings.Fields(words[name]), value):
			return invalidImage("Field value %s is invalid", value)
		case slices.Contains(numbers, name) && !isWholeNumber(value):
			return invalidImage("invalid literal for int() with base 10: '%s'", value)
		case (name == "architecture" || name == "hw_architecture" || name == "hw_emulation_architecture") &&
			!slices.Contains(strings.Fields(architectures), canonicalArch(value)):
			return invalidImage("Architecture name '%s' is not valid", value)
		}
	}
	return nil
}

func invalidImage(format, value string) error {
	return api.BadRequest("Invalid image metadata. Error: "+format, oneLine(value, 60))
}

func isWholeNumber(text string) bool {
	_, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return err == nil
}

// number is a whole number of the image; 0: there is none.
func (a asked) number(property string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(a.property(property)), 10, 64) // it was checked when the image was chosen
	return n
}

// architecture is what an image's properties name, or empty.
func (a asked) architecture() string {
	return canonicalArch(cmp.Or(a.property("hw_architecture"), a.property("architecture")))
}
