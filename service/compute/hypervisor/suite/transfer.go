package suite

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"virga/service/compute/hypervisor"
)

// The disks of one guest become those of another of the same host: for a driver that is no different from another host's.

// contentOf reads a disk through its stretches of data.
func (e *env) contentOf(t *testing.T, guestID string, disk hypervisor.Disk) []byte {
	t.Helper()
	content, err := e.driver.OpenDisk(t.Context(), guestID, disk)
	must(t, err)
	defer content.Close()
	data := make([]byte, content.Size())
	for offset := int64(0); ; {
		from, to, err := content.NextData(offset)
		if errors.Is(err, io.EOF) {
			return data
		}
		must(t, err)
		if from >= to || to <= offset || to > content.Size() {
			t.Fatalf("data from %d to %d after %d of %d", from, to, offset, content.Size())
		}
		if n, err := content.ReadAt(data[from:to], from); int64(n) < to-from {
			t.Fatalf("read %d bytes: %v", n, err)
		}
		offset = to
	}
}

// copying returns a fetch that hands out the disks of a guest.
func (e *env) copying(t *testing.T, guestID string) func(context.Context, hypervisor.Disk, io.WriterAt) (int64, error) {
	return func(ctx context.Context, disk hypervisor.Disk, into io.WriterAt) (int64, error) {
		if content, err := e.driver.OpenDisk(ctx, guestID, disk); err != nil {
			return 0, err
		} else if err := content.Close(); err != nil {
			return 0, err
		}
		data := e.contentOf(t, guestID, disk)
		const block = 64 << 10
		for offset := 0; offset < len(data); offset += block { // holes stay holes
			piece := data[offset:min(offset+block, len(data))]
			if len(bytes.Trim(piece, "\x00")) == 0 {
				continue
			}
			if _, err := into.WriteAt(piece, int64(offset)); err != nil {
				return 0, err
			}
		}
		return int64(len(data)), nil
	}
}

// off returns a guest that has run and is off.
func (e *env) off(t *testing.T, n int) hypervisor.Guest {
	t.Helper()
	guest := e.guest(t, n)
	guest.SwapMiB = 8
	e.run(t, guest)
	e.awaitConsole(t, guest.ID, e.ConsoleText)
	if _, err := e.driver.OpenDisk(t.Context(), guest.ID, hypervisor.DiskRoot); !errors.Is(err, hypervisor.ErrBusy) {
		t.Fatalf("opened the disk of a running guest: %v", err)
	}
	guest.Power = hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), guest))
	return guest
}

func disksMoveToAnotherGuest(t *testing.T, e *env) {
	source := e.off(t, 1)
	if _, err := e.driver.OpenDisk(t.Context(), source.ID, hypervisor.DiskEphemeral); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("opened a disk that is not there: %v", err)
	}
	if _, err := e.driver.OpenDisk(t.Context(), id(99), hypervisor.DiskRoot); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("opened the disk of nobody: %v", err)
	}
	if base := e.contentOf(t, source.ID, hypervisor.DiskBase); !bytes.Equal(base, BootDisk(e.ConsoleText)) {
		t.Fatalf("the base has %d other bytes", len(base))
	}
	swap := e.contentOf(t, source.ID, hypervisor.DiskSwap)
	target := source
	target.ID, target.Power, target.RootGiB = id(2), hypervisor.PowerRunning, 2
	t.Cleanup(func() { e.driver.RemoveGuest(context.Background(), target.ID, 1<<40) })
	must(t, e.driver.AdoptDisks(t.Context(), target, e.copying(t, source.ID)))
	if state := e.expect(t, target.ID, hypervisor.NoState); state.Defined {
		t.Fatalf("state is %+v", state)
	}
	refuse := func(context.Context, hypervisor.Disk, io.WriterAt) (int64, error) {
		t.Error("fetched a disk that is there")
		return 0, errors.New("no")
	}
	must(t, e.driver.AdoptDisks(t.Context(), target, refuse))
	late := target
	late.Generation--
	wantStale(t, e.driver.AdoptDisks(t.Context(), late, refuse))
	must(t, e.driver.RemoveGuest(t.Context(), source.ID, source.Generation))
	must(t, e.driver.EnsureGuest(t.Context(), target)) // the disk grows on the way
	e.expect(t, target.ID, hypervisor.Running)
	e.awaitConsole(t, target.ID, e.ConsoleText)
	must(t, e.driver.AdoptDisks(t.Context(), target, refuse))
	target.Power = hypervisor.PowerStopped
	must(t, e.driver.EnsureGuest(t.Context(), target))
	if !bytes.Equal(swap, e.contentOf(t, target.ID, hypervisor.DiskSwap)) {
		t.Fatal("the swap disk has other content")
	}
}

func adoptionIsWholeOrNothing(t *testing.T, e *env) {
	source := e.off(t, 1)
	before := e.Residue(t)
	target := source
	target.ID = id(2)
	broken := errors.New("broken off")
	whole := e.copying(t, source.ID)
	for name, test := range map[string]struct {
		fetch func(context.Context, hypervisor.Disk, io.WriterAt) (int64, error)
		want  error
	}{
		"broken off": {func(ctx context.Context, disk hypervisor.Disk, into io.WriterAt) (int64, error) {
			if disk == hypervisor.DiskRoot {
				_, err := into.WriteAt([]byte("half"), 0)
				return 0, errors.Join(err, broken)
			}
			return whole(ctx, disk, into)
		}, broken},
		"no disk at all": {func(_ context.Context, disk hypervisor.Disk, into io.WriterAt) (int64, error) {
			return 0, hypervisor.ErrNotFound
		}, hypervisor.ErrInvalid},
		"something else": {func(_ context.Context, disk hypervisor.Disk, into io.WriterAt) (int64, error) {
			_, err := into.WriteAt(bytes.Repeat([]byte("no disk "), 1000), 0)
			return 8000, err
		}, hypervisor.ErrInvalid},
	} {
		target.Generation++
		if err := e.driver.AdoptDisks(t.Context(), target, test.fetch); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", name, err)
		}
		must(t, e.driver.RemoveGuest(t.Context(), target.ID, target.Generation))
		if after := e.Residue(t); !slices.Equal(before, after) {
			t.Fatalf("%s: left behind %q, before %q", name, after, before)
		}
	}
	target.Generation++
	t.Cleanup(func() { e.driver.RemoveGuest(context.Background(), target.ID, 1<<40) })
	must(t, e.driver.AdoptDisks(t.Context(), target, whole))
}

func adoptionEndsWithRemoval(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	began := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- e.driver.AdoptDisks(t.Context(), guest, func(ctx context.Context, _ hypervisor.Disk, _ io.WriterAt) (int64, error) {
			close(began)
			<-ctx.Done()
			return 0, ctx.Err()
		})
	}()
	<-began
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation+1))
	if err := <-done; err == nil {
		t.Fatal("adopted what was removed meanwhile")
	}
	if residue := e.Residue(t); len(residue) != 0 {
		t.Fatalf("left behind: %q", residue)
	}
}
