package attack

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"virga/test/cloud"
)

// attack is one thing that somebody tries.
type attack struct {
	// advisory names where it succeeded before; empty: nowhere that is known.
	advisory, name string
	run            func(t *testing.T, s *scene)
}

// scene is what attacks take place in: two people in two projects that know nothing of each other. Both have one of
// everything. Attacks that change what is theirs make people of their own.
type scene struct {
	*cloud.Cloud
	mallory, victim *estate
}

// attacks are all of them but the ones that go through the tables of the services.
func attacks() []attack {
	return slices.Concat(tokenAttacks(), credentialAttacks(), edgeAttacks(), bodyAttacks(), networkAttacks(), sharedNetworkAttacks(), serverAttacks(), imageAttacks(),
		nodeAttacks(), quotaAttacks(), eventAttacks(), identityAttacks())
}

// TestAttacks runs the catalogue against one cloud. In the end the victim has what it had, and the log holds no secret.
func TestAttacks(t *testing.T) {
	c := cloud.Start(t)
	s := &scene{c, furnish(t, c, c.NewUser(t, "mallory", "member"), "198.51.100.0/24", "own"), furnish(t, c, c.NewUser(t, "victim", "member"), "192.0.2.0/24", marker)}
	before := s.victim.look(t)
	t.Run("all", func(t *testing.T) {
		for _, a := range attacks() {
			t.Run(strings.TrimSpace(a.advisory+" "+a.name), func(t *testing.T) {
				t.Parallel()
				a.run(t, s)
			})
		}
	})
	if after := s.victim.look(t); after != before {
		t.Errorf("what the victim owns was\n%s\nand is now\n%s", before, after)
	}
	s.mustLogNoSecrets(t)
}

// mustLogNoSecrets looks for what only its owner may know in all that the cloud logged, at level debug.
// OSSN-0023, OSSA-2017-002, OSSA-2020-001.
func (s *scene) mustLogNoSecrets(t *testing.T) {
	t.Helper()
	log := s.Log.String()
	for what, secret := range map[string]string{
		"the administrator's password": cloud.AdminPassword, "a password": s.victim.owner.Password, "a token": s.victim.owner.Token,
		"the beginning of a token": "gAAAAA", "user data": base64.StdEncoding.EncodeToString([]byte(marker)), "a word of passwords": "password of ", "a secret": credentialSecret,
	} {
		if at := strings.Index(log, secret); at >= 0 {
			t.Errorf("the log has %s: %.300s", what, log[max(0, at-150):])
		}
	}
}

// refused fails the test unless the answer has one of the statuses, and shows nothing that is private.
func refused(t *testing.T, what string, a *cloud.Answer, statuses ...int) {
	t.Helper()
	if !slices.Contains(statuses, a.Status) {
		t.Errorf("%s: %s, want one of %v", what, a, statuses)
	}
	if a.OK() && strings.Contains(string(a.Body), marker) {
		t.Errorf("%s shows what is private: %s", what, a)
	}
}

// try is one request that must be refused.
type try struct {
	method, path string
	body         any
}

// refuseAll sends requests that must all be refused with one of the statuses.
func refuseAll(t *testing.T, u *cloud.Client, tries []try, statuses ...int) {
	t.Helper()
	for _, r := range tries {
		refused(t, r.method+" "+r.path, u.Do(t, r.method, r.path, r.body), statuses...)
	}
}
