package worktest

import (
	"virga/core/db"
	"virga/core/work"
)

// Set is a view: sentences such as "guest G on host H".
type Set map[string]bool

// Hook is work.Config.Hook.
type Hook func(o work.Operation, undo, after bool) error

// World is one service at work, with all that its operations have effects on. It is made
// inside a bubble and goes away with the test.
type World interface {
	// Engine is the engine of the service's present life.
	Engine() *work.Engine
	// DB holds the operations.
	DB() *db.DB
	// SetHook has the engine of this life and of later ones call hook; nil: none.
	SetHook(hook Hook)
	// Die ends the service's process, Live begins the next on the same database.
	Die()
	Live()
	// Cut makes the host that a resource is on unreachable, every host for a resource that is
	// on none yet. Mend makes all hosts reachable.
	Cut(resource string)
	Mend()
	// Delete asks for the resource to be deleted, as its owner does; it is accepted at any
	// time, and one that is gone already is fine. It does not wait.
	Delete(resource string)
	// Views are what the store says is there, and what is there.
	Views() (store, world Set)
	// Transitional are the ids of the resources in a state that only an operation ends.
	Transitional() []string
}

// Subject is a kind of operation as the proofs need to know it.
type Subject[W World] struct {
	Kind string
	// Before brings the world to where the operation can be asked for; nil: nothing is needed.
	Before func(w W)
	// Start asks for the operation through the API and returns the id of its resource. It
	// does not wait for the operation, in a goroutine of its own if the answer does.
	Start func(w W) (resource string)
}
