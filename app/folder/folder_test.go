package folder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhoMayUseAFolder(t *testing.T) {
	count := 0
	newID := func() string { count++; return fmt.Sprint("name", count) }
	for _, test := range []struct {
		first, second Use
		refused       string
	}{
		{Use{Alone: true}, Use{Alone: true}, "in use"},
		{Use{Alone: true}, Use{}, "in use"},
		{Use{}, Use{Alone: true}, "in use"},
		{Use{}, Use{}, ""},
		{Use{Node: true}, Use{}, ""},
		{Use{Node: true}, Use{Node: true}, "a node runs"},
	} {
		dir := t.TempDir()
		test.first.NewID, test.second.NewID = newID, newID
		first, err := Open(dir, test.first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Open(dir, test.second)
		switch {
		case test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid()))):
			t.Errorf("%+v: %v", test, err)
		case test.refused == "" && err != nil:
			t.Errorf("%+v: %v", test, err)
		case err == nil:
			if first.Process() == second.Process() {
				t.Errorf("%+v: both are called %s", test, first.Process())
			}
			second.Close()
		}
		first.Close()
		again, err := Open(dir, test.second)
		if err != nil {
			t.Fatalf("%+v: the folder is not free after its use: %v", test, err)
		}
		if again.Process() != first.Process() {
			t.Errorf("a process that is started anew is called %s, not %s", again.Process(), first.Process())
		}
		again.Close()
	}
}

// TestHalfWrittenNames has a process find what one that died has left.
func TestHalfWrittenNames(t *testing.T) {
	for _, left := range []string{"", "nam", "\n"} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "processes"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "processes", "0"), []byte(left), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			f, err := Open(dir, Use{NewID: func() string { return "fresh" }})
			if err != nil || f.Process() != "fresh" {
				t.Fatalf("%q: %v", left, err)
			}
			f.Close()
		}
	}
}

func TestWriteIsWholeAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	for _, content := range []string{"one", "one", "two"} {
		if err := os.Chmod(path, 0o644); err != nil && content != "one" {
			t.Fatal(err)
		}
		if err := Write(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || string(text) != content {
			t.Errorf("%q, %v", text, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}
