// Command total runs a `go test -json` command, shows what failed or was skipped
// and why, and prints the totals as one line: "N passed, N failed".
//
//	go run ./test/total [-add FILE]... [-failures FILE] [-no-skips] go test -json ./...
//
// A test with subtests counts as its subtests; a package that fails outside of
// its tests (it does not compile, it panics) counts as one failure. It exits
// non-zero when anything failed, when the command did, or when no test ran.
//
// It owns nothing else and is imported by nobody.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
)

func main() {
	var addTo []string
	flag.Func("add", "append the two totals, separated by a space, to this `FILE` (may be given several times)", func(name string) error {
		addTo = append(addTo, name)
		return nil
	})
	failures := flag.String("failures", "", "append the end of what each failed test has said to this `FILE`")
	noSkips := flag.Bool("no-skips", false, "count a skipped test as failed")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: total [-add FILE]... [-failures FILE] [-no-skips] go test -json PACKAGE...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ok, err := run(ctx, flag.Args(), files{totals: addTo, failures: *failures}, *noSkips, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "total:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// files are what a run appends to; an empty name is none.
type files struct {
	totals   []string
	failures string
}

// run executes the command, reports to out and tells whether all is well.
func run(ctx context.Context, command []string, addTo files, noSkips bool, out io.Writer) (bool, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("connect to %s: %w", command[0], err)
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start %s: %w", command[0], err)
	}
	sum := newTally(out, noSkips)
	readErr := sum.read(events)
	waitErr := cmd.Wait()
	passed, failed := sum.finish()
	var exit *exec.ExitError
	switch {
	case readErr != nil:
		return false, readErr
	case waitErr != nil && !errors.As(waitErr, &exit):
		return false, fmt.Errorf("wait for %s: %w", command[0], waitErr)
	case waitErr != nil && failed == 0:
		fmt.Fprintf(out, "FAIL: %s: %v\n", command[0], waitErr)
		failed = 1
	case passed+failed == 0:
		fmt.Fprintln(out, "FAIL: no test ran")
		failed = 1
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	for _, name := range addTo.totals { // one line for whoever sums up several runs
		if err := appendTo(name, fmt.Sprintf("%d %d\n", passed, failed)); err != nil {
			return false, err
		}
	}
	if text := sum.failures.String(); addTo.failures != "" && text != "" {
		if err := appendTo(addTo.failures, text); err != nil {
			return false, err
		}
	}
	return failed == 0, nil
}

func appendTo(path, text string) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.WriteString(text); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
