package authz

import (
	"errors"
	"fmt"
	"strings"
)

// template is the right side of a check: literal text with %(name)s places that the target fills.
type template struct {
	// parts alternate freely; a part has either text or name.
	parts []templatePart
}

type templatePart struct {
	text string
	name string
}

// parseTemplate reads Python's % formatting as far as policies use it: %(name)s and %%.
func parseTemplate(source string) (template, error) {
	var parsed template
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			parsed.parts = append(parsed.parts, templatePart{text: text.String()})
			text.Reset()
		}
	}
	for rest := source; rest != ""; {
		percent := strings.IndexByte(rest, '%')
		if percent < 0 {
			text.WriteString(rest)
			break
		}
		text.WriteString(rest[:percent])
		rest = rest[percent+1:]
		if after, ok := strings.CutPrefix(rest, "%"); ok {
			text.WriteByte('%')
			rest = after
			continue
		}
		name, after, err := cutPlace(rest)
		if err != nil {
			return template{}, fmt.Errorf("read %q: %w", source, err)
		}
		flush()
		parsed.parts = append(parsed.parts, templatePart{name: name})
		rest = after
	}
	flush()
	return parsed, nil
}

// cutPlace reads "(name)s" at the start of the text.
func cutPlace(rest string) (name, after string, err error) {
	if !strings.HasPrefix(rest, "(") {
		return "", "", errors.New("a percent sign must begin %(name)s or %%")
	}
	name, after, found := strings.Cut(rest[1:], ")")
	if !found || !strings.HasPrefix(after, "s") {
		return "", "", errors.New("a place in the text must have the form %(name)s")
	}
	if name == "" {
		return "", "", errors.New("a place in the text must have a name")
	}
	return name, after[1:], nil
}

// constant tells whether the template takes nothing from the target.
func (t template) constant() bool {
	for _, part := range t.parts {
		if part.name != "" {
			return false
		}
	}
	return true
}

// fill puts the target's values in; false when the target lacks one of them.
func (t template) fill(target Target) (string, bool) {
	switch len(t.parts) {
	case 0:
		return "", true
	case 1:
		return t.parts[0].fill(target)
	}
	var filled strings.Builder
	for _, part := range t.parts {
		text, ok := part.fill(target)
		if !ok {
			return "", false
		}
		filled.WriteString(text)
	}
	return filled.String(), true
}

func (p templatePart) fill(target Target) (string, bool) {
	if p.name == "" {
		return p.text, true
	}
	value, ok := lookup(target, p.name)
	if !ok {
		return "", false
	}
	return formatScalar(value)
}
