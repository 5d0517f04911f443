package isolated

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Machine is one more machine beside the one that the tests find themselves on: a host name, mount and network namespaces of its own, with
// loopback up and alone, an empty /run, and a libvirtd of its own when asked for. It ends with the tests' own namespaces.
type Machine struct {
	Name    string
	spaces  []space
	net     *os.File
	daemons []*exec.Cmd
}

// space is a namespace that a thread enters to be on the machine.
type space struct {
	file *os.File
	kind int
}

// NewMachine makes a machine; Options.Files and Commands have been looked at by Main.
func NewMachine(name string, options Options) (*Machine, error) {
	m := &Machine{Name: name}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS); err != nil {
			return fmt.Errorf("make namespaces: %w", err)
		}
		if err := unix.Sethostname([]byte(name)); err != nil {
			return fmt.Errorf("name the machine: %w", err)
		}
		if err := prepare(options); err != nil {
			return err
		}
		for name, kind := range map[string]int{"uts": unix.CLONE_NEWUTS, "net": unix.CLONE_NEWNET, "mnt": unix.CLONE_NEWNS} {
			file, err := os.Open("/proc/thread-self/ns/" + name)
			if err != nil {
				return err
			}
			m.spaces = append(m.spaces, space{file, kind})
			if kind == unix.CLONE_NEWNET {
				m.net = file
			}
		}
		return nil
	})
	if err == nil && options.Libvirt {
		err = m.startLibvirt()
	}
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("make machine %s: %w", name, err)
	}
	return m, nil
}

// onThread runs fn on a thread that ends with it, so that fn may change the thread's namespaces.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is of no use to others afterwards
		// Mount namespaces are entered by a thread alone, not by one that shares its working directory.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			done <- fmt.Errorf("leave the others' working directory: %w", err)
			return
		}
		done <- fn()
	}()
	return <-done
}

// Do runs fn on the machine: files and networks are the machine's, as long as fn starts no goroutines.
func (m *Machine) Do(fn func() error) error {
	return onThread(func() error {
		for _, s := range m.spaces {
			if err := unix.Setns(int(s.file.Fd()), s.kind); err != nil {
				return fmt.Errorf("enter machine %s: %w", m.Name, err)
			}
		}
		return fn()
	})
}

// Start starts a command on the machine.
func (m *Machine) Start(command *exec.Cmd) error { return m.Do(command.Start) }

// Output runs a command on the machine and returns what it printed.
func (m *Machine) Output(name string, args ...string) (string, error) {
	command := exec.Command(name, args...)
	var out []byte
	err := m.Do(func() (err error) {
		out, err = command.CombinedOutput()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("on machine %s: %s: %w: %s", m.Name, command, err, out)
	}
	return string(out), nil
}

// Connect joins the machine to a bridge of the tests' own network namespace by a cable whose end there is called
// "to-NAME"; on the machine it is eth0 with the address. Who takes to-NAME down has pulled the plug.
func (m *Machine) Connect(bridge string, address *netlink.Addr) error {
	master, err := netlink.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", bridge, err)
	}
	outside := m.Plug()
	cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: outside, MasterIndex: master.Attrs().Index}, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(m.net.Fd()))}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("lay a cable to %s: %w", m.Name, err)
	}
	if err := netlink.LinkSetUp(cable); err != nil {
		return fmt.Errorf("bring %s up: %w", outside, err)
	}
	return m.Do(func() error {
		inside, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return errors.Join(netlink.AddrAdd(inside, address), netlink.LinkSetUp(inside))
	})
}

// LibvirtSocketHere is where the machine's libvirtd answers, as seen from the tests' own mounts.
func (m *Machine) LibvirtSocketHere() string {
	return fmt.Sprintf("/proc/%d/root%s", m.daemons[len(m.daemons)-1].Process.Pid, LibvirtSocket)
}

// Plug is the end of the machine's cable.
func (m *Machine) Plug() string { return "to-" + m.Name }

func (m *Machine) startLibvirt() error {
	for _, daemon := range []struct{ name, socket string }{{"virtlogd", "/run/libvirt/virtlogd-sock"}, {"libvirtd", LibvirtSocket}} {
		command := exec.Command(find(daemon.name))
		err := m.Do(func() error {
			output, err := os.Create("/var/log/libvirt/" + daemon.name + ".out")
			if err != nil {
				return err
			}
			defer output.Close()
			command.Stdout, command.Stderr = output, output
			return command.Start()
		})
		if err != nil {
			return fmt.Errorf("start %s: %w", daemon.name, err)
		}
		m.daemons = append(m.daemons, command)
		if err := m.awaitSocket(daemon.socket); err != nil {
			return fmt.Errorf("%s: %w%s", daemon.name, err, m.logs())
		}
	}
	return nil
}

func (m *Machine) logs() (text string) {
	_ = m.Do(func() error { text = logTail(); return nil }) // it only explains another error
	return text
}

func (m *Machine) awaitSocket(path string) error {
	deadline := time.Now().Add(startPatience)
	for {
		err := m.Do(func() error {
			connection, err := net.Dial("unix", path)
			if err != nil {
				return err
			}
			return connection.Close()
		})
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Close takes the cable away and ends the machine's daemons. Its namespaces go with the last process in them, some time later.
func (m *Machine) Close() {
	if cable, err := netlink.LinkByName(m.Plug()); err == nil {
		_ = netlink.LinkDel(cable) // it may go by itself at this very moment
	}
	for _, daemon := range m.daemons {
		_ = daemon.Process.Signal(syscall.SIGKILL) // it may have ended
		_ = daemon.Wait()
	}
	for _, s := range m.spaces {
		s.file.Close()
	}
}
