package token

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRingTakesOverARepository has tokens of a folder's keys opened by the ring read from it.
func TestRingTakesOverARepository(t *testing.T) {
	clock := newClock()
	for _, interrupted := range []bool{false, true} {
		keys := newKeys(t)
		if err := keys.Rotate(4); err != nil {
			t.Fatal(err)
		}
		issued, err := NewFernet(keys, clock).Issue(Payload{UserID: "u", ExpiresAt: clock.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if interrupted {
			if err := os.Remove(filepath.Join(keys.dir, "0")); err != nil {
				t.Fatal(err)
			}
		}
		ring, err := ReadKeyRing(keys.dir)
		if err != nil || ring.Count() != 3 {
			t.Fatalf("interrupted: %v: %d keys, %v", interrupted, ring.Count(), err)
		}
		if ring, err = ParseKeyRing(ring.Text()); err != nil {
			t.Fatal(err)
		}
		if _, err := NewFernet(NewKeys(ring), clock).Open(issued.Reveal(), clock.Now()); err != nil {
			t.Errorf("interrupted: %v: the token does not open: %v", interrupted, err)
		}
	}
}

// TestRingsOfTwoProcesses has one process rotate before the other has seen it.
func TestRingsOfTwoProcesses(t *testing.T) {
	clock := newClock()
	ring, err := NewKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	here, there := NewKeys(ring), NewKeys(ring)
	issue := func(keys *Keys) string {
		t.Helper()
		text, err := NewFernet(keys, clock).Issue(Payload{UserID: "u", ExpiresAt: clock.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return text.Reveal()
	}
	before := issue(here)
	opens := func(keys *Keys, text string) bool {
		_, err := NewFernet(keys, clock).Open(text, clock.Now())
		return err == nil
	}
	next, err := ring.Rotated(3)
	if err != nil {
		t.Fatal(err)
	}
	here.Replace(next)
	after := issue(here)
	if !opens(there, after) || !opens(here, before) || !opens(here, issue(there)) {
		t.Error("a rotation that not everybody has seen makes tokens void")
	}
	for range 2 {
		if next, err = next.Rotated(3); err != nil {
			t.Fatal(err)
		}
	}
	here.Replace(next)
	if next.Count() != 3 || opens(here, before) {
		t.Errorf("%d keys are kept, and the oldest opens: %v", next.Count(), opens(here, before))
	}
	if _, err := next.Rotated(2); err == nil {
		t.Error("a rotation that would lose the keys in use was accepted")
	}
}

// TestMissingKeysAreLookedFor has a process open what was sealed after two rotations of which it
// has not heard.
func TestMissingKeysAreLookedFor(t *testing.T) {
	clock := newClock()
	ring, err := NewKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	there, looks := NewKeys(ring), 0
	var next KeyRing
	there.WhenMissing(func() { looks++; there.Replace(next) })
	open := func(text string) error {
		_, err := NewFernet(there, clock).Open(text, clock.Now())
		return err
	}
	next = ring
	for range 2 {
		if next, err = next.Rotated(5); err != nil {
			t.Fatal(err)
		}
	}
	issued, err := NewFernet(NewKeys(next), clock).Issue(Payload{UserID: "u", ExpiresAt: clock.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := open(issued.Reveal()); err != nil || looks != 1 {
			t.Errorf("after two rotations: %v, %d looks", err, looks)
		}
	}
	if err := open("no token"); !errors.Is(err, ErrInvalid) || looks != 1 {
		t.Errorf("what has not the form of a token: %v, %d looks", err, looks)
	}
	stranger, err := NewKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	forged, err := NewFernet(NewKeys(stranger), clock).Issue(Payload{UserID: "u", ExpiresAt: clock.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := open(forged.Reveal()); !errors.Is(err, ErrInvalid) || looks != 2 {
		t.Errorf("a forged token: %v, %d looks", err, looks)
	}
}

func TestWrongRings(t *testing.T) {
	if _, err := ParseKeyRing(nil); !errors.Is(err, ErrNoKeys) {
		t.Errorf("no text: %v", err)
	}
	if _, err := ParseKeyRing([]byte("short\n")); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a wrong key: %v", err)
	}
	ring, err := NewKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Fields(string(ring.Text()))[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if shown := fmt.Sprintf(verb, ring); shown != masked || strings.Contains(shown, text) {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
}
