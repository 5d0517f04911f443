package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"virga/core/clock"
	"virga/core/conf"
	"virga/core/db"
	"virga/core/feed"
)

func TestOldChangesAreForgotten(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	cl := &cloud{conf: &conf.Config{DataDir: t.TempDir()}, clock: clock.NewSeeded(1, now), log: slog.New(slog.DiscardHandler)}
	d, err := cl.openDB(t.Context(), "zoo")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cl.close() }()
	if err := d.Migrate(t.Context(), "feed", feed.Migrations()); err != nil {
		t.Fatal(err)
	}
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		if err := feed.Record(tx, feed.Change{At: now.Add(-keepChanges - time.Second), ID: "old"}); err != nil {
			return err
		}
		return feed.Record(tx, feed.Change{At: now.Add(-keepChanges), ID: "young enough"})
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	cl.jobs = nil
	cl.forgetChanges("zoo", d)
	go func() { done <- cl.jobs[0](ctx) }()
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		left, err := feed.After(t.Context(), d, feed.Oldest, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 1 && left[0].ID == "young enough" {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("left: %+v", left)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
