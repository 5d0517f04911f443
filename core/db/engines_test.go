package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/db/dbtest"
)

// TestReadersDoNotWaitForEachOther has as many readers as there are connections, all of
// them inside a transaction, run texts that are new to the pool.
func TestReadersDoNotWaitForEachOther(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		const side = 8
		for round := range 3 {
			var inside, done sync.WaitGroup
			count := side
			if d.Engine() == "sqlite" {
				count = 4
			}
			inside.Add(count)
			for i := range count {
				done.Go(func() {
					err := d.Read(ctx, func(tx *db.Tx) error {
						inside.Done()
						inside.Wait()
						var n int
						return tx.Get(&n, fmt.Sprintf("SELECT COUNT(*) FROM animals WHERE legs = %d", i))
					})
					if err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			done.Wait()
		}
	})
}

func TestReadSeesOneState(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		count := func(tx *db.Tx) (n int) {
			t.Helper()
			if err := tx.Get(&n, "SELECT COUNT(*) FROM animals"); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			before := count(tx)
			write(t, d, func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "1", Name: "x"}) })
			if after := count(tx); after != before {
				t.Errorf("one transaction saw %d rows and then %d", before, after)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestLostRaceIsNoticedWhenTheFunctionHidesIt has writers meet in one row and swallow
// what the engine says.
func TestLostRaceIsNoticedWhenTheFunctionHidesIt(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "1", Name: "x"}) })
		var writers sync.WaitGroup
		for range 6 {
			writers.Go(func() {
				for range 10 {
					err := d.Write(t.Context(), func(tx *db.Tx) error {
						var legs int
						_ = tx.Get(&legs, "SELECT legs FROM animals WHERE id = ?", "1")
						_, _ = tx.Exec("UPDATE animals SET legs = ? WHERE id = ?", legs+1, "1")
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		if got := legsOf(t, d, "1"); got != 60 {
			t.Errorf("60 increments gave %d", got)
		}
	})
}

func legsOf(t *testing.T, d *db.DB, id string) (legs int) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Get(&legs, "SELECT legs FROM animals WHERE id = ?", id)
	}); err != nil {
		t.Fatal(err)
	}
	return legs
}

func TestTextsCompareByEveryCharacter(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		names := []string{"A", "a", "a ", "ä", "what?"}
		write(t, d, func(tx *db.Tx) error {
			for i, name := range names {
				if err := tx.Insert("animals", animal{ID: fmt.Sprint(i), Name: name}); err != nil {
					return err
				}
			}
			return nil
		})
		var found []string
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Select(&found, "SELECT id FROM animals WHERE name = ? OR (name = 'what?' AND id = ?) ORDER BY id", "a", "4")
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1", "4"}, found); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMarkerWithoutPlaceIsAnError(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			return errors.Join(tx.Insert("animals", animal{ID: "1", Name: "x"}), tx.Insert("animals", animal{ID: "2", Name: "y"}))
		})
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var rows []animal
			return tx.List(&rows, &db.List{From: "animals", Key: "id", Order: []db.Order{{Column: "owner"}}, Marker: "1", Limit: 5})
		})
		if err == nil {
			t.Error("the page after a NULL was empty instead of an error")
		}
	})
}

// TestManyTexts runs more texts than the pool keeps prepared, each of them often enough to be kept.
func TestManyTexts(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "1", Name: "x", Legs: 4}) })
		for range 4 {
			for i := range 300 {
				var legs int
				if err := d.Read(t.Context(), func(tx *db.Tx) error {
					return tx.Get(&legs, fmt.Sprintf("SELECT legs + %d FROM animals WHERE id = ?", i), "1")
				}); err != nil || legs != 4+i {
					t.Fatalf("text %d: %d, %v", i, legs, err)
				}
			}
		}
	})
}

func TestBrokenTransactionsLeaveTheDatabaseUsable(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		insert := func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: "1", Name: "x"}) }
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			err := d.Write(ctx, func(tx *db.Tx) error {
				if err := insert(tx); err != nil {
					return err
				}
				cancel()
				return insert(tx)
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("a cancelled transaction: %v", err)
			}
			func() {
				defer func() { _ = recover() }()
				_ = d.Write(t.Context(), func(tx *db.Tx) error {
					if err := insert(tx); err != nil {
						return err
					}
					panic("a bug")
				})
			}()
		}
		write(t, d, insert)
	})
}

func BenchmarkWrite(b *testing.B) {
	benchmark(b, func(d *db.DB, i int) error {
		return d.Write(b.Context(), func(tx *db.Tx) error {
			return tx.Insert("animals", animal{ID: fmt.Sprint(i), Name: fmt.Sprint(i)})
		})
	})
}

func BenchmarkRead(b *testing.B) {
	benchmark(b, func(d *db.DB, i int) error {
		return d.Read(b.Context(), func(tx *db.Tx) error {
			var n int
			return tx.Get(&n, "SELECT COUNT(*) FROM animals WHERE id = ?", fmt.Sprint(i))
		})
	})
}

func benchmark(b *testing.B, one func(d *db.DB, i int) error) {
	d := dbtest.Open(b)
	if err := d.Migrate(b.Context(), "zoo", migrations); err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		i++
		if err := one(d, i); err != nil {
			b.Fatal(err)
		}
	}
}
