package inspect

import (
	"fmt"
	"math"
	"strings"
)

// What is kept of a stream. headLen reaches to the end of the second VHDX region table, the farthest structure with a
// fixed place; tailLen holds the footer of a stream-optimised VMDK (marker, header, end marker), the longest one.
const (
	headLen = 320 << 10
	farLen  = 1 << 20
	tailLen = 3 * sector
	sector  = 512
)

// view is the kept part of the content.
type view struct {
	head  []byte // the first headLen bytes, or all of a shorter content
	far   []byte // what was kept of the region that farRegion named
	tail  []byte // the last tailLen bytes; only when whole
	size  int64  // length so far; final when whole
	whole bool   // the content has ended
}

// has tells whether the head holds its first n bytes.
func (v *view) has(n int) bool { return len(v.head) >= n }

// magic tells whether the head holds the text at the offset.
func (v *view) magic(off int, text string) bool {
	return v.has(off+len(text)) && string(v.head[off:off+len(text)]) == text
}

// footer returns the n bytes that begin back bytes before the end, or nil when the end is not known or too near.
func (v *view) footer(back, n int) []byte {
	if !v.whole || len(v.tail) < back {
		return nil
	}
	at := len(v.tail) - back
	return v.tail[at : at+n]
}

// beyond tells whether a structure of n bytes at off certainly lies outside the content.
func (v *view) beyond(off, n uint64) bool {
	return v.whole && (off > uint64(v.size) || n > uint64(v.size)-off)
}

// report collects what a parser finds.
type report struct {
	maxSize     int64
	virtualSize int64
	problems    []Problem
}

func (r *report) add(k Kind, format string, args ...any) {
	r.problems = append(r.problems, Problem{Kind: k, Text: fmt.Sprintf(format, args...)})
}

// truncated reports a header that is cut short; for a content that goes on, the caller asks again when it has ended.
func (r *report) truncated(v *view, what string) {
	if v.whole || len(v.head) == headLen {
		r.add(Truncated, "the content ends inside its %s", what)
	}
}

// setSize takes the size of the disk over from a header, in bytes.
func (r *report) setSize(n uint64) {
	if n > math.MaxInt64 {
		r.virtualSize = math.MaxInt64
		r.add(TooLarge, "the disk would have %d bytes, more than any disk can have", n)
		return
	}
	r.virtualSize = int64(n)
	if r.virtualSize > r.maxSize {
		r.add(TooLarge, "the disk would have %d bytes, more than the %d allowed", n, r.maxSize)
	}
}

// setSectors is setSize for headers that count in sectors of 512 bytes.
func (r *report) setSectors(n uint64) {
	if n > math.MaxInt64/sector {
		r.setSize(math.MaxUint64)
		return
	}
	r.setSize(n * sector)
}

// format is one recogniser. match must be cheap and decides by the format's signature alone; parse runs only after a
// match, and must bear any bytes.
type format struct {
	name  string
	match func(*view) bool
	parse func(*view, *report)
}

// diskFormats lists all formats with a signature of their own, those that are always refused included.
func diskFormats() []format {
	known := []format{
		{Qcow2, matchQcow2, parseQcow2},
		{VMDK, matchVMDK, parseVMDK},
		{VHDX, matchVHDX, parseVHDX},
		{VHD, matchVHD, parseVHD},
		{VDI, matchVDI, parseVDI},
		{Ploop, matchPloop, parsePloop},
		{ISO, matchISO, parseISO},
	}
	return append(known, foreignFormats()...)
}

// evaluate judges the kept part of a content.
func evaluate(v *view, maxSize int64) Result {
	res := Result{Format: Raw, Size: v.size, VirtualSize: v.size, Partitions: partitions(v.head)}
	rep := &report{maxSize: maxSize}
	var names []string
	for _, f := range diskFormats() {
		if !f.match(v) {
			continue
		}
		names = append(names, f.name)
		if len(names) == 1 {
			res.Format = f.name
			f.parse(v, rep)
			res.VirtualSize = rep.virtualSize
		}
	}
	switch {
	case len(names) == 0:
		rep.setSize(uint64(v.size))
	case len(names) > 1:
		rep.add(Ambiguous, "the content is valid as %s and as %s", names[0], strings.Join(names[1:], " and as "))
	case res.Partitions != "" && !startsWithDisk(v, res.Format):
		rep.add(Ambiguous, "the content is valid as %s and as a disk with a partition table (%s)", res.Format, res.Partitions)
	}
	res.Problems = rep.problems
	return res
}
