package inspect

// The volume descriptors of ECMA-119 start in the 17th block of 2048 bytes.
const isoDescriptors = 16 * 2048

// matchISO recognises ISO 9660 and, by its extended area, a bare UDF volume (ECMA-167).
func matchISO(v *view) bool {
	if v.magic(isoDescriptors+1, "CD001") {
		return true
	}
	return v.magic(isoDescriptors+1, "BEA01") && v.magic(isoDescriptors+2048+1, "NSR0")
}

// parseISO finds nothing to refuse: an ISO image is a plain sequence of sectors that refers to nothing outside it.
func parseISO(v *view, r *report) {
	r.setSize(uint64(v.size))
	if !v.has(isoDescriptors + 2048) {
		r.truncated(v, "volume descriptor")
	}
}
