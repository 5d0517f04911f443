package inspect

import (
	"encoding/binary"
	"slices"
)

// VirtualBox disk images, header version 1.1 (VirtualBox, src/VBox/Storage/VDICore.h).
const (
	vdiSignature = "\x7f\x10\xda\xbe"
	vdiHeader    = 0x1c8
)

func matchVDI(v *view) bool { return v.magic(0x40, vdiSignature) }

func parseVDI(v *view, r *report) {
	if !v.has(vdiHeader) {
		r.truncated(v, "VDI header")
		return
	}
	h := v.head
	if version := binary.LittleEndian.Uint32(h[0x44:]); version != 0x00010001 {
		r.add(Unsupported, "VDI version %d.%d is not accepted, only 1.1", version>>16, version&0xffff)
		return
	}
	if kind := binary.LittleEndian.Uint32(h[0x4c:]); kind != 1 && kind != 2 {
		r.add(ForeignFile, "the VDI image has type %d: differencing and undo images refer to another file", kind)
	}
	filled := func(b byte) bool { return b != 0 }
	if slices.ContainsFunc(h[0x1a8:vdiHeader], filled) {
		r.add(ForeignFile, "the VDI header links to a parent image")
	}
	r.setSize(binary.LittleEndian.Uint64(h[0x170:]))
	block, blocks := uint64(binary.LittleEndian.Uint32(h[0x178:])), uint64(binary.LittleEndian.Uint32(h[0x180:]))
	mapOff, dataOff := uint64(binary.LittleEndian.Uint32(h[0x154:])), uint64(binary.LittleEndian.Uint32(h[0x158:]))
	switch {
	case block == 0 || block%sector != 0:
		r.add(Malformed, "VDI blocks of %d bytes are not valid", block)
	case blocks*block < uint64(r.virtualSize):
		r.add(Malformed, "the VDI image has %d blocks, too few for the disk", blocks)
	case mapOff < 0x180 || mapOff+4*blocks > dataOff:
		r.add(Malformed, "the VDI block map has no valid place")
	case v.beyond(mapOff, 4*blocks):
		r.add(Truncated, "the content ends inside the VDI block map")
	}
}
