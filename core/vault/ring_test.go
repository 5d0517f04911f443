package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"virga/core/vault"
)

// TestWhatWasSealedBeforeARotationOpens rotates a ring, and looks through the eyes of a process
// that has heard of it and of one that has not.
func TestWhatWasSealedBeforeARotationOpens(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	ring := vault.NewRing()
	late, early := safe(t, ring), safe(t, ring)
	before := early.Seal([]byte("secret"), "row 1")
	next, err := ring.Rotated(now)
	if err != nil {
		t.Fatal(err)
	}
	if err := early.Replace(reread(t, next)); err != nil {
		t.Fatal(err)
	}
	after := early.Seal([]byte("secret"), "row 1")
	if vault.KeyOf(before) == vault.KeyOf(after) || vault.KeyOf(after) != next.Primary() || early.Primary() != next.Primary() {
		t.Errorf("sealed under %s, then %s", vault.KeyOf(before), vault.KeyOf(after))
	}
	for who, s := range map[string]*vault.Safe{"who has heard of it": early, "who has not": late} {
		for _, sealed := range []string{before, after} {
			if text, err := s.Open(sealed, "row 1"); err != nil || string(text) != "secret" {
				t.Errorf("%s: %q, %v", who, text, err)
			}
			if _, err := s.Open(sealed, "row 2"); !errors.Is(err, vault.ErrSealed) {
				t.Errorf("%s, in another place: %v", who, err)
			}
		}
	}
	if _, err := next.Rotated(now.Add(time.Second)); !errors.Is(err, vault.ErrTooSoon) {
		t.Errorf("another rotation at once: %v", err)
	}
	if _, err := next.Rotated(now.Add(-time.Hour)); err != nil {
		t.Errorf("a rotation after the clock was set back: %v", err)
	}
}

// TestRetiredKeysOpenNothing takes an old key off the ring.
func TestRetiredKeysOpenNothing(t *testing.T) {
	ring := vault.NewRing()
	s := safe(t, ring)
	before := s.Seal([]byte("secret"), "row")
	next, err := ring.Rotated(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if older := next.Older(); len(older) != 1 || older[0] != ring.Primary() {
		t.Fatalf("older keys: %v", older)
	}
	// What seals, or will, stays whoever asks.
	if kept := next.Without([]string{next.Primary()}); !bytes.Equal(kept.Text(), next.Text()) {
		t.Error("the primary key went")
	}
	retired := reread(t, next.Without(next.Older()))
	if len(retired.Older()) != 0 || retired.Primary() != next.Primary() {
		t.Errorf("left are %v beside %s", retired.Older(), retired.Primary())
	}
	if err := s.Replace(retired); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(before, "row"); !errors.Is(err, vault.ErrSealed) {
		t.Errorf("under a retired key: %v", err)
	}
}

// TestAKeyAloneBecomesARing opens what was sealed when a vault had one key.
func TestAKeyAloneBecomesARing(t *testing.T) {
	key := vault.NewKey()
	sealed := open(t, key).Seal([]byte("secret"), "row")
	alone, err := vault.ParseRing(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alone.Rotated(time.Now()); err == nil {
		t.Error("a ring without a staged key was rotated")
	}
	ring := alone.Staged()
	if ring.Primary() != alone.Primary() || !bytes.Equal(ring.Staged().Text(), ring.Text()) {
		t.Error("a staged key was added twice, or in front")
	}
	next, err := reread(t, ring).Rotated(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := safe(t, next)
	if text, err := s.Open(sealed, "row"); err != nil || string(text) != "secret" {
		t.Errorf("%q, %v", text, err)
	}
	if vault.KeyOf(sealed) != "" {
		t.Error("a text without a key's name has one")
	}
	if _, err := s.Open(sealed, "another row"); !errors.Is(err, vault.ErrSealed) {
		t.Errorf("in another place: %v", err)
	}
}

func TestRingsThatAreNone(t *testing.T) {
	good := string(vault.NewRing().Text())
	lines := strings.SplitAfter(good, "\n")
	for name, text := range map[string]string{
		"nothing": "", "a short key": good[:20], "no time": strings.Replace(good, "ring 1 0", "ring 1 x", 1),
		"one key": lines[0] + lines[1], "a damaged key": good[:len(good)-3] + "?\n", "another form": strings.Replace(good, "ring 1", "ring 2", 1),
	} {
		if _, err := vault.ParseRing([]byte(text)); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", vault.NewRing(), vault.NewRing(), vault.NewRing(), vault.NewRing()); strings.Trim(shown, "* ") != "" {
		t.Errorf("a ring prints as %s", shown)
	}
	ring := vault.NewRing()
	for i := 0; ; i++ {
		next, err := ring.Rotated(time.Unix(int64(i)*3600, 0))
		if err != nil {
			if len(ring.Older()) != 14 {
				t.Errorf("a ring of %d older keys is full: %v", len(ring.Older()), err)
			}
			break
		}
		ring = next
	}
}

func safe(t *testing.T, ring vault.Ring) *vault.Safe {
	t.Helper()
	s, err := vault.NewSafe(ring)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func reread(t *testing.T, ring vault.Ring) vault.Ring {
	t.Helper()
	again, err := vault.ParseRing(ring.Text())
	if err != nil {
		t.Fatal(err)
	}
	return again
}
