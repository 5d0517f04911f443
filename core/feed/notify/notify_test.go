package notify_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"virga/core/bus"
	"virga/core/bus/bustest"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/feed"
	"virga/core/feed/notify"
	"virga/core/feed/notify/notifytest"
)

func TestSettings(t *testing.T) {
	for text, want := range map[string]string{
		"amqp://u:p@h/v": "topics [notifications], versioned [versioned_notifications], durable false, basic false",
		"amqps://u:p@h:5671/?topics=a,b&versioned_topics=none&durable=true&identity=basic&cacertfile=/x": "topics [a b], versioned [], durable true, basic true",
	} {
		s, err := notify.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fmt.Sprintf("topics %v, versioned %v, durable %t, basic %t", s.Topics, s.VersionedTopics, s.Durable, s.Basic); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, text := range []string{"", "amqp://", "http://u:s3cret@h/", "amqp://u:s3cret@h/?what=1", "amqp://u:s3cret@h/?topics=", "amqp://u:s3cret@h/?topics=a%20b",
		"amqp://u:s3cret@h/?topics=none&versioned_topics=none", "amqp://u:s3cret@h/?durable=perhaps", "amqp://u:s3cret@h:x/", "amqp://u:s3/cret@h:5/"} {
		if _, err := notify.Parse(text); err == nil || strings.Contains(err.Error(), "s3") {
			t.Errorf("%q is answered with %v", text, err)
		}
	}
}

// house is a feed whose changes are published.
type house struct {
	t   *testing.T
	db  *db.DB
	log *feed.Log
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, db: dbtest.Open(t), log: feed.NewLog("house", bus.NewLocal())}
	if err := h.db.Migrate(t.Context(), "feed", feed.Migrations()); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) change(action string, numbers ...int) {
	h.t.Helper()
	for _, n := range numbers {
		err := h.db.Write(h.t.Context(), func(tx *db.Tx) error {
			return h.log.Record(tx, feed.Change{At: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), RequestID: "req-1", UserID: "u", ProjectID: "p",
				Kind: "room", ID: fmt.Sprint(n), Action: action, After: map[string]any{"n": n}})
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// format tells each change plain and versioned; the action fail is an error, and skip is
// nothing at all; bad cannot be told.
func format(e *feed.Entry) ([]notify.Notification, error) {
	priority := notify.Info
	switch e.Action {
	case "skip":
		return nil, nil
	case "bad":
		return nil, fmt.Errorf("no words")
	case "fail":
		priority = notify.Error
	}
	return []notify.Notification{
		{EventType: "room." + e.Action + ".end", Publisher: "house.here", Priority: priority, Payload: map[string]any{"room": e.After}},
		{EventType: "room." + e.Action, Publisher: "nova-house:here", Priority: priority, Payload: map[string]any{"nova_object.data": e.After}, Versioned: true},
	}, nil
}

// publish publishes until the returned function is called.
func (h *house) publish(url, exchange, owner string) (stop func()) {
	h.t.Helper()
	settings, err := notify.Parse(url)
	if err != nil {
		h.t.Fatal(err)
	}
	p, err := notify.New(notify.Config{Settings: settings, Exchange: exchange, Format: format, DB: h.db, Feed: h.log, Owner: owner, Clock: clock.System{},
		Log: slog.New(slog.NewTextHandler(h.t.Output(), nil))})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				h.t.Error(err)
			}
		})
	}
	h.t.Cleanup(stop)
	return stop
}

// started waits until the publisher has its place, from which on it publishes.
func (h *house) started() {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
		var n int
		if err := h.db.Read(h.t.Context(), func(tx *db.Tx) error { return tx.Get(&n, "SELECT COUNT(*) FROM feed_readers") }); err != nil {
			h.t.Fatal(err)
		}
		if n == 1 {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatal("the publisher does not begin")
		}
	}
}

func TestOpenStacksOwnListenerHearsChanges(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Broker) {
		h := newHouse(t)
		h.change("create", 1) // before anybody publishes
		h.publish(b.OpenStackURL(), "first", "me")
		h.started()
		h.change("create", 2)
		h.change("skip", 3)
		h.change("bad", 4)
		h.change("fail", 5)
		// What was published before the listener came is not lost.
		all := notifytest.Listen(t, b.OpenStackURL(), "first:notifications", "first:versioned_notifications")
		h.change("create", 6)
		got := map[string]notifytest.Heard{}
		for range 6 {
			one := notifytest.Next(t, all)
			got[one.Topic+" "+one.Priority+" "+one.EventType+" "+fmt.Sprint(one.Payload)] = one
		}
		for _, want := range []string{
			"notifications info room.create.end map[room:map[n:2]]", "versioned_notifications info room.create map[nova_object.data:map[n:2]]",
			"notifications error room.fail.end map[room:map[n:5]]", "versioned_notifications error room.fail map[nova_object.data:map[n:5]]",
			"notifications info room.create.end map[room:map[n:6]]", "versioned_notifications info room.create map[nova_object.data:map[n:6]]",
		} {
			one, ok := got[want]
			if !ok {
				t.Errorf("not heard: %s, only %v", want, got)
				continue
			}
			if one.Context["request_id"] != "req-1" || one.Context["user_id"] != "u" || one.Context["project_id"] != "p" ||
				one.Metadata["timestamp"] != "2026-01-02 03:04:05.000006" || one.Metadata["message_id"] == "" {
				t.Errorf("%s: context %v, metadata %v", want, one.Context, one.Metadata)
			}
			if want := map[string]string{"notifications": "house.here", "versioned_notifications": "nova-house:here"}[one.Topic]; one.Publisher != want {
				t.Errorf("publisher %s, want %s", one.Publisher, want)
			}
		}
	})
}

// drain reads plain notifications of a queue until n different ones have come; it returns
// the numbers of the rooms in the order of their first coming.
func drain(t *testing.T, url, queue string, n int) (rooms []int) {
	t.Helper()
	ids := map[string]bool{}
	for deadline := time.Now().Add(time.Minute); len(rooms) < n; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d notifications came", len(rooms), n)
		}
		connection, err := amqp091.Dial(url)
		if err != nil {
			continue
		}
		ch, err := connection.Channel()
		for err == nil {
			var d amqp091.Delivery
			var ok bool
			if d, ok, err = ch.Get(queue, true); err != nil || !ok {
				break
			}
			var envelope struct {
				Version string `json:"oslo.version"`
				Message string `json:"oslo.message"`
			}
			var inner struct {
				ID      string `json:"message_id"`
				Unique  string `json:"_unique_id"`
				Payload struct{ Room struct{ N int } }
			}
			if err := json.Unmarshal(d.Body, &envelope); err != nil || envelope.Version != "2.0" || d.ContentType != "application/json" {
				t.Fatalf("%s: %s", d.ContentType, d.Body)
			}
			if err := json.Unmarshal([]byte(envelope.Message), &inner); err != nil || inner.ID == "" || inner.Unique != strings.ReplaceAll(inner.ID, "-", "") {
				t.Fatalf("%s: %v", envelope.Message, err)
			}
			if !ids[inner.ID] { // what comes again has the same id
				ids[inner.ID] = true
				rooms = append(rooms, inner.Payload.Room.N)
			}
		}
		_ = connection.Close()
	}
	return rooms
}

func upTo(from, to int) (list []int) {
	for n := from; n < to; n++ {
		list = append(list, n)
	}
	return list
}

func TestNothingIsLostWhenTheBrokerGoesAway(t *testing.T) {
	bustest.EachOwn(t, func(t *testing.T, b *bustest.Broker) {
		h := newHouse(t)
		url := b.OpenStackURL() + "?durable=true&versioned_topics=none"
		h.publish(url, "outage", "me")
		h.started()
		h.change("create", upTo(0, 50)...)
		b.Stop(t)
		h.change("create", upTo(50, 120)...) // nobody waits
		b.Start(t)
		h.change("create", upTo(120, 150)...)
		if got := drain(t, b.OpenStackURL(), "notifications.info", 150); !slices.Equal(got, upTo(0, 150)) {
			t.Errorf("got %v", got)
		}
		b.Pause(t)
		h.change("create", upTo(150, 160)...)
		b.Resume(t)
		if got := drain(t, b.OpenStackURL(), "notifications.info", 10); !slices.Equal(got, upTo(150, 160)) {
			t.Errorf("got %v", got)
		}
	})
}

func TestAnotherProcessGoesOn(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Broker) {
		h := newHouse(t)
		url := b.OpenStackURL() + "?topics=handover&versioned_topics=none"
		first := h.publish(url, "handover", "one")
		h.started()
		h.publish(url, "handover", "two")
		h.change("create", upTo(0, 30)...)
		got := drain(t, b.OpenStackURL(), "handover.info", 30)
		first()
		h.change("create", upTo(30, 60)...)
		if got = append(got, drain(t, b.OpenStackURL(), "handover.info", 30)...); !slices.Equal(got, upTo(0, 60)) {
			t.Errorf("got %v", got)
		}
	})
}

// TestQueuesOfConsumersAreUsed finds an exchange and a queue that a consumer has made in its
// own way.
func TestQueuesOfConsumersAreUsed(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Broker) {
		connection, err := amqp091.Dial(b.OpenStackURL())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		ch, err := connection.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.ExchangeDeclare("theirs", "topic", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := ch.QueueDeclare("theirs.info", true, false, false, false, amqp091.Table{"x-queue-type": "quorum"}); err != nil {
			t.Fatal(err)
		}
		h := newHouse(t)
		h.publish(b.OpenStackURL()+"?topics=theirs&versioned_topics=none", "theirs", "me")
		h.started()
		h.change("create", 7)
		if got := drain(t, b.OpenStackURL(), "theirs.info", 1); got[0] != 7 {
			t.Errorf("got %v", got)
		}
	})
}

// TestAWrongAddressShowsNoPassword has the broker refuse the publisher.
func TestAWrongAddressShowsNoPassword(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Broker) {
		h := newHouse(t)
		settings, err := notify.Parse(strings.Replace(b.OpenStackURL(), ":openstack@", ":wr0ng@", 1))
		if err != nil {
			t.Fatal(err)
		}
		reader, writer := io.Pipe()
		p, err := notify.New(notify.Config{Settings: settings, Exchange: "x", Format: format, DB: h.db, Feed: h.log, Owner: "me", Clock: clock.System{},
			Log: slog.New(slog.NewTextHandler(writer, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		line, err := bufio.NewReader(reader).ReadString('\n')
		if err != nil || !strings.Contains(line, "broken off") || strings.Contains(line, "wr0ng") {
			t.Errorf("the log says %q, %v", line, err)
		}
		_ = reader.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
