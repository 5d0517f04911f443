package fake

import (
	"fmt"
	"strings"
)

// bootText is what a small Linux guest would have written to its serial port by now. It depends on the record alone.
func bootText(r *record) string {
	var b strings.Builder
	line := func(seconds float64, format string, args ...any) {
		fmt.Fprintf(&b, "[%12.6f] %s\n", seconds, fmt.Sprintf(format, args...))
	}
	host := hostName(r)
	line(0, "Linux version 6.1.0-simulated (virga) #1 SMP %s", r.BootedAt.UTC().Format("Mon Jan _2 15:04:05 UTC 2006"))
	line(0, "Command line: root=/dev/vda1 ro console=ttyS0")
	line(0.001204, "DMI: OpenStack Foundation OpenStack Nova, BIOS simulated")
	line(0.004311, "Memory: %dK/%dK available", r.Guest.MemoryMiB*1000, r.Guest.MemoryMiB*1024)
	line(0.018750, "smp: Brought up 1 node, %d CPUs", r.Guest.VCPUs)
	if r.RootBytes > 0 {
		line(0.310442, "virtio_blk virtio1: [vda] %d 512-byte logical blocks", r.RootBytes/512)
	}
	for i, nic := range r.Guest.NICs {
		line(0.402118+float64(i)/1000, "virtio_net virtio%d eth%d: link up, address %s", i+2, i, nic.MAC)
	}
	if r.Drive != "" {
		line(0.520903, "ISO 9660 Extensions: RRIP_1991A, volume config-2")
	}
	fmt.Fprintf(&b, "virga-guest: boot %d of %s (%s) finished at %s\n", r.Boots, host, r.Guest.ID,
		r.BootedAt.UTC().Format("2006-01-02T15:04:05Z"))
	fmt.Fprintf(&b, "\n%s login: ", host)
	return b.String()
}

// hostName keeps what a name may put on a terminal to letters, digits, dots and dashes.
func hostName(r *record) string {
	name := r.Guest.HostName
	if name == "" {
		name = r.Guest.Name
	}
	name = strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' {
			return c
		}
		return '-'
	}, name)
	if name == "" {
		return "guest"
	}
	return name
}
