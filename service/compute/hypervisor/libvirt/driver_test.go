package libvirt

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

type fixedClock struct{}

func (fixedClock) Now() time.Time { return time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC) }

// detached opens a driver on a host without libvirtd.
func detached(t *testing.T, dir string) *Driver {
	t.Helper()
	driver, err := New(Config{Dir: dir, Clock: fixedClock{}, Socket: filepath.Join(dir, "nobody"), DomainType: "qemu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { driver.Close() })
	return driver
}

func cacheImage(t *testing.T, driver *Driver, content []byte) hypervisor.Image {
	t.Helper()
	sum := sha512.Sum512(content)
	image := hypervisor.Image{ID: imageID, SHA512: hex.EncodeToString(sum[:]), SizeBytes: int64(len(content)), DiskFormat: "raw",
		VirtualSize: int64(len(content))}
	err := driver.EnsureImage(t.Context(), image, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestImagesAreCachedWithoutLibvirt(t *testing.T) {
	dir := t.TempDir()
	driver := detached(t, dir)
	// Holes before, between and after data, and an end that is no multiple of anything.
	content := make([]byte, 5*block+17)
	content[block+1], content[3*block] = 1, 2
	image := cacheImage(t, driver, content)
	kept, err := os.ReadFile(filepath.Join(dir, imageFile(image)))
	if err != nil || !bytes.Equal(kept, content) {
		t.Fatalf("%d bytes kept, %v, want %d", len(kept), err, len(content))
	}
	removed, err := driver.PruneImages(t.Context(), nil)
	if err != nil || !slices.Equal(removed, []string{imageID}) {
		t.Fatalf("pruned %q, %v", removed, err)
	}
}

func TestAnInterruptedTransferIsClearedAway(t *testing.T) {
	dir := t.TempDir()
	detached(t, dir).Close()
	rest := filepath.Join(dir, "images", imageID+".123"+transferSuffix)
	if err := os.WriteFile(rest, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	detached(t, dir)
	if _, err := os.Stat(rest); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("still there: %v", err)
	}
}

func TestADirectoryHasOneUser(t *testing.T) {
	dir := t.TempDir()
	detached(t, dir)
	if _, err := New(Config{Dir: dir, Clock: fixedClock{}}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("got %v", err)
	}
}

func TestWithoutLibvirtGuestsAreUnavailable(t *testing.T) {
	driver := detached(t, t.TempDir())
	_, err := driver.ListGuests(t.Context())
	if !errors.Is(err, hypervisor.ErrUnavailable) || !hypervisor.Retryable(err) || !strings.Contains(err.Error(), "nobody") {
		t.Fatalf("got %v", err)
	}
}

func TestLostGenerationsAreRecalledFromGuests(t *testing.T) {
	dir := t.TempDir()
	driver := detached(t, dir)
	kept := &manifest{Guest: sampleGuest()}
	if err := errors.Join(driver.layout.makeGuestDir(guestID), driver.layout.writeManifest(kept)); err != nil {
		t.Fatal(err)
	}
	driver.Close()
	if err := os.Remove(filepath.Join(dir, "generations")); err != nil {
		t.Fatal(err)
	}
	late := sampleGuest()
	late.Generation--
	if err := detached(t, dir).EnsureGuest(t.Context(), late); !errors.Is(err, hypervisor.ErrStale) {
		t.Fatalf("got %v", err)
	}
}

func TestManifestHoldsNoConfigDrive(t *testing.T) {
	dir := t.TempDir()
	driver := detached(t, dir)
	image := cacheImage(t, driver, make([]byte, 4096))
	guest := sampleGuest()
	guest.Image = &image
	if _, err := driver.begin(t.Context(), guest, nil, false); err != nil {
		t.Fatal(err)
	}
	kept, err := driver.layout.readManifest(guestID)
	if err != nil || kept.Guest.ConfigDrive != nil || kept.Guest.Generation != guest.Generation {
		t.Fatalf("%+v, %v", kept, err)
	}
}

func TestEventsLeadToStates(t *testing.T) {
	for _, test := range []struct {
		event  rpc.DomainEventType
		detail rpc.DomainEventStoppedDetailType
		power  hypervisor.PowerState
		told   bool
	}{
		{rpc.DomainEventDefined, 0, hypervisor.NoState, false},
		{rpc.DomainEventStarted, 0, hypervisor.Running, true},
		{rpc.DomainEventSuspended, 0, hypervisor.Paused, true},
		{rpc.DomainEventResumed, 0, hypervisor.Running, true},
		{rpc.DomainEventStopped, 0, hypervisor.Shutdown, true},
		{rpc.DomainEventStopped, rpc.DomainEventStoppedFailed, hypervisor.Crashed, true},
		{rpc.DomainEventStopped, rpc.DomainEventStoppedCrashed, hypervisor.Crashed, true},
		{rpc.DomainEventCrashed, 0, hypervisor.Crashed, true},
		{rpc.DomainEventPmsuspended, 0, hypervisor.Suspended, true},
		{rpc.DomainEventUndefined, 0, hypervisor.NoState, true},
	} {
		power, told := powerAfter(rpc.DomainEventLifecycleMsg{Event: int32(test.event), Detail: int32(test.detail)})
		if power != test.power || told != test.told {
			t.Errorf("event %d/%d: %s, %t", test.event, test.detail, power, told)
		}
	}
}

func TestForeignDomainsGiveNoEvents(t *testing.T) {
	driver := detached(t, t.TempDir())
	events, err := driver.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-events
	uuid, err := parseUUID(guestID)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"somebody-elses", domainName(guestID)} {
		driver.onEvent(rpc.DomainEventLifecycleMsg{Dom: rpc.Domain{Name: name, UUID: uuid}, Event: int32(rpc.DomainEventStarted)})
	}
	driver.Close()
	count := 0
	for event := range events {
		if count++; event.ID != guestID {
			t.Errorf("got %+v", event)
		}
	}
	if count != 1 {
		t.Fatalf("%d events", count)
	}
}

func TestCompareNICs(t *testing.T) {
	wanted := sampleGuest().NICs
	live := func(change func(*libvirtxml.DomainInterface)) libvirtxml.DomainInterface {
		nic := interfaceOf(wanted[0])
		change(&nic)
		return nic
	}
	same := live(func(*libvirtxml.DomainInterface) {})
	foreign := live(func(nic *libvirtxml.DomainInterface) { nic.Alias = &libvirtxml.DomainAlias{Name: "net3"} })
	attach, detach := compareNICs(wanted, []libvirtxml.DomainInterface{same, foreign})
	if len(attach) != 1 || attach[0].PortID != portB || len(detach) != 0 {
		t.Errorf("attach %+v, detach %q", attach, detach)
	}
	attach, detach = compareNICs(nil, []libvirtxml.DomainInterface{same})
	if len(attach) != 0 || !slices.Equal(detach, []string{nicAlias(portA)}) {
		t.Errorf("attach %+v, detach %q", attach, detach)
	}
	other := live(func(nic *libvirtxml.DomainInterface) { nic.Target = &libvirtxml.DomainInterfaceTarget{Dev: "tapother"} })
	attach, detach = compareNICs(wanted[:1], []libvirtxml.DomainInterface{other})
	if len(attach) != 1 || !slices.Equal(detach, []string{nicAlias(portA)}) {
		t.Errorf("attach %+v, detach %q", attach, detach)
	}
}

func TestCheckNamesWhatIsMissingAndTheCure(t *testing.T) {
	dir := t.TempDir()
	findings := Check(t.Context(), Config{Dir: dir, Socket: filepath.Join(dir, "nobody"), QEMU: "no-such-qemu", QEMUImg: "no-such-img"})
	failed := map[string]bool{}
	for _, finding := range findings {
		if finding.Level == Fail {
			failed[finding.Name] = true
		}
		if finding.Level != OK && finding.Mend == "" {
			t.Errorf("no cure for %+v", finding)
		}
	}
	for _, name := range []string{"libvirt", "QEMU", "qemu-img", "virtlogd"} {
		if !failed[name] {
			t.Errorf("%s is not found missing in %+v", name, findings)
		}
	}
}
