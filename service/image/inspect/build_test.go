package inspect

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// Builders of minimal valid images; tests bend single fields of them.

const testDisk = 64 << 20

func put32(b []byte, at int, n uint32)   { binary.BigEndian.PutUint32(b[at:], n) }
func put64(b []byte, at int, n uint64)   { binary.BigEndian.PutUint64(b[at:], n) }
func put32le(b []byte, at int, n uint32) { binary.LittleEndian.PutUint32(b[at:], n) }
func put64le(b []byte, at int, n uint64) { binary.LittleEndian.PutUint64(b[at:], n) }

func qcow2Image() []byte {
	b := make([]byte, 4<<16)
	copy(b, "QFI\xfb")
	put32(b, 4, 3)
	put32(b, 20, 16)
	put64(b, 24, testDisk)
	put32(b, 36, 1)
	put64(b, 40, 3<<16)
	put64(b, 48, 1<<16)
	put32(b, 56, 1)
	put32(b, 96, 4)
	put32(b, 100, 112)
	return b
}

const plainDescriptor = "# Disk DescriptorFile\nversion=1\nCID=8beeffd5\nparentCID=ffffffff\n" +
	"createType=\"streamOptimized\"\n\n# Extent description\nRW 131072 SPARSE \"disk.vmdk\"\n\n" +
	"# The Disk Data Base\nddb.adapterType = \"ide\"\n"

func vmdkImage(descriptor string) []byte {
	b := make([]byte, 64<<10)
	copy(b, "KDMV")
	put32le(b, 4, 3)
	put64le(b, 12, testDisk/sector)
	put64le(b, 20, 128)
	put64le(b, 28, 1)
	put64le(b, 36, 20)
	put64le(b, 56, 26)
	copy(b[sector:sector+20*sector], descriptor)
	return b
}

// vmdkStream has its grain directory's place in a footer.
func vmdkStream() []byte {
	b := vmdkImage(plainDescriptor)
	put64le(b, 56, vmdkAtEnd)
	foot := bytes.Clone(b[:sector])
	put64le(foot, 56, 26)
	b = append(b, make([]byte, sector)...)
	b = append(b, foot...)
	return append(b, make([]byte, sector)...)
}

func vhdFooterBytes(kind uint32, offset uint64) []byte {
	f := make([]byte, sector)
	copy(f, vhdCookie)
	put32(f, 12, 1<<16)
	put64(f, 16, offset)
	put64(f, 40, testDisk)
	put64(f, 48, testDisk)
	put32(f, 60, kind)
	put32(f, 64, vhdChecksum(f, 64))
	return f
}

func vhdImage(kind uint32, bend func(dyn []byte)) []byte {
	dyn := make([]byte, 1024)
	copy(dyn, vhdDynCookie)
	put64(dyn, 16, 1536)
	put32(dyn, 28, testDisk>>21)
	put32(dyn, 32, 1<<21)
	if bend != nil {
		bend(dyn)
	}
	put32(dyn, 36, vhdChecksum(dyn, 36))
	foot := vhdFooterBytes(kind, sector)
	b := append(bytes.Clone(foot), dyn...)
	b = append(b, bytes.Repeat([]byte{0xff}, sector)...)
	return append(b, foot...)
}

func vhdFixedImage() []byte {
	return append(make([]byte, testDisk), vhdFooterBytes(vhdFixed, vmdkAtEnd)...)
}

func sealVHDX(b []byte) {
	put32le(b, 4, 0)
	put32le(b, 4, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

type vhdxItemSpec struct {
	id       string
	data     []byte
	required bool
}

func vhdxItems() []vhdxItemSpec {
	size := make([]byte, 8)
	put64le(size, 0, testDisk)
	return []vhdxItemSpec{{vhdxItemFile, make([]byte, 8), true}, {vhdxItemSize, size, true}}
}

func vhdxImage(items []vhdxItemSpec, bend func(header []byte)) []byte {
	b := make([]byte, 3<<20)
	copy(b, vhdxSignature)
	for i, at := range []int{vhdxHeader1, vhdxHeader2} {
		h := b[at : at+vhdxHeaderLen]
		copy(h, "head")
		put64le(h, 8, uint64(i+1))
		h[66] = 1
		if bend != nil {
			bend(h)
		}
		sealVHDX(h)
	}
	for _, at := range []int{vhdxRegions1, vhdxRegions2} {
		t := b[at : at+vhdxTableLen]
		copy(t, "regi")
		put32le(t, 8, 1)
		copy(t[16:], vhdxRegionMetadata)
		put64le(t, 32, 2<<20)
		put32le(t, 40, 1<<20)
		put32le(t, 44, 1)
		sealVHDX(t)
	}
	m := b[2<<20:]
	copy(m, "metadata")
	m[10] = byte(len(items))
	at := vhdxTableLen
	for i, item := range items {
		e := m[32+32*i:]
		copy(e, item.id)
		put32le(e, 16, uint32(at))
		put32le(e, 20, uint32(len(item.data)))
		if item.required {
			e[24] = 4
		}
		at += copy(m[at:], item.data)
	}
	return b
}

func vdiImage() []byte {
	b := make([]byte, 1024)
	copy(b, "<<< disk image >>>\n")
	copy(b[0x40:], vdiSignature)
	put32le(b, 0x44, 0x00010001)
	put32le(b, 0x48, 0x190)
	put32le(b, 0x4c, 1)
	put32le(b, 0x154, 512)
	put32le(b, 0x158, 1024)
	put64le(b, 0x170, testDisk)
	put32le(b, 0x178, 1<<20)
	put32le(b, 0x180, 64)
	return b
}

func ploopImage(magic string) []byte {
	b := make([]byte, 4096)
	copy(b, magic)
	put32le(b, 16, 2)
	put32le(b, 28, 2048)
	put32le(b, 32, 64)
	put64le(b, 36, testDisk/sector)
	return b
}

func isoImage() []byte {
	b := make([]byte, 64<<10)
	copy(b[isoDescriptors:], "\x01CD001\x01")
	return b
}

func withMBR(b []byte) []byte {
	b[446], b[450], b[510], b[511] = 0x80, 0x83, 0x55, 0xaa
	put32le(b, 458, 100)
	return b
}

// goodImages is one safe image of each format.
func goodImages() map[string][]byte {
	return map[string][]byte{
		Raw: []byte(strings.Repeat("bytes of a disk ", 4096)), Qcow2: qcow2Image(), VMDK: vmdkStream(),
		VHD: vhdImage(vhdDynamic, nil), VHDX: vhdxImage(vhdxItems(), nil), VDI: vdiImage(),
		Ploop: ploopImage(ploopExt), ISO: isoImage(),
	}
}
