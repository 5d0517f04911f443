//go:build crash

package crash

import (
	"bytes"
	"fmt"
	"net/http"
)

// keepPromises looks whether every answered request is still true.
func (tr *trial) keepPromises() {
	tr.Helper()
	made, failed := 0, 0
	for _, a := range tr.actors {
		made += len(a.servers)
		failed += tr.keepServers(a)
		tr.keepPorts(a)
		tr.keepRest(a)
	}
	tr.Logf("%d servers were made, of those that are left %d are in ERROR", made, failed)
	if made < len(tr.actors) {
		tr.Errorf("only %d servers were made", made)
	}
}

func (tr *trial) keepServers(a *actor) (failed int) {
	tr.Helper()
	known := set{}
	for _, s := range a.servers {
		known.add("%s", s.id)
		heard, err := a.ask(s.path())
		tr.ok(err)
		if s.gone {
			if heard.status != http.StatusNotFound {
				tr.Errorf("server %s was deleted: %s", s.name, heard)
			}
			continue
		}
		var body struct{ Server serverView }
		if heard.status != http.StatusOK {
			tr.Errorf("server %s is promised: %s", s.name, heard)
			continue
		}
		tr.ok(heard.into(&body))
		now := body.Server
		switch {
		case now.Status == "ERROR":
			failed++
			tr.Logf("server %s could not be made: %s", s.name, now.Fault.Message)
		case s.want != "" && now.Status != s.want:
			tr.Errorf("server %s was promised to be %s and is %s (%s)", s.id, s.want, now.Status, now.Fault.Message)
		}
	}
	var body struct{ Servers []struct{ ID, Name string } }
	tr.ok(a.read("/compute/v2.1/servers", &body))
	for _, s := range body.Servers {
		if !known[s.ID] {
			tr.Errorf("server %s is there and was never asked for, or was thought to be refused", s.Name)
		}
	}
	return failed
}

func (tr *trial) keepPorts(a *actor) {
	tr.Helper()
	living, known := set{}, set{}
	for _, s := range a.servers {
		if s.here() {
			living.add("%s", s.id)
		}
	}
	for _, p := range a.ports {
		known.add("%s", p.id)
		heard, err := a.ask("/network/v2.0/ports/" + p.id)
		tr.ok(err)
		switch {
		case p.gone && heard.status != http.StatusNotFound:
			tr.Errorf("port %s was deleted: %s", p.name, heard)
		case p.gone:
			continue
		case heard.status != http.StatusOK:
			tr.Errorf("port %s is promised: %s", p.name, heard)
			continue
		}
		var body struct{ Port portView }
		tr.ok(heard.into(&body))
		if body.Port.Device != "" && (body.Port.Device != p.user || !living[p.user]) {
			tr.Errorf("port %s is that of %s and should be that of %q", p.name, body.Port.Device, p.user)
		}
	}
	var body struct{ Ports []portView }
	tr.ok(a.read("/network/v2.0/ports?project_id="+a.project, &body))
	for _, p := range body.Ports {
		if p.Name != "" && !known[p.ID] {
			tr.Errorf("port %s is there and was never asked for, or was thought to be refused", p.Name)
		}
	}
}

func (tr *trial) keepRest(a *actor) {
	tr.Helper()
	for _, d := range a.addresses {
		if heard, err := a.ask("/network/v2.0/floatingips/" + d.id); err != nil || heard.status != expected(d.gone) {
			tr.Errorf("floating IP %s, deleted: %t: %v %v", d.tag, d.gone, heard, err)
		}
	}
	tr.expectOnly(a, "/network/v2.0/floatingips", "floatingips", len(a.addresses)-count(a.addresses, func(d *address) bool { return d.gone }))
	for _, i := range a.images {
		heard, err := a.ask(i.path())
		if err != nil || heard.status != expected(i.gone) {
			tr.Errorf("image %s, deleted: %t: %v %v", i.name, i.gone, heard, err)
			continue
		}
		if i.full() {
			if err := a.compareImage(i); err != nil {
				tr.Error(err)
			}
		} else if !i.gone && !bytes.Contains(heard.body, []byte(`"queued"`)) {
			tr.Errorf("image %s has got no content and is %s", i.name, heard)
		}
	}
	tr.expectOnly(a, "/image/v2/images?owner="+a.project, "images", count(a.images, (*image).here))
}

func expected(gone bool) int {
	if gone {
		return http.StatusNotFound
	}
	return http.StatusOK
}

// expectOnly looks whether a collection has as many objects as the actor knows of.
func (tr *trial) expectOnly(a *actor, path, key string, number int) {
	tr.Helper()
	var body map[string][]map[string]any
	tr.ok(a.readList(path, key, &body))
	if len(body[key]) != number {
		tr.Errorf("%s has %d %s and knows of %d: %s", a.name, len(body[key]), key, number, fmt.Sprint(body[key]))
	}
}
