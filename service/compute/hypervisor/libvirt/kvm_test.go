package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProbeDecidesByEvidence(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	device := file("kvm", "")
	without := file("without", "processor\t: 0\nflags\t\t: fpu vme svmx vmxx\n")
	vmx := file("vmx", "processor\t: 0\nflags\t\t: fpu vmx\n")
	svm := file("svm", "processor\t: 0\nflags\t\t: svm fpu\n")
	runs := func(context.Context) error { return nil }
	hangs := func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("it hung")
	}
	never := func(context.Context) error {
		t.Error("tried although the signs were against it")
		return nil
	}
	cases := map[string]struct {
		probe  kvmProbe
		kind   string
		reason string
	}{
		"no flag":        {kvmProbe{cpuinfo: without, device: device, trial: never}, "qemu", "neither vmx nor svm, although"},
		"no flag at all": {kvmProbe{cpuinfo: without, device: dir + "/none", trial: never}, "qemu", "neither vmx nor svm:"},
		"no device":      {kvmProbe{cpuinfo: vmx, device: dir + "/none", trial: never}, "qemu", "does not open"},
		"no cpuinfo":     {kvmProbe{cpuinfo: dir + "/none", device: device, trial: never}, "qemu", "cannot be read"},
		"guest hangs":    {kvmProbe{cpuinfo: svm, device: device, trial: hangs}, "qemu", "did not run under KVM (it hung)"},
		"guest runs":     {kvmProbe{cpuinfo: svm, device: device, trial: runs}, "kvm", "announces svm and a trial guest ran"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			test.probe.arch, test.probe.patience = "x86_64", 10*time.Millisecond
			kind := test.probe.run(t.Context())
			if kind.name != test.kind || !strings.Contains(kind.reason, test.reason) {
				t.Fatalf("%s because %s", kind.name, kind.reason)
			}
		})
	}
}
