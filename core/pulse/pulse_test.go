package pulse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/clock"
)

// table is what a service would keep.
type table struct {
	generations map[string]int64
	until       map[string]time.Time
	writes      int
	broken      error
}

func (d *table) load(context.Context) (map[string]int64, error) { return d.generations, d.broken }

func (d *table) write(_ context.Context, names []string, _, until time.Time) (map[string]int64, error) {
	d.writes++
	if d.broken != nil {
		return nil, d.broken
	}
	found := map[string]int64{}
	for _, name := range names {
		if generation, there := d.generations[name]; there {
			found[name], d.until[name] = generation, until
		}
	}
	return found, nil
}

func start(t *testing.T, d *table) *Keeper {
	t.Helper()
	k := New(Config{Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Load: d.load, Write: d.write})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return k
}

func TestBeatsAreWrittenInBatchesAndCountForThree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &table{generations: map[string]int64{}, until: map[string]time.Time{}}
		for i := range 100 {
			d.generations[fmt.Sprint("h", i)] = 5
		}
		k := start(t, d)
		for i := range 100 {
			if _, next, known := k.Beat(fmt.Sprint("h", i)); !known || next != Shortest {
				t.Fatalf("beat: next after %s, known %v", next, known)
			}
		}
		d.generations["h7"] = 6
		time.Sleep(1500 * time.Millisecond)
		if d.writes != 1 || len(d.until) != 100 {
			t.Fatalf("%d writes of %d hosts", d.writes, len(d.until))
		}
		if left := time.Until(d.until["h7"]); left > 10*time.Second || left < 9*time.Second {
			t.Errorf("a sign of life counts %s longer", left)
		}
		if generation, _, _ := k.Beat("h7"); generation != 6 {
			t.Errorf("generation %d", generation)
		}
	})
}

func TestManyHostsComeSeldom(t *testing.T) {
	d := &table{generations: map[string]int64{}}
	k := New(Config{Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Load: d.load, Write: d.write})
	var waits []time.Duration
	for _, hosts := range []int{1, 1000, 2000, 5000, 10_000, 20_000} {
		for i := len(k.hosts); i < hosts; i++ {
			k.Learn(fmt.Sprint("h", i), 1)
		}
		_, next, _ := k.Beat("h0")
		waits = append(waits, next)
		if rate := float64(hosts) / next.Seconds(); rate > PerSecond+1 && next < Longest {
			t.Errorf("%d hosts give %.0f beats per second", hosts, rate)
		}
	}
	if !slices.IsSorted(waits) || waits[0] != Shortest || waits[len(waits)-1] != Longest {
		t.Errorf("waits: %v", waits)
	}
}

func TestBeatsOutliveTroubleWithTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &table{generations: map[string]int64{"h": 1, "gone": 1}, until: map[string]time.Time{}}
		k := start(t, d)
		d.broken = errors.New("away")
		k.Beat("h")
		k.Beat("gone")
		delete(d.generations, "gone")
		time.Sleep(2500 * time.Millisecond)
		if len(d.until) != 0 || d.writes < 2 {
			t.Fatalf("%d writes wrote %v", d.writes, d.until)
		}
		d.broken = nil
		time.Sleep(time.Second)
		if d.until["h"].IsZero() {
			t.Error("the beat is lost")
		}
		if _, _, known := k.Beat("gone"); known {
			t.Error("a host that was removed is still known")
		}
		if _, _, known := k.Beat("stranger"); known {
			t.Error("a host that nobody knows is known")
		}
	})
}

func TestSilentHostsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &table{generations: map[string]int64{"h": 1}, until: map[string]time.Time{}}
		k := start(t, d)
		k.Beat("h")
		time.Sleep((forgetAfter + 1) * Shortest)
		if _, _, known := k.Beat("h"); known {
			t.Error("the host is still known")
		}
	})
}
