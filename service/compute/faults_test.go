package compute_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/work"
	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
)

// deed is something that is done with a server, as the matrix of faults needs to know it.
type deed struct {
	name   string
	before func(*estate)
	start  func(*estate)
	// ends are the statuses in which the server may be found, besides ERROR: as it was, or as it was to be; "" is gone.
	ends []string
	// verbs are the calls of a hypervisor that it is made of. Whatever may happen happens in the middle of each.
	verbs []string
}

func acts(body string) func(*estate) { return func(e *estate) { e.act(body) } }

func (e *estate) asAdmin(body string) { e.adminAct(e.only(), "2.94", body) }

// deeds are all there are.
func deeds() []deed {
	started := func(start func(*estate) string) func(*estate) { return func(e *estate) { start(e) } }
	return []deed{
		{"create", nil, started((*estate).create), []string{"ACTIVE"}, []string{"EnsureImage", "EnsureGuest"}},
		{"delete", (*estate).active, func(e *estate) { e.Delete(e.only()) }, []string{""}, []string{"RemoveGuest"}},
		{"soft reboot", (*estate).active, acts(`{"reboot":{"type":"SOFT"}}`), []string{"ACTIVE"}, []string{"RebootGuest"}},
		{"hard reboot", (*estate).active, acts(`{"reboot":{"type":"HARD"}}`), []string{"ACTIVE"}, []string{"RebootGuest"}},
		{"stop", (*estate).active, acts(`{"os-stop":null}`), []string{"ACTIVE", "SHUTOFF"}, []string{"EnsureGuest"}},
		{"start", (*estate).stopped, acts(`{"os-start":null}`), []string{"ACTIVE", "SHUTOFF"}, []string{"EnsureGuest"}},
		{"pause", (*estate).active, acts(`{"pause":null}`), []string{"ACTIVE", "PAUSED"}, []string{"EnsureGuest"}},
		{"unpause", (*estate).paused, acts(`{"unpause":null}`), []string{"ACTIVE", "PAUSED"}, []string{"EnsureGuest"}},
		{"suspend", (*estate).active, acts(`{"suspend":null}`), []string{"ACTIVE", "SUSPENDED"}, []string{"EnsureGuest"}},
		{"resume", (*estate).suspended, acts(`{"resume":null}`), []string{"ACTIVE", "SUSPENDED"}, []string{"EnsureGuest"}},
		{"rebuild", (*estate).active, acts(`{"rebuild":{"imageRef":"` + otherImageID + `"}}`), []string{"ACTIVE"}, []string{"EnsureImage", "EnsureGuest"}},
		{"resize", (*estate).active, started((*estate).resize), []string{"ACTIVE", "VERIFY_RESIZE"}, []string{"EnsureImage", "AdoptDisks", "OpenDisk", "EnsureGuest"}},
		{"confirm", (*estate).resized, func(e *estate) { e.asAdmin(`{"confirmResize":null}`) }, []string{"ACTIVE", "VERIFY_RESIZE"}, []string{"RemoveGuest"}},
		{"revert", (*estate).resized, acts(`{"revertResize":null}`), []string{"ACTIVE", "VERIFY_RESIZE"}, []string{"RemoveGuest", "EnsureGuest"}},
		{"cold migrate", (*estate).active, func(e *estate) { e.asAdmin(`{"migrate":null}`) }, []string{"ACTIVE", "VERIFY_RESIZE"},
			[]string{"EnsureImage", "AdoptDisks", "OpenDisk", "EnsureGuest"}},
		{"live migrate", (*estate).active, func(e *estate) { e.asAdmin(`{"os-migrateLive":{"host":null,"block_migration":"auto"}}`) }, []string{"ACTIVE"},
			[]string{"EnsureImage", "EnsureGuest", "PrepareArrival", "MigrateGuest", "FinishArrival", "RemoveGuest"}},
		{"evacuate", (*estate).deserted, func(e *estate) { e.asAdmin(`{"evacuate":{}}`) }, []string{"ACTIVE"}, []string{"EnsureImage", "EnsureGuest"}},
		{"shelve", (*estate).active, func(e *estate) { e.makes(`{"shelve":null}`) }, []string{"ACTIVE", "SHUTOFF", "SHELVED", "SHELVED_OFFLOADED"},
			[]string{"EnsureGuest", "TakeSnapshot", "OpenSnapshot", "DropSnapshots", "RemoveGuest"}},
		{"unshelve", (*estate).offloaded, acts(`{"unshelve":null}`), []string{"ACTIVE", "SHELVED_OFFLOADED"}, []string{"EnsureImage", "EnsureGuest"}},
		{"rescue", (*estate).active, started((*estate).rescue), []string{"ACTIVE", "RESCUE"}, []string{"EnsureImage", "EnsureGuest"}},
		{"unrescue", (*estate).rescued, acts(`{"unrescue":null}`), []string{"ACTIVE", "RESCUE"}, []string{"EnsureGuest"}},
		{"snapshot", (*estate).active, func(e *estate) { e.makes(`{"createImage":{"name":"kept"}}`) }, []string{"ACTIVE"},
			[]string{"TakeSnapshot", "OpenSnapshot", "DropSnapshots"}},
		{"backup", (*estate).active, func(e *estate) { e.makes(`{"createBackup":{"name":"kept","backup_type":"daily","rotation":1}}`) }, []string{"ACTIVE"},
			[]string{"TakeSnapshot", "OpenSnapshot", "DropSnapshots"}},
		{"interface attach", (*estate).active, func(e *estate) {
			id := e.only()
			go e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/os-interface", `{"interfaceAttachment":{"net_id":"`+networkID+`"}}`)
		}, []string{"ACTIVE"}, []string{"EnsureGuest"}},
		{"interface detach", (*estate).active, func(e *estate) {
			e.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+e.only()+"/os-interface/"+ownPortID, "").want(202, "")
		}, []string{"ACTIVE"}, []string{"EnsureGuest"}},
		{"change password", (*estate).active, func(e *estate) {
			id := e.only()
			go e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"changePassword":{"adminPass":"x"}}`)
		}, []string{"ACTIVE"}, []string{"SetPassword"}},
		{"crash dump", (*estate).active, acts(`{"trigger_crash_dump":null}`), []string{"ACTIVE"}, []string{"InjectNMI"}},
	}
}

// mishap is a fault of a host, and when it befalls it.
type mishap struct {
	name string
	// lasts says that it is there from before the deed until after the delete, and not in the middle of a verb.
	lasts bool
	late  bool // it comes after the verb's effect, otherwise before
	// strike is called once, and holds for the call in the middle of which it comes. It may leave more behind.
	strike func(f *fate, h *estateHost, id string) error
}

// mishaps are all there are.
func mishaps() []mishap {
	return []mishap{
		{name: "agent killed before", strike: (*fate).killAgent},
		{name: "agent killed after", late: true, strike: (*fate).killAgent},
		{name: "libvirtd killed before", strike: (*fate).killLibvirtd},
		{name: "libvirtd killed after", late: true, strike: (*fate).killLibvirtd},
		{name: "QEMU killed before", strike: (*fate).killQEMU},
		{name: "QEMU killed after", late: true, strike: (*fate).killQEMULater},
		{name: "disk full", lasts: true, strike: func(f *fate, _ *estateHost, _ string) error { f.full = true; return nil }},
		{name: "image gone", lasts: true, strike: (*fate).loseImages},
		{name: "network agent absent", lasts: true, strike: func(f *fate, _ *estateHost, _ string) error { f.bare = true; return nil }},
	}
}

// fate has a mishap befall the hosts of an estate.
type fate struct {
	estate *estate
	mishap mishap

	mu     sync.Mutex
	verb   string // in the middle of which it comes; "": not now
	struck bool
	dead   map[string]time.Time // until when the hypervisors of hosts do not answer
	full   bool                 // the hosts have no disk space
	bare   bool                 // nobody makes the devices of ports
}

// restartAfter is how long what was killed stays dead.
const restartAfter = 30 * time.Second

// hungry are the verbs that need disk space.
var hungry = []string{"EnsureImage", "EnsureGuest", "AdoptDisks", "PrepareArrival", "TakeSnapshot"}

func (f *fate) shape(t *testing.T) func(name string, options *fake.Options) {
	return func(name string, options *fake.Options) {
		options.Dir = t.TempDir()
		options.Faults = func(verb, id string) fake.Fault { return f.befall(name, verb, id) }
		options.DeviceExists = func(string) bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return !f.bare
		}
	}
}

func (f *fate) befall(host, verb, id string) fake.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.full && slices.Contains(hungry, verb):
		return fake.Fault{Before: hypervisor.ErrNoSpace}
	case time.Now().Before(f.dead[host]):
		return fake.Fault{Before: hypervisor.ErrUnavailable}
	case verb != f.verb || f.struck:
		return fake.Fault{}
	}
	f.struck = true
	err := f.mishap.strike(f, f.estate.hosts[host], id)
	if f.mishap.late {
		return fake.Fault{After: err}
	}
	return fake.Fault{Before: err}
}

// killAgent ends the host's agent, of which nothing is heard any more, with its driver; some time later it lives again.
func (f *fate) killAgent(h *estateHost, _ string) error {
	h.cut.Store(true)
	go func() {
		if err := h.end(); err != nil {
			f.estate.t.Error(err)
		}
		time.Sleep(restartAfter)
		h.cut.Store(false)
		h.live()
	}()
	return errors.New("killed")
}

func (f *fate) killLibvirtd(h *estateHost, _ string) error {
	f.dead[h.options.HostName] = time.Now().Add(restartAfter)
	go func() {
		time.Sleep(restartAfter)
		h.virt().LoseEvents()
	}()
	return hypervisor.ErrUnavailable
}

func (f *fate) killQEMU(h *estateHost, id string) error {
	if err := h.virt().SetPower(context.Background(), id, hypervisor.Shutdown); err != nil && !errors.Is(err, hypervisor.ErrNotFound) {
		f.estate.t.Error(err)
	}
	return nil
}

// killQEMULater is killQEMU at the end of the call at hand.
func (f *fate) killQEMULater(h *estateHost, id string) error {
	go func() { _ = f.killQEMU(h, id) }()
	return nil
}

func (f *fate) loseImages(*estateHost, string) error {
	w := f.estate.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deleted = map[string]bool{imageID: true, otherImageID: true}
	for id := range w.made {
		w.deleted[id] = true
	}
	return nil
}

// relieve ends what lasts.
func (f *fate) relieve() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full, f.bare = false, false
}

// arm has the mishap come now or in the middle of the next call of a verb.
func (f *fate) arm(verb string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.mishap.lasts {
		f.verb = verb
		return
	}
	f.struck = true
	_ = f.mishap.strike(f, nil, "")
}

// TestFaults has each mishap befall each deed, in the middle of each of its verbs: the server ends as it was, as it was to be, or in
// ERROR with the reason, and it can be deleted, upon which nothing is left.
func TestFaults(t *testing.T) {
	if dbtest.Engine(t) != "sqlite" {
		return // fake time is SQLite's, and what is proved does not depend on the engine
	}
	for _, d := range deeds() {
		for _, m := range mishaps() {
			verbs := d.verbs
			if m.lasts {
				verbs = []string{""}
			}
			for _, verb := range verbs {
				t.Run(fmt.Sprintf("%s/%s/%s", d.name, m.name, verb), func(t *testing.T) {
					t.Parallel()
					folder := dbtest.URL(t, "sqlite")
					synctest.Test(t, func(t *testing.T) {
						if err := suffer(t, folder, d, m, verb); err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	}
}

// The bounds of a deed that a mishap befell, and of a delete, in the bubble's time.
const (
	deedEnds   = 45 * time.Minute
	deleteEnds = 10 * time.Minute
	allQuiet   = 15 * time.Minute
)

// suffer is one cell of the matrix.
func suffer(t *testing.T, url string, d deed, m mishap, verb string) error {
	store, err := db.Open(t.Context(), url)
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = store.Close() })
	f := &fate{mishap: m, dead: map[string]time.Time{}}
	e := newShapedEstate(t, store, f.shape(t))
	f.estate = e
	_, empty := e.Views()
	if d.before != nil {
		d.before(e)
	}
	f.arm(verb)
	d.start(e)
	synctest.Wait()
	id := ""
	if rows := e.servers(); len(rows) > 0 {
		id = rows[0].ID
	}
	if err := f.ends(id, d, verb); err != nil {
		return err
	}
	if err := e.within("the store and the world to tell the same", allQuiet, func() string {
		store, world := e.Views()
		return cmp.Diff(store, world)
	}); err != nil {
		return err
	}
	if e.show(id).status == 200 {
		e.Delete(id)
	}
	if err := e.within("the server to be gone", deleteEnds, func() string {
		if a := e.show(id); a.status != 404 {
			return a.text
		}
		return ""
	}); err != nil {
		return err
	}
	f.relieve()
	return e.within("everything to be gone", allQuiet, func() string {
		store, world := e.Views()
		return cmp.Diff([]any{empty, empty}, []any{store, world})
	})
}

// ends waits until no operation is at work on the server and looks at what became of it.
func (f *fate) ends(id string, d deed, verb string) error {
	e := f.estate
	if err := e.within("the operations to end", deedEnds, func() string {
		var all []work.Operation
		if err := readOperations(e.rig, id, &all); err != nil {
			return err.Error()
		}
		for _, o := range all {
			if o.FinishedAt.IsZero() {
				return fmt.Sprintf("%s is %s in step %s: %s", o.Kind, o.State, o.StepName, o.LastError)
			}
		}
		return ""
	}); err != nil {
		return err
	}
	f.mu.Lock()
	struck := f.struck
	f.mu.Unlock()
	if !struck {
		return fmt.Errorf("%s never came to %s", d.name, verb)
	}
	if err := e.within("the hosts to follow", allQuiet, func() string {
		if loose := e.Transitional(); len(loose) > 0 {
			return fmt.Sprintf("%v are in transition and no operation is alive", loose)
		}
		return e.unreported()
	}); err != nil {
		return err
	}
	a := e.show(id)
	if a.status == 404 && slices.Contains(d.ends, "") {
		return nil
	}
	status := a.str("server", "status")
	switch {
	case status == "ERROR" && a.at("server", "fault") == nil:
		return fmt.Errorf("the server is in ERROR and does not say why: %s", a.text)
	case status == "ERROR", slices.Contains(d.ends, status):
		return nil
	case status == "SHUTOFF" && f.mishap.name[:4] == "QEMU": // which is what it is
		return nil
	}
	return fmt.Errorf("the server is %s: %s", status, a.text)
}

// unreported names the orders of which their hosts have not said yet what became of them.
func (e *estate) unreported() string {
	var hosts []string
	if err := e.db.Read(context.Background(), func(tx *db.Tx) error {
		return tx.Select(&hosts, "SELECT host FROM guest_orders WHERE reported_generation < generation ORDER BY host")
	}); err != nil {
		return err.Error()
	}
	return strings.Join(hosts, ", ")
}

// within waits until difference is empty.
func (e *estate) within(what string, limit time.Duration, difference func() string) error {
	for began := time.Now(); ; time.Sleep(2 * time.Second) {
		synctest.Wait()
		text := difference()
		if text == "" {
			return nil
		}
		if time.Since(began) > limit {
			return fmt.Errorf("waited %s in vain for %s: %s", limit, what, text)
		}
	}
}
