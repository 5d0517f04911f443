package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coder/websocket"

	"virga/core/bus"
)

// session is one node's connection at the server: what it listens to and serves.
type session struct {
	server *Server
	id     string
	// ctx is the request's and lasts as long as the session.
	ctx  context.Context
	link *link
	talk *talk
	// Used by the reader's goroutine alone. quiet ends a listening and waits for its goroutine.
	quiet map[string]func()
	stop  map[string]func()
}

func newSession(s *Server, ctx context.Context, ws *websocket.Conn) *session {
	c := &session{server: s, id: s.cfg.Clock.ID(), ctx: ctx, link: newLink(ctx, ws), quiet: map[string]func(){}, stop: map[string]func(){}}
	c.talk = newTalk(c.link, c.call)
	c.link.take, c.link.spread = c.take, s.spread
	return c
}

// run carries the session to its end and undoes what the node had asked for.
func (c *session) run() error {
	cause := c.link.run()
	for _, stop := range c.stop {
		stop()
	}
	for _, quiet := range c.quiet {
		quiet()
	}
	return cause
}

// take handles one frame of the node.
func (c *session) take(f frame) error {
	if c.talk.take(f) {
		return nil
	}
	switch f.Kind {
	case listen, serve:
		if err := c.admit(f); err != nil {
			c.server.refusals.Inc()
			c.link.tell(frame{Kind: refused, Topic: f.Topic, Text: shorten(err.Error())})
		}
	case unlisten:
		if quiet := c.quiet[f.Topic]; quiet != nil {
			quiet()
			delete(c.quiet, f.Topic)
		}
	case unserve:
		if stop := c.stop[f.Topic]; stop != nil {
			stop()
			delete(c.stop, f.Topic)
		}
	case ring:
		if c.allowed(f.Topic) != nil {
			c.server.refusals.Inc()
			return nil
		}
		c.server.cfg.Bus.Ring(f.Topic)
	}
	return nil
}

// allowed tells whether the node may use a topic or address.
func (c *session) allowed(topic string) error {
	if c.server.cfg.Allowed == nil {
		return errors.New("nothing is allowed here")
	}
	return c.server.cfg.Allowed(c.ctx, topic)
}

// admit begins a listening or a serving.
func (c *session) admit(f frame) error {
	if err := bus.CheckQuestion(f.Topic, "", nil); err != nil {
		return err
	}
	if err := c.allowed(f.Topic); err != nil {
		return err
	}
	list := c.quiet
	if f.Kind == serve {
		list = c.stop
	}
	former := list[f.Topic]
	if former == nil && len(list) >= maxSubjects {
		return fmt.Errorf("a connection may have %d of them at most", maxSubjects)
	}
	if f.Kind == serve {
		list[f.Topic] = c.serve(f.Topic) // the new one first: nobody finds the address empty
		if former != nil {
			former()
		}
		return nil
	}
	if former == nil {
		list[f.Topic] = c.listen(f.Topic)
	}
	c.link.ring(f.Topic) // it hears from now on
	return nil
}

// listen passes rings on until the returned function is called.
func (c *session) listen(topic string) (quiet func()) {
	bell := c.server.cfg.Bus.Listen(topic)
	end := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case <-bell.C:
				c.server.rings.Inc()
				c.link.ring(topic)
			case <-end:
				return
			}
		}
	})
	return func() {
		bell.Close()
		close(end)
		passing.Wait()
	}
}

// serve has the node answer what is asked at an address.
func (c *session) serve(address string) (stop func()) {
	return c.server.cfg.Bus.Serve(address, func(ctx context.Context, name string, body []byte) ([]byte, error) {
		c.server.asked.Inc()
		return c.talk.ask(ctx, address, name, body)
	})
}

// call answers a question of the node.
func (c *session) call(ctx context.Context, address, name string, body []byte) ([]byte, error) {
	c.server.questions.Inc()
	if err := c.allowed(address); err != nil {
		c.server.refusals.Inc()
		return nil, err
	}
	return c.server.cfg.Bus.Call(ctx, address, name, body)
}
