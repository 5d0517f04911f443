package roles

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clusterKey is the cluster key in a process's data folder.
func (p *process) clusterKey() string {
	p.fleet.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "secrets", "cluster-key"))
	if err != nil {
		p.fleet.t.Fatal(err)
	}
	return string(text)
}

// TestTheClusterKeyIsRotatedBesideControllers rotates it while one of three is off, and one is killed at
// that moment.
func TestTheClusterKeyIsRotatedBesideControllers(t *testing.T) {
	eachServer(t, func(t *testing.T, f *fleet) {
		first := f.start("first", "api,conductor,scheduler")
		second := f.start("second", "api:identity,conductor")
		third := f.start("third", "api:identity")
		c := first.login()
		former := first.clusterKey()
		lost := f.prepare("lost", "scheduler")
		third.stop()
		f.run("keys", "rotate", "--cluster", "--data-dir", first.dir)
		second.kill()
		fresh := first.clusterKey()
		if fresh == former {
			t.Fatal("the command has left the former key in its folder")
		}
		for _, p := range []*process{second, third} {
			p.launch()
			p.ready()
			if p.clusterKey() != fresh {
				t.Errorf("%s has another key", p.name)
			}
		}
		// Nobody is logged out, keys of tokens are rotated under the new key, and whoever runs follows.
		f.run("keys", "rotate", "--data-dir", second.dir)
		late := third.login()
		for _, p := range []*process{first, second, third} {
			for _, who := range []*client{c, late} {
				who.at(p).must("GET", "/identity/v3/projects", nil)
			}
		}
		f.run("keys", "rotate", "--cluster", "--data-dir", third.dir)
		await(t, time.Minute, "all have the second key", func() bool {
			return first.clusterKey() == third.clusterKey() && second.clusterKey() == third.clusterKey() && third.clusterKey() != fresh
		})
		await(t, time.Minute, "former keys can be retired", func() bool {
			said, err := f.try("keys", "retire", "--cluster", "--data-dir", first.dir)
			if err != nil && !strings.Contains(said, "have another cluster key") {
				t.Fatal(said)
			}
			return err == nil
		})
		if said := lost.refused(); !strings.Contains(said, "copy the file secrets/cluster-key") {
			t.Errorf("a controller with a key that was retired is told: %s", said)
		}
		if status, _, _ := c.at(second).ask("GET", "/identity/v3/projects", nil); status != http.StatusOK {
			t.Errorf("a token from the beginning: %d", status)
		}
	})
}
