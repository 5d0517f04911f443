package network

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/service/network/desired"
)

const (
	agentType   = "Virga node agent"
	agentBinary = "virga"
	defaultZone = "nova"
)

// hostTarget is the host that an agent speaks for.
type hostTarget struct{ name string }

// PolicyTarget implements api.Target.
func (h hostTarget) PolicyTarget() authz.Target { return authz.Target{"host": h.name} }

// hostLoad lets an agent at its own host only: its identity is "node:" and the host's name.
func (s *Service) hostLoad(_ context.Context, r *api.Request) (api.Target, error) {
	name := r.Param("host")
	if !printable(name) {
		return nil, api.NotFound("Host could not be found.")
	}
	if r.Identity == nil || r.Identity.UserID != "node:"+name {
		return nil, api.Forbidden("The caller is not the agent of host %s.", name).WithCode("PolicyNotAuthorized")
	}
	return hostTarget{name}, nil
}

// hostReport takes an agent's report, which is a sign of life too.
func (s *Service) hostReport(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	var report desired.HostReport
	if err := r.Decode(&report); err != nil {
		return nil, err
	}
	said, err := s.saidBefore(ctx, name, &report)
	if err != nil {
		return nil, err
	}
	if said {
		if _, _, heard := s.pulse.Beat(name); !heard {
			s.pulse.Learn(name, 0)
			s.pulse.Beat(name)
		}
		return desired.HostAnswer{Host: name}, nil
	}
	err = s.write(ctx, func(tx *db.Tx) error {
		changed, err := s.storeHost(tx, name, report.VTEP)
		if err != nil {
			return err
		}
		if err := s.storeAgent(tx, name, &report); err != nil {
			return err
		}
		if err := s.placeUnplaced(tx); err != nil || !changed {
			return err
		}
		return s.touchNeighbours(tx, name)
	})
	if err != nil {
		return nil, err
	}
	s.pulse.Learn(name, 0)
	return desired.HostAnswer{Host: name}, nil
}

// saidBefore tells whether a report of a host whose agent is alive says only what is known:
// then it is a sign of life like others, which are written together.
func (s *Service) saidBefore(ctx context.Context, name string, report *desired.HostReport) (said bool, err error) {
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		h, err := getHost(tx, name)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil || h.VTEP != vtepText(report.VTEP) {
			return err
		}
		known, err := agentOf(tx, name, cmp.Or(report.AgentType, agentType))
		if known == nil || err != nil || !s.deps.Clock.Now().Before(known.DeadAt) {
			return err
		}
		now := *known
		now.describe(report)
		said = reflect.DeepEqual(*known, now)
		return nil
	})
	return said, err
}

// describe takes what a report says of the agent.
func (a *agent) describe(report *desired.HostReport) {
	a.Binary, a.Version = cmp.Or(report.Binary, agentBinary), report.Version
	a.AvailabilityZone = cmp.Or(report.AvailabilityZone, defaultZone)
	a.Capabilities, a.Configurations = listed(report.Capabilities), report.Configurations
	if !report.StartedAt.IsZero() { // as precise as it is kept
		a.StartedAt = report.StartedAt.UTC().Truncate(time.Microsecond)
	}
}

func vtepText(vtep netip.Addr) string {
	if !vtep.IsValid() {
		return ""
	}
	return vtep.String()
}

// placeUnplaced gives hosts to the routers that have none.
func (s *Service) placeUnplaced(tx *db.Tx) error {
	unplaced, err := unplacedRouters(tx, "")
	if err != nil || len(unplaced) == 0 {
		return err
	}
	return s.placeAll(tx, unplaced, "")
}

// hostAlive takes a sign of life. It touches the database only for a host of which this
// process has not heard, and for one that leaves.
func (s *Service) hostAlive(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	var sign desired.Alive
	if err := r.Decode(&sign); err != nil {
		return nil, err
	}
	if sign.Leaving {
		s.pulse.Forget(name)
		now := s.deps.Clock.Now()
		return desired.AliveAnswer{}, s.write(ctx, func(tx *db.Tx) error {
			_, err := noteSigns(tx, []string{name}, now, now)
			return err
		})
	}
	_, next, known := s.pulse.Beat(name)
	if !known {
		err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
			_, err := getHost(tx, name)
			return err
		})
		if errors.Is(err, db.ErrNotFound) {
			return desired.AliveAnswer{Report: true}, nil
		}
		if err != nil {
			return nil, err
		}
		s.pulse.Learn(name, 0)
		_, next, _ = s.pulse.Beat(name)
	}
	news, position := s.changes.newsSince(positionOf(sign.Generation, sign.Moment), name, s.sights, s.spread.pause())
	answer := desired.AliveAnswer{News: news, NextMilliseconds: next.Milliseconds()}
	if position != nil {
		answer.Generation, answer.Moment = position.seq, position.mark()
	}
	return answer, nil
}

// writeSigns is what pulse has written to the database.
func (s *Service) writeSigns(ctx context.Context, names []string, seen, until time.Time) (there map[string]int64, err error) {
	err = s.write(ctx, func(tx *db.Tx) error {
		if there, err = noteSigns(tx, names, seen, until); err != nil {
			return err
		}
		return s.placeUnplaced(tx)
	})
	return there, err
}

func (s *Service) loadHosts(ctx context.Context) (map[string]int64, error) {
	found := map[string]int64{}
	return found, s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		names, err := hostNames(tx)
		for _, name := range names {
			found[name] = 0
		}
		return err
	})
}

// storeHost writes the host; changed tells whether others must learn its tunnel address.
func (s *Service) storeHost(tx *db.Tx, name string, vtep netip.Addr) (changed bool, err error) {
	text := vtepText(vtep)
	h, err := getHost(tx, name)
	if errors.Is(err, db.ErrNotFound) {
		return true, tx.Insert("hosts", host{Name: name, VTEP: text})
	}
	if err != nil || h.VTEP == text {
		return false, err
	}
	h.VTEP = text
	return true, tx.Update("hosts", h, "name")
}

func (s *Service) storeAgent(tx *db.Tx, name string, report *desired.HostReport) error {
	kind := cmp.Or(report.AgentType, agentType)
	a, err := agentOf(tx, name, kind)
	if err != nil {
		return err
	}
	now := s.deps.Clock.Now()
	isNew := a == nil
	if isNew {
		a = &agent{ID: s.deps.Clock.ID(), Host: name, Type: kind, AdminUp: true, CreatedAt: now, StartedAt: now}
	}
	a.HeartbeatAt, a.DeadAt = now, s.pulse.Counts()
	a.describe(report)
	if isNew {
		return tx.Insert("agents", a)
	}
	return tx.Update("agents", a, "id")
}

// hostDesired answers with what is new on the host since a generation, with everything when
// none is given or it is not known any more, or that nothing is new.
func (s *Service) hostDesired(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	since := int64(0)
	if text := r.Query.Get("since"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, badValue("since", "'%.30s' is not a generation", text)
		}
		since = n
	}
	// What the log cannot tell now a host hears later: its signs of life go on from the position
	// that this answer names.
	if err := s.changes.refresh(ctx); err != nil {
		if ctx.Err() != nil || !s.changes.knows() {
			return nil, err
		}
		s.deps.Log.WarnContext(ctx, "answer a host from what is known", "host", name, "error", err)
	}
	rows, next, partial := s.changes.since(positionOf(since, r.Query.Get("moment")), name)
	if partial && len(rows) == 0 {
		return &desired.State{Generation: next.seq, Moment: next.mark(), Unchanged: true}, nil
	}
	q := question{host: name, rows: rows, next: next, asOf: s.changes.moment(),
		partial: partial && !slices.ContainsFunc(rows, func(row changeRow) bool { return row.Kind == changedHost }),
		changes: r.Query.Get("changes") == "1"}
	if state := s.answerFromMemory(&q); state != nil {
		return state, nil
	}
	var state *desired.State
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		state, err = s.answer(tx, &q)
		return err
	})
	return state, err
}

// question is what an agent asks: what is new on its host.
type question struct {
	host string
	// rows are the changes that may concern it; next is what it asks from the next time.
	rows []changeRow
	next position
	// asOf is the moment up to which the log was read.
	asOf int64
	// partial says that what is new is enough, changes that the agent understands changes of
	// sets.
	partial, changes bool
}

// answerFromMemory answers when all that concerns the host is in sets that many hosts share,
// and returns nil when the database is needed. That is the most frequent question by far: each new server
// of a large network has every host there ask it.
func (s *Service) answerFromMemory(q *question) *desired.State {
	if !q.partial || !q.changes || slices.ContainsFunc(q.rows, func(row changeRow) bool { return row.Host != "" }) {
		return nil
	}
	seen := s.sights.known(q.host)
	if seen == nil || slices.ContainsFunc(q.rows, func(row changeRow) bool { return !row.ofSets() && seen.sees(&row) }) {
		return nil
	}
	news := s.changes.setNews(q.host, seen, q.rows)
	if len(news.whole) > 0 {
		return nil
	}
	if len(news.members)+len(news.peers) == 0 {
		return &desired.State{Generation: q.next.seq, Moment: q.next.mark(), Unchanged: true}
	}
	return &desired.State{Generation: q.next.seq, Moment: q.next.mark(), Partial: true, MemberChanges: news.members, PeerChanges: news.peers}
}

// answer reads what is new on a host, or everything.
func (s *Service) answer(tx *db.Tx, q *question) (*desired.State, error) {
	h, err := getHost(tx, q.host)
	if errors.Is(err, db.ErrNotFound) {
		return nil, api.NotFound("Host %s has not reported yet.", q.host)
	}
	if err != nil {
		return nil, err
	}
	if !q.partial {
		c, err := loadHostContent(tx, h, s.changes.shared, q.asOf)
		if err != nil {
			return nil, err
		}
		s.sights.learn(q.host, c.sight())
		return s.desiredState(c, q.next), nil
	}
	rows, news := q.rows, setNews{}
	if q.changes && slices.ContainsFunc(rows, func(row changeRow) bool { return row.ofSets() }) {
		seen, err := s.sights.find(tx, q.host, q.asOf)
		if err != nil {
			return nil, err
		}
		news = s.changes.setNews(q.host, seen, rows)
		rows = slices.DeleteFunc(slices.Clone(rows), func(row changeRow) bool { return row.ofSets() })
		rows = append(rows, news.whole...)
	}
	c, err := loadHostNews(tx, h, rows, s.changes.shared, q.asOf)
	if err != nil {
		return nil, err
	}
	state := s.desiredState(c, q.next)
	state.Partial, state.MemberChanges, state.PeerChanges = true, news.members, news.peers
	return state, nil
}

// hostPorts takes the statuses of the host's ports.
func (s *Service) hostPorts(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	report, err := statusReport(r)
	if err != nil {
		return nil, err
	}
	return nil, s.write(ctx, func(tx *db.Tx) error { return s.storePortStatuses(tx, name, report) })
}

// hostRouters takes the statuses of the host's routers and of their floating IPs.
func (s *Service) hostRouters(ctx context.Context, r *api.Request) (any, error) {
	name := api.Loaded[hostTarget](r).name
	report, err := statusReport(r)
	if err != nil {
		return nil, err
	}
	return nil, s.write(ctx, func(tx *db.Tx) error { return s.storeRouterStatuses(tx, name, report) })
}

func statusReport(r *api.Request) (desired.StatusReport, error) {
	var report desired.StatusReport
	if err := json.Unmarshal(r.Body, &report); err != nil {
		return nil, api.BadRequest("The report could not be read.").Because(err)
	}
	return report, nil
}
