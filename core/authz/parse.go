package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

const (
	// maxRuleBytes and maxRuleDepth keep a rule's text, and the stack that reading it takes, small.
	maxRuleBytes = 32 << 10
	maxRuleDepth = 64
)

// parser reads the text of one rule. The grammar, loosest first: or, and, not, then a check or parentheses.
type parser struct {
	kinds  kinds
	tokens []string
	depth  int
	// references collects the rule: checks, to be linked when all rules are known.
	references []*ruleCheck
}

// kinds are the parts of the language that come from outside.
type kinds struct {
	remote Remote
	added  map[string]CheckFunc
}

// parseRule reads a rule in the policy language, or in the older form of a list of lists, which is written as JSON.
func parseRule(text string, known kinds) (check, []*ruleCheck, error) {
	if len(text) > maxRuleBytes {
		return nil, nil, fmt.Errorf("the rule is longer than %d bytes", maxRuleBytes)
	}
	if text == "" {
		return constantCheck(true), nil, nil
	}
	p := &parser{kinds: known}
	var parsed check
	var err error
	if strings.HasPrefix(text, "[") {
		parsed, err = p.list(text)
	} else {
		parsed, err = p.text(text)
	}
	if err != nil {
		return nil, nil, err
	}
	return parsed, p.references, nil
}

func (p *parser) text(text string) (check, error) {
	p.tokens = tokenize(text)
	parsed, err := p.or()
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		return nil, fmt.Errorf("%q is left over after a complete expression", p.tokens[0])
	}
	return parsed, nil
}

// list reads the list-of-lists form: the outer list is joined by "or", an inner one by "and".
func (p *parser) list(text string) (check, error) {
	var outer []any
	if err := json.Unmarshal([]byte(text), &outer); err != nil {
		return nil, fmt.Errorf("read list of checks: %w", err)
	}
	if len(outer) == 0 {
		return constantCheck(true), nil
	}
	var alternatives orCheck
	for _, item := range outer {
		if text, ok := item.(string); ok && text != "" {
			item = []any{text}
		}
		inner, ok := item.([]any)
		if !ok && item != "" {
			return nil, fmt.Errorf("%v in a list of checks is neither a check nor a list of checks", item)
		}
		if len(inner) == 0 {
			continue
		}
		all, err := p.conjunction(inner)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, all)
	}
	return alternatives, nil
}

func (p *parser) conjunction(items []any) (check, error) {
	var all andCheck
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("%v in a list of checks is not a check", item)
		}
		one, err := p.check(text)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// tokenize splits at white space and takes parentheses off the ends of words; those inside a word, as in %(name)s, stay.
func tokenize(text string) []string {
	var tokens []string
	for _, word := range strings.Fields(text) {
		for strings.HasPrefix(word, "(") {
			tokens = append(tokens, "(")
			word = word[1:]
		}
		bare := strings.TrimRight(word, ")")
		if bare != "" {
			tokens = append(tokens, bare)
		}
		for range len(word) - len(bare) {
			tokens = append(tokens, ")")
		}
	}
	return tokens
}

// next tells whether the next token is the word, in any case, and takes it if so.
func (p *parser) next(word string) bool {
	if len(p.tokens) == 0 || !strings.EqualFold(p.tokens[0], word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *parser) or() (check, error) {
	first, err := p.and()
	if err != nil {
		return nil, err
	}
	alternatives := orCheck{first}
	for p.next("or") {
		another, err := p.and()
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, another)
	}
	if len(alternatives) == 1 {
		return first, nil
	}
	return alternatives, nil
}

func (p *parser) and() (check, error) {
	first, err := p.not()
	if err != nil {
		return nil, err
	}
	all := andCheck{first}
	for p.next("and") {
		another, err := p.not()
		if err != nil {
			return nil, err
		}
		all = append(all, another)
	}
	if len(all) == 1 {
		return first, nil
	}
	return all, nil
}

func (p *parser) not() (check, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxRuleDepth {
		return nil, fmt.Errorf("the rule nests deeper than %d", maxRuleDepth)
	}
	if p.next("not") {
		inner, err := p.not()
		return notCheck{inner}, err
	}
	if p.next("(") {
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.next(")") {
			return nil, errors.New("a closing parenthesis is missing")
		}
		return inner, nil
	}
	return p.operand()
}

func (p *parser) operand() (check, error) {
	if len(p.tokens) == 0 {
		return nil, errors.New("a check is missing at the end")
	}
	word := p.tokens[0]
	switch strings.ToLower(word) {
	case "and", "or", ")":
		return nil, fmt.Errorf("a check is missing before %q", word)
	}
	p.tokens = p.tokens[1:]
	return p.check(word)
}

// check reads a single check: @, !, or kind:match.
func (p *parser) check(text string) (check, error) {
	switch text {
	case "@":
		return constantCheck(true), nil
	case "!":
		return constantCheck(false), nil
	}
	kind, match, found := cutKind(text)
	if !found {
		return nil, fmt.Errorf("%q is not a check of the form kind:match", text)
	}
	if kind == "rule" {
		reference := &ruleCheck{name: match}
		p.references = append(p.references, reference)
		return reference, nil
	}
	if decide := p.kinds.added[kind]; decide != nil {
		return addedCheck{decide: decide, match: match}, nil
	}
	return p.comparison(kind, match)
}

// comparison reads the checks whose right side takes values from the target.
func (p *parser) comparison(kind, match string) (check, error) {
	source := match
	if kind == "http" || kind == "https" {
		source = kind + ":" + match
	}
	filled, err := parseTemplate(source)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "role":
		return roleCheck{name: filled}, nil
	case "http", "https":
		return remoteCheck{remote: p.kinds.remote, url: filled}, nil
	case "":
		return nil, fmt.Errorf("%q has nothing before the colon", ":"+match)
	}
	value, isLiteral, err := parseLiteral(kind)
	if err != nil {
		return nil, err
	}
	if isLiteral {
		return literalCheck{value: value, match: filled}, nil
	}
	return attributeCheck{
		compare:      attributeNamed(kind),
		match:        filled,
		matchesUnset: filled.constant() && match == "None",
	}, nil
}
