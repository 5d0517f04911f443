package turns

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestOneKeyIsHeldByOne(t *testing.T) {
	var turns Turns
	var group sync.WaitGroup
	inside, worst := 0, 0
	for range 50 {
		group.Go(func() {
			turn, err := turns.Take(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			inside++
			worst = max(worst, inside)
			inside--
			turn.Done()
		})
	}
	group.Wait()
	if worst != 1 {
		t.Fatalf("%d held the turn at once", worst)
	}
	if len(turns.lines) != 0 {
		t.Fatal("a line outlived its users")
	}
}

func TestOtherKeysDoNotWait(t *testing.T) {
	var turns Turns
	a, err := turns.Take(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := turns.Take(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	b.Done()
	a.Done()
}

func TestAWaiterLeavesWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		held, _ := turns.Take(t.Context(), "a")
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() {
			_, err := turns.Take(ctx, "a")
			result <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		held.Done()
		if len(turns.lines) != 0 {
			t.Fatal("a line outlived its users")
		}
	})
}

func TestHurryReachesTheHolderAndEndsWithTheHurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		holder, _ := turns.Take(t.Context(), "a")
		select {
		case <-holder.Hurry():
			t.Fatal("hurried by nobody")
		default:
		}
		next := make(chan *Turn)
		go func() {
			turn, _ := turns.TakeHurried(t.Context(), "a")
			next <- turn
		}()
		synctest.Wait()
		<-holder.Hurry()
		holder.Done()
		turn := <-next
		select {
		case <-turn.Hurry():
			t.Fatal("the hurried one hurries itself")
		default:
		}
		turn.Done()
	})
}
