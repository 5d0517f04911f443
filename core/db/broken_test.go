package db_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"virga/core/db"
	"virga/core/db/dbtest"
)

// behindProxy is a database with animals whose connections can be cut.
func behindProxy(t *testing.T, engine string) (*db.DB, *dbtest.Proxy) {
	t.Helper()
	proxy, address := dbtest.NewProxy(t, dbtest.ServerURL(t, engine))
	d, err := db.Open(t.Context(), address)
	settled(t, err)
	t.Cleanup(func() { _ = d.Close() })
	settled(t, d.Migrate(t.Context(), "zoo", migrations))
	return d, proxy
}

func isCommit(sent []byte) bool { return bytes.Contains(bytes.ToLower(sent), []byte("commit")) }

// TestCommitOfUnknownOutcomeIsNotRepeated loses the connection before and after commits:
// the caller is told, and whatever was done was done once.
func TestCommitOfUnknownOutcomeIsNotRepeated(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		d, proxy := behindProxy(t, engine)
		write(t, d, func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "1", Name: "x"}) })
		for _, c := range []struct {
			what    string
			verdict dbtest.Verdict
			legs    int
		}{{"before the commit", dbtest.CutBefore, 0}, {"after the commit", dbtest.CutAfter, 1}} {
			proxy.Judge(func(sent []byte) dbtest.Verdict {
				if isCommit(sent) {
					return c.verdict
				}
				return dbtest.Pass
			})
			calls, rang := 0, false
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				calls++
				tx.AfterCommit(func() { rang = true })
				_, err := tx.Exec("UPDATE animals SET legs = legs + 1 WHERE id = ?", "1")
				return err
			})
			if !errors.Is(err, db.ErrUnavailable) || calls != 1 || rang {
				t.Errorf("%s: %v, %d calls, bell %v", c.what, err, calls, rang)
			}
			proxy.Judge(nil)
			if got := legsOf(t, d, "1"); got != c.legs {
				t.Errorf("%s: %d instead of %d", c.what, got, c.legs)
			}
		}
	})
}

// TestConnectionsAreCutAllTheTime has writers count while connections break at random, in
// the middle of everything. What was answered is there once; of what was not, at most once.
func TestConnectionsAreCutAllTheTime(t *testing.T) {
	const writers, rounds = 6, 60
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		d, proxy := behindProxy(t, engine)
		var mu sync.Mutex
		chance := rand.New(rand.NewPCG(seed, 0))
		proxy.Judge(func(sent []byte) dbtest.Verdict {
			mu.Lock()
			defer mu.Unlock()
			if n := chance.IntN(100); n < 6 || n < 12 && isCommit(sent) {
				return []dbtest.Verdict{dbtest.CutBefore, dbtest.CutAfter, dbtest.CutBehind}[chance.IntN(3)]
			}
			return dbtest.Pass
		})
		answers := make([][]error, writers)
		var working sync.WaitGroup
		for w := range writers {
			working.Go(func() {
				for i := range rounds {
					id := fmt.Sprint(w, "-", i)
					answers[w] = append(answers[w], d.Write(t.Context(), func(tx *db.Tx) error {
						return tx.Insert("animals", animal{ID: id, Name: id, Legs: i})
					}))
				}
			})
		}
		working.Wait()
		proxy.Judge(nil)
		var ids []string
		settled(t, d.Read(t.Context(), func(tx *db.Tx) error { return tx.Select(&ids, "SELECT id FROM animals") }))
		there := map[string]bool{}
		for _, id := range ids {
			there[id] = true
		}
		failed, inSpite := 0, 0
		for w := range writers {
			for i, err := range answers[w] {
				switch id := fmt.Sprint(w, "-", i); {
				case err == nil && !there[id]:
					t.Errorf("%s was answered and is lost", id)
				case err != nil && !errors.Is(err, db.ErrUnavailable):
					t.Errorf("%s: %v", id, err) // ErrDuplicate would be a second attempt
				case err != nil:
					failed++
					if there[id] {
						inSpite++
					}
				}
			}
		}
		t.Logf("%d of %d were not answered, %d of them are there", failed, writers*rounds, inSpite)
		if failed == 0 || inSpite == 0 {
			t.Error("no connection broke where it matters")
		}
	})
}

// TestWaitForAConnectionIsBounded has all connections in use: whoever comes waits its turn,
// and not for ever.
func TestWaitForAConnectionIsBounded(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		d.SetSeatTime(50 * time.Millisecond)
		leave := make(chan struct{})
		var inside, done sync.WaitGroup
		seats := db.Lanes
		if d.Engine() == "sqlite" {
			seats = 1
		}
		inside.Add(seats)
		for range seats {
			done.Go(func() {
				if err := d.Write(t.Context(), func(*db.Tx) error { inside.Done(); <-leave; return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		inside.Wait()
		if err := d.Write(t.Context(), func(*db.Tx) error { return nil }); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("without a free connection: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Write(ctx, func(*db.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("who has given up: %v", err)
		}
		close(leave)
		done.Wait()
		write(t, d, func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "1", Name: "x"}) })
	})
}

// TestServerWithoutConnectionsIsWaitedFor has others take all connections of a server for a moment.
func TestServerWithoutConnectionsIsWaitedFor(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		address := dbtest.Own(t, engine).URL(t)
		d, err := db.Open(t.Context(), address)
		settled(t, err)
		t.Cleanup(func() { _ = d.Close() })
		settled(t, d.Migrate(t.Context(), "zoo", migrations))
		var crowd []*db.DB
		held := make(chan struct{})
		var holding sync.WaitGroup
		full := make(chan struct{})
		var once sync.Once
		for range 2 { // of 60 connections each, of the 100 that the server has
			other, err := db.Open(t.Context(), address+"&connections=60")
			settled(t, err)
			crowd = append(crowd, other)
			for range 60 {
				holding.Go(func() {
					err := other.Read(t.Context(), func(*db.Tx) error { <-held; return nil })
					if errors.Is(err, db.ErrUnavailable) {
						once.Do(func() { close(full) })
					} else if err != nil {
						t.Error(err)
					}
				})
			}
		}
		<-full // it has refused somebody again and again
		var writing sync.WaitGroup
		for i := range 8 { // more than are open by now
			writing.Go(func() {
				if err := d.Write(t.Context(), func(tx *db.Tx) error {
					return tx.Insert("animals", animal{ID: fmt.Sprint(i), Name: fmt.Sprint(i)})
				}); err != nil {
					t.Error(err)
				}
			})
		}
		close(held)
		writing.Wait()
		holding.Wait()
		for _, other := range crowd {
			settled(t, other.Close())
		}
	})
}

// TestReadOfALockedTableIsBounded has somebody hold a table for long: a reader is told,
// whatever its function makes of it.
func TestReadOfALockedTableIsBounded(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		d := open(t, engine)
		lock := "LOCK TABLE animals IN ACCESS EXCLUSIVE MODE"
		if engine == "mysql" {
			lock = "LOCK TABLES animals WRITE"
		}
		held, enough := make(chan struct{}), make(chan struct{})
		var holding sync.WaitGroup
		holding.Go(func() {
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(lock)
				close(held)
				<-enough
				return err
			}); err != nil {
				t.Error(err)
			}
		})
		<-held
		own := errors.New("there is none")
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var n int
			if err := tx.Get(&n, "SELECT COUNT(*) FROM animals"); err != nil {
				return own
			}
			return nil
		})
		close(enough)
		holding.Wait()
		if !errors.Is(err, db.ErrUnavailable) || errors.Is(err, own) {
			t.Errorf("a locked table: %v", err)
		}
	})
}
