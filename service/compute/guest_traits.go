package compute

import (
	"slices"
	"strings"

	"virga/core/api"
)

// Which traits (os_traits) a host must have for a guest: what nova's request filters and its ResourceRequest add to those that a flavor or
// an image names itself, and the same for devices of which nova finds out on the host alone.

// traitsFor are the traits that a flavor and an image need of a host besides those that they name, sorted.
func traitsFor(a asked) []string {
	var traits []string
	need := func(prefix, word string) {
		if word != "" {
			traits = append(traits, prefix+strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(word)))
		}
	}
	devices, _ := devicesOf(a) // what is wrong was refused when flavor and image were chosen
	need("COMPUTE_STORAGE_BUS_", a.property("hw_disk_bus"))
	need("COMPUTE_STORAGE_BUS_", a.property("hw_cdrom_bus"))
	need("COMPUTE_GRAPHICS_MODEL_", devices.Video)
	need("COMPUTE_NET_VIF_MODEL_", a.vifModel())
	need("COMPUTE_VIOMMU_MODEL_", devices.IOMMU)
	need("COMPUTE_SOUND_MODEL_", devices.Sound)
	need("COMPUTE_USB_MODEL_", devices.USB)
	if arch := a.property("hw_emulation_architecture"); arch != "" {
		need("COMPUTE_ARCH_", canonicalArch(arch))
	}
	if devices.Firmware == "uefi" {
		traits = append(traits, "COMPUTE_FIRMWARE_UEFI")
	}
	if devices.Stateless {
		traits = append(traits, "COMPUTE_SECURITY_STATELESS_FIRMWARE")
	}
	if devices.SecureBoot == "required" {
		traits = append(traits, "COMPUTE_SECURITY_UEFI_SECURE_BOOT")
	}
	if devices.PackedRing {
		traits = append(traits, "COMPUTE_NET_VIRTIO_PACKED")
	}
	if a.spec("accel:device_profile") != "" {
		traits = append(traits, "COMPUTE_ACCELERATORS")
	}
	traits = append(append(traits, a.tpmTraits()...), a.encryptionTraits()...)
	slices.Sort(traits)
	return slices.Compact(traits)
}

// tpmTraits: a guest has a TPM when a version is asked for.
func (a asked) tpmTraits() []string {
	version, _ := a.word("hw", "tpm_version")
	if version == "" {
		return nil
	}
	traits := []string{"COMPUTE_SECURITY_TPM_" + strings.ReplaceAll(version, ".", "_"), "COMPUTE_SECURITY_TPM_TIS"}
	if model, _ := a.word("hw", "tpm_model"); model == "tpm-crb" {
		traits[1] = "COMPUTE_SECURITY_TPM_CRB"
	}
	secret := a.spec("hw:tpm_secret_security")
	if secret == "" {
		secret = "user"
	}
	return append(traits, "COMPUTE_SECURITY_TPM_SECRET_SECURITY_"+strings.ToUpper(secret))
}

// encryptionTraits are for encrypted memory, which also takes a slot of the host, and for encrypted disks.
func (a asked) encryptionTraits() (traits []string) {
	if encrypted, _, _ := a.flag("hw", "mem_encryption"); encrypted {
		model, _ := a.word("hw", "mem_encryption_model")
		switch model {
		case "amd-sev-es":
			traits = append(traits, "HW_CPU_X86_AMD_SEV_ES")
		case "amd-sev-snp":
			traits = append(traits, "HW_CPU_X86_AMD_SEV_SNP")
		default:
			traits = append(traits, "HW_CPU_X86_AMD_SEV")
		}
	}
	if encrypted, _, _ := a.flag("hw", "ephemeral_encryption"); encrypted {
		traits = append(traits, "COMPUTE_EPHEMERAL_ENCRYPTION")
		if format, _ := a.word("hw", "ephemeral_encryption_format"); format != "" {
			traits = append(traits, "COMPUTE_EPHEMERAL_ENCRYPTION_"+strings.ToUpper(format))
		}
	}
	return traits
}

// vifModel is the model of network interfaces that the image names, by its present name; empty: the driver's choice.
func (a asked) vifModel() string {
	model := strings.ToLower(a.property("hw_vif_model"))
	switch model {
	case "virtuale1000":
		return "e1000"
	case "virtuale1000e":
		return "e1000e"
	case "virtualpcnet32":
		return "pcnet"
	case "virtualsriovethernetcard":
		return "sriov"
	case "virtualvmxnet":
		return "vmxnet"
	case "virtualvmxnet3":
		return "vmxnet3"
	}
	return model
}

// checkSecrets refuses a flavor and an image that contradict each other in what they ask for the safety of a guest's state: its TPM, its
// encrypted memory and disks.
func checkSecrets(a asked) error {
	version, err := a.word("hw", "tpm_version")
	if err != nil {
		return err
	}
	model, err := a.word("hw", "tpm_model")
	if err != nil {
		return err
	}
	switch {
	case version == "":
	case version != "1.2" && version != "2.0":
		return api.BadRequest("Invalid TPM version '%s'. Allowed values: 1.2, 2.0.", oneLine(version, 60))
	case model != "" && model != "tpm-tis" && model != "tpm-crb":
		return api.BadRequest("Invalid TPM model '%s'. Allowed values: tpm-tis, tpm-crb.", oneLine(model, 60))
	case model == "tpm-crb" && version != "2.0":
		return api.BadRequest("TPM model CRB is only valid with TPM version 2.0.")
	}
	for _, key := range []string{"mem_encryption", "ephemeral_encryption"} {
		if _, _, err := a.flag("hw", key); err != nil {
			return err
		}
	}
	for _, key := range []string{"mem_encryption_model", "ephemeral_encryption_format"} {
		if _, err := a.word("hw", key); err != nil {
			return err
		}
	}
	return a.checkEncryptedMemory()
}

// checkEncryptedMemory: encrypted memory needs UEFI and, where a board is named, q35.
func (a asked) checkEncryptedMemory() error {
	encrypted, _, _ := a.flag("hw", "mem_encryption")
	if !encrypted {
		return nil
	}
	who := "hw_mem_encryption property of image " + oneLine(a.image.Name, 100)
	if flavor, _ := a.specFlag("hw:mem_encryption"); flavor {
		who = "hw:mem_encryption extra spec in " + a.flavor.Name + " flavor"
	}
	if a.property("hw_firmware_type") != "uefi" {
		return api.BadRequest("Memory encryption is requested by %s but the image metadata doesn't have the 'hw_firmware_type' property set to 'uefi'", who)
	}
	if machine := a.property("hw_machine_type"); machine != "" && !strings.Contains(machine, "q35") {
		return api.BadRequest("Machine type '%s' is not compatible with image %s: q35 type is required for SEV to work", oneLine(machine, 60), oneLine(a.image.Name, 100))
	}
	return nil
}
