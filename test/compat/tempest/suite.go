package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// outcome is how a test ended.
type outcome string

// The outcomes.
const (
	passed  outcome = "ok"
	failed  outcome = "FAILED"
	skipped outcome = "SKIPPED"
)

// result is one test with how it ended; the detail is the traceback of a failure or the
// reason of a skip. A fixture of a class that fails or skips stands for the class's tests.
type result struct {
	name    string
	outcome outcome
	detail  string
}

// suite is Tempest with a workspace of its own.
type suite struct {
	folder  string
	workers int
}

// setUp makes the workspace with the configuration.
func (s suite) setUp(ctx context.Context, configuration string) error {
	command := s.command(ctx, "init", s.folder) // which wants to make the folder itself
	command.Dir = filepath.Dir(s.folder)
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("tempest init: %w: %s", err, text)
	}
	if err := os.MkdirAll(filepath.Join(s.folder, "lock"), 0o700); err != nil {
		return fmt.Errorf("make the workspace: %w", err)
	}
	return os.WriteFile(filepath.Join(s.folder, "etc", "tempest.conf"), []byte(configuration), 0o600)
}

func (s suite) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "tempest", args...)
	command.Dir = s.folder
	command.Env = append(os.Environ(), "HOME="+filepath.Dir(s.folder), "LANG=C.UTF-8") // the list of workspaces is kept below HOME
	return command
}

// run runs the tests of a selection that match regex, too, and returns how each ended.
func (s suite) run(ctx context.Context, chosen selection, regex string) (results []result, err error) {
	include := chosen.include
	if regex != "" { // both must match: the first looks ahead from the beginning
		include = "^(?=.*" + strings.TrimPrefix(chosen.include, "^") + ")(?=.*(?:" + regex + "))"
	}
	args := []string{"run", "--config-file", "etc/tempest.conf", "--concurrency", fmt.Sprint(s.workers), "--regex", include}
	if chosen.exclude != "" {
		args = append(args, "--exclude-regex", chosen.exclude)
	}
	command := s.command(ctx, args...)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	raw, err := os.Create(filepath.Join(s.folder, "output"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start tempest (Debian's package tempest): %w", err)
	}
	results, readErr := read(io.TeeReader(out, raw))
	waitErr := command.Wait()
	var exit *exec.ExitError
	switch {
	case readErr != nil:
		return nil, readErr
	case waitErr != nil && !errors.As(waitErr, &exit):
		return nil, fmt.Errorf("run tempest: %w", waitErr)
	case len(results) == 0:
		return nil, errors.New("no test matches, or tempest could not begin")
	}
	return results, nil
}

var (
	// "{0} tempest.api.x.Class.test_y [0.12s] ... ok", "… ... SKIPPED: reason".
	resultLine = regexp.MustCompile(`^\{\d+\} (.+?)(?: \[[0-9.]+s\])? \.\.\. (ok|FAILED|SKIPPED)(?:: (.*))?$`)
	detailHead = regexp.MustCompile(`^(?:setUpClass \()?tempest\.[\w.]+`)
)

// read takes the results from what stestr prints: a line for each test as it ends, then
// the tracebacks of those that failed below their names.
func read(from io.Reader) ([]result, error) {
	var results []result
	at := map[string]int{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	var current string
	for lines.Scan() {
		line := lines.Text()
		if line == "Totals" {
			current = ""
		}
		if m := resultLine.FindStringSubmatch(line); m != nil {
			at[m[1]] = len(results)
			results = append(results, result{name: m[1], outcome: outcome(m[2]), detail: m[3]})
			continue
		}
		if detailHead.MatchString(line) {
			current = strings.TrimSpace(line)
			if i := strings.IndexByte(current, '['); i > 0 { // the tags of the test
				current = current[:i]
			}
			continue
		}
		if i, known := at[current]; known && results[i].outcome == failed {
			results[i].detail += line + "\n"
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read what tempest prints: %w", err)
	}
	return results, nil
}
