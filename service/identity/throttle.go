package identity

import (
	"sync"
	"time"
)

const (
	// freeGuesses is how many one-time passwords may be wrong in a row before there is one try in
	// each guessEvery: a code of six digits would be found within minutes else (RFC 4226, 7.3).
	freeGuesses = 5
	guessEvery  = totpStep
	// maxGuessers bounds how many users' tries are remembered.
	maxGuessers = 10_000
)

// throttle counts what was tried in a row for a user, in this process.
type throttle struct {
	mu    sync.Mutex
	tries map[string]*guesses
}

// guesses are how often it was tried for a user, and when last.
type guesses struct {
	count int
	last  time.Time
}

// admit tells whether there is a try for the user now, and counts it; right takes it back.
func (t *throttle) admit(userID string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.tries[userID]
	if g == nil {
		t.makeRoom(now)
		g = new(guesses)
		t.tries[userID] = g
	}
	if wait := now.Sub(g.last); g.count >= freeGuesses && wait >= 0 && wait < guessEvery {
		return false
	}
	g.count, g.last = g.count+1, now
	return true
}

// right forgets what was tried for a user who has got it right.
func (t *throttle) right(userID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.tries, userID)
}

// makeRoom forgets users for whom nothing was tried for long, and anybody when that is not enough.
func (t *throttle) makeRoom(now time.Time) {
	if t.tries == nil {
		t.tries = map[string]*guesses{}
	}
	if len(t.tries) < maxGuessers {
		return
	}
	for userID, g := range t.tries {
		if now.Sub(g.last) > time.Hour {
			delete(t.tries, userID)
		}
	}
	for userID := range t.tries {
		if len(t.tries) < maxGuessers {
			return
		}
		delete(t.tries, userID)
	}
}
