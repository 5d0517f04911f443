package worktest

import (
	"errors"
	"strings"
	"testing"

	"virga/core/db"
	"virga/core/work"
)

// Caught runs the proofs of one name for one kind and returns what they complain of: for
// tests of the proofs themselves.
func Caught[W World](t *testing.T, open func(t *testing.T, d *db.DB) W, subject Subject[W], name string) string {
	t.Helper()
	s := suite[W]{open: open, subjects: map[string]Subject[W]{subject.Kind: subject}}
	s.inBubble(t, func(_ *testing.T, w W) { s.shapes = w.Engine().Shapes() })
	var problems []error
	for _, shape := range s.shapes {
		for _, p := range proofs {
			if shape.Name != subject.Kind || p.name != name {
				continue
			}
			for _, b := range p.borders(shape) {
				problems = append(problems, s.prove(t, shape, p, b))
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err.Error()
	}
	return ""
}

func TestKindsAndSubjectsAreComplete(t *testing.T) {
	s := suite[World]{subjects: map[string]Subject[World]{"a": {}, "c": {}}, shapes: []work.Shape{{Name: "a"}, {Name: "b"}}}
	problems := strings.Join(s.missing(), "\n")
	if !strings.Contains(problems, "nothing is proved of the kind b") || !strings.Contains(problems, "the engine has no kind c") || len(s.missing()) != 2 {
		t.Error(problems)
	}
}
