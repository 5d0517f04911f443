package inspect

import "encoding/binary"

// partitions names the partition table in the first two sectors: "gpt", "mbr" or none.
func partitions(head []byte) string {
	if len(head) >= 2*sector && string(head[sector:sector+8]) == "EFI PART" {
		return "gpt"
	}
	if len(head) < sector || binary.LittleEndian.Uint16(head[510:]) != 0xaa55 {
		return ""
	}
	used := false
	for i := range 4 {
		entry := head[446+16*i : 462+16*i]
		// A boot sector without a table has code here; its first byte is only by chance a valid boot flag.
		if entry[0]&0x7f != 0 {
			return ""
		}
		if entry[4] != 0 && binary.LittleEndian.Uint32(entry[12:]) != 0 {
			used = true
		}
	}
	if !used {
		return ""
	}
	return "mbr"
}

// startsWithDisk tells whether content in this format begins with sectors of the disk itself, so that a partition
// table there is part of it and not a second meaning.
func startsWithDisk(v *view, name string) bool {
	return name == ISO || name == VHD && !v.magic(0, vhdCookie)
}
