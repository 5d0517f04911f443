package work

import (
	"cmp"
	"slices"
	"strings"

	"virga/core/db"
)

// Conductor is the role of every step that names none. Operations that no kind of this
// process knows are the conductor's, too.
const Conductor = "conductor"

// Carries tells whether the engine carries the steps of a role.
func (e *Engine) Carries(role string) bool {
	return e.cfg.Roles == nil || slices.Contains(e.cfg.Roles, role)
}

// carries tells whether the current step of an operation is this engine's.
func (e *Engine) carries(o *Operation) bool {
	if e.cfg.Roles == nil {
		return true
	}
	return e.Carries(cmp.Or(e.roles[o.Kind][o.StepName], Conductor))
}

// ownSteps is the condition of SQL for carries, so that the operations of other roles
// cannot hide this engine's from a query with a limit. A row needs no column for it, and
// a process that starts with other roles has nothing to correct.
func (e *Engine) ownSteps() (condition string, args []any) {
	if e.cfg.Roles == nil {
		return "1 = 1", nil
	}
	conductor := e.Carries(Conductor)
	var named []string
	for kind, steps := range e.roles {
		var odd []string
		for step, role := range steps {
			if e.Carries(role) != conductor {
				odd = append(odd, step)
			}
		}
		if len(odd) == 0 {
			continue
		}
		marks, values := db.In(odd)
		named = append(named, "kind = ? AND step_name IN "+marks)
		args = append(append(args, kind), values...)
	}
	switch {
	case len(named) == 0 && conductor:
		return "1 = 1", nil
	case len(named) == 0:
		return "1 = 0", nil
	case conductor: // all but those that others carry
		return "NOT (" + strings.Join(named, " OR ") + ")", args
	}
	return "(" + strings.Join(named, " OR ") + ")", args
}
