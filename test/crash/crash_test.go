//go:build crash

package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no positive number", name, text)
	}
	return n
}

// peace is how long a cloud that is left alone may take to bring everything to its end.
const peace = 60 * time.Second

// trial is one run.
type trial struct {
	*testing.T
	cloud  *cloud
	admin  *caller
	count  *counters
	shared *shared
	actors []*actor
	// before is what the fresh cloud holds.
	before   *world
	problems *problems
}

// engines are those that the environment names; all without a name.
func engines(t *testing.T) []string {
	t.Helper()
	known := []string{"sqlite", "postgres", "mysql"}
	named := strings.FieldsFunc(os.Getenv("ENGINES"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(named) == 0 {
		return known
	}
	for _, engine := range named {
		if !slices.Contains(known, engine) {
			t.Fatalf("ENGINES: %q is none of %v", engine, known)
		}
	}
	return named
}

// least is how many servers are made and deleted for a kill, at least.
const least = 3

func TestKillsAtRandom(t *testing.T) {
	kills, number := setting(t, "KILLS", 100), setting(t, "ACTORS", 5)
	seed := uint64(setting(t, "SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("SEED=%d KILLS=%d ACTORS=%d", seed, kills, number)
	for _, engine := range engines(t) {
		t.Run(engine, func(t *testing.T) { kill(t, engine, kills, number, seed) })
	}
}

// kill is a run on one engine.
func kill(t *testing.T, engine string, kills, number int, seed uint64) {
	tr := &trial{T: t, cloud: newCloud(t, engine), count: &counters{}, problems: &problems{}}
	tr.furnish(number, seed)
	stop := tr.work()
	began := time.Now()
	enough := func() bool { return tr.count.made.Load()+tr.count.deleted.Load() >= int64(least*kills) }
	err := tr.cloud.killAgainAndAgain(t, kills, rand.New(rand.NewPCG(seed, 0)), enough)
	stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills in %s, the database away %d times: %s", tr.cloud.kills, time.Since(began).Round(time.Second), tr.cloud.outages, tr.count)
	if tr.count.unknown.Load() < int64(kills/10) {
		t.Errorf("only %d requests were cut off by %d kills: the test does not meet its moments", tr.count.unknown.Load(), kills)
	}
	if !enough() {
		t.Errorf("too few servers were made and deleted by %d kills", tr.cloud.kills)
	}
	tr.end()
}

// work has the actors make moves until stop is called, which waits for them.
func (tr *trial) work() (stop func()) {
	done := make(chan struct{})
	var working sync.WaitGroup
	for _, a := range tr.actors {
		working.Go(func() { a.work(done) })
	}
	return func() {
		close(done)
		working.Wait()
	}
}

// end looks whether all is as it was promised, and clears up.
func (tr *trial) end() {
	tr.Helper()
	tr.settle()
	tr.keepPromises()
	tr.clear()
	for _, problem := range tr.problems.list {
		tr.Error(problem)
	}
}

// ok ends the test when what it needs fails.
func (tr *trial) ok(err error) {
	tr.Helper()
	if err != nil {
		for _, problem := range tr.problems.list {
			tr.Error(problem)
		}
		tr.Fatal(err)
	}
}

// furnish starts the cloud and makes what all need, in peace.
func (tr *trial) furnish(number int, seed uint64) {
	tr.Helper()
	tr.ok(tr.cloud.start())
	tr.ok(tr.cloud.awaitReady())
	base := "http://" + tr.cloud.address
	tr.admin = newCaller(base, tr.count)
	tr.ok(tr.admin.logIn("admin", adminPassword, "admin"))
	var err error
	tr.before, err = tr.cloud.look(tr.admin)
	tr.ok(err)
	tr.shared = &shared{}
	var flavor struct{ Flavor struct{ ID string } }
	tr.ok(tr.admin.must(http.MethodPost, "/compute/v2.1/flavors", map[string]any{"flavor": map[string]any{
		"name": "crash", "vcpus": flavorVCPUs, "ram": flavorMemory, "disk": flavorDisk}}, &flavor))
	tr.shared.flavor = flavor.Flavor.ID
	var image struct{ ID string }
	tr.ok(tr.admin.must(http.MethodPost, "/image/v2/images", map[string]any{
		"name": "system", "disk_format": "raw", "container_format": "bare", "visibility": "public"}, &image))
	tr.shared.image = image.ID
	tr.ok(tr.admin.must(http.MethodPut, "/image/v2/images/"+image.ID+"/file", &slowly{[]byte(strings.Repeat("a small system\n", 1000))}, nil))
	var networks struct{ Networks []struct{ ID string } }
	tr.ok(tr.admin.must(http.MethodGet, "/network/v2.0/networks?name=public", nil, &networks))
	tr.shared.public = networks.Networks[0].ID
	var roles struct{ Roles []struct{ ID string } }
	tr.ok(tr.admin.must(http.MethodGet, "/identity/v3/roles?name=member", nil, &roles))
	for i := range number {
		a := &actor{caller: newCaller(base, tr.count), name: fmt.Sprintf("actor%d", i), password: fmt.Sprintf("password of actor %d", i),
			chance: rand.New(rand.NewPCG(seed, uint64(i+1))), shared: tr.shared, problems: tr.problems, lag: tr.cloud.lag}
		tr.invite(a, i, roles.Roles[0].ID)
		tr.actors = append(tr.actors, a)
	}
}

// invite makes the actor's account, project and network with a router.
func (tr *trial) invite(a *actor, number int, role string) {
	tr.Helper()
	var project struct{ Project struct{ ID string } }
	tr.ok(tr.admin.must(http.MethodPost, "/identity/v3/projects", map[string]any{"project": map[string]string{"name": a.name, "domain_id": "default"}}, &project))
	a.project = project.Project.ID
	var user struct{ User struct{ ID string } }
	tr.ok(tr.admin.must(http.MethodPost, "/identity/v3/users", map[string]any{"user": map[string]string{
		"name": a.name, "domain_id": "default", "password": a.password}}, &user))
	tr.ok(tr.admin.must(http.MethodPut, "/identity/v3/projects/"+a.project+"/users/"+user.User.ID+"/roles/"+role, nil, nil))
	tr.ok(a.logIn(a.name, a.password, a.name))
	var network struct{ Network struct{ ID string } }
	tr.ok(a.must(http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]string{"name": a.name}}, &network))
	a.network = network.Network.ID
	var subnet struct{ Subnet struct{ ID string } }
	tr.ok(a.must(http.MethodPost, "/network/v2.0/subnets", map[string]any{"subnet": map[string]any{
		"network_id": a.network, "ip_version": 4, "cidr": fmt.Sprintf("10.%d.0.0/24", 100+number)}}, &subnet))
	a.subnet = subnet.Subnet.ID
	var router struct{ Router struct{ ID string } }
	tr.ok(a.must(http.MethodPost, "/network/v2.0/routers", map[string]any{"router": map[string]any{
		"name": a.name, "external_gateway_info": map[string]string{"network_id": tr.shared.public}}}, &router))
	a.router = router.Router.ID
	tr.ok(a.must(http.MethodPut, "/network/v2.0/routers/"+a.router+"/add_router_interface", map[string]string{"subnet_id": a.subnet}, nil))
}

// await looks until check finds nothing any more.
func (tr *trial) await(what string, check func() ([]string, error)) {
	tr.Helper()
	began := time.Now()
	for {
		found, err := check()
		tr.ok(err)
		if len(found) == 0 {
			tr.Logf("%s: after %s", what, time.Since(began).Round(100*time.Millisecond))
			return
		}
		if time.Since(began) > peace {
			tr.Errorf("%s: not within %s:\n%s", what, peace, strings.Join(found[:min(len(found), maxProblems)], "\n"))
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}

// settle waits until no operation is unfinished and all views are the same.
func (tr *trial) settle() {
	tr.Helper()
	tr.await("no operation is unfinished", func() ([]string, error) {
		var body struct {
			Operations []struct {
				ID, Kind, State, Step string
				Tries                 int
				LastError             string `json:"last_error"`
				Resource              string `json:"resource_id"`
			}
		}
		err := tr.admin.read("/compute/internal/operations?unfinished=true", &body)
		var left []string
		for _, o := range body.Operations {
			left = append(left, fmt.Sprintf("%s of %s is %s in step %s after %d tries: %s (%s)", o.Kind, o.Resource, o.State, o.Step, o.Tries, o.LastError, o.ID))
		}
		return left, err
	})
	tr.await("all views are the same", tr.compare)
	out, err := exec.CommandContext(tr.Context(), tr.cloud.binary, "op", "list", "--data-dir", tr.cloud.dir).CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != 1 {
		tr.Errorf("virga op list says: %v\n%s", err, out)
	}
}

func (tr *trial) compare() ([]string, error) {
	w, err := tr.cloud.look(tr.admin)
	if err != nil {
		return nil, err
	}
	found := w.differences()
	for _, a := range tr.actors {
		differences, err := w.quotas(tr.admin, a.project)
		if err != nil {
			return nil, err
		}
		found = append(found, differences...)
	}
	return found, nil
}

// clear deletes everything and looks whether the cloud is as empty as it was.
func (tr *trial) clear() {
	tr.Helper()
	w, err := tr.cloud.look(tr.admin)
	tr.ok(err)
	for _, s := range w.servers {
		tr.remove("/compute/v2.1/servers/" + s.ID)
	}
	tr.await("no server is left", func() ([]string, error) {
		now, err := tr.cloud.look(tr.admin)
		if err != nil {
			return nil, err
		}
		var left []string
		for _, s := range now.servers {
			left = append(left, "server "+s.ID+" is "+s.Status+" "+s.task())
		}
		return left, nil
	})
	for _, f := range w.addresses {
		tr.remove("/network/v2.0/floatingips/" + f.ID)
	}
	for _, a := range tr.actors {
		for _, p := range a.ports {
			if !p.gone {
				tr.remove("/network/v2.0/ports/" + p.id)
			}
		}
		tr.ok(a.must(http.MethodPut, "/network/v2.0/routers/"+a.router+"/remove_router_interface", map[string]string{"subnet_id": a.subnet}, nil))
		tr.remove("/network/v2.0/routers/" + a.router)
		tr.remove("/network/v2.0/networks/" + a.network) // it has a port left if an address was forgotten
	}
	for _, i := range w.images {
		tr.remove("/image/v2/images/" + i.ID)
	}
	tr.await("the cloud is as empty as it was", func() ([]string, error) {
		now, err := tr.cloud.look(tr.admin)
		if err != nil {
			return nil, err
		}
		c := &comparison{}
		c.same("the cloud now", now.everything(), "the fresh cloud", tr.before.everything())
		return append(c.differences, now.differences()...), nil
	})
}

func (tr *trial) remove(path string) {
	tr.Helper()
	if err := tr.admin.must(http.MethodDelete, path, nil, nil); err != nil && !errors.Is(err, errUnknown) {
		tr.Error(err)
	}
}

// everything lists what a world holds.
func (w *world) everything() set {
	all := set{}
	for _, s := range w.servers {
		all.add("server %s", s.ID)
	}
	for _, p := range w.ports {
		all.add("port %s", p.ID)
	}
	for _, f := range w.addresses {
		all.add("floating IP %s", f.ID)
	}
	for _, i := range w.images {
		all.add("image %s", i.ID)
	}
	for consumer := range w.given {
		all.add("allocation of %s", consumer)
	}
	for id := range w.guests {
		all.add("guest %s", id)
	}
	for id := range w.fabric {
		all.add("port %s of the data plane", id)
	}
	for _, hash := range w.contents {
		all.add("image content %s", hash)
	}
	for _, name := range w.incoming {
		all.add("unfinished upload %s", name)
	}
	return all
}
