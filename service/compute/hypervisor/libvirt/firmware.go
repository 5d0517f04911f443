package libvirt

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// UEFI firmware is chosen by its descriptors (QEMU's docs/interop/firmware.json), which distributions install beside the files. libvirt could
// choose as well, but takes firmware with Secure Boot for guests that want none.

// firmwareDirs are where descriptors are; one of a later folder goes before one of the same name in an earlier one.
func firmwareDirs() []string { return []string{"/usr/share/qemu/firmware", "/etc/qemu/firmware"} }

// firmware is what a guest starts from instead of a BIOS.
type firmware struct {
	Code      string // file of the program
	Variables string // file that a guest's own variables begin as; "": there are none
	SMM       bool   // it needs system management mode
	Secure    bool   // it starts what is signed, and nothing else
}

// descriptor is what a file tells of firmware.
type descriptor struct {
	Interfaces []string `json:"interface-types"`
	Mapping    struct {
		Device     string `json:"device"`
		Mode       string `json:"mode"`
		Executable struct {
			Filename string `json:"filename"`
			Format   string `json:"format"`
		} `json:"executable"`
		Template struct {
			Filename string `json:"filename"`
			Format   string `json:"format"`
		} `json:"nvram-template"`
	} `json:"mapping"`
	Targets []struct {
		Architecture string   `json:"architecture"`
		Machines     []string `json:"machines"`
	} `json:"targets"`
	Features []string `json:"features"`
}

// readDescriptors returns the firmware of a host, in the order of preference: by the names of the descriptors.
func readDescriptors(dirs []string) ([]descriptor, error) {
	files := map[string]string{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for firmware: %w", err)
		}
		for _, entry := range entries {
			if filepath.Ext(entry.Name()) == ".json" {
				files[entry.Name()] = filepath.Join(dir, entry.Name())
			}
		}
	}
	var all []descriptor
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, err := os.ReadFile(files[name])
		if err != nil {
			return nil, fmt.Errorf("read firmware descriptor: %w", err)
		}
		var d descriptor
		if len(text) == 0 || json.Unmarshal(text, &d) != nil {
			continue // an empty one hides one of the same name; what libvirt does not understand either is nobody's
		}
		all = append(all, d)
	}
	return all, nil
}

// suits tells whether UEFI firmware in flash memory runs on a board, and its files are there.
func (d *descriptor) suits(arch, machine string) bool {
	if !slices.Contains(d.Interfaces, "uefi") || d.Mapping.Device != "flash" || d.Mapping.Executable.Format != "raw" {
		return false
	}
	for _, file := range []string{d.Mapping.Executable.Filename, d.Mapping.Template.Filename} {
		if _, err := os.Stat(file); file != "" && err != nil {
			return false
		}
	}
	for _, target := range d.Targets {
		if target.Architecture != arch {
			continue
		}
		for _, pattern := range target.Machines {
			if matched, err := path.Match(pattern, machine); err == nil && matched {
				return true
			}
		}
	}
	return false
}

// has tells whether the firmware has all features.
func (d *descriptor) has(features ...string) bool {
	for _, feature := range features {
		if !slices.Contains(d.Features, feature) {
			return false
		}
	}
	return true
}

func (d *descriptor) firmware(secure bool) *firmware {
	return &firmware{Code: d.Mapping.Executable.Filename, Variables: d.Mapping.Template.Filename, SMM: d.has("requires-smm"), Secure: secure}
}

// secureFirmware is the first one that starts nothing unsigned: it knows Secure Boot and has keys; nil: there is none.
func secureFirmware(all []descriptor, arch, machine string) *firmware {
	for i := range all {
		if d := &all[i]; d.suits(arch, machine) && d.keepsVariables() && d.has("secure-boot", "enrolled-keys") {
			return d.firmware(true)
		}
	}
	return nil
}

// openFirmware is the first one that starts anything: one without Secure Boot, else one that knows it and has no keys.
func openFirmware(all []descriptor, arch, machine string) *firmware {
	for _, knows := range []bool{false, true} {
		for i := range all {
			if d := &all[i]; d.suits(arch, machine) && d.keepsVariables() && d.has("secure-boot") == knows && !d.has("enrolled-keys") {
				return d.firmware(false)
			}
		}
	}
	return nil
}

func (d *descriptor) keepsVariables() bool {
	return cmp.Or(d.Mapping.Mode, "split") == "split" && d.Mapping.Template.Filename != "" && d.Mapping.Template.Format == "raw"
}

// statelessFirmware is made for having no variables, or else does without them.
func statelessFirmware(all []descriptor, arch, machine string) *firmware {
	for i := range all {
		if d := &all[i]; d.suits(arch, machine) && d.Mapping.Mode == "stateless" && !d.has("enrolled-keys") {
			return &firmware{Code: d.Mapping.Executable.Filename, SMM: d.has("requires-smm")}
		}
	}
	chosen := openFirmware(all, arch, machine)
	if chosen == nil || chosen.SMM { // variables in memory that a guest could write to would make nothing secure
		return nil
	}
	chosen.Variables = ""
	return chosen
}
