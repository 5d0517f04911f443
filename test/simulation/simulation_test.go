package simulation_test

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
)

func TestMain(m *testing.M) {
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSeeds runs the seeds from FIRST on, SEEDS of them, or SEED alone with all its turns.
func TestSeeds(t *testing.T) {
	if seed := number(t, "SEED", 0); seed != 0 {
		report(t, seed, os.Stderr)
		return
	}
	first := number(t, "FIRST", 1)
	for seed := first; seed < first+number(t, "SEEDS", 20); seed++ {
		report(t, seed, nil)
	}
}

func report(t *testing.T, seed uint64, log io.Writer) {
	t.Helper()
	o := simulate(t, seed, log)
	for _, text := range o.complaints {
		t.Errorf("%s\nthe same again: SEED=%d go test ./test/simulation -run TestSeeds", text, seed)
	}
	if testing.Verbose() {
		t.Logf("seed %d: %d turns in %s, sum %x", seed, o.turns, o.took, o.sum)
	}
}
