package compute_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute/orders"
)

const guarded = "Only the guest may know."

// lookForPasswords looks at everything that may hold a password, and counts those that are sealed.
func (r *rig) lookForPasswords(when string) (sealed int) {
	r.t.Helper()
	var texts, kept []string
	err := r.db.Read(r.t.Context(), func(tx *db.Tx) error {
		texts, kept = nil, nil
		for _, query := range []string{"SELECT detail FROM servers", "SELECT params FROM operations", "SELECT frame FROM operations", "SELECT body FROM guest_orders"} {
			var found []string
			if err := tx.Select(&found, query); err != nil {
				return err
			}
			texts = append(texts, found...)
		}
		return tx.Select(&kept, "SELECT sealed FROM server_passwords")
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if all := strings.Join(append(texts, kept...), "\n"); strings.Contains(all, guarded) {
		r.t.Errorf("%s the password stands in plain text", when)
	}
	return len(kept)
}

// meet holds the first operation of a kind at a step until go on is called.
func (r *rig) meet(kind, step string) (met <-chan struct{}, goOn func()) {
	reached, released := make(chan struct{}), make(chan struct{})
	var first, once sync.Once
	r.setHook(func(o work.Operation, undo, after bool) error {
		if o.Kind == kind && o.StepName == step && !undo && !after {
			first.Do(func() { close(reached) })
			<-released
		}
		return nil
	})
	return reached, func() { once.Do(func() { close(released) }) }
}

// drivePassword is what the config drive of the newest order for a server tells.
func (n *node) drivePassword(serverID string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, order := range slices.Backward(n.orders) {
		if order.ServerID != serverID {
			continue
		}
		var document struct {
			AdminPass string `json:"admin_pass"`
		}
		if order.ConfigDrive != nil {
			_ = json.Unmarshal(order.ConfigDrive.MetaData, &document)
		}
		return document.AdminPass
	}
	return ""
}

// TestPasswordsOnTheirWayAreSealed looks at the tables in the middle of each operation that brings a
// password to a guest, and after it.
func TestPasswordsOnTheirWayAreSealed(t *testing.T) {
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	who := member(projectID)
	id := ""
	for _, c := range []struct{ kind, request, status string }{
		{"server_create", "", "ACTIVE"},
		{"server_rebuild", `{"rebuild":{"imageRef":"` + imageID + `","adminPass":"` + guarded + `"}}`, "ACTIVE"},
		{"server_rescue", `{"rescue":{"adminPass":"` + guarded + `"}}`, "RESCUE"},
	} {
		met, goOn := r.meet(c.kind, "settle")
		defer goOn()
		if c.kind == "server_create" {
			id = r.create(`,"config_drive":true,"adminPass":"` + guarded + `"`)
		} else if a := r.do(who, latest, "POST", "/v2.1/servers/"+id+"/action", c.request); a.status > 299 {
			t.Fatalf("%s: %d %s", c.kind, a.status, a.text)
		}
		<-met
		if sealed := r.lookForPasswords("during " + c.kind); sealed != 1 {
			t.Errorf("during %s %d passwords are kept", c.kind, sealed)
		}
		r.waitFor("the order of "+c.kind, func() bool { return n.drivePassword(id) == guarded })
		goOn()
		r.waitFor(c.kind+" to end", func() bool { return r.lookForPasswords("at the end of "+c.kind) == 0 })
		r.waitStatus(id, c.status)
	}
	r.setHook(nil)
	r.do(who, latest, "POST", "/v2.1/servers/"+id+"/action", `{"unrescue":null}`).want(202, "")
	r.waitStatus(id, "ACTIVE")
	if got := n.drivePassword(id); got != "" {
		t.Errorf("a password that was used is told again: %q", got)
	}
	r.delete(id)
	r.waitGone(id)
}

// TestAPasswordThatNoKeyOpensIsNotReplaced has the agent of a guest told nothing rather than nothing
// as a password.
func TestAPasswordThatNoKeyOpensIsNotReplaced(t *testing.T) {
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	met, goOn := r.meet("server_change_password", "set")
	defer goOn()
	answered := make(chan answer, 1)
	go func() {
		answered <- r.do(member(projectID), "", "POST", "/v2.1/servers/"+id+"/action", `{"changePassword":{"adminPass":"`+guarded+`"}}`)
	}()
	<-met
	if sealed := r.lookForPasswords("during a change"); sealed != 1 {
		t.Errorf("%d passwords are kept", sealed)
	}
	err := r.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE server_passwords SET sealed = ?", newVault(t).Seal([]byte("another"), "something"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	goOn()
	(<-answered).want(409, "is not kept any more")
	if order := n.lastOrder(t, id); order.Desired != orders.Running {
		t.Errorf("the order is %+v", order)
	}
	if sealed := r.lookForPasswords("after a change in vain"); sealed != 0 {
		t.Errorf("%d passwords are kept", sealed)
	}
}

// TestPlainPasswordsOfBeforeAreSealedOrDropped fills the rows of a release that knew no other place.
func TestPlainPasswordsOfBeforeAreSealedOrDropped(t *testing.T) {
	r := newRig(t)
	n := r.startNode("host1", 16_384)
	used := r.create(`,"config_drive":true`)
	r.waitStatus(used, "ACTIVE")
	met, goOn := r.meet("server_create", "spawn")
	defer goOn()
	underWay := r.create(`,"config_drive":true`)
	<-met
	plain := func(tx *db.Tx, id string) error {
		var detail string
		if err := tx.Get(&detail, "SELECT detail FROM servers WHERE id = ?", id); err != nil {
			return err
		}
		detail = `{"admin_pass":"` + guarded + `","new_password":"` + guarded + `","rescue":{"admin_pass":"` + guarded + `","image_id":"x"},"unheard_of":1,` + detail[1:]
		_, err := tx.Exec("UPDATE servers SET detail = ? WHERE id = ?", detail, id)
		return err
	}
	change := func(what func(tx *db.Tx) error) {
		t.Helper()
		if err := r.db.Write(t.Context(), what); err != nil {
			t.Fatal(err)
		}
	}
	change(func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM server_passwords")
		if err == nil {
			err = errors.Join(plain(tx, used), plain(tx, underWay))
		}
		if err == nil {
			_, err = tx.Exec("UPDATE operations SET kind = 'server_rebuild', params = ?, frame = ? WHERE resource_id = ?",
				`{"after":{"name":"n","admin_pass":"`+guarded+`"},"x":1}`, `{"before":{"admin_pass":"`+guarded+`"},"y":2}`, used)
		}
		return err
	})
	for range 2 { // a batch may come twice
		for _, fill := range []db.Batch{r.service.SealPlainPasswords, r.service.SealRebuildPasswords} {
			for last := ""; ; {
				change(func(tx *db.Tx) (err error) {
					last, err = fill(tx, last, 1)
					return err
				})
				if last == "" {
					break
				}
			}
		}
	}
	if sealed := r.lookForPasswords("after the backfill"); sealed != 3 {
		t.Errorf("of the server under way %d passwords are kept", sealed)
	}
	var left struct {
		Detail string `db:"detail"`
		Params string `db:"params"`
		Frame  string `db:"frame"`
	}
	err := r.db.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Get(&left, "SELECT s.detail, o.params, o.frame FROM servers s JOIN operations o ON o.resource_id = s.id WHERE s.id = ?", used)
	})
	if err != nil || !strings.Contains(left.Detail, `"unheard_of":1`) || !strings.Contains(left.Detail, `"flavor"`) ||
		left.Params != `{"after":{"name":"n"},"x":1}` || left.Frame != `{"before":{},"y":2}` {
		t.Errorf("left is %+v, %v", left, err)
	}
	goOn()
	r.waitStatus(underWay, "ACTIVE")
	if got := n.drivePassword(underWay); got != guarded {
		t.Errorf("the password that was under way did not arrive, but %q", got)
	}
	r.waitFor("the passwords to be forgotten", func() bool { return r.lookForPasswords("at the end") == 0 })
}
