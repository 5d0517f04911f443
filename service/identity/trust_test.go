package identity_test

import (
	"fmt"
	"testing"
	"time"
)

// trustees are two users and a project where the first has two roles.
type trustees struct {
	trustor, trustee *member
	// extra is a role that the trustor has besides member.
	extra string
}

func newTrustees(c *cloud) trustees {
	c.t.Helper()
	p := trustees{trustor: newOwner(c), trustee: newOwner(c)}
	p.extra = c.must(201, "POST", "/v3/roles", p.trustor.admin, object{"role": object{"name": "extra"}}).id("role")
	c.must(204, "PUT", "/v3/projects/"+p.trustor.project+"/users/"+p.trustor.user+"/roles/"+p.extra, p.trustor.admin, nil)
	p.trustor.scoped = c.login(p.trustor.byID(onProjectID(p.trustor.project)))
	return p
}

func (p trustees) body(changes object) object {
	trust := object{"trustor_user_id": p.trustor.user, "trustee_user_id": p.trustee.user, "impersonation": false,
		"project_id": p.trustor.project, "roles": []object{{"id": p.extra}}}
	for key, value := range changes {
		trust[key] = value
	}
	return object{"trust": trust}
}

func onTrust(id string) object { return object{"OS-TRUST:trust": object{"id": id}} }

func TestATrustHandsOnRoles(t *testing.T) {
	c := newCloud(t)
	p := newTrustees(c)
	for _, impersonation := range []bool{false, true} {
		made := c.must(201, "POST", "/v3/OS-TRUST/trusts", p.trustor.scoped, p.body(object{"impersonation": impersonation}))
		id := made.id("trust")
		path := "/v3/OS-TRUST/trusts/" + id
		if made.at("trust", "roles", 0, "name") != "extra" || made.at("trust", "expires_at") != nil || made.at("trust", "remaining_uses") != nil {
			t.Errorf("made %s", made.text)
		}
		got := c.must(201, "POST", "/v3/auth/tokens", "", p.trustee.byID(onTrust(id)))
		text := got.header.Get("X-Subject-Token")
		user := p.trustee.user
		if impersonation {
			user = p.trustor.user
		}
		roles, _ := got.at("token", "roles").([]any)
		if got.at("token", "user", "id") != user || len(roles) != 1 || got.at("token", "roles", 0, "name") != "extra" ||
			got.at("token", "project", "id") != p.trustor.project || got.at("token", "OS-TRUST:trust", "trustee_user", "id") != p.trustee.user {
			t.Errorf("impersonation %v: %s", impersonation, got.text)
		}
		c.must(200, "GET", path, p.trustee.scoped, nil)
		c.must(200, "HEAD", path+"/roles/"+p.extra, p.trustor.scoped, nil)
		c.must(404, "GET", path+"/roles/"+p.trustor.role, p.trustor.scoped, nil)
		c.must(403, "GET", path, newOwner(c).scoped, nil)
		c.must(403, "DELETE", path, p.trustee.scoped, nil)
		c.must(403, "POST", "/v3/auth/tokens", "", tokenAuth(text, onProjectID(p.trustee.project)))
		c.must(403, "POST", "/v3/auth/tokens", "", p.trustor.byID(onTrust(id)))
		c.must(204, "DELETE", path, p.trustor.scoped, nil)
		c.must(401, "GET", "/v3/auth/catalog", text, nil)
		c.must(404, "GET", path, p.trustor.scoped, nil)
		c.must(401, "POST", "/v3/auth/tokens", "", p.trustee.byID(onTrust(id)))
	}
}

func TestATrustEndsWithWhatItStandsOn(t *testing.T) {
	for name, end := range map[string]func(c *cloud, p trustees){
		"role taken": func(c *cloud, p trustees) {
			c.must(204, "DELETE", "/v3/projects/"+p.trustor.project+"/users/"+p.trustor.user+"/roles/"+p.extra, c.admin(), nil)
		},
		"trustor disabled": func(c *cloud, p trustees) {
			c.must(200, "PATCH", "/v3/users/"+p.trustor.user, c.admin(), object{"user": object{"enabled": false}})
		},
		"trustee disabled": func(c *cloud, p trustees) {
			c.must(200, "PATCH", "/v3/users/"+p.trustee.user, c.admin(), object{"user": object{"enabled": false}})
		},
		"trustor deleted": func(c *cloud, p trustees) { c.must(204, "DELETE", "/v3/users/"+p.trustor.user, c.admin(), nil) },
		"trustee deleted": func(c *cloud, p trustees) { c.must(204, "DELETE", "/v3/users/"+p.trustee.user, c.admin(), nil) },
		"project deleted": func(c *cloud, p trustees) { c.must(204, "DELETE", "/v3/projects/"+p.trustor.project, c.admin(), nil) },
		"trustee's new password": func(c *cloud, p trustees) {
			c.must(200, "PATCH", "/v3/users/"+p.trustee.user, c.admin(), object{"user": object{"password": "another"}})
		},
		"time": func(c *cloud, _ trustees) { c.clock.Advance(31 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			p := newTrustees(c)
			expires := c.clock.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339)
			for _, impersonation := range []bool{false, true} {
				id := c.must(201, "POST", "/v3/OS-TRUST/trusts", p.trustor.scoped,
					p.body(object{"impersonation": impersonation, "expires_at": expires})).id("trust")
				text := c.login(p.trustee.byID(onTrust(id)))
				c.must(200, "GET", "/v3/auth/catalog", text, nil)
				if impersonation {
					end(c, p)
					c.must(401, "GET", "/v3/auth/catalog", text, nil)
					c.must(401, "POST", "/v3/auth/tokens", "", p.trustee.byID(onTrust(id)))
				}
			}
		})
	}
}

func TestATrustGivesSoManyTokens(t *testing.T) {
	c := newCloud(t)
	p := newTrustees(c)
	id := c.must(201, "POST", "/v3/OS-TRUST/trusts", p.trustor.scoped, p.body(object{"remaining_uses": 2})).id("trust")
	for range 2 {
		c.login(p.trustee.byID(onTrust(id)))
	}
	c.must(401, "POST", "/v3/auth/tokens", "", p.trustee.byID(onTrust(id)))
	if got := c.must(200, "GET", "/v3/OS-TRUST/trusts/"+id, p.trustor.scoped, nil); got.at("trust", "remaining_uses") != 0.0 {
		t.Errorf("shown %s", got.text)
	}
}

func TestTrustsAreChained(t *testing.T) {
	c := newCloud(t)
	p := newTrustees(c)
	third := newOwner(c)
	first := c.must(201, "POST", "/v3/OS-TRUST/trusts", p.trustor.scoped, p.body(object{"allow_redelegation": true, "redelegation_count": 1})).id("trust")
	held := c.login(p.trustee.byID(onTrust(first)))
	chained := func(changes object) object {
		body := p.body(object{"trustor_user_id": p.trustee.user, "trustee_user_id": third.user})
		for key, value := range changes {
			body["trust"].(object)[key] = value
		}
		return body
	}
	for name, changes := range map[string]object{
		"impersonation": {"impersonation": true}, "another project": {"project_id": p.trustee.project}, "more roles": {"roles": []object{{"id": p.trustor.role}}},
	} {
		if got := c.do("POST", "/v3/OS-TRUST/trusts", held, chained(changes)); got.status != 403 && got.status != 404 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	second := c.must(201, "POST", "/v3/OS-TRUST/trusts", held, chained(nil))
	if second.at("trust", "redelegated_trust_id") != first || second.at("trust", "redelegation_count") != 0.0 {
		t.Errorf("chained %s", second.text)
	}
	got := c.must(201, "POST", "/v3/auth/tokens", "", third.byID(onTrust(second.id("trust"))))
	if got.at("token", "user", "id") != third.user || got.at("token", "roles", 0, "name") != "extra" {
		t.Errorf("the third has %s", got.text)
	}
	last := got.header.Get("X-Subject-Token")
	body := chained(object{"trustor_user_id": third.user, "trustee_user_id": p.trustor.user})
	c.must(403, "POST", "/v3/OS-TRUST/trusts", last, body)
	c.must(204, "DELETE", "/v3/OS-TRUST/trusts/"+first, p.trustor.scoped, nil)
	c.must(401, "GET", "/v3/auth/catalog", last, nil)
	c.must(404, "GET", "/v3/OS-TRUST/trusts/"+second.id("trust"), p.trustee.scoped, nil)
}

func TestWrongTrustsAreRefused(t *testing.T) {
	c := newCloud(t)
	p := newTrustees(c)
	for name, wrong := range map[string]struct {
		status  int
		changes object
	}{
		"another's":         {403, object{"trustor_user_id": p.trustee.user}},
		"no roles":          {403, object{"roles": []object{}}},
		"no project":        {400, object{"project_id": nil}},
		"a role not held":   {404, object{"roles": []object{{"name": "admin"}}}},
		"no such role":      {404, object{"roles": []object{{"id": "nothing"}}}},
		"nobody":            {404, object{"trustee_user_id": "nobody"}},
		"the past":          {400, object{"expires_at": "2001-01-01T00:00:00Z"}},
		"no time":           {400, object{"expires_at": "bad.123Z"}},
		"no uses":           {400, object{"remaining_uses": 0}},
		"half a use":        {400, object{"remaining_uses": 1.5}},
		"uses and chains":   {400, object{"remaining_uses": 2, "allow_redelegation": true}},
		"too long a chain":  {403, object{"allow_redelegation": true, "redelegation_count": 4}},
		"no impersonation":  {400, object{"impersonation": nil}},
		"odd impersonation": {400, object{"impersonation": "yes"}},
	} {
		if got := c.do("POST", "/v3/OS-TRUST/trusts", p.trustor.scoped, p.body(wrong.changes)); got.status != wrong.status {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	c.must(403, "GET", "/v3/OS-TRUST/trusts", p.trustor.scoped, nil)
	c.must(403, "GET", "/v3/OS-TRUST/trusts?trustor_user_id="+p.trustor.user, p.trustee.scoped, nil)
	c.must(200, "GET", "/v3/OS-TRUST/trusts?trustor_user_id="+p.trustor.user, p.trustor.scoped, nil)
	c.must(200, "GET", "/v3/OS-TRUST/trusts", c.admin(), nil)
}

func TestAKeyPairMadeUnderATrustGivesATokenOfTheTrust(t *testing.T) {
	c := newCloud(t)
	p := newTrustees(c)
	for _, impersonation := range []bool{false, true} {
		id := c.must(201, "POST", "/v3/OS-TRUST/trusts", p.trustor.scoped, p.body(object{"impersonation": impersonation})).id("trust")
		got := c.must(201, "POST", "/v3/auth/tokens", "", p.trustee.byID(onTrust(id)))
		user := fmt.Sprint(got.at("token", "user", "id"))
		made := c.must(201, "POST", "/v3/users/"+user+"/credentials/OS-EC2", got.header.Get("X-Subject-Token"), object{"tenant_id": p.trustor.project})
		signed := object{"credentials": signedFour(fmt.Sprint(made.at("credential", "access")), fmt.Sprint(made.at("credential", "secret")), c.clock.Now())}
		answer := c.must(200, "POST", "/v3/ec2tokens", c.admin(), signed)
		if answer.at("token", "OS-TRUST:trust", "id") != id || len(answer.at("token", "roles").([]any)) != 1 {
			t.Errorf("impersonation %v: %s", impersonation, answer.text)
		}
		c.must(204, "DELETE", "/v3/OS-TRUST/trusts/"+id, p.trustor.scoped, nil)
		c.must(401, "POST", "/v3/ec2tokens", c.admin(), signed)
	}
}
