package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"virga/core/db"
	"virga/core/pki"
)

// TopicMembers rings when keys of members were removed.
const TopicMembers = "fleet.members"

// ErrRemoved is wrapped by Admit when a key is no member's: it never was, or not any more.
var ErrRemoved = errors.New("the key is not that of a member of this cloud")

// How long an answer is believed without asking the database again: a while, and longer the
// more members there are, so that thousands of them cost some hundred queries a second. The
// bell shortens it to nothing. maxAdmitted is how many answers are kept.
const (
	admitFor     = 5 * time.Second
	admitForEach = 2 * time.Millisecond
	maxAdmitted  = 50_000
)

// admission remembers for seconds who holds which key.
type admission struct {
	mu    sync.Mutex
	known map[pki.Pin]verdict
	// age counts forget, so that an answer from before is not remembered after it.
	age uint64
}

type verdict struct {
	subject pki.Subject // zero: nobody
	until   time.Time
}

func newAdmission() *admission { return &admission{known: map[pki.Pin]verdict{}} }

func (a *admission) find(pin pki.Pin, now time.Time) (v verdict, age uint64, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, found = a.known[pin]
	return v, a.age, found && now.Before(v.until)
}

func (a *admission) remember(pin pki.Pin, who pki.Subject, now time.Time, age uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.age != age {
		return
	}
	v := verdict{who, now.Add(admitFor + time.Duration(len(a.known))*admitForEach)}
	if len(a.known) >= maxAdmitted {
		clear(a.known)
	}
	a.known[pin] = v
}

func (a *admission) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.known)
	a.age++
}

// LookAgain has the next Admit ask the database.
func (s *Service) LookAgain() { s.admission.forget() }

// Admit tells whether a key is the member's that its certificate is for; an error that
// wraps ErrRemoved says that it is not. It is asked at every request of a member, and at
// the first one of a key notes that the member has it.
func (s *Service) Admit(ctx context.Context, subject pki.Subject, pin pki.Pin) error {
	now := s.deps.Clock.Now()
	v, age, found := s.admission.find(pin, now)
	if !found {
		who, used, err := s.holder(ctx, pin)
		if err == nil && who == subject && !used {
			err = s.deps.DB.Write(ctx, func(tx *db.Tx) error { return markKeyUsed(tx, pin.String()) })
		}
		if err != nil {
			return fmt.Errorf("admit %s: %w", subject, err)
		}
		v.subject = who
		s.admission.remember(pin, who, now, age)
	}
	if v.subject != subject || !subject.Valid() {
		return fmt.Errorf("admit %s: %w", subject, ErrRemoved)
	}
	return nil
}

// holder is whose key it is, and whether its member has come with it; the zero subject when
// it is nobody's.
func (s *Service) holder(ctx context.Context, pin pki.Pin) (who pki.Subject, used bool, err error) {
	var found admitted
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = findAdmitted(tx, pin.String())
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return pki.Subject{}, false, nil
	}
	return pki.Subject{Kind: pki.Kind(found.Kind), Name: found.Host}, found.Used, err
}
