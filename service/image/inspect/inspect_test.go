package inspect

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func inspectAll(b []byte) Result { return inspectLimited(b, Options{}) }

func inspectLimited(b []byte, opts Options) Result {
	i := New(opts)
	_, _ = i.Write(b)
	return i.Result()
}

func TestGoodImagesAreRecognisedAndAccepted(t *testing.T) {
	for name, content := range goodImages() {
		res := inspectAll(content)
		if err := Check(name, res); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := int64(testDisk)
		if name == Raw || name == ISO {
			want = int64(len(content))
		}
		if res.Format != name || res.VirtualSize != want || res.Size != int64(len(content)) {
			t.Errorf("%s: got %+v, want a disk of %d bytes", name, res, want)
		}
	}
	for name, content := range map[string][]byte{VHD: vhdFixedImage(), VMDK: vmdkImage(plainDescriptor), Ploop: ploopImage(ploopOld)} {
		res := inspectAll(content)
		if err := Check(name, res); err != nil || res.VirtualSize != testDisk {
			t.Errorf("%s: %v, %+v", name, err, res)
		}
	}
}

// TestAdvisories holds one image for each published way to make a host open what it should not.
func TestAdvisories(t *testing.T) {
	qcow2 := func(bend func(b []byte)) []byte { b := qcow2Image(); bend(b); return b }
	vmdk := func(from, to string) []byte { return vmdkImage(strings.Replace(plainDescriptor, from, to, 1)) }
	vdi := func(bend func(b []byte)) []byte { b := vdiImage(); bend(b); return b }
	extent := `RW 131072 SPARSE "disk.vmdk"`
	parentItem := append(vhdxItems(), vhdxItemSpec{vhdxItemParent, []byte("path"), true})
	parentBit := vhdxItems()
	parentBit[0].data[4] = 2
	cases := []struct {
		name, declared string
		content        []byte
		kind           Kind
	}{
		{"OSSA-2015-014 qcow2 backing file", Qcow2, qcow2(func(b []byte) { put64(b, 8, 200); put32(b, 16, 11); copy(b[200:], "/etc/shadow") }), ForeignFile},
		{"OSSA-2016-001 qcow2 backing file without a length", Qcow2, qcow2(func(b []byte) { put64(b, 8, 200) }), ForeignFile},
		{"OSSA-2016-001 qcow2 backing format", Qcow2, qcow2(func(b []byte) { put32(b, 112, qcow2ExtBackingFormat); put32(b, 116, 3) }), ForeignFile},
		{"OSSA-2024-001 qcow2 data file bit", Qcow2, qcow2(func(b []byte) { put64(b, 72, qcow2DataFile) }), ForeignFile},
		{"OSSA-2024-001 qcow2 data file name", Qcow2, qcow2(func(b []byte) { put32(b, 112, qcow2ExtDataFile); put32(b, 116, 8) }), ForeignFile},
		{"OSSA-2024-002 qcow2 data file under another name", Raw, qcow2(func(b []byte) { put64(b, 72, qcow2DataFile) }), ForeignFile},
		{"OSSA-2023-002 VMDK monolithicFlat", VMDK, vmdk("streamOptimized", "monolithicFlat"), ForeignFile},
		{"OSSA-2023-002 VMDK flat extent", VMDK, vmdk(extent, `RW 131072 FLAT "/etc/shadow" 0`), ForeignFile},
		{"OSSA-2023-002 VMDK sparse extent elsewhere", VMDK, vmdk(extent, `RW 131072 SPARSE "/etc/shadow"`), ForeignFile},
		{"OSSA-2023-002 VMDK second extent", VMDK, vmdk(extent, extent+"\n"+`RW 131072 SPARSE "x.vmdk"`), ForeignFile},
		{"OSSA-2023-002 VMDK parent", VMDK, vmdk("version=1", "version=1\nparentFileNameHint=\"/etc/shadow\""), ForeignFile},
		{"OSSA-2023-002 VMDK descriptor file", VMDK, []byte(plainDescriptor), ForeignFile},
		{"OSSA-2023-002 VMDK descriptor without its title", VMDK, []byte("#x\n\nversion=1\n"), ForeignFile},
		{"OSSA-2023-002 VMDK without capacity", VMDK, func() []byte { b := vmdkImage(plainDescriptor); put64le(b, 12, 0); return b }(), ForeignFile},
		{"VHD differencing type", VHD, vhdImage(vhdDifferencing, nil), ForeignFile},
		{"VHD parent name", VHD, vhdImage(vhdDynamic, func(d []byte) { d[65] = 'x' }), ForeignFile},
		{"VHD parent locator", VHD, vhdImage(vhdDynamic, func(d []byte) { copy(d[576:], "W2ku") }), ForeignFile},
		{"VHDX parent locator", VHDX, vhdxImage(parentItem, nil), ForeignFile},
		{"VHDX parent bit", VHDX, vhdxImage(parentBit, nil), ForeignFile},
		{"VHDX log to replay", VHDX, vhdxImage(vhdxItems(), func(h []byte) { h[48] = 1 }), Unsupported},
		{"VDI differencing", VDI, vdi(func(b []byte) { put32le(b, 0x4c, 4) }), ForeignFile},
		{"VDI parent", VDI, vdi(func(b []byte) { b[0x1b8] = 1 }), ForeignFile},
		{"QED", Raw, append([]byte("QED\x00"), make([]byte, 4096)...), Unsupported},
		{"LUKS", Raw, append([]byte("LUKS\xba\xbe\x00\x01"), make([]byte, 4096)...), Encrypted},
		{"qcow2 encryption", Qcow2, qcow2(func(b []byte) { put32(b, 32, 2) }), Encrypted},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			res := inspectAll(c.content)
			if !hasKind(res, c.kind) {
				t.Errorf("problems %v, want one of kind %s", res.Problems, c.kind)
			}
			err := Check(c.declared, res)
			if c.declared == res.Format && !errors.Is(err, ErrUnsafe) || c.declared != res.Format && !errors.Is(err, ErrMismatch) {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func hasKind(res Result, k Kind) bool {
	for _, p := range res.Problems {
		if p.Kind == k {
			return true
		}
	}
	return false
}

func TestBentHeadersAreRefused(t *testing.T) {
	bend := func(good []byte, at int, with ...byte) []byte { b := bytes.Clone(good); copy(b[at:], with); return b }
	q, d, p, x := qcow2Image(), vdiImage(), ploopImage(ploopExt), vhdxImage(vhdxItems(), nil)
	ff := bytes.Repeat([]byte{0xff}, 8)
	cases := []struct {
		name    string
		content []byte
		kind    Kind
	}{
		{"qcow version 1", bend(q, 7, 1), Unsupported},
		{"unknown incompatible feature", bend(q, 72, 0x80), Unsupported},
		{"corrupt bit", bend(q, 79, qcow2Corrupt), Malformed},
		{"cluster of 2^8", bend(q, 23, 8), Malformed},
		{"cluster of 2^22", bend(q, 23, 22), Malformed},
		{"disk of 2^64-1 bytes", bend(q, 24, ff...), TooLarge},
		{"L1 table of 2^32-1 entries", bend(q, 36, ff[:4]...), Malformed},
		{"L1 table too short", bend(q, 24, 0, 0, 1), Malformed},
		{"L1 table unaligned", bend(q, 47, 1), Malformed},
		{"L1 table behind the end", bend(q, 42, 1), Truncated},
		{"reference table of 2^32-1 clusters", bend(q, 56, ff[:4]...), Malformed},
		{"reference count order", bend(q, 99, 7), Malformed},
		{"header length over the cluster", bend(q, 100, ff[:4]...), Malformed},
		{"header length of an odd number", bend(q, 103, 105), Malformed},
		{"extension over the cluster", bend(q, 112, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff), Malformed},
		{"unknown compression", bend(q, 104, 9), Unsupported},
		{"zstd not announced", bend(q, 104, 1), Unsupported},
		{"too many snapshots", bend(q, 60, ff[:4]...), Malformed},
		{"endless extensions", bend(q, 112, bytes.Repeat([]byte{1, 2, 3, 4, 0, 0, 0, 0}, 8000)...), Malformed},
		{"VDI version", bend(d, 0x44, 9), Unsupported},
		{"VDI blocks of zero bytes", bend(d, 0x178, 0, 0, 0, 0), Malformed},
		{"VDI without blocks", bend(d, 0x180, 0), Malformed},
		{"VDI map over the data", bend(d, 0x158, 0, 0), Malformed},
		{"VDI disk of 2^64-1 bytes", bend(d, 0x170, ff...), TooLarge},
		{"ploop blocks of zero", bend(p, 28, 0, 0, 0, 0), Malformed},
		{"ploop of 2^64-1 sectors", bend(p, 36, ff...), TooLarge},
		{"ploop map too short", bend(p, 32, 63), Malformed},
		{"VHDX region table", bend(x, vhdxRegions1+100, 1), Malformed},
		{"VHDX second region table", bend(x, vhdxRegions2+100, 1), Malformed},
		{"VHDX both headers", bend(bend(x, vhdxHeader1+100, 1), vhdxHeader2+100, 1), Malformed},
		{"VHDX metadata", bend(x, 2<<20, 'x'), Malformed},
		{"VHDX item outside", bend(x, 2<<20+32+16, ff...), Malformed},
		{"VHD checksum", bend(vhdImage(vhdDynamic, nil), 64, 1, 2, 3), Malformed},
		{"VHD footers differ", func() []byte { b := vhdImage(vhdDynamic, nil); b[len(b)-1] = 1; return b }(), Malformed},
		{"VHD block table", vhdImage(vhdDynamic, func(b []byte) { put32(b, 28, 1) }), Malformed},
		{"VMDK footer contradicts", func() []byte { b := vmdkStream(); put64le(b, len(b)-2*sector+12, 1); return b }(), Malformed},
		{"VMDK sectors contradict", vmdkImage(strings.Replace(plainDescriptor, "131072", "131073", 1)), Malformed},
		{"VMDK type twice", vmdkImage(plainDescriptor + "createtype=\"streamOptimized\"\n"), Malformed},
		{"VMDK descriptor elsewhere", bend(vmdkImage(plainDescriptor), 28, 2), Malformed},
		{"VMDK descriptor of 2^64-1 sectors", bend(vmdkImage(plainDescriptor), 36, ff...), Malformed},
		{"VMDK of 2^64-1 sectors", bend(vmdkImage(plainDescriptor), 12, ff...), TooLarge},
	}
	for _, c := range cases {
		if res := inspectAll(c.content); !hasKind(res, c.kind) {
			t.Errorf("%s: problems %v, want kind %s", c.name, res.Problems, c.kind)
		}
	}
}

func TestTruncatedImagesAreRefused(t *testing.T) {
	for name, content := range goodImages() {
		if name == Raw {
			continue
		}
		metadata := 700
		if name == Ploop {
			metadata = ploopHeader + 64*4
		}
		for n := range min(len(content), metadata) {
			res := inspectAll(content[:n])
			if res.Format == name && len(res.Problems) == 0 {
				t.Errorf("%s cut to %d bytes is accepted", name, n)
			}
		}
	}
	whole := vhdFixedImage()
	if res := inspectAll(whole[sector:]); !hasKind(res, Truncated) {
		t.Errorf("fixed VHD without its first sector: %+v", res)
	}
}

func TestVirtualSizeLimit(t *testing.T) {
	for name, content := range goodImages() {
		size := inspectAll(content).VirtualSize
		if res := inspectLimited(content, Options{MaxVirtualSize: size}); len(res.Problems) != 0 {
			t.Errorf("%s at the limit: %v", name, res.Problems)
		}
		if res := inspectLimited(content, Options{MaxVirtualSize: size - 1}); !hasKind(res, TooLarge) {
			t.Errorf("%s over the limit: %v", name, res.Problems)
		}
	}
	b := qcow2Image()
	put64(b, 24, math.MaxUint64)
	if res := inspectAll(b); res.VirtualSize != math.MaxInt64 {
		t.Errorf("overflowing size became %d", res.VirtualSize)
	}
}

func TestPolyglotsAreRefused(t *testing.T) {
	onto := func(b, magic []byte, at int) []byte { b = bytes.Clone(b); copy(b[at:], magic); return b }
	cd := []byte("\x01CD001\x01")
	polyglots := map[string][]byte{
		"qcow2 and ISO": onto(qcow2Image(), cd, isoDescriptors),
		"qcow2 and MBR": withMBR(qcow2Image()),
		"qcow2 and GPT": onto(qcow2Image(), []byte("EFI PART"), sector),
		"qcow2 and VHD": append(qcow2Image(), vhdFooterBytes(vhdFixed, 0)...),
		"ISO and VHD":   append(isoImage(), vhdFooterBytes(vhdFixed, 0)...),
		"ploop and ISO": append(ploopImage(ploopExt), isoImage()[4096:]...),
		"VMDK and VDI":  onto(vmdkImage(plainDescriptor), []byte(vdiSignature), 0x40),
		"LUKS and ISO":  onto(isoImage(), []byte("LUKS\xba\xbe"), 0),
		"VDI and GPT":   onto(append(vdiImage(), make([]byte, 1024)...), []byte("EFI PART"), sector),
		"DMG and ISO":   append(isoImage(), onto(make([]byte, sector), []byte("koly\x00\x00\x00\x04\x00\x00\x02\x00"), 0)...),
		"VHDX and ISO":  onto(vhdxImage(vhdxItems(), nil), cd, isoDescriptors),
	}
	for name, content := range polyglots {
		res := inspectAll(content)
		if !hasKind(res, Ambiguous) {
			t.Errorf("%s: %+v", name, res)
		}
		for _, declared := range Formats() {
			if Check(declared, res) == nil {
				t.Errorf("%s is accepted as %s", name, declared)
			}
		}
	}
}

func TestLegitimateHybrids(t *testing.T) {
	hybrid := inspectAll(withMBR(isoImage()))
	for _, declared := range []string{ISO, Raw} {
		if err := Check(declared, hybrid); err != nil {
			t.Errorf("bootable ISO as %s: %v", declared, err)
		}
	}
	if err := Check(Raw, inspectAll(isoImage())); !errors.Is(err, ErrMismatch) {
		t.Errorf("plain ISO as raw: %v", err)
	}
	if res := inspectAll(withMBR(vhdFixedImage())); Check(VHD, res) != nil || res.Partitions != "mbr" {
		t.Errorf("fixed VHD with partitions: %+v", res)
	}
	if res := inspectAll(withMBR(make([]byte, 4096))); Check(Raw, res) != nil || res.Partitions != "mbr" {
		t.Errorf("partitioned raw disk: %+v", res)
	}
}

// TestRawIsNeverAnotherFormat is OSSA-2026-002 and OSSA-2016-007: a guest writes a header to the start of its raw disk.
func TestRawIsNeverAnotherFormat(t *testing.T) {
	for name, content := range goodImages() {
		for _, declared := range Formats() {
			err := Check(declared, inspectAll(content))
			opaque := name == Raw && (declared == Raw || declared == AKI || declared == ARI || declared == AMI)
			if ok := opaque || declared == name; ok != (err == nil) {
				t.Errorf("%s declared as %s: %v", name, declared, err)
			} else if !ok && !errors.Is(err, ErrMismatch) {
				t.Errorf("%s declared as %s: %v is no mismatch", name, declared, err)
			}
		}
	}
	if err := Check("docx", inspectAll(nil)); !errors.Is(err, ErrUnknownFormat) {
		t.Errorf("unknown declaration: %v", err)
	}
}

func TestRefusedEarlyAgreesWithTheEnd(t *testing.T) {
	rest := make([]byte, headLen)
	for name, content := range goodImages() {
		for _, declared := range Formats() {
			i := New(Options{})
			_, _ = i.Write(content)
			_, _ = i.Write(rest)
			early := i.Refused(declared)
			if early != nil && Check(declared, i.Result()) == nil {
				t.Errorf("%s declared as %s: refused early with %v, accepted at the end", name, declared, early)
			}
			if name == Qcow2 && declared == Raw && early == nil {
				t.Error("qcow2 declared as raw is not refused early")
			}
		}
	}
	i := New(Options{})
	_, _ = i.Write(vhdFixedImage())
	if err := i.Refused(VHD); err != nil {
		t.Errorf("fixed VHD refused early: %v", err)
	}
}

// TestChunkingDoesNotMatter compares any division into writes with a single write and with reading from a file.
func TestChunkingDoesNotMatter(t *testing.T) {
	images := goodImages()
	images["vhd-fixed"], images["stream"] = vhdFixedImage()[testDisk-1<<20:], vmdkStream()
	names := make([]string, 0, len(images))
	for name := range images {
		names = append(names, name)
	}
	rapid.Check(t, func(rt *rapid.T) {
		content := bytes.Clone(images[rapid.SampledFrom(names).Draw(rt, "image")])
		for range rapid.IntRange(0, 4).Draw(rt, "bends") {
			content[rapid.IntRange(0, min(len(content), 1024)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		content = content[:rapid.IntRange(0, len(content)).Draw(rt, "length")]
		want := inspectAll(content)
		i := New(Options{})
		for rest := content; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(1, 200<<10).Draw(rt, "write"))
			_, _ = i.Write(rest[:n])
			rest = rest[n:]
		}
		if diff := cmp.Diff(want, i.Result()); diff != "" {
			rt.Fatalf("divided writes differ: %s", diff)
		}
		at, err := inspectAt(context.Background(), bytes.NewReader(content), int64(len(content)), Options{})
		if diff := cmp.Diff(want, at); err != nil || diff != "" {
			rt.Fatalf("file differs: %v %s", err, diff)
		}
	})
}

func TestInspectFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, vhdxImage(vhdxItems(), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	res, err := InspectFile(t.Context(), f, Options{})
	if err != nil || res.Format != VHDX || res.VirtualSize != testDisk || len(res.Problems) != 0 {
		t.Errorf("got %+v, %v", res, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := InspectFile(cancelled, f, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := InspectFile(t.Context(), d, Options{}); err == nil {
		t.Error("a directory is inspected")
	}
}

func TestMemoryIsConstant(t *testing.T) {
	i := New(Options{})
	_, _ = i.Write(vhdxImage(vhdxItems(), nil))
	chunk := make([]byte, 64<<10)
	if n := testing.AllocsPerRun(500, func() { _, _ = i.Write(chunk) }); n != 0 {
		t.Errorf("a write behind the headers allocates %v times", n)
	}
	if cap(i.v.head)+cap(i.v.far)+cap(i.tail) > 2<<20 {
		t.Errorf("keeps %d bytes", cap(i.v.head)+cap(i.v.far)+cap(i.tail))
	}
}

func FuzzInspector(f *testing.F) {
	// Short seeds: every header but those of ISO and VHDX lies in front, and the target pads.
	for _, content := range goodImages() {
		f.Add(bytes.Clone(content[:min(len(content), 1536)]))
	}
	f.Add(vmdkImage(plainDescriptor)[:1536])
	f.Add(isoImage()[:isoDescriptors+64])
	f.Fuzz(func(t *testing.T, content []byte) {
		i := New(Options{})
		_, _ = i.Write(content)
		_ = i.Refused(Qcow2)
		res := i.Result()
		if res.VirtualSize < 0 || res.Size != int64(len(content)) {
			t.Errorf("impossible result %+v", res)
		}
		for _, declared := range Formats() {
			_ = Check(declared, res)
		}
		if len(content) >= headLen {
			return
		}
		padded := append(bytes.Clone(content), make([]byte, headLen-len(content))...)
		_ = inspectAll(padded)
	})
}

// FuzzVHDX reaches the tables that lie behind checksums and behind the head.
func FuzzVHDX(f *testing.F) {
	good := vhdxImage(vhdxItems(), nil)
	f.Add(bytes.Clone(good[vhdxRegions1+8:vhdxRegions1+48]), bytes.Clone(good[2<<20:2<<20+96]), good[2<<20+vhdxTableLen:2<<20+vhdxTableLen+16])
	f.Fuzz(func(t *testing.T, regions, metadata, items []byte) {
		b := vhdxImage(nil, nil)
		for _, at := range []int{vhdxRegions1, vhdxRegions2} {
			copy(b[at+8:at+vhdxTableLen], regions)
			sealVHDX(b[at : at+vhdxTableLen])
		}
		copy(b[2<<20:2<<20+vhdxTableLen], metadata)
		copy(b[2<<20+vhdxTableLen:], items)
		if res := inspectAll(b); res.Format != VHDX || res.VirtualSize < 0 {
			t.Errorf("impossible result %+v", res)
		}
	})
}

func BenchmarkInspector(b *testing.B) {
	chunk := make([]byte, 256<<10)
	i := New(Options{})
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		_, _ = i.Write(chunk)
	}
}
