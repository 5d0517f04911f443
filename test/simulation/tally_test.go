package simulation_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tally counts what happened in runs, by name.
type tally map[string]int

// matters are the names of what turns are asked for.
var matters = map[matter]string{matterRead: "reads", matterWrite: "writes", matterCall: "calls", matterBell: "bells", matterDriver: "verbs of drivers", matterPlain: "others"}

// The counts of the kinds of writes, and of those at which a process died, have such names
// with the kind behind them.
const (
	writesOf   = "writes in "
	diedBefore = "died before the commit in "
	diedAfter  = "died after the commit in "
)

// add counts a turn and what befell it.
func (t tally) add(turn *turn, v verdict) {
	t["turns"]++
	t[matters[turn.what]]++
	for _, fault := range v.faults() {
		t[matters[turn.what]+" "+fault]++
	}
	if v.pause > 0 || v.answerPause > 0 {
		t[matters[turn.what]+" late"]++
	}
	if turn.what != matterWrite {
		return
	}
	t[writesOf+turn.kind]++
	switch {
	case v.dieBefore:
		t[diedBefore+turn.kind]++
	case v.dieAfter:
		t[diedAfter+turn.kind]++
	}
}

// join adds another tally.
func (t tally) join(other tally) {
	for name, n := range other {
		t[name] += n
	}
}

// tallyMark begins the line by which a process hands on what it has counted.
const tallyMark = "tally: "

// line is the tally as one line for another process, parseTally finds it in what that has printed.
func (t tally) line() string {
	text, err := json.Marshal(t)
	if err != nil {
		panic("a map of numbers is JSON: " + err.Error())
	}
	return tallyMark + string(text)
}

func parseTally(out string) (t tally) {
	_, text, _ := strings.Cut(out, tallyMark)
	text, _, _ = strings.Cut(text, "\n")
	if json.Unmarshal([]byte(text), &t) != nil {
		return nil // it died; whoever started it tells so
	}
	return t
}

// report says how much happened in all and for each of so many seeds, and at which kinds of
// writes processes have died.
func (t tally) report(seeds uint64) string {
	var text strings.Builder
	var kinds, never []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if kind, is := strings.CutPrefix(name, writesOf); is {
			kinds = append(kinds, kind)
			if t[diedBefore+kind] == 0 || t[diedAfter+kind] == 0 {
				never = append(never, kind)
			}
		}
		if !strings.Contains(name, " in ") {
			fmt.Fprintf(&text, "%10d %8.2f  %s\n", t[name], float64(t[name])/float64(seeds), name)
		}
	}
	fmt.Fprintf(&text, "%d kinds of writes; both deaths at all but %d of them: %s", len(kinds), len(never), strings.Join(never, ", "))
	return text.String()
}
