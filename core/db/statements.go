package db

import (
	"container/list"
	"context"
	"database/sql"
	"hash/maphash"
	"sync"
)

const (
	// maxStatements bounds the prepared statements of a pool; each is held on several connections.
	maxStatements = 256
	// maxSeen bounds the memory of texts that were run once.
	maxSeen = 4096
)

// statements keeps the prepared statements of a pool by their text, the most recently
// used ones: preparing costs more than running for the short statements of a control
// plane. A text is prepared when it comes the second time, and never inside a
// transaction: that would take a second connection while others wait for the same, and
// all of them might wait for ever.
type statements struct {
	mu     sync.Mutex
	byText map[string]*list.Element
	// recent has the statement that was used last in front.
	recent list.List
	seed   maphash.Seed
	seen   map[uint64]struct{}
}

type statement struct {
	text string
	stmt *sql.Stmt
}

func newStatements() *statements {
	return &statements{byText: map[string]*list.Element{}, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

// find returns the prepared statement for text; without one, wanted tells that it is
// worth preparing.
func (s *statements) find(text string) (stmt *sql.Stmt, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.byText[text]; at != nil {
		s.recent.MoveToFront(at)
		return at.Value.(*statement).stmt, false
	}
	sum := maphash.String(s.seed, text)
	if _, again := s.seen[sum]; again {
		return nil, true
	}
	if len(s.seen) >= maxSeen {
		clear(s.seen)
	}
	s.seen[sum] = struct{}{}
	return nil, false
}

// prepare adds a statement. An error is not told: the text runs without, too.
func (s *statements) prepare(ctx context.Context, pool *sql.DB, text string) {
	s.mu.Lock()
	there := s.byText[text] != nil
	s.mu.Unlock()
	if there {
		return
	}
	stmt, err := pool.PrepareContext(ctx, text)
	if err != nil {
		return
	}
	if gone := s.add(text, stmt); gone != nil {
		_ = gone.Close() // transactions that use it keep it until their end
	}
}

// add returns the statement that has to go: the new one when the text is there already.
func (s *statements) add(text string, stmt *sql.Stmt) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byText[text] != nil {
		return stmt
	}
	s.byText[text] = s.recent.PushFront(&statement{text, stmt})
	if s.recent.Len() <= maxStatements {
		return nil
	}
	oldest := s.recent.Remove(s.recent.Back()).(*statement)
	delete(s.byText, oldest.text)
	return oldest.stmt
}
