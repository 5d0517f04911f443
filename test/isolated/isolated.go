package isolated

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// LibvirtSocket is where libvirtd answers when Options.Libvirt is set.
const LibvirtSocket = "/run/libvirt/libvirt-sock"

// Options say what the tests need.
type Options struct {
	// Libvirt asks for a libvirtd (and virtlogd) of the tests' own, running QEMU as root.
	Libvirt bool
	// Commands are programs that must be installed.
	Commands []string
	// Files are environment variables, each of which must name a file.
	Files []string
	// Fresh are directories to hide under empty ones, besides /run and libvirt's own.
	Fresh []string
}

// Runner is testing.M, or anything else that runs and returns an exit code.
type Runner interface{ Run() int }

// stage tells a process of the test binary which of the three it is.
const stage = "VIRGA_ISOLATED_STAGE"

// Main runs m isolated and exits with its code; TestMain does nothing else.
func Main(m Runner, options Options) {
	switch os.Getenv(stage) {
	case "":
		os.Exit(outside(options))
	case "init":
		os.Exit(inside(options))
	default:
		os.Exit(m.Run())
	}
}

// fail says in one line why the tests cannot run.
func fail(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "FAIL: end-to-end tests: "+format+"\n", args...)
	return 1
}

// outside starts the test binary again in new namespaces and waits for it.
func outside(options Options) int {
	if missing := missing(options); missing != "" {
		return fail("%s", missing)
	}
	self, err := os.Executable()
	if err != nil {
		return fail("find the test binary: %v", err)
	}
	// The child dies with the thread that started it, so that killing the tests from outside leaves nothing running.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stage+"=init")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if err := cmd.Start(); err != nil {
		return fail("make namespaces (needs CAP_SYS_ADMIN): %v", err)
	}
	go func() {
		for range signals {
			cmd.Process.Kill()
		}
	}()
	return exitCode(cmd.Wait())
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	}
	return fail("the isolated process ended: %v", err)
}

// missing names the first thing that the machine lacks.
func missing(options Options) string {
	if os.Geteuid() != 0 {
		return "run them as root: they make namespaces and start guests"
	}
	commands := options.Commands
	if options.Libvirt {
		commands = append([]string{"libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img"}, commands...)
	}
	for _, name := range commands {
		if find(name) == "" {
			return fmt.Sprintf("%s is not installed (make deps installs what is needed)", name)
		}
	}
	for _, variable := range options.Files {
		if info, err := os.Stat(os.Getenv(variable)); err != nil || info.IsDir() {
			return fmt.Sprintf("%s=%s names no file (make test-e2e builds it and sets it)", variable, os.Getenv(variable))
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return fmt.Sprintf("no tap devices on this machine: %v", err)
	}
	return ""
}

// find looks a program up, also where a user's PATH does not reach; "" when it is not installed.
func find(name string) string {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	return ""
}
