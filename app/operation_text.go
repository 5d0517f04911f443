package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// write prints an operation for people.
func (o *remoteOperation) write(out io.Writer, root string, now time.Time) {
	head := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(head, "%s\t%s\n", name, plain(fmt.Sprintf(format, args...), 2000))
	}
	line("operation", "%s", o.ID)
	line("service", "%s", root)
	line("kind", "%s", o.Kind)
	line("resource", "%s %s", o.ResourceKind, o.ResourceID)
	line("asked for by", "user %s of project %s in request %s", o.UserID, o.ProjectID, o.RequestID)
	if o.ParentID != "" {
		line("started by", "operation %s", o.ParentID)
	}
	line("state", "%s", o.stateText())
	line("started", "%s (%s ago)", o.CreatedAt.Format(time.RFC3339), age(now.Sub(o.CreatedAt)))
	if o.FinishedAt.IsZero() {
		line("deadline", "%s", until(o.Deadline, now))
		line("stands in", "step %s for %s, %d failed tries", o.Step, age(now.Sub(o.StepStartedAt)), o.Tries)
		line("goes on", "%s", o.goesOn(now))
	} else {
		line("ended", "%s (after %s)", o.FinishedAt.Format(time.RFC3339), age(o.FinishedAt.Sub(o.CreatedAt)))
	}
	if o.LastError != "" {
		line("last error", "%s", o.LastError)
	}
	if o.Error != "" {
		line("reason", "%s", o.Error)
	}
	for _, child := range o.Children {
		line("child", "%s %s: %s, %s in step %s", child.ID, child.Kind, child.ResourceID, child.stateText(), child.Step)
	}
	line("epoch", "%d", o.Epoch)
	_ = head.Flush()
	o.writeSteps(out, now)
	fmt.Fprintf(out, "\nparameters  %s\nframe       %s\n", indented(o.Params), indented(o.Frame))
}

// goesOn tells what an unfinished operation waits for.
func (o *remoteOperation) goesOn(now time.Time) string {
	switch {
	case o.LeaseUntil.After(now):
		return "now: " + o.Worker + " works on it"
	case o.WakeAt.After(now):
		return "in " + age(o.WakeAt.Sub(now)) + ", or when it is signalled"
	}
	return "as soon as a worker is free"
}

// writeSteps prints what was done, what is done now and what is left.
func (o *remoteOperation) writeSteps(out io.Writer, now time.Time) {
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STEP\tRESULT\tBEGAN\tTOOK\tERROR")
	const clock = "2006-01-02 15:04:05.000Z"
	for _, e := range o.Events {
		result := "done"
		switch {
		case e.Undo:
			result = "undone"
		case e.Error != "":
			result = "failed"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", plain(e.Step, 64), result, e.StartedAt.UTC().Format(clock), took(e.FinishedAt.Sub(e.StartedAt)), orDash(plain(e.Error, 300)))
	}
	if o.FinishedAt.IsZero() {
		result := "at work"
		if o.State == "undoing" {
			result = "being undone"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", plain(o.Step, 64), result, o.StepStartedAt.UTC().Format(clock), took(now.Sub(o.StepStartedAt)), orDash(plain(o.LastError, 300)))
		if o.State == "running" {
			for _, name := range o.stepsAhead() {
				fmt.Fprintf(table, "%s\tto come\t-\t-\t-\n", plain(name, 64))
			}
		}
	}
	_ = table.Flush()
}

func (o *remoteOperation) stepsAhead() []string {
	for i, name := range o.Steps {
		if name == o.Step {
			return o.Steps[i+1:]
		}
	}
	return nil
}

// indented is JSON in lines, without what a terminal would obey.
func indented(text json.RawMessage) string {
	var lines bytes.Buffer
	if json.Indent(&lines, text, "", "  ") != nil {
		return "-"
	}
	var safe []string
	for line := range strings.Lines(lines.String()) {
		safe = append(safe, plain(strings.TrimSuffix(line, "\n"), 4000))
	}
	return strings.Join(safe, "\n")
}

// plain is text on one line of at most so many characters, without what a terminal would obey.
func plain(text string, most int) string {
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
	if short := []rune(text); len(short) > most {
		return string(short[:most-1]) + "…"
	}
	return text
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// age is a duration in its greatest unit, or in two where the first is small: 3s, 4m10s, 7h, 12d.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 10*time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// took is a duration to the millisecond.
func took(d time.Duration) string { return max(d, 0).Round(time.Millisecond).String() }

// never is farther away than any deadline that means something.
const never = 10 * 365 * 24 * time.Hour

// until is how far away a deadline is.
func until(deadline, now time.Time) string {
	left := deadline.Sub(now)
	switch {
	case deadline.IsZero() || left > never:
		return "none"
	case left < 0:
		return age(-left) + " ago"
	}
	return "in " + age(left)
}
