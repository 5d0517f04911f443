package suite

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"virga/service/compute/hypervisor"
)

// Pair is two hosts to test the migration of running guests on.
type Pair struct {
	From, To hypervisor.Driver
	// ConsoleText appears on the console of a guest that runs TickingDisk(ConsoleText), once for each time that it was powered on.
	ConsoleText string
	// Alive fails the test unless the guest that a driver shows as running really does something; nil: its state is believed.
	Alive func(t *testing.T, driver hypervisor.Driver, id string)
	// Residue names what migrations have left on the two hosts besides guests.
	Residue func(t *testing.T) []string
}

// RunMigrations runs the part of the suite for which two hosts are needed; newPair returns fresh ones for each test.
func RunMigrations(t *testing.T, newPair func(t *testing.T) Pair) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p *pair)
	}{
		{"ARunningGuestMigrates", runningGuestMigrates},
		{"FailureLeavesTheGuestWhereItIs", failureLeavesTheGuest},
		{"TheOtherHostDecides", otherHostDecides},
		{"AnArrivalGivenUpStaysSo", arrivalGivenUp},
		{"AGuestThatIsOffDoesNotMigrate", offGuestStays},
		{"StaleMigrationsAreRefused", staleMigrations},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &pair{Pair: newPair(t)}
			p.begin(t)
			test.run(t, p)
			if residue := p.Residue(t); len(residue) != 0 {
				t.Errorf("left behind: %q", residue)
			}
		})
	}
}

// pair is a guest that runs on the first host and is prepared on the second, and the way from one to the other.
type pair struct {
	Pair
	guest hypervisor.Guest
	// refuse, if set, is asked before the other host is; after "finish" also "finished".
	refuse func(call string) error
	told   []hypervisor.Progress
}

func (p *pair) begin(t *testing.T) {
	t.Helper()
	disk := TickingDisk(p.ConsoleText)
	sum := sha512.Sum512(disk)
	image := hypervisor.Image{ID: id(0xd15c), SHA512: hex.EncodeToString(sum[:]), SizeBytes: int64(len(disk)), DiskFormat: "raw", VirtualSize: int64(len(disk))}
	p.guest = hypervisor.Guest{ID: id(1), Name: "mover", HostName: "guest-one", Generation: 10, VCPUs: 1, MemoryMiB: 64, RootGiB: 1, SwapMiB: 4, Image: &image,
		Power: hypervisor.PowerRunning, StopGrace: 200 * time.Millisecond, ConfigDrive: []byte(strings.Repeat("drive", 4096)),
		Storage: hypervisor.Storage{DriveIsCD: true, SwapBus: "scsi", Limits: hypervisor.DiskLimits{ReadOps: hypervisor.Rate{PerSecond: 4000}}}}
	for _, driver := range []hypervisor.Driver{p.From, p.To} {
		must(t, driver.EnsureImage(t.Context(), image, func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(string(disk))), nil
		}))
		t.Cleanup(func() { driver.RemoveGuest(context.Background(), p.guest.ID, 1<<40) })
	}
	must(t, p.From.EnsureGuest(t.Context(), p.guest))
	p.expect(t)
	(&env{driver: p.From}).awaitConsole(t, p.guest.ID, p.ConsoleText)
}

// expect has the second host prepare the guest, with another config drive, as it may have changed since.
func (p *pair) expect(t *testing.T) {
	t.Helper()
	prepared := p.guest
	prepared.Power, prepared.ConfigDrive = hypervisor.PowerPrepared, []byte("another")
	must(t, p.To.EnsureGuest(t.Context(), prepared))
}

func (p *pair) ask(call string) error {
	if p.refuse == nil {
		return nil
	}
	return p.refuse(call)
}

// Prepare implements hypervisor.Peer, as do the next ones.
func (p *pair) Prepare(ctx context.Context, offer []byte) ([]byte, error) {
	if err := p.ask("prepare"); err != nil {
		return nil, err
	}
	return p.To.PrepareArrival(ctx, p.guest.ID, p.guest.Generation, offer)
}

func (p *pair) Dial(ctx context.Context, channel string) (io.ReadWriteCloser, error) {
	if err := p.ask("dial"); err != nil {
		return nil, err
	}
	return p.To.OpenChannel(ctx, p.guest.ID, channel)
}

func (p *pair) Finish(ctx context.Context, message []byte) ([]byte, error) {
	if err := p.ask("finish"); err != nil {
		return nil, err
	}
	answer, err := p.To.FinishArrival(ctx, p.guest.ID, message)
	return answer, errors.Join(err, p.ask("finished"))
}

func (p *pair) Cancel(ctx context.Context) (bool, error) {
	if err := p.ask("cancel"); err != nil {
		return false, err
	}
	return p.To.CancelArrival(ctx, p.guest.ID)
}

func (p *pair) migrate(ctx context.Context) error {
	return p.From.MigrateGuest(ctx, p.guest.ID, p.guest.Generation, p, func(now hypervisor.Progress) { p.told = append(p.told, now) })
}

// refusing lets some calls to the other host fail.
func (p *pair) refusing(err error, calls ...string) {
	p.refuse = func(call string) error {
		if slices.Contains(calls, call) {
			return err
		}
		return nil
	}
}

// runsAt checks that the guest runs on one host and no other.
func (p *pair) runsAt(t *testing.T, here, notThere hypervisor.Driver) {
	t.Helper()
	state, err := here.GetGuest(t.Context(), p.guest.ID)
	if err != nil || state.Power != hypervisor.Running {
		t.Fatalf("the guest is %+v, %v", state, err)
	}
	if state, err = notThere.GetGuest(t.Context(), p.guest.ID); err == nil && (state.Power == hypervisor.Running || state.Power == hypervisor.Paused) {
		t.Fatalf("the guest is on the other host, too: %+v", state)
	}
	if p.Alive != nil {
		p.Alive(t, here, p.guest.ID)
	}
}

func runningGuestMigrates(t *testing.T, p *pair) {
	must(t, p.migrate(t.Context()))
	p.runsAt(t, p.To, p.From)
	must(t, p.migrate(t.Context())) // it finds that the guest has left
	if left, err := p.From.RecallGuest(t.Context(), p.guest.ID, p.guest.Generation, p); err != nil || !left {
		t.Fatalf("recalled a guest that has left: %t, %v", left, err)
	}
	must(t, p.From.RemoveGuest(t.Context(), p.guest.ID, p.guest.Generation))
	p.runsAt(t, p.To, p.From)
	p.guest.Generation++
	must(t, p.To.EnsureGuest(t.Context(), p.guest))
	p.runsAt(t, p.To, p.From)
	must(t, p.To.RebootGuest(t.Context(), p.guest.ID, true)) // with a definition of its own
	(&env{driver: p.To}).awaitConsole(t, p.guest.ID, p.ConsoleText)
}

func failureLeavesTheGuest(t *testing.T, p *pair) {
	for _, at := range []string{"prepare", "finish"} {
		p.refusing(errors.New("broken"), at)
		if err := p.migrate(t.Context()); err == nil || errors.Is(err, hypervisor.ErrUndecided) {
			t.Fatalf("%s: got %v", at, err)
		}
		p.runsAt(t, p.From, p.To)
	}
	p.refuse = nil
	ctx, cancel := context.WithCancel(t.Context())
	p.refuse = func(call string) error {
		if call == "prepare" {
			cancel()
		}
		return nil
	}
	if err := p.migrate(ctx); err == nil {
		t.Fatal("it migrated although nobody wanted it any more")
	}
	p.refuse = nil
	p.runsAt(t, p.From, p.To)
	must(t, p.migrate(t.Context()))
	p.runsAt(t, p.To, p.From)
}

func otherHostDecides(t *testing.T, p *pair) {
	p.refusing(errors.New("lost"), "finish", "cancel")
	for range 2 {
		if err := p.migrate(t.Context()); !errors.Is(err, hypervisor.ErrUndecided) {
			t.Fatalf("got %v", err)
		}
		for name, err := range map[string]error{"ensure": p.From.EnsureGuest(t.Context(), p.guest), "reboot": p.From.RebootGuest(t.Context(), p.guest.ID, true)} {
			if !errors.Is(err, hypervisor.ErrUndecided) {
				t.Fatalf("%s a guest that may run elsewhere: %v", name, err)
			}
		}
	}
	p.refuse = nil
	if left, err := p.From.RecallGuest(t.Context(), p.guest.ID, p.guest.Generation, p); err != nil || left {
		t.Fatalf("left: %t, %v", left, err)
	}
	p.runsAt(t, p.From, p.To)
	p.refusing(errors.New("lost"), "finished", "cancel")
	if err := p.migrate(t.Context()); !errors.Is(err, hypervisor.ErrUndecided) {
		t.Fatalf("the answer was lost: %v", err)
	}
	p.refuse = nil
	if left, err := p.From.RecallGuest(t.Context(), p.guest.ID, p.guest.Generation, p); err != nil || !left {
		t.Fatalf("left: %t, %v", left, err)
	}
	p.runsAt(t, p.To, p.From)
}

func arrivalGivenUp(t *testing.T, p *pair) {
	p.refuse = func(call string) error {
		if call == "finish" {
			if arrived, err := p.To.CancelArrival(t.Context(), p.guest.ID); arrived || err != nil {
				t.Errorf("gave up: %t, %v", arrived, err)
			}
		}
		return nil
	}
	if err := p.migrate(t.Context()); err == nil {
		t.Fatal("it arrived where it was not expected any more")
	}
	p.runsAt(t, p.From, p.To)
	p.refuse = func(call string) error {
		if call == "finish" {
			return p.To.RemoveGuest(t.Context(), p.guest.ID, p.guest.Generation)
		}
		return nil
	}
	if err := p.migrate(t.Context()); err == nil {
		t.Fatal("it arrived where it was removed")
	}
	p.refuse = nil
	if err := p.migrate(t.Context()); err == nil {
		t.Fatal("it arrived where it was removed before")
	}
	p.runsAt(t, p.From, p.To)
}

func offGuestStays(t *testing.T, p *pair) {
	p.guest.Power = hypervisor.PowerStopped
	must(t, p.From.EnsureGuest(t.Context(), p.guest))
	if err := p.migrate(t.Context()); !errors.Is(err, hypervisor.ErrNotRunning) {
		t.Fatalf("got %v", err)
	}
	if left, err := p.From.RecallGuest(t.Context(), p.guest.ID, p.guest.Generation, p); err != nil || left {
		t.Fatalf("left: %t, %v", left, err)
	}
}

func staleMigrations(t *testing.T, p *pair) {
	p.guest.Generation--
	wantStale(t, p.migrate(t.Context()))
	_, err := p.To.PrepareArrival(t.Context(), p.guest.ID, p.guest.Generation, []byte("{}"))
	wantStale(t, err)
	_, err = p.From.RecallGuest(t.Context(), p.guest.ID, p.guest.Generation, p)
	wantStale(t, err)
	p.guest.Generation++
	p.runsAt(t, p.From, p.To)
}

// TickingDisk returns a raw disk of 1 MiB whose boot sector writes text to the first serial port, and then dots for ever.
func TickingDisk(text string) []byte {
	loop := []byte{
		0xba, 0xf8, 0x03, // again: mov dx, transmitter
		0xb0, '.', // mov al, '.'
		0xee,             // out dx, al
		0xbb, 0x40, 0x00, // mov bx, 64
		0xb9, 0xff, 0xff, // outer: mov cx, 65535
		0xe2, 0xfe, // inner: loop inner
		0x4b,       // dec bx
		0x75, 0xf8, // jnz outer
		0xeb, 0xed, // jmp again
	}
	const halt, textAt = 30, 5 // where BootDisk halts, and where it names the place of its text
	code := append(BootDisk("")[:halt:halt], loop...)
	code[textAt] = byte(len(code))
	disk := make([]byte, 1<<20)
	copy(disk, append(append(code, text...), 0))
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}
