package inspect

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// qemuImg runs the tool of Debian's qemu-utils; the test fails without it, since nothing else proves that the parsers
// agree with the tools that open the images.
func qemuImg(t *testing.T, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Fatalf("install qemu-utils: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("qemu-img %v: %v: %s", args, err, exit.Stderr)
		}
		t.Fatalf("qemu-img %v: %v", args, err)
	}
	return out
}

func inspectPath(t *testing.T, path string) Result {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	res, err := InspectFile(t.Context(), f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestRealImagesAgreeWithQemu(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source.raw")
	disk := withMBR(make([]byte, 8<<20))
	for i := 1 << 20; i < 3<<20; i++ {
		disk[i] = byte(i * 7 >> 3)
	}
	if err := os.WriteFile(source, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, format, driver, opts string }{
		{"qcow2", Qcow2, "qcow2", ""}, {"qcow2 v2", Qcow2, "qcow2", "compat=0.10"},
		{"qcow2 small clusters", Qcow2, "qcow2", "cluster_size=512"}, {"qcow2 large clusters", Qcow2, "qcow2", "cluster_size=2M"},
		{"qcow2 extended L2", Qcow2, "qcow2", "extended_l2=on,cluster_size=128k"}, {"qcow2 zstd", Qcow2, "qcow2", "compression_type=zstd"},
		{"qcow2 lazy", Qcow2, "qcow2", "lazy_refcounts=on"}, {"qcow2 preallocated", Qcow2, "qcow2", "preallocation=metadata"},
		{"vdi", VDI, "vdi", ""}, {"vdi static", VDI, "vdi", "static=on"}, {"vhdx", VHDX, "vhdx", ""}, {"vhdx fixed", VHDX, "vhdx", "subformat=fixed"},
		{"vhd", VHD, "vpc", ""}, {"vhd fixed", VHD, "vpc", "subformat=fixed"}, {"vhd exact", VHD, "vpc", "force_size=on"},
		{"vmdk", VMDK, "vmdk", ""}, {"vmdk stream", VMDK, "vmdk", "subformat=streamOptimized"}, {"vmdk version 6", VMDK, "vmdk", "compat6=on"},
		{"ploop", Ploop, "parallels", ""}, {"raw", Raw, "raw", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			opts := []string{}
			if c.opts != "" {
				opts = []string{"-o", c.opts}
			}
			empty, full := filepath.Join(t.TempDir(), "empty"), filepath.Join(t.TempDir(), "full")
			qemuImg(t, append(append([]string{"create", "-q", "-f", c.driver}, opts...), empty, "96M")...)
			qemuImg(t, append(append([]string{"convert", "-f", "raw", "-O", c.driver}, opts...), source, full)...)
			for _, path := range []string{empty, full} {
				var info struct {
					Size int64 `json:"virtual-size"`
				}
				if err := json.Unmarshal(qemuImg(t, "info", "-f", c.driver, "--output=json", path), &info); err != nil {
					t.Fatal(err)
				}
				res := inspectPath(t, path)
				if err := Check(c.format, res); err != nil {
					t.Errorf("%s: %v", filepath.Base(path), err)
				}
				if res.VirtualSize != info.Size {
					t.Errorf("%s: disk of %d bytes, qemu-img says %d", filepath.Base(path), res.VirtualSize, info.Size)
				}
			}
		})
	}
}

func TestRealImagesThatReferElsewhere(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	qemuImg(t, "create", "-q", "-f", "qcow2", at("base.qcow2"), "16M")
	qemuImg(t, "create", "-q", "-f", "vmdk", at("base.vmdk"), "16M")
	cases := []struct {
		format string
		args   []string
	}{
		{Qcow2, []string{"-f", "qcow2", "-b", at("base.qcow2"), "-F", "qcow2"}},
		{Qcow2, []string{"-f", "qcow2", "-o", "data_file=" + at("data") + ",data_file_raw=on"}},
		{VMDK, []string{"-f", "vmdk", "-o", "subformat=monolithicFlat"}},
		{VMDK, []string{"-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"}},
		{VMDK, []string{"-f", "vmdk", "-b", at("base.vmdk"), "-F", "vmdk"}},
		{Qed, []string{"-f", "qed"}},
	}
	for _, c := range cases {
		path := filepath.Join(t.TempDir(), "image."+c.format)
		qemuImg(t, append(append([]string{"create", "-q"}, c.args...), path, "16M")...)
		if res := inspectPath(t, path); res.Format != c.format || len(res.Problems) == 0 {
			t.Errorf("%v: %+v", c.args, res)
		}
	}
}
