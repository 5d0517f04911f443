//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"golang.org/x/sys/unix"

	"virga/service/compute/hypervisor/suite"
)

// faultPatience is how long what a fault befell may take to end: a host may fail at one thing for two minutes before it gives up.
const faultPatience = 4 * time.Minute

// harmed is a cloud on which faults come while several servers are each in the middle of something. The matrix as a whole is proved in
// fake time by service/compute; here a part of it is seen on real daemons.
type harmed struct {
	cloud           *process
	client          *clients
	image, flavor   string
	bigger, network string
	before          world
}

// harm is something that is at work when a fault comes: an action of a server, which has the status from; "" makes the server.
type harm struct {
	from, action string
	ends         []string // the statuses in which it may end besides ERROR; "" is gone
}

func (h harm) String() string {
	if h.from == "" {
		return "create"
	}
	return strings.Trim(strings.SplitN(h.action, ":", 2)[0], `{"`) + " while " + h.from
}

// The harms of most faults.
func (h *harmed) harms() []harm {
	return []harm{
		{"", "", []string{"ACTIVE"}},
		{"ACTIVE", `{"reboot":{"type":"HARD"}}`, []string{"ACTIVE"}},
		{"ACTIVE", `{"pause":null}`, []string{"ACTIVE", "PAUSED"}},
		{"ACTIVE", `{"suspend":null}`, []string{"ACTIVE", "SUSPENDED"}},
		{"ACTIVE", `{"rebuild":{"imageRef":"` + h.image + `"}}`, []string{"ACTIVE"}},
		{"ACTIVE", `{"createImage":{"name":"kept"}}`, []string{"ACTIVE"}},
		{"ACTIVE", `{"forceDelete":null}`, []string{""}},
		{"SHUTOFF", `{"rescue":{}}`, []string{"SHUTOFF", "RESCUE"}}, // of one that need not be waited for to stop
		{"SHUTOFF", `{"resize":{"flavorRef":"` + h.bigger + `"}}`, []string{"SHUTOFF", "VERIFY_RESIZE"}},
		{"SHUTOFF", `{"os-start":null}`, []string{"ACTIVE", "SHUTOFF"}},
		{"PAUSED", `{"unpause":null}`, []string{"ACTIVE", "PAUSED"}},
		{"SUSPENDED", `{"resume":null}`, []string{"ACTIVE", "SUSPENDED"}},
	}
}

// TestFaults has the daemons of a host die, stand still and run out of space while servers are in the middle of something. Each server
// ends as it was, as it was to be, or in ERROR with the reason, and can be deleted; then nothing is left.
func TestFaults(t *testing.T) {
	h := &harmed{}
	h.cloud = startCloudOn(t, func(p *process) {
		h.ownDisk(t, filepath.Join(p.dir, "guests"))
		p.arguments = append(p.wholeCloud(), "--cpu-allocation-ratio", "64")
	})
	admin := h.cloud.admin(t)
	admin.openstack(t, "quota", "set", "--instances", "50", "--cores", "50", "admin")
	h.client = admin.gophercloud(t)
	h.prepare(t)
	h.before = h.cloud.stable(t, h.client)
	for _, fault := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"libvirtd killed", h.libvirtdKilled},
		{"libvirtd stands still", h.libvirtdStandsStill},
		{"agent killed", h.agentKilled},
		{"QEMU killed", h.qemuKilled},
		{"disk full", h.diskFull},
		{"image gone", h.imageGone},
	} {
		began := time.Now()
		if !t.Run(fault.name, fault.do) {
			t.FailNow()
		}
		t.Logf("%s: %s", fault.name, time.Since(began).Round(100*time.Millisecond))
	}
}

// ownDisk has the guests' files be on a file system of their own, in a file with holes.
func (h *harmed) ownDisk(t *testing.T, dir string) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(disk, nil, 0o600), os.Truncate(disk, 40<<30), os.MkdirAll(dir, 0o711)); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", disk}, {"mount", "-o", "loop", disk, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill makes a file of all the space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	file := must[*os.File](t)(os.Create(path))
	defer file.Close()
	var at int64
	for size := int64(16 << 30); size >= 4096; {
		if err := unix.Fallocate(int(file.Fd()), 0, at, size); err == nil {
			at += size
		} else if size /= 2; !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

func (h *harmed) prepare(t *testing.T) {
	flavor := func(name string, memory int) string {
		var body struct{ Flavor struct{ ID string } }
		request := map[string]any{"flavor": map[string]any{"name": name, "ram": memory, "vcpus": 1, "disk": 1}}
		if _, err := h.client.compute.Post(t.Context(), h.client.compute.ServiceURL("flavors"), request, &body, &gophercloud.RequestOpts{OkCodes: []int{200}}); err != nil {
			t.Fatal(err)
		}
		return body.Flavor.ID
	}
	h.flavor, h.bigger = flavor("e2e.pico", 32), flavor("e2e.more", 48)
	h.image = h.newImage(t, "idle")
	h.network = must[string](t)(networkID(t.Context(), h.client, "private"))
}

// newImage makes an image of a guest that does nothing.
func (h *harmed) newImage(t *testing.T, name string) string {
	t.Helper()
	image := must[*images.Image](t)(images.Create(t.Context(), h.client.image, images.CreateOpts{Name: name, DiskFormat: "raw", ContainerFormat: "bare"}).Extract())
	if err := imagedata.Upload(t.Context(), h.client.image, image.ID, bytes.NewReader(suite.BootDisk("here I am\r\n"))).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	return image.ID
}

func (h *harmed) create(t *testing.T, name, imageID string) string {
	t.Helper()
	return must[*servers.Server](t)(servers.Create(t.Context(), h.client.compute, servers.CreateOpts{Name: name, ImageRef: imageID, FlavorRef: h.flavor,
		Networks: []servers.Network{{UUID: h.network}}}, nil).Extract()).ID
}

func (h *harmed) act(t *testing.T, id, body string) {
	t.Helper()
	_, err := h.client.compute.Post(t.Context(), h.client.compute.ServiceURL("servers", id, "action"), strings.NewReader(body), nil, //nolint:bodyclose // the client closes it
		&gophercloud.RequestOpts{OkCodes: []int{200, 202, 204}, MoreHeaders: map[string]string{"Content-Type": "application/json"}})
	if err != nil {
		t.Fatalf("%s of %s: %v", body, id, err)
	}
}

// ready makes a server for each harm and brings it to where the harm begins.
func (h *harmed) ready(t *testing.T, harms []harm) []string {
	t.Helper()
	ids := make([]string, len(harms))
	for i, harm := range harms {
		if harm.from != "" {
			ids[i] = h.create(t, harm.String(), h.image)
		}
	}
	for i, harm := range harms {
		if harm.from == "" {
			continue
		}
		h.client.awaitStatus(t, ids[i], "ACTIVE", bootPatience)
		switch harm.from {
		case "PAUSED":
			h.act(t, ids[i], `{"pause":null}`)
		case "SUSPENDED":
			h.act(t, ids[i], `{"suspend":null}`)
		case "SHUTOFF":
			virsh(t, "destroy", "virga-"+ids[i])
		}
	}
	for i, harm := range harms {
		if harm.from != "" {
			h.client.awaitStatus(t, ids[i], harm.from, bootPatience)
		}
	}
	return ids
}

// begin asks for all that is to be at work, and waits until the host has been told of each.
func (h *harmed) begin(t *testing.T, harms []harm, ids []string) {
	t.Helper()
	for i, harm := range harms {
		if harm.from == "" {
			ids[i] = h.create(t, harm.String(), h.image)
		} else {
			h.act(t, ids[i], harm.action)
		}
	}
	for i, harm := range harms {
		await(t, harm.String()+" is at work", bootPatience, func() error { return h.atWork(t, ids[i]) })
	}
}

// atWork fails as long as no step of the server's newest action has ended.
func (h *harmed) atWork(t *testing.T, id string) error {
	var list struct {
		Actions []struct {
			Action  string
			Request string `json:"request_id"`
		} `json:"instanceActions"`
	}
	c := h.client.compute
	if _, err := c.Get(t.Context(), c.ServiceURL("servers", id, "os-instance-actions"), &list, nil); is(err, 404) || err != nil || len(list.Actions) == 0 { //nolint:bodyclose // read into list
		if is(err, 404) {
			return nil // it has been deleted
		}
		return errors.Join(err, errors.New("no action"))
	}
	var shown struct {
		Action struct {
			Events []struct {
				Event  string
				Finish *string `json:"finish_time"`
			}
		} `json:"instanceAction"`
	}
	if _, err := c.Get(t.Context(), c.ServiceURL("servers", id, "os-instance-actions", list.Actions[0].Request), &shown, nil); err != nil { //nolint:bodyclose // read into shown
		if is(err, 404) {
			return nil
		}
		return err
	}
	for _, event := range shown.Action.Events {
		if event.Finish != nil && slices.Contains([]string{"compute_order", "compute_spawn", "compute_stop", "compute_preempt"}, event.Event) {
			return nil
		}
	}
	return fmt.Errorf("its events are %v", shown.Action.Events)
}

// over waits until everything has ended, looks at how, deletes all servers and looks at what is left.
func (h *harmed) over(t *testing.T, harms []harm, ids []string, also ...string) {
	t.Helper()
	h.ended(t, harms, ids, also...)
	h.cleared(t, ids)
	h.cloud.mustBe(t, h.client, h.before)
}

func (h *harmed) ended(t *testing.T, harms []harm, ids []string, also ...string) {
	t.Helper()
	for i, harm := range harms {
		await(t, harm.String()+" comes to an end", faultPatience, func() error {
			server, err := servers.Get(t.Context(), h.client.compute, ids[i]).Extract()
			switch {
			case is(err, 404) && slices.Contains(harm.ends, ""):
				return nil
			case err != nil:
				return err
			case server.TaskState != "" || server.Status == "BUILD":
				return fmt.Errorf("it is %s, %s", server.Status, server.TaskState)
			case server.Status == "ERROR" && server.Fault.Message == "":
				t.Errorf("%s: the server is in ERROR and does not say why", harm)
			case server.Status == "ERROR":
				t.Logf("%s: ERROR: %s", harm, server.Fault.Message)
			case !slices.Contains(harm.ends, server.Status) && !slices.Contains(also, server.Status):
				return fmt.Errorf("it is %s", server.Status)
			}
			if runs := qemuOf(ids[i]) != 0; server.Status != "ERROR" && runs != slices.Contains([]string{"ACTIVE", "PAUSED", "RESCUE"}, server.Status) {
				return fmt.Errorf("it is %s; that QEMU runs it is %t", server.Status, runs)
			}
			return nil
		})
	}
}

// cleared deletes the servers, and the images that were made of them.
func (h *harmed) cleared(t *testing.T, ids []string) {
	t.Helper()
	for _, id := range ids {
		if err := servers.Delete(t.Context(), h.client.compute, id).ExtractErr(); err != nil && !is(err, 404) {
			t.Errorf("delete %s: %v", id, err)
		}
	}
	for _, id := range ids {
		h.client.awaitGone(t, id, bootPatience)
	}
	pages, err := images.List(h.client.image, images.ListOpts{Name: "kept"}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range must[[]images.Image](t)(images.ExtractImages(pages)) {
		if err := images.Delete(t.Context(), h.client.image, image.ID).ExtractErr(); err != nil && !is(err, 404) {
			t.Error(err)
		}
	}
}

// signalLibvirtd sends a signal to the daemon.
func signalLibvirtd(t *testing.T, signal syscall.Signal) {
	t.Helper()
	for pid, arguments := range processes() {
		if strings.HasSuffix(arguments[0], "libvirtd") {
			if err := syscall.Kill(pid, signal); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// libvirtdKilled kills libvirtd while it holds back what it was asked for.
func (h *harmed) libvirtdKilled(t *testing.T) {
	harms := h.harms()
	ids := h.ready(t, harms)
	signalLibvirtd(t, syscall.SIGSTOP)
	h.begin(t, harms, ids)
	restartLibvirtd(t)
	h.over(t, harms, ids)
}

// libvirtdStandsStill stops libvirtd until its host shows as down, and has it go on.
func (h *harmed) libvirtdStandsStill(t *testing.T) {
	harms := h.harms()[:4]
	ids := h.ready(t, harms)
	signalLibvirtd(t, syscall.SIGSTOP)
	goesOn := false
	defer func() {
		if !goesOn {
			signalLibvirtd(t, syscall.SIGCONT)
		}
	}()
	h.begin(t, harms, ids)
	await(t, "the host shows as down", 90*time.Second, func() error { return h.hostIs(t, "down") })
	signalLibvirtd(t, syscall.SIGCONT)
	goesOn = true
	await(t, "the host shows as up", 90*time.Second, func() error { return h.hostIs(t, "up") })
	h.over(t, harms, ids)
}

func (h *harmed) hostIs(t *testing.T, want string) error {
	var list struct{ Services []struct{ State string } }
	c := h.client.compute
	if _, err := c.Get(t.Context(), c.ServiceURL("os-services")+"?binary=nova-compute", &list, nil); err != nil { //nolint:bodyclose // read into list
		return err
	}
	if len(list.Services) != 1 || list.Services[0].State != want {
		return fmt.Errorf("the services are %v", list.Services)
	}
	return nil
}

// agentKilled kills the cloud's process, the host's agent with it, in the middle of all.
func (h *harmed) agentKilled(t *testing.T) {
	harms := h.harms()
	ids := h.ready(t, harms)
	h.begin(t, harms, ids)
	h.cloud.kill(t)
	h.cloud.start(t)
	h.over(t, harms, ids)
}

// qemuKilled kills the guests' processes while libvirtd holds back what it was asked to do with them.
func (h *harmed) qemuKilled(t *testing.T) {
	harms := slices.DeleteFunc(h.harms(), func(harm harm) bool { return harm.from == "" || harm.from == "SHUTOFF" || harm.from == "SUSPENDED" })
	ids := h.ready(t, harms)
	signalLibvirtd(t, syscall.SIGSTOP)
	h.begin(t, harms, ids)
	for _, id := range ids {
		if pid := qemuOf(id); pid != 0 {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	signalLibvirtd(t, syscall.SIGCONT)
	h.over(t, harms, ids, "SHUTOFF") // which is what a guest is whose process has ended
}

// diskFull leaves no space for guests from before the deeds until after the servers are gone.
func (h *harmed) diskFull(t *testing.T) {
	harms := h.harms()
	ids := h.ready(t, harms)
	filler := filepath.Join(h.cloud.dir, "guests", "filler")
	fill(t, filler)
	defer os.Remove(filler)
	h.begin(t, harms, ids)
	h.ended(t, harms, ids)
	h.cleared(t, ids)
	if err := os.Remove(filler); err != nil {
		t.Error(err)
	}
	h.cloud.mustBe(t, h.client, h.before)
}

// imageGone takes the data of an image away behind the image service's back.
func (h *harmed) imageGone(t *testing.T) {
	content := filepath.Join(h.cloud.dir, "images", "content", "*")
	others := must[[]string](t)(filepath.Glob(content))
	image := h.newImage(t, "lost")
	lost := slices.DeleteFunc(must[[]string](t)(filepath.Glob(content)), func(path string) bool { return slices.Contains(others, path) })
	if len(lost) != 1 {
		t.Fatalf("the image's files are %v", lost)
	}
	if err := os.Remove(lost[0]); err != nil {
		t.Fatal(err)
	}
	harms := []harm{{"ACTIVE", `{"rebuild":{"imageRef":"` + image + `"}}`, []string{"ACTIVE"}}}
	ids := h.ready(t, harms)
	h.act(t, ids[0], harms[0].action)
	harms, ids = append(harms, harm{"", "", nil}), append(ids, h.create(t, "create of nothing", image))
	h.ended(t, harms, ids)
	h.cleared(t, ids)
	if err := images.Delete(t.Context(), h.client.image, image).ExtractErr(); err != nil {
		t.Errorf("delete an image whose data is gone: %v", err)
	}
	h.cloud.mustBe(t, h.client, h.before)
}
