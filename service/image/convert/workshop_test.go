package convert

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"virga/service/image/ingest"
	"virga/service/image/inspect"
	"virga/service/image/store"
)

// workshop is one in a folder of the test.
func workshop(t *testing.T) *Workshop {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Fatalf("install qemu-utils: %v", err)
	}
	w, err := Open(filepath.Join(t.TempDir(), "shop"))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// left are the names of what is in the folder.
func (w *Workshop) left(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func request(format string, data []byte) ingest.Request {
	return ingest.Request{ID: "an-image", DiskFormat: format, Body: bytes.NewReader(data), Length: int64(len(data)), Limit: store.NoLimit}
}

// convert converts and reads what comes of it.
func (w *Workshop) convert(t *testing.T, req ingest.Request, to string) []byte {
	t.Helper()
	made, size, err := w.Convert(t.Context(), req, to, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(made)
	if err := errors.Join(err, made.Close()); err != nil || int64(len(data)) != size {
		t.Fatalf("%d bytes of %d: %v", len(data), size, err)
	}
	if left := w.left(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	return data
}

func TestThereAndBack(t *testing.T) {
	w := workshop(t)
	raw := bytes.Repeat([]byte("virga's disk    "), 1<<16)
	for _, format := range []string{inspect.Qcow2, inspect.VMDK, inspect.VDI, inspect.VHDX} {
		t.Run(format, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(name, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"convert", "-f", "raw", "-O", format}
			if format == inspect.VMDK {
				args = append(args, "-o", "subformat=streamOptimized")
			}
			if text, err := exec.Command("qemu-img", append(args, name, name+".out")...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			data, err := os.ReadFile(name + ".out")
			if err != nil {
				t.Fatal(err)
			}
			if got := w.convert(t, request(format, data), inspect.Raw); !bytes.Equal(got, raw) {
				t.Errorf("%d bytes come of it, which are others", len(got))
			}
		})
	}
	packed := w.convert(t, request(inspect.Raw, raw), inspect.Qcow2)
	if !bytes.HasPrefix(packed, []byte("QFI\xfb")) {
		t.Errorf("it begins with %q", packed[:4])
	}
	if got := w.convert(t, request(inspect.Qcow2, packed), inspect.Raw); !bytes.Equal(got, raw) {
		t.Error("it does not come back")
	}
}

// TestWhatTheToolDoesNotSee has content that is not what it says never reach the tool.
func TestWhatTheToolDoesNotSee(t *testing.T) {
	w := workshop(t)
	w.qemuImg = "/bin/false"
	for name, want := range map[string]error{"no qcow2": inspect.ErrMismatch, "short": ingest.ErrShort, "large": store.ErrTooLarge} {
		req := request(inspect.Raw, []byte("content"))
		switch name {
		case "no qcow2":
			req.DiskFormat = inspect.Qcow2
		case "short":
			req.Length = 100
		case "large":
			req.Limit = 3
			req.Length = -1
		}
		if _, _, err := w.Convert(t.Context(), req, inspect.Raw, 1<<20); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := w.Convert(t.Context(), request(inspect.Raw, []byte("content")), inspect.Qcow2, 3); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a disk over the bound: %v", err)
	}
	if _, _, err := w.Convert(t.Context(), request(inspect.Raw, []byte("content")), inspect.Qcow2, 1<<20); !errors.Is(err, ErrFailed) {
		t.Errorf("a tool that fails: %v", err)
	}
	if left := w.left(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestTheToolIsBounded is OSSA-2016-012: a tool that wants too much memory, disk or network gets none.
func TestTheToolIsBounded(t *testing.T) {
	w := workshop(t)
	tool := filepath.Join(t.TempDir(), "tool")
	w.qemuImg = tool
	for name, script := range map[string]string{
		"memory":   `dd if=/dev/zero of="$7" bs=3000M count=1`,
		"disk":     `head -c 100000000 /dev/zero >"$7"`,
		"network":  `[ "$(grep -c : /proc/net/dev)" -gt 1 ] && echo "has a network" >"$7" && exit 0; exit 1`,
		"settings": `[ -z "$HOME$VIRGA_ADMIN_PASSWORD" ] && exit 1; cp /dev/null "$7"`,
	} {
		if err := os.WriteFile(tool, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		made, _, err := w.Convert(t.Context(), request(inspect.Raw, []byte("content")), inspect.Qcow2, 1<<20)
		if err == nil {
			_ = made.Close()
		}
		if !errors.Is(err, ErrFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left := w.left(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestOpenClears(t *testing.T) {
	w := workshop(t)
	if err := os.WriteFile(filepath.Join(w.dir, "x.in"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(w.dir); err != nil || len(w.left(t)) != 0 {
		t.Errorf("after it was opened again: %v %v", w.left(t), err)
	}
	if Converts(inspect.ISO, inspect.Raw) || Converts(inspect.Raw, inspect.Raw) || Converts(inspect.Qcow2, "") || !Converts(inspect.VHD, inspect.Raw) {
		t.Error("what is converted")
	}
	said := &tail{}
	if n, err := said.Write([]byte(strings.Repeat("x", 10000))); n != 10000 || err != nil || len(said.kept) != maxSaid {
		t.Errorf("%d %v %d", n, err, len(said.kept))
	}
}
