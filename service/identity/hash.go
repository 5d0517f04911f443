package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"virga/core/api"
	"virga/core/token"
)

const (
	// maxPassword is the length in bytes beyond which a password is neither set nor compared.
	maxPassword = 4096
	// hashScheme stands before the hash: bcrypt over a digest of the password, because
	// bcrypt alone looks at no more than 72 bytes.
	hashScheme = "$bcrypt-sha256"
	// hashKey sets the digests apart from SHA-256 digests that leaked elsewhere.
	hashKey = "virga identity password"
	// maxWaiting is how many logins may wait for one core.
	maxWaiting = 128
)

// hasher hashes and compares passwords on a bounded number of cores, so that logins
// never take all of them from other requests.
type hasher struct {
	cost    int
	slots   chan struct{}
	waiting atomic.Int64
	// decoy is compared with where there is no user, so that the answer takes as long.
	decoy token.Secret
}

// newHasher leaves one of the cores to other work when there are several.
func newHasher(cost, cores int) *hasher {
	return &hasher{
		cost: cost, slots: make(chan struct{}, max(1, cores-1)),
		decoy: token.Secret(fmt.Sprintf("%s$2a$%02d$%s", hashScheme, cost, strings.Repeat("C", 53))),
	}
}

func digest(password token.Secret) []byte {
	mac := hmac.New(sha256.New, []byte(hashKey))
	mac.Write([]byte(password.Reveal()))
	return []byte(base64.RawStdEncoding.EncodeToString(mac.Sum(nil)))
}

func (h *hasher) sum(password token.Secret) (token.Secret, error) {
	sum, err := bcrypt.GenerateFromPassword(digest(password), h.cost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return token.Secret(hashScheme + string(sum)), nil
}

// hash makes what is stored of a new password.
func (h *hasher) hash(ctx context.Context, password token.Secret) (token.Secret, error) {
	if len(password) > maxPassword {
		return "", api.BadRequest("Password validation error: the password may have at most %d bytes.", maxPassword)
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return h.sum(password)
}

// matches compares a password with a stored hash; an empty hash matches nothing and
// takes as long as any other.
func (h *hasher) matches(ctx context.Context, password, stored token.Secret) (bool, error) {
	absent := stored == "" || len(password) > maxPassword
	if absent {
		stored, password = h.decoy, "x"
	}
	sum, known := strings.CutPrefix(stored.Reveal(), hashScheme)
	if !known {
		return false, errors.New("compare password: its hash is of an unknown scheme")
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	err = bcrypt.CompareHashAndPassword([]byte(sum), digest(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return err == nil && !absent, nil
}

// acquire waits for a core, but not in too long a line.
func (h *hasher) acquire(ctx context.Context) (release func(), err error) {
	if h.waiting.Add(1) > int64(maxWaiting*cap(h.slots)) {
		h.waiting.Add(-1)
		return nil, api.Unavailable("Too many authentications are under way; try again later.")
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a core: %w", ctx.Err())
	}
}
