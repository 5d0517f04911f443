package amqp_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/bus/amqp"
	"virga/core/bus/bustest"
	"virga/core/bus/suite"
)

// open opens a process's end; it ends with the test.
func open(t *testing.T, url string) *amqp.Bus {
	t.Helper()
	b, err := amqp.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestTwoProcesses(t *testing.T) {
	bustest.Each(t, func(t *testing.T, broker *bustest.Broker) {
		suite.Run(t, func(t *testing.T) (a, b bus.Bus) { return open(t, broker.URL()), open(t, broker.URL()) })
	})
}

func TestOneProcess(t *testing.T) {
	bustest.Each(t, func(t *testing.T, broker *bustest.Broker) {
		suite.Run(t, func(t *testing.T) (a, b bus.Bus) {
			one := open(t, broker.URL())
			return one, one
		})
	})
}

// TestSlowPartyIsAskedOnce has a party take longer than a question waits before it is asked again.
func TestSlowPartyIsAskedOnce(t *testing.T) {
	bustest.Each(t, func(t *testing.T, broker *bustest.Broker) {
		suite.NoLeaks(t)
		a, b := open(t, broker.URL()), open(t, broker.URL())
		var asked atomic.Int64
		b.Serve("slow.node.h1", func(ctx context.Context, question string, _ []byte) ([]byte, error) {
			if question == "work" {
				asked.Add(1)
				timer := time.NewTimer(3 * time.Second) // it works
				defer timer.Stop()
				<-timer.C
			}
			return []byte("done"), nil
		})
		suite.Eventually(t, "the party is reached", func() bool {
			_, err := a.Call(t.Context(), "slow.node.h1", "q", nil)
			return err == nil
		})
		if got, err := a.Call(t.Context(), "slow.node.h1", "work", nil); err != nil || string(got) != "done" || asked.Load() != 1 {
			t.Errorf("asked %d times: %q, %v", asked.Load(), got, err)
		}
	})
}

func TestTLS(t *testing.T) {
	bustest.Each(t, func(t *testing.T, broker *bustest.Broker) {
		suite.NoLeaks(t)
		b := open(t, broker.TLSURL())
		if err := b.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		unknown, _, _ := strings.Cut(broker.TLSURL(), "?")
		if _, err := amqp.Open(t.Context(), unknown, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("a certificate of an unknown CA: %v", err)
		}
	})
}

func TestRefusedByTheBroker(t *testing.T) {
	bustest.Each(t, func(t *testing.T, broker *bustest.Broker) {
		suite.NoLeaks(t)
		for what, url := range map[string]string{
			"a wrong password":         "amqp://" + bustest.User + ":oops@" + broker.Address() + "/clouds%2Fone",
			"a forbidden virtual host": strings.Replace(broker.URL(), "clouds%2Fone", bustest.ForbiddenHost, 1),
			"a missing virtual host":   strings.Replace(broker.URL(), "clouds%2Fone", "missing", 1),
		} {
			var log bytes.Buffer
			_, err := amqp.Open(t.Context(), url, slog.New(slog.NewTextHandler(&log, nil)))
			if err == nil || !strings.Contains(err.Error(), bustest.User) || !strings.Contains(err.Error(), broker.Address()) {
				t.Errorf("%s: %v", what, err)
				continue
			}
			for _, text := range []string{err.Error(), log.String()} {
				if strings.Contains(text, "oops") || strings.Contains(text, "s3cret") {
					t.Errorf("%s: the password is told: %s", what, text)
				}
			}
		}
	})
}
