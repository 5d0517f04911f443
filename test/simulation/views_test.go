package simulation_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/service/compute/hypervisor"
)

// set is a view: sentences of what is there.
type set map[string]bool

// read asks a service's database without waiting for a turn.
func (s *sim) read(service string, into any, query string) {
	if err := stores[service].db.Read(context.Background(), func(tx *db.Tx) error { return tx.Select(into, query) }); err != nil {
		s.complain("read what %s says: %v", service, err)
	}
}

// missingHosts tells which hosts cannot be used yet.
func (s *sim) missingHosts() string {
	var provided, alive []string
	s.read("compute", &provided, "SELECT name FROM hosts WHERE provided <> ''")
	s.read("network", &alive, "SELECT name FROM hosts")
	if len(provided) < len(s.hosts) || len(alive) < len(s.hosts) {
		return fmt.Sprint("there are ", provided, " and ", alive)
	}
	return ""
}

// stored is a server as compute has it.
type stored struct {
	ID      string `db:"id"`
	Host    string `db:"host"`
	VMState string `db:"vm_state"`
	Power   int    `db:"power_state"`
	NICs    []struct {
		PortID string `json:"port_id"`
	} `db:"nics,json"`
}

func (s *sim) stored() (rows []stored) {
	s.read("compute", &rows, "SELECT id, host, vm_state, power_state, nics FROM servers WHERE deleted_at = 0 ORDER BY id")
	return rows
}

func (s *sim) serversThere() map[string]bool {
	there := map[string]bool{}
	for _, row := range s.stored() {
		there[row.ID] = true
	}
	return there
}

// alive lists the operations that have not ended.
func (s *sim) alive() (texts []string) {
	var rows []struct {
		Kind     string `db:"kind"`
		Resource string `db:"resource_id"`
		State    string `db:"state"`
		Step     string `db:"step_name"`
		Error    string `db:"last_error"`
	}
	s.read("compute", &rows, "SELECT kind, resource_id, state, step_name, last_error FROM operations WHERE finished_at = 0 ORDER BY id")
	for _, o := range rows {
		texts = append(texts, fmt.Sprintf("%s of %s is %s in step %s (%s)", o.Kind, o.Resource, o.State, o.Step, o.Error))
	}
	return texts
}

// countOperations adds how the operations of the storm have ended to what the run came to.
func (s *sim) countOperations() {
	var ended []struct {
		State string `db:"state"`
		N     int    `db:"n"`
	}
	s.read("compute", &ended, "SELECT state, COUNT(*) AS n FROM operations GROUP BY state")
	for _, row := range ended {
		s.director.tally["operations "+row.State] += row.N
	}
}

// unrest tells what is not as it must be when nothing is at work.
func (s *sim) unrest() string {
	if n := s.strays.Load(); n > 0 {
		return fmt.Sprint(n, " messages are still on their way")
	}
	if alive := s.alive(); len(alive) > 0 {
		return fmt.Sprint("operations are alive: ", alive)
	}
	for _, row := range s.stored() {
		if !slices.Contains([]string{"active", "stopped", "paused", "suspended", "rescued", "error", "resized", "shelved", "offloaded"}, row.VMState) {
			return fmt.Sprintf("server %s is %s and nobody works on it", row.ID, row.VMState)
		}
	}
	return s.difference(s.storesView(), s.worldsView())
}

func (s *sim) difference(want, found set) string {
	if maps.Equal(want, found) {
		return ""
	}
	return "the store says -, the world holds +\n" + cmp.Diff(want, found)
}

// remains tells what is left when everything was deleted.
func (s *sim) remains() string {
	if alive := s.alive(); len(alive) > 0 {
		return fmt.Sprint("operations are alive: ", alive)
	}
	return s.difference(set{}, s.worldsView())
}

// storesView is what compute, and for taps the network service, say should be there.
func (s *sim) storesView() set {
	view := set{}
	for _, row := range s.stored() {
		if row.Host != "" {
			view["allocation of "+row.ID+" on "+row.Host] = true
			view[guestSentence(row.ID, row.Host, row.Power == int(hypervisor.Running))] = true
		}
		for _, nic := range row.NICs {
			view["port "+nic.PortID+" of "+row.ID+" on "+row.Host] = true
			if row.Host != "" {
				view["tap of port "+nic.PortID+" on "+row.Host] = true
			}
		}
	}
	var moves []struct {
		ID     string `db:"id"`
		Server string `db:"server_id"`
		Source string `db:"source_host"`
		Dest   string `db:"dest_host"`
	}
	s.read("compute", &moves, "SELECT m.id, m.server_id, m.source_host, m.dest_host FROM migrations m"+
		" JOIN servers s ON s.id = m.server_id WHERE m.status = 'finished' AND s.deleted_at = 0")
	for _, m := range moves { // what a move keeps at its source until it is confirmed or taken back
		view["allocation of "+m.ID+" on "+m.Source] = true
		if m.Source != m.Dest {
			view[guestSentence(m.Server, m.Source, false)] = true
		}
	}
	return view
}

func guestSentence(id, host string, running bool) string {
	return fmt.Sprintf("guest %s on %s, running: %t", id, host, running)
}

// worldsView is what placement, the network service, the hypervisors and the data planes have.
func (s *sim) worldsView() set {
	view := set{}
	var allocations []struct {
		Consumer string `db:"consumer"`
		Host     string `db:"name"`
	}
	s.read("placement", &allocations, "SELECT DISTINCT a.consumer, p.name FROM allocations a JOIN resource_providers p ON p.uuid = a.provider")
	for _, a := range allocations {
		view["allocation of "+a.Consumer+" on "+a.Host] = true
	}
	var ports []struct {
		ID     string `db:"id"`
		Device string `db:"device_id"`
		Host   string `db:"host"`
	}
	s.read("network", &ports, "SELECT id, device_id, host FROM ports WHERE device_owner LIKE 'compute:%'")
	for _, p := range ports {
		view["port "+p.ID+" of "+p.Device+" on "+p.Host] = true
	}
	for _, id := range s.gallery.halves() {
		view["image "+id+" without data"] = true
	}
	s.looking.Store(true)
	defer s.looking.Store(false)
	for _, h := range s.hosts {
		guests, err := h.virt.ListGuests(context.Background())
		if err != nil {
			s.complain("list guests of %s: %v", h.name, err)
		}
		for _, g := range guests {
			view[guestSentence(g.ID, h.name, g.Power == hypervisor.Running)] = true
		}
		for id := range h.fabric.Snapshot().Ports {
			view["tap of port "+id+" on "+h.name] = true
		}
	}
	var orders []struct {
		Server string `db:"server_id"`
		Host   string `db:"host"`
	}
	s.read("compute", &orders, "SELECT server_id, host FROM guest_orders")
	for _, o := range orders {
		if !view[guestSentence(o.Server, o.Host, true)] && !view[guestSentence(o.Server, o.Host, false)] {
			view["order for "+o.Server+" on "+o.Host+", where it is not"] = true
		}
	}
	return view
}
