package feed_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/feed"
)

func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func open(t *testing.T, engine string) *db.DB {
	t.Helper()
	d := dbtest.OpenEngine(t, engine)
	if err := d.Migrate(t.Context(), "feed", feed.Migrations()); err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func record(t *testing.T, d *db.DB, id string, at time.Time) {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		return feed.Record(tx, feed.Change{At: at, Kind: "server", ID: id, Action: "create"})
	})
}

// after returns the ids and the last number.
func after(t *testing.T, d *db.DB, seq int64, limit int) (ids []string, last int64) {
	t.Helper()
	entries, err := feed.After(t.Context(), d, seq, limit)
	if err != nil {
		t.Fatal(err)
	}
	last = seq
	for _, e := range entries {
		if e.Seq <= last {
			t.Errorf("number %d comes after %d", e.Seq, last)
		}
		last = e.Seq
		ids = append(ids, e.ID)
	}
	return ids, last
}

func TestAnEntryTellsWhoChangedWhatFromWhatToWhat(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, engine string) {
		d := open(t, engine)
		type view struct {
			Name      string            `json:"name"`
			AdminPass string            `json:"adminPass,omitempty"`
			Metadata  map[string]string `json:"metadata"`
		}
		change := feed.Change{At: start(), RequestID: "req-1", UserID: "u", ProjectID: "p", OperationID: "op", Kind: "server", ID: "s", Action: "update",
			OwnerProjectID: "q", Before: view{Name: "old"}, After: &view{Name: "new", AdminPass: "s3cret", Metadata: map[string]string{"DB_PASSWORD": "s3cret", "n": "1"}},
			Detail: map[string]any{"because": "asked"}}
		write(t, d, func(tx *db.Tx) error { return feed.Record(tx, change) })
		record(t, d, "bare", start())
		entries, err := feed.After(t.Context(), d, 0, 10)
		if err != nil || len(entries) != 2 {
			t.Fatal(entries, err)
		}
		e := entries[0]
		change.Before, change.After, change.Detail = nil, nil, nil
		if fmt.Sprint(e.Change) != fmt.Sprint(change) || e.Detail["because"] != "asked" {
			t.Errorf("got %+v", e)
		}
		if string(e.Before) != `{"name":"old","metadata":null}` || string(e.After) != `{"adminPass":"***","metadata":{"DB_PASSWORD":"***","n":"1"},"name":"new"}` {
			t.Errorf("before %s, after %s", e.Before, e.After)
		}
		if bare := entries[1]; bare.Before != nil || bare.After != nil || bare.Detail != nil {
			t.Errorf("nothing became %+v", bare)
		}
	})
}

func TestChangesAreReadInOrderAndForgotten(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, engine string) {
		d := open(t, engine)
		record(t, d, "a", start())
		undone := errors.New("rolled back")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			return errors.Join(feed.Record(tx, feed.Change{At: start(), Kind: "server", ID: "lost", Action: "create"}), undone)
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		record(t, d, "b", start().Add(time.Hour))
		if got, _ := after(t, d, 0, 10); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("read %v", got)
		}
		forget := func() {
			t.Helper()
			if err := feed.Prune(t.Context(), d, start().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if got, _ := after(t, d, feed.Oldest, 10); !slices.Equal(got, []string{"b"}) {
				t.Errorf("after pruning %v", got)
			}
		}
		forget()
		write(t, d, func(tx *db.Tx) error {
			for range 2500 {
				if err := feed.Record(tx, feed.Change{At: start(), Kind: "server", ID: "old", Action: "update"}); err != nil {
					return err
				}
			}
			return nil
		})
		forget()
		if _, err := feed.After(t.Context(), d, 1, 10); !errors.Is(err, feed.ErrForgotten) {
			t.Errorf("a reader that missed changes is told %v", err)
		}
		newest, err := feed.Latest(t.Context(), d)
		if err != nil || newest < 2502 {
			t.Errorf("newest %d, %v", newest, err)
		}
		record(t, d, "c", start().Add(time.Hour))
		if got, _ := after(t, d, newest, 10); !slices.Equal(got, []string{"c"}) {
			t.Errorf("behind what is forgotten comes %v", got)
		}
	})
}

// TestWhoCommitsLateIsReadLate has a transaction record first and commit last.
func TestWhoCommitsLateIsReadLate(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		d := open(t, engine)
		recorded, proceed, done := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			done <- d.Write(t.Context(), func(tx *db.Tx) error {
				if err := feed.Record(tx, feed.Change{At: start(), Kind: "server", ID: "late", Action: "create"}); err != nil {
					return err
				}
				recorded <- struct{}{}
				<-proceed
				return nil
			})
		}()
		<-recorded
		record(t, d, "early", start())
		got, last := after(t, d, 0, 10)
		if !slices.Equal(got, []string{"early"}) {
			t.Fatalf("read %v", got)
		}
		close(proceed)
		if err := <-done; err != nil { // once: it neither waits for the reader nor loses to it
			t.Fatal(err)
		}
		if got, _ = after(t, d, last, 10); !slices.Equal(got, []string{"late"}) {
			t.Errorf("then read %v", got)
		}
		if got, _ = after(t, d, 0, 10); !slices.Equal(got, []string{"early", "late"}) {
			t.Errorf("another reader reads %v", got)
		}
	})
}

// TestReadersMissNothingAndGetNothingTwice reads while many transactions, some of them
// slow and some rolled back, record at once.
func TestReadersMissNothingAndGetNothingTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, engine string) {
		const writers, readers, each = 8, 3, 40
		d := open(t, engine)
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec("CREATE TABLE turns (writer INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
			return err
		})
		var writing, reading sync.WaitGroup
		stop := make(chan struct{})
		for w := range writers {
			writing.Go(func() {
				for n := range each {
					err := d.Write(t.Context(), func(tx *db.Tx) error {
						if err := tx.Upsert("turns", struct {
							Writer int `db:"writer"`
							N      int `db:"n"`
						}{w, n}, "writer"); err != nil {
							return err
						}
						for part := range 2 {
							if err := feed.Record(tx, feed.Change{At: start(), Kind: "turn", ID: fmt.Sprintf("%d.%d.%d", w, n, part), Action: "create"}); err != nil {
								return err
							}
							for range rand.IntN(4) { // others get ahead
								if _, err := tx.Exec("UPDATE turns SET n = ? WHERE writer = ?", n, w); err != nil {
									return err
								}
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		read := make([][]string, readers)
		for r := range readers {
			reading.Go(func() {
				var last int64
				for final := false; ; {
					var got []string
					got, last = after(t, d, last, 7)
					read[r] = append(read[r], got...)
					if len(got) > 0 {
						continue
					}
					if final {
						return
					}
					select {
					case <-stop:
						final = true // once more: the last ones were committed before the end
					default:
					}
				}
			})
		}
		writing.Wait()
		close(stop)
		reading.Wait()
		var want []string
		for w := range writers {
			for n := range each {
				want = append(want, fmt.Sprintf("%d.%d.0", w, n), fmt.Sprintf("%d.%d.1", w, n))
			}
		}
		slices.Sort(want)
		for r := range readers {
			if !slices.Equal(read[r], read[0]) {
				t.Errorf("reader %d saw another order than reader 0", r)
			}
			if got := slices.Sorted(slices.Values(read[r])); !slices.Equal(got, want) {
				t.Errorf("reader %d has %d entries of %d", r, len(got), len(want))
			}
		}
		for w := range writers { // what one transaction could see of another stands behind it
			mine := slices.DeleteFunc(slices.Clone(read[0]), func(id string) bool { return !strings.HasPrefix(id, fmt.Sprint(w)+".") })
			at := 0
			for n := range each {
				for part := range 2 {
					if want := fmt.Sprintf("%d.%d.%d", w, n, part); at < len(mine) && mine[at] != want {
						t.Fatalf("entry %d of writer %d is %s, want %s", at, w, mine[at], want)
					}
					at++
				}
			}
		}
	})
}

func TestOneProcessIsTheReader(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, engine string) {
		d := open(t, engine)
		record(t, d, "before", start())
		one := feed.Reader{DB: d, Name: "publisher", Owner: "one", Lease: time.Minute}
		two := one
		two.Owner = "two"
		now := start()
		claim := func(r feed.Reader, wantPosition int64, wantHeld bool) {
			t.Helper()
			position, held, err := r.Claim(t.Context(), now)
			if err != nil || held != wantHeld || held && position != wantPosition {
				t.Fatalf("%s: position %d, held %t, %v", r.Owner, position, held, err)
			}
		}
		claim(one, 1, true) // what was recorded before it was there is none of its
		claim(two, 0, false)
		record(t, d, "a", start())
		if err := one.Advance(t.Context(), 2, now.Add(30*time.Second)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(80 * time.Second)
		claim(two, 0, false)
		now = now.Add(time.Minute)
		claim(two, 2, true)
		if err := one.Advance(t.Context(), 1, now); !errors.Is(err, feed.ErrLease) {
			t.Errorf("the former reader is told %v", err)
		}
		claim(one, 0, false)
		if err := two.Release(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		claim(one, 2, true)
	})
}

func TestCommittedChangesRing(t *testing.T) {
	d, local := open(t, "sqlite"), bus.NewLocal()
	log := feed.NewLog("office", local)
	bell, other := log.Listen(), local.Listen("feed.other")
	defer bell.Close()
	defer other.Close()
	for range 3 {
		write(t, d, func(tx *db.Tx) error {
			return log.Record(tx, feed.Change{At: start(), Kind: "desk", ID: "d", Action: "move"})
		})
	}
	select {
	case <-bell.C:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing rings")
	}
	select {
	case <-other.C:
		t.Error("another service's bell rings")
	default:
	}
}
