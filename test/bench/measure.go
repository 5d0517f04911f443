package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// median calls fn n times, one after the other, and gives the median time.
func median(n int, fn func() error) (time.Duration, error) {
	times := make([]time.Duration, n)
	for i := range times {
		began := time.Now()
		if err := fn(); err != nil {
			return 0, err
		}
		times[i] = time.Since(began)
	}
	slices.SortFunc(times, cmp.Compare)
	return times[n/2], nil
}

// rate has clients call fn, n times in all, and gives the calls per second.
func rate(ctx context.Context, clients, n int, fn func(ctx context.Context, i int) error) (float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	began := time.Now()
	for range clients {
		group.Go(func() error {
			for i := range next {
				if err := fn(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(next)
		for i := range n {
			select {
			case next <- i:
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	})
	err := group.Wait()
	return float64(n) / time.Since(began).Seconds(), err
}

// both measures a call alone and under load, and prints a row.
func both(ctx context.Context, what, goal string, clients, n int, fn func(ctx context.Context, i int) error) error {
	alone, err := median(max(n/10, 5), func() error { return fn(ctx, -1) })
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	perSecond, err := rate(ctx, clients, n, fn)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	row(what, fmt.Sprintf("%s · %.0f/s at %d", alone.Round(10*time.Microsecond), perSecond, clients), goal)
	return nil
}
