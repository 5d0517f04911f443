package roles

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is what servers are made of.
type world struct {
	image, flavor, network, project string
}

// furnish makes an image and a network with addresses for thousands, and lifts the quotas.
func furnish(c *client) world {
	c.t.Helper()
	w := world{
		image:   c.must("POST", "/image/v2/images", fields{"name": "x", "disk_format": "raw", "container_format": "bare"})["id"].(string),
		flavor:  c.list("/compute/v2.1/flavors", "flavors")[0]["id"].(string),
		network: c.must("POST", "/network/v2.0/networks", fields{"network": fields{"name": "wide"}})["network"].(map[string]any)["id"].(string),
		project: c.list("/identity/v3/projects?name=admin", "projects")[0]["id"].(string),
	}
	c.must("POST", "/network/v2.0/subnets", fields{"subnet": fields{"network_id": w.network, "ip_version": 4, "cidr": "10.64.0.0/18"}})
	c.must("PUT", "/image/v2/images/"+w.image+"/file", make([]byte, 1<<20))
	c.must("PUT", "/compute/v2.1/os-quota-sets/"+w.project, fields{"quota_set": fields{"instances": -1, "cores": -1, "ram": -1}})
	c.must("PUT", "/network/v2.0/quotas/"+w.project, fields{"quota": fields{"port": -1}})
	return w
}

func (w world) server(name string) fields {
	return fields{"server": fields{"name": name, "imageRef": w.image, "flavorRef": w.flavor, "networks": []any{fields{"uuid": w.network}}}}
}

// settled waits until every server is ACTIVE.
func settled(c *client, within time.Duration, count int) {
	c.t.Helper()
	last := ""
	defer func() {
		if c.t.Failed() {
			c.t.Log(last)
		}
	}()
	await(c.t, within, fmt.Sprintf("%d servers are active", count), func() bool {
		active := 0
		servers := c.list("/compute/v2.1/servers/detail?limit=1000", "servers")
		for _, s := range servers {
			if s["status"] == "ACTIVE" {
				active++
			} else {
				last = fmt.Sprint(s["name"], s["status"], s["fault"])
			}
		}
		return active == count && len(servers) == count
	})
}

// vanished waits until no server is left, and nothing that belonged to one.
func vanished(c *client, w world) {
	c.t.Helper()
	await(c.t, 2*time.Minute, "no server is left", func() bool {
		return len(c.list("/compute/v2.1/servers", "servers")) == 0
	})
	for _, port := range c.list("/network/v2.0/ports", "ports") {
		if strings.HasPrefix(port["device_owner"].(string), "compute:") {
			c.t.Errorf("port %v is left of server %v", port["id"], port["device_id"])
		}
	}
	for _, provider := range c.list("/placement/resource_providers", "resource_providers") {
		usages := c.must("GET", fmt.Sprint("/placement/resource_providers/", provider["uuid"], "/usages"), nil)["usages"].(fields)
		for class, used := range usages {
			if used.(float64) != 0 {
				c.t.Errorf("%v of %s are left claimed on %v", used, class, provider["name"])
			}
		}
	}
}

// TestACloudInFourProcesses makes and deletes servers by way of processes of which each has
// a part, and looks at what travels between them.
func TestACloudInFourProcesses(t *testing.T) {
	eachServer(t, func(t *testing.T, f *fleet) {
		whole := f.start("whole", "api")
		part := f.start("part", "api:identity,api:network,conductor")
		f.start("chooser", "scheduler")
		f.start("host", "conductor,node")
		c := part.login()
		w := furnish(c) // the image goes through the process that has none
		other := c.at(whole)

		content := make([]byte, 5<<20)
		_, _ = rand.Read(content)
		id := c.must("POST", "/image/v2/images", fields{"name": "y", "disk_format": "raw", "container_format": "bare"})["id"].(string)
		c.must("PUT", "/image/v2/images/"+id+"/file", content)
		if status, _, got := c.ask("GET", "/image/v2/images/"+id+"/file", nil); status != http.StatusOK || !bytes.Equal(got, content) {
			t.Errorf("an image that was passed on twice: %d, %d bytes", status, len(got))
		}
		status, header, text := c.ask("GET", "/compute/v2.1/servers/none", nil)
		if status != http.StatusNotFound || len(header.Values("X-Openstack-Request-Id")) != 1 || !strings.Contains(string(text), "itemNotFound") {
			t.Errorf("an error that was passed on: %d %v %s", status, header, text)
		}
		if status, _, _ := (&client{t: t, base: part.base}).ask("GET", "/compute/v2.1/servers", nil); status != http.StatusUnauthorized {
			t.Errorf("without a token: %d", status)
		}

		for i := range 6 {
			[]*client{c, other}[i%2].must("POST", "/compute/v2.1/servers", w.server(fmt.Sprint("s", i)))
		}
		settled(c, time.Minute, 6)
		for _, s := range other.list("/compute/v2.1/servers", "servers") {
			c.must("DELETE", fmt.Sprint("/compute/v2.1/servers/", s["id"]), nil)
		}
		vanished(other, w)

		// The events of all services are heard by way of each process.
		for _, p := range []*process{whole, part} {
			_, _, heard := c.at(p).ask("GET", "/events?after=oldest&follow=false", nil)
			for _, what := range []string{"compute:", "network:", "image:", "identity:"} {
				if !strings.Contains(string(heard), what) {
					t.Errorf("%s tells nothing of %s %s", p.name, what, tail(string(heard), 500))
				}
			}
		}

		// A revoked token is void in every process within seconds, also where it was remembered.
		extra := whole.login()
		for _, p := range []*process{whole, part} {
			extra.at(p).must("GET", "/compute/v2.1/flavors", nil)
			extra.at(p).must("GET", "/network/v2.0/networks", nil)
		}
		extra.base = part.base
		r, err := http.NewRequest("DELETE", part.base+"/identity/v3/auth/tokens", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Auth-Token", c.token)
		r.Header.Set("X-Subject-Token", extra.token)
		if answer, err := browser.Do(r); err != nil || answer.StatusCode != http.StatusNoContent {
			t.Fatalf("revoke: %v, %v", answer, err)
		}
		for _, p := range []*process{whole, part} {
			await(t, 8*time.Second, "the revoked token is void at "+p.name, func() bool {
				status, _, _ := extra.at(p).ask("GET", "/network/v2.0/networks", nil)
				return status == http.StatusUnauthorized
			})
		}

		// Nobody is logged out by rotations, and tokens of any process are good everywhere, also
		// when the next rotation comes before all have heard of the last one.
		for range 3 {
			for range 2 {
				f.run("keys", "rotate", "--data-dir", whole.dir)
			}
			fresh := whole.login()
			for _, p := range []*process{whole, part} {
				fresh.at(p).must("GET", "/network/v2.0/networks", nil)
				c.at(p).must("GET", "/compute/v2.1/flavors", nil)
			}
			c = fresh
		}
		if endpoint := fmt.Sprint(c.must("GET", "/identity/v3/endpoints", nil)); !strings.Contains(endpoint, whole.base) || strings.Contains(endpoint, part.base) {
			t.Errorf("the catalog does not name the first process alone: %s", endpoint)
		}
	})
}

// TestAControllerDiesAmongCreates kills one of two conductors while servers are made.
func TestAControllerDiesAmongCreates(t *testing.T) {
	eachServer(t, func(t *testing.T, f *fleet) {
		first := f.start("first", "api,conductor,scheduler")
		second := f.start("second", "api,conductor,scheduler", "--images-dir", first.dir+"/images")
		f.start("host", "node")
		c := second.login()
		w := furnish(c)
		await(t, time.Minute, "the host is there", func() bool {
			return len(c.list("/compute/v2.1/os-hypervisors", "hypervisors")) == 1
		})
		const each = 20
		var mu sync.Mutex
		acknowledged := map[string]bool{}
		var makers sync.WaitGroup
		begun := make(chan struct{}, 2*each)
		for _, p := range []*process{first, second} {
			makers.Go(func() {
				for i := range each {
					status, _, text := c.at(p).ask("POST", "/compute/v2.1/servers", w.server(fmt.Sprint(p.name, i)))
					if status == http.StatusAccepted {
						_, rest, _ := strings.Cut(string(text), `"id":`)
						mu.Lock()
						acknowledged[strings.Trim(strings.SplitN(rest, ",", 2)[0], ` "}`)] = true
						mu.Unlock()
					} else if p == second {
						t.Errorf("the process that lives answers %d %s", status, text)
					}
					begun <- struct{}{}
				}
			})
		}
		for range each { // in the middle of it
			<-begun
		}
		first.kill()
		makers.Wait()
		// What the dead one had begun goes on when its leases have run out. A create whose
		// answer got lost may or may not have been written.
		count := len(c.list("/compute/v2.1/servers?limit=1000", "servers"))
		if count < len(acknowledged) {
			t.Errorf("%d servers were acknowledged, %d are there", len(acknowledged), count)
		}
		settled(c, 3*time.Minute, count)
		ids := map[string]bool{}
		for _, s := range c.list("/compute/v2.1/servers?limit=1000", "servers") {
			ids[s["id"].(string)] = true
		}
		for id := range acknowledged {
			if !ids[id] {
				t.Errorf("server %s was acknowledged and is lost", id)
			}
		}
		// The dead one comes back and takes part.
		first.launch()
		first.ready()
		back := c.at(first)
		for id := range ids {
			back.must("DELETE", "/compute/v2.1/servers/"+id, nil)
		}
		vanished(back, w)
	})
}

// TestProcessesShareAMachine has the roles of one machine in processes of their own, with
// one data folder.
func TestProcessesShareAMachine(t *testing.T) {
	eachServer(t, func(t *testing.T, f *fleet) {
		var all []*process
		dir := ""
		for _, roles := range []string{"api:identity,api:network,api:placement", "api:compute,api:image", "conductor,scheduler", "conductor", "node"} {
			p := f.prepare(strings.NewReplacer(":", "-", ",", "-").Replace(roles), roles)
			p.host = "machine"
			if dir == "" {
				dir = p.dir
			}
			p.dir = dir
			p.launch()
			if len(all) == 0 {
				p.ready() // it makes the key
			}
			all = append(all, p)
		}
		for _, p := range all {
			p.ready()
		}
		c := all[1].login()
		await(t, time.Minute, "the host is there", func() bool {
			return len(c.list("/compute/v2.1/os-hypervisors", "hypervisors")) == 1
		})
		w := furnish(c.at(all[0]))
		for i := range 4 {
			c.must("POST", "/compute/v2.1/servers", w.server(fmt.Sprint("s", i)))
		}
		settled(c, time.Minute, 4)
		second := f.prepare("second", "node")
		second.dir, second.host = dir, "machine"
		if said := second.refused(); !strings.Contains(said, "a node runs in the data folder") {
			t.Errorf("a second node in the folder is told: %s", said)
		}
		// Whoever dies takes its own name again, and goes on at once.
		for _, p := range all[2:4] {
			p.kill()
		}
		for _, s := range c.list("/compute/v2.1/servers", "servers") {
			c.must("DELETE", fmt.Sprint("/compute/v2.1/servers/", s["id"]), nil)
		}
		for _, p := range all[2:4] {
			p.launch()
			p.ready()
		}
		vanished(c, w)
		for _, p := range all {
			if text := p.out.String(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "refuse a controller") {
				t.Errorf("%s has logged errors:\n%s", p.name, tail(text, 3000))
			}
		}
	})
}

// TestMachinesJoin has a controller and a node join by tokens, and takes away the controller
// that let them in.
func TestMachinesJoin(t *testing.T) {
	eachServer(t, func(t *testing.T, f *fleet) {
		f.secure = true
		first := f.start("first", "api,conductor,scheduler", "--tls", "on")
		f.key = "" // the key comes with the token
		second, node := f.prepare("second", "api,conductor,scheduler"), f.prepare("node", "")
		node.base = "http://" + node.address
		f.run("join", first.base, "--token", first.token("controller"), "--role", "controller", "--data-dir", second.dir, "--host", "second")
		second.launch("--tls", "on", "--images-dir", first.dir+"/images")
		second.ready()
		node.join(first, first.token("node"))
		node.ready()
		c := second.login()
		await(t, time.Minute, "the host is there", func() bool {
			return len(c.list("/compute/v2.1/os-hypervisors", "hypervisors")) == 1
		})
		w := furnish(c)
		for i := range 3 {
			c.at(first).must("POST", "/compute/v2.1/servers", w.server(fmt.Sprint("before", i)))
		}
		settled(c, time.Minute, 3)
		first.kill()
		for i := range 3 {
			c.must("POST", "/compute/v2.1/servers", w.server(fmt.Sprint("after", i)))
		}
		settled(c, 2*time.Minute, 6) // by way of the controller that the node did not join at
		for _, s := range c.list("/compute/v2.1/servers", "servers") {
			c.must("DELETE", fmt.Sprint("/compute/v2.1/servers/", s["id"]), nil)
		}
		vanished(c, w)
	})
}

// TestControllersBeginOneCloud starts three at once on an empty database.
func TestControllersBeginOneCloud(t *testing.T) {
	eachServer(t, func(t *testing.T, f *fleet) {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		var all []*process
		for _, name := range []string{"one", "two", "three"} {
			p := f.prepare(name, "api,conductor,scheduler")
			p.putKey(base64.RawURLEncoding.EncodeToString(key))
			all = append(all, p)
		}
		for _, p := range all {
			p.launch()
		}
		for _, p := range all {
			p.ready()
		}
		c := all[0].login()
		for _, p := range all {
			here := p.login()
			for path, want := range map[string]int{
				"users": 1, "projects": 2, "roles": 5, "services": 5, "endpoints": 15, "regions": 1,
			} {
				if got := here.list("/identity/v3/"+path, path); len(got) != want {
					t.Errorf("%s: %d %s, not %d", p.name, len(got), path, want)
				}
			}
			c.at(p).must("GET", "/image/v2/images", nil)
		}
		for path, want := range map[string]int{"networks": 2, "subnets": 2, "routers": 1} {
			if got := c.list("/network/v2.0/"+path, path); len(got) != want {
				t.Errorf("%d %s, not %d", len(got), path, want)
			}
		}
		if got := c.list("/compute/v2.1/flavors", "flavors"); len(got) != 6 {
			t.Errorf("%d flavors", len(got))
		}
	})
}

// TestProcessesThatCannotWorkTogetherAreRefused looks at what each is told.
func TestProcessesThatCannotWorkTogetherAreRefused(t *testing.T) {
	eachServer(t, func(t *testing.T, f *fleet) {
		hermit := f.start("hermit", "api,conductor,scheduler", "--bus", "local")
		if said := f.prepare("late", "api").refused(); !strings.Contains(said, "start it with --bus amqp://") {
			t.Errorf("a process beside one on its own bus is told: %s", said)
		}
		hermit.stop()
		first := f.start("first", "api,conductor,scheduler,node")
		if said := f.prepare("deaf", "api,conductor,scheduler").refused("--bus", "local"); !strings.Contains(said, "need --bus amqp://") {
			t.Errorf("a second process on its own bus is told: %s", said)
		}
		copied := f.prepare("copy", "api")
		if err := os.CopyFS(filepath.Join(copied.dir, "processes"), os.DirFS(filepath.Join(first.dir, "processes"))); err != nil {
			t.Fatal(err)
		}
		if said := copied.refused(); !strings.Contains(said, "is a copy of that host's") {
			t.Errorf("a copied data folder is told: %s", said)
		}
		stranger := f.prepare("stranger", "api")
		stranger.putKey(base64.RawURLEncoding.EncodeToString(make([]byte, 32)))
		if said := stranger.refused(); !strings.Contains(said, "virga join --role controller") {
			t.Errorf("a process with another key is told: %s", said)
		}
		if said := f.prepare("alone", "scheduler").refused("--database", "sqlite:"+t.TempDir()); !strings.Contains(said, "one process alone") {
			t.Errorf("a process on files is told: %s", said)
		}
		if said := f.prepare("wrong", "api,baker").refused(); !strings.Contains(said, `no role "baker"`) {
			t.Errorf("a process with a strange role is told: %s", said)
		}
		for _, said := range []string{f.database, f.bus} {
			if secret := said; strings.Contains(f.prepare("x", "api").refused("--bus", "kafka://x"), secret) {
				t.Error("a password is told")
			}
		}
	})
}
