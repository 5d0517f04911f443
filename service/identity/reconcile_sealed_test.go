package identity_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"virga/core/db"
	"virga/core/vault"
	"virga/service/identity"
)

// sealedThings are a text in each place where the vault's are, and how each is looked at.
func sealedThings(c *cloud) (look func() []string) {
	c.t.Helper()
	m := newOwner(c)
	for i := range 230 { // more than two transactions take
		c.must(201, "POST", "/v3/credentials", m.scoped, object{"credential": object{"type": "cert", "blob": fmt.Sprintf("blob %03d", i), "user_id": m.user}})
	}
	consumer := c.must(201, "POST", "/v3/OS-OAUTH1/consumers", m.admin, object{"consumer": object{}})
	domain := c.must(201, "POST", "/v3/domains", m.admin, object{"domain": object{"name": "sealed"}}).id("domain")
	c.must(201, "PUT", "/v3/domains/"+domain+"/config", m.admin, object{"config": object{"ldap": object{"url": "ldap://x", "password": "bind password"}}})
	return func() (texts []string) {
		for _, one := range c.must(200, "GET", "/v3/credentials", m.scoped, nil).at("credentials").([]any) {
			texts = append(texts, fmt.Sprint(one.(map[string]any)["blob"]))
		}
		texts = append(texts, c.sealedText("consumers", "secret_sealed", "id = ?", "consumer "+consumer.id("consumer"), consumer.id("consumer")))
		return append(texts, c.sealedText("domain_options", "value_text", "domain_id = ? AND option_name = 'password'",
			"option ldap.password of domain "+domain, domain))
	}
}

// sealedText opens a text where no API shows it.
func (c *cloud) sealedText(table, column, where, about string, args ...any) string {
	c.t.Helper()
	var sealed string
	if err := c.db.Read(c.t.Context(), func(tx *db.Tx) error {
		return tx.Get(&sealed, "SELECT "+column+" FROM "+table+" WHERE "+where, args...)
	}); err != nil {
		c.t.Fatal(err)
	}
	text, err := c.vault.Open(sealed, about)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// rotateVault has the service use the next ring.
func (c *cloud) rotateVault() {
	c.t.Helper()
	next, err := c.ring.Rotated(c.clock.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	c.ring = next
	if err := c.vault.Replace(next); err != nil {
		c.t.Fatal(err)
	}
	c.clock.Advance(time.Minute)
}

func (c *cloud) sealedUnder(keyID string) int {
	c.t.Helper()
	counts, err := identity.CountSealed(c.t.Context(), c.db, []string{keyID})
	if err != nil {
		c.t.Fatal(err)
	}
	return counts[keyID]
}

// TestRotationOfTheVault seals everything anew, with a death after each transaction, and retires
// the old key.
func TestRotationOfTheVault(t *testing.T) {
	c := newCloud(t)
	look := sealedThings(c)
	before, former := look(), c.ring.Primary()
	if n := c.sealedUnder(former); n != len(before) {
		t.Fatalf("%d texts are sealed, not %d", n, len(before))
	}
	c.rotateVault()
	if got := look(); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Fatal("a rotation has hidden something")
	}
	if err := identity.RetireKeys(t.Context(), c.db, c.clock, c.ring.Older()); !errors.Is(err, identity.ErrStillSealed) {
		t.Fatalf("a key that is in use is retired: %v", err)
	}
	died := errors.New("died")
	for deaths := 0; ; deaths++ {
		left := c.sealedUnder(former)
		dying := c.db.Intercepted(db.Interception{Committed: func(_ context.Context, write bool) error {
			if write && c.sealedUnder(former) < left {
				return died
			}
			return nil
		}})
		_, err := identity.Reseal(t.Context(), dying, c.vault)
		if got := look(); fmt.Sprint(got) != fmt.Sprint(before) {
			t.Fatalf("after %d deaths something is hidden", deaths)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, died) || deaths > 20 {
			t.Fatal(err)
		}
	}
	if n := c.sealedUnder(former); n != 0 {
		t.Errorf("%d texts are sealed under the old key", n)
	}
	older := c.ring.Older()
	if err := identity.RetireKeys(t.Context(), c.db, c.clock, older); err != nil {
		t.Fatal(err)
	}
	if err := identity.RetireKeys(t.Context(), c.db, c.clock, older); err != nil {
		t.Errorf("once more: %v", err)
	}
	if err := c.vault.Replace(c.ring.Without(older)); err != nil {
		t.Fatal(err)
	}
	if got := look(); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Error("without the old key something is hidden")
	}
}

// TestNothingIsSealedUnderARetiredKey has a process that has not heard of a rotation store texts.
func TestNothingIsSealedUnderARetiredKey(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	id := c.must(201, "POST", "/v3/credentials", m.scoped, object{"credential": object{"type": "cert", "blob": "one", "user_id": m.user}}).id("credential")
	next, err := c.ring.Rotated(c.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := vault.NewSafe(next)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := identity.Reseal(t.Context(), c.db, other); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	if err := identity.RetireKeys(t.Context(), c.db, c.clock, next.Older()); err != nil {
		t.Fatal(err)
	}
	domain := c.must(201, "POST", "/v3/domains", m.admin, object{"domain": object{"name": "late"}}).id("domain")
	for path, body := range map[string][2]any{
		"/v3/credentials":                   {"POST", object{"credential": object{"type": "cert", "blob": "two", "user_id": m.user}}},
		"/v3/credentials/" + id:             {"PATCH", object{"credential": object{"blob": "three"}}},
		"/v3/OS-OAUTH1/consumers":           {"POST", object{"consumer": object{}}},
		"/v3/domains/" + domain + "/config": {"PUT", object{"config": object{"ldap": object{"url": "ldap://x", "password": "bind password"}}}},
	} {
		who := m.admin
		if path == "/v3/credentials" || path == "/v3/credentials/"+id {
			who = m.scoped
		}
		if got := c.must(503, body[0].(string), path, who, body[1]); got.header.Get("Retry-After") == "" {
			t.Errorf("%s: no word when to come again", path)
		}
	}
	if got := c.must(200, "GET", "/v3/credentials/"+id, m.scoped, nil); got.at("credential", "blob") != "one" {
		t.Errorf("the late process reads %s", got.text)
	}
	if err := c.vault.Replace(next.Without(next.Older())); err != nil {
		t.Fatal(err)
	}
	c.must(200, "PATCH", "/v3/credentials/"+id, m.scoped, object{"credential": object{"blob": "three"}})
	if got := c.must(200, "GET", "/v3/credentials/"+id, m.scoped, nil); got.at("credential", "blob") != "three" {
		t.Errorf("the process that has heard of it reads %s", got.text)
	}
}

// TestDamagedTextsHinderNothing has a text that no key opens stand among others.
func TestDamagedTextsHinderNothing(t *testing.T) {
	c := newCloud(t)
	look := sealedThings(c)
	look()
	if err := c.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE consumers SET secret_sealed = 'AAAA'")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	former := c.ring.Primary()
	c.rotateVault()
	n, err := identity.Reseal(t.Context(), c.db, c.vault)
	if !errors.Is(err, vault.ErrSealed) || n != 231 || c.sealedUnder(former) != 0 {
		t.Errorf("%d sealed anew, %d left, %v", n, c.sealedUnder(former), err)
	}
}
