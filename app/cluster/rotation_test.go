package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"virga/app/cluster"
	"virga/core/clock"
	"virga/core/db"
)

// keyIn is the cluster key in a data folder.
func keyIn(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(cluster.KeyPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tells is what a process finds as a secret that is there.
func tells(t *testing.T, c *cluster.Cluster, name string) string {
	t.Helper()
	text, err := c.Secret(t.Context(), name, func() ([]byte, error) { return nil, errors.New("the secret is not there") })
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func grow(t *testing.T, c *cluster.Cluster, name, by string) {
	t.Helper()
	if err := c.ChangeSecret(t.Context(), name, func(old []byte) ([]byte, error) { return append(old, by...), nil }); err != nil {
		t.Error(err)
	}
}

// TestTheClusterKeyIsRotated has processes that run, and folders that were away, follow two rotations.
func TestTheClusterKeyIsRotated(t *testing.T) {
	p := newPlace(t)
	first := t.TempDir()
	here := p.must(first)
	grow(t, here, "x", "one")
	second, away, lost := keyed(t, first), keyed(t, first), keyed(t, first)
	there := p.must(second)
	former := keyIn(t, first)
	for range 2 {
		before := keyIn(t, first)
		if err := here.RotateKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		if keyIn(t, first) == before || here.Key().Reveal()+"\n" != keyIn(t, first) {
			t.Error("the folder has the former key")
		}
	}
	if got := tells(t, there, "x"); got != "one" || keyIn(t, second) != keyIn(t, first) {
		t.Errorf("who runs reads %q", got)
	}
	grow(t, there, "y", "made after it")
	grow(t, there, "x", "+two")
	if got := tells(t, p.must(away), "x"); got != "one+two" || keyIn(t, away) != keyIn(t, first) || keyIn(t, away) == former {
		t.Errorf("who was away reads %q", got)
	}
	if got := tells(t, here, "y"); got != "made after it" {
		t.Errorf("a secret from afterwards is %q", got)
	}
	if count, err := here.RetireKeys(t.Context()); err != nil || count != 2 {
		t.Errorf("retired %d, %v", count, err)
	}
	if _, err := p.open(lost); !errors.Is(err, cluster.ErrKey) {
		t.Errorf("a folder with a key that was retired: %v", err)
	}
	if got := tells(t, p.must(second), "x"); got != "one+two" {
		t.Errorf("after it a process reads %q", got)
	}
}

// TestWhoIsBehindIsWaitedFor keeps former keys while a process has one in its folder.
func TestWhoIsBehindIsWaitedFor(t *testing.T) {
	p := newPlace(t)
	first := t.TempDir()
	here := p.must(first)
	there := p.must(keyed(t, first))
	process := cluster.Process{ID: "p", Host: "elsewhere", Roles: "conductor", Version: "v9"}
	if err := there.Announce(t.Context(), process); err != nil {
		t.Fatal(err)
	}
	if err := here.RotateKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := here.RetireKeys(t.Context()); !errors.Is(err, cluster.ErrBehind) || !strings.Contains(fmt.Sprint(err), "conductor on elsewhere (v9)") {
		t.Errorf("retired though a process is behind: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { _ = there.FollowKey(ctx) })
	for count := 0; count == 0; { // as its signs of life do
		if err := there.Announce(t.Context(), process); err != nil {
			t.Fatal(err)
		}
		count, _ = here.RetireKeys(t.Context())
	}
	cancel()
	following.Wait()
	// A process of a release that cannot follow.
	err := p.db().Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE processes SET key_id = ''")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	before := keyIn(t, first)
	if err := here.RotateKey(t.Context()); !errors.Is(err, cluster.ErrBehind) || keyIn(t, first) != before {
		t.Errorf("rotated though a process cannot follow: %v", err)
	}
}

// TestARotationThatIsCutOff dies before, and right after, the write that makes it.
func TestARotationThatIsCutOff(t *testing.T) {
	death := errors.New("dead")
	for name, cut := range map[string]struct {
		interception db.Interception
		happened     bool
	}{
		"before it is written": {db.Interception{Begin: func(_ context.Context, write bool) error {
			if write {
				return death
			}
			return nil
		}}, false},
		"when it is written": {db.Interception{Committed: func(_ context.Context, write bool) error {
			if write {
				return death
			}
			return nil
		}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			dir := t.TempDir()
			grow(t, p.must(dir), "x", "one")
			former := keyIn(t, dir)
			other := keyed(t, dir)
			dying := p.dying(dir, cut.interception)
			if err := dying.RotateKey(t.Context()); !errors.Is(err, death) || keyIn(t, dir) != former {
				t.Errorf("%v, and the folder has another key: %v", err, keyIn(t, dir) != former)
			}
			for _, d := range []string{dir, other} {
				if got := tells(t, p.must(d), "x"); got != "one" || (keyIn(t, d) != former) != cut.happened {
					t.Errorf("afterwards a process reads %q, with another key: %v", got, keyIn(t, d) != former)
				}
			}
		})
	}
}

// dying is a process in a folder, already started, whose database is as interception has it.
func (p *place) dying(dir string, interception db.Interception) *cluster.Cluster {
	p.t.Helper()
	begun := false
	guarded := db.Interception{
		Begin: func(ctx context.Context, write bool) error {
			if begun && interception.Begin != nil {
				return interception.Begin(ctx, write)
			}
			return nil
		},
		Committed: func(ctx context.Context, write bool) error {
			if begun && interception.Committed != nil {
				return interception.Committed(ctx, write)
			}
			return nil
		},
	}
	c, err := cluster.Open(p.t.Context(), cluster.Config{DB: p.db().Intercepted(guarded), Bus: p.bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), DataDir: dir})
	if err != nil {
		p.t.Fatal(err)
	}
	begun = true
	return c
}

// TestRotationsAndChangesAtOnce has processes change secrets while two of them rotate the key.
func TestRotationsAndChangesAtOnce(t *testing.T) {
	p := newPlace(t)
	seed := t.TempDir()
	p.must(seed)
	const processes, changes = 4, 5
	var all sync.WaitGroup
	dirs := make([]string, processes)
	for i := range dirs {
		dirs[i] = keyed(t, seed)
		c := p.must(dirs[i])
		all.Go(func() {
			for n := range changes {
				grow(t, c, "shared", "x")
				grow(t, c, fmt.Sprint("own", i), "x")
				if i < 2 && n%2 == 0 {
					if err := c.RotateKey(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	for i, dir := range dirs {
		c := p.must(dir)
		if shared, own := tells(t, c, "shared"), tells(t, c, fmt.Sprint("own", i)); len(shared) != processes*changes || len(own) != changes {
			t.Errorf("of the changes %d and %d are there", len(shared), len(own))
		}
		if keyIn(t, dir) != keyIn(t, dirs[0]) {
			t.Error("folders have different keys")
		}
	}
}
