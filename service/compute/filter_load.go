package compute

import "fmt"

// Filters by how many servers a host has and how much goes on there. Those of aggregates take the least number that the
// aggregates of a host name, and the settings' where they name none (num_instances_filter.py, io_ops_filter.py).

const (
	maxServersKey = "max_instances_per_host"
	maxWorkKey    = "max_io_ops_per_host"
)

// count is the servers that a host has or is about to get.
func (l *hostLoad) count() int64 { return l.servers + l.promised }

// busy is how many servers are made, moved or copied on a host, or are about to be.
func (l *hostLoad) busy() int64 { return l.work + l.promised }

func askServerCount(sc *scheduler, _ *question) hostJudge {
	return func(c *candidate) miss { return serversMiss(c, sc.MaxServers) }
}

func askServerCountOfAggregates(sc *scheduler, _ *question) hostJudge {
	return func(c *candidate) miss { return serversMiss(c, c.terms.maxServersOr(sc.MaxServers)) }
}

func askWorkCount(sc *scheduler, _ *question) hostJudge {
	return func(c *candidate) miss { return workMiss(c, sc.MaxWork) }
}

func askWorkCountOfAggregates(sc *scheduler, _ *question) hostJudge {
	return func(c *candidate) miss { return workMiss(c, c.terms.maxWorkOr(sc.MaxWork)) }
}

func serversMiss(c *candidate, limit int64) miss {
	n := c.load.count()
	if n < limit {
		return miss{}
	}
	return miss{text: "it has as many servers as it may have", count: n, limit: limit, tell: func(_ *candidate, _ *question, m *miss) string {
		return fmt.Sprintf("it has %d servers, %d are allowed", m.count, m.limit)
	}}
}

func workMiss(c *candidate, limit int64) miss {
	n := c.load.busy()
	if n < limit {
		return miss{}
	}
	return miss{text: "it makes, moves or copies as many servers as it may at a time", count: n, limit: limit, tell: func(_ *candidate, _ *question, m *miss) string {
		return fmt.Sprintf("it makes, moves or copies %d servers now, %d at a time are allowed", m.count, m.limit)
	}}
}

// maxServersOr is how many servers the host's aggregates let it have.
func (t *terms) maxServersOr(otherwise int64) int64 {
	if t == nil || t.maxServers == nil {
		return otherwise
	}
	return *t.maxServers
}

// maxWorkOr is how many servers the host's aggregates let it work on at a time.
func (t *terms) maxWorkOr(otherwise int64) int64 {
	if t == nil || t.maxWork == nil {
		return otherwise
	}
	return *t.maxWork
}
