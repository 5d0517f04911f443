package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"virga/core/api"
	"virga/core/pki"
	computeagent "virga/service/compute/agent"
	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/libvirt"
	"virga/service/compute/orders"
	networkagent "virga/service/network/agent"
	"virga/service/network/fabric"
	"virga/service/network/fabric/linux"
)

// drivers are what a node works with.
type drivers struct {
	virt   hypervisor.Driver
	fabric fabric.Driver
}

// openDrivers opens the drivers that the configuration asks for.
func (cl *cloud) openDrivers() (drivers, error) {
	if cl.conf.Virt == "fake" {
		return cl.openFakes(1)
	}
	guests := filepath.Join(cl.conf.DataDir, "guests")
	if err := os.MkdirAll(guests, 0o711); err != nil { // the hypervisor's user passes through to the disks
		return drivers{}, fmt.Errorf("open drivers: %w", err)
	}
	processors, err := processors(cl.conf)
	if err != nil {
		return drivers{}, err
	}
	virt, err := libvirt.New(libvirt.Config{Dir: guests, Clock: cl.clock, Log: cl.log, Socket: cl.conf.LibvirtSocket, CPUs: processors,
		MemoryPeriod: max(cl.conf.MemoryStatsPeriod, time.Nanosecond)}) // 0 says never here, and nothing to the driver
	if err != nil {
		return drivers{}, err
	}
	cl.onClose(virt.Close)
	data, err := linux.New(linux.Config{})
	if err != nil {
		return drivers{}, err
	}
	cl.onClose(data.Close)
	return drivers{virt, data}, nil
}

// addNodeRole makes this machine a host where the process has the role for it.
func (cl *cloud) addNodeRole(ctx context.Context) error {
	if !cl.conf.Roles.Node {
		return nil
	}
	d, err := cl.openDrivers()
	if err != nil {
		return err
	}
	if err := cl.addNode(ctx, d); err != nil {
		return err
	}
	return cl.addFakes()
}

// nodeClient is a client for a service that acts as this machine's node.
func (cl *cloud) nodeClient(service string) api.Client {
	if cl.controllers != nil {
		return cl.controllers.client(service)
	}
	return cl.client(service, nodeIdentity(cl.conf.Host), nil)
}

// addNode adds the agents that make this machine a host for guests and networks.
func (cl *cloud) addNode(ctx context.Context, d drivers) error {
	vtep, err := netip.ParseAddr(cl.conf.TunnelIP)
	if err != nil {
		return fmt.Errorf("tunnel-ip: %w", err)
	}
	networking := networkagent.New(networkagent.Config{
		Host: cl.conf.Host, VTEP: vtep, Version: cl.version, Driver: d.fabric, Bus: cl.bus, Log: cl.log, StartedAt: cl.clock.Now(),
		Controller: &networkagent.HTTPController{Client: cl.nodeClient("network")},
		Metadata:   metadata{cl.nodeClient("compute")},
	})
	config := computeagent.Config{
		Host: cl.conf.Host, HostIP: cl.conf.TunnelIP, Version: cl.version, Driver: d.virt, Bus: cl.bus, Log: cl.log,
		Controller:   &computeagent.HTTPController{Client: cl.nodeClient("compute")},
		ResumeGuests: cl.conf.ResumeGuests,
		Shares: orders.Shares{CPURatio: cl.conf.CPURatio, MemoryRatio: cl.conf.MemoryRatio, DiskRatio: cl.conf.DiskRatio, ReservedCPUs: cl.conf.ReservedCPUs,
			ReservedMemoryMiB: cl.conf.ReservedMemory, ReservedDiskMiB: cl.conf.ReservedDisk},
		Images: images{cl.nodeClient("image")}, Uploads: images{cl.nodeClient("image")}, KeepImages: cl.conf.KeepImages,
	}
	var listener net.Listener
	if cl.meetsNodes() {
		if listener, err = cl.listenToNodes(ctx); err != nil {
			return err
		}
		config.TransferURL = "https://" + listener.Addr().String()
		config.Transfers = &http.Client{Transport: newLastingTransport(cl.nodeCredentials, pki.Node), CheckRedirect: noRedirect}
	}
	var computing *computeagent.Agent
	if cl.conf.FakeHosts > 1 {
		computing = cl.neighbourly(config)
	} else {
		computing = computeagent.New(config)
	}
	if listener != nil {
		cl.onRun(func(ctx context.Context) error {
			mux := http.NewServeMux()
			mux.Handle("/console/", computing.ConsoleHandler(isController))
			mux.Handle("/", computing.TransferHandler(peerHost))
			return cl.serveNodes(ctx, listener, mux)
		})
	}
	cl.hosts[config.Host] = computing
	cl.health.Add("node", computing.Ready)
	cl.jobs = append(cl.jobs, networking.Run, computing.Run)
	return nil
}

// meetsNodes tells whether there can be nodes in other processes.
func (cl *cloud) meetsNodes() bool {
	return cl.controllers != nil || cl.conf.Secure() || cl.conf.Shared()
}

// metadata asks the compute service for the documents of a server.
type metadata struct{ compute api.Client }

// maxMetadata bounds one document; user data is at most 64 KiB.
const maxMetadata = 1 << 20

// ServeMetadata implements responder.Backend.
func (m metadata) ServeMetadata(ctx context.Context, serverID, path string) (int, string, []byte, error) {
	resp, err := m.compute.Open(ctx, http.MethodGet, "/internal/metadata/"+url.PathEscape(serverID)+(&url.URL{Path: path}).EscapedPath(), nil)
	var refused *api.StatusError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return http.StatusNotFound, "text/plain; charset=utf-8", []byte("404 Not Found\n"), nil
	}
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata))
	if err != nil {
		return 0, "", nil, fmt.Errorf("read metadata of server %s: %w", serverID, err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), body, nil
}

// StorePassword implements responder.Backend.
func (m metadata) StorePassword(ctx context.Context, serverID, password string) (int, error) {
	err := m.compute.Do(ctx, http.MethodPut, "/internal/metadata/"+url.PathEscape(serverID)+"/password", map[string]string{"password": password}, nil)
	var refused *api.StatusError
	if errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500 {
		return refused.Status, nil
	}
	return http.StatusOK, err
}

// images fetches disk images from the image service.
type images struct{ image api.Client }

// Open implements computeagent.Images.
func (i images) Open(ctx context.Context, imageID string) (io.ReadCloser, error) {
	resp, err := i.image.Open(ctx, http.MethodGet, "/v2/images/"+url.PathEscape(imageID)+"/file", nil)
	var refused *api.StatusError
	if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusForbidden) {
		return nil, fmt.Errorf("open image %s: %w", imageID, computeagent.ErrNoImage)
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNoContent {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("open image %s: %w", imageID, computeagent.ErrNoImage)
	}
	return resp.Body, nil
}
