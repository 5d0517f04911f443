package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
)

// KeyRing is a set of Fernet keys that is kept elsewhere than in a folder: sealed in a
// database, for instance. It is changed by making another one.
type KeyRing struct {
	// keys has the primary key first, then the others from new to old, the staged one last.
	keys []fernetKey
}

// NewKeyRing makes a ring of a primary and a staged key.
func NewKeyRing() (KeyRing, error) {
	ring := KeyRing{make([]fernetKey, 2)}
	for i := range ring.keys {
		if _, err := rand.Read(ring.keys[i][:]); err != nil {
			return KeyRing{}, fmt.Errorf("make token keys: %w", err)
		}
	}
	return ring, nil
}

// ReadKeyRing reads the ring out of a repository in keystone's form, which stays as it is.
// Where a rotation was interrupted before it staged a key, the ring has a new one.
func ReadKeyRing(dir string) (KeyRing, error) {
	var ring KeyRing
	err := withLock(dir, syscall.LOCK_SH, func() error {
		indexes, err := keyIndexes(dir)
		if err == nil {
			ring.keys, err = readKeys(dir)
		}
		if err != nil || indexes[0] == stagedIndex {
			return err
		}
		var staged fernetKey
		_, err = rand.Read(staged[:])
		ring.keys = append(ring.keys, staged)
		return err
	})
	if err != nil {
		return KeyRing{}, fmt.Errorf("read key repository %s: %w", dir, err)
	}
	return ring, nil
}

// ParseKeyRing reads what Text has written.
func ParseKeyRing(text []byte) (KeyRing, error) {
	var ring KeyRing
	for line := range strings.Lines(string(text)) {
		key, err := parseFernetKey(line)
		if err != nil {
			return KeyRing{}, fmt.Errorf("read token keys: key %d: %w", len(ring.keys), err)
		}
		ring.keys = append(ring.keys, key)
	}
	if len(ring.keys) == 0 {
		return KeyRing{}, ErrNoKeys
	}
	return ring, nil
}

// Text is the ring in a form to be kept in secret: a line for each key.
func (r KeyRing) Text() []byte {
	var text strings.Builder
	for _, key := range r.keys {
		text.WriteString(key.text() + "\n")
	}
	return []byte(text.String())
}

// Rotated is the ring in which the staged key has become the primary one, a new key is
// staged, and the oldest are left out so that maxActive remain. Whoever has the ring from
// before opens the tokens of the new primary key, too.
func (r KeyRing) Rotated(maxActive int) (KeyRing, error) {
	if maxActive < minActiveKeys {
		return KeyRing{}, fmt.Errorf("rotate keys: %d are too few to keep, the least is %d", maxActive, minActiveKeys)
	}
	if len(r.keys) < 2 {
		return KeyRing{}, errors.New("rotate keys: there is no staged key")
	}
	last := len(r.keys) - 1
	next := slices.Concat([]fernetKey{r.keys[last]}, r.keys[:last])
	next = next[:min(len(next), maxActive-1)]
	var staged fernetKey
	if _, err := rand.Read(staged[:]); err != nil {
		return KeyRing{}, fmt.Errorf("rotate keys: %w", err)
	}
	return KeyRing{append(next, staged)}, nil
}

// Count is how many keys can open tokens, the staged one included.
func (r KeyRing) Count() int { return len(r.keys) }

// Format prints stars for every verb.
func (r KeyRing) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, masked) }

// NewKeys returns keys that are those of a ring, until Replace gives them another.
func NewKeys(ring KeyRing) *Keys { return &Keys{held: ring.keys} }

// Replace has tokens be sealed and opened with another ring from now on.
func (k *Keys) Replace(ring KeyRing) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = ring.keys
}

// WhenMissing has look be called when a token comes that no key opens; look may Replace the keys, and the token is tried
// again. It is set before the keys are used, and look has to bound by itself how often strangers make it work.
func (k *Keys) WhenMissing(look func()) { k.look = look }

// open finds the key of a decoded token and returns the token's message; false when there is none.
func (k *Keys) open(sealed []byte) ([]byte, bool) {
	message, ok := openWith(k.current(), sealed)
	if !ok && k.look != nil {
		k.look()
		message, ok = openWith(k.current(), sealed)
	}
	return message, ok
}

func openWith(keys []fernetKey, sealed []byte) ([]byte, bool) {
	for i := range keys {
		if message, ok := keys[i].open(sealed); ok {
			return message, true
		}
	}
	return nil, false
}
