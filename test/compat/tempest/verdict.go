package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
)

// verdict is what a run has come to.
type verdict struct {
	passed, failed, skipped []result
	// broken are tests of the list that did not pass.
	broken []string
}

// judge sorts the results and compares them with the tests that must pass, as far as
// regex chose them.
func judge(results []result, must []string, regex string) (verdict, error) {
	var v verdict
	chosen, err := regexp.Compile(regex)
	if err != nil {
		return v, fmt.Errorf("regex: %w", err)
	}
	good := map[string]bool{}
	for _, r := range results {
		switch r.outcome {
		case passed:
			v.passed = append(v.passed, r)
			good[r.name] = true
		case failed:
			v.failed = append(v.failed, r)
		case skipped:
			v.skipped = append(v.skipped, r)
		}
	}
	for _, name := range must {
		if !good[name] && chosen.MatchString(name) {
			v.broken = append(v.broken, name)
		}
	}
	return v, nil
}

// ok tells whether everything passed that must.
func (v verdict) ok() bool { return len(v.broken) == 0 && len(v.passed) > 0 }

// print shows skips, then failures, which are looked for at the end, and totals.
func (v verdict) print(out io.Writer) {
	reasons := map[string][]string{}
	for _, r := range v.skipped {
		reasons[r.detail] = append(reasons[r.detail], r.name)
	}
	for _, r := range v.skipped {
		for i, name := range reasons[r.detail] {
			if i == 0 {
				fmt.Fprintf(out, "SKIPPED because: %s\n", r.detail)
				if why := explain(r.detail); why != "" {
					fmt.Fprintf(out, "  that is: %s\n", why)
				}
			}
			fmt.Fprintf(out, "    %s\n", name)
		}
		delete(reasons, r.detail)
	}
	for _, r := range v.failed {
		fmt.Fprintf(out, "FAILED %s\n%s\n", r.name, indent(essence(r.detail)))
	}
	for _, name := range v.broken {
		fmt.Fprintf(out, "MUST PASS and did not: %s\n", name)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", len(v.passed), len(v.failed), len(v.skipped))
}

// explanations tell more of skips than Tempest does, by words of its reasons.
func explanations() [][2]string {
	return [][2]string{
		{"glance-download", "the cloud was started without this import method (imageRules turns it on)"},
		{"image_remote", "the configuration names no second endpoint of images"},
		{"show_multiple_locations", "the cloud was started without --image-locations"},
		{"glance caching", "the cloud was started without a cache of images"},
		{"only one store", "the cloud was started without --image-store"},
	}
}

// explain tells more of a skip; it is empty where Tempest's own words do.
func explain(reason string) string {
	for _, known := range explanations() {
		if strings.Contains(reason, known[0]) {
			return known[1]
		}
	}
	return ""
}

// add appends what passed and what must have passed and did not to a file of totals.
func (v verdict) add(path string) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the totals: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = fmt.Fprintf(file, "%d %d\n", len(v.passed), len(v.broken))
	return err
}

// grow writes the list of what must pass with what passed now.
func (v verdict) grow(path string, must []string) error {
	all := slices.Clone(must)
	for _, r := range v.passed {
		if strings.HasPrefix(r.name, "tempest.") {
			all = append(all, r.name)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if err := os.WriteFile(path, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the list of what must pass: %w", err)
	}
	return nil
}

// readList reads the names of tests, one a line; a list that is not there is empty.
func readList(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of what must pass: %w", err)
	}
	return strings.Fields(string(text)), nil
}

// essence is what a traceback ends with and the last requests before it.
func essence(detail string) string {
	trace, captured, _ := strings.Cut(detail, "Captured pythonlogging")
	var kept []string
	for line := range strings.Lines(trace) {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	kept = kept[max(0, len(kept)-traceLines):]
	var requests []string
	for line := range strings.Lines(captured) {
		if _, request, found := strings.Cut(line, "] Request ("); found {
			requests = append(requests, "("+strings.TrimSpace(request))
		}
	}
	return strings.Join(append(kept, requests[max(0, len(requests)-requestLines):]...), "\n")
}

// How much of a failure is shown.
const (
	traceLines   = 4
	requestLines = 3
)

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }
