package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

const (
	dialTimeout    = 10 * time.Second
	confirmTimeout = 30 * time.Second
	beat           = 10 * time.Second
)

// broker is one connection to RabbitMQ.
type broker struct {
	settings   *Settings
	exchange   string
	connection *amqp091.Connection
	channel    *amqp091.Channel
	closed     chan *amqp091.Error
	declared   map[string]bool
	waiting    []*amqp091.DeferredConfirmation
	stop       func() bool
}

// connect connects and has the exchange be there. Errors do not show the address.
func connect(ctx context.Context, s *Settings, exchange string) (*broker, error) {
	connection, err := amqp091.DialConfig(s.address, amqp091.Config{Dial: amqp091.DefaultDial(dialTimeout), Heartbeat: beat,
		Properties: amqp091.Table{"connection_name": "virga notifications " + exchange}})
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	b := &broker{settings: s, exchange: exchange, connection: connection, closed: connection.NotifyClose(make(chan *amqp091.Error, 1)), declared: map[string]bool{}}
	b.stop = context.AfterFunc(ctx, func() { _ = connection.CloseDeadline(time.Now().Add(time.Second)) }) // nobody waits for a broker that hangs
	err = b.have(func(ch *amqp091.Channel, passive bool) error {
		declare := ch.ExchangeDeclare
		if passive {
			declare = ch.ExchangeDeclarePassive
		}
		return declare(exchange, amqp091.ExchangeTopic, s.Durable, false, false, false, nil)
	})
	if err == nil {
		b.channel, err = connection.Channel()
	}
	if err == nil {
		err = b.channel.Confirm(false)
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("use exchange %s of the broker: %w", exchange, err)
	}
	return b, nil
}

func (b *broker) close() {
	b.stop()
	_ = b.connection.CloseDeadline(time.Now().Add(time.Second)) // what was not confirmed is sent again
}

// have uses what is there already, as its makers wanted it, and makes it otherwise. The
// broker closes a channel on which something is missing, so each try has its own.
func (b *broker) have(declare func(ch *amqp091.Channel, passive bool) error) error {
	for _, passive := range []bool{true, false} {
		ch, err := b.connection.Channel()
		if err != nil {
			return err
		}
		err = declare(ch, passive)
		_ = ch.Close() // it is closed already when declare failed
		var refused *amqp091.Error
		if passive && errors.As(err, &refused) && refused.Code == amqp091.NotFound {
			continue
		}
		return err
	}
	return nil
}

// queue has the queue of a routing key be there, so that nothing is lost before somebody
// reads it. Consumers use the same one.
func (b *broker) queue(name string) error {
	if b.declared[name] {
		return nil
	}
	err := b.have(func(ch *amqp091.Channel, passive bool) error {
		declare := ch.QueueDeclare
		if passive {
			declare = ch.QueueDeclarePassive
		}
		if _, err := declare(name, b.settings.Durable, false, false, false, nil); err != nil {
			return err
		}
		return ch.QueueBind(name, name, b.exchange, false, nil)
	})
	if err != nil {
		return fmt.Errorf("use queue %s of the broker: %w", name, err)
	}
	b.declared[name] = true
	return nil
}

// send hands a message to the broker; confirmed waits until it has it.
func (b *broker) send(ctx context.Context, topic, priority, id string, body []byte) error {
	key := topic + "." + strings.ToLower(priority)
	if err := b.queue(key); err != nil {
		return err
	}
	waiting, err := b.channel.PublishWithDeferredConfirmWithContext(ctx, b.exchange, key, false, false, amqp091.Publishing{
		ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp091.Persistent, MessageId: id, Body: body})
	if err != nil {
		return fmt.Errorf("publish to %s: %w", key, err)
	}
	b.waiting = append(b.waiting, waiting)
	return nil
}

// confirmed waits until the broker has confirmed everything that was sent.
func (b *broker) confirmed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	for _, waiting := range b.waiting {
		acked, err := waiting.WaitContext(ctx)
		if err != nil {
			return fmt.Errorf("wait for the broker to confirm: %w", err)
		}
		if !acked {
			return errors.New("the broker did not take a message")
		}
	}
	b.waiting = b.waiting[:0]
	return nil
}
