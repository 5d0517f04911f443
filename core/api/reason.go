package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Mistake is what is wrong with a body, in the words of Python's jsonschema, which OpenStack's services pass on and their clients
// look for.
type Mistake struct {
	// Reason is "'total' is a required property", Keyword the schema's word that is broken: "required".
	Reason, Keyword string
	// Place is where in the schema that stands: "['properties']['total']".
	Place string
}

// mistakeOf tells what is wrong with a value.
func mistakeOf(invalid *jsonschema.ValidationError, value any) Mistake {
	m := Mistake{Reason: reasonOf(invalid, asPython(value))}
	if path := invalid.ErrorKind.KeywordPath(); len(path) > 0 {
		m.Keyword = path[0]
	}
	if _, fragment, found := strings.Cut(invalid.SchemaURL, "#/"); found {
		for part := range strings.SplitSeq(fragment, "/") {
			m.Place += "['" + part + "']"
		}
	}
	return m
}

func reasonOf(invalid *jsonschema.ValidationError, value string) string {
	switch k := invalid.ErrorKind.(type) {
	case *kind.Required:
		return asPython(k.Missing[0]) + " is a required property"
	case *kind.AdditionalProperties:
		names := slices.Sorted(slices.Values(k.Properties))
		return "Additional properties are not allowed (" + quotedList(names) + map[bool]string{true: " was", false: " were"}[len(names) == 1] + " unexpected)"
	case *kind.PropertyNames:
		return asPython(k.Property) + " does not match any of the regexes" + wantedPattern(invalid)
	case *kind.Type:
		return value + " is not of type " + quotedList(k.Want)
	case *kind.Enum:
		return value + " is not one of " + asPython(k.Want)
	case *kind.Const:
		return asPython(k.Want) + " was expected"
	case *kind.MinLength, *kind.MinItems:
		return value + " is too short"
	case *kind.MaxLength, *kind.MaxItems:
		return value + " is too long"
	case *kind.MinProperties:
		return value + " does not have enough properties"
	case *kind.MaxProperties:
		return value + " has too many properties"
	case *kind.UniqueItems:
		return value + " has non-unique elements"
	case *kind.Minimum:
		return value + " is less than the minimum of " + number(k.Want)
	case *kind.Maximum:
		return value + " is greater than the maximum of " + number(k.Want)
	case *kind.Pattern:
		return value + " does not match " + asPython(k.Want)
	case *kind.Format:
		return value + " is not a " + asPython(k.Want)
	case *kind.AnyOf, *kind.OneOf:
		return value + " is not valid under any of the given schemas"
	}
	return invalid.ErrorKind.LocalizedString(message.NewPrinter(language.English))
}

// wantedPattern is the pattern that names were to match, if that is what was wrong with them.
func wantedPattern(invalid *jsonschema.ValidationError) string {
	for _, cause := range invalid.Causes {
		if k, ok := cause.ErrorKind.(*kind.Pattern); ok {
			return ": " + asPython(k.Want)
		}
	}
	return ""
}

func number(n *big.Rat) string {
	if n.IsInt() {
		return n.Num().String()
	}
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = asPython(name)
	}
	return strings.Join(quoted, ", ")
}

// maxShown bounds how much of a value an error repeats.
const maxShown = 120

// asPython writes a value of JSON as Python's repr does, at most the beginning of it.
func asPython(value any) string {
	var b strings.Builder
	writePython(&b, value)
	text := strings.ToValidUTF8(b.String(), "?")
	if len(text) > maxShown {
		return strings.ToValidUTF8(text[:maxShown-3], "") + "..."
	}
	return text
}

func writePython(b *strings.Builder, value any) {
	if b.Len() > maxShown {
		return
	}
	switch v := value.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case json.Number:
		b.WriteString(v.String())
	case string:
		b.WriteString(pythonText(v))
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writePython(b, item)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(pythonText(key) + ": ")
			writePython(b, v[key])
		}
		b.WriteByte('}')
	default:
		fmt.Fprint(b, v)
	}
}

// pythonText quotes a text as Python does: with apostrophes, unless it has such and no quotation marks.
func pythonText(text string) string {
	quote := "'"
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		quote = `"`
	}
	var b strings.Builder
	b.WriteString(quote)
	for _, r := range text {
		switch {
		case r == '\\' || string(r) == quote:
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteString(quote)
	return b.String()
}
