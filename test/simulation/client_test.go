package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/token"
)

// promises are what the cloud answered to its clients.
type promises struct {
	// made are servers that were accepted, deleted those of which a delete was; asked are
	// those of which a delete was sent, whatever came of it.
	made, deleted, asked map[string]bool
}

func newPromises() promises {
	return promises{map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

// client is somebody who uses the cloud.
type client struct {
	sim    *sim
	name   string
	life   *life
	random *rand.Rand
	api    api.Client
	// operator is an administrator whom the client can ask.
	operator api.Client
	// servers are those that the client knows of, its own and no others.
	servers []string
	count   int
}

func (s *sim) newClient(ctx context.Context, name string, roles ...string) *client {
	c := &client{sim: s, name: name, random: rand.New(rand.NewPCG(s.seed, uint64(len(s.clients)+2)))}
	c.life = (&process{sim: s, name: name}).begin(ctx)
	who := &token.Identity{UserID: name, UserName: name, Project: token.Project{ID: projectID, Name: "p"}}
	for _, role := range roles {
		who.Roles = append(who.Roles, token.Role{Name: role})
	}
	c.api = (&wire{sim: s, from: c.life, to: s.services["compute"], identity: who}).client()
	c.api.Header = http.Header{"Openstack-Api-Version": {"compute 2.96"}}
	c.api.Timeout = time.Minute
	operator := &token.Identity{UserID: "operator", UserName: "operator", Project: token.Project{ID: projectID, Name: "p"},
		Roles: []token.Role{{Name: "admin"}, {Name: "member"}, {Name: "reader"}}}
	c.operator = (&wire{sim: s, from: c.life, to: s.services["compute"], identity: operator}).client()
	c.operator.Header, c.operator.Timeout = c.api.Header, c.api.Timeout
	s.clients = append(s.clients, c)
	return c
}

// use has the client do one thing after the other until ctx ends.
func (c *client) use(ctx context.Context, pause time.Duration) {
	for c.rest(ctx, time.Duration(c.random.Int64N(int64(pause)))) {
		if len(c.servers) == 0 || c.random.IntN(4) == 0 && c.count < maxServers {
			c.create(ctx)
			continue
		}
		id := c.servers[c.random.IntN(len(c.servers))]
		switch c.random.IntN(25) {
		case 0, 1, 2:
			c.delete(ctx, id)
		case 3, 4:
			c.act(ctx, id, `{"os-stop":null}`)
		case 5:
			c.act(ctx, id, `{"os-start":null}`)
		case 6:
			c.act(ctx, id, fmt.Sprintf(`{"reboot":{"type":"%s"}}`, []string{"SOFT", "HARD"}[c.random.IntN(2)]))
		case 7:
			c.attach(ctx, id)
		case 8:
			c.detach(ctx, id)
		case 9:
			c.act(ctx, id, fmt.Sprintf(`{"resize":{"flavorRef":"%d"}}`, 1+c.random.IntN(3)))
		case 10:
			c.act(ctx, id, `{"confirmResize":null}`)
		case 11:
			c.act(ctx, id, `{"revertResize":null}`)
		case 12:
			c.act(ctx, id, `{"pause":null}`)
		case 13:
			c.act(ctx, id, `{"unpause":null}`)
		case 14:
			c.act(ctx, id, `{"suspend":null}`)
		case 15:
			c.act(ctx, id, `{"resume":null}`)
		case 16:
			c.act(ctx, id, `{"rescue":null}`)
		case 17:
			c.act(ctx, id, `{"unrescue":null}`)
		case 20:
			c.act(ctx, id, `{"shelve":null}`)
		case 21:
			c.act(ctx, id, `{"unshelve":null}`)
		case 19:
			c.act(ctx, id, `{"rebuild":{"imageRef":"`+imageID+`"}}`)
		case 22, 23, 24:
			c.migrate(ctx, id)
		case 18:
			c.act(ctx, id, fmt.Sprintf(`{"createBackup":{"name":"backup","backup_type":"daily","rotation":%d}}`, c.random.IntN(3)))
		}
	}
}

// maxServers is how many servers one client asks for.
const maxServers = 4

// rest lets time pass; false when ctx ended.
func (c *client) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d + time.Microsecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil && !c.sim.director.ask(c.life, matterPlain, c.name+" thinks").dead
}

// do calls the API; refusals and trouble are what a client has to live with.
func (c *client) do(ctx context.Context, method, path, body string, out any) int {
	ctx = context.WithValue(ctx, errandKey{}, c.name)
	var in any
	if body != "" {
		in = raw(body)
	}
	err := c.api.Do(ctx, method, path, in, out)
	var status *api.StatusError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &status):
		return status.Status
	}
	return 0
}

// raw is JSON as it is.
type raw string

// MarshalJSON implements json.Marshaler.
func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func (c *client) create(ctx context.Context) {
	c.count++
	var answer struct {
		Server struct{ ID string }
	}
	body := fmt.Sprintf(`{"server":{"name":"%s-%d","imageRef":"%s","flavorRef":"%d","networks":[{"uuid":"%s"}]}}`,
		c.name, c.count, imageID, 1+c.random.IntN(3), networkID)
	if c.do(ctx, http.MethodPost, "/v2.1/servers", body, &answer) == http.StatusOK {
		c.servers = append(c.servers, answer.Server.ID)
		c.sim.mu.Lock()
		c.sim.promises.made[answer.Server.ID] = true
		c.sim.mu.Unlock()
	}
}

// delete tells whether the delete was answered for good.
func (c *client) delete(ctx context.Context, id string) bool {
	c.sim.mu.Lock()
	c.sim.promises.asked[id] = true
	c.sim.mu.Unlock()
	status := c.do(ctx, http.MethodDelete, "/v2.1/servers/"+id, "", nil)
	switch status {
	case http.StatusOK, http.StatusNotFound:
		c.sim.mu.Lock()
		c.sim.promises.deleted[id] = true
		c.sim.mu.Unlock()
		c.servers = slices.DeleteFunc(c.servers, func(known string) bool { return known == id })
	case 0, http.StatusServiceUnavailable, http.StatusBadGateway:
		return false
	default:
		c.sim.complain("%s: the delete of server %s was refused with %d", c.name, id, status)
	}
	return true
}

func (c *client) act(ctx context.Context, id, body string) {
	c.do(ctx, http.MethodPost, "/v2.1/servers/"+id+"/action", body, nil)
}

// migrate has an operator move a server while it runs.
func (c *client) migrate(ctx context.Context, id string) {
	mine := c.api
	c.api = c.operator
	c.act(ctx, id, `{"os-migrateLive":{"host":null,"block_migration":"auto"}}`)
	c.api = mine
}

func (c *client) attach(ctx context.Context, id string) {
	c.do(ctx, http.MethodPost, "/v2.1/servers/"+id+"/os-interface", `{"interfaceAttachment":{"net_id":"`+networkID+`"}}`, nil)
}

// detach takes one of the server's interfaces away.
func (c *client) detach(ctx context.Context, id string) {
	var list struct {
		InterfaceAttachments []struct {
			PortID string `json:"port_id"`
		} `json:"interfaceAttachments"`
	}
	if c.do(ctx, http.MethodGet, "/v2.1/servers/"+id+"/os-interface", "", &list) != http.StatusOK || len(list.InterfaceAttachments) == 0 {
		return
	}
	port := list.InterfaceAttachments[c.random.IntN(len(list.InterfaceAttachments))].PortID
	c.do(ctx, http.MethodDelete, "/v2.1/servers/"+id+"/os-interface/"+port, "", nil)
}

// broken lists the promises that were not kept, given the servers that there are.
func (p promises) broken(there map[string]bool) (texts []string) {
	for _, id := range slices.Sorted(maps.Keys(p.deleted)) {
		if there[id] {
			texts = append(texts, "server "+id+" was deleted and is there")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.made)) {
		if !there[id] && !p.asked[id] {
			texts = append(texts, "server "+id+" was accepted and is not there")
		}
	}
	return texts
}
