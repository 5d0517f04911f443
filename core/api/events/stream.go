package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"virga/core/api"
	"virga/core/feed"
	"virga/core/token"
)

// Why a stream ends by itself; its last event tells.
const (
	endExpired   = "the token has expired"
	endRevoked   = "the token is no longer valid"
	endClosing   = "the service is ending"
	endForgotten = "changes that were not sent yet are no longer kept"
	EndDone      = "there is no more"
)

// stream is the body of one answer.
type stream struct {
	desk     *Desk
	ctx      context.Context // of the request, which lasts as long as the stream
	request  *api.Request
	user     string
	wanted   filter
	eyes     eyes
	position int64
	follow   bool
	// told is the position that the reader knows.
	told int64
}

// Read is never called: the stream writes itself.
func (s *stream) Read([]byte) (int, error) {
	return 0, errors.New("a stream of events is written, not read")
}

// Close gives the stream's place free.
func (s *stream) Close() error {
	s.desk.tail.leave()
	s.desk.dismiss(s.user)
	return nil
}

// WriteTo implements io.WriterTo: it writes until the stream ends. An error means that
// the reader is gone or too slow; the connection is cut then and the reader may resume.
func (s *stream) WriteTo(w io.Writer) (int64, error) {
	answer, ok := w.(http.ResponseWriter)
	if !ok {
		return 0, fmt.Errorf("write events to a %T: it is no answer", w)
	}
	o := NewWriter(answer, s.desk.SlowAfter)
	why, err := s.run(o)
	if err == nil && why != "" {
		err = s.end(o, why)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.desk.dropped.Inc()
		s.desk.Log.InfoContext(s.ctx, "a stream of events is cut: its reader is too slow", "service", s.desk.service, "user", s.user,
			"position", s.position)
	}
	return o.sent, err
}

// run writes events until the caller is gone, or returns why the stream ends.
func (s *stream) run(o *Writer) (why string, err error) {
	s.tell(o, "retry: 2000")
	if err := o.Send(); err != nil {
		return "", err
	}
	pulse := time.NewTicker(s.desk.Heartbeat)
	defer pulse.Stop()
	expiry := s.expiry()
	defer expiry.Stop()
	for {
		found, grown, err := s.next()
		switch {
		case errors.Is(err, feed.ErrForgotten):
			return endForgotten, nil
		case err != nil && s.ctx.Err() == nil: // the next look is on the pulse
			s.desk.Log.WarnContext(s.ctx, "read the feed for a stream of events", "service", s.desk.service, "error", err)
		case len(found) > 0:
			if err := s.write(o, found); err != nil {
				return "", err
			}
		case !s.follow:
			return EndDone, nil
		}
		if len(found) > 0 {
			grown = ready() // there may be more; look whether the stream is to end, and go on
		}
		select {
		case <-s.ctx.Done():
			return "", nil
		case <-s.desk.closed:
			return endClosing, nil
		case <-expiry.C:
			return endExpired, nil
		case <-pulse.C:
			if !s.valid() {
				return endRevoked, nil
			}
			s.tell(o, ": alive")
			if err := o.Send(); err != nil {
				return "", err
			}
		case <-grown:
		}
	}
}

// ready is a channel that delivers at once.
func ready() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// next returns the changes behind the position, and what is closed when there are more.
func (s *stream) next() ([]feed.Entry, <-chan struct{}, error) {
	found, grown, known := s.desk.tail.since(s.position)
	if known {
		return found, grown, nil
	}
	found, err := feed.After(s.ctx, s.desk.DB, s.position, page)
	return found, grown, err
}

// write sends those of the changes that the caller wants and may see.
func (s *stream) write(o *Writer, found []feed.Entry) error {
	for i := range found {
		e := &found[i]
		s.position = e.Seq
		if !s.wanted.takes(e) {
			continue
		}
		seen, err := s.eyes.see(e)
		if err != nil {
			return err
		}
		if seen == nil {
			continue
		}
		text, err := json.Marshal(seen)
		if err != nil {
			return fmt.Errorf("encode event %d: %w", e.Seq, err)
		}
		o.Event(strconv.FormatInt(e.Seq, 10), seen.Name(), text)
		s.told = e.Seq
		if o.Len() > 8<<10 {
			if err := o.Send(); err != nil {
				return err
			}
		}
	}
	return o.Send()
}

// tell writes a line, and has the reader know the position: it resumes there.
func (s *stream) tell(o *Writer, line string) {
	id := ""
	if s.position != s.told {
		id = strconv.FormatInt(s.position, 10)
		s.told = s.position
	}
	o.Line(line, id)
}

// end tells why nothing more comes, and where to go on.
func (s *stream) end(o *Writer, why string) error {
	o.End(strconv.FormatInt(s.position, 10), why)
	return o.Send()
}

// expiry fires when the token ends.
func (s *stream) expiry() *time.Timer {
	const never = 1 << 62
	if who := s.request.Identity; who != nil && !who.ExpiresAt.IsZero() {
		return time.NewTimer(who.ExpiresAt.Sub(s.desk.Clock.Now()))
	}
	return time.NewTimer(never)
}

// valid tells whether the token still stands for the same user, scope and roles. Callers
// of the same process have none.
func (s *stream) valid() bool {
	text := s.request.HTTP.Header.Get("X-Auth-Token")
	if text == "" || s.desk.Auth == nil {
		return true
	}
	if passed, ok := token.IdentityFrom(s.request.HTTP.Context()); ok && passed == s.request.Identity {
		return true // the caller vouched for the identity itself
	}
	now, err := s.desk.Auth.Authenticate(s.ctx, text)
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
		return false
	}
	was := s.request.Identity
	return err != nil || now.UserID == was.UserID && now.Project.ID == was.Project.ID && slices.Equal(now.RoleNames(), was.RoleNames())
}
