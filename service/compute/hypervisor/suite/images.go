package suite

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"virga/service/compute/hypervisor"
)

func factsAreComplete(t *testing.T, e *env) {
	facts, err := e.driver.Facts(t.Context())
	must(t, err)
	if facts.HostName == "" || facts.HypervisorType == "" || facts.HypervisorVersion <= 0 || facts.VCPUs <= 0 ||
		facts.MemoryMiB <= 0 || facts.LocalDiskGiB <= 0 || facts.CPU.Arch == "" || facts.DomainType == "" ||
		facts.DomainTypeReason == "" || len(facts.Supported) == 0 {
		t.Fatalf("incomplete: %+v", facts)
	}
	topology := facts.CPU.Topology
	if topology.Cells*topology.Sockets*topology.Cores*topology.Threads <= 0 {
		t.Fatalf("topology %+v", topology)
	}
	again, err := e.driver.Facts(t.Context())
	must(t, err)
	if again.DomainType != facts.DomainType || again.HostName != facts.HostName {
		t.Fatalf("facts changed from %+v to %+v", facts, again)
	}
}

func imageIsTransferredOnce(t *testing.T, e *env) {
	image, open := e.disk()
	var opened atomic.Int32
	release := make(chan struct{})
	slow := func(ctx context.Context) (io.ReadCloser, error) {
		opened.Add(1)
		<-release
		return open(ctx)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := e.driver.EnsureImage(t.Context(), image, slow); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	group.Wait()
	must(t, e.driver.EnsureImage(t.Context(), image, slow))
	e.reopen(t)
	if err := e.driver.EnsureImage(t.Context(), image, slow); err != nil {
		t.Error(err)
	}
	if opened.Load() > 1 {
		t.Fatalf("transferred %d times", opened.Load())
	}
}

func imageOfOtherContentIsRefused(t *testing.T, e *env) {
	image, open := e.disk()
	content := BootDisk(e.ConsoleText)
	other := slices.Clone(content)
	other[600] ^= 1
	refused := errors.New("no such image")
	for name, test := range map[string]struct {
		content []byte
		want    error
	}{
		"other bytes":  {other, hypervisor.ErrImageCorrupt},
		"fewer bytes":  {content[:len(content)-1], hypervisor.ErrImageCorrupt},
		"more bytes":   {append(slices.Clone(content), 0), hypervisor.ErrImageCorrupt},
		"not readable": {nil, refused},
	} {
		err := e.driver.EnsureImage(t.Context(), image, func(context.Context) (io.ReadCloser, error) {
			if test.content == nil {
				return nil, refused
			}
			return io.NopCloser(bytes.NewReader(test.content)), nil
		})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	must(t, e.driver.EnsureImage(t.Context(), image, open))
	image.DiskFormat = "vmdk"
	if err := e.driver.EnsureImage(t.Context(), image, open); !errors.Is(err, hypervisor.ErrInvalid) {
		t.Fatalf("format vmdk: got %v", err)
	}
}

func imageTransferEndsWithItsCaller(t *testing.T, e *env) {
	image, open := e.disk()
	ctx, cancel := context.WithCancel(t.Context())
	err := e.driver.EnsureImage(ctx, image, func(working context.Context) (io.ReadCloser, error) {
		cancel()
		<-working.Done()
		return nil, working.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	must(t, e.driver.EnsureImage(t.Context(), image, open))
}

func imagesInUseAreNotPruned(t *testing.T, e *env) {
	one, two := e.guest(t, 1), e.guest(t, 2)
	one.Power, two.Power = hypervisor.PowerPrepared, hypervisor.PowerStopped
	e.run(t, one)
	e.run(t, two)
	prune := func(keep []string, want ...string) {
		t.Helper()
		removed, err := e.driver.PruneImages(t.Context(), keep)
		must(t, err)
		if !slices.Equal(removed, want) {
			t.Fatalf("removed %q, want %q", removed, want)
		}
	}
	prune(nil)
	must(t, e.driver.RemoveGuest(t.Context(), one.ID, one.Generation))
	e.reopen(t)
	prune(nil)
	must(t, e.driver.RemoveGuest(t.Context(), two.ID, two.Generation))
	prune([]string{one.Image.ID})
	prune(nil, one.Image.ID)
	prune(nil)
}

func missingImageIsNamed(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	image := *guest.Image
	image.ID = id(0xabcd)
	guest.Image = &image
	err := e.driver.EnsureGuest(t.Context(), guest)
	if !errors.Is(err, hypervisor.ErrImageMissing) || !bytes.Contains([]byte(err.Error()), []byte(image.ID)) {
		t.Fatalf("got %v", err)
	}
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation))
}
