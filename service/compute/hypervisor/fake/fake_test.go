package fake_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/hypervisor/suite"
)

type fixedClock struct{}

func (fixedClock) Now() time.Time { return time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC) }

func open(t *testing.T, options fake.Options) *fake.Driver {
	t.Helper()
	options.Clock = fixedClock{}
	driver, err := fake.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { driver.Close() })
	return driver
}

func TestSuite(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.Host {
		dir := t.TempDir()
		var mu sync.Mutex
		taps := map[string]bool{}
		var driver *fake.Driver
		return suite.Host{
			ConsoleText: "guest-one login: ",
			Open: func(t *testing.T) hypervisor.Driver {
				driver = open(t, fake.Options{Dir: dir, DeviceExists: func(tap string) bool {
					mu.Lock()
					defer mu.Unlock()
					return taps[tap]
				}})
				return driver
			},
			AddTap: func(t *testing.T, name string) {
				mu.Lock()
				defer mu.Unlock()
				taps[name] = true
			},
			MACs: func(t *testing.T, id string) []string { return driver.MACs(id) },
			Residue: func(t *testing.T) []string {
				found, err := filepath.Glob(filepath.Join(dir, "guests", "*"))
				if err != nil {
					t.Fatal(err)
				}
				return found
			},
		}
	})
}

func guest() hypervisor.Guest {
	return hypervisor.Guest{ID: "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c01", HostName: "web; rm\x1b[2J", Generation: 1, VCPUs: 1,
		MemoryMiB: 64, Power: hypervisor.PowerRunning}
}

func TestFaultsBeforeAndAfterTheEffect(t *testing.T) {
	fault := fake.Fault{}
	driver := open(t, fake.Options{Faults: func(verb, id string) fake.Fault {
		if verb == "EnsureGuest" && id == guest().ID {
			return fault
		}
		return fake.Fault{}
	}})
	broken := errors.New("broken")
	fault = fake.Fault{Before: broken}
	if err := driver.EnsureGuest(t.Context(), guest()); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if _, err := driver.GetGuest(t.Context(), guest().ID); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("failed before the effect, and yet: %v", err)
	}
	fault = fake.Fault{After: broken}
	if err := driver.EnsureGuest(t.Context(), guest()); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if state, err := driver.GetGuest(t.Context(), guest().ID); err != nil || state.Power != hypervisor.Running {
		t.Fatalf("failed after the effect, and yet: %+v, %v", state, err)
	}
}

func TestDelayEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		driver := open(t, fake.Options{Faults: func(string, string) fake.Fault { return fake.Fault{Delay: time.Hour} }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := driver.EnsureGuest(ctx, guest()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if waited := time.Since(start); waited != time.Minute {
			t.Fatalf("waited %s", waited)
		}
	})
}

func TestConsoleIsFitForATerminal(t *testing.T) {
	driver := open(t, fake.Options{})
	if err := driver.EnsureGuest(t.Context(), guest()); err != nil {
		t.Fatal(err)
	}
	log, err := driver.ConsoleLog(t.Context(), guest().ID, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(log); strings.Contains(text, "\x1b") || !strings.HasSuffix(text, "web--rm--2J login: ") {
		t.Fatalf("console says %q", text)
	}
}

func TestPowerChangedFromWithinIsSeenAndMended(t *testing.T) {
	driver := open(t, fake.Options{})
	if err := driver.EnsureGuest(t.Context(), guest()); err != nil {
		t.Fatal(err)
	}
	for _, power := range []hypervisor.PowerState{hypervisor.Crashed, hypervisor.Shutdown, hypervisor.Paused} {
		if err := driver.SetPower(t.Context(), guest().ID, power); err != nil {
			t.Fatal(err)
		}
		if state, _ := driver.GetGuest(t.Context(), guest().ID); state.Power != power {
			t.Fatalf("state is %s, want %s", state.Power, power)
		}
		if err := driver.EnsureGuest(t.Context(), guest()); err != nil {
			t.Fatal(err)
		}
		if state, _ := driver.GetGuest(t.Context(), guest().ID); state.Power != hypervisor.Running {
			t.Fatalf("state is %s after the wish was repeated", state.Power)
		}
	}
}

func TestADamagedFileIsReportedByName(t *testing.T) {
	dir := t.TempDir()
	driver := open(t, fake.Options{Dir: dir})
	if err := driver.EnsureGuest(t.Context(), guest()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "guests", guest().ID+".json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fake.New(fake.Options{Clock: fixedClock{}, Dir: dir}); err == nil || !strings.Contains(err.Error(), guest().ID) {
		t.Fatalf("got %v", err)
	}
}
