package simulation_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	computeagent "virga/service/compute/agent"
)

const (
	// fewestHosts is how many machines there are, or one more; clients use the cloud.
	fewestHosts = 2
	clients     = 3
	// stormLasts is for how long faults happen, clientsPause how long a client waits at most
	// between two things.
	stormLasts   = 20 * time.Second
	clientsPause = 1100 * time.Millisecond
	// patience is how long after the storm everything may take to come right.
	patience = 20 * time.Minute
)

// story is what happens in a run.
func (s *sim) story(ctx context.Context) {
	s.startServices(ctx)
	var exchange computeagent.Exchange
	for n := 1; n <= fewestHosts+int(s.seed%2); n++ {
		if err := s.addHost(ctx, n, &exchange); err != nil {
			s.complain("add host: %v", err)
			return
		}
	}
	janitor := s.newClient(ctx, "janitor", "admin", "member", "reader")
	if !s.until(ctx, janitor, "the hosts to be there", s.missingHosts) {
		return
	}
	s.director.severity = []float64{0.2, 0.6, 1}[s.seed%3]
	s.storm(ctx)
	s.director.severity = 0
	for _, h := range s.hosts {
		h.cut.Store(false)
	}
	if !s.until(ctx, janitor, "everything to come right", s.unrest) {
		return
	}
	s.countOperations()
	for _, text := range s.promises.broken(s.serversThere()) {
		s.complain("%s", text)
	}
	for _, id := range slices.Sorted(maps.Keys(s.serversThere())) {
		for !janitor.delete(ctx, id) && janitor.rest(ctx, time.Second) { // a service may still be away
			continue
		}
	}
	s.until(ctx, janitor, "everything to be gone", s.remains)
}

// storm lets clients work and everything go wrong for a while.
func (s *sim) storm(ctx context.Context) {
	ctx, end := context.WithTimeout(ctx, stormLasts)
	defer end()
	var busy sync.WaitGroup
	defer busy.Wait()
	for n := range clients {
		c := s.newClient(ctx, []string{"ada", "ben", "cyd"}[n], "member", "reader")
		busy.Go(func() { c.use(ctx, clientsPause) })
	}
	weather := s.newClient(ctx, "weather")
	busy.Go(func() { s.weather(ctx, weather) })
	<-ctx.Done()
}

// weather cuts hosts off and kills processes, and guests power themselves off.
func (s *sim) weather(ctx context.Context, c *client) {
	for c.rest(ctx, c.upTo(8*time.Second)) {
		h := s.hosts[c.random.IntN(len(s.hosts))]
		switch c.random.IntN(5) {
		case 0, 1:
			h.cut.Store(!h.cut.Load())
		case 2:
			h.agents.kill(c.upTo(30 * time.Second))
		case 3:
			names := slices.Sorted(maps.Keys(s.services))
			s.services[names[c.random.IntN(len(names))]].kill(deathLasts(c.random))
		case 4:
			h.powerOff(ctx, c.random.IntN)
		}
	}
}

// deathLasts is how long a service stays away that died: mostly as long as it takes to start.
func deathLasts(random *rand.Rand) time.Duration {
	return upTo(random, []time.Duration{500 * time.Millisecond, 2 * time.Second, 15 * time.Second}[random.IntN(3)])
}

func (c *client) upTo(limit time.Duration) time.Duration { return upTo(c.random, limit) }

func upTo(random *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(limit)))
}

// until waits until there is no problem any more; a problem that stays is complained of.
func (s *sim) until(ctx context.Context, c *client, what string, problem func() string) bool {
	for began, pause := time.Now(), 500*time.Millisecond; c.rest(ctx, pause); pause = min(pause*5/4, time.Minute) {
		text := problem()
		if text == "" {
			return true
		}
		if time.Since(began) > patience {
			s.complain("waited %s in vain for %s: %s", patience, what, text)
			return false
		}
	}
	return false
}
