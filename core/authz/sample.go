package authz

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// sampleWidth is the width in characters that comments of a sample file are wrapped at.
const sampleWidth = 70

// WriteSample writes the rules as a policy file in which every rule stands commented out with its description, operations
// and scopes, in the form that oslopolicy-sample-generator gives it.
func WriteSample(w io.Writer, rules []Rule) error {
	out := bufio.NewWriter(w)
	for _, rule := range rules {
		writeSampleRule(out, rule)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write policy sample: %w", err)
	}
	return nil
}

// writeSampleRule leaves errors to the writer's Flush.
func writeSampleRule(out *bufio.Writer, rule Rule) {
	if rule.Description != "" {
		writeComment(out, rule.Description)
	}
	for _, operation := range rule.Operations {
		fmt.Fprintf(out, "# %s  %s\n", operation.Method, operation.Path)
	}
	if len(rule.Scopes) > 0 {
		fmt.Fprintf(out, "# Intended scope(s): %s\n", strings.Join(rule.Scopes, ", "))
	}
	fmt.Fprintf(out, "#%s: %s\n\n", strconv.Quote(rule.Name), strconv.Quote(rule.Check))
	if rule.Deprecated == nil {
		return
	}
	former := rule.Deprecated
	fmt.Fprintln(out, "# DEPRECATED")
	writeComment(out, fmt.Sprintf("%q:%q has been deprecated since %s in favor of %q:%q.",
		former.Name, former.Check, former.Since, rule.Name, rule.Check))
	if former.Reason != "" {
		writeComment(out, former.Reason)
	}
	if former.Name != rule.Name {
		fmt.Fprintf(out, "#%s: %s\n", strconv.Quote(former.Name), strconv.Quote("rule:"+rule.Name))
	}
	fmt.Fprintln(out)
}

// writeComment wraps each paragraph of the text on its own; lines that begin with white space stay as they are.
func writeComment(out *bufio.Writer, text string) {
	var paragraph []string
	flush := func() {
		for _, line := range wrap(strings.Join(paragraph, " ")) {
			fmt.Fprintf(out, "# %s\n", line)
		}
		paragraph = nil
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		switch {
		case strings.TrimSpace(line) == "":
			flush()
			fmt.Fprintln(out, "#")
		case line[0] == ' ' || line[0] == '\t':
			flush()
			fmt.Fprintf(out, "# %s\n", strings.TrimRight(line, " \t"))
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
}

// wrap breaks the text between words; a word that is too long has a line to itself.
func wrap(text string) []string {
	var lines []string
	var line string
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > sampleWidth-len("# "):
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
