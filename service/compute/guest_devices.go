package compute

import (
	"strconv"
	"strings"

	"virga/core/api"
	"virga/service/compute/orders"
)

// What a guest's devices are, by nova's rules (nova/virt/hardware.py, and _get_guest_config of nova/virt/libvirt/driver.py).

// checkDevices refuses a flavor and an image that ask for devices which contradict each other.
func checkDevices(a asked) error {
	_, err := devicesOf(a)
	return err
}

// deviceReader reads devices and keeps the first thing that is wrong. What it has read besides is there all the same: a server that
// was admitted when a rule was not known yet has devices, too.
type deviceReader struct {
	asked
	err error
}

func devicesOf(a asked) (orders.Devices, error) {
	r := deviceReader{asked: a}
	d := orders.Devices{
		BootMenu: r.bootMenu(), Watchdog: r.watchdog(), SerialPorts: r.serialPorts(),
		Sound: r.either("hw", "sound_model"), USB: r.either("hw", "usb_model"), HideHypervisor: r.hidesHypervisor(),
		Windows: strings.EqualFold(r.property("os_type"), "windows"), IOMMU: r.iommu(),
		MultiQueue: r.multiQueue(), PackedRing: r.both("hw", "virtio_packed_ring"),
	}
	d.HPET, _ = r.propertyFlag("hw_time_hpet")
	if d.USB == "none" {
		d.USB = ""
	}
	r.firmware(&d)
	r.video(&d)
	r.random(&d)
	r.inputs(&d)
	r.unsupported()
	return d, r.err
}

func (r *deviceReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// either is a word that flavor or image may set.
func (r *deviceReader) either(prefix, key string) string {
	word, err := r.word(prefix, key)
	if err != nil {
		r.fail(err)
	}
	return word
}

// both is a flag that flavor or image may set.
func (r *deviceReader) both(prefix, key string) bool {
	value, _, err := r.flag(prefix, key)
	if err != nil {
		r.fail(err)
	}
	return value
}

func (r *deviceReader) firmware(d *orders.Devices) {
	d.Firmware, d.SecureBoot = r.property("hw_firmware_type"), r.either("os", "secure_boot")
	if d.Firmware == "" && r.architecture() == "aarch64" { // such machines have no BIOS
		d.Firmware = "uefi"
	}
	if stateless, _ := r.propertyFlag("hw_firmware_stateless"); stateless && d.Firmware == "uefi" { // nova ignores it elsewhere
		d.Stateless = true
	}
}

// bootMenu: the image's word goes before the flavor's.
func (r *deviceReader) bootMenu() bool {
	if value, given := r.propertyFlag("hw_boot_menu"); given {
		return value
	}
	value, _ := r.specFlag("hw:boot_menu")
	return value
}

// video: an image may ask for as much memory as the flavor allows, which is none unless it says so.
func (r *deviceReader) video(d *orders.Devices) {
	d.Video, d.VideoMiB = r.property("hw_video_model"), r.number("hw_video_ram")
	most, _ := strconv.ParseInt(strings.TrimSpace(r.spec("hw_video:ram_max_mb")), 10, 64) // checked with the flavor; else it allows nothing
	if d.VideoMiB > most {
		r.fail(api.BadRequest("The requested amount of video memory %d is higher than the maximum allowed by flavor %d.", d.VideoMiB, most))
		d.VideoMiB = 0
	}
}

// defaultRNGPeriod is libvirt's period of a bound on random bytes, in milliseconds.
const defaultRNGPeriod = 1000

func (r *deviceReader) random(d *orders.Devices) {
	allowed, given := r.specFlag("hw_rng:allowed")
	d.NoRNG = given && !allowed
	d.RNGBytes, _ = strconv.ParseInt(strings.TrimSpace(r.spec("hw_rng:rate_bytes")), 10, 64)
	if d.RNGBytes <= 0 || d.NoRNG {
		d.RNGBytes = 0
		return
	}
	d.RNGPeriod, _ = strconv.ParseInt(strings.TrimSpace(r.spec("hw_rng:rate_period")), 10, 64)
	if d.RNGPeriod <= 0 {
		d.RNGPeriod = defaultRNGPeriod
	}
}

// watchdog: the image's word goes before the flavor's.
func (r *deviceReader) watchdog() string {
	action := r.property("hw_watchdog_action")
	if action == "" {
		action = r.spec("hw:watchdog_action")
	}
	switch action {
	case "", "disabled":
		return ""
	case "none", "pause", "poweroff", "reset":
		return action
	}
	r.fail(api.BadRequest("Provided watchdog action (%s) is not supported.", oneLine(action, 60)))
	return ""
}

// inputs: hw_input_bus gives a tablet and a keyboard, the older hw_pointer_model a tablet alone.
func (r *deviceReader) inputs(d *orders.Devices) {
	if bus := r.property("hw_input_bus"); bus != "" {
		d.Pointer, d.Keyboard = bus, bus
	} else if r.property("hw_pointer_model") != "" {
		d.Pointer = "usb"
	}
	if d.Video == "none" { // there is no screen to point at
		d.Pointer, d.Keyboard = "", ""
	}
}

// maxSerialPorts is nova's ALLOWED_QEMU_SERIAL_PORTS.
const maxSerialPorts = 4

// serialPorts: an image may have fewer than the flavor says, not more.
func (r *deviceReader) serialPorts() int {
	count, text := r.number("hw_serial_port_count"), r.spec("hw:serial_port_count")
	if text != "" {
		most, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		switch {
		case err != nil:
			r.fail(api.BadRequest("Number of serial ports specified in flavor is invalid: expected an integer, got '%s'", oneLine(text, 60)))
			return 0
		case most > 0 && count > most:
			r.fail(api.BadRequest("Forbidden to exceed flavor value of number of serial ports passed in image meta."))
			return 0
		case count == 0:
			count = most
		}
	}
	if count < 0 || count > maxSerialPorts {
		r.fail(api.BadRequest("Maximum number of serial port exceeds %d for qemu", maxSerialPorts))
		return 0
	}
	return int(count)
}

func (r *deviceReader) hidesHypervisor() bool {
	old, _ := r.specFlag("hide_hypervisor_id")
	flavor, _ := r.specFlag("hw:hide_hypervisor_id")
	image, _ := r.propertyFlag("img_hide_hypervisor_id")
	return old || flavor || image
}

// multiQueue: a single processor has use for a single queue.
func (r *deviceReader) multiQueue() bool {
	return r.flavor.VCPUs > 1 && r.both("hw", "vif_multiqueue_enabled")
}

// iommu: the flavor's word goes before the image's.
func (r *deviceReader) iommu() string {
	if model := r.spec("hw:viommu_model"); model != "" {
		return model
	}
	return r.property("hw_viommu_model")
}

// unsupported refuses what no driver here can give, whichever host is chosen.
func (r *deviceReader) unsupported() {
	ports := r.either("hw", "redirected_usb_ports")
	if n, err := strconv.ParseInt(strings.TrimSpace(ports), 10, 64); ports != "" && (err != nil || n != 0) {
		r.fail(api.BadRequest("Redirected USB ports need SPICE, which is not supported here."))
	}
}
