package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxNumber and maxExponent bound a number's digits and its power of ten: exact
	// arithmetic on a short text like 1e999999 takes long.
	maxNumber   = 1000
	maxExponent = 400
)

// checkValues refuses well-formed JSON that cannot be kept: the character NUL, numbers
// out of all range. It tells whether a key stands twice in an object: readers disagree
// about which value counts or mix both, so that one would check what another does not use.
func checkValues(body []byte) (twice bool, refused error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var open []*object
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return twice, nil
		}
		if err != nil {
			return false, BadRequest("Malformed request body: the server could not read it as JSON.").Because(err)
		}
		if bracket, ok := token.(json.Delim); ok && (bracket == '}' || bracket == ']') {
			open = open[:len(open)-1]
			continue
		}
		var key bool
		if len(open) > 0 {
			key = open[len(open)-1].next()
		}
		switch value := token.(type) {
		case json.Delim:
			open = append(open, &object{isObject: value == '{'})
		case json.Number:
			if !sober(value.String()) {
				return false, BadRequest("Malformed request body: the number %.20s… is out of range.", value)
			}
		case string:
			if strings.ContainsRune(value, 0) {
				return false, BadRequest("Malformed request body: a text has the character NUL in it.")
			}
			twice = key && !open[len(open)-1].add(value) || twice
		}
	}
}

// object is an object, or an array, that is being read.
type object struct {
	isObject bool
	inValue  bool
	few      []string
	many     map[string]struct{}
}

// next tells whether the coming token is a key.
func (o *object) next() (key bool) {
	key = o.isObject && !o.inValue
	o.inValue = !o.inValue
	return key
}

// add notes a key; false when it is there already.
func (o *object) add(key string) bool {
	const few = 8
	if o.many == nil {
		if slices.Contains(o.few, key) {
			return false
		}
		if o.few = append(o.few, key); len(o.few) > few {
			o.many = map[string]struct{}{}
			for _, k := range o.few {
				o.many[k] = struct{}{}
			}
		}
		return true
	}
	_, there := o.many[key]
	o.many[key] = struct{}{}
	return !there
}

func sober(number string) bool {
	if len(number) > maxNumber {
		return false
	}
	i := strings.IndexAny(number, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(number[i+1:])
	return err == nil && exponent <= maxExponent && exponent >= -maxExponent
}

// misspelt finds a key that encoding/json would take for a field of t although it
// is written in another case. A schema knows such a key as another one, so that its value
// would be used unchecked.
func misspelt(t reflect.Type, value any) (string, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return "", false
	}
	switch t.Kind() {
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			return "", false
		}
		return misspeltField(t, object)
	case reflect.Slice, reflect.Array:
		list, _ := value.([]any)
		for _, element := range list {
			if key, found := misspelt(t.Elem(), element); found {
				return key, true
			}
		}
	case reflect.Map:
		object, _ := value.(map[string]any)
		for _, element := range object {
			if key, found := misspelt(t.Elem(), element); found {
				return key, true
			}
		}
	}
	return "", false
}

func misspeltField(t reflect.Type, object map[string]any) (string, bool) {
	fields := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || field.Tag.Get("json") == "-" || field.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		fields[name] = field.Type
	}
	for key, value := range object {
		if fieldType, exact := fields[key]; exact {
			if inner, found := misspelt(fieldType, value); found {
				return inner, true
			}
			continue
		}
		for name := range fields {
			if strings.EqualFold(name, key) {
				return key, true
			}
		}
	}
	return "", false
}

// checkSpelling is the 400 for a key that is misspelt.
func checkSpelling(v any, body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // a number need not fit into a float64 to be somewhere in the body
	var value any
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if key, found := misspelt(reflect.TypeOf(v), value); found {
		return BadRequest("Additional properties are not allowed (%.60q was unexpected).", key)
	}
	return nil
}

// writableAddress tells whether path and query can be names and ids. Some databases answer a
// search for others with an error; where the service has not refused them that is the client's mistake.
func writableAddress(r *Request) bool {
	for _, value := range r.values {
		if !writable(value) {
			return false
		}
	}
	for name, values := range r.Query {
		if !writable(name) || slices.ContainsFunc(values, func(value string) bool { return !writable(value) }) {
			return false
		}
	}
	return true
}

// writable tells whether every engine can keep the text.
func writable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }
