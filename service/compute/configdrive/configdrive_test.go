package configdrive

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

var created = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func sampleDrive() Drive {
	return Drive{
		MetaData:    []byte(`{"uuid": "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c01", "hostname": "web.example.test"}`),
		UserData:    []byte("#!/bin/sh\necho hello\n"),
		NetworkData: []byte(`{"links": [], "networks": [], "services": []}`),
		VendorData:  []byte(`{}`),
		EC2MetaData: bytes.Repeat([]byte("x"), 3*sectorSize+5),
		Content:     map[string][]byte{"0000": []byte("injected"), "0001": {}},
		Time:        created,
	}
}

// open reads an image with a reader that is not ours.
func open(t *testing.T, image []byte) *iso9660.FileSystem {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drive.iso")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	storage, err := file.OpenFromPath(path, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storage.Close() })
	fs, err := iso9660.Read(storage, int64(len(image)), 0, sectorSize)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestBuildIsReadByAnotherReader(t *testing.T) {
	drive := sampleDrive()
	image, err := Build(drive)
	if err != nil {
		t.Fatal(err)
	}
	fs := open(t, image)
	if label := strings.TrimRight(fs.Label(), " \x00"); label != Label {
		t.Errorf("label is %q", label)
	}
	want := map[string][]byte{
		"openstack/latest/meta_data.json":    drive.MetaData,
		"openstack/latest/user_data":         drive.UserData,
		"openstack/latest/network_data.json": drive.NetworkData,
		"openstack/latest/vendor_data.json":  drive.VendorData,
		"openstack/content/0000":             drive.Content["0000"],
		"openstack/content/0001":             drive.Content["0001"],
		"ec2/latest/meta-data.json":          drive.EC2MetaData,
		"ec2/latest/user-data":               drive.UserData,
	}
	for path, data := range want {
		got, err := fs.ReadFile(path)
		if err != nil {
			t.Errorf("read %s: %v", path, err)
		} else if !bytes.Equal(got, data) {
			t.Errorf("%s holds %d bytes, want %d", path, len(got), len(data))
		}
	}
	if _, err := fs.ReadFile("openstack/latest/vendor_data2.json"); err == nil {
		t.Error("a nil document was written")
	}
}

func TestBuildIsAFunctionOfItsArguments(t *testing.T) {
	first, err := Build(sampleDrive())
	if err != nil {
		t.Fatal(err)
	}
	second, err := Build(sampleDrive())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Fatal("the same drive gave different bytes")
	}
	if len(first)%sectorSize != 0 {
		t.Fatalf("image has %d bytes, not a multiple of %d", len(first), sectorSize)
	}
}

func TestADirectoryOfManySectors(t *testing.T) {
	drive := sampleDrive()
	for i := range 200 {
		drive.Content[fmt.Sprintf("%04d-with-a-rather-long-name", i)] = []byte(fmt.Sprint(i))
	}
	image, err := Build(drive)
	if err != nil {
		t.Fatal(err)
	}
	fs := open(t, image)
	entries, err := fs.ReadDir("openstack/content")
	if err != nil || len(entries) != len(drive.Content) {
		t.Fatalf("%d entries and %v, want %d", len(entries), err, len(drive.Content))
	}
	for name, want := range drive.Content {
		if got, err := fs.ReadFile("openstack/content/" + name); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %q, %v", name, got, err)
		}
	}
}

func TestBothTreesShareContent(t *testing.T) {
	image, err := writeISO(Label, created, map[string][]byte{"名字.txt": []byte("only once")})
	if err != nil {
		t.Fatal(err)
	}
	if count := bytes.Count(image, []byte("only once")); count != 1 {
		t.Errorf("content is stored %d times", count)
	}
	if !bytes.Contains(image, ucs2("名字.txt;1")) {
		t.Error("no Joliet name")
	}
	if !bytes.Contains(image, nameRecord("名字.txt")) {
		t.Error("no Rock Ridge name")
	}
}

func TestBuildRefuses(t *testing.T) {
	cases := map[string]func(*Drive){
		"no metadata":          func(d *Drive) { d.MetaData = nil },
		"a name that climbs":   func(d *Drive) { d.Content[".."] = nil },
		"a name with a slash":  func(d *Drive) { d.Content["a/b"] = nil },
		"an empty name":        func(d *Drive) { d.Content[""] = nil },
		"a name that is long":  func(d *Drive) { d.Content[strings.Repeat("n", 65)] = nil },
		"a name not in UTF-8":  func(d *Drive) { d.Content["\xff"] = nil },
		"more than fits":       func(d *Drive) { d.UserData = make([]byte, maxImageBytes) },
		"a name with a NUL":    func(d *Drive) { d.Content["a\x00"] = nil },
		"a dot alone for name": func(d *Drive) { d.Content["."] = nil },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			drive := sampleDrive()
			spoil(&drive)
			if image, err := Build(drive); err == nil {
				t.Fatalf("made an image of %d bytes", len(image))
			}
		})
	}
}

func TestATimeOutsideTheFormatsRangeIsReplaced(t *testing.T) {
	drive := sampleDrive()
	drive.Time = time.Time{}
	if _, err := Build(drive); err != nil {
		t.Fatal(err)
	}
}
