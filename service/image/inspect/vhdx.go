package inspect

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// Layout of [MS-VHDX].
const (
	vhdxSignature   = "vhdxfile"
	vhdxHeader1     = 64 << 10
	vhdxHeader2     = 128 << 10
	vhdxHeaderLen   = 4 << 10
	vhdxRegions1    = 192 << 10
	vhdxRegions2    = 256 << 10
	vhdxTableLen    = 64 << 10
	vhdxFirstRegion = 1 << 20
	vhdxMaxEntries  = 2047
)

// Identifiers of regions and metadata items, in the mixed byte order that they have in the file.
const (
	vhdxRegionBAT      = "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"
	vhdxRegionMetadata = "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"
	vhdxItemFile       = "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"
	vhdxItemSize       = "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"
	vhdxItemID         = "\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46"
	vhdxItemLogical    = "\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f"
	vhdxItemPhysical   = "\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56"
	vhdxItemParent     = "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"
)

func matchVHDX(v *view) bool { return v.magic(0, vhdxSignature) }

func parseVHDX(v *view, r *report) {
	if !v.has(vhdxRegions2 + vhdxTableLen) {
		r.truncated(v, "VHDX headers")
		return
	}
	vhdxLog(v, r)
	first := v.head[vhdxRegions1 : vhdxRegions1+vhdxTableLen]
	if !vhdxValid(first, "regi") {
		r.add(Malformed, "the VHDX region table is not valid")
		return
	}
	// A reader may take either copy, so both must say the same.
	if !bytes.Equal(first, v.head[vhdxRegions2:vhdxRegions2+vhdxTableLen]) {
		r.add(Malformed, "the two copies of the VHDX region table differ")
		return
	}
	off, n := vhdxRegions(r, first)
	if off == 0 {
		r.add(Malformed, "the VHDX region table has no valid metadata region")
		return
	}
	if v.beyond(off, n) {
		r.add(Truncated, "the content ends before the VHDX metadata region does")
		return
	}
	if v.whole {
		vhdxMetadata(v.far, r)
	}
}

// vhdxLog refuses an image with a log to replay, which could rewrite everything that was inspected.
func vhdxLog(v *view, r *report) {
	var active []byte
	for _, at := range []int{vhdxHeader1, vhdxHeader2} {
		h := v.head[at : at+vhdxHeaderLen]
		if !vhdxValid(h, "head") {
			continue
		}
		if active == nil || binary.LittleEndian.Uint64(h[8:]) > binary.LittleEndian.Uint64(active[8:]) {
			active = h
		}
	}
	switch {
	case active == nil:
		r.add(Malformed, "the VHDX image has no valid header")
	case !bytes.Equal(active[48:64], make([]byte, 16)):
		r.add(Unsupported, "the VHDX image has a log that was not replayed; it was not closed cleanly")
	case binary.LittleEndian.Uint16(active[66:]) != 1:
		r.add(Unsupported, "VHDX version %d is not accepted, only 1", binary.LittleEndian.Uint16(active[66:]))
	}
}

// vhdxValid checks signature and CRC-32C of a header or region table; the checksum counts as zero in its own sum.
func vhdxValid(b []byte, signature string) bool {
	if string(b[:4]) != signature {
		return false
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:4])
	sum = crc32.Update(sum, table, make([]byte, 4))
	sum = crc32.Update(sum, table, b[8:])
	return sum == binary.LittleEndian.Uint32(b[4:])
}

// vhdxRegions returns place and length of the metadata region, or zero when there is no valid one.
func vhdxRegions(r *report, table []byte) (off, n uint64) {
	count := binary.LittleEndian.Uint32(table[8:])
	if count > vhdxMaxEntries {
		return 0, 0
	}
	for i := range int(count) {
		e := table[16+32*i : 48+32*i]
		switch string(e[:16]) {
		case vhdxRegionMetadata:
			if off != 0 {
				return 0, 0
			}
			off, n = binary.LittleEndian.Uint64(e[16:]), uint64(binary.LittleEndian.Uint32(e[24:]))
			if off < vhdxFirstRegion || off%vhdxFirstRegion != 0 || off > 1<<62 || n < vhdxTableLen {
				return 0, 0
			}
		case vhdxRegionBAT:
		default:
			if binary.LittleEndian.Uint32(e[28:])&1 != 0 {
				r.add(Unsupported, "the VHDX image requires an unknown region")
			}
		}
	}
	return off, n
}

// farRegion names the bytes beyond the head that must be kept: the metadata region of a VHDX image.
func farRegion(v *view) (off, n int64) {
	if !matchVHDX(v) || !v.has(vhdxRegions1+vhdxTableLen) {
		return 0, 0
	}
	table := v.head[vhdxRegions1 : vhdxRegions1+vhdxTableLen]
	if !vhdxValid(table, "regi") {
		return 0, 0
	}
	at, length := vhdxRegions(&report{}, table)
	return int64(at), int64(min(length, farLen))
}

func vhdxMetadata(m []byte, r *report) {
	if len(m) < vhdxTableLen || string(m[:8]) != "metadata" {
		r.add(Malformed, "the VHDX metadata table is not valid")
		return
	}
	count := int(binary.LittleEndian.Uint16(m[10:]))
	if count > vhdxMaxEntries {
		r.add(Malformed, "the VHDX metadata table has %d entries, too many", count)
		return
	}
	items := map[string][]byte{}
	for i := range count {
		e := m[32+32*i : 64+32*i]
		id := string(e[:16])
		off, n := uint64(binary.LittleEndian.Uint32(e[16:])), uint64(binary.LittleEndian.Uint32(e[20:]))
		if _, twice := items[id]; twice {
			r.add(Malformed, "the VHDX metadata table names an item twice")
			return
		}
		items[id] = nil
		if off <= uint64(len(m)) && n <= uint64(len(m))-off {
			items[id] = m[off : off+n]
		}
		vhdxItem(r, id, binary.LittleEndian.Uint32(e[24:])&4 != 0)
	}
	if size := items[vhdxItemSize]; len(size) == 8 {
		r.setSize(binary.LittleEndian.Uint64(size))
	} else {
		r.add(Malformed, "the VHDX metadata does not tell the size of the disk")
	}
	file := items[vhdxItemFile]
	if len(file) != 8 {
		r.add(Malformed, "the VHDX metadata has no file parameters")
	} else if binary.LittleEndian.Uint32(file[4:])&2 != 0 {
		r.add(ForeignFile, "the VHDX image is a differencing disk and refers to a parent file")
	}
}

// vhdxItem refuses the parent locator and required items that are not known.
func vhdxItem(r *report, id string, required bool) {
	switch id {
	case vhdxItemFile, vhdxItemSize, vhdxItemID, vhdxItemLogical, vhdxItemPhysical:
	case vhdxItemParent:
		r.add(ForeignFile, "the VHDX metadata holds a parent locator")
	default:
		if required {
			r.add(Unsupported, "the VHDX image requires an unknown metadata item")
		}
	}
}
