package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// errDead is what a process meets wherever it turns after it has died.
var errDead = errors.New("this process is dead")

// matter is what a turn is asked for.
type matter int

const (
	// matterRead and matterWrite are transactions.
	matterRead matter = iota
	matterWrite
	// matterCall is a message that wants an answer, matterBell one that wants none.
	matterCall
	matterBell
	// matterDriver is a verb of a driver.
	matterDriver
	// matterPlain is anything that needs its place in the order and meets no harm.
	matterPlain
)

// verdict is what befalls whoever asked.
type verdict struct {
	// dead: the process that asked has died meanwhile.
	dead bool
	// pause is how long it takes to come through.
	pause time.Duration
	// lost: it does not come through at all. doubled: it comes twice.
	lost, doubled bool
	// answerLost: it comes through and nobody learns of it; answerPause: late.
	answerLost  bool
	answerPause time.Duration
	// stray is after how long a message arrives of which the sender has believed at once that
	// it was lost.
	stray time.Duration
	// cutBefore and cutAfter have the connection to the database break before or after the
	// commit, of which the process lives to hear an error.
	cutBefore, cutAfter bool
	// dieBefore and dieAfter have the process die before or after the commit.
	dieBefore, dieAfter bool
	// fails: the driver fails before the effect, or after it.
	failsBefore, failsAfter bool
	// refuses: the driver cannot do what it is asked for, now or ever.
	refuses bool
}

type turn struct {
	life  *life
	what  matter
	label string
	// kind is what a transaction is for, the same in each run; empty for other turns.
	kind  string
	given chan verdict
}

// director gives turns, one at a time.
type director struct {
	random *rand.Rand
	// severity is how bad the storm is, 0 for none.
	severity float64
	began    time.Time

	mu    sync.Mutex
	queue []*turn
	open  bool
	came  chan struct{}

	// written counts the writes of each kind.
	written map[string]int

	// tally counts the turns and what befell them; sum tells two runs apart, log prints them.
	tally tally
	sum   uint64
	log   io.Writer
}

func newDirector(seed uint64, log io.Writer) *director {
	return &director{random: rand.New(rand.NewPCG(seed, 1)), came: make(chan struct{}, 1), began: time.Now(), written: map[string]int{}, tally: tally{}, log: log}
}

// ask waits for a turn.
func (d *director) ask(l *life, what matter, label string) verdict {
	return d.askFor(l, what, label, "")
}

// askFor is ask for a transaction of a kind.
func (d *director) askFor(l *life, what matter, label, kind string) verdict {
	t := &turn{l, what, label, kind, make(chan verdict, 1)}
	d.mu.Lock()
	if d.open || l.isDead() {
		d.mu.Unlock()
		return verdict{dead: true}
	}
	d.queue = append(d.queue, t)
	d.mu.Unlock()
	select {
	case d.came <- struct{}{}:
	default: // the director is awake
	}
	return <-t.given
}

// askAfter waits for the pause and then for a turn again, so that who has slept takes its
// place in the order; false when there is nobody any more to go on.
func (d *director) askAfter(ctx context.Context, l *life, pause time.Duration, label string) bool {
	if pause <= 0 {
		return true
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return !d.ask(l, matterPlain, label+" (late)").dead
}

// direct gives turns until done is closed. It is called by the bubble's own goroutine.
func (d *director) direct(done <-chan struct{}) {
	for {
		synctest.Wait() // until nobody can go on without a turn or the passing of time
		if t := d.next(); t != nil {
			v := d.judge(t)
			d.note(t, v)
			t.given <- v
			continue
		}
		select {
		case <-done:
			return
		case <-d.came:
		}
	}
}

// next takes one of those who wait.
func (d *director) next() *turn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return nil
	}
	// Who came first depends on the scheduler of the machine, what is asked for does not.
	slices.SortStableFunc(d.queue, func(a, b *turn) int { return strings.Compare(a.label, b.label) })
	i := d.random.IntN(len(d.queue))
	t := d.queue[i]
	d.queue = slices.Delete(d.queue, i, i+1)
	return t
}

// bury gives those of a dead process their last turn.
func (d *director) bury(l *life) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = slices.DeleteFunc(d.queue, func(t *turn) bool {
		if t.life == l {
			t.given <- verdict{dead: true}
		}
		return t.life == l
	})
}

// openAll ends the order: whoever asks from now on is told that it is dead.
func (d *director) openAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = true
	for _, t := range d.queue {
		t.given <- verdict{dead: true}
	}
	d.queue = nil
}

// The chances of the faults in the worst of storms.
const (
	chanceLate    = 0.06
	chanceLost    = 0.06
	chanceDoubled = 0.05
	chanceStray   = 0.03
	chanceDeath   = 0.004
	chanceCut     = 0.004
	chanceStall   = 0.0008
	chanceFailure = 0.04
	chanceRefusal = 0.04
	chanceBell    = 0.25
	// rareness is how much likelier a process dies at a write that was rare so far: all
	// kinds of writes are to be died at, not only the frequent ones.
	rareness = 20
)

func (d *director) chance(p float64) bool { return d.random.Float64() < p*d.severity }

func (d *director) upTo(limit time.Duration) time.Duration {
	return time.Duration(d.random.Int64N(int64(limit))) + time.Microsecond
}

// judge decides what befalls a turn.
func (d *director) judge(t *turn) (v verdict) {
	if d.severity == 0 {
		return v
	}
	switch t.what {
	case matterRead, matterWrite:
		if d.chance(chanceStall) { // longer than a lease
			v.pause = time.Minute + d.upTo(2*time.Minute)
		}
		v.cutBefore = d.chance(chanceCut)
		if t.what == matterWrite {
			d.judgeWrite(t, &v)
		}
	case matterCall:
		v.lost, v.doubled, v.answerLost = d.chance(chanceLost), d.chance(chanceDoubled), d.chance(chanceLost)
		v.pause, v.answerPause = d.late(), d.late()
		if d.chance(chanceStray) {
			v.stray = d.upTo([]time.Duration{300 * time.Millisecond, 4 * time.Second, 30 * time.Second}[d.random.IntN(3)])
		}
	case matterBell:
		v.lost, v.doubled = d.chance(chanceBell), d.chance(chanceBell)
		if d.chance(chanceBell) {
			v.pause = d.upTo(10 * time.Second)
		}
	case matterDriver:
		v.failsBefore, v.failsAfter, v.refuses = d.chance(chanceFailure), d.chance(chanceFailure), d.chance(chanceRefusal)
		if d.chance(chanceBell) {
			v.pause = d.upTo(5 * time.Second)
		}
	case matterPlain:
	}
	return v
}

// judgeWrite decides whether the process dies at a write, or hears no more of it.
func (d *director) judgeWrite(t *turn, v *verdict) {
	d.written[t.kind]++
	v.cutAfter = d.chance(chanceCut)
	if d.chance(chanceDeath * (1 + rareness/float64(d.written[t.kind]))) {
		v.dieBefore = d.random.IntN(2) == 0
		v.dieAfter = !v.dieBefore
		t.life.rest = deathLasts(d.random)
	}
}

func (d *director) late() time.Duration {
	if !d.chance(chanceLate) {
		return 0
	}
	return d.upTo([]time.Duration{100 * time.Millisecond, 3 * time.Second, 40 * time.Second}[d.random.IntN(3)])
}

// note adds a turn to the sum of the run and to its log.
func (d *director) note(t *turn, v verdict) {
	d.tally.add(t, v)
	text := fmt.Sprintf("%12s %s%s", time.Since(d.began), t.label, v)
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, d.sum, text)
	d.sum = h.Sum64()
	if d.log != nil {
		_, _ = fmt.Fprintln(d.log, text)
	}
}

// String names what is out of the ordinary.
func (v verdict) String() string {
	text := ""
	for _, what := range v.faults() {
		text += " | " + what
	}
	for _, pause := range []struct {
		what string
		long time.Duration
	}{{"late", v.pause}, {"answer late", v.answerPause}, {"arrives late", v.stray}} {
		if pause.long > 0 {
			text += " | " + pause.what + " by " + pause.long.String()
		}
	}
	return text
}

// faults are the names of what befalls.
func (v verdict) faults() (names []string) {
	for _, what := range []struct {
		is   bool
		name string
	}{{v.lost, "lost"}, {v.doubled, "doubled"}, {v.answerLost, "answer lost"}, {v.stray > 0, "strays"},
		{v.cutBefore, "cut before the commit"}, {v.cutAfter, "cut after the commit"}, {v.dieBefore, "DIES before the commit"}, {v.dieAfter, "DIES after the commit"},
		{v.failsBefore, "fails"}, {v.failsAfter, "fails after the effect"}, {v.refuses, "refuses"}} {
		if what.is {
			names = append(names, what.name)
		}
	}
	return names
}
