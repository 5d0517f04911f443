package libvirt

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// meterGroups are the groups of statistics that Diagnose asks for.
const meterGroups = rpc.DomainStatsState | rpc.DomainStatsVCPU | rpc.DomainStatsInterface | rpc.DomainStatsBlock | rpc.DomainStatsBalloon

// Diagnose implements hypervisor.Driver, with one RPC for all meters.
func (d *Driver) Diagnose(ctx context.Context, id string) (hypervisor.Diagnostics, error) {
	domain, err := d.active(ctx, id, true)
	if err != nil {
		return hypervisor.Diagnostics{}, fmt.Errorf("diagnose: %w", err)
	}
	records, err := call(ctx, d.conn, "measure guest "+id, func(l *rpc.Libvirt) ([]rpc.DomainStatsRecord, error) {
		return l.ConnectGetAllDomainStats([]rpc.Domain{domain}, uint32(meterGroups), 0)
	})
	if err != nil {
		return hypervisor.Diagnostics{}, err
	}
	live, err := d.describe(ctx, domain)
	if err != nil {
		return hypervisor.Diagnostics{}, err
	}
	result := hypervisor.Diagnostics{Driver: "libvirt", Hypervisor: live.Type, Memory: map[string]int64{}}
	for _, record := range records {
		metersOf(record.Params).read(&result)
	}
	for i := range result.NICs {
		result.NICs[i].MAC = macOf(live, result.NICs[i].Tap)
	}
	return result, nil
}

// macOf is the hardware address of the interface on a tap device.
func macOf(live *libvirtxml.Domain, tap string) string {
	for _, nic := range live.Devices.Interfaces {
		if nic.Target != nil && nic.Target.Dev == tap && nic.MAC != nil {
			return nic.MAC.Address
		}
	}
	return ""
}

// meters are a domain's statistics by libvirt's names (virConnectGetAllDomainStats).
type meters struct {
	numbers map[string]int64
	texts   map[string]string
}

func metersOf(params []rpc.TypedParam) meters {
	m := meters{numbers: map[string]int64{}, texts: map[string]string{}}
	for _, param := range params {
		switch value := param.Value.I.(type) {
		case int32:
			m.numbers[param.Field] = int64(value)
		case uint32:
			m.numbers[param.Field] = int64(value)
		case int64:
			m.numbers[param.Field] = value
		case uint64:
			m.numbers[param.Field] = int64(value)
		case string:
			m.texts[param.Field] = value
		}
	}
	return m
}

func (m meters) read(into *hypervisor.Diagnostics) {
	into.MemoryMaximum, into.MemoryUsed = m.numbers["balloon.maximum"], m.numbers["balloon.current"]
	for name, value := range m.numbers {
		if name, found := strings.CutPrefix(name, "balloon."); found && name != "maximum" {
			if name == "current" {
				name = "actual"
			}
			into.Memory[strings.ReplaceAll(name, "-", "_")] = value
		}
	}
	for i := range m.numbers["vcpu.maximum"] {
		if worked, there := m.numbers["vcpu."+strconv.FormatInt(i, 10)+".time"]; there {
			into.CPUs = append(into.CPUs, hypervisor.CPUMeter{ID: int(i), Time: worked})
		}
	}
	for i := range m.numbers["net.count"] {
		at := "net." + strconv.FormatInt(i, 10) + "."
		into.NICs = append(into.NICs, hypervisor.NICMeter{Tap: m.texts[at+"name"],
			RxOctets: m.numbers[at+"rx.bytes"], RxPackets: m.numbers[at+"rx.pkts"], RxErrors: m.numbers[at+"rx.errs"], RxDrop: m.numbers[at+"rx.drop"],
			TxOctets: m.numbers[at+"tx.bytes"], TxPackets: m.numbers[at+"tx.pkts"], TxErrors: m.numbers[at+"tx.errs"], TxDrop: m.numbers[at+"tx.drop"]})
	}
	for i := range m.numbers["block.count"] {
		at := "block." + strconv.FormatInt(i, 10) + "."
		into.Disks = append(into.Disks, hypervisor.DiskMeter{Name: m.texts[at+"name"], ReadBytes: m.numbers[at+"rd.bytes"],
			ReadRequests: m.numbers[at+"rd.reqs"], WriteBytes: m.numbers[at+"wr.bytes"], WriteRequests: m.numbers[at+"wr.reqs"]})
	}
}
