package identity_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestConsumersHaveASecretThatIsShownOnce(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	m := newOwner(c)
	made := c.must(201, "POST", "/v3/OS-OAUTH1/consumers", admin, object{"consumer": object{"description": "a program", "colour": "red"}})
	secret := fmt.Sprint(made.at("consumer", "secret"))
	path := "/v3/OS-OAUTH1/consumers/" + made.id("consumer")
	if len(secret) < 32 {
		t.Fatalf("made %s", made.text)
	}
	for _, got := range []answer{c.must(200, "GET", path, admin, nil), c.must(200, "GET", "/v3/OS-OAUTH1/consumers", admin, nil),
		c.must(200, "PATCH", path, admin, object{"consumer": object{"description": "another"}})} {
		if strings.Contains(got.text, secret) || !strings.Contains(got.text, "red") {
			t.Errorf("shown %s", got.text)
		}
	}
	if got := c.must(200, "GET", path, admin, nil); got.at("consumer", "description") != "another" {
		t.Errorf("changed %s", got.text)
	}
	c.must(400, "PATCH", path, admin, object{"consumer": object{"secret": "mine"}})
	c.must(403, "GET", path, m.scoped, nil)
	c.must(403, "POST", "/v3/OS-OAUTH1/consumers", m.scoped, object{"consumer": object{}})
	c.must(204, "DELETE", path, admin, nil)
	c.must(404, "GET", path, admin, nil)
}
