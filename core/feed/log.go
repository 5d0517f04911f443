package feed

import (
	"sync/atomic"
	"time"

	"virga/core/bus"
	"virga/core/db"
)

// ringEvery is the least time between two rings of one process, in which thousands of
// changes are one.
const ringEvery = 20 * time.Millisecond

// Log is a service's feed as its writers and readers share it: changes ring a bell.
type Log struct {
	service string
	bus     bus.Bus
	pending atomic.Bool
}

// NewLog returns the log of a service.
func NewLog(service string, b bus.Bus) *Log { return &Log{service: service, bus: b} }

// Service is the name of the service.
func (l *Log) Service() string { return l.service }

// Listen returns a bell that rings soon after changes are committed.
func (l *Log) Listen() *bus.Bell { return l.bus.Listen("feed." + l.service) }

// Record is the function Record, and rings when the change is committed.
func (l *Log) Record(tx *db.Tx, c Change) error {
	tx.AfterCommit(l.ring)
	return Record(tx, c)
}

// ring has the bell rung in a moment, once for all changes until then.
func (l *Log) ring() {
	if !l.pending.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(ringEvery, func() {
		l.pending.Store(false)
		l.bus.Ring("feed." + l.service)
	})
}
