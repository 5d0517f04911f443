package flight

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestCallersShareOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flights Flights
		runs := 0
		release := make(chan struct{})
		outcome := errors.New("outcome")
		results := make(chan error)
		for range 10 {
			go func() {
				results <- flights.Do(t.Context(), "a", func(context.Context) error {
					runs++
					<-release
					return outcome
				})
			}()
		}
		synctest.Wait()
		if !flights.Flying("a") || flights.Flying("b") {
			t.Error("flying is wrong")
		}
		close(release)
		for range 10 {
			if err := <-results; err != outcome {
				t.Errorf("got %v", err)
			}
		}
		if runs != 1 {
			t.Fatalf("%d runs", runs)
		}
	})
}

func TestTheRunEndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flights Flights
		first, cancelFirst := context.WithCancel(t.Context())
		second, cancelSecond := context.WithCancel(t.Context())
		ended := false
		work := func(ctx context.Context) error {
			<-ctx.Done()
			ended = true
			return ctx.Err()
		}
		results := make(chan error)
		go func() { results <- flights.Do(first, "a", work) }()
		synctest.Wait()
		go func() { results <- flights.Do(second, "a", work) }()
		synctest.Wait()
		cancelFirst()
		<-results
		synctest.Wait()
		if ended {
			t.Fatal("the run ended while somebody waited")
		}
		cancelSecond()
		<-results
		synctest.Wait()
		if !ended || flights.Flying("a") {
			t.Fatal("the run outlived its callers")
		}
	})
}

func TestCloseWaitsForWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flights Flights
		ended := false
		go flights.Do(t.Context(), "a", func(ctx context.Context) error {
			<-ctx.Done()
			ended = true
			return nil
		})
		synctest.Wait()
		flights.Close()
		if !ended {
			t.Fatal("closed before the work ended")
		}
	})
}
