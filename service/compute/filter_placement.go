package compute

import (
	"fmt"
	"slices"
)

// askPlacement wants hosts of which placement has the traits and the room.
func askPlacement(_ *scheduler, q *question) hostJudge {
	return func(c *candidate) miss {
		if !c.placed {
			return miss{text: "placement has no inventory of it"}
		}
		if m := traitMiss(c, q.wish); m.text != "" {
			return m
		}
		return resourceMiss(c, q.amount)
	}
}

func traitMiss(c *candidate, w *wish) miss {
	for _, trait := range w.Required {
		if _, there := slices.BinarySearch(c.traits, trait); !there {
			return miss{text: "it lacks the trait ", subject: trait, rank: 1}
		}
	}
	for _, trait := range w.Forbidden {
		if _, there := slices.BinarySearch(c.traits, trait); there {
			return miss{text: "it has the trait ", subject: trait, rank: 2}
		}
	}
	return miss{}
}

func resourceMiss(c *candidate, amounts []amountOf) miss {
	for i := range amounts {
		a := &amounts[i]
		u := c.unit(a.class)
		switch {
		case u == nil:
			return shortage(a, 0, 0)
		case a.n > u.free():
			return shortage(a, max(u.free(), 0), u.capacity)
		case a.n < u.min || u.max > 0 && a.n > u.max || u.step > 1 && a.n%u.step != 0:
			return miss{text: "one server can have less of its ", subject: a.unit, rank: 3, class: a.class, needed: a.n, capacity: u.capacity, limit: u.max, tell: tellUnits}
		}
	}
	return miss{}
}

func shortage(a *amountOf, free, capacity int64) miss {
	return miss{text: "it has too few ", subject: a.unit, rank: 4, class: a.class, needed: a.n, free: free, capacity: capacity, tell: tellShortage}
}

func tellShortage(_ *candidate, _ *question, m *miss) string {
	return fmt.Sprintf("%d %s needed, %d free (%d too few)", m.needed, m.subject, m.free, m.needed-m.free)
}

func tellUnits(_ *candidate, _ *question, m *miss) string {
	return fmt.Sprintf("%d %s needed, one server can have %d at most", m.needed, m.subject, m.limit)
}

func unitOf(class string) string {
	switch class {
	case classVCPU:
		return "VCPUs"
	case classMemory:
		return "MB of memory"
	case classDisk:
		return "GB of disk"
	case classPCPU:
		return "dedicated processors"
	}
	return "units of " + class
}
