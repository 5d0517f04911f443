package db_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"virga/core/db"
)

// TestManyWritersMeetInOneRow has far more writers than connections count in one row, others
// in pairs of rows in both orders, which is a deadlock each time they meet, and others add
// rows beside. Nothing is lost, everybody gets through, and nobody waits for all others.
func TestManyWritersMeetInOneRow(t *testing.T) {
	const counters, crossers, adders, rounds = 24, 8, 8, 12
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			for _, id := range []string{"1", "2", "3"} {
				if err := tx.Insert("animals", animal{ID: id, Name: id}); err != nil {
					return err
				}
			}
			return nil
		})
		more := func(tx *db.Tx, id string) error {
			var legs int
			if err := tx.Get(&legs, "SELECT legs FROM animals WHERE id = ?", id); err != nil {
				return err
			}
			_, err := tx.Exec("UPDATE animals SET legs = ? WHERE id = ?", legs+1, id)
			return err
		}
		var mu sync.Mutex
		var waits []time.Duration
		attempts, most := 0, 0
		began := time.Now()
		var working sync.WaitGroup
		work := func(fn func(i int) func(*db.Tx) error) {
			working.Go(func() {
				for i := range rounds {
					from, do, own := time.Now(), fn(i), 0
					err := d.Write(t.Context(), func(tx *db.Tx) error { own++; return do(tx) })
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					waits = append(waits, time.Since(from))
					attempts, most = attempts+own, max(most, own)
					mu.Unlock()
				}
			})
		}
		for range counters {
			work(func(int) func(*db.Tx) error { return func(tx *db.Tx) error { return more(tx, "1") } })
		}
		for n := range crossers {
			first, second := "2", "3"
			if n%2 == 0 {
				first, second = second, first
			}
			work(func(int) func(*db.Tx) error {
				return func(tx *db.Tx) error {
					if err := more(tx, first); err != nil {
						return err
					}
					return more(tx, second)
				}
			})
		}
		for n := range adders {
			work(func(i int) func(*db.Tx) error {
				id := fmt.Sprint("new ", n, " ", i)
				return func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: id, Name: id}) }
			})
		}
		working.Wait()
		whole := time.Since(began)
		for id, want := range map[string]int{"1": counters * rounds, "2": crossers * rounds, "3": crossers * rounds} {
			if got := legsOf(t, d, id); got != want {
				t.Errorf("row %s: %d instead of %d", id, got, want)
			}
		}
		var added int
		settled(t, d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Get(&added, "SELECT COUNT(*) FROM animals WHERE name LIKE 'new%'")
		}))
		if added != adders*rounds {
			t.Errorf("%d rows were added, not %d", added, adders*rounds)
		}
		slices.Sort(waits)
		longest := waits[len(waits)-1]
		t.Logf("%d transactions in %s with %d attempts, of one %d at most; half waited at most %s, the last %s",
			len(waits), whole, attempts, most, waits[len(waits)/2], longest)
		// PostgreSQL looks for deadlocks after a second; nobody meets one each time.
		if longest > 15*time.Second || most > 12 {
			t.Errorf("one needed %d attempts and %s", most, longest)
		}
	})
}
