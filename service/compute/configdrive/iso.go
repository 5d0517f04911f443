package configdrive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// The layout follows ECMA-119 (ISO 9660), the Joliet specification and, for POSIX names, SUSP 1.10 and RRIP 1.10.
const (
	sectorSize    = 2048
	systemArea    = 16 // sectors left to boot loaders
	descriptors   = 3  // primary, Joliet, terminator
	pathTables    = 4  // little and big endian, for both trees
	maxImageBytes = 64 << 20
)

const extensionReference = "RRIP_1991A" +
	"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS" +
	"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR " +
	"CONTACT INFORMATION."

// isoWriter holds the plan of one image: where everything goes.
type isoWriter struct {
	label string
	at    time.Time
	root  *node
	dirs  [2][]*node
	table [2]extent // path tables; the big-endian twin follows each
	// continuation is the sector with the root's extension reference, too long for a directory record.
	continuation uint32
	sectors      uint32
}

// writeISO renders the files, given by slash-separated paths, as an ISO 9660 image.
func writeISO(label string, at time.Time, files map[string][]byte) ([]byte, error) {
	root, err := newTree(files)
	if err != nil {
		return nil, err
	}
	at = at.UTC()
	if at.Year() < 1900 || at.Year() > 2155 {
		at = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	w := &isoWriter{label: label, at: at, root: root}
	if err := w.plan(); err != nil {
		return nil, err
	}
	return w.render(), nil
}

// plan gives every part of the image its sectors. Lengths do not depend on places, so one pass is enough.
func (w *isoWriter) plan() error {
	next := uint32(systemArea + descriptors)
	take := func(length int) extent {
		place := extent{sector: next, length: uint32(length)}
		next += uint32((length + sectorSize - 1) / sectorSize)
		return place
	}
	for tree := range w.dirs {
		w.dirs[tree] = w.root.directories(tree)
		length := len(w.pathTable(tree, binary.LittleEndian))
		w.table[tree] = take(length)
		take(length)
	}
	w.continuation = take(sectorSize).sector
	for tree, dirs := range w.dirs {
		for _, dir := range dirs {
			dir.dirs[tree] = take(len(w.directory(tree, dir)))
		}
	}
	total := int64(next) * sectorSize
	for _, file := range w.root.files() {
		if total += int64(len(file.data)) + sectorSize; total > maxImageBytes {
			return fmt.Errorf("files exceed %d bytes", maxImageBytes)
		}
		file.extent = take(len(file.data)).sector
	}
	w.sectors = next
	return nil
}

func (w *isoWriter) render() []byte {
	image := make([]byte, int(w.sectors)*sectorSize)
	put := func(sector uint32, data []byte) { copy(image[int(sector)*sectorSize:], data) }
	put(systemArea, w.descriptor(primary))
	put(systemArea+1, w.descriptor(joliet))
	put(systemArea+2, append([]byte{255}, "CD001\x01"...))
	for tree, place := range w.table {
		put(place.sector, w.pathTable(tree, binary.LittleEndian))
		put(w.bigTable(tree), w.pathTable(tree, binary.BigEndian))
	}
	put(w.continuation, extensionRecord())
	for tree, dirs := range w.dirs {
		for _, dir := range dirs {
			put(dir.dirs[tree].sector, w.directory(tree, dir))
		}
	}
	for _, file := range w.root.files() {
		put(file.extent, file.data)
	}
	return image
}

func (w *isoWriter) bigTable(tree int) uint32 {
	return w.table[tree].sector + (w.table[tree].length+sectorSize-1)/sectorSize
}

// descriptor renders a volume descriptor (ECMA-119 8.4, 8.5).
func (w *isoWriter) descriptor(tree int) []byte {
	b := make([]byte, sectorSize)
	text := func(from, to int, value string) {
		encoded := []byte(value)
		pad := []byte(" ")
		if tree == joliet {
			encoded, pad = ucs2(value), []byte{0, ' '}
		}
		field := b[from-1 : to]
		copy(field, bytes.Repeat(pad, len(field)/len(pad)))
		copy(field, encoded)
	}
	b[0] = 1
	if tree == joliet {
		b[0] = 2
		copy(b[88:], "%/E") // UCS-2 level 3
	}
	copy(b[1:], "CD001\x01")
	text(9, 40, "")
	text(41, 72, w.label)
	both32(b[80:], w.sectors)
	both16(b[120:], 1)
	both16(b[124:], 1)
	both16(b[128:], sectorSize)
	both32(b[132:], w.table[tree].length)
	binary.LittleEndian.PutUint32(b[140:], w.table[tree].sector)
	binary.BigEndian.PutUint32(b[148:], w.bigTable(tree))
	copy(b[156:190], w.record(tree, w.root, []byte{0}, nil))
	for _, field := range [][2]int{{191, 318}, {319, 446}, {447, 574}, {575, 702}, {703, 739}, {740, 776}, {777, 813}} {
		text(field[0], field[1], "")
	}
	stamp := w.at.Format("20060102150405") + "00\x00"
	never := "0000000000000000\x00"
	copy(b[813:], stamp+stamp+never+never)
	b[881] = 1
	return b
}

// pathTable renders the table of all directories of a tree (ECMA-119 9.4).
func (w *isoWriter) pathTable(tree int, order binary.AppendByteOrder) []byte {
	var b []byte
	for _, dir := range w.dirs[tree] {
		id := []byte{0}
		if dir != w.root {
			id = dir.identifier(tree)
		}
		b = append(b, byte(len(id)), 0)
		b = order.AppendUint32(b, dir.dirs[tree].sector)
		b = order.AppendUint16(b, uint16(dir.parent.numbers[tree]))
		b = append(b, id...)
		if len(id)%2 == 1 {
			b = append(b, 0)
		}
	}
	return b
}

// directory renders a directory's records, none of which crosses a sector's end, padded to whole sectors.
func (w *isoWriter) directory(tree int, dir *node) []byte {
	var self, parent []byte
	if tree == primary {
		if dir == w.root {
			self = append(self, "SP\x07\x01\xbe\xef\x00"...)
		}
		self = append(self, w.posix(dir)...)
		if dir == w.root {
			self = append(self, w.continuationRecord()...)
		}
		parent = w.posix(dir.parent)
	}
	b := w.record(tree, dir, []byte{0}, self)
	b = append(b, w.record(tree, dir.parent, []byte{1}, parent)...)
	for _, child := range dir.sorted(tree) {
		var extra []byte
		if tree == primary {
			extra = append(nameRecord(child.name), w.posix(child)...)
		}
		record := w.record(tree, child, child.identifier(tree), extra)
		if room := sectorSize - len(b)%sectorSize; room < len(record) {
			b = append(b, make([]byte, room)...)
		}
		b = append(b, record...)
	}
	if rest := len(b) % sectorSize; rest != 0 {
		b = append(b, make([]byte, sectorSize-rest)...)
	}
	return b
}

// record renders one directory record (ECMA-119 9.1) with its system use area.
func (w *isoWriter) record(tree int, n *node, id, systemUse []byte) []byte {
	head := 33 + len(id)
	head += head % 2
	length := head + len(systemUse)
	length += length % 2
	b := make([]byte, length)
	b[0] = byte(length)
	place := extent{sector: n.extent, length: uint32(len(n.data))}
	if n.isDir {
		place = n.dirs[tree]
		b[25] = 2
	}
	both32(b[2:], place.sector)
	both32(b[10:], place.length)
	copy(b[18:], w.stamp())
	both16(b[28:], 1)
	b[32] = byte(len(id))
	copy(b[33:], id)
	copy(b[head:], systemUse)
	return b
}

func (w *isoWriter) stamp() []byte {
	t := w.at
	return []byte{byte(t.Year() - 1900), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 0}
}

// posix renders a node's mode, links and owner (RRIP PX) and its times (RRIP TF).
func (w *isoWriter) posix(n *node) []byte {
	mode, links := uint32(0o100444), uint32(1)
	if n.isDir {
		mode, links = 0o040555, uint32(2+n.subdirectories())
	}
	px := make([]byte, 36)
	copy(px, "PX\x24\x01")
	both32(px[4:], mode)
	both32(px[12:], links)
	tf := append([]byte("TF\x1a\x01\x0e"), w.stamp()...) // modified, accessed, changed
	tf = append(append(tf, w.stamp()...), w.stamp()...)
	return append(px, tf...)
}

// nameRecord renders a node's real name (RRIP NM).
func nameRecord(name string) []byte {
	return append([]byte{'N', 'M', byte(5 + len(name)), 1, 0}, name...)
}

// continuationRecord points to the sector that holds the extension reference (SUSP CE).
func (w *isoWriter) continuationRecord() []byte {
	b := make([]byte, 28)
	copy(b, "CE\x1c\x01")
	both32(b[4:], w.continuation)
	both32(b[20:], uint32(len(extensionRecord())))
	return b
}

// extensionRecord announces Rock Ridge (SUSP ER); Linux prefers Rock Ridge over Joliet only when it finds one.
func extensionRecord() []byte {
	const id, description = 10, 84
	source := len(extensionReference) - id - description
	b := []byte{'E', 'R', byte(8 + len(extensionReference)), 1, id, description, byte(source), 1}
	return append(b, extensionReference...)
}

// both32 stores a number in little and then in big endian (ECMA-119 7.3.3).
func both32(b []byte, value uint32) {
	binary.LittleEndian.PutUint32(b, value)
	binary.BigEndian.PutUint32(b[4:], value)
}

// both16 stores a number in little and then in big endian (ECMA-119 7.2.3).
func both16(b []byte, value uint16) {
	binary.LittleEndian.PutUint16(b, value)
	binary.BigEndian.PutUint16(b[2:], value)
}
