//go:build e2e

package libvirt_test

import (
	"os"
	"path/filepath"
	"testing"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/libvirt"
	"virga/service/compute/hypervisor/suite"
	"virga/test/isolated"
)

// TestMigrations lets guests go over between the libvirtd of the tests and that of another machine.
func TestMigrations(t *testing.T) {
	other, err := isolated.NewMachine("elsewhere", isolated.Options{Libvirt: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	suite.RunMigrations(t, func(t *testing.T) suite.Pair {
		dirs := []string{t.TempDir(), t.TempDir()}
		second, err := libvirt.New(libvirt.Config{Dir: dirs[1], Clock: systemClock{}, Socket: other.LibvirtSocketHere()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { second.Close() })
		return suite.Pair{From: open(t, dirs[0]), To: second, ConsoleText: consoleText,
			Alive: func(t *testing.T, driver hypervisor.Driver, id string) {
				before, err := driver.ConsoleLog(t.Context(), id, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				awaitConsole(t, driver.(*libvirt.Driver), id, string(before)+".")
			},
			Residue: func(t *testing.T) (names []string) {
				for _, dir := range dirs {
					found, err := os.ReadDir(filepath.Join(dir, "m"))
					if err != nil {
						t.Fatal(err)
					}
					for _, entry := range found {
						names = append(names, entry.Name())
					}
				}
				return names
			}}
	})
}
