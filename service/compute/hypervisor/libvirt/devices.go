package libvirt

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// What a guest wishes of its devices, as libvirt is told of it (nova's nova/virt/libvirt/driver.py, _get_guest_config).

// variablesFile holds the variables of a guest's firmware: what it starts from, and which keys it believes.
const variablesFile = "variables.fd"

// furnish changes a domain that has what every guest has into what this one wishes.
func (def definition) furnish(domain *libvirtxml.Domain) {
	def.furnishFirmware(domain)
	def.furnishFeatures(domain)
	def.furnishDisplay(domain.Devices)
	def.furnishInputs(domain.Devices)
	def.furnishSerials(domain.Devices)
	def.furnishUSB(domain.Devices)
	def.furnishRest(domain)
}

func (def definition) furnishFirmware(domain *libvirtxml.Domain) {
	dev := def.guest.Devices
	if dev.BootMenu {
		domain.OS.BootMenu = &libvirtxml.DomainBootMenu{Enable: "yes"}
	}
	if def.firmware == nil {
		return
	}
	domain.OS.Loader = &libvirtxml.DomainLoader{Path: def.firmware.Code, Readonly: "yes", Type: "pflash", Secure: yesNo(def.firmware.Secure)}
	if def.firmware.Variables == "" {
		domain.OS.Loader.Stateless = "yes"
	} else {
		domain.OS.NVRam = &libvirtxml.DomainNVRam{NVRam: def.dir + "/" + variablesFile, Template: def.firmware.Variables}
	}
	if def.firmware.SMM {
		domain.Features.SMM = &libvirtxml.DomainFeatureSMM{State: "on"}
	}
}

// spinlockRetries is what KVM's maintainers advise for Windows, hiddenVendor a vendor that no driver looks for.
const (
	spinlockRetries = 8191
	hiddenVendor    = "1234567890ab"
)

func (def definition) furnishFeatures(domain *libvirtxml.Domain) {
	dev, on := def.guest.Devices, &libvirtxml.DomainFeatureState{State: "on"}
	if dev.HideHypervisor {
		domain.Features.KVM = &libvirtxml.DomainFeatureKVM{Hidden: on}
	}
	if dev.HPET && def.arch == "x86_64" {
		for i := range domain.Clock.Timer {
			if timer := &domain.Clock.Timer[i]; timer.Name == "hpet" {
				timer.Present = "yes"
			}
		}
	}
	if !dev.Windows {
		return
	}
	domain.Clock.Offset = "localtime"
	if def.kind != "kvm" || def.arch != "x86_64" { // emulation knows nothing of Hyper-V
		return
	}
	domain.Clock.Timer = append(domain.Clock.Timer, libvirtxml.DomainTimer{Name: "hypervclock", Present: "yes"})
	hyperv := &libvirtxml.DomainFeatureHyperV{Relaxed: on, VAPIC: on, VPIndex: on, Runtime: on, Synic: on, Reset: on, Frequencies: on, IPI: on,
		Spinlocks: &libvirtxml.DomainFeatureHyperVSpinlocks{DomainFeatureState: *on, Retries: spinlockRetries},
		TLBFlush:  &libvirtxml.DomainFeatureHyperVTLBFlush{DomainFeatureState: *on}}
	if dev.HideHypervisor {
		hyperv.VendorId = &libvirtxml.DomainFeatureHyperVVendorId{DomainFeatureState: *on, Value: hiddenVendor}
	}
	domain.Features.HyperV = hyperv
}

// videoModel is the display adapter. The plain one that every system knows is what x86 guests have unless they ask for another.
func (def definition) videoModel() string {
	if def.arch == "x86_64" {
		return cmp.Or(def.guest.Devices.Video, "vga")
	}
	return cmp.Or(def.guest.Devices.Video, "virtio")
}

func (def definition) furnishDisplay(devices *libvirtxml.DomainDeviceList) {
	model := libvirtxml.DomainVideoModel{Type: def.videoModel(), VRam: uint(def.guest.Devices.VideoMiB) << 10}
	if model.Type == "none" {
		model.VRam, devices.Graphics = 0, nil
	}
	devices.Videos = []libvirtxml.DomainVideo{{Model: model}}
}

func (def definition) furnishInputs(devices *libvirtxml.DomainDeviceList) {
	for _, input := range []libvirtxml.DomainInput{{Type: "tablet", Bus: def.guest.Devices.Pointer}, {Type: "keyboard", Bus: def.guest.Devices.Keyboard}} {
		if input.Bus != "" {
			devices.Inputs = append(devices.Inputs, input)
		}
	}
}

// furnishSerials adds ports to the first one, which is the console and alone has a log.
func (def definition) furnishSerials(devices *libvirtxml.DomainDeviceList) {
	for n := uint(1); n < uint(def.guest.Devices.SerialPorts); n++ {
		devices.Serials = append(devices.Serials, libvirtxml.DomainSerial{
			Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}}, Target: &libvirtxml.DomainSerialTarget{Port: &n}})
	}
}

// furnishUSB has a controller when it is asked for, or when something is plugged into it.
func (def definition) furnishUSB(devices *libvirtxml.DomainDeviceList) {
	dev := def.guest.Devices
	if dev.USB == "" && dev.Pointer != "usb" && dev.Keyboard != "usb" && dev.Sound != "usb" {
		return
	}
	for i := range devices.Controllers {
		if controller := &devices.Controllers[i]; controller.Type == "usb" && (controller.Model == "none" || dev.USB != "") {
			controller.Model = cmp.Or(dev.USB, "qemu-xhci")
		}
	}
}

func (def definition) furnishRest(domain *libvirtxml.Domain) {
	dev, devices := def.guest.Devices, domain.Devices
	switch {
	case dev.NoRNG:
		devices.RNGs = nil
	case dev.RNGBytes > 0:
		for i := range devices.RNGs {
			devices.RNGs[i].Rate = &libvirtxml.DomainRNGRate{Bytes: uint(dev.RNGBytes), Period: uint(dev.RNGPeriod)}
		}
	}
	if dev.Watchdog != "" {
		devices.Watchdogs = []libvirtxml.DomainWatchdog{{Model: "i6300esb", Action: dev.Watchdog}}
	}
	if dev.Sound != "" {
		devices.Sounds = []libvirtxml.DomainSound{{Model: dev.Sound}}
	}
	devices.MemBalloon = def.balloon()
	def.furnishIOMMU(domain)
}

// balloon tells how much memory the guest itself uses, each period; without one there is no such device.
func (def definition) balloon() *libvirtxml.DomainMemBalloon {
	if def.memoryPeriod <= 0 {
		return &libvirtxml.DomainMemBalloon{Model: "none"}
	}
	return &libvirtxml.DomainMemBalloon{Model: "virtio", Stats: &libvirtxml.DomainMemBalloonStats{Period: def.memoryPeriod}}
}

// iommuModel is the model of the guest's IOMMU, "" for none.
func (def definition) iommuModel() string {
	if model := def.guest.Devices.IOMMU; model != "auto" {
		return model
	}
	return "virtio"
}

// addressBits is the greater of the two widths that QEMU knows.
const addressBits = 48

func (def definition) furnishIOMMU(domain *libvirtxml.Domain) {
	model := def.iommuModel()
	if model == "" {
		return
	}
	iommu := &libvirtxml.DomainIOMMU{Model: model}
	if model == "intel" {
		iommu.Driver = &libvirtxml.DomainIOMMUDriver{IntRemap: "on", CachingMode: "on", EIM: "on", IOTLB: "on", AWBits: addressBits}
		if def.kind != "kvm" { // QEMU has long interrupts with KVM alone
			iommu.Driver.EIM = "off"
		}
		domain.Features.IOAPIC = &libvirtxml.DomainFeatureIOAPIC{Driver: "qemu"}
	}
	domain.Devices.IOMMUs = []libvirtxml.DomainIOMMU{*iommu}
}

func isQ35(machine string) bool { return machine == "q35" || strings.HasPrefix(machine, "pc-q35-") }

func isVirt(machine string) bool { return machine == "virt" || strings.HasPrefix(machine, "virt-") }

func yesNo(value bool) string {
	if value {
		return "yes"
	}
	return "no"
}

// maxQueues is how many queues a tap device can have (the kernel's MAX_TAP_QUEUES).
const maxQueues = 256

// multiQueueFlag says of a tap device that it was made for several queues (IFF_MULTI_QUEUE of linux/if_tun.h); one that was not takes no
// more than one.
const multiQueueFlag = 0x0100

func hasQueues(tap string) bool {
	text, err := os.ReadFile("/sys/class/net/" + tap + "/tun_flags")
	if err != nil {
		return false
	}
	flags, err := strconv.ParseUint(strings.TrimSpace(string(text)), 0, 32)
	return err == nil && flags&multiQueueFlag != 0
}

// interfaceFor describes an interface with what its guest wishes of all of them.
func interfaceFor(guest hypervisor.Guest, kind string, nic hypervisor.NIC) libvirtxml.DomainInterface {
	result := interfaceOf(nic)
	if result.Model.Type != "virtio" {
		return result
	}
	driver := libvirtxml.DomainInterfaceDriver{}
	if guest.Devices.MultiQueue && guest.VCPUs > 1 && hasQueues(nic.Tap) {
		driver.Name, driver.Queues = "vhost", uint(min(guest.VCPUs, maxQueues))
	}
	if guest.Devices.PackedRing {
		driver.Packed = "on"
	}
	if driver != (libvirtxml.DomainInterfaceDriver{}) {
		if kind == "qemu" { // vhost needs KVM
			driver.Name = "qemu"
		}
		result.Driver = &driver
	}
	return result
}

// chooseFirmware returns what a guest starts from; nil: the board's own BIOS.
func (d *Driver) chooseFirmware(def definition, can abilities) (*firmware, error) {
	dev, machine := def.guest.Devices, can.machines[def.machine()]
	if cmp.Or(dev.Firmware, defaultFirmware(def.arch)) != "uefi" {
		return nil, nil
	}
	unsupported := func(what string) error {
		return fmt.Errorf("define guest %s: %w: %s", def.guest.ID, hypervisor.ErrUnsupported, what)
	}
	all, err := readDescriptors(d.firmwareDirs)
	if err != nil {
		return nil, err
	}
	if dev.SecureBoot == "required" || dev.SecureBoot == "optional" {
		if secure := secureFirmware(all, def.arch, machine); secure != nil && !dev.Stateless {
			return secure, nil
		}
		if dev.SecureBoot == "required" {
			return nil, unsupported("Secure Boot is not supported by host with machine type " + def.machine())
		}
	}
	chosen := openFirmware(all, def.arch, machine)
	if dev.Stateless {
		chosen = statelessFirmware(all, def.arch, machine)
	}
	if chosen == nil {
		return nil, unsupported("UEFI is not supported by host with machine type " + def.machine())
	}
	return chosen, nil
}

// defaultFirmware is what guests start from that name nothing.
func defaultFirmware(arch string) string {
	if arch == "aarch64" {
		return "uefi"
	}
	return "bios"
}

// renewVariables removes the variables of a guest that is off and is to start from other firmware than they are of; libvirt makes new ones.
func (d *Driver) renewVariables(guest hypervisor.Guest, kept *manifest, chosen *firmware) error {
	template := ""
	if chosen != nil {
		template = chosen.Variables
	}
	if kept.Variables == template {
		return nil
	}
	if kept.Variables != "" {
		if err := d.layout.root.Remove(guestDir(guest.ID) + "/" + variablesFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove firmware variables of guest %s: %w", guest.ID, err)
		}
	}
	kept.Variables = template
	return d.layout.writeManifest(kept)
}
