package amqp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/semaphore"

	"virga/core/bus"
)

// call is one question of this process.
type call struct {
	ctx      context.Context
	id       string
	address  string
	question string
	body     []byte
	back     chan outcome // has room for one
	// taken gets a value when a party has the question and needs time; it has room for one.
	taken chan struct{}
}

// A queue that goes away with its last party loses the questions that were on their way to it,
// and the broker says nothing. So a question that is not answered quickly is said to be taken,
// and one of which nothing was heard is asked again; who has it already passes over that.
const (
	takenAfter = 250 * time.Millisecond
	againAfter = time.Second
	// takenType is the type of the message that says so; the codes of errors are others.
	takenType = "taken"
)

type outcome struct {
	body []byte
	err  error
}

func (c *call) settle(body []byte, err error) {
	select {
	case c.back <- outcome{body, err}:
	default: // it is settled already
	}
}

// queueOf is the queue of an address's questions.
func queueOf(address string) string {
	name := questionsQueue + address
	if len(name) > maxName {
		sum := sha256.Sum256([]byte(address))
		return questionsQueue + hex.EncodeToString(sum[:])
	}
	return name
}

// ask puts a question and waits for what comes of it.
func (s *session) ask(ctx context.Context, address, question string, body []byte) ([]byte, error) {
	c := &call{ctx: ctx, address: address, question: question, body: body, back: make(chan outcome, 1), taken: make(chan struct{}, 1)}
	s.mu.Lock()
	s.serial++
	c.id = strconv.FormatUint(s.serial, 36)
	full := len(s.waiting) >= maxCalls
	if !full {
		s.waiting[c.id] = c
	}
	s.mu.Unlock()
	if full {
		return nil, fmt.Errorf("%d questions have no answer yet: %w", maxCalls, bus.ErrUnavailable)
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting, c.id)
	}()
	again := time.NewTimer(againAfter)
	defer again.Stop()
	for outbox := s.outbox; ; {
		select {
		case outbox <- c:
			outbox = nil // it is sent
			again.Reset(againAfter)
		case <-again.C:
			outbox = s.outbox
		case <-c.taken:
			again.Stop()
			outbox = nil
		case o := <-c.back:
			return o.body, o.err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, s.broken()
		}
	}
}

// broken is the failure of a question whose connection ended.
func (s *session) broken() error {
	return fmt.Errorf("the connection to the message broker broke (%s): %w", context.Cause(s.ctx).Error(), bus.ErrUnavailable)
}

// sendQuestions publishes the calls in turn.
func (s *session) sendQuestions() {
	for {
		select {
		case c := <-s.outbox:
			left := bus.MaxWait
			if deadline, bounded := c.ctx.Deadline(); bounded {
				left = time.Until(deadline)
			}
			if left <= 0 || c.ctx.Err() != nil {
				continue // nobody waits any more
			}
			err := s.asking.PublishWithContext(s.ctx, "", queueOf(c.address), true, false, amqp091.Publishing{
				ContentType: contentType, CorrelationId: c.id, ReplyTo: s.answers, Type: c.question, AppId: s.bus.id,
				Expiration: strconv.FormatInt(max(1, left.Milliseconds()), 10), Body: c.body,
			})
			if err != nil {
				s.end(fmt.Errorf("ask %s: %w", c.address, err))
				return
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// find is the call with a correlation id, nil when nobody waits any more.
func (s *session) find(id string) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting[id]
}

// receive hands answers to their calls. Type is empty or the code of an error whose text is
// the body.
func (s *session) receive(answers <-chan amqp091.Delivery) {
	for d := range answers {
		c := s.find(d.CorrelationId)
		switch {
		case c == nil:
		case d.Type == takenType:
			select {
			case c.taken <- struct{}{}:
			default: // it was said before
			}
		case d.Type != "":
			c.settle(nil, bus.Fault(d.Type, string(d.Body)))
		default:
			c.settle(d.Body, nil)
		}
	}
}

// settling is how long after a reconnection an address that nobody serves may be one whose
// party has not come back yet.
const settling = 10 * time.Second

func (s *session) settling() bool {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	return time.Now().Before(s.settled)
}

// takeBack fails the calls whose questions no queue takes.
func (s *session) takeBack(returned <-chan amqp091.Return) {
	for r := range returned {
		c := s.find(r.CorrelationId)
		switch {
		case c == nil:
		case s.settling():
			c.settle(nil, fmt.Errorf("the message broker has just come back, and nobody there serves this address yet: %w", bus.ErrUnavailable))
		default:
			c.settle(nil, bus.ErrNobody)
		}
	}
}

// answer has the questions of one address answered, each on a goroutine of its own.
func (s *session) answer(address string, questions <-chan amqp091.Delivery) {
	slots, taken := semaphore.NewWeighted(maxUnderWay), semaphore.NewWeighted(maxTaken)
	for d := range questions {
		party := s.bus.local.Party(address)
		switch {
		case party == nil:
			s.reply(&d, nil, bus.ErrNobody)
		case s.has(&d):
		case !taken.TryAcquire(1):
			s.reply(&d, nil, fmt.Errorf("%d questions wait there: %w", maxTaken, bus.ErrUnavailable))
		default:
			go func() { // it may outlive the session: nobody waits for a party
				defer taken.Release(1)
				s.give(&d, party, slots)
			}()
		}
	}
}

// give has a party answer one question as soon as it has room for it.
func (s *session) give(d *amqp091.Delivery, party bus.Answer, slots *semaphore.Weighted) {
	wait := bus.MaxWait
	if millis, err := strconv.ParseInt(d.Expiration, 10, 64); err == nil && millis > 0 {
		wait = min(time.Duration(millis)*time.Millisecond, longestQuestion)
	}
	ctx, cancel := context.WithTimeout(s.ctx, wait)
	defer cancel()
	defer time.AfterFunc(takenAfter, func() {
		s.send(d, amqp091.Publishing{Type: takenType, CorrelationId: d.CorrelationId, Expiration: d.Expiration})
	}).Stop()
	if slots.Acquire(ctx, 1) != nil {
		return // nobody waits any more
	}
	defer slots.Release(1)
	body, err := bus.Try(ctx, party, d.Type, d.Body)
	if ctx.Err() == nil {
		s.reply(d, body, err)
	}
}

// longestQuestion bounds how long an answer may be worked on, whatever the other side says.
const longestQuestion = time.Hour

// reply sends an answer. One that cannot be sent is lost: the question's deadline mends that.
func (s *session) reply(d *amqp091.Delivery, body []byte, err error) {
	message := amqp091.Publishing{ContentType: contentType, CorrelationId: d.CorrelationId, AppId: s.bus.id, Expiration: d.Expiration, Body: body}
	if err != nil {
		message.Type, message.Body = bus.CodeOf(err), []byte(err.Error())
	}
	s.send(d, message)
}

func (s *session) send(d *amqp091.Delivery, message amqp091.Publishing) {
	if err := s.parties.PublishWithContext(s.ctx, "", d.ReplyTo, false, false, message); err != nil {
		s.end(fmt.Errorf("answer a question: %w", err))
	}
}

// memory remembers keys for a while: between rememberFor and twice that.
type memory struct {
	mu         sync.Mutex
	young, old map[string]struct{}
	turnedAt   time.Time
}

const rememberFor = 10 * time.Second

// add tells whether a key was there already.
func (m *memory) add(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.young == nil || now.Sub(m.turnedAt) > rememberFor {
		m.young, m.old, m.turnedAt = map[string]struct{}{}, m.young, now
	}
	_, known := m.old[key]
	if _, now := m.young[key]; now || known {
		return true
	}
	m.young[key] = struct{}{}
	return false
}

// has tells whether a question has come before: it was asked again too early.
func (s *session) has(d *amqp091.Delivery) bool {
	return s.asked.add(d.ReplyTo + "/" + d.CorrelationId)
}
