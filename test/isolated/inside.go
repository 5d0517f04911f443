package isolated

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/vishvananda/netlink"
)

// startPatience is how long libvirtd may take to answer; it probes QEMU at its first start.
const startPatience = 60 * time.Second

// inside prepares the new namespaces as their first process, runs the tests in a child and reaps everybody until they end.
func inside(options Options) int {
	if os.Getpid() != 1 {
		return fail("%s is set in the environment, which is for the test binary's own use", stage)
	}
	if err := prepare(options); err != nil {
		return fail("prepare namespaces: %v", err)
	}
	// Terminal signals reach the whole group; the outer process decides what they mean.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
	reaper := newReaper()
	if options.Libvirt {
		if err := startLibvirt(reaper); err != nil {
			return fail("start libvirtd: %v%s", err, logTail())
		}
	}
	self, err := os.Executable()
	if err != nil {
		return fail("find the test binary: %v", err)
	}
	// Tests find the administrator's programs wherever they were started from.
	path := os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin"
	if err := errors.Join(os.Setenv(stage, "tests"), os.Setenv("PATH", path)); err != nil {
		return fail("set the environment: %v", err)
	}
	tests, err := start(self, os.Args, os.Environ(), os.Stdout, os.Stderr)
	if err != nil {
		return fail("start the tests: %v", err)
	}
	status := reaper.wait(tests)
	if status.Signaled() {
		return fail("the tests were killed by signal %d", status.Signal())
	}
	return status.ExitStatus()
}

func prepare(options Options) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// A fresh /sys shows the new network namespace; it also hides the host's control groups, which are not ours to use.
	if err := syscall.Unmount("/sys", syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("unmount /sys: %w", err)
	}
	if err := syscall.Mount("sysfs", "/sys", "sysfs", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /sys: %w", err)
	}
	for _, dir := range append([]string{"/run"}, options.Fresh...) {
		if err := freshen(dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/run/netns", "/run/lock"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	if options.Libvirt {
		return errors.Join(mountHugePages(), prepareLibvirt())
	}
	return nil
}

// mountHugePages mounts what libvirt looks for before it backs guests with large pages; kernels without them have no such file system.
func mountHugePages() error {
	const dir = "/run/hugepages"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("hugetlbfs", dir, "hugetlbfs", 0, ""); err != nil && !errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("mount large pages: %w", err)
	}
	return nil
}

// freshen hides a directory under an empty one.
func freshen(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount an empty %s: %w", dir, err)
	}
	return nil
}

// Configuration of the tests' own daemons: everything as root, no confinement and no control groups, which need not work
// in the places where tests run.
const (
	libvirtdConf = `auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
audit_level = 0
`
	qemuConf = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "logd"
`
	virtlogdConf = `log_outputs = "2:file:/var/log/libvirt/virtlogd.log"
`
)

func prepareLibvirt() error {
	for _, dir := range []string{"/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt"} {
		if err := freshen(dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/etc/libvirt/qemu", "/run/libvirt", "/var/lib/libvirt/qemu"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("ask for the machine's name: %w", err)
	}
	// Guests migrate between hosts that differ by this; otherwise all would have the identity of the real machine.
	identity := fmt.Sprintf("host_uuid = %q\n", uuid.NewSHA1(uuid.NameSpaceDNS, []byte(host)).String())
	for name, text := range map[string]string{"libvirtd.conf": libvirtdConf + identity, "qemu.conf": qemuConf, "virtlogd.conf": virtlogdConf} {
		if err := os.WriteFile(filepath.Join("/etc/libvirt", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func startLibvirt(reaper *reaper) error {
	for _, daemon := range []struct{ name, socket string }{
		{"virtlogd", "/run/libvirt/virtlogd-sock"},
		{"libvirtd", LibvirtSocket},
	} {
		output, err := os.Create("/var/log/libvirt/" + daemon.name + ".out")
		if err != nil {
			return err
		}
		pid, err := start(find(daemon.name), []string{daemon.name}, os.Environ(), output, output)
		output.Close()
		if err != nil {
			return fmt.Errorf("start %s: %w", daemon.name, err)
		}
		if err := reaper.awaitSocket(pid, daemon.name, daemon.socket); err != nil {
			return err
		}
	}
	return nil
}

// start starts a process without os/exec, whose waiting would compete with the reaper's.
func start(path string, argv, env []string, stdout, stderr *os.File) (int, error) {
	process, err := os.StartProcess(path, argv, &os.ProcAttr{Env: env, Files: []*os.File{os.Stdin, stdout, stderr}})
	if err != nil {
		return 0, err
	}
	return process.Pid, nil
}

// reaper waits for every process of the namespace, as its first process must: libvirt takes a guest for alive until somebody did.
type reaper struct {
	ended chan ended
}

type ended struct {
	pid    int
	status syscall.WaitStatus
}

func newReaper() *reaper {
	r := &reaper{ended: make(chan ended)}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for {
			var status syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &status, 0, nil)
			switch {
			case errors.Is(err, syscall.ECHILD):
				<-children
			case err == nil:
				r.ended <- ended{pid, status}
			}
		}
	}()
	return r
}

// wait reaps until that process has ended.
func (r *reaper) wait(pid int) syscall.WaitStatus {
	for {
		if e := <-r.ended; e.pid == pid {
			return e.status
		}
	}
}

// awaitSocket reaps until somebody listens at the socket or the daemon ends.
func (r *reaper) awaitSocket(pid int, name, path string) error {
	deadline := time.NewTimer(startPatience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case e := <-r.ended:
			if e.pid == pid {
				return fmt.Errorf("%s ended with status %d", name, e.status.ExitStatus())
			}
		case <-deadline.C:
			return fmt.Errorf("%s does not listen at %s after %s", name, path, startPatience)
		case <-tick.C:
			if conn, err := net.Dial("unix", path); err == nil {
				return conn.Close()
			}
		}
	}
}

// logTail returns the end of what the daemons said, to explain why they do not run.
func logTail() string {
	tail := ""
	for _, name := range []string{"virtlogd.out", "virtlogd.log", "libvirtd.out", "libvirtd.log"} {
		data, err := os.ReadFile("/var/log/libvirt/" + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || len(data) == 0 {
			continue
		}
		tail += fmt.Sprintf("\n--- %s\n%s", name, data[max(0, len(data)-2000):])
	}
	return tail
}
