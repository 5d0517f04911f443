package amqp_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"virga/core/bus/amqp"
	"virga/core/bus/bustest"
)

// twoProcesses are two ends, or the benchmark is skipped where no broker is wanted.
func twoProcesses(b *testing.B) (from, to *amqp.Bus) {
	b.Helper()
	broker, wanted := bustest.Available(b)
	if !wanted {
		b.Skip("no broker is wanted by " + bustest.BrokersVariable)
	}
	ends := make([]*amqp.Bus, 2)
	for i := range ends {
		end, err := amqp.Open(b.Context(), broker.URL(), slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = end.Close() })
		ends[i] = end
	}
	return ends[0], ends[1]
}

// reach waits until an address is served.
func reach(b *testing.B, from *amqp.Bus, address string) {
	b.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(time.Minute); ; <-ticker.C {
		_, err := from.Call(b.Context(), address, "q", nil)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			b.Fatal(err)
		}
	}
}

// BenchmarkCalls asks a party of another process, 32 questions side by side.
func BenchmarkCalls(b *testing.B) {
	from, to := twoProcesses(b)
	to.Serve("bench.node.h1", echo)
	reach(b, from, "bench.node.h1")
	body := make([]byte, 200)
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := from.Call(context.Background(), "bench.node.h1", "q", body); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkRings rings and hears in another process, one after the other.
func BenchmarkRings(b *testing.B) {
	from, to := twoProcesses(b)
	bell := to.Listen("bench.node.h1")
	<-bell.C
	for b.Loop() {
		from.Ring("bench.node.h1")
		<-bell.C
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rings/s")
}

// BenchmarkServe has one process serve 1,000 addresses at once, as a controller does when it
// reconnects, and waits until the last is reached.
func BenchmarkServe(b *testing.B) {
	from, to := twoProcesses(b)
	const addresses = 1000
	round := 0
	for b.Loop() {
		round++
		for i := range addresses {
			defer to.Serve(fmt.Sprintf("bench.round-%d.h%d", round, i), echo)()
		}
		reach(b, from, fmt.Sprintf("bench.round-%d.h%d", round, addresses-1))
	}
	b.ReportMetric(float64(b.N*addresses)/b.Elapsed().Seconds(), "addresses/s")
}
