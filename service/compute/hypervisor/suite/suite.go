// Package suite holds the behaviour that every hypervisor driver shows: the contract of hypervisor.Driver as tests.
//
// It owns the tests and a tiny bootable disk to run them with; it does not own any driver. Drivers' tests import it.
package suite

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"testing"
	"time"

	"virga/service/compute/hypervisor"
)

// Host is one host to test a driver on.
type Host struct {
	// Open returns a driver for the host. The suite calls it again after it closed the last one, as a restart would.
	Open func(t *testing.T) hypervisor.Driver
	// AddTap makes the tap device of that name exist on the host until the test ends.
	AddTap func(t *testing.T, name string)
	// MACs returns the hardware addresses of the running guest's network interfaces, in order.
	MACs func(t *testing.T, id string) []string
	// Residue names everything of any guest that is on the host, apart from cached images and the memory of generations.
	Residue func(t *testing.T) []string
	// ConsoleText appears on the console of a guest that runs BootDisk(ConsoleText).
	ConsoleText string
	// Real says that guests really run: their console shows what the disk says from which they were started.
	Real bool
}

// patience is how long the slowest driver may take to show an effect; it passes only when a test fails.
const patience = time.Minute

// Run runs the whole suite; newHost returns a fresh host for each test.
func Run(t *testing.T, newHost func(t *testing.T) Host) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, e *env)
	}{
		{"FactsAreComplete", factsAreComplete},
		{"ImageIsTransferredOnce", imageIsTransferredOnce},
		{"ImageOfOtherContentIsRefused", imageOfOtherContentIsRefused},
		{"ImageTransferEndsWithItsCaller", imageTransferEndsWithItsCaller},
		{"ImagesInUseAreNotPruned", imagesInUseAreNotPruned},
		{"GuestRunsAndIsRemoved", guestRunsAndIsRemoved},
		{"RepeatLeavesGuestAlone", repeatLeavesGuestAlone},
		{"StaleOrdersAreRefused", staleOrdersAreRefused},
		{"RemovedGuestStaysRemoved", removedGuestStaysRemoved},
		{"PreparedGuestHasDisksOnly", preparedGuestHasDisksOnly},
		{"StopAndStart", stopAndStart},
		{"Reboot", reboot},
		{"PauseAndGoOn", pauseAndGoOn},
		{"SuspendAndResume", suspendAndResume},
		{"SuspendedGuestOutlivesDriver", suspendedGuestOutlivesDriver},
		{"RescueAndBack", rescueAndBack},
		{"RescueDisksAreFresh", rescueDisksAreFresh},
		{"DevicesAreGiven", devicesAreGiven},
		{"UnsupportedDevicesAreNamed", unsupportedDevicesAreNamed},
		{"VariablesMoveWithDisks", variablesMoveWithDisks},
		{"GuestIsMeasured", guestIsMeasured},
		{"InterruptsReachGuests", interruptsReachGuests},
		{"PasswordNeedsGuest", passwordNeedsGuest},
		{"RemovalDoesNotWaitForStop", removalDoesNotWaitForStop},
		{"MissingImageIsNamed", missingImageIsNamed},
		{"MissingDeviceIsNamed", missingDeviceIsNamed},
		{"InterfacesChangeWhileRunning", interfacesChangeWhileRunning},
		{"DisksGrowButDoNotShrink", disksGrowButDoNotShrink},
		{"SeveralDisksAreKept", severalDisksAreKept},
		{"GuestBootsFromCD", guestBootsFromCD},
		{"KernelsAreCached", kernelsAreCached},
		{"NodesHaveAPlace", nodesHaveAPlace},
		{"NodesNeedRoom", nodesNeedRoom},
		{"InvalidOrdersHaveNoEffect", invalidOrdersHaveNoEffect},
		{"DisksMoveToAnotherGuest", disksMoveToAnotherGuest},
		{"AdoptionIsWholeOrNothing", adoptionIsWholeOrNothing},
		{"AdoptionEndsWithRemoval", adoptionEndsWithRemoval},
		{"SnapshotOfRunningGuestBoots", snapshotOfRunningGuestBoots},
		{"SnapshotOfStoppedGuestBoots", snapshotOfStoppedGuestBoots},
		{"SnapshotsAreWholeOrNothing", snapshotsAreWholeOrNothing},
		{"DisksAreMadeAnew", disksAreMadeAnew},
		{"FormerDisksComeBack", formerDisksComeBack},
		{"ConsoleKeepsTheEnd", consoleKeepsTheEnd},
		{"DisplaySpeaksRFB", displaySpeaksRFB},
		{"SerialPortBelongsToOne", serialPortBelongsToOne},
		{"GuestsSideBySide", guestsSideBySide},
		{"RestartAdoptsGuests", restartAdoptsGuests},
		{"ClosedDriverRefuses", closedDriverRefuses},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &env{Host: newHost(t)}
			e.driver = e.Open(t)
			t.Cleanup(func() { e.driver.Close() })
			test.run(t, e)
		})
	}
}

// env is what a test works with.
type env struct {
	Host
	driver hypervisor.Driver
	ran    []string // ids of guests
}

// reopen restarts the driver.
func (e *env) reopen(t *testing.T) {
	t.Helper()
	if err := e.driver.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	e.driver = e.Open(t)
	t.Cleanup(func() { // it is closed before the clean-ups of what ran earlier
		for _, guestID := range e.ran {
			e.driver.RemoveGuest(context.Background(), guestID, 1<<40)
		}
	})
}

// disk returns the image that the suite's guests boot, and a way to read it.
func (e *env) disk() (hypervisor.Image, func(context.Context) (io.ReadCloser, error)) {
	content := BootDisk(e.ConsoleText)
	sum := sha512.Sum512(content)
	image := hypervisor.Image{ID: id(0xd15c), SHA512: hex.EncodeToString(sum[:]), SizeBytes: int64(len(content)),
		DiskFormat: "raw", VirtualSize: int64(len(content))}
	return image, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

// guest describes the n-th guest, running from the suite's image, which it caches.
func (e *env) guest(t *testing.T, n int) hypervisor.Guest {
	t.Helper()
	image, open := e.disk()
	must(t, e.driver.EnsureImage(t.Context(), image, open))
	return hypervisor.Guest{ID: id(n), Name: "guest <&> \"one\"", HostName: "guest-one", Generation: 10, VCPUs: 1, MemoryMiB: 32,
		RootGiB: 1, Image: &image, Power: hypervisor.PowerRunning, StopGrace: 200 * time.Millisecond}
}

// run ensures the guest and has it removed after the test.
func (e *env) run(t *testing.T, guest hypervisor.Guest) {
	t.Helper()
	e.ran = append(e.ran, guest.ID)
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	t.Cleanup(func() { e.driver.RemoveGuest(context.Background(), guest.ID, 1<<40) })
}

// nic describes the n-th interface, n below 10.
func nic(n int) hypervisor.NIC {
	return hypervisor.NIC{PortID: id(0x9000 + n), MAC: fmt.Sprintf("fa:16:3e:00:00:0%d", n), Tap: fmt.Sprintf("tapsuite-%d", n),
		MTU: 1450}
}

// expect fails unless the guest is in that state.
func (e *env) expect(t *testing.T, guestID string, power hypervisor.PowerState) hypervisor.GuestState {
	t.Helper()
	state, err := e.driver.GetGuest(t.Context(), guestID)
	must(t, err)
	if state.Power != power {
		t.Fatalf("guest is %s, want %s", state.Power, power)
	}
	return state
}

// watch subscribes and swallows the first Resync.
func (e *env) watch(t *testing.T) <-chan hypervisor.Event {
	t.Helper()
	events, err := e.driver.Watch(t.Context())
	must(t, err)
	if first := receive(t, events); !first.Resync {
		t.Fatalf("the first event is %+v, want a Resync", first)
	}
	return events
}

// awaitConsole waits until the guest has written the text.
func (e *env) awaitConsole(t *testing.T, guestID, text string) []byte {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		log, err := e.driver.ConsoleLog(t.Context(), guestID, 1<<20)
		must(t, err)
		if bytes.Contains(log, []byte(text)) {
			return log
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("console does not say %q but %q", text, log)
		}
	}
}

func receive(t *testing.T, events <-chan hypervisor.Event) hypervisor.Event {
	t.Helper()
	select {
	case event, open := <-events:
		if !open {
			t.Fatal("event channel closed")
		}
		return event
	case <-time.After(patience):
		t.Fatal("no event")
	}
	return hypervisor.Event{}
}

// await reads until the guest was reported in that state.
func await(t *testing.T, events <-chan hypervisor.Event, guestID string, power hypervisor.PowerState) {
	t.Helper()
	for {
		if event := receive(t, events); event.ID == guestID && event.Power == power {
			return
		}
	}
}

// shutdowns returns how often the guest was reported shut down so far. The end of the report is known by another guest that comes
// and goes.
func (e *env) shutdowns(t *testing.T, events <-chan hypervisor.Event, guestID string) int {
	t.Helper()
	last := e.guest(t, 0xeed)
	last.Power = hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), last))
	must(t, e.driver.RemoveGuest(t.Context(), last.ID, last.Generation))
	count := 0
	for {
		event := receive(t, events)
		switch {
		case event.ID == guestID && event.Power == hypervisor.Shutdown:
			count++
		case event.ID == last.ID && event.Power == hypervisor.NoState:
			return count
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// id returns the n-th UUID of the suite.
func id(n int) string { return fmt.Sprintf("5c17e000-0000-4000-8000-%012x", n) }

// BootDisk returns a raw disk of 1 MiB whose boot sector writes text to the first serial port and halts; it takes no
// notice of a power button.
func BootDisk(text string) []byte {
	code := []byte{
		0x31, 0xc0, // xor ax, ax
		0x8e, 0xd8, // mov ds, ax
		0xbe, 0x21, 0x7c, // mov si, text
		0xac,       // next: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x12, // jz halt
		0x88, 0xc4, // mov ah, al
		0xba, 0xfd, 0x03, // mov dx, line status
		0xec,       // wait: in al, dx
		0xa8, 0x20, // test al, transmitter empty
		0x74, 0xfb, // jz wait
		0x88, 0xe0, // mov al, ah
		0xba, 0xf8, 0x03, // mov dx, transmitter
		0xee,       // out dx, al
		0xeb, 0xe9, // jmp next
		0xf4,       // halt: hlt
		0xeb, 0xfd, // jmp halt
	}
	disk := make([]byte, 1<<20)
	copy(disk, append(append(code, text...), 0))
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}
