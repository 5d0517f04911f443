package identity

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"virga/core/api"
	"virga/core/token"
)

func TestHashing(t *testing.T) {
	h := newHasher(bcrypt.MinCost, 4)
	long := token.Secret(strings.Repeat("x", maxPassword))
	for _, test := range []struct {
		name            string
		stored, offered token.Secret
		want            bool
	}{
		{"same", "secret", "secret", true},
		{"other", "secret", "Secret", false},
		{"empty", "secret", "", false},
		{"beyond 72 bytes, same", long, long, true},
		{"beyond 72 bytes, other at the end", long, long[:maxPassword-1] + "y", false},
		{"with a zero byte", "a\x00b", "a\x00c", false},
		{"too long", long, long + "x", false},
	} {
		stored, err := h.hash(t.Context(), test.stored)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.matches(t.Context(), test.offered, stored); err != nil || got != test.want {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
	if got, err := h.matches(t.Context(), "x", ""); err != nil || got {
		t.Errorf("a user without a password: %v, %v", got, err)
	}
	if _, err := h.matches(t.Context(), "x", "$md5$x"); err == nil {
		t.Error("a hash of an unknown scheme was compared")
	}
	if _, err := h.hash(t.Context(), long+"x"); api.StatusOf(err) != http.StatusBadRequest {
		t.Error(err)
	}
}

// TestAbsentUsersCostAsMuch: the answer for a user who is not there comes from a bcrypt
// of the same cost.
func TestAbsentUsersCostAsMuch(t *testing.T) {
	h := newHasher(7, 2)
	cost, err := bcrypt.Cost([]byte(strings.TrimPrefix(h.decoy.Reveal(), hashScheme)))
	if err != nil || cost != 7 {
		t.Errorf("cost %d, %v", cost, err)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(strings.TrimPrefix(h.decoy.Reveal(), hashScheme)), []byte("x")); err != bcrypt.ErrMismatchedHashAndPassword {
		t.Error(err)
	}
}

func TestLineOfLoginsIsBounded(t *testing.T) {
	h := newHasher(bcrypt.MinCost, 2)
	release, err := h.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.waiting.Add(maxWaiting)
	if _, err := h.hash(t.Context(), "x"); api.StatusOf(err) != http.StatusServiceUnavailable {
		t.Errorf("beyond the line: %v", err)
	}
	h.waiting.Add(-maxWaiting)
	release()
	if _, err := h.hash(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}
