package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"virga/core/bus"
	"virga/core/clock"
)

const (
	// heartbeat is asked of the broker; the library sends twice as often and gives up on a
	// connection after one and a half: 9 s.
	heartbeat = 6 * time.Second
	deadAfter = 9 * time.Second
	// patience is how long a call waits for a lost connection to come back.
	patience = 2 * time.Second
	// firstWait and longestWait bound the random time before another attempt to connect.
	firstWait   = 500 * time.Millisecond
	longestWait = 5 * time.Second
	// endTimeout bounds the farewell to the broker.
	endTimeout = 3 * time.Second

	// maxRings bounds the rings that wait to be sent; the timer mends what is dropped.
	maxRings = 4 << 10
	// maxCalls bounds the calls of the process that have no answer yet, maxUnderWay the
	// questions that one party works on, maxTaken those that it has been given.
	maxCalls    = 4 << 10
	maxUnderWay = 64
	maxTaken    = 1 << 10
	// maxName is AMQP's bound for a routing key in bytes.
	maxName = 255
)

// Bus is a process's end of the bus that RabbitMQ carries.
type Bus struct {
	// id tells this process's messages from others'.
	id      string
	address *address
	log     *slog.Logger
	local   *bus.Local
	stop    context.CancelFunc
	ended   sync.WaitGroup

	mu sync.Mutex
	// families are bound for good: there are few, and listening again costs nothing.
	families map[string]bool
	serving  map[string]service
	latest   int64
	// changed are families and addresses that the broker has to be told about, in the order of
	// the changes; waiting has the same.
	changed []subject
	waiting map[subject]bool
	// unknown are addresses that this process serves and the broker does not know yet.
	unknown map[string]bool
	// session is nil while there is no connection; came is closed when there is one.
	session *session
	came    chan struct{}
	trouble error
	// joined is true once there was a session, or the first attempt has failed: others may have
	// been there before.
	joined bool
}

// service is what is served at an address: when the latest party came, in microseconds since
// 1970 and never twice the same, and how many there are.
type service struct {
	latest int64
	count  int
}

// subject is a family of topics or an address.
type subject struct {
	address bool
	name    string
}

var _ bus.Bus = (*Bus)(nil)

// Open returns a bus on the broker that url names (see CheckURL) and keeps it connected until
// Close. It fails when the address is wrong or the broker refuses the user, the virtual host
// or TLS. A broker that is merely away is waited for in the background. ctx bounds the
// first attempt alone.
func Open(ctx context.Context, url string, log *slog.Logger) (*Bus, error) {
	a, err := parse(url)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	b := &Bus{
		id: clock.System{}.ID(), address: a, log: log, local: bus.NewLocal(), stop: stop,
		families: map[string]bool{}, serving: map[string]service{}, waiting: map[subject]bool{}, unknown: map[string]bool{},
		came: make(chan struct{}), trouble: errors.New("no connection was made yet"),
	}
	first, err := b.join(ctx)
	if err != nil && refused(err) {
		stop()
		return nil, err
	}
	b.joined = true
	b.ended.Go(func() { b.run(life, first, err) })
	return b, nil
}

// refused tells whether trying again does not help until somebody changes something.
func refused(err error) bool {
	var reply *amqp091.Error
	if errors.As(err, &reply) {
		return reply.Code == amqp091.AccessRefused || reply.Code == amqp091.NotAllowed || reply.Code == amqp091.PreconditionFailed
	}
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// Close ends the connection. Calls under way fail.
func (b *Bus) Close() error {
	b.stop()
	b.ended.Wait()
	return nil
}

// Ready tells why the bus has no connection now, nil when it has one.
func (b *Bus) Ready(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session != nil && b.session.ready {
		return nil
	}
	return b.unavailable()
}

// unavailable is the error of having no connection; mu is held.
func (b *Bus) unavailable() error {
	return fmt.Errorf("no connection to the message broker (%s): %w", b.trouble.Error(), bus.ErrUnavailable)
}

// run keeps the bus connected until ctx ends. first is the session that there is already, or
// nil because of err.
func (b *Bus) run(ctx context.Context, first *session, err error) {
	failures := 0
	for s := first; ; {
		if s != nil {
			failures = 0
			err = b.carry(ctx, s)
		}
		if ctx.Err() != nil {
			return
		}
		b.mu.Lock()
		b.trouble = err
		b.mu.Unlock()
		wait := firstWait
		for range failures {
			wait = min(2*wait, longestWait)
		}
		wait = rand.N(wait) + time.Millisecond
		level := slog.LevelWarn
		if failures > 5 {
			level = slog.LevelDebug // it has been said
		}
		b.log.Log(ctx, level, "no connection to the message broker", "hosts", strings.Join(b.address.hosts, ","), "again_in", wait, "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		failures++
		s, err = b.join(ctx)
	}
}

// join makes a session that hears already. What this process serves is told afterwards: with
// thousands of addresses it takes the broker seconds, and nothing else shall wait for that.
func (b *Bus) join(ctx context.Context) (*session, error) {
	s, err := b.connect(ctx, rand.IntN(len(b.address.hosts)))
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.changed = b.changed[:0]
	clear(b.waiting)
	b.session = s
	for family := range b.families {
		b.change(subject{false, family})
	}
	b.mu.Unlock()
	if err := s.tellNews(); err != nil {
		s.end(err)
		s.leave()
		b.lost(s)
		return nil, fmt.Errorf("set up queues on the message broker %s: %w", s.host, err)
	}
	b.mu.Lock()
	if b.joined {
		s.settled = time.Now().Add(settling)
	}
	s.ready, b.joined = true, true
	for name := range b.serving {
		b.unknown[name] = true
		b.change(subject{true, name})
	}
	close(b.came)
	b.mu.Unlock()
	b.log.InfoContext(ctx, "connected to the message broker", "host", s.host)
	return s, nil
}

// carry uses a session until it breaks and returns why.
func (b *Bus) carry(ctx context.Context, s *session) error {
	defer context.AfterFunc(s.ctx, func() { b.lost(s) })()
	err := s.run(ctx)
	b.lost(s)
	return err
}

// lost notes that a session is over.
func (b *Bus) lost(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session != s {
		return
	}
	b.session, b.trouble = nil, context.Cause(s.ctx)
	if s.ready {
		b.came = make(chan struct{})
	}
}

// current is the session that can carry something now, or nil.
func (b *Bus) current() *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session == nil || !b.session.ready || b.session.blocked.Load() {
		return nil
	}
	return b.session
}

// Ring implements bus.Bus.
func (b *Bus) Ring(topic string) {
	b.local.Ring(topic)
	if s := b.current(); s != nil && len(topic) <= maxName {
		s.ring(topic)
	}
}

// family is what a topic is bound by: its first two words when it has more, or all of it.
func family(topic string) string {
	words := strings.SplitN(topic, ".", 3)
	if len(words) < 3 {
		return topic
	}
	return words[0] + "." + words[1] + ".#"
}

// maxFamilies bounds the bindings of a process; one that has more hears everything.
const maxFamilies = 500

// Listen implements bus.Bus.
func (b *Bus) Listen(topic string) *bus.Bell {
	bell := b.local.Listen(topic)
	name := family(topic)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.families) >= maxFamilies {
		name = "#"
	}
	if !b.families[name] && len(name) <= maxName {
		b.families[name] = true
		b.change(subject{false, name})
	}
	return bell
}

// Serve implements bus.Bus.
func (b *Bus) Serve(address string, answer bus.Answer) (stop func()) {
	stopLocal := b.local.Serve(address, answer)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = max(b.latest+1, time.Now().UnixMicro())
	former := b.serving[address]
	b.serving[address] = service{b.latest, former.count + 1}
	b.unknown[address] = b.unknown[address] || former.count == 0
	b.change(subject{true, address})
	return sync.OnceFunc(func() {
		stopLocal()
		b.mu.Lock()
		defer b.mu.Unlock()
		s := b.serving[address]
		if s.count--; s.count == 0 {
			delete(b.serving, address)
			delete(b.unknown, address)
		} else {
			b.serving[address] = s
		}
		b.change(subject{true, address})
	})
}

// change notes what the broker has to be told; mu is held.
func (b *Bus) change(s subject) {
	if b.session != nil && !b.waiting[s] {
		b.waiting[s] = true
		b.changed = append(b.changed, s)
		b.session.nudge()
	}
}

// news is the next subject that the broker may have to be told about, with the party's number
// when it is an address: zero when nobody serves it any more.
func (b *Bus) news(s *session) (what subject, latest int64, there bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session != s || len(b.changed) == 0 {
		return subject{}, 0, false
	}
	what = b.changed[0]
	b.changed = b.changed[1:]
	delete(b.waiting, what)
	return what, b.serving[what.name].latest, true
}

// Call implements bus.Bus.
func (b *Bus) Call(ctx context.Context, address, question string, body []byte) ([]byte, error) {
	ctx, cancel := bus.Bounded(ctx)
	defer cancel()
	result, err := b.call(ctx, address, question, body)
	if err != nil {
		return nil, bus.Asked(address, question, err)
	}
	return result, nil
}

func (b *Bus) call(ctx context.Context, address, question string, body []byte) ([]byte, error) {
	if err := bus.CheckQuestion(address, question, body); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := b.current()
	if (s == nil || b.untold(address)) && b.local.Party(address) != nil { // as near as can be
		return b.local.Call(ctx, address, question, body)
	}
	if s == nil {
		var err error
		if s, err = b.await(ctx); err != nil {
			return nil, err
		}
	}
	return s.ask(ctx, address, question, body)
}

// known notes addresses that the broker has been told about and has understood.
func (b *Bus) known(addresses []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, address := range addresses {
		delete(b.unknown, address)
	}
}

// untold tells whether the broker does not know yet what this process serves at an address.
func (b *Bus) untold(address string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unknown[address]
}

// await waits with patience for a session.
func (b *Bus) await(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		b.mu.Lock()
		s, came, away := b.session, b.came, b.unavailable()
		ready := s != nil && s.ready
		b.mu.Unlock()
		if s != nil && s.blocked.Load() {
			return nil, fmt.Errorf("the message broker takes nothing now, it lacks memory or disk: %w", bus.ErrUnavailable)
		}
		if s != nil && ready {
			return s, nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil, away
		}
	}
}
