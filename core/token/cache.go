package token

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"
)

// cacheShards splits the cache's lock; a power of two so that a byte of the digest picks the shard evenly.
const cacheShards = 16

// CacheConfig says how much a cache keeps and for how long.
type CacheConfig struct {
	// Size is the most identities that are kept in all; at least 16 are.
	Size int
	// TTL is how long an identity is kept at most; a token's own expiry ends it sooner. It bounds how long a revocation
	// that this process was not told of goes unnoticed.
	TTL   time.Duration
	Clock Clock
}

// Generation is a moment in the order of a cache's invalidations.
type Generation uint64

// Cache remembers validated identities by the SHA-256 of their tokens, the least recently used leaving first. It never holds
// a token itself.
//
// To revoke at once it counts invalidations: an identity whose validation began before the last one is not taken in.
type Cache struct {
	ttl   time.Duration
	clock Clock
	// generation is the count of invalidations; entries from before floor are dead.
	generation atomic.Uint64
	floor      atomic.Uint64
	shards     [cacheShards]cacheShard
}

// digest is the key of an entry.
type digest [sha256.Size]byte

type cacheShard struct {
	mu      sync.Mutex
	size    int
	entries map[digest]*list.Element
	// order has the entry used last in front.
	order *list.List
}

type cacheEntry struct {
	key        digest
	identity   *Identity
	generation uint64
	added      time.Time
}

// NewCache returns an empty cache.
func NewCache(config CacheConfig) *Cache {
	cache := &Cache{ttl: config.TTL, clock: config.Clock}
	for i := range cache.shards {
		cache.shards[i].size = max(1, config.Size/cacheShards)
		cache.shards[i].entries = map[digest]*list.Element{}
		cache.shards[i].order = list.New()
	}
	return cache
}

// Generation must be read before an identity is validated that Put is to take in.
func (c *Cache) Generation() Generation { return Generation(c.generation.Load()) }

// Get returns the identity of the token if it is remembered and still good.
func (c *Cache) Get(token string) (*Identity, bool) { return c.get(digestOf(token)) }

func (c *Cache) get(key digest) (*Identity, bool) {
	now := c.clock.Now()
	shard := c.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	element := shard.entries[key]
	if element == nil {
		return nil, false
	}
	entry := element.Value.(*cacheEntry)
	if entry.generation < c.floor.Load() || !c.fresh(entry, now) {
		shard.remove(element)
		return nil, false
	}
	shard.order.MoveToFront(element)
	return entry.identity, true
}

// fresh tells whether neither the TTL nor the token is over. An entry from the future is not fresh: setting the clock back
// must not lengthen anything.
func (c *Cache) fresh(entry *cacheEntry, now time.Time) bool {
	age := now.Sub(entry.added)
	return age >= 0 && age < c.ttl && now.Before(entry.identity.ExpiresAt)
}

// Put remembers the identity, unless something was invalidated since the generation was read.
func (c *Cache) Put(token string, identity *Identity, since Generation) {
	c.put(digestOf(token), identity, since)
}

func (c *Cache) put(key digest, identity *Identity, since Generation) {
	added := c.clock.Now()
	shard := c.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	// Under the shard's lock: an invalidation that counts after this look finds the entry when it goes through the shard.
	if c.generation.Load() != uint64(since) {
		return
	}
	if old := shard.entries[key]; old != nil {
		shard.remove(old)
	}
	if len(shard.entries) >= shard.size {
		shard.remove(shard.order.Back())
	}
	entry := &cacheEntry{key: key, identity: identity, generation: uint64(since), added: added}
	shard.entries[key] = shard.order.PushFront(entry)
}

// InvalidateAll forgets every identity; when it returns no Get answers one that was validated before.
func (c *Cache) InvalidateAll() {
	raise(&c.floor, c.generation.Add(1))
}

// raise sets the counter unless a concurrent caller has set it higher.
func raise(counter *atomic.Uint64, to uint64) {
	for {
		old := counter.Load()
		if old >= to || counter.CompareAndSwap(old, to) {
			return
		}
	}
}

// InvalidateToken forgets the identity of one token.
func (c *Cache) InvalidateToken(token string) {
	c.generation.Add(1)
	key := digestOf(token)
	shard := c.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if element := shard.entries[key]; element != nil {
		shard.remove(element)
	}
}

// InvalidateWhere forgets the identities that the function picks, for instance all of one user, project or audit chain. It
// must not call the cache.
func (c *Cache) InvalidateWhere(pick func(*Identity) bool) {
	c.generation.Add(1)
	for i := range c.shards {
		c.shards[i].removeWhere(pick)
	}
}

// InvalidateUser forgets all identities of the user.
func (c *Cache) InvalidateUser(userID string) {
	c.InvalidateWhere(func(id *Identity) bool {
		return id.UserID == userID || id.Trust.TrustorID == userID || id.Trust.TrusteeID == userID
	})
}

// InvalidateProject forgets all identities that are scoped to the project.
func (c *Cache) InvalidateProject(projectID string) {
	c.InvalidateWhere(func(id *Identity) bool { return id.Project.ID == projectID })
}

// InvalidateChain forgets all identities whose tokens were made from the one whose audit id this is, and that one itself.
func (c *Cache) InvalidateChain(auditID string) {
	c.InvalidateWhere(func(id *Identity) bool { return id.AuditID() == auditID || id.AuditChainID() == auditID })
}

// Len returns how many identities are held, dead ones that were not yet cleared away included.
func (c *Cache) Len() int {
	total := 0
	for i := range c.shards {
		shard := &c.shards[i]
		shard.mu.Lock()
		total += len(shard.entries)
		shard.mu.Unlock()
	}
	return total
}

func digestOf(token string) digest { return sha256.Sum256([]byte(token)) }

func (c *Cache) shard(key digest) *cacheShard { return &c.shards[key[0]%cacheShards] }

func (s *cacheShard) remove(element *list.Element) {
	s.order.Remove(element)
	delete(s.entries, element.Value.(*cacheEntry).key)
}

func (s *cacheShard) removeWhere(pick func(*Identity) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for element := s.order.Front(); element != nil; {
		next := element.Next()
		if pick(element.Value.(*cacheEntry).identity) {
			s.remove(element)
		}
		element = next
	}
}
