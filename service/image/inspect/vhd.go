package inspect

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Microsoft's Virtual Hard Disk Image Format Specification 1.0. A fixed disk has only the footer, in the last sector;
// others have a copy of it in the first one.
const (
	vhdCookie       = "conectix"
	vhdDynCookie    = "cxsparse"
	vhdDynHeader    = 1024
	vhdFixed        = 2
	vhdDynamic      = 3
	vhdDifferencing = 4
)

func matchVHD(v *view) bool {
	if v.magic(0, vhdCookie) {
		return true
	}
	f := v.footer(sector, sector)
	return f != nil && string(f[:8]) == vhdCookie
}

func parseVHD(v *view, r *report) {
	if !v.magic(0, vhdCookie) {
		f := v.footer(sector, sector)
		if vhdFooter(r, f) != vhdFixed {
			r.add(Malformed, "the VHD is not a fixed disk, but has no copy of its footer in front")
		}
		if uint64(r.virtualSize) > uint64(v.size)-sector {
			r.add(Truncated, "the VHD content is shorter than its disk")
		}
		return
	}
	if !v.has(sector) {
		r.truncated(v, "VHD footer")
		return
	}
	if kind := vhdFooter(r, v.head[:sector]); kind == vhdFixed {
		r.add(Malformed, "the VHD starts with the footer of a fixed disk")
		return
	}
	vhdTail(v, r)
	vhdDynamicHeader(v, r)
}

// vhdFooter checks one copy of the footer and returns the type of the disk.
func vhdFooter(r *report, f []byte) uint32 {
	r.setSize(binary.BigEndian.Uint64(f[48:]))
	if binary.BigEndian.Uint32(f[64:]) != vhdChecksum(f, 64) {
		r.add(Malformed, "the checksum of the VHD footer is wrong")
	}
	if version := binary.BigEndian.Uint32(f[12:]); version>>16 != 1 {
		r.add(Unsupported, "VHD version %d is not accepted, only 1", version>>16)
	}
	kind := binary.BigEndian.Uint32(f[60:])
	switch kind {
	case vhdFixed, vhdDynamic:
	case vhdDifferencing:
		r.add(ForeignFile, "the VHD is a differencing disk and refers to a parent file")
	default:
		r.add(Unsupported, "VHD disk type %d is not accepted", kind)
	}
	return kind
}

// vhdTail demands that the footer at the end says the same as its copy in front: readers differ in which they believe.
func vhdTail(v *view, r *report) {
	if !v.whole {
		return
	}
	if f := v.footer(sector, sector); f == nil || !bytes.Equal(f, v.head[:sector]) {
		r.add(Malformed, "the VHD footer at the end is missing or differs from its copy in front")
	}
}

func vhdDynamicHeader(v *view, r *report) {
	off := binary.BigEndian.Uint64(v.head[16:])
	if off < sector || off > headLen-vhdDynHeader {
		r.add(Malformed, "the VHD dynamic header has no valid place")
		return
	}
	if !v.has(int(off) + vhdDynHeader) {
		r.truncated(v, "VHD dynamic header")
		return
	}
	h := v.head[off : off+vhdDynHeader]
	if string(h[:8]) != vhdDynCookie || binary.BigEndian.Uint32(h[36:]) != vhdChecksum(h, 36) {
		r.add(Malformed, "the VHD dynamic header is not valid")
		return
	}
	filled := func(b byte) bool { return b != 0 }
	// The parent's identifier, its name, and eight locators that hold paths to it.
	if slices.ContainsFunc(h[40:56], filled) || slices.ContainsFunc(h[64:768], filled) {
		r.add(ForeignFile, "the VHD dynamic header names a parent file")
	}
	table, entries := binary.BigEndian.Uint64(h[16:]), uint64(binary.BigEndian.Uint32(h[28:]))
	block := uint64(binary.BigEndian.Uint32(h[32:]))
	switch {
	case block < sector || block&(block-1) != 0:
		r.add(Malformed, "VHD blocks of %d bytes are not valid", block)
	case entries*block < uint64(r.virtualSize):
		r.add(Malformed, "the VHD block table has %d entries, too few for the disk", entries)
	case v.beyond(table, entries*4):
		r.add(Truncated, "the content ends inside the VHD block table")
	}
}

// vhdChecksum is the one's complement of the sum of all bytes except the four of the checksum itself.
func vhdChecksum(b []byte, at int) uint32 {
	var sum uint32
	for i, c := range b {
		if i < at || i >= at+4 {
			sum += uint32(c)
		}
	}
	return ^sum
}
