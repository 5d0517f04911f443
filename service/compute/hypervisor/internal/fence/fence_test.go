package fence

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"virga/service/compute/hypervisor"
)

const guest = "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c01"

func at(moment time.Time) func() time.Time { return func() time.Time { return moment } }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func reopen(t *testing.T, path string, now time.Time) *Fence {
	t.Helper()
	f, err := Open(path, true, at(now))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func stale(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, hypervisor.ErrStale) {
		t.Fatalf("got %v, want ErrStale", err)
	}
}

func fresh(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOlderOrdersAreRefusedOverRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "generations")
	f := reopen(t, path, noon)
	fresh(t, f.Admit(guest, 5))
	fresh(t, f.Admit(guest, 5))
	stale(t, f.Admit(guest, 4))
	f = reopen(t, path, noon)
	stale(t, f.Admit(guest, 4))
	stale(t, f.Retire(guest, 4))
	fresh(t, f.Retire(guest, 5))
	fresh(t, f.Retire(guest, 5))
	f = reopen(t, path, noon)
	stale(t, f.Admit(guest, 5))
	fresh(t, f.Admit(guest, 6))
	if f.Seen(guest) != 6 {
		t.Fatalf("seen %d", f.Seen(guest))
	}
}

func TestATornLineIsIgnored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "generations")
	fresh(t, reopen(t, path, noon).Admit(guest, 7))
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	fresh(t, err)
	file.WriteString(guest + " 12 pres")
	file.Close()
	f := reopen(t, path, noon)
	if f.Seen(guest) != 7 {
		t.Fatalf("seen %d", f.Seen(guest))
	}
	fresh(t, f.Admit(guest, 8))
	if seen := reopen(t, path, noon).Seen(guest); seen != 8 {
		t.Fatalf("the line after a torn one was lost: seen %d", seen)
	}
}

func TestRemovedGuestsAreForgottenAfterTheRetention(t *testing.T) {
	path := filepath.Join(t.TempDir(), "generations")
	fresh(t, reopen(t, path, noon).Retire(guest, 7))
	if reopen(t, path, noon.Add(retention)).Seen(guest) != 7 {
		t.Fatal("forgotten too early")
	}
	if reopen(t, path, noon.Add(retention+time.Hour)).Seen(guest) != 0 {
		t.Fatal("remembered for ever")
	}
}

func TestTheFileDoesNotGrowForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "generations")
	f, err := Open(path, false, at(noon))
	fresh(t, err)
	for generation := range int64(3 * slack) {
		fresh(t, f.Admit(guest, generation))
	}
	f.Close()
	reopen(t, path, noon)
	data, err := os.ReadFile(path)
	fresh(t, err)
	if lines := strings.Count(string(data), "\n"); lines > 3 {
		t.Fatalf("%d lines remain", lines)
	}
	if reopen(t, path, noon).Seen(guest) != 3*slack-1 {
		t.Fatal("rewriting lost the newest generation")
	}
}
