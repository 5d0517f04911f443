package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	cases := []struct {
		name           string
		events         string
		noSkips        bool
		passed, failed int
		shows          string
	}{
		{
			name: "subtests count, their parent does not",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"run","Package":"a","Test":"TestX/one"}
{"Action":"run","Package":"a","Test":"TestX/two"}
{"Action":"output","Package":"a","Test":"TestX/two","Output":"two is wrong\n"}
{"Action":"pass","Package":"a","Test":"TestX/one"}
{"Action":"fail","Package":"a","Test":"TestX/two"}
{"Action":"fail","Package":"a","Test":"TestX"}
{"Action":"fail","Package":"a"}`,
			passed: 1, failed: 1, shows: "FAIL: a TestX/two\ntwo is wrong\n",
		},
		{
			name: "a parent that fails by itself counts",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"run","Package":"a","Test":"TestX/one"}
{"Action":"pass","Package":"a","Test":"TestX/one"}
{"Action":"fail","Package":"a","Test":"TestX"}
{"Action":"fail","Package":"a"}`,
			passed: 1, failed: 1, shows: "FAIL: a TestX\n",
		},
		{
			name: "a package that does not compile is one failure",
			events: `{"ImportPath":"b","Action":"build-output","Output":"b.go:1: bad\n"}
{"ImportPath":"b","Action":"build-fail"}
{"Action":"fail","Package":"b"}`,
			failed: 1, shows: "b.go:1: bad\n",
		},
		{
			name: "a test whose process dies has failed",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Output":"panic: no\n"}
{"Action":"fail","Package":"a"}`,
			failed: 1, shows: "panic: no\n",
		},
		{
			name: "what a process says when it dies is shown",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"run","Package":"a","Test":"TestX/one"}
{"Action":"output","Package":"a","Test":"TestX/one","Output":"panic: no\n"}
{"Action":"fail","Package":"a"}`,
			failed: 1, shows: "FAIL: a TestX/one has not ended\npanic: no\n",
		},
		{
			name: "a skip is shown with its reason",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Test":"TestX","Output":"needs root\n"}
{"Action":"skip","Package":"a","Test":"TestX"}
{"Action":"pass","Package":"a"}`,
			shows: "SKIP: a TestX\nneeds root\n",
		},
		{
			name: "a skip fails when none is allowed",
			events: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"skip","Package":"a","Test":"TestX"}
{"Action":"pass","Package":"a"}`,
			noSkips: true, failed: 1, shows: "1 skipped\n",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			sum := newTally(&out, c.noSkips)
			if err := sum.read(strings.NewReader(c.events + "\n")); err != nil {
				t.Fatal(err)
			}
			passed, failed := sum.finish()
			if passed != c.passed || failed != c.failed {
				t.Errorf("got %d passed, %d failed; want %d and %d", passed, failed, c.passed, c.failed)
			}
			if !strings.Contains(out.String(), c.shows) {
				t.Errorf("%q is not shown in:\n%s", c.shows, out.String())
			}
		})
	}
}

func TestRunFailsWhenNoTestRan(t *testing.T) {
	var out strings.Builder
	ok, err := run(context.Background(), []string{"true"}, files{}, false, &out)
	if err != nil || ok {
		t.Fatalf("got ok=%v, error %v; want a failure", ok, err)
	}
	if !strings.HasSuffix(out.String(), "0 passed, 1 failed\n") {
		t.Errorf("wrong last line: %q", out.String())
	}
}

func TestRunAddsTotals(t *testing.T) {
	dir := t.TempDir()
	path, second := filepath.Join(dir, "totals"), filepath.Join(dir, "second")
	event := `{"Action":"run","Package":"a","Test":"T"}
{"Action":"pass","Package":"a","Test":"T"}`
	for range 2 {
		ok, err := run(context.Background(), []string{"echo", event}, files{totals: []string{path, second}}, false, &strings.Builder{})
		if err != nil || !ok {
			t.Fatalf("got ok=%v, error %v", ok, err)
		}
	}
	for _, name := range []string{path, second} {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != "1 0\n1 0\n" {
			t.Errorf("totals in %s are %q", name, got)
		}
	}
}

func TestRunReportsTheCommandsFailure(t *testing.T) {
	ok, err := run(context.Background(), []string{"false"}, files{}, false, &strings.Builder{})
	if err != nil || ok {
		t.Fatalf("got ok=%v, error %v; want a failure without an error of our own", ok, err)
	}
}

// TestRunKeepsTheEndOfFailures looks at what is appended of tests that failed, beside others.
func TestRunKeepsTheEndOfFailures(t *testing.T) {
	var events strings.Builder
	say := func(action, test, output string) {
		text, err := json.Marshal(event{Action: action, Package: "a", Test: test, Output: output})
		if err != nil {
			t.Fatal(err)
		}
		events.Write(append(text, '\n'))
	}
	for _, test := range []string{"TestGood", "TestBad", "TestBad/one"} {
		say("run", test, "")
	}
	say("output", "TestGood", "all is well\n")
	say("pass", "TestGood", "")
	for i := range 2 * failureLines {
		say("output", "TestBad/one", fmt.Sprintf("line %d\n", i))
	}
	say("output", "TestBad", "of the parent\n")
	say("fail", "TestBad/one", "")
	say("fail", "TestBad", "")
	say("fail", "", "")
	path := filepath.Join(t.TempDir(), "failures")
	ok, err := run(context.Background(), []string{"echo", events.String()}, files{failures: path}, false, &strings.Builder{})
	if err != nil || ok {
		t.Fatalf("got ok=%v, error %v", ok, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("FAIL: a TestBad/one\n")
	for i := range failureLines {
		fmt.Fprintf(&want, "line %d\n", i+failureLines)
	}
	if string(text) != want.String() {
		t.Errorf("kept is\n%s", text)
	}
}
