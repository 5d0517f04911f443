// Package bus carries doorbells and questions between the parts of Virga.
//
// A doorbell (Ring, Listen) says only "look again": it has no content, may be lost or
// doubled, and whoever listens also looks on a timer. A question (Call, Serve) asks
// one named party for something that is nowhere stored, such as a guest's console log;
// it has an answer or an error within its deadline. State is never conveyed by either.
//
// Bus is the interface and its contract, Local the engine inside one process; bus/amqp
// joins processes by a broker, bus/stream joins a node with a controller. bus/suite is
// what all of them pass. Everybody may import it.
package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNobody is returned by Call when no party serves the address.
var ErrNobody = errors.New("nobody serves this address")

// ErrUnavailable is wrapped when the way to the other side is broken or full: the same call
// may succeed later. It is not known whether the party got the question.
var ErrUnavailable = errors.New("the message bus is unavailable")

// ErrTooBig is wrapped when a question or an answer has more than MaxBody bytes.
var ErrTooBig = fmt.Errorf("a body may have %d bytes at most", MaxBody)

const (
	// MaxBody bounds the body of a question and of an answer in bytes.
	MaxBody = 16 << 20
	// MaxWait bounds a call whose context has no deadline of its own.
	MaxWait = time.Minute
	// maxName bounds topics, addresses and the names of questions in bytes (AMQP's short string).
	maxName = 255
)

// Answer handles one question put to an address. Its ctx ends with the question's deadline,
// and as soon as may be when the caller gives up. Several answers may be under way at once.
// Of an error only its text arrives, and what it is of this package's and of context's
// errors; a panic arrives as an error.
type Answer func(ctx context.Context, question string, body []byte) ([]byte, error)

// Bus connects the parts of Virga. All methods may be called at any time, also while what
// carries the bus is away. Topics and addresses are words joined by dots, up to 255 bytes;
// what there are many of comes after two words that there are few of ("compute.node.HOST").
type Bus interface {
	// Ring wakes every listener of topic, in every process. It never blocks and never fails:
	// a ring that cannot be carried now is dropped.
	Ring(topic string)

	// Listen returns a bell for topic; rings between two reads of the bell are one. Whoever
	// listens first and looks then misses nothing: a bell that could not hear for a while,
	// at first or because of a broken connection, rings by itself once it can. A topic may
	// have any number of bells, each of which hears every ring.
	Listen(topic string) *Bell

	// Call puts a question to address and waits for the answer as long as ctx lasts, and
	// MaxWait when that has no deadline. It fails with ErrNobody when no party serves the
	// address, with ErrUnavailable when the way there or back is broken, with ErrTooBig and
	// with the context's error. The question arrives at most once. Nobody changes body or the
	// answer any more, also after the call.
	Call(ctx context.Context, address, question string, body []byte) ([]byte, error)

	// Serve answers questions to address until the returned function is called, which does
	// not wait for answers under way; they are still delivered. A question that meets a party's
	// end may get no answer. Of several parties that serve one address the latest is asked; when
	// it stops, one of those before it is asked again.
	Serve(address string, answer Answer) (stop func())
}

// Bell is one listener's end of a topic.
type Bell struct {
	// C delivers one value for any number of rings since the last read. It is never closed.
	C     <-chan struct{}
	close func()
}

// NewBell returns a bell for those who implement Bus; close may be called several times.
func NewBell(c <-chan struct{}, close func()) *Bell { return &Bell{C: c, close: close} }

// Close ends the listening; C delivers no ring that comes after it. It may be called again.
func (b *Bell) Close() { b.close() }

// Bounded gives a call's context the deadline that Call promises.
func Bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, MaxWait)
}
