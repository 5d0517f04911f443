package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

const (
	bellsExchange   = "virga.bells"
	bellsQueue      = "virga.bells."
	answersQueue    = "virga.answers."
	questionsQueue  = "virga.questions."
	contentType     = "application/octet-stream"
	maxBellsWaiting = 100_000
)

// session is one connection to the broker.
type session struct {
	bus  *Bus
	host string
	conn *amqp091.Connection
	// Each channel is for one purpose, so that a long body delays nothing but its like.
	bells, asking, parties *amqp091.Channel
	id                     string
	answers                string // the queue where answers come
	blocked                atomic.Bool
	ctx                    context.Context // ends with the session
	end                    context.CancelCauseFunc
	wake                   chan struct{} // there is news for the broker
	threads                sync.WaitGroup
	// The bus's lock guards these: whether the session can be used, and until when parties of
	// this and other processes may not have come back yet.
	ready   bool
	settled time.Time

	mu      sync.Mutex
	rings   []string
	ringing map[string]bool
	rung    chan struct{}
	// waiting are the calls by their correlation ids.
	waiting map[string]*call
	serial  uint64
	outbox  chan *call
	asked   memory
	// consumers are the tags by address and the number of the party that each stands for; the
	// teller's alone.
	consumers map[string]consumer
}

type consumer struct {
	tag    string
	latest int64
}

// steadyConn gives up on a write that the broker does not take, which would otherwise hold
// locks of the library for ever.
type steadyConn struct{ net.Conn }

// Write implements net.Conn.
func (c steadyConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(deadAfter)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// connect makes a connection to one of the hosts, and what there has to be on the broker.
func (b *Bus) connect(ctx context.Context, which int) (*session, error) {
	host := b.address.hosts[which]
	ctx, cancel := context.WithTimeout(ctx, deadAfter)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("connect to the message broker: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })() // the handshakes below know no context
	conn := net.Conn(steadyConn{raw})
	if b.address.tls != nil {
		config := b.address.tls.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(host)
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, fmt.Errorf("connect to the message broker %s: %w", host, err)
		}
		conn = secure
	}
	properties := amqp091.Table{"product": "Virga"}
	if name, err := os.Hostname(); err == nil {
		properties.SetClientConnectionName(fmt.Sprintf("virga@%s/%d", name, os.Getpid()))
	}
	carrier, err := amqp091.Open(conn, amqp091.Config{SASL: b.address.login(), Vhost: b.address.vhost, Heartbeat: heartbeat,
		FrameSize: 128 << 10, Locale: "en_US", Properties: properties})
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("greet the message broker %s as user %q of virtual host %q: %w", host, b.address.user, b.address.vhost, err)
	}
	s := b.newSession(carrier, host)
	if err := s.prepare(); err != nil {
		s.end(err)
		s.leave()
		return nil, fmt.Errorf("set up queues on the message broker %s: %w", host, err)
	}
	return s, nil
}

func (b *Bus) newSession(conn *amqp091.Connection, host string) *session {
	ctx, end := context.WithCancelCause(context.Background())
	s := &session{bus: b, host: host, conn: conn, id: fmt.Sprintf("%s.%d", b.id, time.Now().UnixNano()), ctx: ctx, end: end,
		wake: make(chan struct{}, 1), rung: make(chan struct{}, 1), ringing: map[string]bool{}, waiting: map[string]*call{},
		outbox: make(chan *call), consumers: map[string]consumer{}}
	s.answers = answersQueue + s.id // a name of the connection's own: the broker may keep the former for a while
	return s
}

// prepare makes channels, exchange and queues and begins to read.
func (s *session) prepare() error {
	for _, channel := range []**amqp091.Channel{&s.bells, &s.asking, &s.parties} {
		var err error
		if *channel, err = s.conn.Channel(); err != nil {
			return err
		}
	}
	s.watch()
	if err := s.bells.ExchangeDeclare(bellsExchange, amqp091.ExchangeTopic, true, false, false, false, nil); err != nil {
		return err
	}
	// A process that stands still loses rings, not the broker's memory.
	rings, err := s.consume(s.bells, bellsQueue+s.id, amqp091.Table{"x-max-length": int32(maxBellsWaiting)})
	if err != nil {
		return err
	}
	answers, err := s.consume(s.asking, s.answers, nil)
	if err != nil {
		return err
	}
	returned := s.asking.NotifyReturn(make(chan amqp091.Return, 64))
	s.threads.Go(func() { s.hear(rings) })
	s.threads.Go(func() { s.receive(answers) })
	s.threads.Go(func() { s.takeBack(returned) })
	return nil
}

// consume declares a queue of this connection and reads it.
func (s *session) consume(channel *amqp091.Channel, name string, options amqp091.Table) (<-chan amqp091.Delivery, error) {
	if _, err := channel.QueueDeclare(name, false, true, true, false, options); err != nil {
		return nil, err
	}
	return channel.Consume(name, name, true, true, false, false, nil)
}

// watch ends the session when the connection, a channel or a consumer ends.
func (s *session) watch() {
	closed := []<-chan *amqp091.Error{s.conn.NotifyClose(make(chan *amqp091.Error, 1))}
	var canceled []<-chan string
	for _, channel := range []*amqp091.Channel{s.bells, s.asking, s.parties} {
		closed = append(closed, channel.NotifyClose(make(chan *amqp091.Error, 1)))
		canceled = append(canceled, channel.NotifyCancel(make(chan string, 16)))
	}
	for _, c := range closed {
		s.threads.Go(func() {
			if reply := <-c; reply != nil {
				s.end(reply)
			}
			s.end(errors.New("the connection was closed")) // the first cause counts
		})
	}
	for _, c := range canceled {
		s.threads.Go(func() {
			for tag := range c {
				s.end(fmt.Errorf("the broker has removed the queue of %s", tag))
			}
		})
	}
	blocked := s.conn.NotifyBlocked(make(chan amqp091.Blocking, 4))
	s.threads.Go(func() {
		for state := range blocked {
			s.blocked.Store(state.Active)
			s.bus.log.Warn("the message broker lacks memory or disk", "blocks", state.Active, "reason", state.Reason)
		}
	})
}

// run carries the session until it breaks or ctx ends, and returns why.
func (s *session) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })()
	s.threads.Go(s.tell)
	s.threads.Go(s.sendRings)
	s.threads.Go(s.sendQuestions)
	<-s.ctx.Done()
	s.leave()
	return context.Cause(s.ctx)
}

// leave takes leave of the broker and waits for the session's threads.
func (s *session) leave() {
	_ = s.conn.CloseDeadline(time.Now().Add(endTimeout)) // it may be closed already
	s.threads.Wait()
}

func (s *session) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // the teller will look anyway
	}
}

// tell keeps the broker informed about what this process listens to and serves.
func (s *session) tell() {
	for {
		if err := s.tellNews(); err != nil {
			s.end(err)
			return
		}
		select {
		case <-s.wake:
		case <-s.ctx.Done():
			return
		}
	}
}

// maxUnconfirmed bounds the addresses that the broker is told about before it has to confirm.
const maxUnconfirmed = 200

// tellNews tells the broker what it does not know yet. When a family of topics is bound its
// bells ring: they were deaf until now.
func (s *session) tellNews() error {
	var told []string
	for {
		what, latest, there := s.bus.news(s)
		if len(told) > 0 && (!there || len(told) >= maxUnconfirmed) {
			if err := s.parties.Qos(0, 0, false); err != nil { // changes nothing; it is answered after all before it
				return fmt.Errorf("wait for the broker: %w", err)
			}
			s.bus.known(told)
			told = told[:0]
		}
		if !there {
			return nil
		}
		var err error
		if what.address {
			err = s.serve(what.name, latest)
			told = append(told, what.name)
		} else if err = s.bells.QueueBind(bellsQueue+s.id, what.name, bellsExchange, false, nil); err == nil {
			s.bus.local.RingAll(func(topic string) bool { return what.name == "#" || family(topic) == what.name })
		}
		if err != nil {
			return fmt.Errorf("tell the broker about %s: %w", what.name, err)
		}
	}
}

// serve makes this process a consumer of an address's queue, at the place that its latest
// party has among all, or (zero) no more.
func (s *session) serve(address string, latest int64) error {
	former, served := s.consumers[address]
	if served && former.latest == latest || !served && latest == 0 {
		return nil
	}
	if latest != 0 {
		// Not waited for, so that thousands are set up quickly. A queue that goes away between
		// the two lines, with its last consumer elsewhere, costs a reconnection.
		queue, tag := queueOf(address), strconv.FormatInt(latest, 36)
		if _, err := s.parties.QueueDeclare(queue, false, true, false, true, nil); err != nil {
			return err
		}
		questions, err := s.parties.Consume(queue, tag, true, false, false, true, amqp091.Table{"x-priority": latest})
		if err != nil {
			return err
		}
		s.consumers[address] = consumer{tag, latest}
		s.threads.Go(func() { s.answer(address, questions) })
	} else {
		delete(s.consumers, address)
	}
	if served { // waited for, because what was delivered before has to be answered
		return s.parties.Cancel(former.tag, false)
	}
	return nil
}

// ring queues a ring, one for any number that wait.
func (s *session) ring(topic string) {
	s.mu.Lock()
	if !s.ringing[topic] && len(s.rings) < maxRings {
		s.ringing[topic] = true
		s.rings = append(s.rings, topic)
	}
	s.mu.Unlock()
	select {
	case s.rung <- struct{}{}:
	default: // the sender will look anyway
	}
}

// sendRings publishes the rings that wait.
func (s *session) sendRings() {
	for {
		s.mu.Lock()
		list := s.rings
		s.rings = nil
		clear(s.ringing)
		s.mu.Unlock()
		for _, topic := range list {
			// Without a deadline: the connection's own ends a write that is not taken.
			err := s.bells.PublishWithContext(s.ctx, bellsExchange, topic, false, false, amqp091.Publishing{AppId: s.bus.id})
			if err != nil {
				s.end(fmt.Errorf("ring %s: %w", topic, err))
				return
			}
		}
		select {
		case <-s.rung:
		case <-s.ctx.Done():
			return
		}
	}
}

// hear rings the process's bells for others' rings; its own were heard at once.
func (s *session) hear(rings <-chan amqp091.Delivery) {
	for d := range rings {
		if d.AppId != s.bus.id {
			s.bus.local.Ring(d.RoutingKey)
		}
	}
}
