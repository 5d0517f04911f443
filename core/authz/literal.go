package authz

import (
	"fmt"
	"strconv"
	"strings"
)

// cutKind splits a check at its first colon that is not inside a quoted literal.
func cutKind(text string) (kind, match string, found bool) {
	if text != "" && isQuote(text[0]) {
		end := strings.IndexByte(text[1:], text[0])
		if end < 0 {
			return "", "", false
		}
		rest := text[end+2:]
		if !strings.HasPrefix(rest, ":") {
			return "", "", false
		}
		return text[:end+2], rest[1:], true
	}
	return strings.Cut(text, ":")
}

func isQuote(b byte) bool { return b == '\'' || b == '"' }

// parseLiteral reads the left side of a check as a Python literal (string, number, True, False, None), in the spelling
// that Python's str() gives it; false when it is the name of an attribute.
func parseLiteral(text string) (value string, literal bool, err error) {
	switch text {
	case "True", "False", "None":
		return text, true, nil
	}
	if isQuote(text[0]) {
		inner := text[1 : len(text)-1]
		if strings.Contains(inner, `\`) {
			return "", false, fmt.Errorf("%s has an escape, which is not supported", text)
		}
		return inner, true, nil
	}
	if c := text[0]; c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') {
		return "", false, nil
	}
	if number, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.FormatInt(number, 10), true, nil
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", false, fmt.Errorf("%q is neither a number nor the name of an attribute", text)
	}
	return formatFloat(number), true, nil
}
