package compute

import "fmt"

// askService wants hosts whose compute service is up and enabled (nova/scheduler/filters/compute_filter.py).
func askService(_ *scheduler, q *question) hostJudge {
	now := q.now
	return func(c *candidate) miss {
		switch {
		case c.forcedDown:
			return miss{text: "its compute service is forced down"}
		case !now.Before(c.downAt):
			return miss{text: "its compute service does not report", rank: 1, passing: now.Sub(c.seen) < hostLostAfter, tell: tellSilence}
		case c.disabled:
			return miss{text: "its compute service is disabled", rank: 2}
		}
		return miss{}
	}
}

func tellSilence(c *candidate, q *question, _ *miss) string {
	return fmt.Sprintf("its compute service has not reported for %d seconds", int(q.now.Sub(c.seen).Seconds()))
}
