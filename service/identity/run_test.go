package identity_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/db"
	"virga/core/token"
	"virga/service/identity"
)

// TestOtherProcessesHearOfChanges has two services on one database and one bus.
func TestOtherProcessesHearOfChanges(t *testing.T) {
	c := newCloud(t)
	m := newMember(c)
	ctx, cancel := context.WithCancel(t.Context())
	shared := bus.NewLocal()
	serve := func() *identity.Service {
		d, err := db.Open(ctx, c.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		keys, err := token.OpenKeys(filepath.Join(c.folder, "keys"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := identity.New(ctx, identity.Deps{
			DB: d, Bus: shared, Clock: c.clock, Log: slog.New(slog.DiscardHandler), Endpoint: "http://cloud/identity", Keys: keys, Vault: c.vault, HashCost: 4,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	here, there := serve(), serve()
	var wg sync.WaitGroup
	wg.Go(func() { _ = there.Run(ctx) })
	if _, err := there.Authenticate(ctx, m.scoped); err != nil {
		t.Fatal(err)
	}
	c.service = here
	c.must(204, "DELETE", "/v3/auth/tokens", m.admin, nil, "X-Subject-Token", m.scoped)
	// The doorbell makes the other look; asking again is all that can be done from outside.
	deadline := time.Now().Add(5 * time.Second)
	for {
		if _, err := there.Authenticate(ctx, m.scoped); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other process still accepts a revoked token")
		}
	}
	cancel()
	wg.Wait()
}

// TestManyAtOnce has clients create, grant, log in and delete at the same time.
func TestManyAtOnce(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	role := c.must(200, "GET", "/v3/roles?name=member", admin, nil).at("roles", 0, "id").(string)
	project := c.must(200, "GET", "/v3/projects?name=service", admin, nil).at("projects", 0, "id").(string)
	var wg sync.WaitGroup
	same := make([]int, 8)
	for i := range same {
		wg.Go(func() {
			same[i] = c.do("POST", "/v3/users", admin, object{"user": object{"name": "same"}}).status
			name := fmt.Sprint("user", i)
			made := c.do("POST", "/v3/users", admin, object{"user": object{"name": name, "password": name}})
			path := "/v3/projects/" + project + "/users/" + made.id("user") + "/roles/" + role
			if a := c.do("PUT", path, admin, nil); a.status != 204 {
				t.Errorf("grant: %d %s", a.status, a.text)
			}
			in := c.do("POST", "/v3/auth/tokens", "", passwordAuth(name, name, onProjectID(project)))
			text := in.header.Get("X-Subject-Token")
			if in.status != 201 || c.do("GET", "/v3/auth/projects", text, nil).status != 200 {
				t.Errorf("login: %d %s", in.status, in.text)
			}
			if a := c.do("DELETE", path, admin, nil); a.status != 204 {
				t.Errorf("revoke: %d %s", a.status, a.text)
			}
			if a := c.do("GET", "/v3/auth/projects", text, nil); a.status != 401 {
				t.Errorf("a token without a role: %d", a.status)
			}
		})
	}
	wg.Wait()
	made := 0
	for _, status := range same {
		switch status {
		case 201:
			made++
		case 409:
		default:
			t.Errorf("status %d", status)
		}
	}
	if made != 1 {
		t.Errorf("%d users have the same name", made)
	}
}
