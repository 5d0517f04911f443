// Package turns makes orders about one guest wait for each other while orders about different guests run side by side. It owns
// nothing but that; the drivers beside it import it.
package turns

import (
	"context"
	"sync"
)

// Turns hands out turns by key. The zero value is ready.
type Turns struct {
	mu    sync.Mutex
	lines map[string]*line
}

type line struct {
	token    chan struct{} // holds one element while the turn is free
	users    int           // holder and waiters
	hurrying int           // waiters that want the holder to be quick
	hurry    chan struct{} // closed while hurrying is above zero
}

// Turn is the right to act on one key until Done.
type Turn struct {
	turns *Turns
	line  *line
	key   string
}

// Take waits for the key's turn.
func (t *Turns) Take(ctx context.Context, key string) (*Turn, error) { return t.take(ctx, key, false) }

// TakeHurried waits for the key's turn and meanwhile asks its holder to cut waits short.
func (t *Turns) TakeHurried(ctx context.Context, key string) (*Turn, error) {
	return t.take(ctx, key, true)
}

func (t *Turns) take(ctx context.Context, key string, hurried bool) (*Turn, error) {
	l := t.join(key, hurried)
	var err error
	select {
	case <-l.token:
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if hurried {
		if l.hurrying--; l.hurrying == 0 {
			l.hurry = make(chan struct{})
		}
	}
	if err != nil {
		t.leave(key, l)
		return nil, err
	}
	return &Turn{turns: t, line: l, key: key}, nil
}

func (t *Turns) join(key string, hurried bool) *line {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = map[string]*line{}
	}
	l := t.lines[key]
	if l == nil {
		l = &line{token: make(chan struct{}, 1), hurry: make(chan struct{})}
		l.token <- struct{}{}
		t.lines[key] = l
	}
	l.users++
	if hurried {
		if l.hurrying++; l.hurrying == 1 {
			close(l.hurry)
		}
	}
	return l
}

// leave forgets the line with its last user; t.mu is held.
func (t *Turns) leave(key string, l *line) {
	if l.users--; l.users == 0 {
		delete(t.lines, key)
	}
}

// Hurry returns a channel that is closed as long as somebody in the line asks for haste.
func (t *Turn) Hurry() <-chan struct{} {
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	return t.line.hurry
}

// Done gives the turn to the next in line.
func (t *Turn) Done() {
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	t.line.token <- struct{}{}
	t.turns.leave(t.key, t.line)
}
