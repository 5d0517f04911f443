package fake_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"virga/service/network/fabric"
	"virga/service/network/fabric/fake"
	"virga/service/network/fabric/suite"
)

func TestBehaviour(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.Setup {
		dir := t.TempDir()
		open := func(t *testing.T) fabric.Driver {
			driver, err := fake.New(fake.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return driver
		}
		return suite.Setup{Driver: open(t), Restart: open}
	}, suite.Capabilities{Persist: true})
}

// A change costs one small file, however many objects there are, and no half-written file counts.
func TestFilePerObject(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	open := func() (*fake.Driver, error) { return fake.New(fake.Config{Dir: dir}) }
	driver, err := open()
	if err != nil {
		t.Fatal(err)
	}
	network := suite.TenantNetwork("aaaaaaaa-0000-4000-8000-00000000000a", 5, "10.0.0.0/24")
	bad := suite.SecuredPort("11111111-0000-4000-8000-000000000001", network.ID, "fa:16:3e:00:01:01", "10.0.0.5", suite.AllowIn("no such protocol"))
	good := suite.SecuredPort("22222222-0000-4000-8000-000000000002", network.ID, "fa:16:3e:00:01:02", "10.0.0.6", suite.AllowIn("tcp"))
	var closed *fabric.PortClosedError
	if err := errors.Join(driver.EnsureNetwork(ctx, network), driver.EnsurePort(ctx, bad)); !errors.As(err, &closed) {
		t.Fatalf("bad rule gives %v", err)
	}
	folder := filepath.Join(dir, "ports")
	before := inodes(t, folder)
	if err := driver.EnsurePort(ctx, good); err != nil {
		t.Fatal(err)
	}
	if after := inodes(t, folder); len(after) != 2 || after[bad.ID+".json"] != before[bad.ID+".json"] {
		t.Errorf("files were %v and are %v: one more was due, the other untouched", before, after)
	}
	if err := errors.Join(driver.Close(), os.WriteFile(filepath.Join(folder, "33333333.new"), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	want := driver.Snapshot()
	if driver, err = open(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, driver.Snapshot(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	torn := filepath.Join(folder, good.ID+".json")
	if err := errors.Join(driver.Close(), os.WriteFile(torn, []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "ports/"+good.ID+".json") {
		t.Errorf("unreadable file gives %v, want it named", err)
	}
}

// inodes gives the inode numbers of a folder's files: a file that was replaced has another.
func inodes(t *testing.T, folder string) map[string]uint64 {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]uint64{}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		found[entry.Name()] = info.Sys().(*syscall.Stat_t).Ino
	}
	return found
}

// A caller that is told of a failure cannot know whether the change was made; both cases must be reachable.
func TestFaultBeforeAndAfterTheChange(t *testing.T) {
	broken := errors.New("broken")
	for _, after := range []bool{false, true} {
		armed := true
		driver, err := fake.New(fake.Config{Faults: func(verb, _ string, late bool) error {
			if armed && verb == "EnsureNetwork" && late == after {
				return broken
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		network := suite.TenantNetwork("aaaaaaaa-0000-4000-8000-00000000000a", 5, "10.0.0.0/24")
		if err := driver.EnsureNetwork(context.Background(), network); !errors.Is(err, broken) {
			t.Fatalf("after=%v: ensure gives %v, want the fault", after, err)
		}
		if _, made := driver.Snapshot().Networks[network.ID]; made != after {
			t.Errorf("after=%v: network made: %v", after, made)
		}
		armed = false
		if err := driver.EnsureNetwork(context.Background(), network); err != nil {
			t.Errorf("after=%v: repeat gives %v", after, err)
		}
	}
}

func TestSnapshotIsACopy(t *testing.T) {
	driver, err := fake.New(fake.Config{})
	if err != nil {
		t.Fatal(err)
	}
	network := suite.TenantNetwork("aaaaaaaa-0000-4000-8000-00000000000a", 5, "10.0.0.0/24")
	if err := driver.EnsureNetwork(context.Background(), network); err != nil {
		t.Fatal(err)
	}
	delete(driver.Snapshot().Networks, network.ID)
	if len(driver.Snapshot().Networks) != 1 {
		t.Error("deleting from a snapshot changed the driver")
	}
}
