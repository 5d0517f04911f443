package image

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"log/slog"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/work"
	"virga/core/work/worktest"
	"virga/service/image/store"
	"virga/service/image/store/file"
)

// TestOperations proves of every kind that nothing is lost and nothing is left, whatever
// happens at whichever border of a step.
func TestOperations(t *testing.T) {
	worktest.Run(t, newArchive, worktest.Subject[*archive]{Kind: opImport, Start: func(a *archive) string {
		id := a.c.image(alice(), "")
		a.c.must(202, alice(), "POST", "/v2/images/"+id+"/import", `{"method":{"name":"web-download","uri":"http://source/"},"all_stores":true}`)
		return id
	}}, worktest.Subject[*archive]{Kind: opLocation, Start: func(a *archive) string {
		id := a.c.image(alice(), "")
		a.c.must(202, alice(), "POST", "/v2/images/"+id+"/locations", `{"url":"http://source/"}`)
		return id
	}})
}

// archive is an image service over two stores in folders, and a source that can be cut off.
type archive struct {
	second store.Store
	c      *cloud
	die    func()
	mu     sync.Mutex
	hook   worktest.Hook
	cut    bool
}

func newArchive(t *testing.T, d *db.DB) *archive {
	t.Helper()
	var stores [2]store.Store
	for i := range stores {
		contents, err := file.Open(t.TempDir(), clock.System{}.ID)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = contents.Close() })
		stores[i] = contents
	}
	a := &archive{second: stores[1]}
	deps := Deps{DB: d, Bus: bus.NewLocal(), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Endpoint: "http://cloud/image",
		Auth: tokens{}, Owner: "test", Store: stores[0], MoreStores: []NamedStore{{Name: "second", Store: stores[1]}}, Source: a, Remote: a, Hook: a.called}
	a.c = &cloud{t: t, db: d, store: stores[0], clock: deps.Clock}
	s, err := New(t.Context(), deps)
	if err != nil {
		t.Fatal(err)
	}
	a.c.s = s
	a.Live()
	t.Cleanup(func() { a.die() })
	return a
}

// CheckURL implements Source.
func (a *archive) CheckURL(string) error { return nil }

// Open implements Source.
func (a *archive) Open(context.Context, string) (io.ReadCloser, int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut {
		return nil, 0, errors.New("nobody answers")
	}
	return io.NopCloser(strings.NewReader("content")), -1, nil
}

// Size implements Remote.
func (a *archive) Size(context.Context, string) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut {
		return 0, errors.New("nobody answers")
	}
	return int64(len("content")), nil
}

// OpenRange implements Remote.
func (a *archive) OpenRange(ctx context.Context, rawURL string, offset, length, _ int64) (io.ReadCloser, error) {
	body, _, err := a.Open(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, body, offset); err != nil {
		return nil, err
	}
	return io.NopCloser(io.LimitReader(body, length)), nil
}

func (a *archive) called(o work.Operation, undo, after bool) error {
	a.mu.Lock()
	hook := a.hook
	a.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(o, undo, after)
}

func (a *archive) Engine() *work.Engine { return a.c.s.engine }
func (a *archive) DB() *db.DB           { return a.c.db }
func (a *archive) Die()                 { a.die() }
func (a *archive) Cut(string)           { a.setCut(true) }
func (a *archive) Mend()                { a.setCut(false) }

func (a *archive) setCut(cut bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut = cut
}

func (a *archive) SetHook(hook worktest.Hook) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hook = hook
}

func (a *archive) Live() {
	s, err := New(context.Background(), a.c.s.deps)
	if err != nil {
		a.c.t.Fatal(err)
	}
	a.c.s = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	a.die = func() { cancel(); <-done; a.die = func() {} }
}

func (a *archive) Delete(resource string) {
	if w := a.c.do(alice(), "DELETE", "/v2/images/"+resource, nil); w.Code != 204 && w.Code != 404 {
		a.c.t.Errorf("delete: %d %s", w.Code, w.Body)
	}
}

// Views are the contents that belong to images, and those that are stored.
func (a *archive) Views() (known, world worktest.Set) {
	known, world = worktest.Set{}, worktest.Set{}
	if err := a.c.db.Read(context.Background(), func(tx *db.Tx) error {
		list, err := listContents(tx, contentKept, "", 100)
		for _, c := range list {
			known["content "+c.ID] = true
		}
		return err
	}); err != nil {
		a.c.t.Error(err)
	}
	for _, kept := range []store.Store{a.c.store, a.second} {
		list, err := kept.List(context.Background(), "", 100)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			a.c.t.Error(err)
		}
		for _, entry := range list {
			world["content "+entry.ID] = true
		}
	}
	return known, world
}

func (a *archive) Transitional() []string {
	var ids []string
	if err := a.c.db.Read(context.Background(), func(tx *db.Tx) error {
		return tx.Select(&ids, "SELECT id FROM images WHERE status = ? OR importing_to <> ''", statusImporting)
	}); err != nil {
		a.c.t.Error(err)
	}
	return ids
}
