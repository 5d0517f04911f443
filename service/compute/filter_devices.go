package compute

// devicesKey is the extra spec by which a flavor asks for devices of a host, by the names of aliases.
const devicesKey = "pci_passthrough:alias"

// askDevices refuses every host to servers that ask for its PCI devices: no host hands any on (pci_passthrough_filter.py).
func askDevices(_ *scheduler, q *question) hostJudge {
	alias := q.extraSpecs[devicesKey]
	if alias == "" {
		return nil
	}
	return func(*candidate) miss {
		return miss{text: "it hands no PCI devices on to guests, the flavor asks for ", subject: alias}
	}
}
