package compute

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/service/compute/orders"
)

func TestFlavorsLimitDisksAndInterfaces(t *testing.T) {
	t.Parallel()
	row := &server{Detail: serverDetail{Flavor: flavorSnapshot{ExtraSpecs: map[string]string{
		"quota:disk_read_bytes_sec": "1048576", "quota:disk_read_bytes_sec_max": "2097152", "quota:disk_read_bytes_sec_max_length": "30",
		"quota:disk_write_bytes_sec": "0", "quota:disk_total_iops_sec": " 100 ", "quota:vif_inbound_average": "1000", "quota:vif_inbound_burst": "500",
		"quota:vif_outbound_peak": "9"}}}, NICs: []nic{{PortID: "0123456789abcdef"}}}
	body := guestBody(row)
	want := orders.DiskLimits{ReadBytes: orders.Rate{PerSecond: 1 << 20, Burst: 2 << 20, BurstSeconds: 30}, TotalOps: orders.Rate{PerSecond: 100}}
	if diff := cmp.Diff(want, body.Storage.Limits); diff != "" {
		t.Error(diff)
	}
	if got := body.NICs[0]; got.Inbound != (orders.Bandwidth{Average: 1000, Burst: 500}) || got.Outbound != (orders.Bandwidth{}) {
		t.Errorf("the interface is %+v", got)
	}
}

func TestDisksThatNoHostGivesAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ specs, properties, want string }{
		"nothing":              {},
		"all that there is":    {properties: "hw_disk_bus=scsi hw_cdrom_bus=sata hw_scsi_model=paravirtual", specs: "quota:disk_read_iops_sec=5"},
		"a hypervisor's bus":   {properties: "hw_disk_bus=xen", want: "Requested hardware 'xen' is not supported by the 'libvirt' virt driver"},
		"a CD on virtio":       {properties: "hw_cdrom_bus=virtio", want: "Requested hardware 'virtio' is not supported by the 'libvirt' virt driver"},
		"IDE without IDE":      {properties: "hw_disk_bus=ide hw_machine_type=pc-q35-7.2", want: "Requested hardware 'ide' is not supported by the 'libvirt' virt driver"},
		"a foreign controller": {properties: "hw_scsi_model=ibmvscsi", want: "Requested hardware 'ibmvscsi' is not supported by the 'libvirt' virt driver"},
		"total and one of it": {specs: "quota:disk_total_bytes_sec=5 quota:disk_read_bytes_sec=3",
			want: "Flavor f has quota:disk_total_bytes_sec set together with quota:disk_read_bytes_sec or quota:disk_write_bytes_sec."},
		"a burst below": {specs: "quota:disk_read_iops_sec=5 quota:disk_read_iops_sec_max=3",
			want: "Flavor f has a burst for quota:disk_read_iops_sec that is no more than what is allowed at any time."},
		"no number": {specs: "quota:vif_inbound_average=much", want: "Flavor f has quota:vif_inbound_average set to 'much', which is no number from 0 to 4294967296."},
		"too much":  {specs: "quota:disk_read_bytes_sec=9999999999999999", want: "Flavor f has quota:disk_read_bytes_sec set to '9999999999999999', which is no number from 0 to 1000000000000000."},
	} {
		err := checkGuest(&flavorSnapshot{Name: "f", ExtraSpecs: pairs(test.specs)}, &imageSnapshot{Name: "i", Properties: pairs(test.properties)})
		if got := textOf(err); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestBlockDevicesBecomeDisks(t *testing.T) {
	t.Parallel()
	index := func(n int64) *flexInt { return (*flexInt)(&n) }
	blank := func(size int64, format string) blockDevice {
		d := blockDevice{SourceType: "blank", DestinationType: "local", GuestFormat: format, DiskBus: "scsi"}
		if size > 0 {
			d.VolumeSize = index(size)
		}
		return d
	}
	root := blockDevice{SourceType: "image", UUID: "i", BootIndex: index(0), DiskBus: "sata"}
	f := &flavor{Ephemeral: 5, SwapMiB: 64}
	const sequence = "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid."
	const larger = "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device mapping, flavor ephemeral size will be used."
	for name, test := range map[string]struct {
		ref     string
		devices []blockDevice
		want    *localDisks
		refused string
	}{
		"none":        {ref: "i", want: &localDisks{}},
		"all":         {ref: "i", devices: []blockDevice{root, blank(2, "vfat"), blank(3, ""), blank(32, "swap")}, want: &localDisks{RootBus: "sata", Ephemerals: []orders.Ephemeral{{GiB: 2, Format: "vfat", Bus: "scsi"}, {GiB: 3, Bus: "scsi"}}, SwapMiB: 32, SwapBus: "scsi"}},
		"the whole":   {ref: "i", devices: []blockDevice{blank(0, "ext4")}, want: &localDisks{Ephemerals: []orders.Ephemeral{{GiB: 5, Format: "ext4", Bus: "scsi"}}}},
		"no device":   {ref: "i", devices: []blockDevice{{NoDevice: true, SourceType: "volume"}}, want: &localDisks{}},
		"too much":    {ref: "i", devices: []blockDevice{blank(3, ""), blank(3, "")}, refused: larger},
		"twice whole": {ref: "i", devices: []blockDevice{blank(0, ""), blank(1, "")}, refused: larger},
		"much swap":   {ref: "i", devices: []blockDevice{blank(65, "swap")}, refused: "Swap drive requested is larger than instance type allows."},
		"two swaps":   {ref: "i", devices: []blockDevice{blank(1, "swap"), blank(1, "swap")}, refused: "Block Device Mapping is Invalid: More than one swap drive requested."},
		"a format":    {ref: "i", devices: []blockDevice{blank(1, "reiserfs")}, refused: "Block Device Mapping is Invalid: reiserfs format is not supported"},
		"a bus":       {ref: "i", devices: []blockDevice{{SourceType: "blank", DiskBus: "isa"}}, refused: "Block Device Mapping is invalid: The provided disk bus isa is not valid."},
		"a CD":        {ref: "i", devices: []blockDevice{{SourceType: "blank", DeviceType: "cdrom"}}, refused: "Block Device Mapping is Invalid: device_type cdrom is not supported for disks on the host."},
		"no source":   {ref: "i", devices: []blockDevice{{DestinationType: "local"}}, refused: "Block Device Mapping is Invalid: Some required fields are missing"},
		"blank of":    {ref: "i", devices: []blockDevice{{SourceType: "blank", UUID: "x"}}, refused: "Block Device Mapping is Invalid: Invalid device UUID."},
		"of nothing":  {ref: "i", devices: []blockDevice{{SourceType: "image"}}, refused: "Block Device Mapping is Invalid: Missing device UUID."},
		"not booted":  {ref: "i", devices: []blockDevice{{SourceType: "image", UUID: "i"}}, refused: "Block Device Mapping is Invalid: Mapping image to local is not supported."},
		"a volume":    {ref: "i", devices: []blockDevice{{SourceType: "volume", UUID: "v"}}, refused: "Block Device Mapping is Invalid: failed to get volume v."},
		"new volume":  {ref: "i", devices: []blockDevice{{SourceType: "blank", DestinationType: "volume"}}, refused: "Block Device Mapping is Invalid: source_type blank with destination_type volume needs volumes, which are not supported here."},
		"two first":   {ref: "i", devices: []blockDevice{root, {SourceType: "blank", BootIndex: index(0)}}, refused: sequence},
		"a gap":       {ref: "i", devices: []blockDevice{root, {SourceType: "blank", BootIndex: index(2)}}, refused: sequence},
		"nothing":     {devices: []blockDevice{blank(1, "")}, refused: sequence},
		"two images":  {ref: "j", devices: []blockDevice{root}, refused: "Block Device Mapping is Invalid: the boot disk and imageRef name different images."},
	} {
		in := &serverFields{ImageRef: test.ref, Devices: test.devices}
		var got *localDisks
		_, err := readDevices(in)
		if err == nil {
			got, err = localDisksOf(in.Devices, f)
		}
		if text := textOf(err); text != test.refused {
			t.Errorf("%s: got %q, want %q", name, text, test.refused)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDisksOfServers(t *testing.T) {
	t.Parallel()
	row := &server{ImageID: "cd", Detail: serverDetail{Image: imageSnapshot{DiskFormat: "iso", Size: 9, VirtualSize: 9, SHA512: "s",
		Properties: map[string]string{"os_type": "windows", "hw_cdrom_bus": "sata", "hw_scsi_model": "lsilogicSAS"}},
		Flavor: flavorSnapshot{RootGiB: 3, Ephemeral: 2, SwapMiB: 64}, Disks: &localDisks{SwapMiB: 16, SwapBus: "ide"}}}
	body := guestBody(row)
	iso := orders.Image{ID: "cd", SHA512: "s", Size: 9, DiskFormat: "raw", VirtualSize: 9}
	want := orders.Storage{SwapBus: "ide", CDROMBus: "sata", SCSIModel: "lsisas1068", DriveIsCD: true, ISO: &iso, Ephemerals: []orders.Ephemeral{{GiB: 2, Format: "vfat"}}}
	if diff := cmp.Diff(want, body.Storage); diff != "" || body.Image != nil || body.Flavor.SwapMiB != 16 || body.Flavor.RootGiB != 3 {
		t.Errorf("the order is %+v; %s", body, diff)
	}
	if old := guestBody(&server{ImageID: "i", Detail: serverDetail{Image: imageSnapshot{DiskFormat: "ami"}, Flavor: flavorSnapshot{Ephemeral: 2}}}); !cmp.Equal(old.Storage, orders.Storage{}) ||
		old.Image.DiskFormat != "raw" {
		t.Errorf("a server of before is ordered as %+v", old)
	}
	row.ConfigDrive, row.Detail.Image.Properties = true, map[string]string{"hw_disk_bus": "ide"}
	if err := checkDiskCount(row); err == nil { // root, ephemeral, swap, CD and config drive
		t.Error("five disks on IDE are let through")
	}
	row.Detail.Disks = nil // the config drive is no CD then
	if err := checkDiskCount(row); err != nil {
		t.Errorf("four disks on IDE: %v", err)
	}
}

// pairs reads "name=value name=value".
func pairs(text string) map[string]string {
	found := map[string]string{}
	for pair := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(pair, "=")
		found[name] = value
	}
	return found
}

func TestRootDevicesAndKernelsAreNamed(t *testing.T) {
	t.Parallel()
	for want, row := range map[string]*server{
		"/dev/vda": {},
		"/dev/hda": {Detail: serverDetail{Image: imageSnapshot{DiskFormat: "iso"}}},
		"/dev/sda": {Detail: serverDetail{Image: imageSnapshot{DiskFormat: "iso", Properties: map[string]string{"hw_machine_type": "q35"}}}},
	} {
		if got := rootDevice(row, task{}); got != want {
			t.Errorf("the root device is %s, want %s", got, want)
		}
	}
	row := &server{Detail: serverDetail{Image: imageSnapshot{Properties: map[string]string{"hw_disk_bus": "ide", "kernel_id": "http://images/k", "ramdisk_id": "r"}},
		Disks: &localDisks{RootBus: "scsi"}}}
	if got := rootDevice(row, task{}) + " " + kernelOfServer(row, task{}) + " " + ramdiskOfServer(row, task{}); got != "/dev/sda k r" {
		t.Errorf("got %s", got)
	}
	row.Detail.Image.Properties["kernel_id"] = "nokernel"
	if kernel, ramdisk := kernelNames(row.Detail.Image.Properties); kernel != "" || ramdisk != "" {
		t.Errorf("without a kernel there are %q and %q", kernel, ramdisk)
	}
}
