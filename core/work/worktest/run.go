package worktest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/work"
)

// suite is a service's kinds with what makes a world of it.
type suite[W World] struct {
	open     func(t *testing.T, d *db.DB) W
	subjects map[string]Subject[W]
	shapes   []work.Shape
}

// sparse is how many borders there are for one that is proved on an engine other than SQLite:
// a world takes much longer there, and what is proved hardly depends on the engine.
const sparse = 17

// Run proves all subjects, and that there is one for each kind of the service's engine.
// open makes a world with its service alive; it is called inside a bubble.
func Run[W World](t *testing.T, open func(t *testing.T, d *db.DB) W, subjects ...Subject[W]) {
	t.Helper()
	s := suite[W]{open: open, subjects: map[string]Subject[W]{}}
	for _, subject := range subjects {
		if _, twice := s.subjects[subject.Kind]; twice {
			t.Errorf("kind %s has two subjects", subject.Kind)
		}
		s.subjects[subject.Kind] = subject
	}
	s.inBubble(t, func(_ *testing.T, w W) { s.shapes = w.Engine().Shapes() })
	for _, problem := range s.missing() {
		t.Error(problem)
	}
	every, number := 1, 0
	if dbtest.Engine(t) != "sqlite" {
		every = sparse
	}
	for _, shape := range s.shapes {
		for _, p := range proofs {
			for _, b := range p.borders(shape) {
				if number++; number%every != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", shape.Name, p.name, b), func(t *testing.T) {
					t.Parallel()
					if err := s.prove(t, shape, p, b); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// missing names the kinds without a subject and the subjects without a kind.
func (s suite[W]) missing() (problems []string) {
	known := map[string]bool{}
	for _, shape := range s.shapes {
		known[shape.Name] = true
		if _, registered := s.subjects[shape.Name]; !registered {
			problems = append(problems, fmt.Sprintf("nothing is proved of the kind %s: it needs a Subject", shape.Name))
		}
	}
	for kind := range s.subjects {
		if !known[kind] {
			problems = append(problems, fmt.Sprintf("the engine has no kind %s", kind))
		}
	}
	return problems
}

// inBubble runs test with a fresh world in a bubble. The server of the database, if it has
// one, is outside.
func (s suite[W]) inBubble(t *testing.T, test func(t *testing.T, w W)) {
	t.Helper()
	url := address(t)
	synctest.Test(t, func(t *testing.T) {
		d, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		test(t, s.open(t, d))
	})
}

// address is where a fresh database is; an SQLite file is in memory where the machine has
// a place for that, because the proofs are many and most of their time would go to the disk.
func address(t *testing.T) string {
	t.Helper()
	const memory = "/dev/shm"
	engine := dbtest.Engine(t)
	if info, err := os.Stat(memory); engine != "sqlite" || err != nil || !info.IsDir() {
		return dbtest.URL(t, engine)
	}
	folder, err := os.MkdirTemp(memory, "virga-proof-")
	if err != nil {
		return dbtest.URL(t, engine)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return "sqlite:" + filepath.Join(folder, "proof.sqlite")
}

// prove makes one proof at one border.
func (s suite[W]) prove(t *testing.T, shape work.Shape, p proof, b border) (err error) {
	t.Helper()
	subject, registered := s.subjects[shape.Name]
	if !registered {
		return nil // it was complained of
	}
	s.inBubble(t, func(_ *testing.T, w W) {
		c := &trial{w: w, shape: shape, border: b}
		if _, c.baseline, err = c.views(); err != nil {
			return
		}
		if subject.Before != nil {
			subject.Before(w)
		}
		c.start = func() { c.resource = subject.Start(w) }
		if err = p.make(c); err == nil {
			err = c.end()
		}
	})
	return err
}
