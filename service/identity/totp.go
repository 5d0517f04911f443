package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238's default, which authenticator apps use
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"virga/core/db"
	"virga/core/token"
)

// Time-based one-time passwords (RFC 6238) as authenticator apps make them.
const (
	totpStep     = 30 * time.Second
	totpDigits   = 6
	minSeedBytes = 16
	// totpWindow is how many steps before the present one are taken: the user needs time to
	// type, and clocks differ.
	totpWindow = 1
)

// readSeed reads a seed in base32, with or without padding and spaces.
func readSeed(blob token.Secret) ([]byte, error) {
	text := strings.ToUpper(strings.TrimRight(strings.ReplaceAll(blob.Reveal(), " ", ""), "="))
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
}

// passcode is the one-time password of a time step.
func passcode(seed []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, seed)
	mac.Write(counter[:])
	digest := mac.Sum(nil)
	at := digest[len(digest)-1] & 0xf
	number := binary.BigEndian.Uint32(digest[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, number%1_000_000)
}

// proveTOTP takes a one-time password of any of the user's seeds, each password once.
func (s *Service) proveTOTP(ctx context.Context, body *totpBody) (claim, error) {
	if err := checkNamed(&body.User.nameBody, "user"); err != nil {
		return claim{}, err
	}
	var user userRow
	var seeds []credentialRow
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if user, err = findUser(tx, &body.User.nameBody); err == nil {
			seeds, err = credentialsOf(tx, user.ID, credentialTOTP)
		}
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return claim{}, &refusedLogin{"", "there is no such user"}
	}
	if err != nil {
		return claim{}, err
	}
	if !s.codes.admit(user.ID, s.deps.Clock.Now()) {
		return claim{}, &refusedLogin{user.ID, "too many one-time passwords were wrong"}
	}
	now := s.deps.Clock.Now().Unix() / int64(totpStep/time.Second)
	for _, row := range seeds {
		step, err := s.stepOf(row, body.User.Passcode.Secret, now)
		if err != nil {
			return claim{}, err
		}
		if step == 0 || !user.Enabled {
			continue
		}
		fresh := false
		if err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
			fresh, err = useStep(tx, row.ID, step)
			return err
		}); err != nil {
			return claim{}, err
		}
		if fresh {
			s.codes.right(user.ID)
			return claim{userID: user.ID, validAfter: user.ValidAfter}, nil
		}
	}
	return claim{}, &refusedLogin{user.ID, "the one-time password is wrong or was used before"}
}

// stepOf is the time step whose password was given, 0 for none.
func (s *Service) stepOf(row credentialRow, given token.Secret, now int64) (int64, error) {
	blob, err := s.openBlob(row)
	if err != nil {
		return 0, err
	}
	seed, err := readSeed(blob)
	if err != nil {
		return 0, nil // a seed from before it was checked gives no passwords
	}
	found := int64(0)
	for step := now - totpWindow; step <= now; step++ {
		if same(passcode(seed, step), given.Reveal()) {
			found = step
		}
	}
	return found, nil
}
