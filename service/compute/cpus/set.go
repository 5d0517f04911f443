package cpus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Set is a set of processors by number, in rising order. As text it is nova's and libvirt's "0-3,7".
type Set []int

// maxNumber is greater than any processor's number.
const maxNumber = 1 << 14

// Range is the set of all numbers below n.
func Range(n int) Set {
	set := make(Set, n)
	for i := range set {
		set[i] = i
	}
	return set
}

// Of is the set of the numbers given.
func Of(numbers ...int) Set {
	slices.Sort(numbers)
	return Set(slices.Compact(numbers)).orNil()
}

// orNil makes all empty sets equal.
func (s Set) orNil() Set {
	if len(s) == 0 {
		return nil
	}
	return s
}

// ParseSet reads nova's syntax for sets (parse_cpu_spec): numbers, ranges, and both behind a ^ to leave them out again.
func ParseSet(text string) (Set, error) {
	var in, out Set
	for rule := range strings.SplitSeq(text, ",") {
		if rule = strings.TrimSpace(rule); rule == "" {
			continue
		}
		body, without := strings.CutPrefix(rule, "^")
		from, to, isRange := strings.Cut(body, "-")
		first, err := number(from)
		last := first
		if isRange && err == nil {
			last, err = number(to)
		}
		switch {
		case isRange && (err != nil || first > last):
			return nil, refuse("Invalid range expression '%s'", rule)
		case err != nil && without:
			return nil, refuse("Invalid exclusion expression '%s'", rule)
		case err != nil:
			return nil, refuse("Invalid inclusion expression '%s'", rule)
		}
		for n := first; n <= last; n++ {
			if without {
				out = append(out, n)
			} else {
				in = append(in, n)
			}
		}
	}
	return Of(in...).Without(Of(out...)), nil
}

func number(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err == nil && (n < 0 || n >= maxNumber) {
		err = strconv.ErrRange
	}
	return n, err
}

// String is the set in the syntax of ParseSet.
func (s Set) String() string {
	var parts []string
	for i := 0; i < len(s); {
		last := i
		for last+1 < len(s) && s[last+1] == s[last]+1 {
			last++
		}
		if last == i {
			parts = append(parts, strconv.Itoa(s[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", s[i], s[last]))
		}
		i = last + 1
	}
	return strings.Join(parts, ",")
}

// MarshalText implements encoding.TextMarshaler.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Set) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSet(string(text))
	return err
}

// Has tells whether a number is in the set.
func (s Set) Has(n int) bool {
	_, there := slices.BinarySearch(s, n)
	return there
}

// Without is what is in s and not in other.
func (s Set) Without(other Set) Set {
	return slices.DeleteFunc(slices.Clone(s), other.Has).orNil()
}

// And is what is in both sets.
func (s Set) And(other Set) Set {
	return slices.DeleteFunc(slices.Clone(s), func(n int) bool { return !other.Has(n) }).orNil()
}

// Or is what is in either set.
func (s Set) Or(other Set) Set { return Of(slices.Concat(s, other)...) }
