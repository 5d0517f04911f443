package bustest_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"virga/core/bus/bustest"
)

func TestBrokerStopsStartsAndStandsStill(t *testing.T) {
	bustest.EachOwn(t, func(t *testing.T, b *bustest.Broker) {
		if out := b.Control(t, "list_vhosts", "name"); !strings.Contains(out, bustest.VirtualHost) {
			t.Errorf("virtual hosts: %s", out)
		}
		b.Pause(t)
		_, err := amqp091.DialConfig(b.URL(), amqp091.Config{Dial: amqp091.DefaultDial(100 * time.Millisecond)})
		if err == nil {
			t.Error("a broker that stands still has let somebody in")
		}
		b.Resume(t)
		b.Stop(t)
		if conn, err := net.Dial("tcp", b.Address()); err == nil {
			_ = conn.Close()
			t.Error("a broker that was stopped still listens")
		}
		b.Start(t)
		conn, err := amqp091.Dial(b.TLSURL())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
}
