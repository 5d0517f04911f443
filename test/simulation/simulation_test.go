package simulation_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if err := furnish(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Between two turns goroutines run freely; on one processor they do so in the same order
	// each time. Other processors are for other processes, see spread.
	runtime.GOMAXPROCS(1)
	// The runs are short and there is memory enough.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memory)
	os.Exit(m.Run())
}

const (
	// fewSeeds are run when nobody asks for more, manySeeds by a process for each processor.
	fewSeeds  = 12
	manySeeds = 50
	// memory in bytes is how much a process may have until it looks for garbage.
	memory = 512 << 20
	// shardVariable tells a process that it is one of those.
	shardVariable = "SIMULATION_SHARD"
	// summaryVariable names a file for what many seeds came to.
	summaryVariable = "SIMULATION_SUMMARY"
)

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
	first, seeds := number(t, "FIRST", 1), number(t, "SEEDS", fewSeeds)
	if seeds >= manySeeds && os.Getenv(shardVariable) == "" {
		spread(t, first, seeds)
		return
	}
	all := tally{}
	for seed := first; seed < first+seeds; seed++ {
		all.join(report(t, seed, nil))
	}
	if os.Getenv(shardVariable) != "" {
		fmt.Println(all.line())
		return
	}
	t.Logf("seeds %d to %d, in all and for each:\n%s", first, first+seeds-1, all.report(seeds))
}

// report runs a seed and complains of what went wrong.
func report(t *testing.T, seed uint64, log io.Writer) tally {
	t.Helper()
	o := simulate(t, seed, log)
	for _, text := range o.complaints {
		t.Errorf("%s\nthe same again: SEED=%d go test ./test/simulation -run TestSeeds -v", text, seed)
	}
	if testing.Verbose() {
		t.Logf("seed %d: %d turns in %s, sum %x", seed, o.tally["turns"], o.took, o.sum)
	}
	return o.tally
}

// spread runs seeds in as many processes as there are processors.
func spread(t *testing.T, first, seeds uint64) {
	t.Helper()
	began, shards := time.Now(), uint64(runtime.NumCPU())
	var all sync.WaitGroup
	var mu sync.Mutex
	found := tally{}
	for shard := range shards {
		from, to := first+seeds*shard/shards, first+seeds*(shard+1)/shards
		all.Go(func() {
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSeeds$", "-test.timeout=20m", "-test.v")
			command.Env = append(os.Environ(), shardVariable+"=1", fmt.Sprint("FIRST=", from), fmt.Sprint("SEEDS=", to-from))
			out, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("seeds %d to %d: %v\n%s", from, to-1, err, interesting(string(out)))
			}
			mu.Lock()
			defer mu.Unlock()
			found.join(parseTally(string(out)))
		})
	}
	all.Wait()
	summary := fmt.Sprintf("seeds %d to %d in %s, what happened in all and in each:\n%s\n",
		first, first+seeds-1, time.Since(began).Round(time.Second), found.report(seeds))
	t.Log(summary)
	if path := os.Getenv(summaryVariable); path != "" {
		if err := os.WriteFile(path, []byte(summary), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// interesting leaves out the seeds that went well but for the last, after which something hung.
func interesting(out string) string {
	var kept []string
	well := ""
	for line := range strings.SplitSeq(out, "\n") {
		switch {
		case strings.Contains(line, " turns in "):
			well = line
			continue
		case strings.HasPrefix(line, tallyMark):
			continue
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "\n") + "\nlast:" + well
}

// TestASeedReplays makes the same runs twice and compares them turn by turn.
func TestASeedReplays(t *testing.T) {
	for n := range number(t, "REPLAYS", 2) {
		seed := number(t, "FIRST", 1) + n
		var logs [2]bytes.Buffer
		first, again := simulate(t, seed, &logs[0]), simulate(t, seed, &logs[1])
		if first.sum == again.sum {
			continue
		}
		a, b := turnsOf(&logs[0]), turnsOf(&logs[1])
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Errorf("seed %d went two ways at turn %d:\n%s\n%s", seed, i, a[i], b[i])
				break
			}
		}
	}
}

// turnsOf leaves out what processes log between the turns.
func turnsOf(log *bytes.Buffer) []string {
	return slices.DeleteFunc(strings.Split(log.String(), "\n"), func(line string) bool { return strings.HasPrefix(line, "time=") })
}
