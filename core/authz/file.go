package authz

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds a policy file; the largest of the field's services has a tenth of it.
const maxFileBytes = 4 << 20

// ParseFile reads a policy file, YAML or its subset JSON: a map of rule names to checks, each a text or a list of lists.
//
// Everything wrong is reported together, each with its line: values that are no check, names given twice, and checks that
// the language does not know. Names of rules are not judged here, see Enforcer.Warnings. Kinds of checks that a service
// adds pass as attribute checks.
func ParseFile(data []byte) (map[string]string, error) {
	rules, _, err := parseFile(data)
	return rules, err
}

// SetFile takes the rules of a policy file in place of the former overrides, all at once. When one of them is wrong nothing
// changes, and each error has its line.
func (e *Enforcer) SetFile(data []byte) error {
	rules, lines, err := parseFile(data)
	if err != nil {
		return err
	}
	err = e.SetOverrides(rules)
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range several.Unwrap() {
			if wrong := (*RuleError)(nil); errors.As(one, &wrong) {
				wrong.Line = lines[wrong.Rule]
			}
		}
	}
	return err
}

// parseFile is ParseFile that tells the rules' lines, too.
func parseFile(data []byte) (rules map[string]string, lines map[string]int, err error) {
	if len(data) > maxFileBytes {
		return nil, nil, fmt.Errorf("read policy file: it is longer than %d bytes", maxFileBytes)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, nil, fmt.Errorf("read policy file: %w", err)
	}
	rules, lines = map[string]string{}, map[string]int{}
	if len(document.Content) == 0 || document.Content[0].ShortTag() == "!!null" {
		return rules, lines, nil
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, nil, fmt.Errorf("read policy file: line %d: it is not a map of rule names to checks", top.Line)
	}
	var failures []error
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, value := top.Content[i], top.Content[i+1]
		if lines[name.Value] == 0 {
			lines[name.Value] = name.Line
		}
		if err := addFileRule(rules, name, value); err != nil {
			failures = append(failures, &RuleError{Rule: name.Value, Line: name.Line, Err: err})
		}
	}
	if err := errors.Join(failures...); err != nil {
		return nil, nil, err
	}
	return rules, lines, nil
}

func addFileRule(rules map[string]string, name, value *yaml.Node) error {
	if name.Kind != yaml.ScalarNode || name.ShortTag() != "!!str" || name.Value == "" {
		return errors.New("the rule's name is not a text")
	}
	if _, twice := rules[name.Value]; twice {
		return errors.New("the rule is given twice")
	}
	text, err := fileCheck(value)
	if err != nil {
		return err
	}
	rules[name.Value] = text
	_, _, err = parseRule(text, kinds{})
	return err
}

// fileCheck returns a value's check as text; lists are kept as JSON, since their checks may contain white space.
func fileCheck(value *yaml.Node) (string, error) {
	switch {
	case value.Kind == yaml.ScalarNode && value.ShortTag() == "!!str":
		return value.Value, nil
	case value.ShortTag() == "!!null":
		return "", errors.New(`the check is missing; "" allows everybody and "!" nobody`)
	case value.Kind == yaml.SequenceNode:
		outer := make([]any, 0, len(value.Content))
		for _, item := range value.Content {
			inner, err := fileCheckItem(item)
			if err != nil {
				return "", err
			}
			outer = append(outer, inner)
		}
		text, err := json.Marshal(outer)
		return string(text), err
	}
	return "", errors.New("the check is neither a text nor a list of lists")
}

func fileCheckItem(item *yaml.Node) (any, error) {
	switch {
	case item.Kind == yaml.ScalarNode && item.ShortTag() == "!!str":
		return item.Value, nil
	case item.Kind == yaml.SequenceNode:
		inner := make([]string, 0, len(item.Content))
		for _, one := range item.Content {
			if one.Kind != yaml.ScalarNode || one.ShortTag() != "!!str" {
				return nil, fmt.Errorf("line %d: an element of a list of checks is not a text", one.Line)
			}
			inner = append(inner, one.Value)
		}
		return inner, nil
	}
	return nil, fmt.Errorf("line %d: an element of a list of checks is neither a text nor a list", item.Line)
}
