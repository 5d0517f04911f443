package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Level grades a finding.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn" // works, but worse than it could
	Fail Level = "fail" // guests cannot run
)

// Finding is one thing that Check looked at.
type Finding struct {
	Name   string
	Level  Level
	Detail string
	Mend   string // how to mend it; "" when there is nothing to mend
}

// checkPatience bounds each look.
const checkPatience = 15 * time.Second

// Check tells whether guests can run on this host. It changes nothing and needs no open driver; Dir may be missing or empty.
func Check(ctx context.Context, config Config) []Finding {
	config.setDefaults()
	findings := []Finding{checkLibvirt(ctx, config), checkProgram(ctx, "QEMU", config.QEMU, "apt-get install qemu-system-x86")}
	if findings[len(findings)-1].Level == OK {
		findings = append(findings, checkKVM(ctx, config))
	}
	findings = append(findings,
		checkProgram(ctx, "qemu-img", config.QEMUImg, "apt-get install qemu-utils"),
		checkProgram(ctx, "prlimit", "prlimit", "apt-get install util-linux"),
		checkMaker("mke2fs", Warn, "apt-get install e2fsprogs"), checkMaker("mkfs.vfat", Warn, "apt-get install dosfstools"),
		checkFirmware(firmwareDirs()),
		checkSocket("virtlogd", filepath.Join(filepath.Dir(config.Socket), "virtlogd-sock"),
			"start virtlogd (systemctl start virtlogd.socket, or virtlogd -d); it keeps the guests' console logs"))
	if config.Dir != "" {
		findings = append(findings, checkReach(config.Dir))
	}
	return findings
}

// checkMaker looks for a program that makes the file systems of ephemeral disks.
func checkMaker(program string, lacking Level, mend string) Finding {
	for _, folder := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"} { // where tools are looked for, whatever PATH says
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return Finding{Name: program, Level: OK, Detail: path + " makes ephemeral disks"}
		}
	}
	return Finding{Name: program, Level: lacking, Detail: program + " is not installed; ephemeral disks of its format cannot be made", Mend: mend}
}

func checkLibvirt(ctx context.Context, config Config) Finding {
	finding := Finding{Name: "libvirt", Level: Fail,
		Mend: "apt-get install libvirt-daemon-system and start libvirtd (systemctl start libvirtd, or libvirtd -d); run Virga as root"}
	var v uint64
	l, err := openLink(ctx, config.Socket, config.URI, checkPatience)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		defer cancel()
		defer l.hangUp()
		err = l.bounded(ctx, func() (err error) {
			v, err = l.ConnectGetLibVersion()
			return err
		})
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		finding.Detail = fmt.Sprintf("libvirtd at %s does not answer", config.Socket)
	case err != nil:
		finding.Detail = fmt.Sprintf("%s at %s: %v", config.URI, config.Socket, err)
	default:
		return Finding{Name: "libvirt", Level: OK,
			Detail: fmt.Sprintf("version %d.%d.%d answers at %s", v/1000000, v/1000%1000, v%1000, config.Socket)}
	}
	return finding
}

func checkProgram(ctx context.Context, name, program, mend string) Finding {
	path, err := exec.LookPath(program)
	if err != nil {
		return Finding{Name: name, Level: Fail, Detail: program + " is not installed", Mend: mend}
	}
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	output, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return Finding{Name: name, Level: Fail, Detail: fmt.Sprintf("%s --version: %v", path, err), Mend: mend}
	}
	first, _, _ := strings.Cut(string(output), "\n")
	return Finding{Name: name, Level: OK, Detail: path + ": " + first}
}

func checkKVM(ctx context.Context, config Config) Finding {
	kind := hostProbe(config.QEMU).run(ctx)
	if kind.name == "kvm" {
		return Finding{Name: "KVM", Level: OK, Detail: kind.reason}
	}
	return Finding{Name: "KVM", Level: Warn, Detail: kind.reason,
		Mend: "guests work but are slow; enable virtualisation in the firmware, or nested virtualisation where this is itself a guest"}
}

// checkFirmware warns when there is none for guests that start from UEFI.
func checkFirmware(dirs []string) Finding {
	all, err := readDescriptors(dirs)
	if err == nil {
		for i := range all {
			if slices.Contains(all[i].Interfaces, "uefi") {
				return Finding{Name: "UEFI", Level: OK, Detail: all[i].Mapping.Executable.Filename}
			}
		}
		err = fmt.Errorf("no descriptor in %s", strings.Join(dirs, ", "))
	}
	return Finding{Name: "UEFI", Level: Warn, Detail: err.Error(), Mend: "apt-get install ovmf; without it guests start from a BIOS alone"}
}

func checkSocket(name, path, mend string) Finding {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return Finding{Name: name, Level: Fail, Detail: "no socket at " + path, Mend: mend}
	}
	return Finding{Name: name, Level: OK, Detail: "listens at " + path}
}

// checkReach warns when the user that QEMU usually runs as cannot pass through to the guests' files.
func checkReach(dir string) Finding {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && info.Mode().Perm()&0o001 == 0 {
			return Finding{Name: "guest directory", Level: Warn,
				Detail: fmt.Sprintf("%s cannot be passed through by other users (mode %#o); QEMU may run as libvirt-qemu", at,
					info.Mode().Perm()),
				Mend: "chmod o+x " + at + ", choose another data directory, or set user = \"root\" in /etc/libvirt/qemu.conf"}
		}
		if at == filepath.Dir(at) {
			return Finding{Name: "guest directory", Level: OK, Detail: dir + " can be reached by QEMU"}
		}
	}
}
