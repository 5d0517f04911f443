package fake_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/hypervisor/suite"
)

func TestMigrations(t *testing.T) {
	suite.RunMigrations(t, func(t *testing.T) suite.Pair {
		return suite.Pair{From: open(t, fake.Options{Dir: t.TempDir()}), To: open(t, fake.Options{Dir: t.TempDir()}), ConsoleText: "guest-one login: ",
			Residue: func(*testing.T) []string { return nil }}
	})
}

// nowhere is another host that takes every guest.
type nowhere struct{}

func (nowhere) Prepare(context.Context, []byte) ([]byte, error) { return nil, nil }
func (nowhere) Dial(context.Context, string) (io.ReadWriteCloser, error) {
	return nil, errors.New("nobody is there")
}
func (nowhere) Finish(context.Context, []byte) ([]byte, error) { return nil, nil }
func (nowhere) Cancel(context.Context) (bool, error)           { return false, nil }

func TestALingeringMigrationIsHastened(t *testing.T) {
	driver := open(t, fake.Options{Lingers: func(string) bool { return true }})
	guest := hypervisor.Guest{ID: "5c17e000-0000-4000-8000-000000000001", Generation: 1, VCPUs: 1, MemoryMiB: 64, RootGiB: 1, Power: hypervisor.PowerRunning}
	if err := driver.EnsureGuest(t.Context(), guest); err != nil {
		t.Fatal(err)
	}
	if err := driver.HastenMigration(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("hastened nothing: %v", err)
	}
	err := driver.MigrateGuest(t.Context(), guest.ID, 1, nowhere{}, func(p hypervisor.Progress) {
		if p.MemoryRemaining > 0 {
			if err := driver.HastenMigration(t.Context(), guest.ID); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
