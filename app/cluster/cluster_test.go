package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"virga/app/cluster"
	"virga/app/folder"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// place is a database with the folders that meet it.
type place struct {
	t   *testing.T
	url string
	bus bus.Bus
}

func newPlace(t *testing.T) *place { return &place{t, dbtest.URL(t, dbtest.Engine(t)), bus.NewLocal()} }

func (p *place) db() *db.DB {
	p.t.Helper()
	d, err := db.Open(p.t.Context(), p.url)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = d.Close() })
	return d
}

func (p *place) open(dir string) (*cluster.Cluster, error) {
	p.t.Helper()
	return cluster.Open(p.t.Context(), cluster.Config{DB: p.db(), Bus: p.bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), DataDir: dir})
}

func (p *place) must(dir string) *cluster.Cluster {
	p.t.Helper()
	c, err := p.open(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// keyed is a new folder with the key of another.
func keyed(t *testing.T, from string) string {
	t.Helper()
	text, err := os.ReadFile(cluster.KeyPath(from))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := folder.Write(cluster.KeyPath(dir), text); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWhoHasTheKeyIsInTheCloud(t *testing.T) {
	p := newPlace(t)
	first := t.TempDir()
	cloud := p.must(first)
	if again := p.must(first); again.ID() != cloud.ID() || len(cloud.ID()) == 0 {
		t.Errorf("the cloud %s is %s at the second start", cloud.ID(), again.ID())
	}
	if second := p.must(keyed(t, first)); second.ID() != cloud.ID() {
		t.Errorf("a folder with the key is in the cloud %s", second.ID())
	}
	stranger := t.TempDir()
	if _, err := p.open(stranger); !errors.Is(err, cluster.ErrKey) {
		t.Errorf("a folder without the key: %v", err)
	}
	if entries, err := os.ReadDir(stranger); err != nil || len(entries) != 0 {
		t.Errorf("a refused folder holds %v, %v", entries, err)
	}
	other := t.TempDir()
	newPlace(t).must(other)
	if _, err := p.open(other); !errors.Is(err, cluster.ErrKey) {
		t.Errorf("a folder of another cloud: %v", err)
	}
	if _, err := newPlace(t).open(first); err == nil || !strings.Contains(err.Error(), "empty database") {
		t.Errorf("a folder with an empty database: %v", err)
	}
	if err := os.Chmod(cluster.KeyPath(first), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(first); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key that others read: %v", err)
	}
}

// TestFormerOwnersComeIn has a database that knows its data folder by the id in a file.
func TestFormerOwnersComeIn(t *testing.T) {
	p := newPlace(t)
	owner, other := t.TempDir(), t.TempDir()
	p.must(owner) // for the tables
	err := p.db().Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM clouds")
		if err == nil {
			_, err = tx.Exec("INSERT INTO data_folders (place, folder_id) VALUES (1, 'former')")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(owner, "secrets")); err != nil {
		t.Fatal(err)
	}
	if err := folder.Write(filepath.Join(owner, "secrets", "database-owner"), []byte("former\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(other); !errors.Is(err, cluster.ErrKey) || !strings.Contains(err.Error(), "start that one first") {
		t.Errorf("another folder: %v", err)
	}
	cloud := p.must(owner)
	if again := p.must(owner); again.ID() != cloud.ID() {
		t.Error("it is another cloud at the second start")
	}
	if _, err := p.open(keyed(t, owner)); err != nil {
		t.Errorf("a second controller: %v", err)
	}
}

// TestManyFoundOneCloud has processes with the same key meet an empty database at once.
func TestManyFoundOneCloud(t *testing.T) {
	p := newPlace(t)
	seed := t.TempDir()
	newPlace(t).must(seed)
	var wg sync.WaitGroup
	ids, secrets := make([]string, 4), make([]string, 4)
	for i := range ids {
		dir := keyed(t, seed)
		wg.Go(func() {
			c, err := p.open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = c.ID()
			text, err := c.Secret(t.Context(), "x", func() ([]byte, error) { return []byte(fmt.Sprint("of ", i)), nil })
			if err != nil {
				t.Error(err)
			}
			fact, err := c.Fact(t.Context(), "y", fmt.Sprint(i))
			if err != nil {
				t.Error(err)
			}
			secrets[i] = string(text) + fact
		})
	}
	wg.Wait()
	for i := range ids {
		if ids[i] != ids[0] || secrets[i] != secrets[0] {
			t.Errorf("clouds %v, secrets %v", ids, secrets)
		}
	}
}

func TestSecretsAreSealed(t *testing.T) {
	p := newPlace(t)
	c := p.must(t.TempDir())
	const text = "the very secret thing"
	for _, name := range []string{"a", "b"} {
		if _, err := c.Secret(t.Context(), name, func() ([]byte, error) { return []byte(text + name), nil }); err != nil {
			t.Fatal(err)
		}
	}
	var sealed []string
	err := p.db().Write(t.Context(), func(tx *db.Tx) error {
		if err := tx.Select(&sealed, "SELECT sealed FROM sealed_secrets ORDER BY name"); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE sealed_secrets SET sealed = ? WHERE name = 'b'", sealed[0])
		return err
	})
	if err != nil || len(sealed) != 2 || bytes.Contains([]byte(sealed[0]), []byte("secret")) {
		t.Fatalf("%q, %v", sealed, err)
	}
	mint := func() ([]byte, error) { return nil, errors.New("it is there") }
	if got, err := c.Secret(t.Context(), "a", mint); err != nil || string(got) != text+"a" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := c.Secret(t.Context(), "b", mint); err == nil {
		t.Errorf("a secret in another's place is taken for it: %q", got)
	}
}

// TestSecretsAreFollowed has a process change what another one follows.
func TestSecretsAreFollowed(t *testing.T) {
	p := newPlace(t)
	dir := t.TempDir()
	here, there := p.must(dir), p.must(dir)
	if _, err := here.Secret(t.Context(), "x", func() ([]byte, error) { return []byte("one"), nil }); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = there.Follow("x", func(text []byte) error { seen <- string(text); return nil }).Run(ctx)
	})
	if got := <-seen; got != "one" {
		t.Errorf("saw %q first", got)
	}
	err := here.ChangeSecret(t.Context(), "x", func(old []byte) ([]byte, error) { return append(old, "+two"...), nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "one+two" {
		t.Errorf("saw %q then", got)
	}
	cancel()
	wg.Wait()
}

// TestALookSeesWhatWasThere asks for looks without bells and timers, many at once.
func TestALookSeesWhatWasThere(t *testing.T) {
	p := newPlace(t)
	dir := t.TempDir()
	here, there := p.must(dir), p.must(dir)
	var known atomic.Pointer[string]
	follower := there.Follow("x", func(text []byte) error {
		now := string(text)
		known.Store(&now)
		return nil
	})
	if err := follower.Look(t.Context()); err != nil || known.Load() != nil {
		t.Errorf("a look at no secret: %v", err)
	}
	for i := range 3 {
		want := fmt.Sprint(i)
		if err := here.ChangeSecret(t.Context(), "x", func([]byte) ([]byte, error) { return []byte(want), nil }); err != nil {
			t.Fatal(err)
		}
		var askers sync.WaitGroup
		for range 20 {
			askers.Go(func() {
				if err := follower.Look(t.Context()); err != nil || *known.Load() != want {
					t.Errorf("after the change to %s a look has seen %s, %v", want, *known.Load(), err)
				}
			})
		}
		askers.Wait()
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := follower.Look(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a look for nobody: %v", err)
	}
}

func TestProcessesAreSeen(t *testing.T) {
	p := newPlace(t)
	now := clock.NewSeeded(1, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	c, err := cluster.Open(t.Context(), cluster.Config{DB: p.db(), Bus: p.bus, Clock: now, Log: slog.New(slog.DiscardHandler), DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	names := func() (list []string) {
		t.Helper()
		living, err := c.Living(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range living {
			list = append(list, p.ID)
		}
		return list
	}
	announce := func(id string) {
		t.Helper()
		if err := c.Announce(t.Context(), cluster.Process{ID: id, Services: []string{"identity", "image"}, Address: "a:1"}); err != nil {
			t.Fatal(err)
		}
	}
	announce("old")
	now.Advance(10 * time.Second)
	announce("new")
	if got := fmt.Sprint(names()); got != "[new old]" {
		t.Errorf("living: %s", got)
	}
	now.Advance(10 * time.Second)
	living, err := c.Living(t.Context())
	if err != nil || len(living) != 1 || !living[0].Serves("image") || living[0].Serves("compute") {
		t.Errorf("living: %+v, %v", living, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Beat(ctx, living[0]); err != nil {
		t.Fatal(err)
	}
	c.Look()
	if got := names(); len(got) != 0 {
		t.Errorf("living after the end: %v", got)
	}
}
