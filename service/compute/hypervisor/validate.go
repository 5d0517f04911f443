package hypervisor

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"unicode/utf8"
)

// Ceilings that keep a malformed order from exhausting a host; real limits are the scheduler's business.
const (
	maxVCPUs       = 1024
	maxMemoryMiB   = 1 << 26  // 64 TiB
	maxDiskGiB     = 1 << 20  // 1 PiB
	maxConfigDrive = 64 << 20 // bytes
	maxNICs        = 26       // a PCI bus has 32 slots
	maxNameBytes   = 1024
)

// GiB is one gibibyte in bytes.
const GiB = int64(1) << 30

// CheckID returns an error wrapping ErrInvalid unless id is a UUID in its canonical, lower-case form; drivers build file and
// domain names from ids that passed it.
func CheckID(id string) error {
	if len(id) != 36 {
		return fmt.Errorf("%w: id %q is not a UUID", ErrInvalid, id)
	}
	for i := range len(id) {
		c := id[i]
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
		if dash != (c == '-') || !dash && !hex {
			return fmt.Errorf("%w: id %q is not a lower-case UUID", ErrInvalid, id)
		}
	}
	return nil
}

// Check returns an error wrapping ErrInvalid unless the image's description is complete and consistent.
func (image Image) Check() error {
	if err := CheckID(image.ID); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if len(image.SHA512) != 128 || strings.Trim(image.SHA512, "0123456789abcdef") != "" {
		return fmt.Errorf("%w: image %s has no SHA-512 in lower-case hexadecimal", ErrInvalid, image.ID)
	}
	if image.DiskFormat != "raw" && image.DiskFormat != "qcow2" {
		return fmt.Errorf("%w: image %s has disk format %q, want raw or qcow2", ErrInvalid, image.ID, image.DiskFormat)
	}
	if image.SizeBytes <= 0 || image.VirtualSize <= 0 || image.VirtualSize > maxDiskGiB*GiB {
		return fmt.Errorf("%w: image %s has %d bytes and a virtual size of %d", ErrInvalid, image.ID, image.SizeBytes,
			image.VirtualSize)
	}
	if image.DiskFormat == "raw" && image.VirtualSize < image.SizeBytes {
		return fmt.Errorf("%w: raw image %s has %d bytes but a virtual size of %d", ErrInvalid, image.ID, image.SizeBytes,
			image.VirtualSize)
	}
	return nil
}

// Check returns an error wrapping ErrInvalid unless the guest's description is complete and consistent.
func (guest Guest) Check() error {
	if err := CheckID(guest.ID); err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	if err := guest.checkSizes(); err != nil {
		return err
	}
	for _, text := range []string{guest.Name, guest.HostName, guest.Metadata.FlavorName, guest.Metadata.ProjectName,
		guest.Metadata.UserName, guest.Metadata.ProjectID, guest.Metadata.UserID} {
		if len(text) > maxNameBytes || !utf8.ValidString(text) {
			return fmt.Errorf("%w: guest %s has a name that is too long or not UTF-8", ErrInvalid, guest.ID)
		}
	}
	switch guest.Power {
	case PowerRunning, PowerPaused, PowerSuspended, PowerStopped, PowerPrepared:
	default:
		return fmt.Errorf("%w: guest %s wants power %q", ErrInvalid, guest.ID, guest.Power)
	}
	if err := guest.Hints.check(guest.ID); err != nil {
		return err
	}
	if err := errors.Join(guest.checkStorage(), guest.Devices.check(guest.ID)); err != nil {
		return err
	}
	if err := guest.Rescue.check(guest.ID); err != nil {
		return err
	}
	if err := guest.checkCPUs(); err != nil {
		return err
	}
	return guest.checkNICs()
}

func (guest Guest) checkSizes() error {
	within := func(value, least, most int64) bool { return least <= value && value <= most }
	switch {
	case guest.Generation < 0:
		return fmt.Errorf("%w: guest %s has generation %d", ErrInvalid, guest.ID, guest.Generation)
	case !within(int64(guest.VCPUs), 1, maxVCPUs):
		return fmt.Errorf("%w: guest %s wants %d processors", ErrInvalid, guest.ID, guest.VCPUs)
	case !within(guest.MemoryMiB, 1, maxMemoryMiB):
		return fmt.Errorf("%w: guest %s wants %d MiB of memory", ErrInvalid, guest.ID, guest.MemoryMiB)
	case !within(guest.RootGiB, 0, maxDiskGiB), !within(guest.EphemeralGiB, 0, maxDiskGiB),
		!within(guest.SwapMiB, 0, maxDiskGiB<<10):
		return fmt.Errorf("%w: guest %s wants disks of %d GiB, %d GiB and %d MiB", ErrInvalid, guest.ID, guest.RootGiB,
			guest.EphemeralGiB, guest.SwapMiB)
	case len(guest.ConfigDrive) > maxConfigDrive:
		return fmt.Errorf("%w: guest %s has a config drive of %d bytes", ErrInvalid, guest.ID, len(guest.ConfigDrive))
	case guest.StopGrace < 0:
		return fmt.Errorf("%w: guest %s has a stop grace of %s", ErrInvalid, guest.ID, guest.StopGrace)
	case guest.Image == nil:
		return nil
	}
	if err := guest.Image.Check(); err != nil {
		return fmt.Errorf("guest %s: %w", guest.ID, err)
	}
	if guest.RootGiB > 0 && guest.RootGiB*GiB < guest.Image.VirtualSize {
		return fmt.Errorf("%w: guest %s has a root disk of %d GiB, its image %s needs %d bytes", ErrInvalid, guest.ID,
			guest.RootGiB, guest.Image.ID, guest.Image.VirtualSize)
	}
	return nil
}

func (guest Guest) checkNICs() error {
	if len(guest.NICs) > maxNICs {
		return fmt.Errorf("%w: guest %s has %d network interfaces, at most %d fit", ErrInvalid, guest.ID, len(guest.NICs), maxNICs)
	}
	seen := map[string]bool{}
	for _, nic := range guest.NICs {
		if err := nic.check(); err != nil {
			return fmt.Errorf("guest %s: %w", guest.ID, err)
		}
		for _, key := range []string{nic.PortID, nic.Tap, strings.ToLower(nic.MAC)} {
			if seen[key] {
				return fmt.Errorf("%w: guest %s has %s on two network interfaces", ErrInvalid, guest.ID, key)
			}
			seen[key] = true
		}
	}
	return nil
}

func (nic NIC) check() error {
	if err := CheckID(nic.PortID); err != nil {
		return fmt.Errorf("port: %w", err)
	}
	if mac, err := net.ParseMAC(nic.MAC); err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		return fmt.Errorf("%w: port %s has no usable MAC address (%q)", ErrInvalid, nic.PortID, nic.MAC)
	}
	if nic.Tap == "" || len(nic.Tap) > 15 || strings.ContainsFunc(nic.Tap, notInDeviceName) || nic.Tap[0] == '.' {
		return fmt.Errorf("%w: port %s has tap device name %q", ErrInvalid, nic.PortID, nic.Tap)
	}
	if nic.MTU != 0 && (nic.MTU < 68 || nic.MTU > 65535) {
		return fmt.Errorf("%w: port %s has an MTU of %d", ErrInvalid, nic.PortID, nic.MTU)
	}
	for _, bandwidth := range []Bandwidth{nic.Inbound, nic.Outbound} {
		if err := bandwidth.check(nic.PortID); err != nil {
			return err
		}
	}
	if nic.Model == "" || slices.Contains(vifModels, nic.Model) {
		return nil
	}
	return fmt.Errorf("%w: port %s has interface model %q", ErrInvalid, nic.PortID, nic.Model)
}

func notInDeviceName(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
}

func (hints Hints) check(id string) error {
	for _, word := range []string{hints.Machine, hints.CPUModel} {
		if len(word) > 64 || strings.ContainsFunc(word, notInDeviceName) {
			return fmt.Errorf("%w: guest %s has machine or processor hint %q", ErrInvalid, id, word)
		}
	}
	return nil
}
