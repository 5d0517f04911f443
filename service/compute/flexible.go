package compute

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"virga/core/api"
)

// Nova's schemas let numbers and booleans come as strings, and some strings as numbers.

// flexInt is a number, or a string that is one.
type flexInt int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *flexInt) UnmarshalJSON(text []byte) error {
	text = bytes.Trim(text, `"`)
	if len(text) == 0 || string(text) == "null" {
		*n = 0
		return nil
	}
	value, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return &json.UnmarshalTypeError{Value: "value " + fmt.Sprintf("%.40q", text), Field: "(a number)"}
	}
	*n = flexInt(value)
	return nil
}

// flexString is a string, or a number as it is written.
type flexString string

// UnmarshalJSON implements json.Unmarshaler.
func (s *flexString) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		var value string
		err := json.Unmarshal(text, &value)
		*s = flexString(value)
		return err
	}
	*s = flexString(text)
	return nil
}

// flexBool is a boolean, or a word for one.
type flexBool bool

// UnmarshalJSON implements json.Unmarshaler.
func (b *flexBool) UnmarshalJSON(text []byte) error {
	value, ok := api.ParseBool(string(bytes.Trim(text, `"`)))
	if !ok {
		return &json.UnmarshalTypeError{Value: "value " + fmt.Sprintf("%.40q", text), Field: "(a boolean)"}
	}
	*b = flexBool(value)
	return nil
}
