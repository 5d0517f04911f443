package api

import (
	"context"
	"errors"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// relaxedKey marks the context of a request whose body may have more than its schema knows.
type relaxedKey struct{}

// WithRelaxedBodies has the request's body lose what its schema does not know, instead of the
// request being refused for it: Nova's API of before microversions works like this.
func WithRelaxedBodies(ctx context.Context) context.Context {
	return context.WithValue(ctx, relaxedKey{}, true)
}

// Relaxed tells whether the request came in by an API of before microversions.
func (r *Request) Relaxed() bool {
	relaxed, _ := r.HTTP.Context().Value(relaxedKey{}).(bool)
	return relaxed
}

// maxDrops bounds how often a body is looked at again after something was taken out of it.
const maxDrops = 16

// dropUnknown takes out of a value what its schema does not know, until the value is right or
// there is another mistake, which it returns.
func dropUnknown(schema *jsonschema.Schema, value any, err error) error {
	for range maxDrops {
		var invalid *jsonschema.ValidationError
		if err == nil || !errors.As(err, &invalid) || !drop(invalid, value) {
			return err
		}
		err = schema.Validate(value)
	}
	return err
}

// drop deletes the unknown properties that a validation has found, and tells whether there were any.
func drop(invalid *jsonschema.ValidationError, value any) bool {
	if unknown, ok := invalid.ErrorKind.(*kind.AdditionalProperties); ok {
		object, _ := valueAt(value, invalid.InstanceLocation).(map[string]any)
		for _, name := range unknown.Properties {
			delete(object, name)
		}
		return object != nil
	}
	dropped := false
	for _, cause := range invalid.Causes {
		dropped = drop(cause, value) || dropped
	}
	return dropped
}

// valueAt follows the keys and indices of a path; nil where it leads nowhere.
func valueAt(value any, path []string) any {
	for _, key := range path {
		switch container := value.(type) {
		case map[string]any:
			value = container[key]
		case []any:
			index, err := strconv.Atoi(key)
			if err != nil || index < 0 || index >= len(container) {
				return nil
			}
			value = container[index]
		}
	}
	return value
}
