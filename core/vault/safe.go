package vault

import (
	"fmt"
	"strings"
	"sync"
)

// Safe is a vault whose keys change: what it seals tells under which key. It is safe for use by
// many at once.
type Safe struct {
	mu      sync.RWMutex
	primary string
	order   []string
	vaults  map[string]*Vault
}

// NewSafe takes a ring into use.
func NewSafe(ring Ring) (*Safe, error) {
	s := new(Safe)
	return s, s.Replace(ring)
}

// Replace has texts be sealed and opened with another ring from now on.
func (s *Safe) Replace(ring Ring) error {
	vaults, order := map[string]*Vault{}, make([]string, len(ring.keys))
	for i, key := range ring.keys {
		v, err := New(key)
		if err != nil {
			return err
		}
		order[i] = keyID(key)
		vaults[order[i]] = v
	}
	if len(order) == 0 {
		return fmt.Errorf("open vault: %w", ErrSealed)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.primary, s.order, s.vaults = order[0], order, vaults
	return nil
}

// Primary is the id of the key that seals.
func (s *Safe) Primary() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.primary
}

// Seal is Vault.Seal under the primary key, with the key's id and a dot in front.
func (s *Safe) Seal(text []byte, about string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.primary + "." + s.vaults[s.primary].Seal(text, about)
}

// Open decrypts what Seal made, or a Vault of one of the keys; ErrSealed otherwise.
func (s *Safe) Open(sealed, about string) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, text, named := strings.Cut(sealed, ".")
	if named {
		v := s.vaults[id]
		if v == nil {
			return nil, fmt.Errorf("open %s, which was sealed under the unknown key %.16q: %w", about, id, ErrSealed)
		}
		return v.Open(text, about)
	}
	var err error
	for _, id := range s.order {
		var plain []byte
		if plain, err = s.vaults[id].Open(sealed, about); err == nil {
			return plain, nil
		}
	}
	return nil, err
}

// KeyOf is the id of the key that a text was sealed under; empty when the text does not tell.
func KeyOf(sealed string) string {
	id, _, named := strings.Cut(sealed, ".")
	if !named {
		return ""
	}
	return id
}
