package token

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newCache(clock Clock, size int) *Cache {
	return NewCache(CacheConfig{Size: size, TTL: 5 * time.Minute, Clock: clock})
}

func caller(clock *fakeClock, user string) *Identity {
	return &Identity{UserID: user, Project: Project{ID: "p-" + user}, AuditIDs: []string{"own-" + user, "chain"}, ExpiresAt: clock.now.Add(time.Hour)}
}

func TestCacheForgetsInTime(t *testing.T) {
	clock := newClock()
	cache := newCache(clock, 100)
	soon := caller(clock, "soon")
	soon.ExpiresAt = clock.now.Add(time.Minute)
	cache.Put("a", caller(clock, "u"), cache.Generation())
	cache.Put("b", soon, cache.Generation())
	for _, step := range []struct {
		after time.Duration
		a, b  bool
	}{
		{0, true, true},
		{59 * time.Second, true, true},
		{time.Second, true, false},
		{4*time.Minute - 1, true, false},
		{1, false, false},
	} {
		clock.now = clock.now.Add(step.after)
		_, a := cache.Get("a")
		_, b := cache.Get("b")
		if a != step.a || b != step.b {
			t.Errorf("after %s more: a %v, b %v, want %v, %v", step.after, a, b, step.a, step.b)
		}
	}
	if cache.Len() != 0 {
		t.Errorf("%d dead entries are still held", cache.Len())
	}
}

func TestCacheForgetsWhenTheClockIsSetBack(t *testing.T) {
	clock := newClock()
	cache := newCache(clock, 100)
	cache.Put("a", caller(clock, "u"), cache.Generation())
	clock.now = clock.now.Add(-time.Hour)
	if _, ok := cache.Get("a"); ok {
		t.Error("an identity from the future was answered")
	}
}

func TestCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	clock := newClock()
	cache := newCache(clock, 160)
	cache.Put("kept", caller(clock, "kept"), cache.Generation())
	for i := range 5000 {
		cache.Put(fmt.Sprint("t", i), caller(clock, "u"), cache.Generation())
		if _, ok := cache.Get("kept"); !ok {
			t.Fatalf("the identity that is used all the time left after %d others came", i+1)
		}
	}
	if cache.Len() > 160 {
		t.Errorf("%d identities are held, the bound is 160", cache.Len())
	}
}

func TestCacheInvalidations(t *testing.T) {
	clock := newClock()
	tests := []struct {
		name       string
		invalidate func(*Cache)
		leaves     string
	}{
		{"all", func(c *Cache) { c.InvalidateAll() }, ""},
		{"token", func(c *Cache) { c.InvalidateToken("ta") }, "bc"},
		{"user", func(c *Cache) { c.InvalidateUser("b") }, "ac"},
		{"trustor", func(c *Cache) { c.InvalidateUser("boss") }, "ab"},
		{"project", func(c *Cache) { c.InvalidateProject("p-c") }, "ab"},
		{"own audit id", func(c *Cache) { c.InvalidateChain("own-a") }, "bc"},
		{"chain", func(c *Cache) { c.InvalidateChain("chain") }, ""},
		{"none", func(c *Cache) { c.InvalidateUser("stranger") }, "abc"},
	}
	for _, test := range tests {
		cache := newCache(clock, 100)
		before := cache.Generation()
		for _, user := range []string{"a", "b", "c"} {
			id := caller(clock, user)
			if user == "c" {
				id.Trust = Trust{ID: "t", TrustorID: "boss"}
			}
			cache.Put("t"+user, id, before)
		}
		test.invalidate(cache)
		var leaves strings.Builder
		for _, user := range []string{"a", "b", "c"} {
			if _, ok := cache.Get("t" + user); ok {
				leaves.WriteString(user)
			}
		}
		if leaves.String() != test.leaves {
			t.Errorf("%s: leaves %q, want %q", test.name, leaves.String(), test.leaves)
		}
		cache.Put("late", caller(clock, "late"), before)
		if _, ok := cache.Get("late"); ok {
			t.Errorf("%s: an identity validated before was taken in after", test.name)
		}
		cache.Put("late", caller(clock, "late"), cache.Generation())
		if _, ok := cache.Get("late"); !ok {
			t.Errorf("%s: an identity validated after was not taken in", test.name)
		}
	}
}

// TestRevocationHoldsUnderLoad validates, revokes and reads at the same time: what was revoked must never be read again.
func TestRevocationHoldsUnderLoad(t *testing.T) {
	clock := newClock()
	cache := newCache(clock, 100)
	var revoked atomic.Int64
	var group sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				since := cache.Generation()
				id := caller(clock, "u")
				id.IssuedAt = time.Unix(revoked.Load(), 0)
				cache.Put("t", id, since)
			}
		})
	}
	for i := range int64(2000) {
		revoked.Store(i + 1)
		if i%2 == 0 {
			cache.InvalidateAll()
		} else {
			cache.InvalidateUser("u")
		}
		if id, ok := cache.Get("t"); ok && id.IssuedAt.Unix() <= i {
			t.Errorf("read an identity of before revocation %d", i+1)
			break
		}
	}
	close(stop)
	group.Wait()
}

// authenticatorFunc makes an Authenticator of a function.
type authenticatorFunc func(context.Context, string) (*Identity, error)

func (f authenticatorFunc) Authenticate(ctx context.Context, token string) (*Identity, error) {
	return f(ctx, token)
}

func TestCachingAsksOnce(t *testing.T) {
	clock := newClock()
	var asked atomic.Int32
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		caching := NewCaching(authenticatorFunc(func(context.Context, string) (*Identity, error) {
			asked.Add(1)
			<-answer
			return caller(clock, "u"), nil
		}), newCache(clock, 100), time.Minute)
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if id, err := caching.Authenticate(t.Context(), "t"); err != nil || id.UserID != "u" {
					t.Errorf("identity %v, error %v", id, err)
				}
			})
		}
		synctest.Wait()
		close(answer)
		group.Wait()
		if _, err := caching.Authenticate(t.Context(), "t"); err != nil {
			t.Error(err)
		}
	})
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestCachingAsksAgainAfterRevocation(t *testing.T) {
	clock := newClock()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(clock, 100)
		slow := make(chan struct{})
		var asked atomic.Int32
		caching := NewCaching(authenticatorFunc(func(context.Context, string) (*Identity, error) {
			if asked.Add(1) == 1 {
				<-slow
				return caller(clock, "u"), nil
			}
			return nil, fmt.Errorf("%w: revoked", ErrInvalid)
		}), cache, time.Minute)
		first := make(chan error, 1)
		go func() {
			_, err := caching.Authenticate(t.Context(), "t")
			first <- err
		}()
		synctest.Wait()
		cache.InvalidateUser("u")
		if _, err := caching.Authenticate(t.Context(), "t"); !errors.Is(err, ErrInvalid) {
			t.Errorf("a request after the revocation joined a question from before: %v", err)
		}
		close(slow)
		if err := <-first; err != nil {
			t.Errorf("the request from before the revocation: %v", err)
		}
		if _, ok := cache.Get("t"); ok {
			t.Error("the answer to the question from before entered the cache")
		}
	})
}

func TestCachingFailures(t *testing.T) {
	clock := newClock()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		caching := NewCaching(authenticatorFunc(func(ctx context.Context, token string) (*Identity, error) {
			asked++
			switch token {
			case "hangs":
				<-ctx.Done()
				return nil, ctx.Err()
			case "panics":
				panic("out of cheese")
			case "empty":
				return nil, nil
			}
			return nil, ErrExpired
		}), newCache(clock, 100), time.Minute)
		for token, want := range map[string]error{
			"expired": ErrExpired, "hangs": context.DeadlineExceeded, "empty": ErrInvalid,
			"": ErrInvalid, strings.Repeat("x", 10000): ErrInvalid,
		} {
			if id, err := caching.Authenticate(t.Context(), token); !errors.Is(err, want) || id != nil {
				t.Errorf("%.20q: identity %v, error %v, want %v", token, id, err, want)
			}
		}
		if _, err := caching.Authenticate(t.Context(), "panics"); err == nil || !strings.Contains(err.Error(), "cheese") {
			t.Errorf("panic: error %v", err)
		}
		before := asked
		if _, err := caching.Authenticate(t.Context(), "expired"); !errors.Is(err, ErrExpired) || asked != before+1 {
			t.Errorf("a failure was remembered: error %v, asked %d times more", err, asked-before)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := caching.Authenticate(gone, "hangs"); !errors.Is(err, context.Canceled) {
			t.Errorf("client gone: error %v", err)
		}
		caching.Wait()
	})
}

func BenchmarkCacheHit(b *testing.B) {
	clock := newClock()
	cache := newCache(clock, 10000)
	token := strings.Repeat("g", 204)
	cache.Put(token, caller(clock, "u"), cache.Generation())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := cache.Get(token); !ok {
				b.Fatal("not remembered")
			}
		}
	})
}
