package pki_test

import (
	"errors"
	"testing"
	"time"

	"virga/core/clock"
	"virga/core/pki"
)

// renewing is a member that renews its certificate when this says so.
type renewing struct {
	*pki.Credentials
	dir  string
	late bool
}

// due tells whether the member renews now: at the usual time, or at the last moment.
func (r *renewing) due(now time.Time) bool {
	if r.late {
		return now.After(r.Certificate().NotAfter.Add(-time.Hour))
	}
	return !now.Before(r.RenewAt())
}

// TestTheAuthoritysKeyIsRotated goes through a rotation in time, with members of both kinds that renew early and late: all
// of them reach each other at every moment. Who holds the former key can do something with it until the end, and nothing then.
func TestTheAuthoritysKeyIsRotated(t *testing.T) {
	const life, overlap, step = 24 * time.Hour, 72 * time.Hour, 3 * time.Hour
	c := clock.NewSeeded(1, start())
	a := newAuthority(t, c)
	secret, err := a.Secret()
	if err != nil {
		t.Fatal(err)
	}
	former, err := pki.LoadAuthority(c, secret)
	if err != nil {
		t.Fatal(err)
	}
	var members []*renewing
	for i, subject := range []pki.Subject{controller("one"), controller("two"), node("early"), node("late")} {
		r := &renewing{dir: t.TempDir(), late: i%2 == 1}
		if r.Credentials, err = pki.OpenCredentials(r.dir, c); err != nil {
			t.Fatal(err)
		}
		enter(t, r.Credentials, a, subject, life)
		members = append(members, r)
	}
	c.Advance(5 * time.Hour)
	text, from, err := pki.RotateAuthority(secret, "the second", c.Now(), overlap)
	if err != nil || !from.Equal(c.Now().Add(overlap)) {
		t.Fatalf("from %s: %v", from, err)
	}
	if err := a.Replace(text); err != nil {
		t.Fatal(err)
	}
	end, first := from.Add(overlap), former.Pin()
	for ; c.Now().Before(end.Add(2 * life)); c.Advance(step) {
		if issues := a.Pin().Equal(first); issues != c.Now().Before(from) {
			t.Fatalf("%s before the change the former key issues: %v", from.Sub(c.Now()), issues)
		}
		for _, r := range members {
			if r.due(c.Now()) {
				if err := r.Renew(t.Context(), pki.Names{}, issueTo(t, a, life)); err != nil {
					t.Fatalf("%s before the change %s cannot renew: %v", from.Sub(c.Now()), r.Subject(), err)
				}
				if r.Credentials, err = pki.OpenCredentials(r.dir, c); err != nil { // it is as good after a restart
					t.Fatal(err)
				}
			}
		}
		mustReachEachOther(t, members, from.Sub(c.Now()))
		mallory := member(t, c, former, node("mallory"), life)
		settings := mallory.Client() // who is deaf to what the other side says
		settings.InsecureSkipVerify, settings.VerifyConnection = true, nil
		_, clientErr, serverErr := shake(t, settings, members[0].Server())
		// Members forget the former key with their next certificate after the end.
		refused := serverErr != nil || clientErr != nil
		if refused && c.Now().Before(end) || !refused && !c.Now().Before(end.Add(life)) {
			t.Fatalf("%s before the end a certificate of the former key is refused: %v", end.Sub(c.Now()), refused)
		}
		if _, _, err := pki.RotateAuthority(text, "a third", c.Now(), overlap); errors.Is(err, pki.ErrRotating) != c.Now().Before(end) {
			t.Fatalf("%s before the end another rotation: %v", end.Sub(c.Now()), err)
		}
	}
	for _, r := range members {
		if pins := r.AuthorityPins(); len(pins) != 1 || pins[0].Equal(first) {
			t.Errorf("%s believes %v in the end", r.Subject(), pins)
		}
	}
	if _, _, err := shake(t, pki.Stranger(first, c.Now), members[0].Server()); err == nil {
		t.Error("a token of before leads into the cloud")
	}
	if _, clientErr, serverErr := shake(t, pki.StrangerOf([]pki.Pin{first, a.Pin()}, c.Now), members[0].Server()); clientErr != nil || serverErr != nil {
		t.Errorf("one of two pins is right: %v, %v", clientErr, serverErr)
	}
}

// mustReachEachOther has each member connect to the controllers.
func mustReachEachOther(t *testing.T, members []*renewing, before time.Duration) {
	t.Helper()
	for _, from := range members {
		for _, to := range members {
			if to.Subject().Kind != pki.Controller || from == to {
				continue
			}
			peer, clientErr, serverErr := shake(t, from.Client(), to.Server())
			if clientErr != nil || serverErr != nil || peer != from.Subject() {
				t.Fatalf("%s before the change %s does not reach %s: %v, %v, %v", before, from.Subject(), to.Subject(), peer, clientErr, serverErr)
			}
		}
	}
}

// TestListenersBelieveWhatTheirCertificateSays makes a listener's settings before the rotation, and uses them after.
func TestListenersBelieveWhatTheirCertificateSays(t *testing.T) {
	const life = 24 * time.Hour
	c := clock.NewSeeded(1, start())
	a := newAuthority(t, c)
	server := member(t, c, a, controller("c"), life)
	settings := server.ServerOf(pki.Node)
	secret, err := a.Secret()
	if err != nil {
		t.Fatal(err)
	}
	text, from, err := pki.RotateAuthority(secret, "the second", c.Now(), life)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Replace(text); err != nil {
		t.Fatal(err)
	}
	enter(t, server, a, controller("c"), 3*life)
	c.Advance(from.Sub(c.Now()))
	fresh := member(t, c, a, node("new"), life)
	if peer, clientErr, serverErr := shake(t, fresh.ClientOf(pki.Controller), settings); clientErr != nil || serverErr != nil || peer.Name != "new" {
		t.Errorf("%v: %v, %v", peer, clientErr, serverErr)
	}
	for what, broken := range map[string][]byte{"keys in disorder": append(append([]byte{}, text...), secret...), "half a key": text[:len(text)/3]} {
		if err := a.Replace(broken); err == nil {
			t.Errorf("%s: it was taken", what)
		}
	}
}
