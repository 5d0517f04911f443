package token

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Caching is an Authenticator that asks another one only for tokens that its cache does not know. Requests that bring the
// same unknown token at the same time share one question.
type Caching struct {
	next    Authenticator
	cache   *Cache
	timeout time.Duration

	mu      sync.Mutex
	flights map[flightKey]*flight
	flying  sync.WaitGroup
}

// flightKey has the generation in it, so that a request that comes after a revocation does not take the answer to a question
// from before.
type flightKey struct {
	token digest
	since Generation
}

// flight is a question under way; identity and err may be read once done is closed.
type flight struct {
	done     chan struct{}
	identity *Identity
	err      error
}

// NewCaching puts the cache before the authenticator; timeout bounds each question, whose askers may have gone away.
func NewCaching(next Authenticator, cache *Cache, timeout time.Duration) *Caching {
	return &Caching{next: next, cache: cache, timeout: timeout, flights: map[flightKey]*flight{}}
}

// Authenticate answers from the cache, or asks.
func (c *Caching) Authenticate(ctx context.Context, token string) (*Identity, error) {
	if token == "" || len(token) > maxTokenLength {
		return nil, ErrInvalid
	}
	key := digestOf(token)
	if identity, ok := c.cache.get(key); ok {
		return identity, nil
	}
	shared := c.join(ctx, key, token)
	select {
	case <-shared.done:
		return shared.identity, shared.err
	case <-ctx.Done():
		return nil, fmt.Errorf("authenticate: %w", ctx.Err())
	}
}

// AuthenticateLate implements LateAuthenticator. Late tokens are rare, so that none is remembered.
func (c *Caching) AuthenticateLate(ctx context.Context, token string) (*Identity, error) {
	if token == "" || len(token) > maxTokenLength {
		return nil, ErrInvalid
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return authenticateLate(ctx, c.next, token)
}

// join returns the flight for the token, started if there was none. It outlives the request that started it, for the sake of
// those that joined, but not the timeout.
func (c *Caching) join(ctx context.Context, key digest, token string) *flight {
	fk := flightKey{token: key, since: c.cache.Generation()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if shared := c.flights[fk]; shared != nil {
		return shared
	}
	shared := &flight{done: make(chan struct{})}
	c.flights[fk] = shared
	c.flying.Go(func() { c.fly(context.WithoutCancel(ctx), fk, shared, token) })
	return shared
}

// Wait returns when no question is under way any more; it is called at shutdown, when no more requests come.
func (c *Caching) Wait() { c.flying.Wait() }

// fly asks, and tells all who wait.
func (c *Caching) fly(ctx context.Context, fk flightKey, shared *flight, token string) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			shared.identity, shared.err = nil, fmt.Errorf("authenticate: panic: %v", cause)
		}
		c.mu.Lock()
		delete(c.flights, fk)
		c.mu.Unlock()
		close(shared.done)
	}()
	shared.identity, shared.err = c.next.Authenticate(ctx, token)
	if shared.err == nil && shared.identity != nil {
		c.cache.put(fk.token, shared.identity, fk.since)
	} else if shared.err == nil {
		shared.err = ErrInvalid
	}
}
