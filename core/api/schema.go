package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// maxDepth bounds the nesting of a JSON body.
const maxDepth = 64

// schemas compiles the JSON Schemas of a service, each when it is first needed.
type schemas struct {
	files fs.FS
	*Compiled
}

// Compiled keeps the compiled JSON Schemas of one service. Handlers of the same table may
// share it; the zero value is empty.
type Compiled struct {
	mu sync.Mutex
	// compiler keeps what schemas have in common.
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// get returns the schema NAME.json. Schemas may refer to others of the folder by "NAME.json".
func (s *schemas) get(name string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if schema := s.compiled[name]; schema != nil {
		return schema, nil
	}
	if s.compiler == nil {
		s.compiler = jsonschema.NewCompiler()
		s.compiler.DefaultDraft(jsonschema.Draft2020)
		s.compiler.AssertFormat()
		s.compiler.UseLoader(schemaLoader{s.files})
		s.compiled = map[string]*jsonschema.Schema{}
	}
	schema, err := s.compiler.Compile("virga:///" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", name, err)
	}
	s.compiled[name] = schema
	return schema, nil
}

type schemaLoader struct{ files fs.FS }

// Load implements jsonschema.URLLoader.
func (l schemaLoader) Load(url string) (any, error) {
	name := strings.TrimPrefix(url, "virga:///")
	text, err := fs.ReadFile(l.files, name)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}

// readBody reads, bounds and validates a JSON body. A relaxed one loses what the schema does
// not know instead of being refused for it.
func (s *schemas) readBody(r io.Reader, limit int64, name string, relaxed bool) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, Errorf(http.StatusRequestTimeout, "The request body did not arrive in time.").Because(err)
	}
	if err != nil {
		return nil, BadRequest("The request body could not be read.").Because(err)
	}
	if int64(len(body)) > limit {
		return nil, TooLarge("Request is too large: the body may have at most %d bytes.", limit)
	}
	if tooDeep(body) {
		return nil, BadRequest("Malformed request body: it is nested more than %d levels deep.", maxDepth)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return nil, BadRequest("Malformed request body: the server could not read it as JSON.").Because(err)
	}
	twice, err := checkValues(body)
	if err != nil {
		return nil, err
	}
	if twice { // the last one counts, as in Python; from here on it is the only one
		if body, err = json.Marshal(value); err != nil {
			return nil, fmt.Errorf("write body anew: %w", err)
		}
	}
	schema, err := s.get(name)
	if err != nil {
		return nil, err
	}
	err = schema.Validate(value)
	if relaxed && err != nil {
		if err = dropUnknown(schema, value, err); err == nil {
			if body, err = json.Marshal(value); err != nil {
				return nil, fmt.Errorf("write body anew: %w", err)
			}
		}
	}
	if err != nil {
		var invalid *jsonschema.ValidationError
		if errors.As(err, &invalid) {
			return nil, refuse(invalid, value)
		}
		return nil, err
	}
	return body, nil
}

// tooDeep counts brackets outside of strings.
func tooDeep(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// refuse says of the deepest first mistake where it is and what is wrong there.
func refuse(invalid *jsonschema.ValidationError, value any) *Error {
	for len(invalid.Causes) > 0 {
		if _, names := invalid.ErrorKind.(*kind.PropertyNames); names {
			break
		}
		deepest := invalid.Causes[0]
		for _, cause := range invalid.Causes[1:] {
			if len(cause.InstanceLocation) > len(deepest.InstanceLocation) {
				deepest = cause
			}
		}
		invalid = deepest
	}
	at := value
	for _, key := range invalid.InstanceLocation {
		switch container := at.(type) {
		case map[string]any:
			at = container[key]
		case []any:
			var index int
			if _, err := fmt.Sscan(key, &index); err == nil && index < len(container) {
				at = container[index]
			}
		}
	}
	mistake := mistakeOf(invalid, at)
	refusal := BadRequest("%s", mistake.Reason)
	if path := invalid.InstanceLocation; len(path) > 0 {
		shown := asPython(at)
		if text, ok := at.(string); ok && len(shown) < maxShown {
			shown = text
		}
		refusal = BadRequest("Invalid input for field/attribute %s. Value: %s. %s", strings.Join(path[max(0, len(path)-3):], "."), shown, mistake.Reason)
	}
	refusal.Mistake = &mistake
	return refusal
}
