package compute

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A remedy is the smallest change by which a host that was refused would have fitted: all of its shortages, not the first one
// alone. It is found by trying: what refuses the host is changed in a copy, and the filters are asked again until none refuses it. So
// it holds of whatever filters there are; of one that is not known here it says that nothing is known.

// remedy is what would have made one host fit.
type remedy struct {
	Host string `json:"host"`
	// Changes are needed all together; of each there may be others that do as well.
	Changes []change `json:"changes"`
	// Impossible is why no change is known.
	Impossible string `json:"impossible,omitempty"`
	Text       string `json:"text"`
}

// change is one thing that would have to be otherwise, on a host or in what is asked for.
type change struct {
	Kind string `json:"kind"`
	Host string `json:"host,omitempty"`
	// Class is a resource class; Name is a trait, a hint, or a key of an aggregate's metadata or of an image's properties.
	Class string `json:"class,omitempty"`
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	// Amount is how much is to be freed or how many are to be moved; From and To are of what is to be less or more.
	Amount int64   `json:"amount,omitempty"`
	From   float64 `json:"from,omitempty"`
	To     float64 `json:"to,omitempty"`
	Text   string  `json:"text"`
	// Or are changes that do in place of this one.
	Or []change `json:"or,omitempty"`

	// need is what a resource is needed of in all.
	need int64
}

// The kinds of changes, those that are taken for smaller first.
const (
	changeFree          = "free"               // Amount of Class on Host
	changeFlavor        = "flavor"             // one with To of Class instead of From
	changeRatio         = "allocation_ratio"   // of Class on Host, From, To
	changeEnable        = "enable_service"     // of Host
	changeAddTrait      = "add_trait"          // Name to Host
	changeRemoveTrait   = "remove_trait"       // Name from Host
	changeDropTrait     = "drop_trait"         // Name from flavor and image
	changeDropHint      = "drop_hint"          // Name
	changeAggregate     = "aggregate_metadata" // Name to have Value in an aggregate of Host
	changeDropSpec      = "drop_extra_spec"    // Name from the flavor
	changeDropProperty  = "drop_image_property"
	changeStart         = "start_service"       // of Host
	changeNotForcedDown = "unset_forced_down"   // of Host
	changeGroupSize     = "max_server_per_host" // of the group, From, To
	changeMembersAway   = "move_members_away"   // Amount members of the group from Host
	changeMembersHere   = "move_members_here"   // Amount members of the group to Host
	changeDropGroup     = "drop_group"
	changeServersAway   = "move_servers_away"  // Amount from Host
	changeWorkDone      = "wait_for_work"      // Amount servers on Host
	changeArchitecture  = "image_architecture" // Value
	changeRetry         = "mend_and_retry"     // what failed on Host
	changeZoneOfHost    = "add_host_to_zone"   // Host, Value
	changeZone          = "availability_zone"  // Value, to be asked for
	changeHost          = "requested_host"     // Host, to be asked for
)

// changeOrder are the kinds in their order.
func changeOrder() []string {
	return []string{changeFree, changeFlavor, changeRatio, changeEnable, changeAddTrait, changeRemoveTrait, changeDropTrait, changeDropHint, changeAggregate,
		changeDropSpec, changeDropProperty, changeStart, changeNotForcedDown, changeGroupSize, changeMembersAway, changeMembersHere, changeDropGroup, changeServersAway, changeWorkDone, changeArchitecture,
		changeRetry, changeZoneOfHost, changeZone, changeHost}
}

// maxChanges is how many changes a remedy has at most.
const maxChanges = 12

// remedyOf finds what would make one host fit, in words; nil when it fits.
func (sc *scheduler) remedyOf(c *candidate, w *wish, now time.Time) *remedy {
	t := sc.newTrial(c, w, now)
	changes, stuck := t.changes(effort{changes: maxChanges + 1})
	return t.word(changes, stuck)
}

// advise adds to a decision what would have made hosts fit: those that are listed, and the smallest change of all.
func (sc *scheduler) advise(d *decision, hosts []candidate, now time.Time) {
	listed := map[string]*verdict{}
	for i := range d.Hosts {
		listed[d.Hosts[i].Host] = &d.Hosts[i]
	}
	for i := range hosts {
		if v := listed[hosts[i].name]; v != nil {
			v.Remedy = sc.remedyOf(&hosts[i], d.wish, now)
		}
	}
	d.Smallest = sc.smallestRemedy(hosts, d.wish, now)
}

// word makes a remedy of changes, with those that do as well.
func (t *trial) word(changes []change, stuck string) *remedy {
	if stuck == "" && len(changes) == 0 {
		return nil
	}
	m := &remedy{Host: t.first.name, Changes: []change{}, Impossible: stuck}
	if stuck != "" {
		m.Text = "no change that is known here makes it fit: " + stuck
		return m
	}
	var parts []string
	for i := range changes {
		ch := changes[i]
		ch.Text = ch.words()
		ch.Or = nil
		said := ch.Text
		for _, other := range changes[i].Or {
			if t.fitsWith(changes, i, &other) {
				other.Text = other.words()
				ch.Or = append(ch.Or, other)
				said += ", or " + other.Text
			}
		}
		m.Changes, parts = append(m.Changes, ch), append(parts, said)
	}
	m.Text = strings.Join(parts, "; and ")
	return m
}

// smallestRemedy finds the remedy with the fewest changes of all hosts; of those with as many the one whose changes are smaller.
// It is nil when some host fits or none can be made to.
func (sc *scheduler) smallestRemedy(hosts []candidate, w *wish, now time.Time) *remedy {
	shared := sc.newTrial(nil, w, now)
	shared.order = changeOrder()
	limit := effort{changes: maxChanges + 1}
	var bestHost *candidate
	for i := range hosts {
		shared.reset(&hosts[i])
		changes, stuck := shared.changes(limit)
		if stuck != "" {
			continue
		}
		if len(changes) == 0 {
			return nil
		}
		found := effort{}
		for k := range changes {
			found = found.with(&changes[k], shared.order)
		}
		if found.less(limit) || found == limit && hosts[i].name < bestHost.name {
			limit, bestHost = found, &hosts[i]
		}
	}
	if bestHost == nil {
		return nil
	}
	return sc.remedyOf(bestHost, w, now)
}

// effort is what a list of changes is measured by: how many there are, of what kinds, how large they are.
type effort struct {
	changes, kinds int
	part           float64
}

func (e effort) with(ch *change, order []string) effort {
	return effort{e.changes + 1, e.kinds + slices.Index(order, ch.Kind), e.part + ch.part()}
}

func (e effort) less(than effort) bool {
	return cmp.Or(cmp.Compare(e.changes, than.changes), cmp.Compare(e.kinds, than.kinds), cmp.Compare(e.part, than.part)) < 0
}

// part is how large a change is, as a part of what is wanted where there are numbers.
func (ch *change) part() float64 {
	switch {
	case ch.need > 0:
		return float64(ch.Amount) / float64(ch.need)
	case ch.From > 0:
		return max(ch.From, ch.To)/max(min(ch.From, ch.To), 1) - 1
	}
	return float64(ch.Amount)
}

// trial is a host and a wish that are changed until they fit.
type trial struct {
	scheduler *scheduler
	now       time.Time
	// first and firstWish are what the trial began with; they are not changed.
	first     *candidate
	firstWish *wish
	firstAsk  inquiry
	host      candidate
	wish      *wish
	ask       inquiry
	units     []unit
	list      []change
	// order are the kinds of changes, for measuring them; nil where nothing is measured and all is to be told.
	order []string
}

// searching is true of a trial of many hosts, of which one will be looked at again.
func (t *trial) searching() bool { return t.order != nil }

func (sc *scheduler) newTrial(c *candidate, w *wish, now time.Time) *trial {
	t := &trial{scheduler: sc, now: now, firstWish: w, firstAsk: sc.inquire(w, now)}
	if c != nil {
		t.reset(c)
	}
	return t
}

// reset begins anew, with another host.
func (t *trial) reset(c *candidate) {
	t.first, t.host, t.wish, t.ask = c, *c, t.firstWish, t.firstAsk
	t.units = append(t.units[:0], c.units...)
	t.host.units = t.units
}

// changes finds what is to be changed with no more effort than limit. Stuck is why it was given up. The list is good until the next call.
func (t *trial) changes(limit effort) (list []change, stuck string) {
	t.list = t.list[:0]
	var sum effort
	for {
		filter := t.ask.filter(&t.host)
		if filter == "" {
			return t.list, ""
		}
		ch, ok := t.repair(filter)
		switch {
		case !ok && t.searching():
			return nil, "no change is known"
		case !ok:
			return nil, t.ask.reason(&t.host)
		}
		if sum = sum.with(&ch, t.order); limit.less(sum) || sum.changes > maxChanges {
			return nil, "more has to be changed than is worth it"
		}
		t.apply(&ch)
		t.list = append(t.list, ch)
	}
}

// fitsWith tells whether a host would fit with another change in the place of one.
func (t *trial) fitsWith(changes []change, at int, other *change) bool {
	again := &trial{scheduler: t.scheduler, now: t.now, firstWish: t.firstWish, firstAsk: t.firstAsk}
	again.reset(t.first)
	for i := range changes {
		if i == at {
			again.apply(other)
		} else {
			again.apply(&changes[i])
		}
	}
	return again.ask.filter(&again.host) == ""
}

// inquiry asks all filters about hosts.
type inquiry struct {
	question *question
	filters  *chain
}

func (sc *scheduler) inquire(w *wish, now time.Time) inquiry {
	q := sc.newQuestion(w, now)
	return inquiry{q, sc.ask(q)}
}

// filter is the name of the filter that refuses a host; empty when none does.
func (i *inquiry) filter(c *candidate) string {
	m := i.filters.judge(c)
	return m.filter
}

// reason is why a host is refused.
func (i *inquiry) reason(c *candidate) string {
	r := refused{c, i.filters.judge(c)}
	v := r.verdict(i.question)
	return v.Reason
}
