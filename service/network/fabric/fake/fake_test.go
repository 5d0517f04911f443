package fake_test

import (
	"context"
	"errors"
	"testing"

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
