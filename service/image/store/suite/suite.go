// Package suite is the behaviour that every image store must show.
//
// It owns the tests of the contract in package store. Only tests of stores import it.
package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/service/image/store"
)

// Run tests a store; open gives a fresh, empty one each time it is called.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	RunReader(t, func(t *testing.T, contents map[string][]byte) store.Reader {
		s := open(t)
		for id, content := range contents {
			put(t, s, id, content)
		}
		return s
	})
	for name, test := range map[string]func(*testing.T, store.Store){
		"put is complete": putIsComplete, "put never replaces": putNeverReplaces, "one of many puts wins": oneOfManyPutsWins,
		"limit": limit, "failing reader leaves nothing": failingReader, "ended context leaves nothing": endedContext,
		"nothing is visible before the end": invisibleBeforeTheEnd, "bad ids": badIDs, "delete": deletes,
		"delete while reading": deleteWhileReading, "list": lists, "usage": usage, "sweep spares a running put": sweepSparesRunning,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// RunReader tests the reading half; seed gives a reader that has exactly these contents under these ids.
func RunReader(t *testing.T, seed func(t *testing.T, contents map[string][]byte) store.Reader) {
	content := Content(300_000, 1)
	r := seed(t, map[string][]byte{"full": content, "empty": {}})
	t.Run("ranges", func(t *testing.T) { ranges(t, r, content) })
	t.Run("missing content", func(t *testing.T) {
		if _, _, err := r.Get(t.Context(), "none", 0, store.NoLimit); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get: %v", err)
		}
		if _, err := r.Size(t.Context(), "none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Size: %v", err)
		}
	})
	t.Run("bad ids are not read", func(t *testing.T) {
		for _, id := range hostileIDs() {
			if _, _, err := r.Get(t.Context(), id, 0, store.NoLimit); !errors.Is(err, store.ErrBadID) {
				t.Errorf("Get %q: %v", id, err)
			}
			if _, err := r.Size(t.Context(), id); !errors.Is(err, store.ErrBadID) {
				t.Errorf("Size %q: %v", id, err)
			}
		}
	})
	t.Run("size", func(t *testing.T) {
		for id, want := range map[string]int64{"full": int64(len(content)), "empty": 0} {
			if size, err := r.Size(t.Context(), id); err != nil || size != want {
				t.Errorf("Size %s: %d, %v", id, size, err)
			}
		}
	})
}

// Content returns n bytes that depend on the seed alone.
func Content(n int, seed uint64) []byte {
	var key [32]byte
	key[0] = byte(seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func hostileIDs() []string {
	return []string{"", ".", "..", "../x", "/etc/passwd", "a/b", "a.b", "a\x00b", "a b", "%2e", "ä", "a\n", strings.Repeat("a", 65)}
}

func put(t *testing.T, s store.Store, id string, content []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), id, bytes.NewReader(content), store.NoLimit); err != nil {
		t.Fatalf("Put %s: %v", id, err)
	}
}

func read(t *testing.T, r store.Reader, id string, offset, length int64) ([]byte, int64, error) {
	t.Helper()
	rc, size, err := r.Get(t.Context(), id, offset, length)
	if err != nil {
		return nil, 0, err
	}
	b, err := io.ReadAll(rc)
	return b, size, errors.Join(err, rc.Close())
}

func wantContent(t *testing.T, r store.Reader, id string, want []byte) {
	t.Helper()
	if got, size, err := read(t, r, id, 0, store.NoLimit); err != nil || size != int64(len(want)) || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes of %d, want %d: %v", id, len(got), size, len(want), err)
	}
}

// wantNothing demands that no trace of content is visible.
func wantNothing(t *testing.T, s store.Store) {
	t.Helper()
	entries, err := s.List(t.Context(), "", 10)
	if err != nil || len(entries) != 0 {
		t.Errorf("List: %v, %v; want nothing", entries, err)
	}
	if u, err := s.Usage(t.Context()); err != nil || u.Used != 0 {
		t.Errorf("Usage: %+v, %v; want nothing used", u, err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 0 {
		t.Errorf("Sweep found %d leftovers, %v", n, err)
	}
}

func ranges(t *testing.T, r store.Reader, content []byte) {
	size := int64(len(content))
	for _, c := range []struct{ offset, length, want int64 }{
		{0, store.NoLimit, size}, {0, size, size}, {0, 0, 0}, {0, 1, 1}, {size - 1, 5, 1}, {size, 5, 0},
		{size, store.NoLimit, 0}, {7, 4096, 4096}, {7, store.NoLimit, size - 7}, {0, size + 5, size},
	} {
		got, whole, err := read(t, r, "full", c.offset, c.length)
		if err != nil || whole != size || !bytes.Equal(got, content[c.offset:c.offset+c.want]) {
			t.Errorf("Get from %d, %d bytes: got %d of %d: %v", c.offset, c.length, len(got), whole, err)
		}
		rc, _, err := r.Get(t.Context(), "full", c.offset, c.length)
		if err != nil {
			t.Fatal(err)
		}
		var copied bytes.Buffer
		if _, err := io.Copy(&copied, rc); err != nil || !bytes.Equal(copied.Bytes(), got) {
			t.Errorf("copying from %d, %d bytes: got %d: %v", c.offset, c.length, copied.Len(), err)
		}
		_ = rc.Close()
	}
	for _, offset := range []int64{-1, size + 1} {
		if _, _, err := r.Get(t.Context(), "full", offset, store.NoLimit); !errors.Is(err, store.ErrRange) {
			t.Errorf("Get from %d: %v", offset, err)
		}
	}
	wantContent(t, r, "empty", nil)
}

func putIsComplete(t *testing.T, s store.Store) {
	for _, n := range []int{0, 1, 4096, 5_000_001} {
		id, content := fmt.Sprintf("n-%d", n), Content(n, uint64(n))
		got, err := s.Put(t.Context(), id, bytes.NewReader(content), store.NoLimit)
		if err != nil || got.ID != id || got.Size != int64(n) || !strings.Contains(got.Location, id) {
			t.Errorf("Put %d bytes: %+v, %v", n, got, err)
		}
		wantContent(t, s, id, content)
	}
	// A plain reader without a WriteTo takes the other way through.
	content := Content(700_000, 9)
	if _, err := s.Put(t.Context(), "plain", struct{ io.Reader }{bytes.NewReader(content)}, store.NoLimit); err != nil {
		t.Error(err)
	}
	wantContent(t, s, "plain", content)
}

func putNeverReplaces(t *testing.T, s store.Store) {
	put(t, s, "a", []byte("first"))
	if _, err := s.Put(t.Context(), "a", strings.NewReader("second"), store.NoLimit); !errors.Is(err, store.ErrExists) {
		t.Errorf("second Put: %v", err)
	}
	wantContent(t, s, "a", []byte("first"))
}

func oneOfManyPutsWins(t *testing.T, s store.Store) {
	const writers = 8
	contents := make([][]byte, writers)
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		contents[i] = Content(50_000, uint64(i))
		wg.Go(func() { _, errs[i] = s.Put(t.Context(), "a", bytes.NewReader(contents[i]), store.NoLimit) })
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case !errors.Is(err, store.ErrExists):
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	wantContent(t, s, "a", contents[winner])
}

func limit(t *testing.T, s store.Store) {
	content := Content(100_000, 3)
	for _, n := range []int64{0, 1, 99_999} {
		if _, err := s.Put(t.Context(), "over", bytes.NewReader(content), n); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("limit %d: %v", n, err)
		}
	}
	wantNothing(t, s)
	if _, err := s.Put(t.Context(), "at", bytes.NewReader(content), 100_000); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := s.Put(t.Context(), "none", strings.NewReader(""), 0); err != nil {
		t.Errorf("nothing under a limit of zero: %v", err)
	}
}

var errBroken = errors.New("line is broken")

// brokenAfter yields n bytes and then fails.
func brokenAfter(n int) io.Reader {
	return io.MultiReader(bytes.NewReader(make([]byte, n)), failing{})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

func failingReader(t *testing.T, s store.Store) {
	for _, n := range []int{0, 1, 3_000_000} {
		if _, err := s.Put(t.Context(), "a", brokenAfter(n), store.NoLimit); !errors.Is(err, errBroken) {
			t.Errorf("broken after %d bytes: %v", n, err)
		}
	}
	wantNothing(t, s)
	put(t, s, "a", []byte("again"))
	wantContent(t, s, "a", []byte("again"))
}

// hooked calls do once, before its second read.
type hooked struct {
	io.Reader
	reads int
	do    func()
}

func (h *hooked) Read(p []byte) (int, error) {
	if h.reads++; h.reads == 2 {
		h.do()
	}
	return h.Reader.Read(p[:min(len(p), 1000)])
}

func endedContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &hooked{Reader: bytes.NewReader(Content(10_000, 1)), do: cancel}
	if _, err := s.Put(ctx, "a", r, store.NoLimit); !errors.Is(err, context.Canceled) {
		t.Errorf("Put with a context that ended: %v", err)
	}
	wantNothing(t, s)
}

func invisibleBeforeTheEnd(t *testing.T, s store.Store) {
	r := &hooked{Reader: bytes.NewReader(Content(10_000, 1)), do: func() {
		if _, err := s.Size(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Size in the middle of a Put: %v", err)
		}
		if _, _, err := s.Get(t.Context(), "a", 0, store.NoLimit); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get in the middle of a Put: %v", err)
		}
		if entries, err := s.List(t.Context(), "", 10); err != nil || len(entries) != 0 {
			t.Errorf("List in the middle of a Put: %v, %v", entries, err)
		}
	}}
	if _, err := s.Put(t.Context(), "a", r, store.NoLimit); err != nil || r.reads < 2 {
		t.Errorf("after %d reads: %v", r.reads, err)
	}
}

func badIDs(t *testing.T, s store.Store) {
	for _, id := range hostileIDs() {
		if _, err := s.Put(t.Context(), id, strings.NewReader("x"), store.NoLimit); !errors.Is(err, store.ErrBadID) {
			t.Errorf("Put %q: %v", id, err)
		}
		if err := s.Delete(t.Context(), id); !errors.Is(err, store.ErrBadID) {
			t.Errorf("Delete %q: %v", id, err)
		}
	}
	wantNothing(t, s)
}

func deletes(t *testing.T, s store.Store) {
	put(t, s, "a", []byte("x"))
	put(t, s, "b", []byte("y"))
	for range 2 {
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if _, err := s.Size(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Size after Delete: %v", err)
		}
	}
	wantContent(t, s, "b", []byte("y"))
}

func deleteWhileReading(t *testing.T, s store.Store) {
	content := Content(2_000_000, 1)
	put(t, s, "a", content)
	rc, _, err := s.Get(t.Context(), "a", 0, store.NoLimit)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", Content(2_000_000, 2))
	// The medium may refuse to go on, but must not pass off the new content as the old one.
	if got, err := io.ReadAll(rc); !bytes.HasPrefix(content, got) || err == nil && len(got) != len(content) {
		t.Errorf("read %d bytes that are not the deleted content: %v", len(got), err)
	}
}

func lists(t *testing.T, s store.Store) {
	ids := []string{"-", "0", "A", "B-2", "a", "a-1", "b", "zz"}
	for _, id := range slices.Backward(ids) {
		put(t, s, id, Content(len(id)*10, 1))
	}
	for _, page := range []int{1, 3, 8, 100} {
		var got []string
		for after := ""; ; {
			entries, err := s.List(t.Context(), after, page)
			if err != nil || len(entries) > page {
				t.Fatalf("List after %q: %d entries, %v", after, len(entries), err)
			}
			if len(entries) == 0 {
				break
			}
			for _, e := range entries {
				if e.Size != int64(len(e.ID)*10) || time.Since(e.Modified).Abs() > time.Hour {
					t.Errorf("entry %+v", e)
				}
				got = append(got, e.ID)
			}
			after = got[len(got)-1]
		}
		if !slices.Equal(got, ids) {
			t.Errorf("pages of %d: %v, want %v", page, got, ids)
		}
	}
	if entries, err := s.List(t.Context(), "B", 1); err != nil || len(entries) != 1 || entries[0].ID != "B-2" {
		t.Errorf("List after an id that is not there: %v, %v", entries, err)
	}
}

func usage(t *testing.T, s store.Store) {
	put(t, s, "a", make([]byte, 1000))
	put(t, s, "b", make([]byte, 234))
	u, err := s.Usage(t.Context())
	if err != nil || u.Used != 1234 || u.Free < -1 || u.Capacity < -1 || u.Capacity != -1 && u.Free > u.Capacity {
		t.Errorf("%+v, %v", u, err)
	}
}

func sweepSparesRunning(t *testing.T, s store.Store) {
	content := Content(10_000, 1)
	r := &hooked{Reader: bytes.NewReader(content), do: func() {
		if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 0 {
			t.Errorf("Sweep removed %d: %v", n, err)
		}
	}}
	if _, err := s.Put(t.Context(), "a", r, store.NoLimit); err != nil {
		t.Error(err)
	}
	wantContent(t, s, "a", content)
}
