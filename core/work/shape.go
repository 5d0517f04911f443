package work

import (
	"slices"
	"strings"
	"time"
)

// Shape is a kind as it looks from outside: for those who prove things of every kind.
type Shape struct {
	Name     string
	Version  int
	Deadline time.Duration
	// Steps are their names in order.
	Steps []string
	// Pivot is the index of the step that is the point of no return, len(Steps) for none: up
	// to it the operation can fail, be cancelled and run out of time.
	Pivot int
}

// Shapes are the registered kinds by name.
func (e *Engine) Shapes() []Shape {
	var shapes []Shape
	for _, kind := range e.kinds {
		shape := Shape{Name: kind.name, Version: kind.version, Deadline: kind.deadline, Pivot: kind.pivot}
		for _, step := range kind.steps {
			shape.Steps = append(shape.Steps, step.name)
		}
		shapes = append(shapes, shape)
	}
	slices.SortFunc(shapes, func(a, b Shape) int { return strings.Compare(a.Name, b.Name) })
	return shapes
}
