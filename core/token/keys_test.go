package token

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSetUpKeysOnce(t *testing.T) {
	keys := newKeys(t)
	before := keyFiles(t, keys.dir)
	if got := slices.Sorted(maps.Keys(before)); !slices.Equal(got, []string{"0", "1"}) {
		t.Fatalf("files %v", got)
	}
	if err := SetUpKeys(keys.dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, keyFiles(t, keys.dir)); diff != "" {
		t.Errorf("a second set-up changed the keys:\n%s", diff)
	}
}

func TestRotation(t *testing.T) {
	keys := newKeys(t)
	first := keyFiles(t, keys.dir)
	if err := keys.Rotate(3); err != nil {
		t.Fatal(err)
	}
	second := keyFiles(t, keys.dir)
	if second["2"] != first["0"] || second["1"] != first["1"] || second["0"] == first["0"] || len(second) != 3 {
		t.Fatalf("the staged key did not become the primary one: %v then %v", slices.Collect(maps.Keys(first)), slices.Collect(maps.Keys(second)))
	}
	if err := keys.Rotate(3); err != nil {
		t.Fatal(err)
	}
	third := keyFiles(t, keys.dir)
	if got := slices.Sorted(maps.Keys(third)); !slices.Equal(got, []string{"0", "2", "3"}) {
		t.Errorf("files %v, want the oldest gone", got)
	}
	if third["3"] != second["0"] || keys.current()[0].text() != third["3"] {
		t.Error("the primary key is not the one that was staged")
	}
	if keys.Rotate(2) == nil {
		t.Error("a rotation that would lose the keys in use was accepted")
	}
}

// TestTokensLiveThroughRotation also stands for two machines: the second one only sees the files change.
func TestTokensLiveThroughRotation(t *testing.T) {
	clock := newClock()
	keys := newKeys(t)
	other, err := OpenKeys(keys.dir)
	if err != nil {
		t.Fatal(err)
	}
	here, there := NewFernet(keys, clock), NewFernet(other, clock)
	old, err := here.Issue(payloads(clock.now)["project"])
	if err != nil {
		t.Fatal(err)
	}
	for rotation, want := range []error{nil, ErrInvalid} {
		if err := keys.Rotate(3); err != nil {
			t.Fatal(err)
		}
		// The granularity of the file system's clock must not hide the change.
		stamp := clock.now.Add(time.Duration(rotation) * time.Hour)
		if err := os.Chtimes(keys.dir, stamp, stamp); err != nil {
			t.Fatal(err)
		}
		for name, fernet := range map[string]*Fernet{"here": here, "there": there} {
			if _, err := fernet.Open(old.Reveal(), clock.now); !errors.Is(err, want) {
				t.Errorf("after rotation %d, %s: error %v, want %v", rotation+1, name, err, want)
			}
		}
		fresh, err := here.Issue(payloads(clock.now)["project"])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := there.Open(fresh.Reveal(), clock.now); err != nil {
			t.Errorf("after rotation %d: the other machine does not open a new token: %v", rotation+1, err)
		}
	}
}

// TestStagedKeyOpens is why keys are staged: a machine that was rotated first makes tokens that the others open already.
func TestStagedKeyOpens(t *testing.T) {
	clock := newClock()
	ahead := newKeys(t)
	behind := newKeys(t)
	for name, text := range keyFiles(t, ahead.dir) {
		if err := os.WriteFile(filepath.Join(behind.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := behind.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := ahead.Rotate(3); err != nil {
		t.Fatal(err)
	}
	secret, err := NewFernet(ahead, clock).Issue(payloads(clock.now)["project"])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewFernet(behind, clock).Open(secret.Reveal(), clock.now); err != nil {
		t.Errorf("machine that is one rotation behind: %v", err)
	}
}

func TestInterruptedRotationIsFinished(t *testing.T) {
	keys := newKeys(t)
	staged := filepath.Join(keys.dir, "0")
	promoted := keyFiles(t, keys.dir)["0"]
	if err := os.Rename(staged, filepath.Join(keys.dir, "2")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys.dir, newKeyName), []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := keys.Rotate(3); err != nil {
		t.Fatal(err)
	}
	got := keyFiles(t, keys.dir)
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"0", "1", "2"}) {
		t.Errorf("files %v", names)
	}
	if keys.current()[0].text() != promoted {
		t.Error("the key that was being promoted is not the primary one")
	}
}

func TestWrongRepositories(t *testing.T) {
	write := func(name, text string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(text), mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for want, prepare := range map[string]func(*testing.T, string){
		"holds no key":     func(*testing.T, string) {},
		"lets others":      write("1", specKey, 0o640),
		"not the URL-safe": write("1", "c2hvcnQ=", 0o600),
		"not a key file":   write("1", strings.Repeat("A", 5000), 0o600),
		"no such file": func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		prepare(t, dir)
		if _, err := OpenKeys(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not have %q", err, want)
		}
	}
}

func TestBrokenRepositoryKeepsTheKeysAtHand(t *testing.T) {
	clock := newClock()
	keys := newKeys(t)
	fernet := NewFernet(keys, clock)
	secret, err := fernet.Issue(payloads(clock.now)["project"])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys.dir, "7"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(); err == nil {
		t.Fatal("a broken key was read")
	}
	if _, err := fernet.Open(secret.Reveal(), clock.now); err != nil {
		t.Errorf("broken repository: %v", err)
	}
}

func TestRotationsAtOnce(t *testing.T) {
	keys := newKeys(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			other, err := OpenKeys(keys.dir)
			if err == nil {
				err = other.Rotate(4)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := slices.Sorted(maps.Keys(keyFiles(t, keys.dir))); !slices.Equal(got, []string{"0", "7", "8", "9"}) {
		t.Errorf("files %v", got)
	}
}
