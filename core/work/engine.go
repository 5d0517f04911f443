package work

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
)

// Config is what an engine needs.
type Config struct {
	// Service names the engine in logs, metrics and on the bus: "compute".
	Service string
	// Owner names this process in leases. Leases that a former life of the same name
	// left behind are ended at the start, so no two living processes share a name.
	Owner   string
	DB      *db.DB
	Bus     bus.Bus
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Roles are whose steps this process carries, both forward and back; nil: everybody's.
	// An operation that comes to a step of another role goes to a process that has it.
	Roles []string
	// Workers is how many operations run side by side; 0 means 32.
	Workers int
	// Lease is how long a claim holds without renewal; 0 means one minute. A step that
	// overruns it is cut off.
	Lease time.Duration
	// Keep is how long finished operations are remembered; 0 means 90 days.
	Keep time.Duration
	// Ended is called in the transaction that ends an operation of any kind, after the kind's
	// own Finished or Failed: what had to wait while the resource was at work; may be nil.
	Ended func(tx *db.Tx, o Operation) error
	// Forgotten is called in the transaction that forgets operations, with their ids: what the
	// service keeps of them goes with them; may be nil.
	Forgotten func(tx *db.Tx, ids []string) error
	// Hook, for tests, is called before and after the effect of each step; an error from
	// it takes the place of the step's own. ErrCrash has the worker drop the operation
	// as if the process had died.
	Hook func(o Operation, undo, after bool) error
}

// ErrCrash, returned by Config.Hook, simulates the death of the process.
var ErrCrash = errors.New("crash")

// Engine carries the operations of one service.
type Engine struct {
	cfg   Config
	kinds map[string]*compiled
	// roles are the roles of the steps, by kind and name of the step.
	roles   map[string]map[string]string
	metrics metrics
	slots   chan struct{}
	hands   *hands
	doubt   doubt
}

// New returns an engine; register its kinds, then Run it.
func New(cfg Config) *Engine {
	cfg.Workers = cmp.Or(cfg.Workers, 32)
	cfg.Lease = cmp.Or(cfg.Lease, time.Minute)
	cfg.Keep = cmp.Or(cfg.Keep, 90*24*time.Hour)
	if cfg.Ended == nil {
		cfg.Ended = func(*db.Tx, Operation) error { return nil }
	}
	return &Engine{
		cfg: cfg, kinds: map[string]*compiled{}, roles: map[string]map[string]string{}, hands: newHands(cfg.Workers),
		slots: make(chan struct{}, cfg.Workers), metrics: newMetrics(cfg.Service, cfg.Metrics),
	}
}

// Register makes kinds known; before Run.
func (e *Engine) Register(kinds ...Registrable) error {
	for _, k := range kinds {
		c, err := k.compile()
		if err != nil {
			return err
		}
		if e.kinds[c.name] != nil {
			return fmt.Errorf("register kind %s: it is there already", c.name)
		}
		e.kinds[c.name] = c
		e.roles[c.name] = map[string]string{}
		for _, old := range c.older {
			e.noteRoles(old)
		}
		e.noteRoles(c) // the newest has the last word
	}
	return nil
}

func (e *Engine) noteRoles(c *compiled) {
	for _, step := range c.steps {
		e.roles[c.name][step.name] = step.role
	}
}

// kindOf is the kind that an operation was started with, or nil.
func (e *Engine) kindOf(o *Operation) *compiled {
	kind := e.kinds[o.Kind]
	if kind != nil && kind.version != o.Version {
		return kind.older[o.Version]
	}
	return kind
}

// Kinds are the names of the registered kinds with the names of their steps.
func (e *Engine) Kinds() map[string][]string {
	names := map[string][]string{}
	for name, k := range e.kinds {
		for _, s := range k.steps {
			names[name] = append(names[name], s.name)
		}
	}
	return names
}

// Order is a request to start an operation.
type Order struct {
	Kind string
	// ID may be minted by the caller; empty: a new one.
	ID           string
	ResourceKind string
	ResourceID   string
	ProjectID    string
	UserID       string
	RequestID    string
	// Params is the kind's P.
	Params any
}

// Start writes the operation in the caller's transaction and returns its id. It begins
// to run when the transaction is committed.
func (e *Engine) Start(tx *db.Tx, order Order) (string, error) {
	return e.start(tx, order, &Operation{})
}

// start starts an operation that a step of parent asks for; none has no id.
func (e *Engine) start(tx *db.Tx, order Order, parent *Operation) (string, error) {
	kind := e.kinds[order.Kind]
	if kind == nil {
		return "", fmt.Errorf("start operation: no kind %q", order.Kind)
	}
	params, err := json.Marshal(order.Params)
	if err != nil {
		return "", fmt.Errorf("start operation %s: %w", order.Kind, err)
	}
	now := e.cfg.Clock.Now()
	o := Operation{
		ID: order.ID, Kind: kind.name, Version: kind.version, ResourceKind: order.ResourceKind, ResourceID: order.ResourceID,
		ProjectID: order.ProjectID, UserID: order.UserID, RequestID: order.RequestID,
		State: Running, StepName: kind.steps[0].name, StepStartedAt: now, BackTo: -1, WakeAt: now, Deadline: now.Add(kind.deadline),
		ParentID: parent.ID, ParentStep: parent.StepName, Params: string(params), Frame: "{}", CreatedAt: now, UpdatedAt: now,
	}
	if o.ID == "" {
		o.ID = e.cfg.Clock.ID()
	}
	// Where a worker is idle the operation is claimed from the start, which saves a transaction.
	here := e.hands.isOpen() && len(e.slots) < cap(e.slots) && e.carries(&o)
	if here {
		o.LeaseOwner, o.LeaseUntil, o.Epoch = e.cfg.Owner, now.Add(e.cfg.Lease), 1
	}
	if err := tx.Insert("operations", o); err != nil {
		return "", fmt.Errorf("start operation %s on %s: %w", o.Kind, o.ResourceID, err)
	}
	if here {
		// The commit may take effect and nobody learn of it.
		e.hands.orphan(o)
		tx.AfterCommit(func() { e.hands.accept(o) })
	} else {
		tx.AfterCommit(e.ring)
	}
	return o.ID, nil
}

// Signal wakes an operation that waits; one that is finished stays so.
func (e *Engine) Signal(tx *db.Tx, operationID string) error {
	return e.wake(tx, "id = ?", operationID)
}

// SignalResource wakes the operations that wait on a resource.
func (e *Engine) SignalResource(tx *db.Tx, resourceID string) error {
	return e.wake(tx, "resource_id = ?", resourceID)
}

// Preempt cancels every live operation on a resource, but not the one named except.
// They undo what they did and end as failed; one that is past its pivot goes on to its end.
func (e *Engine) Preempt(tx *db.Tx, resourceID, except string) error {
	_, err := tx.Exec("UPDATE operations SET cancelled = 1 WHERE resource_id = ? AND id <> ? AND finished_at = 0", resourceID, except)
	if err != nil {
		return fmt.Errorf("cancel operations on %s: %w", resourceID, err)
	}
	return e.SignalResource(tx, resourceID)
}

func (e *Engine) wake(tx *db.Tx, condition string, args ...any) error {
	args = append([]any{e.cfg.Clock.Now()}, args...)
	_, err := tx.Exec("UPDATE operations SET signals = signals + 1, wake_at = ? WHERE ("+condition+") AND finished_at = 0", args...)
	if err != nil {
		return fmt.Errorf("wake operations: %w", err)
	}
	tx.AfterCommit(e.ring)
	return nil
}

// wakeAfter wakes whoever may wait for the end of an operation: the others on its
// resource, and its parent.
func (e *Engine) wakeAfter(tx *db.Tx, o *Operation) error {
	if o.ParentID == "" {
		return e.wake(tx, "resource_id = ? AND id <> ?", o.ResourceID, o.ID)
	}
	return e.wake(tx, "resource_id = ? AND id <> ? OR id = ?", o.ResourceID, o.ID, o.ParentID)
}

// WaitForOthers is a step's condition: it returns a Wait while other operations that
// were started before this one are alive on the same resource. Those that this one has
// preempted are among them whatever the clocks of the processes that started them say. Its
// own parents, which may wait for it, do not count.
func (e *Engine) WaitForOthers(ctx context.Context, o Operation) error {
	var others int
	err := e.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		own, err := ancestors(tx, &o)
		if err != nil {
			return err
		}
		marks, ids := db.In(append(own, o.ID))
		return tx.Get(&others, "SELECT COUNT(*) FROM operations WHERE resource_id = ? AND finished_at = 0"+
			" AND (cancelled = 1 OR created_at < ? OR (created_at = ? AND id < ?)) AND id NOT IN "+marks,
			append([]any{o.ResourceID, o.CreatedAt, o.CreatedAt, o.ID}, ids...)...)
	})
	if err != nil {
		return fmt.Errorf("look for other operations on %s: %w", o.ResourceID, err)
	}
	if others > 0 {
		return Wait(10 * time.Second)
	}
	return nil
}

func (e *Engine) topic() string { return "work." + e.cfg.Service }

func (e *Engine) ring() { e.cfg.Bus.Ring(e.topic()) }
