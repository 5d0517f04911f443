package work

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"virga/core/db"
)

// Kind is a sort of operation: its steps, in order, over parameters P (fixed at the
// start) and a frame F (results that later steps and the undo need). Both are JSON.
type Kind[P, F any] struct {
	// Name is how the operation is called in rows, logs and metrics: "server_create".
	Name string
	// Version is raised when the steps change in a way that old rows do not understand; 0 is 1.
	Version int
	// Older are complete kinds of the same name and lower versions, with the steps of then:
	// operations that were started with them are carried to their end by them. A change of
	// the steps that must hold until no row of the old version can be alive keeps them.
	Older []Registrable
	// Deadline is how long the operation may run before it fails with ErrDeadline;
	// undoing is not bounded by it.
	Deadline time.Duration
	Steps    []Step[P, F]
	// Finished is called in the transaction that ends the operation well; may be nil.
	Finished func(tx *db.Tx, run *Run[P, F]) error
	// Failed is called in the transaction that ends the operation after everything was
	// undone; reason is what the user reads; may be nil.
	Failed func(tx *db.Tx, run *Run[P, F], reason string) error
}

// Step is one labelled part of a kind.
type Step[P, F any] struct {
	Name string
	Do   func(ctx context.Context, run *Run[P, F]) error
	// Undo takes back what Do did, or half did; nil where there is nothing to take back.
	Undo func(ctx context.Context, run *Run[P, F]) error
	// Role is what a process must do to carry this step, see Config.Roles; empty: Conductor.
	Role string
	// Tries is how often a failing Do is called before the operation fails; 0 means 5.
	Tries int
	// Rest is for a step that waits for what the step before has begun: whoever enters it gives
	// the operation back at once, and Do is first called when the operation is signalled, or
	// after so long. That saves a claim and a look that would find nothing.
	Rest time.Duration
	// Pivot marks the point of no return: after this step the operation only goes forward.
	Pivot bool
}

// Run is what a step works with.
type Run[P, F any] struct {
	// Operation is the row as it was when the step began; Epoch is the fence for effects.
	Operation Operation
	Params    P
	// Frame may be changed by the step; it is stored when the step ends, whatever its outcome.
	Frame   F
	effects effects
	engine  *Engine
}

// effects are what a step wants written in the transaction that ends it well.
type effects struct {
	commit   []func(tx *db.Tx) error
	children []Order
}

// InCommit has fn called in the transaction that ends the step well.
func (r *Run[P, F]) InCommit(fn func(tx *db.Tx) error) {
	r.effects.commit = append(r.effects.commit, fn)
}

// Registrable is a Kind of any type parameters.
type Registrable interface{ compile() (*compiled, error) }

// compiled is a kind without its type parameters, as the engine uses it.
type compiled struct {
	name     string
	version  int
	deadline time.Duration
	steps    []compiledStep
	pivot    int
	// older are the kinds of lower versions that still may have rows, by version.
	older  map[int]*compiled
	finish func(tx *db.Tx, o *Operation) error
	fail   func(tx *db.Tx, o *Operation, reason string) error
	// load checks that the parameters and the frame of a row can be read.
	load func(o *Operation) error
}

type compiledStep struct {
	name  string
	role  string
	tries int
	rest  time.Duration
	do    stepFunc
	undo  stepFunc
}

// stepFunc calls a step: it changes o.Frame and returns what is to be written with the commit.
type stepFunc func(ctx context.Context, e *Engine, o *Operation) (effects, error)

const defaultTries = 5

func (k Kind[P, F]) compile() (*compiled, error) {
	if k.Name == "" || len(k.Steps) == 0 || k.Deadline <= 0 {
		return nil, fmt.Errorf("register kind %q: it needs a name, steps and a deadline", k.Name)
	}
	c := &compiled{name: k.Name, version: max(k.Version, 1), deadline: k.Deadline, pivot: len(k.Steps)}
	seen := map[string]bool{}
	for i, step := range k.Steps {
		if step.Name == "" || step.Do == nil || seen[step.Name] {
			return nil, fmt.Errorf("register kind %s: step %d needs a name of its own and a function", k.Name, i)
		}
		seen[step.Name] = true
		if step.Pivot {
			c.pivot = min(c.pivot, i)
		}
		c.steps = append(c.steps, compiledStep{name: step.Name, role: cmp.Or(step.Role, Conductor), tries: cmp.Or(step.Tries, defaultTries), rest: step.Rest,
			do: k.erase(step.Do), undo: k.erase(step.Undo)})
	}
	c.load = func(o *Operation) error {
		_, err := k.run(o)
		return err
	}
	c.finish = func(tx *db.Tx, o *Operation) error {
		if k.Finished == nil {
			return nil
		}
		run, err := k.run(o)
		if err != nil {
			return err
		}
		return k.Finished(tx, run)
	}
	c.fail = func(tx *db.Tx, o *Operation, reason string) error {
		if k.Failed == nil {
			return nil
		}
		run, err := k.run(o)
		if err != nil {
			return err
		}
		return k.Failed(tx, run, reason)
	}
	return c, k.compileOlder(c)
}

func (k Kind[P, F]) compileOlder(c *compiled) error {
	c.older = map[int]*compiled{}
	for _, kind := range k.Older {
		old, err := kind.compile()
		if err != nil {
			return err
		}
		if old.name != c.name || old.version >= c.version || c.older[old.version] != nil || len(old.older) > 0 {
			return fmt.Errorf("register kind %s: version %d of %s is no older one of it", c.name, old.version, old.name)
		}
		c.older[old.version] = old
	}
	return nil
}

// understands tells whether the row can be carried: its version is the kind's, its step
// stands where it did, parameters and frame can be read.
func (c *compiled) understands(o *Operation) bool {
	return c != nil && o.Version == c.version && o.Step < len(c.steps) && c.steps[o.Step].name == o.StepName && c.load(o) == nil
}

// rest shortens a pause so that an operation that can still fail wakes at its deadline.
func (c *compiled) rest(o *Operation, d time.Duration, now time.Time) time.Duration {
	if o.Step > c.pivot {
		return d
	}
	return max(0, min(d, o.Deadline.Add(time.Microsecond).Sub(now)))
}

func (k Kind[P, F]) run(o *Operation) (*Run[P, F], error) {
	run := &Run[P, F]{Operation: *o}
	if err := json.Unmarshal([]byte(o.Params), &run.Params); err != nil {
		return nil, fmt.Errorf("read parameters of operation %s: %w", o.ID, err)
	}
	if err := json.Unmarshal([]byte(o.Frame), &run.Frame); err != nil {
		return nil, fmt.Errorf("read frame of operation %s: %w", o.ID, err)
	}
	return run, nil
}

func (k Kind[P, F]) erase(fn func(context.Context, *Run[P, F]) error) stepFunc {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, e *Engine, o *Operation) (effects, error) {
		run, err := k.run(o)
		if err != nil {
			return effects{}, err
		}
		run.engine = e
		stepErr := fn(ctx, run)
		frame, err := json.Marshal(run.Frame)
		if err != nil {
			return effects{}, fmt.Errorf("write frame of operation %s: %w", o.ID, err)
		}
		o.Frame = string(frame)
		return run.effects, stepErr
	}
}
