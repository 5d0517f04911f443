package libvirt

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// abilities are what guests of this machine's architecture can have on this host.
type abilities struct {
	// machines are the boards by name and by alias, with the name that stands for each ("q35": "pc-q35-7.2").
	machines map[string]string
	videos   []string
	buses    []string // of disks
	libvirt  uint64   // versions: major*1000000 + minor*1000 + release
	qemu     uint64
}

// boards are those by which an architecture's abilities are found out.
func boards(arch string) []string {
	if arch == "x86_64" {
		return []string{"pc", "q35"}
	}
	return []string{"virt"}
}

// askAbilities asks libvirt for what a kind of guests can have.
func askAbilities(l *rpc.Libvirt, kind string) (abilities, error) {
	found := abilities{machines: map[string]string{}}
	text, err := l.ConnectGetCapabilities()
	if err != nil {
		return found, err
	}
	var caps libvirtxml.Caps
	if err := xml.Unmarshal([]byte(text), &caps); err != nil {
		return found, fmt.Errorf("read libvirt's capabilities: %w", err)
	}
	if found.libvirt, err = l.ConnectGetLibVersion(); err != nil {
		return found, err
	}
	if found.qemu, err = l.ConnectGetVersion(); err != nil {
		return found, err
	}
	arch := machineArch()
	for _, guest := range caps.Guests {
		if guest.Arch.Name != arch {
			continue
		}
		found.addMachines(guest.Arch.Machines)
		for _, domain := range guest.Arch.Domains {
			found.addMachines(domain.Machines)
		}
	}
	for _, board := range boards(arch) {
		text, err := l.ConnectGetDomainCapabilities(nil, rpc.OptString{arch}, rpc.OptString{board}, rpc.OptString{kind}, 0)
		if err != nil {
			continue // this QEMU has no such board
		}
		var can libvirtxml.DomainCaps
		if err := xml.Unmarshal([]byte(text), &can); err != nil {
			return found, fmt.Errorf("read libvirt's capabilities of %s: %w", board, err)
		}
		if can.Devices != nil {
			found.videos = append(found.videos, valuesOf(can.Devices.Video, "modelType")...)
			found.buses = append(found.buses, valuesOf(can.Devices.Disk, "bus")...)
		}
	}
	return found, nil
}

func (a *abilities) addMachines(machines []libvirtxml.CapsGuestMachine) {
	for _, machine := range machines {
		a.machines[machine.Name] = machine.Name
		if machine.Canonical != "" {
			a.machines[machine.Name] = machine.Canonical
		}
	}
}

func valuesOf(device *libvirtxml.DomainCapsDevice, name string) []string {
	if device == nil || device.Supported != "yes" {
		return nil
	}
	for _, enum := range device.Enums {
		if enum.Name == name {
			return enum.Values
		}
	}
	return nil
}

// able returns what guests can have here, as it was found out last.
func (d *Driver) able(ctx context.Context) (abilities, error) {
	d.facts.Lock()
	known := d.abilities
	d.facts.Unlock()
	if known != nil {
		return *known, nil
	}
	return d.findAbilities(ctx)
}

// findAbilities finds out anew what guests can have here: QEMU may be another one since.
func (d *Driver) findAbilities(ctx context.Context) (abilities, error) {
	kind, err := d.domainKind(ctx)
	if err != nil {
		return abilities{}, err
	}
	found, err := call(ctx, d.conn, "ask what guests can have", func(l *rpc.Libvirt) (abilities, error) { return askAbilities(l, kind.name) })
	if err != nil {
		return abilities{}, err
	}
	d.facts.Lock()
	d.abilities = &found
	d.facts.Unlock()
	return found, nil
}

// fits refuses a guest that this host's QEMU cannot run.
func (a abilities) fits(def definition) error {
	dev, machine := def.guest.Devices, def.machine()
	unsupported := func(format string, args ...any) error {
		return fmt.Errorf("define guest %s: %w: %s", def.guest.ID, hypervisor.ErrUnsupported, fmt.Sprintf(format, args...))
	}
	if _, known := a.machines[machine]; !known {
		return unsupported("'%s' is not valid/supported machine type", machine)
	}
	if dev.Video != "" && !slices.Contains(a.videos, dev.Video) {
		return unsupported("provided video model (%s) is not supported", dev.Video)
	}
	if dev.Sound != "" && !slices.Contains(a.sounds(), dev.Sound) {
		return unsupported("sound model %s is not supported", dev.Sound)
	}
	for _, nic := range def.guest.NICs {
		if nic.Model != "" && !slices.Contains(a.vifs(), nic.Model) {
			return unsupported("requested hardware '%s' is not supported by the '%s' virt driver", nic.Model, def.kind)
		}
	}
	if dev.IOMMU == "" {
		return nil
	}
	switch model := def.iommuModel(); {
	case def.arch == "x86_64" && !isQ35(machine), def.arch == "aarch64" && !isVirt(machine):
		return unsupported("vIOMMU is not supported by current machine type %s (architecture: %s)", machine, def.arch)
	case def.arch != "x86_64" && def.arch != "aarch64":
		return unsupported("vIOMMU required either x86 or AArch64 architecture, but given architecture %s", def.arch)
	case !slices.Contains(a.iommus(def.arch), model):
		return unsupported("vIOMMU model %s is not supported on %s", model, def.arch)
	}
	return nil
}

// The versions from which libvirt and QEMU know what libvirt does not list (nova's MIN_ constants).
const (
	libvirtVirtioSound, qemuVirtioSound = 10_004_000, 8_002_000
	libvirtIGB, qemuIGB                 = 9_003_000, 8_000_000
	libvirtVirtioIOMMU                  = 8_003_000
	// qemuNoSoundHW is the first QEMU without the option by which libvirt gives a guest the PC's speaker.
	qemuNoSoundHW = 7_001_000
)

func (a abilities) sounds() []string {
	models := []string{"sb16", "es1370", "ac97", "ich6", "ich9", "usb"}
	if a.qemu < qemuNoSoundHW {
		models = append(models, "pcspk")
	}
	if a.libvirt >= libvirtVirtioSound && a.qemu >= qemuVirtioSound {
		models = append(models, "virtio")
	}
	return models
}

// vifs are the models of interfaces that QEMU has on a PCI bus.
func (a abilities) vifs() []string {
	models := []string{"virtio", "ne2k_pci", "pcnet", "rtl8139", "e1000", "e1000e", "vmxnet3"}
	if a.libvirt >= libvirtIGB && a.qemu >= qemuIGB {
		models = append(models, "igb")
	}
	return models
}

func (a abilities) iommus(arch string) []string {
	models := map[string][]string{"x86_64": {"intel"}, "aarch64": {"smmuv3"}}[arch]
	if a.libvirt >= libvirtVirtioIOMMU {
		models = append(models, "virtio")
	}
	return models
}
