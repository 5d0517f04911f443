package compute

// checked are what external checks said of hosts for one wish: why a host is refused, empty where it is not. Asking them is no part
// of a decision (scheduler_checks.go); their answers go into it as they came.
type checked struct {
	reasons map[string]string
	// over is true when no more hosts are asked about.
	over bool
}

const (
	refusedByCheck = "a check of the operator's refuses it"
	notCheckedText = "it was not asked about, because the checks refused too many hosts before"
)

// askChecks refuses what external checks refused. It comes last: they are asked about hosts that all else lets pass.
func askChecks(sc *scheduler, q *question) hostJudge {
	if len(sc.Checks) == 0 {
		return nil
	}
	return func(c *candidate) miss {
		switch reason, asked := q.checked.reasons[c.name]; {
		case !asked && q.checked.over:
			return miss{text: notCheckedText, rank: 1}
		case reason != "":
			return miss{text: refusedByCheck, tell: func(c *candidate, q *question, _ *miss) string {
				return refusedByCheck + ": " + q.checked.reasons[c.name]
			}}
		}
		return miss{}
	}
}
