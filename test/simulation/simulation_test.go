package simulation_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	debug.SetGCPercent(400) // the runs are short and there is memory enough
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

// TestASeedReplays makes the same runs twice and compares them turn by turn.
func TestASeedReplays(t *testing.T) {
	for seed := range number(t, "REPLAYS", 3) {
		var logs [2]bytes.Buffer
		first, again := simulate(t, seed+1, &logs[0]), simulate(t, seed+1, &logs[1])
		if first.sum == again.sum {
			continue
		}
		a, b := turnsOf(&logs[0]), turnsOf(&logs[1])
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Errorf("seed %d went two ways at line %d:\n%s\n%s\nafter\n%s", seed+1, i, a[i], b[i], strings.Join(a[max(0, i-15):i], "\n"))
				break
			}
		}
	}
}

// turnsOf leaves out what processes log between the turns.
func turnsOf(log *bytes.Buffer) []string {
	return slices.DeleteFunc(strings.Split(log.String(), "\n"), func(line string) bool { return strings.HasPrefix(line, "time=") })
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
