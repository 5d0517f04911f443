package authz

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// lookup finds the value of a dotted name: the whole name as a key first, then a shorter key that holds a map with the
// rest.
func lookup(container any, name string) (any, bool) {
	if value, ok := child(container, name); ok {
		return value, true
	}
	for end := len(name); ; {
		dot := strings.LastIndexByte(name[:end], '.')
		if dot < 0 {
			return nil, false
		}
		if inner, ok := child(container, name[:dot]); ok {
			if value, ok := lookup(inner, name[dot+1:]); ok {
				return value, true
			}
		}
		end = dot
	}
}

// child returns the element of a map that has the key.
func child(container any, key string) (any, bool) {
	switch m := container.(type) {
	case Target:
		value, ok := m[key]
		return value, ok
	case map[string]any:
		value, ok := m[key]
		return value, ok
	case map[string]string:
		value, ok := m[key]
		return value, ok
	}
	return nil, false
}

// formatScalar writes a value as Python's str() does, which is what policy files compare with; false for anything that is
// not a scalar.
func formatScalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case nil:
		return "None", true
	case bool:
		return formatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return formatFloat(v), true
	case fmt.Stringer:
		return fmt.Sprint(v), true
	}
	return formatKind(reflect.ValueOf(value))
}

// formatKind writes values of named types and behind pointers.
func formatKind(value reflect.Value) (string, bool) {
	switch value.Kind() {
	case reflect.Pointer:
		if value.IsNil() {
			return "None", true
		}
		return formatScalar(value.Elem().Interface())
	case reflect.String:
		return value.String(), true
	case reflect.Bool:
		return formatBool(value.Bool()), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(value.Int(), 10), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(value.Uint(), 10), true
	case reflect.Float32, reflect.Float64:
		return formatFloat(value.Float()), true
	}
	return "", false
}

func formatBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func formatFloat(f float64) string {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".eIN") {
		text += ".0"
	}
	return text
}
