package network

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"virga/core/api"
)

// given is an attribute of a request body: whether it stands there, whether it is null,
// and its value. An update changes what was given and nothing else.
type given[T any] struct {
	Set, Null bool
	Value     T
}

// UnmarshalJSON implements json.Unmarshaler; it is only called for keys that are there.
func (g *given[T]) UnmarshalJSON(text []byte) error {
	g.Set = true
	if bytes.Equal(text, []byte("null")) {
		g.Null = true
		return nil
	}
	return json.Unmarshal(text, &g.Value)
}

// or is the value, or fallback where none was given.
func (g given[T]) or(fallback T) T {
	if g.Set && !g.Null {
		return g.Value
	}
	return fallback
}

// into writes a given value to where an update wants it; null writes the zero value.
func (g given[T]) into(to *T) {
	if g.Set {
		*to = g.Value
	}
}

// flag is a boolean in the forms that the network API takes: true, "True", 1 and so on.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(text []byte) error {
	value, ok := api.ParseBool(strings.Trim(string(text), `"`))
	if !ok {
		return fmt.Errorf("%s is not a boolean", text)
	}
	*f = flag(value)
	return nil
}

// whole is an integer, also in quotes.
type whole int64

// UnmarshalJSON implements json.Unmarshaler.
func (w *whole) UnmarshalJSON(text []byte) error {
	digits := strings.Trim(string(text), `"`)
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		*w = whole(n)
		return nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return fmt.Errorf("%s is not an integer", text)
	}
	*w = whole(f)
	return nil
}

// bodies reads {"one": {…}} or {"many": [{…}, …]}; bulk tells which it was.
func bodies[B any](r *api.Request, one, many string) (list []B, bulk bool, err error) {
	var outer map[string]json.RawMessage
	if err := r.Decode(&outer); err != nil {
		return nil, false, err
	}
	if single, ok := outer[one]; ok {
		var body B
		if err := decodePart(single, &body); err != nil {
			return nil, false, err
		}
		return []B{body}, false, nil
	}
	if err := decodePart(outer[many], &list); err != nil {
		return nil, false, err
	}
	return list, true, nil
}

func decodePart(text json.RawMessage, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return api.BadRequest("Invalid input for the request body: %s.", strings.TrimPrefix(err.Error(), "json: ")).WithCode("HTTPBadRequest")
	}
	return nil
}

// single reads {"one": {…}}.
func single[B any](r *api.Request, one string) (B, error) {
	list, _, err := bodies[B](r, one, "")
	if err != nil || len(list) == 0 {
		var none B
		return none, err
	}
	return list[0], nil
}

// word is a text that may also come as a number.
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(text []byte) error {
	var plain string
	if err := json.Unmarshal(text, &plain); err != nil {
		plain = string(text)
	}
	*w = word(plain)
	return nil
}
