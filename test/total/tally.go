package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`, and
// `go help buildjson` for ImportPath).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64
	Output     string
}

// testName tells one test from all others of a run.
type testName struct{ pkg, test string }

// tally counts results and keeps the output of what is not yet known to have passed.
type tally struct {
	out      io.Writer
	noSkips  bool
	results  map[testName]string
	parents  map[testName]bool
	output   map[testName]*strings.Builder
	packages map[string]string
	// failures is the end of what each failed test has said, without the tests that only have
	// subtests which failed.
	failures strings.Builder
}

// failureLines is how much of a failed test is in failures.
const failureLines = 60

func newTally(out io.Writer, noSkips bool) *tally {
	return &tally{
		out:      out,
		noSkips:  noSkips,
		results:  map[testName]string{},
		parents:  map[testName]bool{},
		output:   map[testName]*strings.Builder{},
		packages: map[string]string{},
	}
}

// read takes all events; a line that is no JSON is shown as it is.
func (t *tally) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				fmt.Fprintf(t.out, "%s", line)
			} else {
				t.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test events: %w", err)
		}
	}
}

func (t *tally) take(e event) {
	name := testName{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(t.out, e.Output)
	case "output":
		if t.output[name] == nil {
			t.output[name] = &strings.Builder{}
		}
		t.output[name].WriteString(e.Output)
	case "run":
		// A test whose process dies never gets a result.
		t.results[name] = "fail"
		if slash := strings.LastIndex(e.Test, "/"); slash >= 0 {
			t.parents[testName{e.Package, e.Test[:slash]}] = true
		}
	case "pass", "fail", "skip":
		t.settle(name, e)
	}
}

// settle notes a result and shows at once what is not a pass.
func (t *tally) settle(name testName, e event) {
	if e.Test == "" {
		t.packages[e.Package] = e.Action
		if e.Action != "skip" {
			fmt.Fprintf(t.out, "%-4s %s (%.1f s)\n", e.Action, e.Package, e.Elapsed)
		}
	} else {
		t.results[name] = e.Action
		if e.Action != "pass" {
			fmt.Fprintf(t.out, "%s: %s %s\n%s", strings.ToUpper(e.Action), e.Package, e.Test, t.text(name))
		}
		if e.Action == "fail" && t.failedAlone(name, e.Action) {
			t.fails(name)
		}
		delete(t.output, name)
	}
}

func (t *tally) text(name testName) string {
	if t.output[name] == nil {
		return ""
	}
	return t.output[name].String()
}

// fails keeps the end of what a test, or a package, has said.
func (t *tally) fails(name testName) {
	lines := strings.SplitAfter(strings.TrimSuffix(t.text(name), "\n"), "\n")
	fmt.Fprintf(&t.failures, "FAIL: %s %s\n%s\n", name.pkg, name.test, strings.Join(lines[max(0, len(lines)-failureLines):], ""))
}

// finish counts the tests without subtests and shows what broke outside of them.
func (t *tally) finish() (passed, failed int) {
	t.showUnended()
	brokenTests := map[string]bool{}
	skipped := 0
	for name, result := range t.results {
		if result == "fail" {
			brokenTests[name.pkg] = true
		}
		if t.parents[name] && !t.failedAlone(name, result) {
			continue
		}
		switch result {
		case "pass":
			passed++
		case "skip":
			skipped++
		default:
			failed++
		}
	}
	for _, pkg := range t.failedPackages() {
		// Output of the package itself: a panic, a race, a timeout.
		fmt.Fprintf(t.out, "FAIL: %s\n%s", pkg, t.text(testName{pkg, ""}))
		if !brokenTests[pkg] {
			failed++
			t.fails(testName{pkg, ""})
		}
	}
	if skipped > 0 {
		fmt.Fprintf(t.out, "%d skipped\n", skipped)
		if t.noSkips {
			failed += skipped
		}
	}
	return passed, failed
}

// showUnended shows the tests that were running when their process died: what it said then is said
// to be theirs.
func (t *tally) showUnended() {
	var unended []testName
	for name := range t.output {
		if name.test != "" && t.results[name] == "fail" && !t.parents[name] {
			unended = append(unended, name)
		}
	}
	slices.SortFunc(unended, func(a, b testName) int { return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.test, b.test)) })
	for _, name := range unended {
		fmt.Fprintf(t.out, "FAIL: %s %s has not ended\n%s", name.pkg, name.test, t.text(name))
		t.fails(name)
	}
}

// failedAlone tells whether a test with subtests failed though none of them did.
func (t *tally) failedAlone(name testName, result string) bool {
	if result != "fail" {
		return false
	}
	for other, otherResult := range t.results {
		if other.pkg == name.pkg && otherResult == "fail" && strings.HasPrefix(other.test, name.test+"/") {
			return false
		}
	}
	return true
}

func (t *tally) failedPackages() []string {
	var failed []string
	for pkg, result := range t.packages {
		if result == "fail" {
			failed = append(failed, pkg)
		}
	}
	sort.Strings(failed)
	return failed
}
