package hypervisor_test

import (
	"errors"
	"strings"
	"testing"

	"virga/service/compute/hypervisor"
)

const (
	guestID = "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c01"
	imageID = "0a4b9d52-33f1-4c0e-8a5e-1f2e3d4c5b6a"
	portID  = "b4f7a1c2-5d6e-4f70-8192-a3b4c5d6e7f8"
)

func validGuest() hypervisor.Guest {
	return hypervisor.Guest{
		ID: guestID, Name: "web", Generation: 3, VCPUs: 1, MemoryMiB: 64, RootGiB: 1, Power: hypervisor.PowerRunning,
		Image: &hypervisor.Image{ID: imageID, SHA512: strings.Repeat("0f", 64), SizeBytes: 10, DiskFormat: "qcow2",
			VirtualSize: 1 << 20},
		NICs: []hypervisor.NIC{{PortID: portID, MAC: "fa:16:3e:00:00:01", Tap: "tapb4f7a1c2-5d", MTU: 1450}},
	}
}

func TestGuestCheckAcceptsACompleteGuest(t *testing.T) {
	if err := validGuest().Check(); err != nil {
		t.Fatal(err)
	}
}

func TestGuestCheckRefuses(t *testing.T) {
	cases := map[string]func(*hypervisor.Guest){
		"an id that climbs":            func(g *hypervisor.Guest) { g.ID = "../../../../etc/passwd/aaaaaaaaaaaaa" },
		"an upper-case id":             func(g *hypervisor.Guest) { g.ID = strings.ToUpper(guestID) },
		"a negative generation":        func(g *hypervisor.Guest) { g.Generation = -1 },
		"no processor":                 func(g *hypervisor.Guest) { g.VCPUs = 0 },
		"no memory":                    func(g *hypervisor.Guest) { g.MemoryMiB = 0 },
		"a negative disk":              func(g *hypervisor.Guest) { g.RootGiB = -1 },
		"an overflowing disk":          func(g *hypervisor.Guest) { g.RootGiB = 1 << 40 },
		"no wish for power":            func(g *hypervisor.Guest) { g.Power = "" },
		"a root smaller than image":    func(g *hypervisor.Guest) { g.Image.VirtualSize = hypervisor.GiB + 1 },
		"an image of unknown format":   func(g *hypervisor.Guest) { g.Image.DiskFormat = "vmdk" },
		"an image without checksum":    func(g *hypervisor.Guest) { g.Image.SHA512 = "" },
		"a tap that is a path":         func(g *hypervisor.Guest) { g.NICs[0].Tap = "../x" },
		"a tap that is too long":       func(g *hypervisor.Guest) { g.NICs[0].Tap = "tap0123456789abc" },
		"a multicast MAC":              func(g *hypervisor.Guest) { g.NICs[0].MAC = "01:00:5e:00:00:01" },
		"an unknown interface model":   func(g *hypervisor.Guest) { g.NICs[0].Model = "ne2k_pci,id=x" },
		"the same port twice":          func(g *hypervisor.Guest) { g.NICs = append(g.NICs, g.NICs[0]) },
		"a machine with a comma":       func(g *hypervisor.Guest) { g.Hints.Machine = "pc,accel=kvm" },
		"a name that is not UTF-8":     func(g *hypervisor.Guest) { g.Name = "a\xffb" },
		"a raw image larger than disk": func(g *hypervisor.Guest) { g.Image.DiskFormat, g.Image.SizeBytes = "raw", 2<<20 },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			guest := validGuest()
			spoil(&guest)
			if err := guest.Check(); !errors.Is(err, hypervisor.ErrInvalid) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
		})
	}
}

func TestRetryable(t *testing.T) {
	if hypervisor.Retryable(nil) || hypervisor.Retryable(hypervisor.ErrStale) || !hypervisor.Retryable(hypervisor.ErrDeviceMissing) {
		t.Fatal("only errors that time can mend are retryable")
	}
}
