package inspect

import "encoding/binary"

// foreignFormats are those that a tool might recognise and that no image may have: their content could refer to other
// files, needs a key, or is meant for another emulator.
func foreignFormats() []format {
	refuse := func(k Kind, text string) func(*view, *report) {
		return func(v *view, r *report) {
			r.virtualSize = v.size
			r.add(k, "%s", text)
		}
	}
	at := func(off int, text string) func(*view) bool {
		return func(v *view) bool { return v.magic(off, text) }
	}
	return []format{
		{Qed, at(0, "QED\x00"), refuse(Unsupported, "QED images are not accepted: they can refer to a backing file")},
		{Luks, at(0, "LUKS\xba\xbe"), refuse(Encrypted, "the content is encrypted with LUKS, and no key belongs to it")},
		{"bochs", at(0, "Bochs Virtual HD Image\x00"), refuse(Unsupported, "Bochs images are not accepted")},
		{"cloop", at(0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"), refuse(Unsupported, "cloop images are not accepted")},
		{"dmg", matchDMG, refuse(Unsupported, "DMG images are not accepted")},
	}
}

// matchDMG recognises Apple's "koly" block in the last sector.
func matchDMG(v *view) bool {
	f := v.footer(sector, sector)
	return f != nil && string(f[:4]) == "koly" && binary.BigEndian.Uint32(f[8:]) == sector
}
