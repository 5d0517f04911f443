package libvirt

import (
	"bufio"
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

// domainKind is how guests are run here, and why.
type domainKind struct {
	name   string // "kvm" or "qemu"
	reason string
}

// kvmProbe finds out whether KVM runs guests here. A device that opens proves nothing: under some hypervisors it opens and guests
// hang. So after the cheap signs a tiny guest is run under it.
type kvmProbe struct {
	arch     string
	cpuinfo  string
	device   string
	trial    func(ctx context.Context) error
	patience time.Duration
}

func hostProbe(qemu string) kvmProbe {
	return kvmProbe{arch: machineArch(), cpuinfo: "/proc/cpuinfo", device: "/dev/kvm", patience: 10 * time.Second,
		trial: func(ctx context.Context) error { return tryGuest(ctx, qemu, "kvm", "host") }}
}

func (p kvmProbe) run(ctx context.Context) domainKind {
	emulation := func(format string, args ...any) domainKind {
		return domainKind{name: "qemu", reason: fmt.Sprintf(format, args...) + ": guests run under QEMU's own emulation"}
	}
	device, err := os.OpenFile(p.device, os.O_RDWR, 0)
	opens := err == nil
	if opens {
		device.Close()
	}
	sign := "the processor's architecture is " + p.arch
	if p.arch == "x86_64" {
		flag, err := virtualisationFlag(p.cpuinfo)
		if err != nil {
			return emulation("%s cannot be read (%v)", p.cpuinfo, err)
		}
		if flag == "" && opens {
			return emulation("the processor announces neither vmx nor svm, although %s opens", p.device)
		}
		if flag == "" {
			return emulation("the processor announces neither vmx nor svm")
		}
		sign = "the processor announces " + flag
	}
	if !opens {
		return emulation("%s, but the device does not open (%v)", sign, err)
	}
	if p.arch != "x86_64" {
		return domainKind{name: "kvm", reason: sign + " and " + p.device + " opens (no trial on this architecture)"}
	}
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	if err := p.trial(ctx); err != nil {
		return emulation("%s and %s opens, but a trial guest did not run under KVM (%v)", sign, p.device, err)
	}
	return domainKind{name: "kvm", reason: sign + " and a trial guest ran under KVM"}
}

// virtualisationFlag returns vmx or svm when the first processor has it, "" when it has neither.
func virtualisationFlag(cpuinfo string) (string, error) {
	file, err := os.Open(cpuinfo)
	if err != nil {
		return "", err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		name, value, _ := strings.Cut(scanner.Text(), ":")
		if strings.TrimSpace(name) != "flags" {
			continue
		}
		flags := strings.Fields(value)
		for _, flag := range []string{"vmx", "svm"} {
			if slices.Contains(flags, flag) {
				return flag, nil
			}
		}
		return "", nil
	}
	return "", scanner.Err()
}

// What the trial guest does: write a value to QEMU's debug-exit device, which ends QEMU with status value*2+1.
const (
	trialPort   = 0xf4
	trialValue  = 0x10
	trialStatus = trialValue<<1 | 1
)

// trialDisk is larger than its one sector of code because the firmware does not boot from a disk without cylinders.
func trialDisk() []byte {
	disk := make([]byte, 1<<20)
	copy(disk, []byte{
		0xb0, trialValue, // mov al, value
		0xe6, trialPort, // out port, al
		0xf4,       // hlt
		0xeb, 0xfd, // back to hlt
	})
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}

// tryGuest boots a guest of one sector and returns nil when that sector was carried out.
func tryGuest(ctx context.Context, qemu, accelerator, cpu string) error {
	dir, err := os.MkdirTemp("", "virga-trial-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	disk := filepath.Join(dir, "disk")
	if err := os.WriteFile(disk, trialDisk(), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, qemu, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-machine", "pc,accel="+accelerator, "-cpu", cpu, "-m", "32",
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=1", trialPort),
		"-drive", "if=none,id=disk,format=raw,readonly=on,file="+disk, "-device", "virtio-blk-pci,drive=disk,bootindex=1")
	cmd.WaitDelay = time.Second
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return errors.New("it hung")
	case errors.As(err, &exit) && exit.ExitCode() == trialStatus:
		return nil
	case err == nil:
		return errors.New("QEMU ended without having run it")
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	return fmt.Errorf("%w: %s", err, first[:min(len(first), 200)])
}
