package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"virga/core/clock"
	"virga/core/db"
	"virga/core/feed"
)

const (
	// batch is how many changes are published before the position moves on.
	batch = 100
	// lease is how long a process that has gone keeps others from publishing.
	lease = 30 * time.Second
	// renewEvery is how often a claim is held for another lease when nothing is published.
	renewEvery = 10 * time.Second
	// lookEvery is how often the feed is looked at when nothing rings.
	lookEvery = 3 * time.Second
	// Pauses after a failure grow from one to the other.
	minPause, maxPause = time.Second, 30 * time.Second
	// readerName is the publisher's among the readers of a feed.
	readerName = "notifications"
)

// Config is what a publisher is made of.
type Config struct {
	Settings *Settings
	// Exchange is the service's in OpenStack: "nova".
	Exchange string
	// Format is the service's.
	Format Format
	DB     *db.DB
	Feed   *feed.Log
	// Owner names this process.
	Owner   string
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Publisher publishes the notifications of one service.
type Publisher struct {
	Config
	reader    feed.Reader
	published prometheus.Counter
	failures  prometheus.Counter
	behind    prometheus.Gauge
	// renewed is when the claim was last held for another lease.
	renewed time.Time
}

// New makes a publisher; Run publishes.
func New(c Config) (*Publisher, error) {
	labels := prometheus.Labels{"service": c.Feed.Service()}
	p := &Publisher{Config: c, reader: feed.Reader{DB: c.DB, Name: readerName, Owner: c.Owner, Lease: lease},
		published: prometheus.NewCounter(prometheus.CounterOpts{Name: "virga_notifications_published_total",
			Help: "Notifications that the broker has confirmed.", ConstLabels: labels}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "virga_notifications_failures_total",
			Help: "Times that publishing was broken off, to be resumed.", ConstLabels: labels}),
		behind: prometheus.NewGauge(prometheus.GaugeOpts{Name: "virga_notifications_behind",
			Help: "Numbers of changes that this process still has to publish; 0 where another one does.", ConstLabels: labels})}
	if c.Metrics == nil {
		return p, nil
	}
	return p, errors.Join(c.Metrics.Register(p.published), c.Metrics.Register(p.failures), c.Metrics.Register(p.behind))
}

// errElsewhere says that another process publishes.
var errElsewhere = errors.New("another process publishes")

// Run publishes until ctx ends. It never gives up: whatever fails is tried again, with
// growing pauses.
func (p *Publisher) Run(ctx context.Context) error {
	pause := minPause
	for ctx.Err() == nil {
		began := time.Now()
		err := p.session(ctx)
		p.behind.Set(0)
		wait := lease / 3
		if !errors.Is(err, errElsewhere) && ctx.Err() == nil {
			p.failures.Inc()
			if time.Since(began) > maxPause {
				pause = minPause
			}
			p.Log.WarnContext(ctx, "publishing notifications is broken off", "service", p.Feed.Service(), "again_in", pause, "error", err)
			wait = pause/2 + rand.N(pause/2)
			pause = min(2*pause, maxPause)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	return nil
}

// session claims the reader's place, connects and publishes until something fails.
func (p *Publisher) session(ctx context.Context) (err error) {
	position, held, err := p.reader.Claim(ctx, p.Clock.Now())
	if err != nil {
		return err
	}
	if !held {
		return errElsewhere
	}
	p.renewed = time.Now()
	defer func() { // others may reach the broker, or go on when this process ends
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, p.reader.Release(ctx, p.Clock.Now()))
	}()
	b, err := connect(ctx, p.Settings, p.Exchange)
	if err != nil {
		return err
	}
	defer b.close()
	p.Log.InfoContext(ctx, "notifications are published", "service", p.Feed.Service(), "from", position)
	bell := p.Feed.Listen()
	defer bell.Close()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		more, err := p.publish(ctx, b, &position)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case why := <-b.closed:
			if why == nil {
				return errors.New("the connection to the broker ended")
			}
			return fmt.Errorf("the broker closed the connection: %w", why)
		case <-bell.C:
		case <-ticker.C:
		}
	}
}

// publish publishes the next changes and moves the position on; more tells that there may
// be further ones.
func (p *Publisher) publish(ctx context.Context, b *broker, position *int64) (more bool, err error) {
	entries, err := feed.After(ctx, p.DB, *position, batch)
	if errors.Is(err, feed.ErrForgotten) {
		p.Log.ErrorContext(ctx, "changes were forgotten before they were published", "service", p.Feed.Service(), "position", *position)
		*position = feed.Oldest
		entries, err = feed.After(ctx, p.DB, *position, batch)
	}
	if err != nil {
		return false, err
	}
	sent := 0
	for i := range entries {
		e := &entries[i]
		list, err := p.Format(e)
		if err != nil { // the others are not to wait for it
			p.Log.ErrorContext(ctx, "a change cannot be told in notifications", "service", p.Feed.Service(), "number", e.Seq, "error", err)
			continue
		}
		for n := range list {
			topics := p.Settings.Topics
			if list[n].Versioned {
				topics = p.Settings.VersionedTopics
			}
			if len(topics) == 0 {
				continue
			}
			body, id, err := encode(p.Feed.Service(), e, n, &list[n])
			if err != nil {
				return false, err
			}
			for _, topic := range topics {
				if err := b.send(ctx, topic, list[n].Priority, id, body); err != nil {
					return false, err
				}
			}
			sent++
		}
	}
	if err := b.confirmed(ctx); err != nil {
		return false, err
	}
	p.published.Add(float64(sent))
	if len(entries) == 0 && time.Since(p.renewed) < renewEvery {
		return false, nil
	}
	if len(entries) > 0 {
		*position = entries[len(entries)-1].Seq
	}
	p.renewed = time.Now()
	newest, err := feed.Latest(ctx, p.DB)
	if err != nil {
		return false, err
	}
	p.behind.Set(float64(newest - max(*position, 0)))
	return len(entries) == batch, p.reader.Advance(ctx, *position, p.Clock.Now())
}
