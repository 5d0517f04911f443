package app

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	computeagent "virga/service/compute/agent"
	fakevirt "virga/service/compute/hypervisor/fake"
	networkagent "virga/service/network/agent"
	fakefabric "virga/service/network/fabric/fake"
)

// Simulated hosts. One process can be several of them, between which servers move without sockets.

// The simulated host has room for some thousand small servers.
const (
	fakeVCPUs     = 512
	fakeMemoryMiB = 1 << 20
)

// openFakes opens the drivers of the n-th simulated host, counted from 1; each has folders of its own.
func (cl *cloud) openFakes(n int) (drivers, error) {
	folder := func(name string) string {
		if n > 1 {
			name = fmt.Sprintf("%s-%d", name, n)
		}
		return filepath.Join(cl.conf.DataDir, name)
	}
	guests, networks := folder("guests"), folder("fabric")
	if err := errors.Join(os.MkdirAll(guests, 0o700), os.MkdirAll(networks, 0o700)); err != nil {
		return drivers{}, fmt.Errorf("open drivers: %w", err)
	}
	processors, err := processors(cl.conf)
	if err != nil {
		return drivers{}, err
	}
	virt, err := fakevirt.New(fakevirt.Options{Clock: cl.clock, Dir: guests, HostName: cl.fakeHost(n), VCPUs: fakeVCPUs, MemoryMiB: fakeMemoryMiB,
		CPUs: fakevirt.SimulateCPUs(cl.conf.FakeNodes, fakeVCPUs, fakeMemoryMiB, processors.Dedicated)})
	if err != nil {
		return drivers{}, err
	}
	cl.onClose(virt.Close)
	data, err := fakefabric.New(fakefabric.Config{Dir: networks})
	if err != nil {
		return drivers{}, err
	}
	cl.onClose(data.Close)
	return drivers{virt, data}, nil
}

// fakeHost is the name of the n-th simulated host.
func (cl *cloud) fakeHost(n int) string {
	if n == 1 {
		return cl.conf.Host
	}
	return fmt.Sprintf("%s-%d", cl.conf.Host, n)
}

// addFakes adds the agents of the simulated hosts after the first one.
func (cl *cloud) addFakes() error {
	if cl.conf.FakeHosts > 1 && cl.controllers != nil {
		return errors.New("fake-hosts: a machine that joins a cloud is one host of it")
	}
	vtep, err := netip.ParseAddr(cl.conf.TunnelIP)
	if err != nil {
		return fmt.Errorf("tunnel-ip: %w", err)
	}
	for n := 2; n <= cl.conf.FakeHosts; n++ {
		d, err := cl.openFakes(n)
		if err != nil {
			return err
		}
		vtep = vtep.Next()
		name := cl.fakeHost(n)
		identity := nodeIdentity(name)
		networking := networkagent.New(networkagent.Config{
			Host: name, VTEP: vtep, Version: cl.version, Driver: d.fabric, Bus: cl.bus, Log: cl.log, StartedAt: cl.clock.Now(),
			Controller: &networkagent.HTTPController{Client: cl.client("network", identity, nil)},
			Metadata:   metadata{cl.client("compute", identity, nil)},
		})
		config := computeagent.Config{
			Host: name, HostIP: vtep.String(), Version: cl.version, Driver: d.virt, Bus: cl.bus, Log: cl.log,
			Controller: &computeagent.HTTPController{Client: cl.client("compute", identity, nil)},
			Images:     images{cl.client("image", identity, nil)}, Uploads: images{cl.client("image", identity, nil)},
		}
		cl.jobs = append(cl.jobs, networking.Run, cl.neighbourly(config).Run)
	}
	return nil
}

// neighbourly makes the agent of one of several simulated hosts, which reach each other inside the process.
func (cl *cloud) neighbourly(config computeagent.Config) *computeagent.Agent {
	config.TransferURL, config.Transfers = cl.exchange.URL(config.Host), cl.exchange.Client(config.Host)
	a := computeagent.New(config)
	cl.exchange.Add(config.Host, a)
	cl.hosts[config.Host] = a
	return a
}
