package agent

import (
	"slices"
	"testing"
	"time"
)

// TestUnusedImagesGoInTime is the whole life of two images that no guest needs any more.
func TestUnusedImagesGoInTime(t *testing.T) {
	var c cache
	start := time.Unix(1_000_000, 0)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	if _, due := c.look(at(0), time.Hour); due {
		t.Error("there is nothing to look for")
	}
	c.unused("one", at(0), time.Hour)
	c.unused("two", at(30), time.Hour)
	for _, test := range []struct {
		minute int
		due    bool
		spared []string
	}{{0, false, nil}, {59, false, nil}, {60, true, []string{"two"}}, {61, false, nil}, {90, true, nil}, {91, false, nil}} {
		spared, due := c.look(at(test.minute), time.Hour)
		if due != test.due || !slices.Equal(spared, test.spared) {
			t.Errorf("after %d minutes: %v %v", test.minute, spared, due)
		}
	}
	c.unused("three", at(100), time.Hour)
	c.unused("three", at(130), time.Hour) // it was needed again meanwhile
	if spared, due := c.look(at(160), time.Hour); !due || !slices.Equal(spared, []string{"three"}) {
		t.Errorf("spared %v %v", spared, due)
	}
	c.promise("five", at(240))
	c.unused("six", at(200), 0)
	if spared, due := c.look(at(200), 0); !due || !slices.Equal(spared, []string{"five"}) {
		t.Errorf("promised: %v %v", spared, due)
	}
	if spared, due := c.look(at(240), 0); !due || len(spared) > 0 {
		t.Errorf("the promise is over: %v %v", spared, due)
	}
	c = cache{}
	c.unused("four", at(0), 0)
	if spared, due := c.look(at(0), 0); !due || len(spared) > 0 {
		t.Errorf("without patience: %v %v", spared, due)
	}
}
