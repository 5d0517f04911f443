//go:build e2e

package libvirt_test

import (
	"fmt"
	"strings"
	"testing"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/suite"
)

// each starts a guest for every change and hands it over once its boot sector, or firmware, has spoken.
func each(t *testing.T, says string, changes map[string]func(*hypervisor.Guest), look func(t *testing.T, xml string)) {
	driver, l := open(t, t.TempDir()), dial(t)
	disk := suite.BootDisk(consoleText)
	image := cache(t, driver, disk, "raw", int64(len(disk)))
	addTap(t, "tapmodels")
	n := 0
	for name, change := range changes {
		n++
		t.Run(name, func(t *testing.T) {
			wanted := guest(image)
			wanted.ID = fmt.Sprintf("6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7d%02d", n)
			change(&wanted)
			defer remove(t, driver, wanted.ID)
			if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
				t.Fatal(err)
			}
			awaitConsole(t, driver, wanted.ID, says)
			described := describe(t, l, wanted.ID)
			text, err := described.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if look != nil {
				look(t, text)
			}
		})
	}
}

// TestModels starts a guest with each model that the host says it has, for QEMU may know a word that libvirt does not, or the other way
// round.
func TestModels(t *testing.T) {
	driver := open(t, t.TempDir())
	facts, err := driver.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	driver.Close()
	t.Log(facts.Traits)
	set := map[string]func(*hypervisor.Guest, string){
		"COMPUTE_GRAPHICS_MODEL_": func(guest *hypervisor.Guest, word string) { guest.Devices.Video, guest.Devices.VideoMiB = word, 16 },
		"COMPUTE_SOUND_MODEL_":    func(guest *hypervisor.Guest, word string) { guest.Devices.Sound = word },
		"COMPUTE_USB_MODEL_":      func(guest *hypervisor.Guest, word string) { guest.Devices.USB, guest.Devices.Pointer = word, "usb" },
		"COMPUTE_VIOMMU_MODEL_": func(guest *hypervisor.Guest, word string) {
			guest.Devices.IOMMU, guest.Hints.Machine = word, "q35"
		},
		"COMPUTE_NET_VIF_MODEL_": func(guest *hypervisor.Guest, word string) {
			guest.NICs = []hypervisor.NIC{{PortID: "b4f7a1c2-5d6e-4f70-8192-a3b4c5d6e7f8", MAC: "fa:16:3e:00:00:01", Tap: "tapmodels", Model: word}}
		},
	}
	changes := map[string]func(*hypervisor.Guest){}
	for _, trait := range facts.Traits {
		for prefix, change := range set {
			word, found := strings.CutPrefix(trait, prefix)
			if !found || word == "RAMFB" { // nova has no such model
				continue
			}
			word = strings.ToLower(word)
			if prefix == "COMPUTE_USB_MODEL_" {
				word = strings.ReplaceAll(word, "_", "-")
			}
			changes[trait] = func(guest *hypervisor.Guest) { change(guest, word) }
		}
	}
	each(t, consoleText, changes, nil)
}

// TestFirmware starts guests from UEFI, which says so on the serial port before it finds nothing to start.
func TestFirmware(t *testing.T) {
	each(t, "BdsDxe", map[string]func(*hypervisor.Guest){
		"pc": func(guest *hypervisor.Guest) { guest.Devices.Firmware = "uefi" },
		"stateless": func(guest *hypervisor.Guest) {
			guest.Devices.Firmware, guest.Devices.Stateless, guest.Hints.Machine = "uefi", true, "q35"
		},
		"secure boot": func(guest *hypervisor.Guest) {
			guest.Devices.Firmware, guest.Devices.SecureBoot, guest.Hints.Machine = "uefi", "required", "q35"
		},
	}, func(t *testing.T, xml string) {
		if !strings.Contains(xml, "<loader ") {
			t.Errorf("it starts from a BIOS: %s", xml)
		}
		t.Log(xml[strings.Index(xml, "<os"):strings.Index(xml, "</os>")])
	})
}
