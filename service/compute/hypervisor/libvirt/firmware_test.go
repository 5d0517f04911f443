package libvirt

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/service/compute/hypervisor"
)

// lay writes a descriptor, and the files that it names, into a folder.
func lay(t *testing.T, dir, name, features string) {
	t.Helper()
	code, variables := filepath.Join(dir, name+".code"), filepath.Join(dir, name+".vars")
	text := fmt.Sprintf(`{"interface-types": ["uefi"], "mapping": {"device": "flash", "executable": {"filename": %q, "format": "raw"},
		"nvram-template": {"filename": %q, "format": "raw"}}, "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}], "features": [%s]}`,
		code, variables, features)
	for file, content := range map[string]string{code: "code", variables: "variables", filepath.Join(dir, name+".json"): text} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFirmwareIsChosenByDescriptors(t *testing.T) {
	dir, local := t.TempDir(), t.TempDir()
	lay(t, dir, "40-enrolled", `"enrolled-keys", "requires-smm", "secure-boot"`)
	lay(t, dir, "50-secure", `"requires-smm", "secure-boot"`)
	lay(t, dir, "60-plain", `"acpi-s3"`)
	of := func(name string, smm, secure bool) *firmware {
		return &firmware{Code: filepath.Join(dir, name+".code"), Variables: filepath.Join(dir, name+".vars"), SMM: smm, Secure: secure}
	}
	stateless := of("60-plain", false, false)
	stateless.Variables = ""
	can := abilities{machines: map[string]string{"pc": "pc-i440fx-7.2", "q35": "pc-q35-7.2"}}
	for name, test := range map[string]struct {
		machine string
		devices hypervisor.Devices
		want    *firmware // nil: ErrUnsupported, but with a BIOS
	}{
		"BIOS":                          {machine: "q35"},
		"BIOS by name":                  {machine: "q35", devices: hypervisor.Devices{Firmware: "bios", SecureBoot: "required"}},
		"UEFI":                          {machine: "q35", devices: hypervisor.Devices{Firmware: "uefi"}, want: of("60-plain", false, false)},
		"UEFI, Secure Boot forbidden":   {machine: "q35", devices: hypervisor.Devices{Firmware: "uefi", SecureBoot: "disabled"}, want: of("60-plain", false, false)},
		"Secure Boot":                   {machine: "q35", devices: hypervisor.Devices{Firmware: "uefi", SecureBoot: "required"}, want: of("40-enrolled", true, true)},
		"Secure Boot if possible":       {machine: "q35", devices: hypervisor.Devices{Firmware: "uefi", SecureBoot: "optional"}, want: of("40-enrolled", true, true)},
		"stateless":                     {machine: "q35", devices: hypervisor.Devices{Firmware: "uefi", Stateless: true}, want: stateless},
		"a board without UEFI":          {machine: "pc", devices: hypervisor.Devices{Firmware: "uefi"}},
		"Secure Boot without its board": {machine: "pc", devices: hypervisor.Devices{Firmware: "uefi", SecureBoot: "required"}},
		"Secure Boot without memory":    {machine: "q35", devices: hypervisor.Devices{Firmware: "uefi", SecureBoot: "required", Stateless: true}},
	} {
		d := &Driver{firmwareDirs: []string{dir, local, "/nowhere"}}
		def := definition{guest: hypervisor.Guest{ID: guestID, Devices: test.devices}, arch: "x86_64"}
		def.guest.Hints.Machine = test.machine
		got, err := d.chooseFirmware(def, can)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if wantsError := test.devices.Firmware == "uefi" && test.want == nil; wantsError != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLocalDescriptorsGoFirst(t *testing.T) {
	dir, local := t.TempDir(), t.TempDir()
	lay(t, dir, "60-plain", `"acpi-s3"`)
	lay(t, dir, "50-secure", `"requires-smm", "secure-boot"`)
	if err := os.WriteFile(filepath.Join(local, "60-plain.json"), nil, 0o600); err != nil { // an empty one hides it
		t.Fatal(err)
	}
	all, err := readDescriptors([]string{dir, local})
	if err != nil {
		t.Fatal(err)
	}
	chosen := openFirmware(all, "x86_64", "pc-q35-7.2")
	if chosen == nil || filepath.Base(chosen.Code) != "50-secure.code" || chosen.Secure || !chosen.SMM {
		t.Errorf("chose %+v", chosen)
	}
	if stateless := statelessFirmware(all, "x86_64", "pc-q35-7.2"); stateless != nil {
		t.Errorf("firmware that needs its variables does without: %+v", stateless)
	}
	if err := os.Remove(filepath.Join(dir, "50-secure.vars")); err != nil {
		t.Fatal(err)
	}
	if chosen := openFirmware(all, "x86_64", "pc-q35-7.2"); chosen != nil {
		t.Errorf("chose %+v, whose variables are gone", chosen)
	}
}
