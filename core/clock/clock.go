// Package clock is where time and identifiers come from.
//
// It owns the Clock interface, the system's clock and a seeded one for tests and
// simulations. Timers are not here: code that waits uses package time, which
// testing/synctest can fake. Everybody may import it; it imports nothing of Virga.
package clock

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Clock tells the time and mints identifiers.
type Clock interface {
	// Now is the current time in UTC, with microseconds as its smallest unit, so
	// that a time read back from a database equals the one written.
	Now() time.Time
	// ID is a new random UUID (RFC 4122 version 4) in its 36 character form.
	ID() string
}

// System is the clock of the machine.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// ID implements Clock.
func (System) ID() string { return uuid.NewString() }

// Seeded is a clock whose identifiers are determined by a seed and whose time
// stands still until Advance is called.
type Seeded struct {
	mu     sync.Mutex
	now    time.Time
	source *rand.ChaCha8
}

// NewSeeded returns a clock that stands at start.
func NewSeeded(seed uint64, start time.Time) *Seeded {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return &Seeded{now: start.UTC().Truncate(time.Microsecond), source: rand.NewChaCha8(key)}
}

// Now implements Clock.
func (s *Seeded) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Advance moves the time on by d.
func (s *Seeded) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// ID implements Clock.
func (s *Seeded) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := uuid.NewRandomFromReader(s.source)
	if err != nil {
		panic("a seeded source never ends: " + err.Error())
	}
	return id.String()
}
