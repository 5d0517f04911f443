package identity

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/token"
)

const (
	// loginsEvery is how often log-ins are written into the feed: a process that is killed takes
	// those of that time with it.
	loginsEvery = time.Second
	// maxLogins is how many log-ins wait at most; who brings one more writes them all.
	maxLogins = 1000
	// maxFailures is how many failures are told apart between two writes, by user, name, address
	// and reason; equal ones are counted. Further ones are one entry, so that guessing does not
	// fill the database.
	maxFailures = 32
	// shownName is how much of a name that nobody has is kept: it may be a password that was typed
	// into the wrong field.
	shownName = 16
)

// kindAuthentication is the kind of entries that tell of log-ins. They change nothing that
// anybody remembers.
const kindAuthentication = "authentication"

// The actions of such entries.
const (
	actionAuthenticate = "authenticate"
	actionRefused      = "authenticate.error"
)

// authenticationDocument tells how and for what somebody logged in, or tried to.
type authenticationDocument struct {
	UserID    string   `json:"user_id"`
	Methods   []string `json:"methods"`
	ProjectID string   `json:"project_id,omitempty"`
	DomainID  string   `json:"domain_id,omitempty"`
	System    bool     `json:"system,omitempty"`
	Address   string   `json:"address"`
	// Name is what a failed log-in called a user whom there is not, or the beginning of it; Reason
	// is why it failed, and Attempts how often.
	Name     string `json:"name,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
}

// refusedLogin is why a log-in failed, for the feed alone.
type refusedLogin struct {
	userID, reason string
}

// Error implements error.
func (e *refusedLogin) Error() string { return e.reason + ": user " + e.userID }

// Unwrap makes it one of the errors that callers are not told the reason of.
func (e *refusedLogin) Unwrap() error { return token.ErrInvalid }

// failure is what tells failed log-ins apart.
type failure struct{ userID, name, method, address, reason string }

// journal has the log-ins that are not yet in the feed.
type journal struct {
	mu        sync.Mutex
	done      []feed.Change
	failed    map[failure]*feed.Change
	attempts  map[failure]int
	beyond    int
	beyondAt  time.Time
	writeLock sync.Mutex
}

// add takes a log-in; full tells that the caller has to see to it that all are written.
func (j *journal) add(c feed.Change) (full bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = append(j.done, c)
	return len(j.done) >= maxLogins
}

// fail takes a failed log-in.
func (j *journal) fail(f failure, c feed.Change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed, j.attempts = map[failure]*feed.Change{}, map[failure]int{}
	}
	switch {
	case j.failed[f] != nil:
	case len(j.failed) >= maxFailures:
		j.beyond, j.beyondAt = j.beyond+1, c.At
		return
	default:
		j.failed[f] = &c
	}
	j.attempts[f]++
}

// take hands out everything, in the order of time.
func (j *journal) take() []feed.Change {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := j.done
	for f, c := range j.failed {
		c.After = &authenticationDocument{UserID: f.userID, Methods: []string{f.method}, Address: f.address, Name: f.name, Reason: f.reason, Attempts: j.attempts[f]}
		all = append(all, *c)
	}
	if j.beyond > 0 {
		all = append(all, feed.Change{At: j.beyondAt, Kind: kindAuthentication, Action: actionRefused,
			After: &authenticationDocument{Methods: []string{}, Reason: "many others failed, too", Attempts: j.beyond}})
	}
	j.done, j.failed, j.attempts, j.beyond = nil, nil, nil, 0
	slices.SortStableFunc(all, func(a, b feed.Change) int { return a.At.Compare(b.At) })
	return all
}

// giveBack takes what could not be written; the oldest go when there is no room.
func (j *journal) giveBack(all []feed.Change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = slices.Concat(all[max(0, len(all)-maxLogins+1):], j.done)
}

// recordAuthentication tells the feed of a log-in, in a moment. A token made from another token
// is none: services make many.
func (s *Service) recordAuthentication(ctx context.Context, r *api.Request, methods []string, who *token.Identity) error {
	if !slices.ContainsFunc(methods, func(method string) bool { return method != methodToken }) {
		return nil
	}
	doc := &authenticationDocument{UserID: who.UserID, Methods: methods, ProjectID: who.Project.ID, DomainID: who.Domain.ID, System: who.System,
		Address: r.HTTP.RemoteAddr}
	if !s.journal.add(feed.Change{At: s.deps.Clock.Now(), RequestID: r.ID, UserID: who.UserID, ProjectID: who.Project.ID,
		Kind: kindAuthentication, ID: who.UserID, Action: actionAuthenticate, After: doc}) {
		return nil
	}
	return s.WriteLogins(ctx)
}

// recordRefusal tells the feed of a log-in that failed because of who tried; other errors, and
// tokens that are too old, are none. named is what the request called the user.
func (s *Service) recordRefusal(r *api.Request, method string, named *nameBody, err error) {
	refused := &refusedLogin{"", "what was shown does not stand"}
	if !errors.As(err, &refused) && (method == methodToken || !errors.Is(err, token.ErrInvalid)) {
		return
	}
	f := failure{userID: refused.userID, method: method, address: hostOf(r.HTTP.RemoteAddr), reason: refused.reason}
	if named != nil && f.userID == "" {
		f.name = named.Name
		if f.name == "" {
			f.name = named.ID
		}
		if letters := []rune(f.name); len(letters) > shownName {
			f.name = string(letters[:shownName]) + "…"
		}
	}
	s.journal.fail(f, feed.Change{At: s.deps.Clock.Now(), RequestID: r.ID, UserID: f.userID, Kind: kindAuthentication, ID: f.userID, Action: actionRefused})
}

// WriteLogins writes the log-ins into the feed that wait for it; Run does so every second. What
// cannot be written now waits on.
func (s *Service) WriteLogins(ctx context.Context) error {
	s.journal.writeLock.Lock() // two batches would be out of order
	defer s.journal.writeLock.Unlock()
	all := s.journal.take()
	if len(all) == 0 {
		return nil
	}
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		for _, c := range all {
			if err := s.feed.Record(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.journal.giveBack(all)
	}
	return err
}

// keepJournal writes log-ins until ctx ends, and then the last.
func (s *Service) keepJournal(ctx context.Context) {
	const lastWords = 5 * time.Second
	ticker := time.NewTicker(loginsEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			if err := s.WriteLogins(last); err != nil {
				s.deps.Log.Warn("log-ins are not in the feed", "error", err)
			}
			return
		case <-ticker.C:
			if err := s.WriteLogins(ctx); err != nil && ctx.Err() == nil {
				s.deps.Log.WarnContext(ctx, "writing log-ins into the feed failed", "error", err)
			}
		}
	}
}
