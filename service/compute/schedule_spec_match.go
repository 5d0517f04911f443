package compute

import (
	"slices"
	"strconv"
	"strings"
)

// specOf is an extra spec by which hosts are chosen: what one of their values is to be, by the operators of nova's flavors
// (nova/scheduler/filters/extra_specs_ops.py): "s== x", ">= 5", "<in> text", "<or> a <or> b"; what begins with none of them is to be equal.
type specOf struct {
	key, want string
	operator  string // empty: equal
	words     []string
	number    float64
	// broken is true of a comparison with what is no number, or with nothing.
	broken bool
}

// newSpec reads what an extra spec wants, once for all hosts.
func newSpec(key, want string) specOf {
	s := specOf{key: key, want: want}
	words := strings.Fields(want)
	if len(words) == 0 || !slices.Contains([]string{"<or>", "<all-in>", "<in>", "=", "==", "!=", ">=", "<=", "s==", "s!=", "s<", "s<=", "s>", "s>="}, words[0]) {
		return s
	}
	s.operator, s.words, s.broken = words[0], words[1:], len(words) == 1
	if !s.broken && s.numeric() {
		var err error
		s.number, err = strconv.ParseFloat(s.words[0], 64)
		s.broken = err != nil
	}
	return s
}

func sortSpecs(specs []specOf) {
	slices.SortFunc(specs, func(a, b specOf) int { return strings.Compare(a.key, b.key) })
}

func (s *specOf) numeric() bool {
	return s.operator == "=" || s.operator == "==" || s.operator == "!=" || s.operator == ">=" || s.operator == "<="
}

// holdsOfOne tells whether one of the values is what the extra spec wants.
func (s *specOf) holdsOfOne(values []string) bool {
	for _, value := range values {
		if s.holds(value) {
			return true
		}
	}
	return false
}

// holds tells whether a value is what the extra spec wants.
func (s *specOf) holds(value string) bool {
	switch {
	case s.operator == "":
		return value == s.want
	case s.broken:
		return false
	case s.numeric():
		x, err := strconv.ParseFloat(value, 64)
		return err == nil && s.compare(x)
	}
	return s.holdsOfText(value)
}

func (s *specOf) compare(x float64) bool {
	switch s.operator {
	case "==":
		return x == s.number
	case "!=":
		return x != s.number
	case "<=":
		return x <= s.number
	}
	return x >= s.number // "=" is at least, too
}

func (s *specOf) holdsOfText(value string) bool {
	first := s.words[0]
	switch s.operator {
	case "<or>":
		for i := 0; i < len(s.words); i += 2 { // every second word is the operator again
			if s.words[i] == value {
				return true
			}
		}
		return false
	case "<all-in>":
		for _, word := range s.words {
			if !strings.Contains(value, word) {
				return false
			}
		}
		return true
	case "<in>":
		return strings.Contains(value, first)
	case "s==":
		return value == first
	case "s!=":
		return value != first
	case "s<":
		return value < first
	case "s<=":
		return value <= first
	case "s>":
		return value > first
	}
	return value >= first // s>=
}
