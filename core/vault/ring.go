package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// ringMark begins the text of a ring, and tells it from a key alone.
	ringMark = "ring 1 "
	// maxKeys bounds a ring: who rotates again and again without retiring is told so.
	maxKeys = 16
	// settleTime is how long after a rotation the next may come: a process that has not heard of
	// the last one yet opens what is sealed after it, and would not after another.
	settleTime = 30 * time.Second
)

// ErrTooSoon is wrapped when a ring is to be rotated again before all processes can have heard
// of the last rotation.
var ErrTooSoon = errors.New("the last rotation was just now")

// Ring is a set of keys that is kept in secret: the primary one, which seals, older ones, which
// open what they have sealed, and a staged one, which seals after the next rotation and opens
// already now, so that processes need not hear of a rotation at the same moment. It is changed
// by making another one.
type Ring struct {
	// keys has the primary key first, then the others from new to old, the staged one last.
	keys [][]byte
	// rotated is when the primary key became so; the zero time of the first.
	rotated time.Time
}

// NewRing makes a ring of a primary and a staged key.
func NewRing() Ring { return Ring{keys: [][]byte{NewKey(), NewKey()}} }

// ParseRing reads what Text has written. A key alone, of KeyBytes bytes, is a ring that has no
// staged key.
func ParseRing(text []byte) (Ring, error) {
	body, marked := bytes.CutPrefix(text, []byte(ringMark))
	if !marked {
		if len(text) != KeyBytes {
			return Ring{}, errors.New("read vault keys: the text is no ring of keys")
		}
		return Ring{keys: [][]byte{slices.Clone(text)}}, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	seconds, err := strconv.ParseInt(lines[0], 10, 64)
	if err != nil {
		return Ring{}, errors.New("read vault keys: the time of the last rotation is no number")
	}
	var ring Ring
	if seconds != 0 {
		ring.rotated = time.Unix(seconds, 0).UTC()
	}
	for i, line := range lines[1:] {
		key, err := base64.RawURLEncoding.DecodeString(line)
		if err != nil || len(key) != KeyBytes {
			return Ring{}, fmt.Errorf("read vault keys: key %d is not %d bytes in base64url", i, KeyBytes)
		}
		ring.keys = append(ring.keys, key)
	}
	if len(ring.keys) < 2 {
		return Ring{}, errors.New("read vault keys: a ring has a primary and a staged key")
	}
	return ring, nil
}

// Text is the ring in a form to be kept in secret.
func (r Ring) Text() []byte {
	var seconds int64
	if !r.rotated.IsZero() {
		seconds = r.rotated.Unix()
	}
	text := ringMark + strconv.FormatInt(seconds, 10) + "\n"
	for _, key := range r.keys {
		text += base64.RawURLEncoding.EncodeToString(key) + "\n"
	}
	return []byte(text)
}

// Staged is the ring with a staged key, a new one where there was none.
func (r Ring) Staged() Ring {
	if len(r.keys) > 1 {
		return r
	}
	return Ring{append(slices.Clone(r.keys), NewKey()), r.rotated}
}

// Rotated is the ring whose staged key has become the primary one, with a new one staged. All
// others stay to open what they have sealed.
func (r Ring) Rotated(now time.Time) (Ring, error) {
	switch {
	case len(r.keys) < 2:
		return Ring{}, errors.New("rotate vault keys: there is no staged key")
	case len(r.keys) >= maxKeys:
		return Ring{}, fmt.Errorf("rotate vault keys: there are %d, which is as many as a ring holds; retire the old ones", len(r.keys))
	case !r.rotated.IsZero() && now.Before(r.rotated.Add(settleTime)) && !now.Before(r.rotated):
		return Ring{}, fmt.Errorf("rotate vault keys: %w, at %s; processes may not have heard of it", ErrTooSoon, r.rotated.Format(time.RFC3339))
	}
	last := len(r.keys) - 1
	return Ring{slices.Concat([][]byte{r.keys[last]}, r.keys[:last], [][]byte{NewKey()}), now}, nil
}

// Primary is the id of the key that seals.
func (r Ring) Primary() string { return keyID(r.keys[0]) }

// Older are the ids of the keys that seal no more, from new to old.
func (r Ring) Older() []string {
	var ids []string
	for i := 1; i < len(r.keys)-1; i++ {
		ids = append(ids, keyID(r.keys[i]))
	}
	return ids
}

// Without is the ring without those of its older keys whose ids are given.
func (r Ring) Without(ids []string) Ring {
	kept := Ring{rotated: r.rotated}
	for i, key := range r.keys {
		older := i > 0 && i < len(r.keys)-1
		if !older || !slices.Contains(ids, keyID(key)) {
			kept.keys = append(kept.keys, key)
		}
	}
	return kept
}

// Format prints stars for every verb.
func (r Ring) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "***") }

// keyID names a key and says nothing of it.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("virga vault key "), key...))
	return hex.EncodeToString(sum[:4])
}
