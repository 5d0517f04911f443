package compute

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"virga/service/compute/orders"
)

// hostKind is what many hosts have in common: hypervisor, processor, and what they can run. Hosts share it.
type hostKind struct {
	hypervisor string
	version    int64
	// versionText and capabilities are the version with dots, and what is said of the processor by path, ready to be compared.
	versionText  string
	capabilities map[string]string
	supported    []orders.Guest
}

// newHostKind takes what hosts tell of themselves; names are in nova's spelling.
func newHostKind(f *orders.Host) *hostKind {
	t := f.CPU.Topology
	k := &hostKind{hypervisor: f.HypervisorType, version: int64(f.HypervisorVersion), versionText: dottedVersion(f.HypervisorVersion), capabilities: map[string]string{
		"hypervisor_type": f.HypervisorType, "hypervisor_version": strconv.Itoa(f.HypervisorVersion),
		"cpu_info:arch": f.CPU.Arch, "cpu_info:model": f.CPU.Model, "cpu_info:vendor": f.CPU.Vendor,
		"cpu_info:features":       "['" + strings.Join(f.CPU.Features, "', '") + "']",
		"cpu_info:topology:cells": strconv.Itoa(t.Cells), "cpu_info:topology:sockets": strconv.Itoa(t.Sockets),
		"cpu_info:topology:cores": strconv.Itoa(t.Cores), "cpu_info:topology:threads": strconv.Itoa(t.Threads),
	}}
	if width := f.CPU.MaxPhysAddr; width != nil {
		k.capabilities["cpu_info:maxphysaddr:mode"], k.capabilities["cpu_info:maxphysaddr:bits"] = width.Mode, strconv.Itoa(width.Bits)
	}
	for _, g := range f.Supported {
		k.supported = append(k.supported, orders.Guest{Arch: canonicalArch(g.Arch), Type: canonicalHypervisor(g.Type), Mode: canonicalMode(g.Mode)})
	}
	return k
}

// digest is equal for hosts of one kind.
func digestOfKind(f *orders.Host) string {
	return fmt.Sprint(f.HypervisorType, f.HypervisorVersion, f.CPU.Arch, f.CPU.Model, f.CPU.Vendor, f.CPU.Features, f.CPU.Topology, bitsOf(f), f.Supported)
}

// bitsOf is the width of a host's physical addresses; 0: it is not known.
func bitsOf(f *orders.Host) int {
	if f.CPU.MaxPhysAddr == nil {
		return 0
	}
	return f.CPU.MaxPhysAddr.Bits
}

// dottedVersion is a version of three parts below 1,000 as one number, 7002015, in its usual form, 7.2.15.
func dottedVersion(version int) string {
	text := strconv.Itoa(version % 1000)
	for version /= 1000; version > 0; version /= 1000 {
		text = strconv.Itoa(version%1000) + "." + text
	}
	return text
}

// canonicalArch makes one name of the many of one architecture.
func canonicalArch(arch string) string {
	switch arch = strings.ToLower(arch); arch {
	case "amd64", "x86-64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "i386", "i486", "i586", "x86", "x86_32":
		return "i686"
	}
	return arch
}

func canonicalHypervisor(name string) string {
	if name = strings.ToLower(name); name == "xapi" {
		return "xen"
	}
	return name
}

func canonicalMode(name string) string {
	switch name = strings.ToLower(name); name {
	case "pv":
		return "xen"
	case "hv", "baremetal":
		return "hvm"
	}
	return name
}

// versionBound is one condition of a list as ">=6.2, <8".
type versionBound struct{ operator, version string }

// readVersionBounds reads such a list; false: it is none.
func readVersionBounds(text string) ([]versionBound, bool) {
	var bounds []versionBound
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		at := slices.IndexFunc([]string{"<=", ">=", "!=", "==", "<", ">"}, func(operator string) bool { return strings.HasPrefix(part, operator) })
		if at < 0 {
			return nil, false
		}
		operator := []string{"<=", ">=", "!=", "==", "<", ">"}[at]
		version := strings.TrimSpace(part[len(operator):])
		if _, ok := compareVersions(version, version); !ok {
			return nil, false
		}
		bounds = append(bounds, versionBound{operator, version})
	}
	return bounds, true
}

func (b versionBound) holds(version string) bool {
	order, ok := compareVersions(version, b.version)
	if !ok {
		return false
	}
	switch b.operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// compareVersions compares versions of numbers with dots between them; parts that are not there are 0. False: one is no such version.
func compareVersions(a, b string) (order int, ok bool) {
	for a != "" || b != "" {
		var x, y int64
		var okA, okB bool
		x, a, okA = versionPart(a)
		y, b, okB = versionPart(b)
		if !okA || !okB {
			return 0, false
		}
		if order == 0 && x != y {
			order = 1
			if x < y {
				order = -1
			}
		}
	}
	return order, true
}

func versionPart(text string) (part int64, rest string, ok bool) {
	if text == "" {
		return 0, "", true
	}
	head, rest, more := strings.Cut(text, ".")
	part, err := strconv.ParseInt(head, 10, 64)
	return part, rest, err == nil && part >= 0 && (!more || rest != "")
}
