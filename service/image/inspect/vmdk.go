package inspect

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
)

// VMware's Virtual Disk Format 5.0: a hosted sparse extent with its descriptor embedded.
const (
	vmdkMagic      = "KDMV"
	vmdkMagicESX   = "COWD"
	vmdkText       = "# Disk DescriptorFile"
	vmdkDescriptor = sector    // the only place where all readers look for the descriptor
	vmdkRead       = 20 * 512  // what a reader takes there whatever the header says
	vmdkMaxText    = 128 << 10 // far more than a descriptor with one extent needs
	vmdkAtEnd      = 1<<64 - 1
	vmdkMaxLines   = 1024
)

func matchVMDK(v *view) bool {
	return v.magic(0, vmdkMagic) || v.magic(0, vmdkMagicESX) || vmdkDescriptorFile(v.head)
}

// vmdkDescriptorFile recognises a descriptor on its own as tools do: by its title, or by a version setting in the
// first sector after nothing but comments.
func vmdkDescriptorFile(head []byte) bool {
	text := string(head[:min(len(head), sector)])
	if len(text) >= len(vmdkText) && strings.EqualFold(text[:len(vmdkText)], vmdkText) {
		return true
	}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		return line == "version=1" || line == "version=2" || line == "version=3"
	}
	return false
}

func parseVMDK(v *view, r *report) {
	if !v.magic(0, vmdkMagic) {
		r.virtualSize = v.size
		r.add(ForeignFile, "the VMDK content is not a self-contained sparse extent: a descriptor alone names other files")
		return
	}
	if !v.has(sector) {
		r.truncated(v, "VMDK header")
		return
	}
	h := v.head[:sector]
	if version := binary.LittleEndian.Uint32(h[4:]); version < 1 || version > 3 {
		r.add(Unsupported, "VMDK version %d is not accepted, only 1 to 3", version)
	}
	capacity := binary.LittleEndian.Uint64(h[12:])
	r.setSectors(capacity)
	if capacity == 0 { // readers then open the extents that the descriptor names
		r.add(ForeignFile, "the VMDK header has no capacity and leaves the disk to its descriptor")
	}
	if grain := binary.LittleEndian.Uint64(h[20:]); grain < 8 || grain > 1<<16 || grain&(grain-1) != 0 {
		r.add(Malformed, "VMDK grains of %d sectors are not valid", grain)
	}
	vmdkFooter(v, r, h)
	off, n := binary.LittleEndian.Uint64(h[28:]), binary.LittleEndian.Uint64(h[36:])
	if off != vmdkDescriptor/sector || n == 0 || n > vmdkMaxText/sector {
		r.add(Malformed, "the VMDK descriptor has no valid place or length")
		return
	}
	if !v.has(vmdkDescriptor + int(n)*sector) {
		r.truncated(v, "VMDK descriptor")
		return
	}
	vmdkDescribe(v, r, int(n)*sector, capacity)
}

// vmdkFooter checks the second header of a stream-optimised image, which replaces the first one.
func vmdkFooter(v *view, r *report, h []byte) {
	if binary.LittleEndian.Uint64(h[56:]) != vmdkAtEnd || !v.whole {
		return
	}
	f := v.footer(2*sector, sector)
	if f == nil || string(f[:4]) != vmdkMagic {
		r.add(Truncated, "the VMDK footer is missing")
		return
	}
	// Up to the grain directories' places, which only the footer knows, header and footer are one.
	if !bytes.Equal(f[:48], h[:48]) || binary.LittleEndian.Uint64(f[56:]) == vmdkAtEnd {
		r.add(Malformed, "the VMDK footer contradicts the header")
	}
}

// vmdkDescribe checks the embedded descriptor of n bytes.
func vmdkDescribe(v *view, r *report, n int, capacity uint64) {
	window := v.head[vmdkDescriptor:]
	window = window[:min(max(n, vmdkRead), len(window))]
	text := window
	if end := bytes.IndexByte(window, 0); end >= 0 {
		text = window[:end]
	}
	if len(text) > n {
		r.add(Malformed, "the VMDK descriptor is longer than the header says")
		return
	}
	if bytes.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' && c != '\r' && c != '\t' }) {
		r.add(Malformed, "the VMDK descriptor is not text")
		return
	}
	lines := strings.FieldsFunc(string(text), func(c rune) bool { return c == '\n' || c == '\r' })
	if len(lines) > vmdkMaxLines {
		r.add(Malformed, "the VMDK descriptor has more than %d lines", vmdkMaxLines)
		return
	}
	d := vmdkDesc{rep: r, seen: map[string]bool{}}
	for _, line := range lines {
		d.line(strings.TrimSpace(line))
	}
	d.finish(capacity)
}

// vmdkDesc gathers the lines of a descriptor.
type vmdkDesc struct {
	rep     *report
	seen    map[string]bool
	extents int
	sectors uint64
}

func (d *vmdkDesc) line(s string) {
	if s == "" || s[0] == '#' {
		return
	}
	key, value, setting := strings.Cut(s, "=")
	key = strings.ToLower(strings.TrimSpace(key))
	if !setting || strings.ContainsAny(key, " \t\"") {
		d.extent(s)
		return
	}
	if d.seen[key] {
		d.rep.add(Malformed, "the VMDK descriptor sets %.40q twice", key)
		return
	}
	d.seen[key] = true
	d.setting(key, strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`)))
}

func (d *vmdkDesc) setting(key, value string) {
	switch key {
	case "createtype":
		if value != "streamoptimized" && value != "monolithicsparse" {
			d.rep.add(ForeignFile, "the VMDK type %.40q is not accepted, only streamOptimized and monolithicSparse", value)
		}
	case "parentcid":
		if value != "ffffffff" {
			d.rep.add(ForeignFile, "the VMDK descriptor has a parent")
		}
	case "parentfilenamehint", "changetrackpath", "digestfilename":
		d.rep.add(ForeignFile, "the VMDK descriptor names another file (%s)", key)
	}
}

// extent accepts a single sparse extent whose name is a bare file name: with an embedded descriptor it is the image
// itself under the name that it once had.
func (d *vmdkDesc) extent(s string) {
	sparse := regexp.MustCompile(`^(?i:RW|RDONLY) ([0-9]{1,18}) (?i:SPARSE) "([^"/\\:]{1,255})"( 0)?$`)
	m := sparse.FindStringSubmatch(s)
	if m == nil || m[2] == "." || m[2] == ".." {
		d.rep.add(ForeignFile, "the VMDK descriptor has a line that is no extent of the image itself: %.80q", s)
		return
	}
	d.extents++
	d.sectors, _ = strconv.ParseUint(m[1], 10, 64) // 18 digits always fit
}

func (d *vmdkDesc) finish(capacity uint64) {
	if !d.seen["createtype"] {
		d.rep.add(Malformed, "the VMDK descriptor has no createType")
	}
	switch {
	case d.extents > 1:
		d.rep.add(ForeignFile, "the VMDK descriptor has %d extents, only one can be the image itself", d.extents)
	case d.extents == 0:
		d.rep.add(Malformed, "the VMDK descriptor has no valid extent")
	case d.sectors != capacity:
		d.rep.add(Malformed, "the VMDK descriptor has %d sectors, the header %d", d.sectors, capacity)
	}
}
