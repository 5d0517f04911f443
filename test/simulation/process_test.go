package simulation_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"virga/core/db"
	"virga/core/work"
)

// process is a part of the cloud that can die by itself: a service, or the agents of a host.
type process struct {
	sim  *sim
	name string
	// run makes and runs a life until its context ends.
	run func(l *life) error
	now atomic.Pointer[life]
	// lives counts them.
	lives int
}

// life is what a process is from its start to its death.
type life struct {
	process *process
	number  int
	ctx     context.Context
	end     context.CancelFunc
	clock   *clock
	// handler answers calls, when the process has come so far and answers any.
	handler atomic.Pointer[http.Handler]
	// rest is how long the process stays dead.
	rest time.Duration

	mu           sync.Mutex
	dead         bool
	diesAtCommit bool
	cutAtCommit  bool
}

// errCut is what a process hears of a database to which its connection broke.
var errCut = fmt.Errorf("simulated cut: %w", db.ErrUnavailable)

func (l *life) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// die ends everything that the life could still do.
func (l *life) die() {
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	l.end()
	l.process.sim.director.bury(l)
}

// keep has the process live one life after the other until ctx ends.
func (p *process) keep(ctx context.Context) {
	for ctx.Err() == nil {
		l := p.begin(ctx)
		p.now.Store(l)
		if err := p.run(l); err != nil && !l.isDead() {
			p.sim.complain("process %s: %v", p.name, err)
		}
		p.now.Store(nil)
		l.die()
		timer := time.NewTimer(l.rest + time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (p *process) begin(ctx context.Context) *life {
	p.lives++
	l := &life{process: p, number: p.lives, clock: newClock(p.sim.seed, p.name, p.lives)}
	l.ctx, l.end = context.WithCancel(ctx)
	return l
}

// kill ends the present life, if there is one.
func (p *process) kill(rest time.Duration) {
	if l := p.now.Load(); l != nil {
		p.sim.director.tally["killed between transactions"]++
		l.rest = rest
		l.die()
	}
}

// broken is why what the life was about does not go on: it died, or nobody waits any more.
func (l *life) broken(ctx context.Context) error {
	if err := ctx.Err(); err != nil && !l.isDead() {
		return err
	}
	return errDead
}

// clock tells the bubble's time; its ids come from the seed.
type clock struct {
	mu     sync.Mutex
	source *rand.ChaCha8
	key    [32]byte
}

func newClock(seed uint64, name string, life int) *clock {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	key[8] = byte(life)
	copy(key[9:], name)
	return &clock{source: rand.NewChaCha8(key), key: key}
}

func (c *clock) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func (c *clock) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := uuid.NewRandomFromReader(c.source)
	if err != nil {
		panic("a seeded source never ends: " + err.Error())
	}
	return id.String()
}

// chanceOf is what an agent draws by chance: it comes of the moment and of what is asked for,
// so that it does not matter who of those that go on at the same moment asks first.
func (c *clock) chanceOf(agent string) func(below time.Duration) time.Duration {
	return func(below time.Duration) time.Duration {
		h := fnv.New64a()
		_, _ = fmt.Fprint(h, c.key, agent, time.Now().UnixNano(), below)
		return time.Duration(h.Sum64() % uint64(below))
	}
}

// errandKey is the context's key of what a goroutine is about, by which the turns of one
// process are told apart.
type errandKey struct{}

func errandOf(ctx context.Context) string {
	if errand, ok := ctx.Value(errandKey{}).(string); ok {
		return errand
	}
	return work.OperationOf(ctx)
}

// intercepted is a database of which every transaction waits for its turn.
func (l *life) intercepted(d *db.DB) *db.DB {
	director := l.process.sim.director
	return d.Intercepted(db.Interception{
		Begin: func(ctx context.Context, write bool) error {
			what, verb := matterRead, " reads in "
			if write {
				what, verb = matterWrite, " writes in "
			}
			name := caller()
			label := l.process.name + verb + name + " for " + errandOf(ctx)
			v := director.askFor(l, what, label, name)
			if v.dieBefore {
				l.die()
			}
			if v.dead || v.dieBefore || !director.askAfter(ctx, l, v.pause, label) {
				return l.broken(ctx)
			}
			if v.cutBefore {
				return errCut
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.diesAtCommit, l.cutAtCommit = l.diesAtCommit || v.dieAfter, v.cutAfter
			return nil
		},
		Committed: func(_ context.Context, write bool) error {
			l.mu.Lock()
			dies, cut := l.diesAtCommit && write, l.cutAtCommit && write
			l.mu.Unlock()
			if dies {
				l.die()
				return errDead
			}
			if cut {
				return errCut
			}
			return nil
		},
	})
}

// counters are the innermost places of a stack.
type counters [12]uintptr

// callers are the names that caller has found; looking one up takes longer than many transactions.
var callers sync.Map

// caller is the function that began a transaction.
func caller() string {
	var at counters
	n := runtime.Callers(3, at[:])
	if name, known := callers.Load(at); known {
		return name.(string)
	}
	frames := runtime.CallersFrames(at[:n])
	for {
		frame, more := frames.Next()
		if name, ours := strings.CutPrefix(frame.Function, "virga/"); ours && !strings.HasPrefix(name, "core/db.") {
			callers.Store(at, name)
			return name
		}
		if !more {
			return "somewhere"
		}
	}
}
