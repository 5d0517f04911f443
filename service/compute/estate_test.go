package compute_test

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/token"
	"virga/core/work"
	"virga/core/work/worktest"
	"virga/service/compute/agent"
	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/fake"
)

const ownPortID = "66666666-6666-4666-8666-666666666666"

// estate is the world of the proofs: the service, its neighbours in memory, and two hosts
// with the shipping agent over a hypervisor that only remembers. One server lives in it.
type estate struct {
	*rig
	hosts    map[string]*estateHost
	exchange agent.Exchange
	// entrance is where the agents find the service; nothing while it is dead.
	mu       sync.Mutex
	entrance http.RoundTripper
	// lingers has live migrations go on until they are hastened.
	lingers atomic.Bool
	// shape, if set, changes what the hypervisors of the hosts are like.
	shape func(name string, options *fake.Options)
}

type estateHost struct {
	estate  *estate
	options fake.Options
	cut     atomic.Bool
	// driver and stop are those of the agent's present life.
	mu     sync.Mutex
	driver *fake.Driver
	stop   func() error
}

var _ worktest.World = (*estate)(nil)

// imageContent is what the estate's image holds.
var imageContent = []byte("the disk of a tiny guest")

func newEstate(t *testing.T, d *db.DB) *estate {
	t.Helper()
	return newShapedEstate(t, d, nil)
}

func newShapedEstate(t *testing.T, d *db.DB, shape func(name string, options *fake.Options)) *estate {
	t.Helper()
	e := &estate{shape: shape, rig: &rig{t: t, db: d, bus: bus.NewLocal(), world: newWorld(), vault: newVault(t), reclaim: 10_000 * time.Hour}, hosts: map[string]*estateHost{}}
	e.world.ports[ownPortID] = ownPort
	sum := sha512.Sum512(imageContent)
	image := e.world.images[imageID]
	image.Size, image.SHA512, image.DiskFormat, image.VirtualSize = int64(len(imageContent)), hex.EncodeToString(sum[:]), "raw", int64(len(imageContent))
	e.world.images[imageID] = image
	image.ID, image.Name = otherImageID, "other"
	e.world.images[otherImageID] = image
	e.Live()
	t.Cleanup(func() { e.rig.halt() })
	if err := e.service.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"host1", "host2"} {
		e.addHost(name)
	}
	e.waitFor("the providers of the hosts", func() bool {
		e.world.mu.Lock()
		defer e.world.mu.Unlock()
		return len(e.world.providers) == len(e.hosts)
	})
	return e
}

// addHost starts the agent of a host; it ends with the test.
func (e *estate) addHost(name string) { e.addHostWith(name, nil) }

// addHostWith is addHost with NUMA nodes and dedicated processors.
func (e *estate) addHostWith(name string, has *cpus.Host) {
	e.t.Helper()
	h := &estateHost{estate: e, options: fake.Options{Clock: clock.System{}, HostName: name, CPUs: has, Lingers: func(string) bool { return e.lingers.Load() }}}
	if e.shape != nil {
		e.shape(name, &h.options)
	}
	e.hosts[name] = h
	h.live()
	e.t.Cleanup(func() {
		if err := h.end(); err != nil {
			e.t.Error(err)
		}
	})
}

// live begins a life of the host's agent and driver.
func (h *estateHost) live() {
	e, name := h.estate, h.options.HostName
	driver, err := fake.New(h.options)
	if err != nil {
		e.t.Error(err)
		return
	}
	identity := &token.Identity{UserID: "node:" + name, Roles: []token.Role{{Name: "node"}}}
	images := uploads{e.world, identity.UserID, h.reachable}
	a := agent.New(agent.Config{Host: name, HostIP: "192.0.2.7", Driver: driver, Bus: e.bus, Log: slog.New(slog.DiscardHandler), Images: images, Uploads: images,
		TransferURL: e.exchange.URL(name), Transfers: &http.Client{Transport: link{h, e.exchange.Client(name).Transport}},
		Controller: &agent.HTTPController{Client: api.Client{Base: "http://cloud/compute",
			HTTP: &http.Client{Transport: link{h, as{e, identity}}}}}})
	e.exchange.Add(name, a)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.driver = driver
	h.stop = func() error {
		cancel()
		return errors.Join(<-done, driver.Close())
	}
}

// end ends the present life.
func (h *estateHost) end() error {
	h.mu.Lock()
	stop := h.stop
	h.stop = func() error { return nil }
	h.mu.Unlock()
	return stop()
}

func (h *estateHost) virt() *fake.Driver {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.driver
}

func (h *estateHost) reachable() error {
	if h.cut.Load() {
		return errors.New("no route to host")
	}
	return nil
}

// link is a host's cable.
type link struct {
	host *estateHost
	to   http.RoundTripper
}

func (l link) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.host.cut.Load() {
		return nil, errors.New("no route to host")
	}
	resp, err := l.to.RoundTrip(r)
	if err == nil && l.host.cut.Load() { // it was cut while the answer was on its way
		_ = resp.Body.Close()
		return nil, errors.New("no route to host")
	}
	return resp, err
}

// as calls the service with an identity.
type as struct {
	estate   *estate
	identity *token.Identity
}

func (a as) RoundTrip(r *http.Request) (*http.Response, error) {
	a.estate.mu.Lock()
	entrance := a.estate.entrance
	a.estate.mu.Unlock()
	if entrance == nil {
		return nil, errors.New("connection refused")
	}
	return entrance.RoundTrip(r.WithContext(token.WithIdentity(r.Context(), a.identity)))
}

func (e *estate) Engine() *work.Engine { return e.service.Engine() }
func (e *estate) DB() *db.DB           { return e.db }

func (e *estate) SetHook(hook worktest.Hook) { e.setHook(hook) }

func (e *estate) enter(entrance http.RoundTripper) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.entrance = entrance
}

// Die ends the service; the hosts live on.
func (e *estate) Die() {
	e.enter(nil)
	e.halt()
}

func (e *estate) Live() {
	e.begin()
	e.enter(e.local().Transport)
}

// Cut takes the server's host off the network, all hosts for a server on none.
func (e *estate) Cut(serverID string) {
	where := ""
	for _, s := range e.servers() {
		if s.ID == serverID {
			where = s.Host
		}
	}
	for name, h := range e.hosts {
		if where == "" || where == name {
			h.cut.Store(true)
		}
	}
}

func (e *estate) Mend() {
	for _, h := range e.hosts {
		h.cut.Store(false)
	}
}

// Delete is accepted at any time. It may be called by a hook in the middle of a step.
func (e *estate) Delete(serverID string) {
	if a := e.do(member(projectID), latest, "POST", "/v2.1/servers/"+serverID+"/action", `{"forceDelete":null}`); a.status != 202 && a.status != 404 {
		e.t.Errorf("the delete: status %d: %s", a.status, a.text)
	}
}

// storedServer is what the database says of a server.
type storedServer struct {
	ID    string `db:"id"`
	Host  string `db:"host"`
	Power int    `db:"power_state"`
	// Detail has the image of a shelved server.
	Detail struct {
		Shelved *struct {
			ImageID string `json:"image_id"`
		} `json:"shelved"`
	} `db:"detail,json"`
	NICs []struct {
		PortID string `json:"port_id"`
	} `db:"nics,json"`
}

func (e *estate) servers() (rows []storedServer) {
	if err := e.db.Read(context.Background(), func(tx *db.Tx) error {
		return tx.Select(&rows, "SELECT id, host, power_state, detail, nics FROM servers WHERE deleted_at = 0 ORDER BY id")
	}); err != nil {
		e.t.Error(err)
	}
	return rows
}

// Transitional are the servers that the API shows with a task or as being built.
func (e *estate) Transitional() (ids []string) {
	list, _ := e.do(admin(), latest, "GET", "/v2.1/servers/detail?all_tenants=1", "").want(200, "").at("servers").([]any)
	for _, s := range list {
		s, _ := s.(map[string]any)
		if s["OS-EXT-STS:task_state"] != nil || s["status"] == "BUILD" {
			ids = append(ids, s["id"].(string))
		}
	}
	return ids
}

// Views are sentences on allocations, ports, guests and the orders for them.
func (e *estate) Views() (store, world worktest.Set) {
	store, world = worktest.Set{}, worktest.Set{}
	live := map[string]bool{}
	for _, s := range e.servers() {
		live[s.ID] = true
		if s.Detail.Shelved != nil {
			store["image "+s.Detail.Shelved.ImageID+" with data: true"] = true
		}
		if s.Host != "" {
			store["allocation of "+s.ID+" on "+s.Host] = true
			store[guestSentence(s.ID, s.Host, s.Power == int(hypervisor.Running))] = true
		}
		for _, nic := range s.NICs {
			store["port "+nic.PortID+" of "+s.ID+" on "+s.Host] = true
		}
	}
	e.addMigrations(store)
	e.addImages(store, live)
	for name, h := range e.hosts {
		guests, err := h.virt().ListGuests(context.Background())
		if err != nil {
			world[name+" cannot tell which guests it has: "+err.Error()] = true
		}
		for _, g := range guests {
			world[guestSentence(g.ID, name, g.Power == hypervisor.Running)] = true
		}
		for _, o := range e.ordersOf(name) {
			if _, err := h.virt().GetGuest(context.Background(), o); err != nil {
				world["order for "+o+" on "+name+", where it is not"] = true
			}
		}
	}
	e.world.describe(world, live)
	return store, world
}

// addMigrations adds what a finished move keeps at the host that the server came from until
// it is confirmed or taken back.
func (e *estate) addMigrations(store worktest.Set) {
	var rows []struct {
		ID     string `db:"id"`
		Server string `db:"server_id"`
		Source string `db:"source_host"`
		Dest   string `db:"dest_host"`
	}
	if err := e.db.Read(context.Background(), func(tx *db.Tx) error {
		return tx.Select(&rows, "SELECT m.id, m.server_id, m.source_host, m.dest_host FROM migrations m JOIN servers s ON s.id = m.server_id"+
			" WHERE m.status = 'finished' AND s.deleted_at = 0")
	}); err != nil {
		e.t.Error(err)
	}
	for _, m := range rows {
		store["allocation of "+m.ID+" on "+m.Source] = true
		if m.Source != m.Dest {
			store[guestSentence(m.Server, m.Source, false)] = true
		}
	}
}

// addImages adds the images of servers: those of operations that ended well, unless they were deleted since.
func (e *estate) addImages(store worktest.Set, live map[string]bool) {
	var ids []struct {
		Server string `db:"resource_id"`
		Params struct {
			Image struct {
				ID string `json:"id"`
			} `json:"image"`
		} `db:"params,json"`
	}
	if err := e.db.Read(context.Background(), func(tx *db.Tx) error {
		return tx.Select(&ids, "SELECT resource_id, params FROM operations WHERE kind IN ('server_snapshot', 'server_backup') AND state = 'done'")
	}); err != nil {
		e.t.Error(err)
	}
	e.world.mu.Lock()
	defer e.world.mu.Unlock()
	for _, o := range ids {
		if live[o.Server] && !e.world.deleted[o.Params.Image.ID] {
			store["image "+o.Params.Image.ID+" with data: true"] = true
		}
	}
}

func guestSentence(id, host string, running bool) string {
	return fmt.Sprintf("guest %s on %s, running: %t", id, host, running)
}

// ordersOf are the servers for which a host has orders.
func (e *estate) ordersOf(host string) (ids []string) {
	if err := e.db.Read(context.Background(), func(tx *db.Tx) error {
		return tx.Select(&ids, "SELECT server_id FROM guest_orders WHERE host = ?", host)
	}); err != nil {
		e.t.Error(err)
	}
	return ids
}

// describe adds what the neighbours hold; live are the servers that are not deleted.
func (w *world) describe(into worktest.Set, live map[string]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, claim := range w.allocations {
		into["allocation of "+id+" on "+w.providers[claim.ProviderID].name] = true
	}
	for id, image := range w.made { // one with data may outlive its server
		if image.data == nil || live[image.Properties["instance_uuid"]] {
			into[fmt.Sprintf("image %s with data: %t", id, image.data != nil)] = true
		}
	}
	for id, p := range w.ports {
		if p.DeviceID != "" {
			into["port "+id+" of "+p.DeviceID+" on "+p.HostID] = true
		}
	}
}

// create has a server with a port of its own and one that the user made.
func (e *estate) create() string {
	return e.do(member(projectID), latest, "POST", "/v2.1/servers", twoNICs).want(202, "").str("server", "id")
}

// is waits until the estate's server has a status.
func (e *estate) is(status string) {
	e.waitFor("the server to be "+status, func() bool {
		rows := e.servers()
		return len(rows) == 1 && len(e.Transitional()) == 0 && e.show(rows[0].ID).str("server", "status") == status
	})
}

// only is the id of the estate's server.
func (e *estate) only() string {
	e.t.Helper()
	rows := e.servers()
	if len(rows) != 1 {
		e.t.Fatalf("there are %d servers", len(rows))
	}
	return rows[0].ID
}

// act asks for an action on the estate's server.
func (e *estate) act(body string) string {
	id := e.only()
	e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", body).want(202, "")
	return id
}

// active makes the server and waits until it runs.
func (e *estate) active() {
	e.create()
	e.is("ACTIVE")
}

// makes asks for an image of the server, without waiting for the answer, which comes when the image is there.
func (e *estate) makes(body string) string {
	id := e.only()
	go e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", body)
	return id
}

// shelved has the server wait to be offloaded.
func (e *estate) shelved() {
	e.active()
	e.offloadAfter = -1
	e.Die()
	e.Live()
	e.act(`{"shelve":null}`)
	e.is("SHELVED")
}

// offloaded has the server be on no host.
func (e *estate) offloaded() {
	e.active()
	e.act(`{"shelve":null}`)
	e.is("SHELVED_OFFLOADED")
}

func (e *estate) resize() string { return e.act(`{"resize":{"flavorRef":"2"}}`) }

// resized has the server wait for its owner's word after a resize.
func (e *estate) resized() {
	e.active()
	e.resize()
	e.is("VERIFY_RESIZE")
}

func (e *estate) paused() {
	e.active()
	e.act(`{"pause":null}`)
	e.is("PAUSED")
}

func (e *estate) suspended() {
	e.active()
	e.act(`{"suspend":null}`)
	e.is("SUSPENDED")
}

// put has the server put aside by a delete that can be taken back.
func (e *estate) put() string {
	id := e.only()
	e.do(member(projectID), latest, "DELETE", "/v2.1/servers/"+id, "").want(204, "")
	return id
}

func (e *estate) aside() {
	e.active()
	e.put()
	e.is("SOFT_DELETED")
}

// rescue has the server rescued with its own image.
func (e *estate) rescue() string {
	id := e.only()
	e.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"rescue":null}`).want(200, "adminPass")
	return id
}

func (e *estate) rescued() {
	e.active()
	e.rescue()
	e.is("RESCUE")
}

func (e *estate) stopped() {
	e.active()
	e.act(`{"os-stop":null}`)
	e.is("SHUTOFF")
}
