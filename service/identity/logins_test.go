package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"virga/core/feed"
	"virga/service/identity"
)

func (c *cloud) writeLogins() {
	c.t.Helper()
	if err := c.service.WriteLogins(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// toldLogin is what the feed tells of a log-in.
type toldLogin struct {
	UserID, Name, Reason, Address string
	Methods                       []string
	Attempts                      int
	action                        string
	entry                         feed.Entry
}

// logins are those that the feed tells of since a position.
func (c *cloud) logins(since int64) (told []toldLogin) {
	c.t.Helper()
	entries, err := feed.After(c.t.Context(), c.db, since, 2000)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind != "authentication" {
			continue
		}
		var one struct {
			toldLogin
			User string `json:"user_id"`
		}
		if err := json.Unmarshal(e.After, &one); err != nil {
			c.t.Fatal(err)
		}
		one.UserID, one.action, one.entry = one.User, e.Action, e
		told = append(told, one.toldLogin)
	}
	return told
}

func (c *cloud) latest() int64 {
	c.t.Helper()
	position, err := feed.Latest(c.t.Context(), c.db)
	if err != nil {
		c.t.Fatal(err)
	}
	return position
}

// TestLoginsCostTheRequestNoWrite looks at what a log-in writes by itself, and what the feed tells of it in the end.
func TestLoginsCostTheRequestNoWrite(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	writes := 0
	c.around.Begin = func(_ context.Context, write bool) error {
		if write {
			writes++
		}
		return nil
	}
	c.restart()
	start := c.latest()
	writes = 0
	c.login(m.byID(onProjectID(m.project)))
	c.login(tokenAuth(m.scoped, nil))
	if told := c.logins(start); writes != 0 || len(told) != 0 {
		t.Errorf("%d transactions, %d told", writes, len(told))
	}
	c.writeLogins()
	told := c.logins(start)
	if len(told) != 1 || told[0].UserID != m.user || told[0].action != "authenticate" || strings.Join(told[0].Methods, ",") != "password" || told[0].entry.ProjectID != m.project {
		t.Errorf("told %+v", told)
	}
	c.writeLogins()
	if again := c.logins(start); len(again) != 1 {
		t.Errorf("it is told %d times", len(again))
	}
}

// TestFailedLoginsAreTold fails in every way. What was shown is not told.
func TestFailedLoginsAreTold(t *testing.T) {
	c, m := withRules(t, identity.PasswordRules{LockoutAttempts: 3, LockoutDuration: time.Hour})
	off, other := newOwner(c), newOwner(c)
	c.must(200, "PATCH", "/v3/users/"+off.user, m.admin, object{"user": object{"enabled": false}})
	made := c.must(201, "POST", "/v3/users/"+other.user+"/application_credentials", other.scoped, object{"application_credential": object{"name": "a"}})
	access, _ := c.keyPair(other)
	c.writeLogins()
	start := c.latest()
	auth := func(method string, content object) object {
		return object{"auth": object{"identity": object{"methods": []string{method}, method: content}}}
	}
	const shown = "guessed-s3cret"
	for range 4 {
		c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, shown))
	}
	c.must(401, "POST", "/v3/auth/tokens", "", byPassword(off, off.password))
	c.must(401, "POST", "/v3/auth/tokens", "", passwordAuth("a name that nobody has", shown, nil))
	c.must(401, "POST", "/v3/auth/tokens", "", auth("application_credential", object{"id": made.id("application_credential"), "secret": shown}))
	c.must(401, "POST", "/v3/auth/tokens", "", auth("totp", object{"user": object{"id": other.user, "passcode": "123456"}}))
	c.must(401, "POST", "/v3/ec2tokens", m.admin, object{"credentials": signedFour(access, shown, c.clock.Now())})
	c.must(401, "POST", "/v3/users/"+other.user+"/password", "", object{"user": object{"original_password": shown, "password": "x"}})
	// Neither is a mistake in the form, or a token that is too old.
	c.must(400, "POST", "/v3/auth/tokens", "", auth("password", object{"user": object{"name": "x", "password": shown}}))
	c.must(404, "POST", "/v3/auth/tokens", "", tokenAuth("nonsense", nil))
	c.writeLogins()
	found := map[string]toldLogin{}
	for _, told := range c.logins(start) {
		found[told.UserID+" "+strings.Join(told.Methods, ",")+" "+told.Reason] = told
		if strings.Contains(fmt.Sprintf("%+v %s", told, told.entry.After), "s3cret") || told.action != "authenticate.error" || told.Address == "" {
			t.Errorf("told %+v", told)
		}
		list, err := identity.Notifications("here", false)(&told.entry)
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		payload := list[0].Payload.(map[string]any)
		if list[0].EventType != "identity.authenticate" || payload["outcome"] != "failure" || payload["action"] != "authenticate" {
			t.Errorf("told others as %v", list[0])
		}
	}
	for key, attempts := range map[string]int{
		m.user + " password the password is wrong": 3, m.user + " password the account is locked": 1, off.user + " password the user is disabled": 1,
		" password there is no such user": 1, other.user + " application_credential the application credential or its secret is wrong": 1,
		other.user + " totp the one-time password is wrong or was used before": 1, other.user + " ec2credential the signature is wrong or too old": 1,
		other.user + " password the password is wrong": 1,
	} {
		if found[key].Attempts != attempts {
			t.Errorf("%s: %d, not %d", key, found[key].Attempts, attempts)
		}
		delete(found, key)
	}
	for key, told := range found {
		t.Errorf("told, too: %s: %+v", key, told)
	}
	if name := c.logins(start); !strings.Contains(fmt.Sprint(name), "a name that nobo…") {
		t.Errorf("the name: %+v", name)
	}
}

// TestGuessingDoesNotFillTheFeed tries many names between two writes.
func TestGuessingDoesNotFillTheFeed(t *testing.T) {
	c := newCloud(t)
	c.writeLogins()
	start := c.latest()
	const tries = 200
	for i := range tries {
		c.must(401, "POST", "/v3/auth/tokens", "", passwordAuth(fmt.Sprintf("name %d", i), "x", nil))
	}
	c.writeLogins()
	told, sum := c.logins(start), 0
	for _, one := range told {
		sum += one.Attempts
	}
	if len(told) > 40 || sum != tries {
		t.Errorf("%d entries tell of %d attempts", len(told), sum)
	}
}

// TestLoginsOutliveADatabaseThatIsAway has a write fail, and the process end.
func TestLoginsOutliveADatabaseThatIsAway(t *testing.T) {
	c := newCloud(t)
	m := newOwner(c)
	isAway, away := false, errors.New("away")
	c.around.Begin = func(context.Context, bool) error {
		if isAway {
			return away
		}
		return nil
	}
	c.restart()
	start := c.latest()
	c.login(m.byID(nil))
	c.must(401, "POST", "/v3/auth/tokens", "", byPassword(m, "wrong"))
	isAway = true
	if err := c.service.WriteLogins(t.Context()); !errors.Is(err, away) {
		t.Fatal(err)
	}
	isAway = false
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := c.service.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if told := c.logins(start); len(told) != 2 || told[0].action == told[1].action {
		t.Errorf("told %+v", told)
	}
}
