package inspect

import "encoding/binary"

// Layout and limits of QEMU's docs/interop/qcow2.txt; the table limits are those that QEMU itself enforces.
const (
	qcow2HeaderV2    = 72
	qcow2HeaderV3    = 104
	qcow2MaxL1       = 32 << 20
	qcow2MaxRefTable = 8 << 20
	qcow2MaxExt      = 256
	qcow2MaxSnaps    = 65536
)

// Incompatible feature bits.
const (
	qcow2Dirty       = 1 << 0
	qcow2Corrupt     = 1 << 1
	qcow2DataFile    = 1 << 2
	qcow2Compression = 1 << 3
	qcow2ExtendedL2  = 1 << 4
	qcow2Known       = qcow2Dirty | qcow2Corrupt | qcow2DataFile | qcow2Compression | qcow2ExtendedL2
)

// Header extension types that are refused.
const (
	qcow2ExtBackingFormat = 0xe2792aca
	qcow2ExtDataFile      = 0x44415441
	qcow2ExtCrypto        = 0x0537be77
)

func matchQcow2(v *view) bool { return v.magic(0, "QFI\xfb") }

func parseQcow2(v *view, r *report) {
	if !v.has(qcow2HeaderV2) {
		r.truncated(v, "qcow2 header")
		return
	}
	h := v.head
	version := binary.BigEndian.Uint32(h[4:])
	if version != 2 && version != 3 {
		r.add(Unsupported, "qcow version %d is not accepted, only 2 and 3", version)
		return
	}
	if version == 3 && !v.has(qcow2HeaderV3) {
		r.truncated(v, "qcow2 header")
		return
	}
	r.setSize(binary.BigEndian.Uint64(h[24:]))
	if off, n := binary.BigEndian.Uint64(h[8:]), binary.BigEndian.Uint32(h[16:]); off != 0 || n != 0 {
		r.add(ForeignFile, "the qcow2 header names a backing file")
	}
	if binary.BigEndian.Uint32(h[32:]) != 0 {
		r.add(Encrypted, "the qcow2 content is encrypted, and no key belongs to it")
	}
	clusterBits := binary.BigEndian.Uint32(h[20:])
	if clusterBits < 9 || clusterBits > 21 {
		r.add(Malformed, "qcow2 clusters of 2^%d bytes are outside 2^9 to 2^21", clusterBits)
		return
	}
	cluster := uint64(1) << clusterBits
	var features uint64
	headerLen := uint64(qcow2HeaderV2)
	if version == 3 {
		features = binary.BigEndian.Uint64(h[72:])
		headerLen = uint64(binary.BigEndian.Uint32(h[100:]))
		qcow2Features(v, r, features, headerLen)
	}
	qcow2Tables(v, r, cluster, features)
	qcow2Extensions(v, r, headerLen, cluster)
}

// qcow2Features refuses the incompatible features that change where the data lies, and all that are not known.
func qcow2Features(v *view, r *report, features, headerLen uint64) {
	if features&qcow2DataFile != 0 {
		r.add(ForeignFile, "the qcow2 header keeps the data in an external data file")
	}
	if features&qcow2Corrupt != 0 {
		r.add(Malformed, "the qcow2 header marks the image as corrupt")
	}
	if unknown := features &^ qcow2Known; unknown != 0 {
		r.add(Unsupported, "the qcow2 header asks for unknown features (bits %#x)", unknown)
	}
	if order := binary.BigEndian.Uint32(v.head[96:]); order > 6 {
		r.add(Malformed, "qcow2 reference counts of 2^%d bits are over 2^6", order)
	}
	compression := byte(0)
	if headerLen > qcow2HeaderV3 && v.has(qcow2HeaderV3+1) {
		compression = v.head[qcow2HeaderV3]
	}
	// zlib is type 0 and must not set the bit, zstd is type 1 and must.
	if compression > 1 || (compression == 1) != (features&qcow2Compression != 0) {
		r.add(Unsupported, "qcow2 compression type %d is not accepted or not announced", compression)
	}
}

// qcow2Tables checks place and length of the tables against the size of the disk.
func qcow2Tables(v *view, r *report, cluster, features uint64) {
	h := v.head
	entry := uint64(8)
	if features&qcow2ExtendedL2 != 0 {
		entry = 16
		if cluster < 1<<14 {
			r.add(Malformed, "qcow2 subclusters need clusters of at least 16 KiB")
		}
	}
	l1Size, l1Off := uint64(binary.BigEndian.Uint32(h[36:])), binary.BigEndian.Uint64(h[40:])
	perL1 := cluster * (cluster / entry)
	needed := uint64(r.virtualSize) / perL1
	if uint64(r.virtualSize)%perL1 != 0 {
		needed++
	}
	switch {
	case l1Size*8 > qcow2MaxL1:
		r.add(Malformed, "the qcow2 L1 table has %d entries, too many", l1Size)
	case l1Size < needed:
		r.add(Malformed, "the qcow2 L1 table has %d entries, but the disk needs %d", l1Size, needed)
	case l1Off%cluster != 0:
		r.add(Malformed, "the qcow2 L1 table is not aligned to a cluster")
	case l1Size > 0 && v.beyond(l1Off, l1Size*8):
		r.add(Truncated, "the content ends before the qcow2 L1 table does")
	}
	refOff, refClusters := binary.BigEndian.Uint64(h[48:]), uint64(binary.BigEndian.Uint32(h[56:]))
	switch {
	case refOff%cluster != 0 || refOff == 0 || refClusters == 0:
		r.add(Malformed, "the qcow2 reference count table has no valid place")
	case refClusters*cluster > qcow2MaxRefTable:
		r.add(Malformed, "the qcow2 reference count table has %d clusters, too many", refClusters)
	case v.beyond(refOff, 8):
		r.add(Truncated, "the content ends before the qcow2 reference count table")
	}
	snaps, snapOff := binary.BigEndian.Uint32(h[60:]), binary.BigEndian.Uint64(h[64:])
	if snaps > qcow2MaxSnaps || snaps > 0 && (snapOff%cluster != 0 || v.beyond(snapOff, 40)) {
		r.add(Malformed, "the qcow2 snapshot table has no valid place or length")
	}
}

// qcow2Extensions walks the header extensions, which lie between the header and the end of the first cluster.
func qcow2Extensions(v *view, r *report, at, cluster uint64) {
	if at < qcow2HeaderV2 || at%8 != 0 || at > cluster {
		r.add(Malformed, "the qcow2 header length of %d is not valid", at)
		return
	}
	end := min(cluster, uint64(len(v.head)))
	for range qcow2MaxExt {
		if at == cluster {
			return
		}
		if at+8 > end {
			qcow2ExtensionsCut(v, r, cluster)
			return
		}
		kind, n := binary.BigEndian.Uint32(v.head[at:]), uint64(binary.BigEndian.Uint32(v.head[at+4:]))
		if kind == 0 {
			return
		}
		qcow2Extension(r, kind)
		at += 8
		if n > cluster-at {
			r.add(Malformed, "a qcow2 header extension of %d bytes reaches over the first cluster", n)
			return
		}
		at += (n + 7) &^ 7
		if at > end {
			qcow2ExtensionsCut(v, r, cluster)
			return
		}
	}
	r.add(Malformed, "the qcow2 header has more than %d extensions", qcow2MaxExt)
}

// qcow2ExtensionsCut reports a list of extensions without an end. Only the head of a large cluster is looked at:
// what could follow there is not known to be harmless.
func qcow2ExtensionsCut(v *view, r *report, cluster uint64) {
	if uint64(len(v.head)) == headLen && cluster > headLen {
		r.add(Malformed, "the qcow2 header extensions are longer than %d bytes", headLen)
		return
	}
	if v.whole {
		r.add(Truncated, "the content ends inside the qcow2 header extensions")
		return
	}
	if uint64(len(v.head)) >= cluster {
		r.add(Malformed, "the qcow2 header extensions reach over the first cluster")
	}
}

func qcow2Extension(r *report, kind uint32) {
	switch kind {
	case qcow2ExtBackingFormat:
		r.add(ForeignFile, "a qcow2 header extension describes a backing file")
	case qcow2ExtDataFile:
		r.add(ForeignFile, "a qcow2 header extension names an external data file")
	case qcow2ExtCrypto:
		r.add(Encrypted, "a qcow2 header extension holds an encryption header, and no key belongs to it")
	}
}
