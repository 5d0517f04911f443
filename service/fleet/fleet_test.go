package fleet_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"virga/core/api"
	"virga/core/api/apitest"
	"virga/core/api/events"
	"virga/core/feed"
	"virga/core/pki"
	"virga/service/fleet"
)

func TestDerived(t *testing.T) {
	r := newRig(t)
	r.join(node("n1"))
	_, id := r.newToken(map[string]any{})
	subject := apitest.Subject{
		Table: r.service.Table(), Handler: r.service.Handler(), Owner: identity("root", "admin", "node"), Stranger: identity("x", "member"),
		Params: func(api.Route) map[string]string { return map[string]string{"id": id, "kind": "node", "host": "n1"} },
	}
	subject.Run(t)
	for _, row := range r.service.Table().Routes {
		if row.Public || row.Path == events.Path { // which tells everybody what he may hear: nothing
			continue
		}
		path := strings.NewReplacer("{id}", id, "{kind}", "node", "{host}", "n1").Replace(row.Path)
		if w := r.send(identity("x", "member", "manager", "reader"), nil, row.Method, path, nil); w.Code != http.StatusForbidden {
			t.Errorf("%s %s by a member of a project: %d", row.Method, row.Path, w.Code)
		}
	}
}

func TestJoin(t *testing.T) {
	r := newRig(t)
	text, id := r.newToken(map[string]any{"ttl": 60})
	n := r.machine()
	body := map[string]any{"token": text, "request": r.request(n, node("n1")), "version": "1.2"}
	answer := r.send(nil, nil, "POST", "/v1/join", body)
	if strings.Contains(answer.Body.String(), "cluster key") {
		t.Error("a node was given what controllers get")
	}
	again := r.send(nil, nil, "POST", "/v1/join", body) // the first answer was lost
	r.accept(n, node("n1"), again)
	r.admit(n, true)

	other := r.machine()
	w := r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": r.request(other, node("n2"))})
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "used already, by the host n1") {
		t.Errorf("second use: %d %s", w.Code, w.Body)
	}
	var list struct {
		Tokens []struct {
			ID, State, Token string
			UsedBy           string `json:"used_by"`
		} `json:"join_tokens"`
	}
	r.want(http.StatusOK, r.send(r.admin, nil, "GET", "/v1/join-tokens", nil), &list)
	if len(list.Tokens) != 1 || list.Tokens[0].ID != id || list.Tokens[0].State != "used" || list.Tokens[0].UsedBy != "n1" || list.Tokens[0].Token != "" {
		t.Errorf("%+v", list)
	}
	var members struct {
		Members []struct {
			Kind, Host, State, Version, Pin, Serial, Address string
			ExpiresAt                                        time.Time `json:"expires_at"`
		}
	}
	r.want(http.StatusOK, r.send(r.admin, nil, "GET", "/v1/members", nil), &members)
	certificate := n.Certificate()
	m := members.Members[0]
	if len(members.Members) != 1 || m.Host != "n1" || m.Kind != "node" || m.State != "valid" || m.Version != "1.2" || m.Pin != pki.PinOf(certificate).String() ||
		m.Serial != certificate.SerialNumber.Text(16) || !m.ExpiresAt.Equal(certificate.NotAfter) || m.Address != "192.0.2.1" {
		t.Errorf("%+v", members)
	}
}

func TestControllersAreHandedTheKey(t *testing.T) {
	r := newRig(t)
	text, _ := r.newToken(map[string]any{"kind": "controller", "host": "c2"})
	c := r.machine()
	subject := pki.Subject{Kind: pki.Controller, Name: "c2"}
	request, err := c.Request(subject, pki.Names{DNS: []string{"cloud.example"}})
	if err != nil {
		t.Fatal(err)
	}
	w := r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": string(request)})
	if !strings.Contains(w.Body.String(), "the cluster key") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.accept(c, subject, w)
	if names := c.Certificate().DNSNames; len(names) != 2 || names[1] != "cloud.example" {
		t.Errorf("names %q", names)
	}
}

func TestTokensThatDoNotServe(t *testing.T) {
	r := newRig(t)
	join := func(text string, subject pki.Subject) (int, string) {
		t.Helper()
		w := r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": r.request(r.machine(), subject)})
		return w.Code, w.Body.String()
	}
	expect := func(what string, status int, words string, code int, body string) {
		t.Helper()
		if code != status || !strings.Contains(body, words) {
			t.Errorf("%s: %d %s", what, code, body)
		}
	}
	text, _ := r.newToken(map[string]any{"host": "n1"})
	code, body := join(text, node("n2"))
	expect("for another host", 403, "for the host n1", code, body)
	code, body = join(text, pki.Subject{Kind: pki.Controller, Name: "n1"})
	expect("for another kind", 403, "for a node", code, body)

	// Nothing tells a wrong secret from an unknown token.
	parts := strings.Split(text, ".")
	wrong := strings.Join([]string{parts[0], parts[1], base64.RawURLEncoding.EncodeToString(make([]byte, 32)), parts[3]}, ".")
	unknown := strings.Replace(text, parts[1], "5f1e3e0a-2b1c-4f6e-9a55-0d6a3c1f9b42", 1)
	_, first := join(wrong, node("n1"))
	_, second := join(unknown, node("n1"))
	_, third := join("vj1.x", node("n1"))
	if first != second || second != third || !strings.Contains(first, "not valid") {
		t.Errorf("%s %s %s", first, second, third)
	}
	code, _ = join(text, node("n1")) // one wrong guess does no harm
	if code != http.StatusOK {
		t.Errorf("the right secret: %d", code)
	}

	text, _ = r.newToken(map[string]any{})
	code, body = join(text, node("n1"))
	expect("for a host that is a member", 409, "already", code, body)
	r.clock.Advance(time.Hour)
	code, body = join(text, node("n3"))
	expect("expired", 403, "expired", code, body)

	text, id := r.newToken(map[string]any{})
	r.want(http.StatusNoContent, r.send(r.admin, nil, "DELETE", "/v1/join-tokens/"+id, nil), nil)
	r.want(http.StatusNotFound, r.send(r.admin, nil, "DELETE", "/v1/join-tokens/"+id, nil), nil)
	code, body = join(text, node("n3"))
	expect("revoked", 403, "not valid", code, body)
}

func TestTokenIsLockedAfterGuesses(t *testing.T) {
	r := newRig(t)
	text, _ := r.newToken(map[string]any{})
	parts := strings.Split(text, ".")
	c := r.machine()
	body := map[string]any{"request": r.request(c, node("n1"))}
	for i := range 10 {
		guess := make([]byte, 32)
		guess[0] = byte(i)
		body["token"] = strings.Join([]string{parts[0], parts[1], base64.RawURLEncoding.EncodeToString(guess), parts[3]}, ".")
		r.want(http.StatusForbidden, r.send(nil, nil, "POST", "/v1/join", body), nil)
	}
	body["token"] = text
	r.want(http.StatusForbidden, r.send(nil, nil, "POST", "/v1/join", body), nil)
	if w := r.send(r.admin, nil, "GET", "/v1/join-tokens", nil); !strings.Contains(w.Body.String(), `"locked"`) {
		t.Errorf("%s", w.Body)
	}
}

// TestNamedTokenReplacesAHost has a machine that was installed anew take its old name.
func TestNamedTokenReplacesAHost(t *testing.T) {
	r := newRig(t)
	old := r.join(node("n1"))
	text, _ := r.newToken(map[string]any{"host": "n1"})
	fresh := r.machine()
	r.accept(fresh, node("n1"), r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": r.request(fresh, node("n1"))}))
	r.admit(fresh, true)
	r.admit(old, false)
	r.want(http.StatusForbidden, r.renew(old), nil)
}

func TestRequestsThatAreNotGranted(t *testing.T) {
	r := newRig(t)
	text, _ := r.newToken(map[string]any{})
	c := r.machine()
	named, err := c.Request(node("n1"), pki.Names{DNS: []string{"cloud.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for what, request := range map[string]string{"names": string(named), "garbage": "x", "empty": "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"} {
		w := r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": request})
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "cannot be granted") {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	r.want(http.StatusRequestEntityTooLarge, r.send(nil, nil, "POST", "/v1/join", `{"token":"`+strings.Repeat("x", 40<<10)+`"}`), nil)
	// None of that has spent the token; and a key serves one member.
	joined := r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": r.request(c, node("n1"))})
	text, _ = r.newToken(map[string]any{})
	w := r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": r.request(c, node("n2"))})
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "another member's") {
		t.Errorf("a key for two members: %d %s", w.Code, w.Body)
	}
	r.accept(c, node("n1"), joined)
}

func TestRenewal(t *testing.T) {
	r := newRig(t)
	n := r.join(node("n1"))
	first := pki.PinOf(n.Certificate())
	for round := range 5 {
		r.clock.Advance(7 * time.Minute)
		r.accept(n, node("n1"), r.renew(n))
		if left := n.Certificate().NotAfter.Sub(r.clock.Now()); left < life-time.Second {
			t.Fatalf("round %d: %s are left", round, left)
		}
		r.admit(n, true)
	}
	if pki.PinOf(n.Certificate()) == first {
		t.Error("the key was never changed")
	}
	if err := r.service.Admit(t.Context(), node("n1"), first); err == nil {
		t.Error("the first key is let in though its certificate has expired")
	}
}

// TestOldKeyServesOpenConnections has the key before let in while its certificate lasts.
func TestOldKeyServesOpenConnections(t *testing.T) {
	r := newRig(t)
	n := r.join(node("n1"))
	old := pki.PinOf(n.Certificate())
	lost := r.leaf(r.renew(n)) // an answer that does not arrive: the next one is for the same key
	r.accept(n, node("n1"), r.renew(n))
	if pki.PinOf(lost) != pki.PinOf(n.Certificate()) {
		t.Error("the repeated renewal was for another key")
	}
	r.admit(n, true)
	if err := r.service.Admit(t.Context(), node("n1"), old); err != nil {
		t.Errorf("an open connection: %v", err)
	}
}

// TestOldKeyDoesNotRenew has somebody copy a folder before a renewal.
func TestOldKeyDoesNotRenew(t *testing.T) {
	r := newRig(t)
	n := r.join(node("n1"))
	stolen := r.copyOf(n)
	r.accept(n, node("n1"), r.renew(n))
	r.admit(n, true)
	r.want(http.StatusConflict, r.renew(stolen), nil)
	r.want(http.StatusConflict, r.recover(stolen), nil)
}

func TestMembersRenewForThemselvesAlone(t *testing.T) {
	r := newRig(t)
	n1, n2 := r.join(node("n1")), r.join(node("n2"))
	request := r.request(n1, node("n2"))
	as := identity("node:n1", "node")
	r.want(http.StatusForbidden, r.send(as, n1, "POST", "/v1/renew", map[string]any{"request": request}), nil)
	r.want(http.StatusForbidden, r.send(as, nil, "POST", "/v1/renew", map[string]any{"request": r.request(n1, node("n1"))}), nil)
	// The key of a member for another member: a signature, and a request by the other's key.
	signature, key, err := n2.Sign(fleet.RecoverMessage(request))
	if err != nil {
		t.Fatal(err)
	}
	forged := map[string]any{"request": r.request(n1, node("n1")), "key": key, "signature": signature}
	r.want(http.StatusForbidden, r.send(nil, nil, "POST", "/v1/recover", forged), nil)
}

func TestRecovery(t *testing.T) {
	r := newRig(t)
	n := r.join(node("n1"))
	r.clock.Advance(life + 50*time.Minute) // within the hour of grace
	if !n.Expired() {
		t.Fatal("the certificate should have expired")
	}
	r.want(http.StatusForbidden, r.renew(n), nil)
	r.accept(n, node("n1"), r.recover(n))
	r.admit(n, true)

	bad := r.request(n, node("n1"))
	signature, key, err := n.Sign([]byte(bad)) // not what is to be signed
	if err != nil {
		t.Fatal(err)
	}
	r.want(http.StatusForbidden, r.send(nil, nil, "POST", "/v1/recover", map[string]any{"request": bad, "key": key, "signature": signature}), nil)

	r.clock.Advance(life + 61*time.Minute)
	w := r.recover(n)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "too long ago") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestRecoveryWhoseAnswerIsLost has a machine that joined and was off since lose the answer
// to its recovery, twice.
func TestRecoveryWhoseAnswerIsLost(t *testing.T) {
	r := newRig(t)
	text, _ := r.newToken(map[string]any{})
	n := r.machine()
	r.accept(n, node("n1"), r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": r.request(n, node("n1"))}))
	r.clock.Advance(life + time.Minute)
	for range 2 {
		r.leaf(r.recover(n))
	}
	r.accept(n, node("n1"), r.recover(n))
	r.admit(n, true)
}

func TestRemovedMemberIsRefusedAtOnce(t *testing.T) {
	r := newRig(t)
	n := r.join(node("n1"))
	r.want(http.StatusNoContent, r.send(r.admin, nil, "DELETE", "/v1/members/node/n1", nil), nil)
	r.admit(n, false)
	r.want(http.StatusForbidden, r.renew(n), nil)
	r.want(http.StatusForbidden, r.recover(n), nil)
	r.want(http.StatusNotFound, r.send(r.admin, nil, "DELETE", "/v1/members/node/n1", nil), nil)
	r.want(http.StatusNotFound, r.send(r.admin, nil, "GET", "/v1/members/node/n1", nil), nil)
	r.want(http.StatusNotFound, r.send(r.admin, nil, "DELETE", "/v1/members/moon/n1", nil), nil)
}

// TestRemovedMemberDoesNotComeBackWithItsToken repeats a join after the removal.
func TestRemovedMemberDoesNotComeBackWithItsToken(t *testing.T) {
	r := newRig(t)
	text, _ := r.newToken(map[string]any{})
	n := r.machine()
	body := map[string]any{"token": text, "request": r.request(n, node("n1"))}
	r.want(http.StatusOK, r.send(nil, nil, "POST", "/v1/join", body), nil)
	r.want(http.StatusNoContent, r.send(r.admin, nil, "DELETE", "/v1/members/node/n1", nil), nil)
	r.want(http.StatusConflict, r.send(nil, nil, "POST", "/v1/join", body), nil)
}

// TestSpentTokenServesTheFirstKeyAlone repeats a join when the key has been followed by
// another, and when the host is another machine by now.
func TestSpentTokenServesTheFirstKeyAlone(t *testing.T) {
	r := newRig(t)
	text, _ := r.newToken(map[string]any{})
	n := r.machine()
	body := map[string]any{"token": text, "request": r.request(n, node("n1"))}
	r.accept(n, node("n1"), r.send(nil, nil, "POST", "/v1/join", body))
	r.admit(n, true)
	r.accept(n, node("n1"), r.renew(n))
	r.want(http.StatusOK, r.send(nil, nil, "POST", "/v1/join", body), nil) // the next key has not come yet
	r.accept(n, node("n1"), r.renew(n))
	r.admit(n, true)
	r.want(http.StatusConflict, r.send(nil, nil, "POST", "/v1/join", body), nil)

	again, _ := r.newToken(map[string]any{"host": "n1"})
	fresh := r.machine()
	r.accept(fresh, node("n1"), r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": again, "request": r.request(fresh, node("n1"))}))
	r.want(http.StatusConflict, r.send(nil, nil, "POST", "/v1/join", body), nil)
	r.admit(fresh, true)
}

func TestControllerEnrolsItself(t *testing.T) {
	r := newRig(t)
	c := r.machine()
	self := pki.Subject{Kind: pki.Controller, Name: "c1"}
	for range 2 {
		request, err := c.Request(self, pki.Names{DNS: []string{"cloud.example"}})
		if err != nil {
			t.Fatal(err)
		}
		chain, err := r.service.Enrol(t.Context(), request, "1")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Accept(chain, self); err != nil {
			t.Fatal(err)
		}
		r.admit(c, true)
	}
	other, err := r.machine().Request(pki.Subject{Kind: pki.Controller, Name: "c2"}, pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.service.Enrol(t.Context(), other, "1"); err == nil {
		t.Error("another controller was enrolled")
	}
	r.want(http.StatusConflict, r.send(r.admin, nil, "DELETE", "/v1/members/controller/c1", nil), nil)
}

func TestListsArePaged(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		r.newToken(map[string]any{})
		r.join(node(fmt.Sprintf("n%d", i)))
		r.clock.Advance(time.Second)
	}
	for path, key := range map[string]string{"/v1/members": "members", "/v1/join-tokens": "join_tokens"} {
		seen := map[string]bool{}
		for next := path + "?limit=2"; next != ""; {
			answer := map[string][]map[string]any{}
			r.want(http.StatusOK, r.send(r.admin, nil, "GET", strings.TrimPrefix(next, "https://cloud/fleet"), nil), &answer)
			for _, row := range answer[key] {
				seen[row["id"].(string)] = true
			}
			next = ""
			if links := answer[key+"_links"]; len(links) > 0 {
				next = links[0]["href"].(string)
			}
		}
		if want := map[string]int{"members": 5, "join_tokens": 10}[key]; len(seen) != want {
			t.Errorf("%s: %d of %d", path, len(seen), want)
		}
		r.want(http.StatusBadRequest, r.send(r.admin, nil, "GET", path+"?marker=x", nil), nil)
	}
}

func TestOldTokensAreForgotten(t *testing.T) {
	r := newRig(t)
	r.newToken(map[string]any{"ttl": 1})
	r.clock.Advance(25 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.service.Run(ctx) }()
	for {
		w := r.send(r.admin, nil, "GET", "/v1/join-tokens", nil)
		r.want(http.StatusOK, w, nil)
		if strings.Contains(w.Body.String(), `"join_tokens":[]`) {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestChangesAreRecorded looks at what the feed says of a machine's life, and what it does not say.
func TestChangesAreRecorded(t *testing.T) {
	r := newRig(t)
	text, _ := r.newToken(map[string]any{})
	n := r.machine()
	r.accept(n, node("n1"), r.send(nil, nil, "POST", "/v1/join", map[string]any{"token": text, "request": r.request(n, node("n1"))}))
	r.accept(n, node("n1"), r.renew(n))
	r.want(http.StatusNoContent, r.send(r.admin, nil, "DELETE", "/v1/members/node/n1", nil), nil)
	changes, err := feed.After(t.Context(), r.db, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s.%s before=%v after=%v", c.Kind, c.Action, len(c.Before) > 0, len(c.After) > 0))
		shown := string(c.Before) + string(c.After) + fmt.Sprint(c.Detail)
		if secret := strings.Split(text, ".")[2]; strings.Contains(shown, secret) {
			t.Errorf("the token's secret is in the feed: %s", shown)
		}
	}
	want := []string{"join_token.create before=false after=true", "member.create before=false after=true",
		"member.renew before=true after=true", "member.delete before=true after=false"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
}
