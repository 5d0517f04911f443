package compute

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/work"
	"virga/service/compute/orders"
)

// The routes for node agents; package orders says what both sides may count on.

// nodeTarget is the host that a node's own routes are about.
type nodeTarget struct{ host string }

// PolicyTarget implements api.Target.
func (n nodeTarget) PolicyTarget() authz.Target { return authz.Target{"host": n.host} }

// nodeUser is the user id of a host's agents; no user of the identity service has such an id.
func nodeUser(host string) string { return "node:" + host }

// loadNode finds out whether the path's host is the calling node's own.
func (s *Service) loadNode(_ context.Context, r *api.Request) (api.Target, error) {
	name := r.Param("host")
	if r.UserID() != nodeUser(name) {
		return nil, api.Forbidden("The host %s is not yours.", name)
	}
	return nodeTarget{name}, nil
}

// hostReport registers a host and takes what it says of itself, which is a sign of life, too.
func (s *Service) hostReport(ctx context.Context, r *api.Request) (any, error) {
	var facts orders.Host
	if err := r.Decode(&facts); err != nil {
		return nil, err
	}
	name, now := r.Param("host"), s.clock.Now()
	if facts.HostName == "" {
		facts.HostName = name
	}
	var generation int64
	until := s.pulse.Counts()
	if said, err := s.saidBefore(ctx, name, facts); err != nil || said {
		return nil, err
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		known, err := findHost(tx, name)
		if errors.Is(err, db.ErrNotFound) {
			generation = 0
			tx.AfterCommit(func() { s.deps.Bus.Ring(topicHosts) })
			if err := insertHost(tx, newHost{Name: name, ServiceID: s.clock.ID(), HypervisorID: s.clock.ID(), HostName: facts.HostName, Zone: defaultZone,
				Facts: facts, LastSeen: now, DownAt: until, CreatedAt: now, UpdatedAt: now}); err != nil {
				return err
			}
			return s.record(tx, r, feed.Change{Kind: "host", ID: name, Action: "create", After: &hostDocument{Host: name, Zone: defaultZone, Status: "enabled"}})
		}
		if err != nil {
			return err
		}
		generation = known.Generation
		forScheduler := !slices.Equal(archsOf(&known.Facts), archsOf(&facts)) ||
			!reflect.DeepEqual(known.Facts.CPUs, facts.CPUs) || !reflect.DeepEqual(known.Facts.Shares, facts.Shares)
		known.Facts, known.HostName, known.LastSeen, known.DownAt = facts, facts.HostName, now, until
		if known.Provided != digestOf(name, facts) {
			known.Provided = ""
			tx.AfterCommit(func() { s.deps.Bus.Ring(topicHosts) })
		}
		return updateHost(tx, known, forScheduler)
	})
	if err == nil {
		s.pulse.Learn(name, generation)
	}
	return nil, err
}

// saidBefore tells whether a report of a host that is up says only what is known: then it is
// a sign of life like others, which are written together.
func (s *Service) saidBefore(ctx context.Context, name string, facts orders.Host) (bool, error) {
	var known *host
	err := s.db.ReadOne(ctx, func(tx *db.Tx) (err error) {
		known, err = findHost(tx, name)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	if err != nil || !known.up(s.clock.Now()) || known.HostName != facts.HostName || !reflect.DeepEqual(known.Facts, facts) {
		return false, err
	}
	if _, _, heard := s.pulse.Beat(name); !heard {
		s.pulse.Learn(name, known.Generation)
		s.pulse.Beat(name)
	}
	return true, nil
}

// hostAlive takes a sign of life. It touches the database only for a host of which this
// process has not heard, and for one that leaves.
func (s *Service) hostAlive(ctx context.Context, r *api.Request) (any, error) {
	var sign orders.Alive
	if err := r.Decode(&sign); err != nil {
		return nil, err
	}
	name := r.Param("host")
	if sign.Leaving {
		s.pulse.Forget(name)
		now := s.clock.Now()
		return orders.AliveAnswer{}, s.db.Write(ctx, func(tx *db.Tx) error { return noteSigns(tx, []string{name}, now, now) })
	}
	generation, next, known := s.pulse.Beat(name)
	if !known {
		err := s.db.Read(ctx, func(tx *db.Tx) error {
			row, err := findHost(tx, name)
			if err == nil {
				generation = row.Generation
			}
			return err
		})
		if errors.Is(err, db.ErrNotFound) {
			return orders.AliveAnswer{Report: true}, nil
		}
		if err != nil {
			return nil, err
		}
		s.pulse.Learn(name, generation)
		_, next, _ = s.pulse.Beat(name)
	}
	return orders.AliveAnswer{Generation: generation, NextMilliseconds: next.Milliseconds()}, nil
}

// signsAtOnce bounds the rows of hosts that one transaction holds: whoever orders a guest on
// one of them meanwhile begins anew on PostgreSQL.
const signsAtOnce = 64

// writeSigns is what pulse has written to the database.
func (s *Service) writeSigns(ctx context.Context, names []string, seen, until time.Time) (generations map[string]int64, err error) {
	generations = map[string]int64{}
	for some := range slices.Chunk(names, signsAtOnce) {
		if err := s.db.Write(ctx, func(tx *db.Tx) error {
			if err := noteSigns(tx, some, seen, until); err != nil {
				return err
			}
			found, err := generationsOf(tx, some)
			maps.Copy(generations, found)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return generations, nil
}

func (s *Service) loadGenerations(ctx context.Context) (generations map[string]int64, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		generations, err = generationsOf(tx, nil)
		return err
	})
	return generations, err
}

// hostGuests tells a host what it should have.
func (s *Service) hostGuests(ctx context.Context, r *api.Request) (any, error) {
	name := r.Param("host")
	var since int64
	if text := r.Query.Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseInt(text, 10, 64); err != nil || since < 0 {
			return nil, api.BadRequest("since is a generation, not %q.", text)
		}
	}
	answer := orders.GuestList{Guests: []orders.GuestOrder{}}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		h, err := findHost(tx, name)
		if errors.Is(err, db.ErrNotFound) {
			return api.NotFound("Host %s has not reported itself.", name)
		}
		if err != nil {
			return err
		}
		answer.Generation = h.Generation
		if answer.Caches, err = imageCachesOfHost(tx, name, since); err != nil {
			return err
		}
		list, err := ordersOfHost(tx, name, since)
		if err != nil {
			return err
		}
		drives, err := s.drivesFor(tx, list)
		if err != nil {
			return err
		}
		for i := range list {
			answer.Guests = append(answer.Guests, orderView(&list[i], drives[list[i].ServerID]))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// drivesFor renders the config drives that unsettled orders need.
func (s *Service) drivesFor(tx *db.Tx, list []guestOrder) (map[string]*orders.ConfigDrive, error) {
	var ids []string
	rescued := map[string]bool{}
	for i := range list {
		if list[i].Desired != orders.Absent && !list[i].settled() {
			ids = append(ids, list[i].ServerID)
			rescued[list[i].ServerID] = list[i].Desired == orders.Rescued
		}
	}
	drives := map[string]*orders.ConfigDrive{}
	rows, err := serversByID(tx, ids)
	if err != nil {
		return nil, err
	}
	var withDrive []string
	for _, row := range rows {
		if row.ConfigDrive {
			withDrive = append(withDrive, row.ID)
		}
	}
	passwords, err := s.passwordsOf(tx, withDrive...)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if !row.ConfigDrive {
			continue
		}
		userData, err := findUserData(tx, row.ID)
		if err != nil {
			return nil, err
		}
		password := drivePassword(row, passwords[row.ID], rescued[row.ID])
		if drives[row.ID], err = configDrive(row, userData, password); err != nil {
			return nil, err
		}
	}
	return drives, nil
}

func orderView(o *guestOrder, drive *orders.ConfigDrive) orders.GuestOrder {
	view := o.Body
	view.ServerID, view.Generation, view.OperationID, view.Epoch = o.ServerID, o.Generation, o.OperationID, o.Epoch
	view.Desired, view.Settled, view.ConfigDrive = o.Desired, o.settled(), drive
	if o.RebootSeq > o.RebootDone && o.Desired == orders.Running {
		view.Reboot = &orders.Reboot{Seq: o.RebootSeq, Hard: o.RebootHard}
	}
	view.WasRunning = o.settled() && o.ReportedPower == powerRunning && (o.Desired == orders.Running || o.Desired == orders.Rescued)
	if view.NICs == nil {
		view.NICs = []orders.NIC{}
	}
	return view
}

// guestReport takes what became of an order. Reports may be repeated and may come late.
func (s *Service) guestReport(ctx context.Context, r *api.Request) (any, error) {
	var report orders.Report
	if err := r.Decode(&report); err != nil {
		return nil, err
	}
	hostName, serverID := r.Param("host"), r.Param("server_id")
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		order, err := findOrder(tx, serverID, hostName)
		if errors.Is(err, db.ErrNotFound) {
			if report.State == orders.StateAbsent {
				return nil // it was reported before
			}
			return api.NotFound("Host %s has no order for guest %s.", hostName, serverID)
		}
		if err != nil {
			return err
		}
		if report.Generation < order.Generation {
			return nil // it is about a wish of the past
		}
		tx.AfterCommit(func() { s.deps.Bus.Ring(guestTopic(serverID)) })
		return s.takeGuestReport(tx, order, report)
	})
	return nil, err
}

func (s *Service) takeGuestReport(tx *db.Tx, order *guestOrder, report orders.Report) error {
	if report.State == orders.StateMoving { // for information: it settles nothing
		return s.noteProgress(tx, order, report.Progress)
	}
	before := *order
	order.ReportedGeneration, order.ReportedState, order.ReportedPower = order.Generation, report.State, report.PowerState
	order.RebootDone = max(order.RebootDone, min(report.RebootDone, order.RebootSeq))
	order.ErrorClass, order.ErrorMessage, order.ReportedAt = "", "", s.clock.Now()
	if order.Body.Snapshot != nil && report.Snapshot.Reached(order.SnapshotPhase) {
		order.SnapshotPhase = report.Snapshot
	}
	if report.State != orders.StateFailed {
		order.Placement = report.Placement
	}
	if order.asWished() {
		order.SettledGeneration = order.Generation
	}
	if report.State == orders.StateFailed && report.Error != nil {
		order.ErrorClass, order.ErrorMessage = report.Error.Class, oneLine(report.Error.Message, 1000)
	}
	if order.Desired == orders.Absent && report.State == orders.StateAbsent {
		if err := deleteOrder(tx, order.ServerID, order.Host); err != nil {
			return err
		}
		return s.engine.SignalResource(tx, order.ServerID)
	}
	if order.reported() == before.reported() && reflect.DeepEqual(order.Placement, before.Placement) {
		return nil // a repeat
	}
	if err := noteReport(tx, order); err != nil {
		return err
	}
	note := s.noteDrift
	if order.failed() {
		note = s.noteFailure
	}
	if err := note(tx, order, ""); err != nil {
		return err
	}
	return s.engine.SignalResource(tx, order.ServerID)
}

// operationEnded follows what a guest did by itself while an operation was about its server, and
// forgets the password that the operation has brought, or in vain.
func (s *Service) operationEnded(tx *db.Tx, o work.Operation) error {
	row, err := findServer(tx, o.ResourceID)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read server %s: %w", o.ResourceID, err)
	}
	if bringsPassword(o.Kind) && (o.Kind != opCreate || row.ConfigDrive) {
		if err := deletePasswords(tx, row.ID); err != nil {
			return err
		}
	}
	if row.Host == "" {
		return nil
	}
	order, err := findOrder(tx, row.ID, row.Host)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read order of guest %s on %s: %w", row.ID, row.Host, err)
	}
	if order.ReportedGeneration < order.Generation { // what it is now is still to be told
		return nil
	}
	if order.failed() {
		return s.noteFailure(tx, order, o.ID)
	}
	told := *row
	if s.takeReport(&told, order); told.VMState == row.VMState && told.PowerState == row.PowerState {
		return nil // that is how it ended in most cases
	}
	return s.noteDrift(tx, order, o.ID)
}

// noteDrift follows a guest that changed its state by itself: only when no operation, but
// for the one that ends, is about the server, for then the operation knows what the change
// means.
func (s *Service) noteDrift(tx *db.Tx, order *guestOrder, ends string) error {
	if order.Desired == orders.Absent || !order.isThere() {
		return nil
	}
	return s.follow(tx, order, ends, func(row *server) { s.takeReport(row, order) })
}

// follow changes a server as its guest's host has said, unless an operation, other than the one that ends, is about it.
func (s *Service) follow(tx *db.Tx, order *guestOrder, ends string, change func(row *server)) error {
	unfinished, err := work.Unfinished(tx, order.ServerID)
	if err != nil || slices.ContainsFunc(unfinished[order.ServerID], func(o work.Operation) bool { return o.ID != ends }) {
		return err
	}
	c := s.ofRoutine("", order.ServerID)
	c.UserID, c.RequestID = "node:"+order.Host, api.RequestID(tx.Context())
	return s.alterServer(tx, c, func(row *server) {
		if row.Host == order.Host && row.VMState != vmBuilding {
			change(row)
		}
	})
}

// noteFailure follows a guest of which the last wish, for that nobody waits any more, could not be reached: an operation that failed
// wished it to be again what it was before, say. A server that was to run and is off is in ERROR.
func (s *Service) noteFailure(tx *db.Tx, order *guestOrder, ends string) error {
	off := order.ReportedPower == powerShutdown || order.ReportedPower == powerCrashed
	wished := order.Desired == orders.Running || order.Desired == orders.Paused || order.Desired == orders.Rescued
	if order.ReportedPower == powerNone || order.Desired == orders.Absent {
		return nil
	}
	return s.follow(tx, order, ends, func(row *server) {
		switch {
		case !wished:
			row.PowerState = order.ReportedPower
		case !off:
			found := *order
			found.ReportedState = orders.StateRunning
			if order.Desired == orders.Paused && order.ReportedPower == powerPaused {
				found.ReportedState = orders.StatePaused
			}
			s.takeReport(row, &found)
		case row.VMState != vmError || row.PowerState != order.ReportedPower:
			row.VMState, row.PowerState, row.UpdatedAt = vmError, order.ReportedPower, s.clock.Now()
			row.Detail.Fault = &fault{Code: 500, Message: order.ErrorMessage, Created: row.UpdatedAt}
		}
	})
}

// oneLine cuts a text from outside to something that can be shown.
func oneLine(text string, limit int) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
