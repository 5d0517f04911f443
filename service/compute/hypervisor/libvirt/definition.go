package libvirt

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"libvirt.org/go/libvirtxml"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
)

// definition is all that a guest's domain XML depends on.
type definition struct {
	guest    hypervisor.Guest
	kind     string // "kvm" or "qemu"
	arch     string
	cache    string // QEMU's disk cache mode
	dir      string // the guest's directory, absolute
	base     string // the cached image beneath the root disk, absolute; "": none
	baseType string // its format
	hasRoot  bool
	drive    bool // a config drive is attached

	cpus         CPUConfig
	model        string          // of the processor, where the configuration names models
	confined     cpus.Set        // the host's processors for guests that share, if they are set apart
	placement    *cpus.Placement // of the guest's NUMA nodes; nil: it has none
	firmware     *firmware       // nil: the board's own
	memoryPeriod uint            // how often a guest tells how much memory it uses, in seconds; 0: never, and there is no balloon

	rescueBase string // the cached image beneath the rescue disk, absolute; "": the guest is not rescued

	iso, kernel, ramdisk string // cached files that the guest starts from, absolute; "": none
}

// render returns the domain XML; the same definition gives the same text.
func (def definition) render() (string, error) {
	domain := def.domain()
	text, err := domain.Marshal()
	if err != nil {
		return "", fmt.Errorf("render domain of guest %s: %w", def.guest.ID, err)
	}
	return text, nil
}

func (def definition) domain() libvirtxml.Domain {
	domain := libvirtxml.Domain{
		Type:     def.kind,
		Name:     domainName(def.guest.ID),
		UUID:     def.guest.ID,
		Metadata: &libvirtxml.DomainMetadata{XML: def.metadata()},
		Memory:   &libvirtxml.DomainMemory{Value: uint(def.guest.MemoryMiB), Unit: "MiB"},
		VCPU:     def.vcpu(),
		CPUTune:  def.cpuTune(), NUMATune: def.numaTune(), MemoryBacking: def.memoryBacking(), MemoryTune: def.memoryTune(),
		SysInfo: []libvirtxml.DomainSysInfo{{SMBIOS: def.smbios()}},
		OS: &libvirtxml.DomainOS{
			Type:   &libvirtxml.DomainOSType{Arch: def.arch, Machine: def.machine(), Type: "hvm"},
			SMBios: &libvirtxml.DomainSMBios{Mode: "sysinfo"},
		},
		Features:   &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}, APIC: &libvirtxml.DomainFeatureAPIC{}, PMU: def.pmu()},
		CPU:        def.cpu(),
		Clock:      def.clock(),
		OnPoweroff: "destroy",
		OnReboot:   "restart",
		OnCrash:    "destroy",
		PM: &libvirtxml.DomainPM{
			SuspendToMem:  &libvirtxml.DomainPMPolicy{Enabled: "no"},
			SuspendToDisk: &libvirtxml.DomainPMPolicy{Enabled: "no"},
		},
		Devices: def.devices(),
	}
	def.bootKernel(domain.OS)
	def.furnish(&domain)
	return domain
}

func (def definition) machine() string {
	if def.guest.Hints.Machine != "" {
		return def.guest.Hints.Machine
	}
	if def.arch == "x86_64" {
		// The plainer board starts faster and takes hot-plugged devices on its one bus.
		return "pc"
	}
	return "virt"
}

func (def definition) clock() *libvirtxml.DomainClock {
	clock := &libvirtxml.DomainClock{Offset: "utc"}
	if def.arch == "x86_64" {
		clock.Timer = []libvirtxml.DomainTimer{
			{Name: "rtc", TickPolicy: "catchup"}, {Name: "pit", TickPolicy: "delay"}, {Name: "hpet", Present: "no"},
		}
	}
	return clock
}

// smbios is how guests find out that they are on OpenStack (cloud-init's ds-identify reads product and manufacturer).
func (def definition) smbios() *libvirtxml.DomainSysInfoSMBIOS {
	return &libvirtxml.DomainSysInfoSMBIOS{System: &libvirtxml.DomainSysInfoSystem{Entry: []libvirtxml.DomainSysInfoEntry{
		{Name: "manufacturer", Value: "OpenStack Foundation"},
		{Name: "product", Value: "OpenStack Nova"},
		{Name: "version", Value: "Virga"},
		{Name: "serial", Value: def.guest.ID},
		{Name: "uuid", Value: def.guest.ID},
		{Name: "family", Value: "Virtual Machine"},
	}}}
}

// metadata renders our own element and, for tools that know it, nova's (nova's libvirt metadata, namespace version 1.1).
func (def definition) metadata() string {
	var b strings.Builder
	guest, meta := def.guest, def.guest.Metadata
	fmt.Fprintf(&b, `<virga:guest xmlns:virga="urn:virga:guest:1" generation="%d"/>`, guest.Generation)
	b.WriteString(`<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">`)
	fmt.Fprintf(&b, `<nova:name>%s</nova:name>`, escape(guest.Name))
	if !meta.CreatedAt.IsZero() {
		fmt.Fprintf(&b, `<nova:creationTime>%s</nova:creationTime>`, meta.CreatedAt.UTC().Format(time.DateTime))
	}
	fmt.Fprintf(&b, `<nova:flavor name="%s"><nova:memory>%d</nova:memory><nova:disk>%d</nova:disk><nova:swap>%d</nova:swap>`+
		`<nova:ephemeral>%d</nova:ephemeral><nova:vcpus>%d</nova:vcpus></nova:flavor>`, escape(meta.FlavorName), guest.MemoryMiB,
		guest.RootGiB, guest.SwapMiB, guest.EphemeralGiB, guest.VCPUs)
	fmt.Fprintf(&b, `<nova:owner><nova:user uuid="%s">%s</nova:user><nova:project uuid="%s">%s</nova:project></nova:owner>`,
		escape(meta.UserID), escape(meta.UserName), escape(meta.ProjectID), escape(meta.ProjectName))
	if guest.Image != nil {
		fmt.Fprintf(&b, `<nova:root type="image" uuid="%s"/>`, guest.Image.ID)
	}
	b.WriteString(`</nova:instance>`)
	return b.String()
}

func escape(text string) string {
	var b strings.Builder
	// A strings.Builder takes everything.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

func (def definition) devices() *libvirtxml.DomainDeviceList {
	port := uint(0)
	devices := &libvirtxml.DomainDeviceList{
		Disks:       def.disks(),
		Controllers: def.controllers(),
		Serials: []libvirtxml.DomainSerial{{
			Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
			Target: &libvirtxml.DomainSerialTarget{Port: &port},
			Log:    &libvirtxml.DomainChardevLog{File: def.dir + "/" + consoleLog, Append: "off"},
		}},
		// No network port, and no file name of ours to guess: libvirt makes a socket in the domain's own directory.
		Graphics: []libvirtxml.DomainGraphic{{VNC: &libvirtxml.DomainGraphicVNC{
			Listeners: []libvirtxml.DomainGraphicListener{{Socket: &libvirtxml.DomainGraphicListenerSocket{}}},
		}}},
		RNGs: []libvirtxml.DomainRNG{{Model: "virtio", Backend: &libvirtxml.DomainRNGBackend{
			Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}}}},
	}
	if def.guest.Hints.Agent {
		devices.Channels = []libvirtxml.DomainChannel{agentChannel()}
	}
	for _, nic := range def.guest.NICs {
		devices.Interfaces = append(devices.Interfaces, interfaceFor(def.guest, def.kind, nic))
	}
	return devices
}

// spareSlots is how many devices can be hot-plugged on a PCI Express board, which needs a port for each.
const spareSlots = 12

func (def definition) controllers() []libvirtxml.DomainController {
	controllers := def.diskControllers()
	machine := def.machine()
	if machine != "virt" && machine != "q35" && !strings.HasPrefix(machine, "pc-q35") {
		return controllers
	}
	controllers = append(controllers, libvirtxml.DomainController{Type: "pci", Model: "pcie-root"})
	for range spareSlots {
		controllers = append(controllers, libvirtxml.DomainController{Type: "pci", Model: "pcie-root-port"})
	}
	return controllers
}

// interfaceOf describes one interface on a tap device that exists and stays when the guest ends.
func interfaceOf(nic hypervisor.NIC) libvirtxml.DomainInterface {
	model := nic.Model
	if model == "" {
		model = "virtio"
	}
	result := libvirtxml.DomainInterface{
		MAC:    &libvirtxml.DomainInterfaceMAC{Address: strings.ToLower(nic.MAC)},
		Source: &libvirtxml.DomainInterfaceSource{Ethernet: &libvirtxml.DomainInterfaceSourceEthernet{}},
		Target: &libvirtxml.DomainInterfaceTarget{Dev: nic.Tap, Managed: "no"},
		Model:  &libvirtxml.DomainInterfaceModel{Type: model},
		// Guests do not boot from the network; the ROM would only slow the firmware down.
		ROM:   &libvirtxml.DomainROM{Enabled: "no"},
		Alias: &libvirtxml.DomainAlias{Name: nicAlias(nic.PortID)},
	}
	if nic.MTU > 0 {
		result.MTU = &libvirtxml.DomainInterfaceMTU{Size: uint(nic.MTU)}
	}
	return result
}
