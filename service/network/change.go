package network

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"virga/core/db"
)

// How agents learn what is new for them. Every transaction that changes something which
// hosts see writes a row for each object into the table changes: with a host where the
// object is on one, without where several may have to do with it. An agent asks what is new
// since a number and gets the objects as they are now. A bell rings at once for changes of
// one host. For changes of many hosts it rings a little later and once for all that came
// in between, the later the more hosts there are: a group or network of a thousand hosts
// changes with every new server in it.

const (
	// followEvery is how often the log is read for answering signs of life, pruneEvery how
	// often it is shortened.
	followEvery = 2 * time.Second
	pruneEvery  = 10 * time.Minute
	// changesKept is how many changes the log keeps; an agent that slept through more gets
	// everything.
	changesKept = 20_000
	// gapPatience is how long a number that is missing in the log may still appear: a
	// transaction that took it and has not ended. What one that lasts longer did an agent
	// learns when it asks for everything, which it does every few minutes.
	gapPatience = 10 * time.Second
	// ringsPerSecond is at how many hosts bells ring for changes of many hosts.
	ringsPerSecond = 250
	// refreshWithin bounds one reading of the log: all agents that ask wait for it. A database
	// that answers at all answers it in milliseconds.
	refreshWithin  = 2 * time.Second
	shortestSpread = 20 * time.Millisecond
	longestSpread  = 5 * time.Second
)

// changes is the newest part of the log, in memory.
type changes struct {
	db  *db.DB
	now func() time.Time
	// refreshing keeps refreshes in order: a lock whose waiters have a context, because
	// whoever holds it waits for the database. mu guards the rest and is never held while
	// anybody waits for the database.
	refreshing *semaphore.Weighted
	// within is refreshWithin.
	within time.Duration
	mu     sync.Mutex
	// started and ended number the refreshes, and outcome is how the last one ended: one that
	// started after it was asked for is as good, or bad, for all who asked.
	started, ended int64
	outcome        error
	begun          bool
	// rows are in the order of their numbers; all with a number greater than before are there.
	rows   []changeRow
	before int64
	seen   int64
	gaps   map[int64]time.Time
	// life tells the numbers of this life of the process, such as read, from those of others.
	life string
	// read counts the rows that were read, touched has that count at the last change of each
	// object for several hosts, hostTouched at the last change on each host, anew when the
	// log was read anew.
	read, anew  int64
	touched     map[subject]int64
	hostTouched map[string]int64
	// shared is kept together with the rows.
	shared *sharedContent
}

// subject is what a change is about.
type subject struct {
	kind objectKind
	id   string
}

func newChanges(d *db.DB, now func() time.Time, life string) *changes {
	c := &changes{refreshing: semaphore.NewWeighted(1), within: refreshWithin, db: d, now: now, life: life, gaps: map[int64]time.Time{},
		touched: map[subject]int64{}, hostTouched: map[string]int64{}}
	c.shared = newSharedContent(c)
	return c
}

// refresh reads what came since the last time. What was committed before it is in rows then.
// It ends within two refreshes' time, however long the database takes: the one that is under way
// and one of its own, which everybody shares who asked meanwhile.
func (c *changes) refresh(ctx context.Context) error {
	c.mu.Lock()
	wanted := c.started + 1
	c.mu.Unlock()
	if err := c.refreshing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer c.refreshing.Release(1)
	c.mu.Lock()
	if c.ended >= wanted { // somebody else's came after this one was asked for
		defer c.mu.Unlock()
		return c.outcome
	}
	c.started++
	c.mu.Unlock()
	err := c.catchUp(ctx)
	if err != nil && ctx.Err() != nil {
		return err // who asked has gone, which says nothing to others
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended, c.outcome = c.started, err
	return err
}

// catchUp reads the log in one transaction, which has a deadline.
func (c *changes) catchUp(ctx context.Context) error {
	c.mu.Lock()
	begin, seen, gaps := !c.begun, c.seen, slices.Collect(maps.Keys(c.gaps))
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	var fresh []changeRow
	var sets renewed
	err := c.db.Read(ctx, func(tx *db.Tx) (err error) {
		if !begin {
			if fresh, err = changesFrom(tx, seen, gaps); err != nil {
				return err
			}
			// The last row seen is gone: the log was shortened, or an older database is back.
			begin = seen > 0 && !slices.ContainsFunc(fresh, func(row changeRow) bool { return row.Seq == seen })
		}
		if begin {
			fresh, err = lastChanges(tx, changesKept)
			return err
		}
		fresh = slices.DeleteFunc(fresh, func(row changeRow) bool { return row.Seq == seen })
		sets, err = c.shared.renew(tx, fresh)
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("read the log of changes: %w: %w", db.ErrUnavailable, err)
		}
		return fmt.Errorf("read the log of changes: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if begin {
		c.begin(fresh)
		return nil
	}
	c.take(fresh)
	c.shared.take(fresh, sets)
	return nil
}

// knows tells whether the log has been read at all.
func (c *changes) knows() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun
}

// take adds rows that came since the last time.
func (c *changes) take(fresh []changeRow) {
	now := c.now()
	for _, row := range fresh {
		delete(c.gaps, row.Seq)
		for missing := c.seen + 1; missing < row.Seq; missing++ {
			c.gaps[missing] = now
		}
		row.at = now
		c.insert(row)
		c.seen = max(c.seen, row.Seq)
	}
	maps.DeleteFunc(c.gaps, func(_ int64, noticed time.Time) bool { return now.Sub(noticed) > gapPatience })
	if extra := len(c.rows) - changesKept; extra > changesKept/4 {
		c.before = c.rows[extra-1].Seq
		c.rows = slices.Clone(c.rows[extra:])
	}
}

// begin takes the newest rows of the log, newest first.
func (c *changes) begin(rows []changeRow) {
	slices.Reverse(rows)
	c.rows, c.begun, c.before, c.seen = rows, true, 0, 0
	c.read++
	c.anew = c.read
	clear(c.gaps)
	clear(c.touched)
	clear(c.hostTouched)
	c.shared.forget()
	if len(rows) == 0 {
		return
	}
	for i := range rows {
		rows[i].read = c.read
	}
	// Of what stands before there may be rows that are not committed yet.
	c.before, c.seen = rows[0].Seq-1, rows[len(rows)-1].Seq
	for i, row := range rows[1:] {
		for missing := rows[i].Seq + 1; missing < row.Seq; missing++ {
			c.gaps[missing] = c.now()
		}
	}
}

func (c *changes) insert(row changeRow) {
	at := len(c.rows)
	for at > 0 && c.rows[at-1].Seq > row.Seq {
		at--
	}
	c.read++
	row.read = c.read
	c.rows = slices.Insert(c.rows, at, row)
	if row.Host == "" {
		c.touched[subject{row.Kind, row.ObjectID}] = c.read
	} else {
		c.hostTouched[row.Host] = c.read
	}
}

// moment names how far the log has been read. Whatever is read from the database in a
// transaction that begins later is at least as new.
func (c *changes) moment() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}

// touchedAt is the moment of the last change of an object for several hosts, as far as the
// log has been read. The lock is held.
func (c *changes) touchedAt(id string, kinds ...objectKind) int64 {
	at := c.anew
	for _, kind := range kinds {
		at = max(at, c.touched[subject{kind, id}])
	}
	return at
}

// stable is the number up to which nothing is missing that may still appear.
func (c *changes) stable() int64 {
	stable := c.seen
	for missing := range c.gaps {
		stable = min(stable, missing-1)
	}
	return stable
}

// position is how far somebody has been told of changes.
type position struct {
	// seq is the number of the last change of which it is certain that nothing before it is
	// still to appear.
	seq int64
	// moment, of life, is how far the log had been read: what was read until then was told,
	// also where its number is greater. It saves repeating while a number is missing.
	life   string
	moment int64
}

// mark is the position's moment on the wire.
func (p position) mark() string { return p.life + ":" + strconv.FormatInt(p.moment, 10) }

// positionOf is a position from the wire.
func positionOf(seq int64, mark string) position {
	life, text, _ := strings.Cut(mark, ":")
	moment, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return position{seq: seq}
	}
	return position{seq, life, moment}
}

// since returns the changes after a position that may concern a host, and the position to
// ask from the next time. Known is false when the log does not reach back that far, or the
// number is from a database that is no more.
func (c *changes) since(from position, host string) (rows []changeRow, next position, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next = position{c.stable(), c.life, c.read}
	if from.seq <= 0 || from.seq < c.before || from.seq > c.seen {
		return nil, next, false
	}
	if from.life != c.life || from.moment < c.anew {
		from.moment = 0
	}
	first, _ := slices.BinarySearchFunc(c.rows, from.seq+1, func(row changeRow, seq int64) int { return int(row.Seq - seq) })
	for _, row := range c.rows[first:] {
		if (row.Host == "" || row.Host == host) && row.read > from.moment {
			rows = append(rows, row)
		}
	}
	next.seq = max(next.seq, min(from.seq, c.seen))
	return rows, next, true
}

// spread collects changes of many hosts until their bells are rung.
type spread struct {
	mu  sync.Mutex
	due map[objectKind]map[string]bool
	// wait is how long to collect before the next rings.
	wait time.Duration
	bell chan struct{}
}

func newSpread() *spread {
	return &spread{due: map[objectKind]map[string]bool{}, wait: shortestSpread, bell: make(chan struct{}, 1)}
}

func (p *spread) add(kind objectKind, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due[kind] == nil {
		p.due[kind] = map[string]bool{}
	}
	p.due[kind][id] = true
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

// take empties the collection.
func (p *spread) take() map[objectKind]map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.due
	p.due = map[objectKind]map[string]bool{}
	return due
}

// pause is how long to collect before the next bells ring.
func (p *spread) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait
}

// note keeps in mind how many bells rang, which says when the next may.
func (p *spread) note(rang int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = min(max(time.Duration(rang)*time.Second/ringsPerSecond, shortestSpread), longestSpread)
}

// changed notes in the transaction that an object changed: on a host, or for all hosts that
// have to do with it.
func (s *Service) changed(tx *db.Tx, kind objectKind, id, host string) error {
	return s.changedIn(tx, newChange{Kind: kind, ObjectID: id, Host: host})
}

// changedIn notes a change that may say what of a set it is about.
func (s *Service) changedIn(tx *db.Tx, change newChange) error {
	if err := insertChange(tx, change); err != nil {
		return err
	}
	kind, id, host := change.Kind, change.ObjectID, change.Host
	tx.AfterCommit(func() {
		if host != "" {
			s.deps.Bus.Ring(bell(host))
			return
		}
		s.spread.add(kind, id)
	})
	return nil
}

// ringMany rings the bells of the hosts that collected changes concern, until ctx ends.
func (s *Service) ringMany(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.spread.bell:
		}
		timer := time.NewTimer(s.spread.pause())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		due, names := s.spread.take(), map[string]bool{}
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
			for kind, ids := range due {
				found, err := hostsThatSee(tx, kind, sortedKeys(ids))
				if err != nil {
					return err
				}
				for _, name := range found {
					names[name] = true
				}
			}
			return nil
		})
		if err != nil && ctx.Err() == nil { // their signs of life tell the hosts
			s.deps.Log.WarnContext(ctx, "ring for changes of many hosts", "error", err)
		}
		for name := range names {
			s.deps.Bus.Ring(bell(name))
		}
		s.spread.note(len(names))
	}
}
