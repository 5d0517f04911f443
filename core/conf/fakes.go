package conf

import "fmt"

// Fakes are the settings of a cloud with simulated guests.
type Fakes struct {
	FakeNodes int `name:"fake-numa-nodes" env:"VIRGA_FAKE_NUMA_NODES" default:"1" help:"With --virt fake: how many NUMA nodes each simulated host has."`
	FakeHosts int `name:"fake-hosts" env:"VIRGA_FAKE_HOSTS" default:"1" help:"With --virt fake: how many simulated hosts this process is. Servers migrate between them, and from one that is declared down they are evacuated."`
}

// maxFakeHosts is more than anybody looks at; virga sim simulates thousands in another way.
const maxFakeHosts = 100

// maxFakeNodes is what the largest machines have.
const maxFakeNodes = 16

func (f *Fakes) complete(virt string) error {
	if f.FakeNodes == 0 {
		f.FakeNodes = 1
	}
	switch {
	case f.FakeNodes < 0 || f.FakeNodes > maxFakeNodes:
		return fmt.Errorf("fake-numa-nodes: %d is not between 1 and %d", f.FakeNodes, maxFakeNodes)
	case f.FakeHosts == 0:
		f.FakeHosts = 1
	case f.FakeHosts < 0 || f.FakeHosts > maxFakeHosts:
		return fmt.Errorf("fake-hosts: %d is not between 1 and %d", f.FakeHosts, maxFakeHosts)
	case f.FakeHosts > 1 && virt != "fake":
		return fmt.Errorf("fake-hosts: only simulated hosts can be %d in one process: --virt fake", f.FakeHosts)
	}
	return nil
}
