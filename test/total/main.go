// Command total runs a `go test -json` command, shows what failed or was skipped
// and why, and prints the totals as one line: "N passed, N failed".
//
//	go run ./test/total [-add FILE]... [-no-skips] go test -json ./...
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
	noSkips := flag.Bool("no-skips", false, "count a skipped test as failed")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: total [-add FILE]... [-no-skips] go test -json PACKAGE...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ok, err := run(ctx, flag.Args(), addTo, *noSkips, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "total:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run executes the command, reports to out and tells whether all is well.
func run(ctx context.Context, command, addTo []string, noSkips bool, out io.Writer) (bool, error) {
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
	for _, name := range addTo {
		if err := appendTotals(name, passed, failed); err != nil {
			return false, err
		}
	}
	return failed == 0, nil
}

// appendTotals adds one line for whoever sums up several runs.
func appendTotals(path string, passed, failed int) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the totals: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := fmt.Fprintf(file, "%d %d\n", passed, failed); err != nil {
		return fmt.Errorf("write the totals: %w", err)
	}
	return nil
}
