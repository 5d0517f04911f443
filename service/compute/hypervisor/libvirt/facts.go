package libvirt

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"runtime"
	"slices"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
)

// machineArch is this machine's architecture as libvirt and nova name it.
func machineArch() string {
	names := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "loong64": "loongarch64"}
	return cmp.Or(names[runtime.GOARCH], runtime.GOARCH)
}

// hostAnswers is what libvirt says about the host.
type hostAnswers struct {
	name    string
	kind    string
	version uint64
	libvirt uint64 // libvirt's own version
	caps    libvirtxml.Caps
	cpus    int32
	cells   int32
	sockets int32
	cores   int32
	threads int32
}

// Facts implements hypervisor.Driver.
func (d *Driver) Facts(ctx context.Context) (hypervisor.Facts, error) {
	answers, err := call(ctx, d.conn, "ask for the host's facts", askHost)
	if err != nil {
		return hypervisor.Facts{}, err
	}
	kind, err := d.domainKind(ctx)
	if err != nil {
		return hypervisor.Facts{}, err
	}
	memory, err := hostMemory()
	if err != nil {
		return hypervisor.Facts{}, err
	}
	size, free, err := d.layout.space()
	if err != nil {
		return hypervisor.Facts{}, err
	}
	host, err := d.hostCPUs(ctx, &answers, kind.name)
	if err != nil {
		return hypervisor.Facts{}, fmt.Errorf("share out the host's processors: %w", err)
	}
	can, err := d.findAbilities(ctx)
	if err != nil {
		return hypervisor.Facts{}, err
	}
	traits, err := d.traits(can)
	if err != nil {
		return hypervisor.Facts{}, err
	}
	return hypervisor.Facts{
		HostName: answers.name, HypervisorType: answers.kind, HypervisorVersion: int(answers.version),
		VCPUs: len(host.Shared) + len(host.Dedicated), MemoryMiB: memory >> 20,
		LocalDiskGiB: size / hypervisor.GiB, LocalDiskFreeGiB: free / hypervisor.GiB,
		CPU:        cpuInfo(answers),
		DomainType: kind.name, DomainTypeReason: kind.reason,
		Supported: supported(answers.caps, kind.name), Traits: traits,
		CPUs: host,
	}, nil
}

func askHost(l *rpc.Libvirt) (hostAnswers, error) {
	var answers hostAnswers
	var err error
	if answers.name, err = l.ConnectGetHostname(); err != nil {
		return answers, err
	}
	if answers.kind, err = l.ConnectGetType(); err != nil {
		return answers, err
	}
	if answers.version, err = l.ConnectGetVersion(); err != nil {
		return answers, err
	}
	if answers.libvirt, err = l.ConnectGetLibVersion(); err != nil {
		return answers, err
	}
	text, err := l.ConnectGetCapabilities()
	if err != nil {
		return answers, err
	}
	if err := xml.Unmarshal([]byte(text), &answers.caps); err != nil {
		return answers, fmt.Errorf("read libvirt's capabilities: %w", err)
	}
	_, _, answers.cpus, _, answers.cells, answers.sockets, answers.cores, answers.threads, err = l.NodeGetInfo()
	return answers, err
}

// hostMemory is the machine's memory in bytes. It is not asked of libvirt, whose figure leaves out memory that was plugged in without
// being counted to a NUMA node.
func hostMemory() (int64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("measure memory: %w", err)
	}
	return int64(info.Totalram) * int64(info.Unit), nil
}

func cpuInfo(answers hostAnswers) hypervisor.CPUInfo {
	info := hypervisor.CPUInfo{Features: []string{}, Topology: hypervisor.CPUTopology{
		Cells:   max(1, int(answers.cells)),
		Sockets: max(1, int(answers.sockets)),
		Cores:   max(1, int(answers.cores)),
		Threads: max(1, int(answers.threads)),
	}}
	cpu := answers.caps.Host.CPU
	if cpu == nil {
		info.Arch = machineArch()
		return info
	}
	info.Arch, info.Model, info.Vendor = cpu.Arch, cpu.Model, cpu.Vendor
	if cpu.MaxPhysAddr != nil {
		info.MaxPhysAddr = &cpus.Address{Mode: cpu.MaxPhysAddr.Mode, Bits: int(cpu.MaxPhysAddr.Bits)}
	}
	for _, feature := range cpu.FeatureFlags {
		info.Features = append(info.Features, feature.Name)
	}
	slices.Sort(info.Features)
	return info
}

// supported lists the guests that the host can run; kvm only where it is known to work.
func supported(caps libvirtxml.Caps, kind string) []hypervisor.SupportedGuest {
	var all []hypervisor.SupportedGuest
	for _, guest := range caps.Guests {
		for _, domain := range guest.Arch.Domains {
			if domain.Type == "kvm" && kind != "kvm" {
				continue
			}
			entry := hypervisor.SupportedGuest{Arch: guest.Arch.Name, Type: domain.Type, Mode: guest.OSType}
			if !slices.Contains(all, entry) {
				all = append(all, entry)
			}
		}
	}
	slices.SortFunc(all, func(a, b hypervisor.SupportedGuest) int {
		return cmp.Or(strings.Compare(a.Arch, b.Arch), strings.Compare(a.Type, b.Type), strings.Compare(a.Mode, b.Mode))
	})
	return all
}

// domainKind finds out, once, how guests are run.
func (d *Driver) domainKind(ctx context.Context) (domainKind, error) {
	d.facts.Lock()
	defer d.facts.Unlock()
	if d.kind.name != "" {
		return d.kind, nil
	}
	if d.config.DomainType != "" {
		d.kind = domainKind{name: d.config.DomainType, reason: "set in the configuration"}
		return d.kind, nil
	}
	kind := hostProbe(d.config.QEMU).run(ctx)
	if err := ctx.Err(); err != nil {
		return domainKind{}, fmt.Errorf("find out whether KVM works: %w", err)
	}
	d.kind = kind
	d.config.Log.Info("guests will run as", "domain_type", kind.name, "reason", kind.reason)
	return kind, nil
}
