package identity_test

import (
	"encoding/base32"
	"fmt"
	"testing"
	"time"
)

// TestOneTimePasswordsAreNotGuessed tries codes one after the other. After some even the right one is not looked at; later
// it is, and others are not held up.
func TestOneTimePasswordsAreNotGuessed(t *testing.T) {
	c := newCloud(t)
	m, other := newOwner(c), newOwner(c)
	seed := []byte("12345678901234567890")
	auth := func(user, passcode string) object {
		return object{"auth": object{"identity": object{"methods": []string{"totp"}, "totp": object{"user": object{"id": user, "passcode": passcode}}}}}
	}
	for _, one := range []*member{m, other} {
		c.must(201, "POST", "/v3/credentials", one.scoped, object{"credential": object{"type": "totp", "user_id": one.user, "blob": base32.StdEncoding.EncodeToString(seed)}})
	}
	c.clock.Advance(time.Hour) // away from the beginning of a step
	guess := func(times int) {
		t.Helper()
		right, before := code(seed, c.clock.Now()), code(seed, c.clock.Now().Add(-30*time.Second))
		for i, made := 0, 0; made < times; i++ {
			if wrong := fmt.Sprintf("%06d", i); wrong != right && wrong != before {
				c.must(401, "POST", "/v3/auth/tokens", "", auth(m.user, wrong))
				made++
			}
		}
	}
	guess(4)
	c.must(201, "POST", "/v3/auth/tokens", "", auth(m.user, code(seed, c.clock.Now())))
	c.clock.Advance(31 * time.Second)
	guess(50)
	c.must(401, "POST", "/v3/auth/tokens", "", auth(m.user, code(seed, c.clock.Now())))
	c.must(201, "POST", "/v3/auth/tokens", "", auth(other.user, code(seed, c.clock.Now())))
	c.clock.Advance(31 * time.Second)
	guess(1)
	c.must(401, "POST", "/v3/auth/tokens", "", auth(m.user, code(seed, c.clock.Now())))
	c.clock.Advance(31 * time.Second)
	c.must(201, "POST", "/v3/auth/tokens", "", auth(m.user, code(seed, c.clock.Now())))
	guess(4)
	c.clock.Advance(31 * time.Second)
	c.must(201, "POST", "/v3/auth/tokens", "", auth(m.user, code(seed, c.clock.Now())))
}
