package work

import (
	"fmt"
	"testing"
	"time"
)

// TestBackoffGrowsAndScatters holds the pauses of many operations against their bounds.
func TestBackoffGrowsAndScatters(t *testing.T) {
	for tries := 1; tries <= 40; tries++ {
		base := min(200*time.Millisecond<<min(tries-1, 10), time.Minute)
		seen := map[time.Duration]bool{}
		for i := range 100 {
			d := backoff(fmt.Sprint("operation ", i), tries)
			if d < base || d > base+base/2 {
				t.Fatalf("try %d pauses for %s, outside %s and half as much more", tries, d, base)
			}
			seen[d] = true
		}
		if len(seen) < 90 {
			t.Errorf("try %d: 100 operations return at %d moments", tries, len(seen))
		}
	}
	if first, again := backoff("a", 3), backoff("a", 3); first != again {
		t.Error("the same operation pauses differently when it is run again")
	}
}
