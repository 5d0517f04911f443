package libvirt

import (
	"context"
	"fmt"
	"time"
)

// A libvirtd that has stopped keeps its connections open and answers nothing. So it is asked, every now and then, for something that it
// answers at once even while all of its workers are busy, over a link of its own: what stands in line on another one says nothing.

// pulse says how often libvirtd is asked, how long it may take to answer, and how long to greet.
type pulse struct {
	every, patience, greeting time.Duration
}

// usualPulse has a libvirtd count as hung after 20 seconds.
func usualPulse() pulse {
	return pulse{every: 5 * time.Second, patience: 15 * time.Second, greeting: 10 * time.Second}
}

// listen ends all links to libvirtd once it does not answer; it returns when ctx or the link has ended.
func (c *connection) listen(ctx context.Context, l *link) {
	asked, err := c.open(ctx)
	for err == nil {
		timer := time.NewTimer(c.pulse.every)
		select {
		case <-timer.C:
			err = asked.answers(ctx, c.pulse.patience)
		case <-l.gone:
			err = fmt.Errorf("connection lost")
		case <-ctx.Done():
			err = ctx.Err()
		}
		timer.Stop()
	}
	if asked != nil {
		asked.hangUp()
	}
	if ctx.Err() == nil && l.alive() {
		c.log.Warn("libvirt does not answer", "socket", c.socket, "error", err)
		c.hangUp()
	}
}

// answers asks libvirtd for its version and fails, with the link, when no answer comes in time.
func (l *link) answers(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return l.bounded(ctx, func() error {
		_, err := l.ConnectGetLibVersion()
		return err
	})
}

// open opens a link that ends with all the others when libvirtd does not answer, or with the connection.
func (c *connection) open(ctx context.Context) (*link, error) {
	l, err := openLink(ctx, c.socket, c.uri, c.pulse.greeting)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		l.hangUp()
		return nil, fmt.Errorf("connect to libvirt at %s: the driver is closed", c.socket)
	}
	for known := range c.links { // those that have ended need no more care
		if !known.alive() {
			delete(c.links, known)
		}
	}
	c.links[l] = true
	return l, nil
}

// hangUp ends all links to libvirtd.
func (c *connection) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.links {
		l.hangUp()
	}
	clear(c.links)
}
