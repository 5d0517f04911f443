package compute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"virga/core/api"
	"virga/service/compute/orders"
)

// serverDiagnostics answers GET …/diagnostics with what the host measures at this moment.
func (s *Service) serverDiagnostics(ctx context.Context, r *api.Request) (any, error) {
	row := api.Loaded[serverTarget](r).server
	if row.Host == "" {
		return nil, api.Conflict("Instance %s is not ready", row.ID)
	}
	text, err := s.askHost(ctx, row.Host, orders.QuestionDiagnostics, orders.GuestQuestion{ServerID: row.ID})
	switch {
	case errors.Is(err, errHostSilent):
		return nil, api.Conflict("The host of instance %s does not answer.", row.ID).Because(err)
	case saidInVain(err, orders.ErrNoGuest), saidInVain(err, orders.ErrOff):
		return nil, stateConflict("get_diagnostics", row.ID, "power state", powerNames[row.PowerState])
	case err != nil:
		return nil, api.Unavailable("The diagnostics cannot be read now.").Because(err)
	}
	var found orders.Diagnostics
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("read diagnostics of server %s: %w", row.ID, err)
	}
	if r.Version.Before(vDiagnostics) {
		return plainDiagnostics(&found), nil
	}
	return s.viewDiagnostics(row, &found), nil
}

// powerNames are nova's words for power states (nova/compute/power_state.py).
var powerNames = map[int]string{powerNone: "pending", powerRunning: "running", powerPaused: "paused", powerShutdown: "shutdown", powerCrashed: "crashed",
	powerSuspended: "suspended"}

// plainDiagnostics is the form before 2.48: the words of nova's libvirt driver.
func plainDiagnostics(d *orders.Diagnostics) map[string]int64 {
	view := map[string]int64{"memory": d.MemoryMaximum}
	for _, cpu := range d.CPUs {
		view[fmt.Sprintf("cpu%d_time", cpu.ID)] = cpu.Time
	}
	for _, disk := range d.Disks {
		for name, value := range map[string]int64{"read_req": disk.ReadRequests, "read": disk.ReadBytes, "write_req": disk.WriteRequests,
			"write": disk.WriteBytes, "errors": -1} { // libvirt's word for a count that QEMU does not have
			view[disk.Name+"_"+name] = value
		}
	}
	for _, nic := range d.NICs {
		for name, value := range map[string]int64{"rx": nic.RxOctets, "rx_packets": nic.RxPackets, "rx_errors": nic.RxErrors, "rx_drop": nic.RxDrop,
			"tx": nic.TxOctets, "tx_packets": nic.TxPackets, "tx_errors": nic.TxErrors, "tx_drop": nic.TxDrop} {
			view[nic.Tap+"_"+name] = value
		}
	}
	for name, value := range d.Memory {
		view["memory-"+name] = value
	}
	return view
}

// diagnosticsView is the form since 2.48, the same for all hypervisors. What no hypervisor
// here measures is null.
type diagnosticsView struct {
	State         string         `json:"state"`
	Driver        string         `json:"driver"`
	Hypervisor    string         `json:"hypervisor"`
	HypervisorOS  string         `json:"hypervisor_os"`
	Uptime        int64          `json:"uptime"`
	ConfigDrive   bool           `json:"config_drive"`
	CPUCount      int            `json:"num_cpus"`
	NICCount      int            `json:"num_nics"`
	DiskCount     int            `json:"num_disks"`
	CPUDetails    []cpuMeterView `json:"cpu_details"`
	NICDetails    []nicMeterView `json:"nic_details"`
	DiskDetails   []diskMeter    `json:"disk_details"`
	MemoryDetails memoryMeter    `json:"memory_details"`
}

type cpuMeterView struct {
	ID          int    `json:"id"`
	Time        int64  `json:"time"`
	Utilisation *int64 `json:"utilisation"`
}

type nicMeterView struct {
	MAC       string `json:"mac_address"`
	RxOctets  int64  `json:"rx_octets"`
	RxErrors  int64  `json:"rx_errors"`
	RxDrop    int64  `json:"rx_drop"`
	RxPackets int64  `json:"rx_packets"`
	RxRate    *int64 `json:"rx_rate"`
	TxOctets  int64  `json:"tx_octets"`
	TxErrors  int64  `json:"tx_errors"`
	TxDrop    int64  `json:"tx_drop"`
	TxPackets int64  `json:"tx_packets"`
	TxRate    *int64 `json:"tx_rate"`
}

type diskMeter struct {
	ReadBytes     int64  `json:"read_bytes"`
	ReadRequests  int64  `json:"read_requests"`
	WriteBytes    int64  `json:"write_bytes"`
	WriteRequests int64  `json:"write_requests"`
	Errors        *int64 `json:"errors_count"`
}

// memoryMeter is in MiB.
type memoryMeter struct {
	Maximum int64 `json:"maximum"`
	Used    int64 `json:"used"`
}

func (s *Service) viewDiagnostics(row *server, d *orders.Diagnostics) diagnosticsView {
	view := diagnosticsView{State: powerNames[powerRunning], Driver: d.Driver, Hypervisor: d.Hypervisor, HypervisorOS: "linux", ConfigDrive: row.ConfigDrive,
		CPUCount: len(d.CPUs), NICCount: len(d.NICs), DiskCount: len(d.Disks), CPUDetails: []cpuMeterView{}, NICDetails: []nicMeterView{}, DiskDetails: []diskMeter{},
		MemoryDetails: memoryMeter{Maximum: d.MemoryMaximum >> 10, Used: d.MemoryUsed >> 10}}
	if !row.LaunchedAt.IsZero() {
		view.Uptime = int64(s.clock.Now().Sub(row.LaunchedAt).Seconds())
	}
	for _, m := range d.CPUs {
		view.CPUDetails = append(view.CPUDetails, cpuMeterView{ID: m.ID, Time: m.Time})
	}
	for _, m := range d.NICs {
		view.NICDetails = append(view.NICDetails, nicMeterView{MAC: m.MAC, RxOctets: m.RxOctets, RxErrors: m.RxErrors, RxDrop: m.RxDrop, RxPackets: m.RxPackets,
			TxOctets: m.TxOctets, TxErrors: m.TxErrors, TxDrop: m.TxDrop, TxPackets: m.TxPackets})
	}
	for _, m := range d.Disks {
		view.DiskDetails = append(view.DiskDetails, diskMeter{ReadBytes: m.ReadBytes, ReadRequests: m.ReadRequests, WriteBytes: m.WriteBytes, WriteRequests: m.WriteRequests})
	}
	return view
}
