package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/semaphore"
)

// link is one connection, the same at both ends: it reads frames, puts bodies together,
// sends in turns, and ends when the other side is not heard any more.
type link struct {
	ws *websocket.Conn
	// take handles a whole frame; its error ends the link. It runs on the reader's goroutine.
	take func(frame) error
	// news gives the next frame about what this end wants to hear and serve; nil: never any.
	news func() (frame, bool)
	// spread is told with each sign of life, in milliseconds; nil: none.
	spread func() int64

	// silence ends the link when it has lasted for deadAfter.
	silence *time.Timer
	room    *semaphore.Weighted
	wake    chan struct{}
	ctx     context.Context // ends with the link
	cancel  context.CancelCauseFunc

	mu      sync.Mutex
	control []frame
	rings   []string
	ringing map[string]bool
	// messages are sent in pieces, in turn.
	messages []*message
}

// message is a frame with a body on its way out.
type message struct {
	frame frame // Body is what is left
	size  int64
}

func newLink(ctx context.Context, ws *websocket.Conn) *link {
	ws.SetReadLimit(maxFrame)
	ctx, cancel := context.WithCancelCause(ctx)
	l := &link{
		ws: ws, room: semaphore.NewWeighted(maxSending), wake: make(chan struct{}, 1),
		ctx: ctx, cancel: cancel, ringing: map[string]bool{},
	}
	l.silence = time.AfterFunc(deadAfter, func() { l.end(fmt.Errorf("nothing was heard for %v", deadAfter)) })
	return l
}

// run carries the link until it breaks, end is called or its context ends, and returns why.
func (l *link) run() error {
	var writer sync.WaitGroup
	writer.Go(func() { l.end(l.write()) })
	stop := context.AfterFunc(l.ctx, func() { _ = l.ws.CloseNow() }) // what ends the reader; the cause is kept
	l.end(l.read())
	writer.Wait()
	stop()
	l.silence.Stop()
	_ = l.ws.CloseNow() // it may be closed already
	return context.Cause(l.ctx)
}

// end ends the link; the first cause counts.
func (l *link) end(cause error) { l.cancel(cause) }

func (l *link) read() error {
	whole := assembly{open: map[piece]*frame{}}
	for {
		typ, r, err := l.ws.Reader(context.Background()) // closing is what ends it
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		l.silence.Reset(deadAfter)
		if typ != websocket.MessageBinary {
			return errors.New("read: a frame is not binary")
		}
		f, err := decode(data)
		if err != nil {
			return err
		}
		if f.Kind == cancel {
			whole.drop(question, f.ID)
		}
		f, complete, err := whole.add(f)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if !complete {
			continue
		}
		if err := l.take(f); err != nil {
			return err
		}
	}
}

// write sends what there is to send and signs of life.
func (l *link) write() error {
	ticker := time.NewTicker(aliveEvery)
	defer ticker.Stop()
	for due := true; ; {
		if due {
			if err := l.beat(); err != nil {
				return err
			}
			due = false
		}
		if f, there := l.next(); there {
			if err := l.send(&f); err != nil {
				return err
			}
			select {
			case <-ticker.C:
				due = true
			case <-l.ctx.Done():
				return nil
			default:
			}
			continue
		}
		select {
		case <-l.wake:
		case <-ticker.C:
			due = true
		case <-l.ctx.Done():
			return nil
		}
	}
}

// beat lets the other side hear that this one is alive.
func (l *link) beat() error {
	f := frame{Kind: alive}
	if l.spread != nil {
		f.Millis = l.spread()
	}
	return l.send(&f)
}

func (l *link) send(f *frame) error {
	data, err := f.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadAfter)
	defer cancel()
	if err := l.ws.Write(ctx, websocket.MessageBinary, data); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// next is what to send now: short frames first, then a piece of the message whose turn it is.
func (l *link) next() (frame, bool) {
	l.mu.Lock()
	if len(l.control) > 0 {
		defer l.mu.Unlock()
		f := l.control[0]
		l.control = l.control[1:]
		return f, true
	}
	l.mu.Unlock()
	if l.news != nil {
		if f, there := l.news(); there {
			return f, true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rings) > 0 {
		topic := l.rings[0]
		l.rings = l.rings[1:]
		delete(l.ringing, topic)
		return frame{Kind: ring, Topic: topic}, true
	}
	if len(l.messages) == 0 {
		return frame{}, false
	}
	m := l.messages[0]
	l.messages = l.messages[1:]
	f := m.frame
	if len(f.Body) > maxPiece {
		f.Body, f.More = m.frame.Body[:maxPiece], true
		m.frame = frame{Kind: f.Kind, ID: f.ID, Body: m.frame.Body[maxPiece:]}
		l.messages = append(l.messages, m)
		return f, true
	}
	l.room.Release(m.size)
	return f, true
}

func (l *link) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // the writer will look anyway
	}
}

// tell sends a frame without a body. An end that does not take such frames is too slow.
func (l *link) tell(f frame) {
	l.mu.Lock()
	l.control = append(l.control, f)
	full := len(l.control) > maxSubjects
	l.mu.Unlock()
	if full {
		l.end(errors.New("the other side takes no frames"))
	}
	l.nudge()
}

// ring sends a ring, one for any number that wait.
func (l *link) ring(topic string) {
	l.mu.Lock()
	if !l.ringing[topic] && len(l.rings) < maxRings {
		l.ringing[topic] = true
		l.rings = append(l.rings, topic)
	}
	l.mu.Unlock()
	l.nudge()
}

// post queues a frame with a body; it waits for room until ctx or the link ends.
func (l *link) post(ctx context.Context, f frame) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	m := &message{f, int64(len(f.Body)) + messageCost}
	if err := l.room.Acquire(ctx, m.size); err != nil {
		return err
	}
	l.mu.Lock()
	l.messages = append(l.messages, m)
	l.mu.Unlock()
	l.nudge()
	return nil
}

// withdraw takes back what has not been sent of a question.
func (l *link) withdraw(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, m := range l.messages {
		if m.frame.Kind == question && m.frame.ID == id {
			l.messages = append(l.messages[:i:i], l.messages[i+1:]...)
			l.room.Release(m.size)
			return
		}
	}
}
