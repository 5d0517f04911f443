package identity

import (
	"testing"
	"time"

	"virga/core/feed"
)

// TestTheJournalIsBounded adds more log-ins than wait, and gives back more than there is room for.
func TestTheJournalIsBounded(t *testing.T) {
	var j journal
	at := func(i int) feed.Change { return feed.Change{At: time.Unix(int64(i), 0)} }
	for i := range maxLogins {
		if full := j.add(at(i)); full != (i == maxLogins-1) {
			t.Fatalf("after %d it is full: %v", i+1, full)
		}
	}
	all := j.take()
	if len(all) != maxLogins || len(j.take()) != 0 {
		t.Fatalf("%d were taken", len(all))
	}
	j.add(at(maxLogins))
	j.giveBack(all)
	again := j.take()
	if len(again) != maxLogins || !again[0].At.Equal(at(1).At) || !again[len(again)-1].At.Equal(at(maxLogins).At) {
		t.Errorf("%d are left, from %v to %v", len(again), again[0].At, again[len(again)-1].At)
	}
}
