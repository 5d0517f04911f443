package compute

import (
	"encoding/json"
	"slices"
	"strings"
)

// hintLists are scheduler hints as nova keeps and shows them: each is a list of texts.
func hintLists(hints map[string]json.RawMessage) map[string][]string {
	if len(hints) == 0 {
		return nil
	}
	lists := map[string][]string{}
	for name, raw := range hints {
		var several []json.RawMessage
		if json.Unmarshal(raw, &several) != nil {
			several = []json.RawMessage{raw}
		}
		list := []string{}
		for _, one := range several {
			var text string
			if json.Unmarshal(one, &text) != nil {
				text = string(one)
			}
			list = append(list, text)
		}
		lists[name] = list
	}
	return lists
}

// hintsShown is never null: no hints are an empty object.
func hintsShown(hints map[string][]string) map[string][]string {
	if hints == nil {
		return map[string][]string{}
	}
	return hints
}

// oldImageProperties are those of nova's image properties whose names are of before there
// were prefixes.
var oldImageProperties = []string{"architecture", "owner_id", "vmware_disktype", "vmware_image_version", "vmware_bridge", "vmware_ostype", "vmware_linked_clone",
	"hypervisor_type", "hypervisor_version_requires", "vm_mode", "auto_disk_config", "ipxe_boot", "mappings", "bdm_v2", "block_device_mapping", "root_device_name",
	"signature_verified", "requires_rdp"}

// imagePropertiesShown are the properties of an image that mean something to compute.
func imagePropertiesShown(properties map[string]string) map[string]string {
	shown := map[string]string{}
	for name, value := range properties {
		known := slices.Contains(oldImageProperties, name)
		for _, prefix := range []string{"hw_", "img_", "os_", "trait:"} {
			known = known || strings.HasPrefix(name, prefix)
		}
		if known {
			shown[name] = value
		}
	}
	return shown
}
