package work_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/core/work"
)

// BenchmarkOperations runs operations of six steps that do nothing.
func BenchmarkOperations(b *testing.B) {
	r := newBench(b)
	for b.Loop() {
		r.batch(b, 1)
	}
}

// BenchmarkOperationsSideBySide runs them in batches of 32.
func BenchmarkOperationsSideBySide(b *testing.B) {
	r := newBench(b)
	for b.Loop() {
		r.batch(b, 32)
	}
	b.ReportMetric(float64(b.N*32)/b.Elapsed().Seconds(), "operations/s")
}

type bench struct {
	db     *db.DB
	engine *work.Engine
	done   chan struct{}
}

func newBench(b *testing.B) *bench {
	r := &bench{db: dbtest.Open(b), done: make(chan struct{}, 64)}
	if err := r.db.Migrate(b.Context(), "work", work.Migrations()); err != nil {
		b.Fatal(err)
	}
	kind := work.Kind[params, frame]{Name: "bench", Deadline: time.Hour,
		Finished: func(tx *db.Tx, _ *work.Run[params, frame]) error {
			tx.AfterCommit(func() { r.done <- struct{}{} })
			return nil
		}}
	for i := range 6 {
		kind.Steps = append(kind.Steps, work.Step[params, frame]{Name: fmt.Sprint(i),
			Do: func(context.Context, *work.Run[params, frame]) error { return nil }})
	}
	r.engine = work.New(work.Config{Service: "bench", Owner: "me", DB: r.db, Bus: bus.NewLocal(), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err := r.engine.Register(kind); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.engine.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-ended })
	return r
}

func (r *bench) batch(b *testing.B, count int) {
	for range count {
		if err := r.db.Write(b.Context(), func(tx *db.Tx) error {
			_, err := r.engine.Start(tx, work.Order{Kind: "bench", ResourceID: "r"})
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	for range count {
		<-r.done
	}
}
