package compute

import (
	"strconv"
	"strings"
)

// specMatches compares a value with what an extra spec wants of it, by the operators of nova's flavors: "s== x", ">= 5",
// "<in> text", "<or> a <or> b"; what begins with none of them is to be equal.
func specMatches(value, want string) bool {
	words := strings.Fields(want)
	if len(words) == 0 {
		return value == want
	}
	operator, rest := words[0], words[1:]
	compare, known := specOperator(operator)
	switch {
	case !known:
		return value == want
	case len(rest) == 0:
		return false
	case operator == "<or>":
		for i := 0; i < len(rest); i += 2 { // every second word is the operator again
			if rest[i] == value {
				return true
			}
		}
		return false
	case operator == "<all-in>":
		for _, word := range rest {
			if !strings.Contains(value, word) {
				return false
			}
		}
		return true
	}
	return compare(value, rest[0])
}

// specOperator finds what an operator does; those of several words are specMatches's own.
func specOperator(name string) (compare func(a, b string) bool, known bool) {
	numbers := func(holds func(a, b float64) bool) (func(a, b string) bool, bool) {
		return func(a, b string) bool {
			x, errA := strconv.ParseFloat(a, 64)
			y, errB := strconv.ParseFloat(b, 64)
			return errA == nil && errB == nil && holds(x, y)
		}, true
	}
	switch name {
	case "<or>", "<all-in>":
		return nil, true
	case "<in>":
		return strings.Contains, true
	case "=", ">=":
		return numbers(func(a, b float64) bool { return a >= b })
	case "<=":
		return numbers(func(a, b float64) bool { return a <= b })
	case "==":
		return numbers(func(a, b float64) bool { return a == b })
	case "!=":
		return numbers(func(a, b float64) bool { return a != b })
	case "s==":
		return func(a, b string) bool { return a == b }, true
	case "s!=":
		return func(a, b string) bool { return a != b }, true
	case "s<":
		return func(a, b string) bool { return a < b }, true
	case "s<=":
		return func(a, b string) bool { return a <= b }, true
	case "s>":
		return func(a, b string) bool { return a > b }, true
	case "s>=":
		return func(a, b string) bool { return a >= b }, true
	}
	return nil, false
}
