package file

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"virga/core/clock"
	"virga/service/image/store"
	"virga/service/image/store/suite"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, clock.System{}.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSuite(t *testing.T) {
	suite.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

func TestLeftoversOfAKilledProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	old, young := filepath.Join(dir, incomingDir, "a.1"), filepath.Join(dir, incomingDir, "b.2")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, []byte("part"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	if err := os.Chtimes(old, now, now.Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if entries, err := s.List(t.Context(), "", 10); err != nil || len(entries) != 0 {
		t.Errorf("leftovers are listed: %v, %v", entries, err)
	}
	if n, err := s.Sweep(t.Context(), now.Add(-time.Hour)); err != nil || n != 1 {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old leftover is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the young one is gone: %v", err)
	}
}

func TestContentSurvivesReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "dir")
	if _, err := open(t, dir).Put(t.Context(), "a", strings.NewReader("x"), store.NoLimit); err != nil {
		t.Fatal(err)
	}
	if size, err := open(t, dir).Size(t.Context(), "a"); err != nil || size != 1 {
		t.Errorf("%d, %v", size, err)
	}
	for name, want := range map[string]os.FileMode{".": 0o700, contentDir: 0o700, contentDir + "/a": 0o400} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v: %v", name, info.Mode(), want, err)
		}
	}
}

func TestLinksOutOfTheDirectoryAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "store"))
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "store", contentDir, "a")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), "a", 0, store.NoLimit); err == nil {
		t.Error("a link out of the store is followed")
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Errorf("the link's target: %q, %v", b, err)
	}
}

// kernelCopier notes what io.Copy hands to a connection.
type kernelCopier struct {
	bytes.Buffer
	file bool
}

func (k *kernelCopier) ReadFrom(r io.Reader) (int64, error) {
	if part, ok := r.(*io.LimitedReader); ok {
		_, k.file = part.R.(*os.File)
	}
	return k.Buffer.ReadFrom(r)
}

func TestStreamLetsTheKernelCopy(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.Put(t.Context(), "a", strings.NewReader("0123456789"), store.NoLimit); err != nil {
		t.Fatal(err)
	}
	rc, _, err := s.Get(t.Context(), "a", 2, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	var k kernelCopier
	if _, err := io.Copy(&k, rc); err != nil || !k.file || k.String() != "23456" {
		t.Errorf("got %q, handed over a file: %v, %v", k.String(), k.file, err)
	}
}

func TestShortenedContentIsAnError(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for name, read := range map[string]func(io.Reader) error{
		"read": func(r io.Reader) error { _, err := io.ReadAll(r); return err },
		"copy": func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err },
	} {
		if _, err := s.Put(t.Context(), name, strings.NewReader("0123456789"), store.NoLimit); err != nil {
			t.Fatal(err)
		}
		rc, _, err := s.Get(t.Context(), name, 0, store.NoLimit)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, contentDir, name)
		if err := errors.Join(os.Chmod(path, 0o600), os.Truncate(path, 3)); err != nil {
			t.Fatal(err)
		}
		if err := read(rc); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
		_ = rc.Close()
	}
}
