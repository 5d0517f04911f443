package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"virga/core/bus"
)

// talk is the questions and answers of one link, in both directions.
type talk struct {
	link *link
	// reply answers the other side's question to an address.
	reply func(ctx context.Context, address, question string, body []byte) ([]byte, error)
	slots *semaphore.Weighted

	mu     sync.Mutex
	last   uint64
	asked  map[uint64]chan frame
	giving map[uint64]context.CancelFunc
}

func newTalk(l *link, reply func(ctx context.Context, address, question string, body []byte) ([]byte, error)) *talk {
	return &talk{link: l, reply: reply, slots: semaphore.NewWeighted(maxUnderWay),
		asked: map[uint64]chan frame{}, giving: map[uint64]context.CancelFunc{}}
}

// longestQuestion bounds how long an answer may be worked on, whatever the other side says.
const longestQuestion = time.Hour

// errBroken is the failure of a question whose link ended.
func (t *talk) errBroken() error {
	return fmt.Errorf("the connection broke (%s): %w", context.Cause(t.link.ctx).Error(), bus.ErrUnavailable)
}

// ask puts a question to the other side. It waits while too many are under way.
func (t *talk) ask(ctx context.Context, address, name string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.link.ctx, cancel)()
	result, err := t.exchange(ctx, address, name, body)
	if err != nil && errors.Is(err, context.Canceled) && t.link.ctx.Err() != nil {
		return nil, t.errBroken()
	}
	return result, err
}

func (t *talk) exchange(ctx context.Context, address, name string, body []byte) ([]byte, error) {
	if err := t.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer t.slots.Release(1)
	back := make(chan frame, 1)
	t.mu.Lock()
	t.last++
	id := t.last
	t.asked[id] = back
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.asked, id)
	}()
	f := frame{Kind: question, ID: id, Topic: address, Name: name, Body: body}
	if deadline, bounded := ctx.Deadline(); bounded {
		f.Millis = max(1, time.Until(deadline).Milliseconds())
	}
	if err := t.link.post(ctx, f); err != nil {
		return nil, err
	}
	select {
	case f := <-back:
		if f.Name != "" {
			return nil, bus.Fault(f.Name, f.Text)
		}
		return f.Body, nil
	case <-ctx.Done():
		t.link.withdraw(id)
		t.link.tell(frame{Kind: cancel, ID: id})
		return nil, ctx.Err()
	}
}

// take handles the frames of a conversation; false for others.
func (t *talk) take(f frame) bool {
	switch f.Kind {
	case question:
		t.answer(f)
	case answer:
		t.mu.Lock()
		defer t.mu.Unlock()
		if back := t.asked[f.ID]; back != nil { // somebody still waits
			delete(t.asked, f.ID)
			back <- f
		}
	case cancel:
		t.mu.Lock()
		defer t.mu.Unlock()
		if stop := t.giving[f.ID]; stop != nil {
			stop()
		}
	default:
		return false
	}
	return true
}

// answer has a question answered on a goroutine of its own.
func (t *talk) answer(f frame) {
	wait := bus.MaxWait
	if f.Millis > 0 {
		wait = time.Duration(min(f.Millis, longestQuestion.Milliseconds())) * time.Millisecond
	}
	ctx, stop := context.WithTimeout(t.link.ctx, wait)
	t.mu.Lock()
	// Those that were canceled count until their party has noticed.
	busy := len(t.giving) >= 2*maxUnderWay || t.giving[f.ID] != nil
	if !busy {
		t.giving[f.ID] = stop
	}
	t.mu.Unlock()
	if busy {
		stop()
		t.link.tell(errorAnswer(f.ID, fmt.Errorf("too many questions at once: %w", bus.ErrUnavailable)))
		return
	}
	go func() {
		defer func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			delete(t.giving, f.ID)
			stop()
		}()
		body, err := t.reply(ctx, f.Topic, f.Name, f.Body)
		if err == nil {
			err = bus.CheckBody(body)
		}
		if err != nil {
			t.link.tell(errorAnswer(f.ID, err))
			return
		}
		_ = t.link.post(ctx, frame{Kind: answer, ID: f.ID, Body: body}) // nobody waits any more
	}()
}
