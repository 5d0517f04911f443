package inspect

import "encoding/binary"

// Parallels expandable images, see QEMU's docs/interop/parallels.txt. The two signatures differ in the unit of the
// block table and in how many bits of the sector count are valid.
const (
	ploopOld    = "WithoutFreeSpace"
	ploopExt    = "WithouFreSpacExt"
	ploopHeader = 64
)

func matchPloop(v *view) bool { return v.magic(0, ploopOld) || v.magic(0, ploopExt) }

func parsePloop(v *view, r *report) {
	if !v.has(ploopHeader) {
		r.truncated(v, "ploop header")
		return
	}
	h := v.head
	if version := binary.LittleEndian.Uint32(h[16:]); version != 2 {
		r.add(Unsupported, "ploop version %d is not accepted, only 2", version)
	}
	sectors := binary.LittleEndian.Uint64(h[36:])
	if v.magic(0, ploopOld) {
		sectors &= 0xffffffff
	}
	r.setSectors(sectors)
	block, entries := uint64(binary.LittleEndian.Uint32(h[28:])), uint64(binary.LittleEndian.Uint32(h[32:]))
	if block == 0 || block > 1<<20 {
		r.add(Malformed, "ploop blocks of %d sectors are not valid", block)
		return
	}
	if sectors/block > entries || sectors%block != 0 && sectors/block == entries {
		r.add(Malformed, "the ploop block table has %d entries, too few for the disk", entries)
	}
	if v.beyond(ploopHeader, entries*4) {
		r.add(Truncated, "the content ends inside the ploop block table")
	}
}
