package compute

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// apply makes a change on the trial's copies of host and wish.
func (t *trial) apply(ch *change) {
	c := &t.host
	switch ch.Kind {
	case changeNotForcedDown:
		c.forcedDown = false
	case changeStart:
		c.seen, c.downAt = t.now, t.now.Add(time.Hour)
	case changeEnable:
		c.disabled = false
	case changeZoneOfHost:
		c.zone = ch.Value
	case changeAddTrait:
		c.traits = slices.Sorted(slices.Values(append(slices.Clone(c.traits), ch.Name)))
	case changeRemoveTrait:
		c.traits = slices.DeleteFunc(slices.Clone(c.traits), func(trait string) bool { return trait == ch.Name })
	case changeAggregate:
		c.terms = c.terms.with(ch.Name, ch.Value)
	case changeFree:
		if u := c.unit(ch.Class); u != nil {
			u.used -= ch.Amount
		}
	case changeServersAway:
		c.load.servers -= ch.Amount
	case changeWorkDone:
		c.load.work -= ch.Amount
	case changeRatio:
		if u := c.unit(ch.Class); u != nil {
			u.capacity = int64(u.base() * ch.To)
		}
	default:
		t.changeWish(ch)
	}
}

// with is what a host's aggregates say with one value more.
func (t *terms) with(key, value string) *terms {
	more := &terms{values: map[string][]string{}}
	if t != nil {
		*more = *t
		more.values, more.projects = maps.Clone(t.values), slices.Clone(t.projects)
	}
	more.values[key] = append(slices.Clone(more.values[key]), value)
	if key == projectKey {
		more.projects = append(more.projects, value)
	}
	return more
}

// changeWish makes a change of what is asked for.
func (t *trial) changeWish(ch *change) {
	w := *t.wish
	switch ch.Kind {
	case changeFlavor:
		w.Resources = maps.Clone(w.Resources)
		if w.Resources[ch.Class] = int64(ch.To); ch.To == 0 {
			delete(w.Resources, ch.Class)
		}
	case changeDropTrait:
		keep := func(list []string) []string {
			return slices.DeleteFunc(slices.Clone(list), func(trait string) bool { return trait == ch.Name })
		}
		w.Required, w.Forbidden = keep(w.Required), keep(w.Forbidden)
	case changeDropHint:
		w.dropHint(ch.Name)
	case changeDropSpec:
		w.Specs, w.extraSpecs = maps.Clone(w.Specs), maps.Clone(w.extraSpecs)
		delete(w.Specs, strings.TrimPrefix(ch.Name, specScope))
		delete(w.extraSpecs, ch.Name)
	case changeDropProperty:
		w.Image = maps.Clone(w.Image)
		delete(w.Image, ch.Name)
	case changeArchitecture:
		w.Arch, w.Image = ch.Value, maps.Clone(w.Image)
		for _, name := range []string{"architecture", "hw_architecture"} {
			if w.Image[name] != "" {
				w.Image[name] = ch.Value
			}
		}
	case changeZone:
		w.Zone = ch.Value
	case changeHost:
		w.Host = ch.Host
	case changeRetry:
		w.Excluded = maps.Clone(w.Excluded)
		delete(w.Excluded, ch.Host)
	case changeGroupSize, changeMembersAway, changeMembersHere, changeDropGroup:
		w.Group = w.Group.changed(ch)
	}
	t.wish, t.ask = &w, t.scheduler.inquire(&w, t.now)
}

// dropHint asks without a scheduler hint.
func (w *wish) dropHint(name string) {
	switch name {
	case "same_host":
		w.Same, w.sameHosts = nil, nil
	case "different_host":
		w.Different, w.differentHosts = nil, nil
	case "build_near_host_ip":
		w.Near = netip.Prefix{}
	case "query":
		w.Query = nil
	}
}

// changed is a server group with a change; nil when it is asked for no more.
func (g *groupWish) changed(ch *change) *groupWish {
	if g == nil || ch.Kind == changeDropGroup {
		return nil
	}
	other := &groupWish{Policy: g.Policy, MaxPerHost: g.MaxPerHost, Hosts: maps.Clone(g.Hosts)}
	switch ch.Kind {
	case changeGroupSize:
		other.MaxPerHost = int(ch.To)
	case changeMembersAway:
		other.Hosts[ch.Host] -= int(ch.Amount)
	case changeMembersHere:
		other.Hosts = map[string]int{ch.Host: int(ch.Amount)}
	}
	return other
}

// words say a change to an operator.
func (ch *change) words() string {
	switch ch.Kind {
	case changeNotForcedDown:
		return "take back that the compute service of " + ch.Host + " is forced down"
	case changeStart:
		return "have the compute service of " + ch.Host + " report again"
	case changeEnable:
		return "enable the compute service of " + ch.Host
	case changeZoneOfHost:
		return fmt.Sprintf("add %s to availability zone %s", ch.Host, ch.Value)
	case changeZone:
		return fmt.Sprintf("ask for availability zone %s instead of %s", ch.Value, ch.Name)
	case changeHost:
		return fmt.Sprintf("ask for host %s instead of %s", ch.Host, ch.Value)
	case changeRetry:
		return fmt.Sprintf("mend on %s what failed (%s) and ask again", ch.Host, ch.Value)
	case changeArchitecture:
		return "use an image for architecture " + ch.Value
	case changeFree:
		return fmt.Sprintf("free %d %s on %s", ch.Amount, unitOf(ch.Class), ch.Host)
	case changeFlavor:
		return ch.flavorWords()
	case changeRatio:
		return fmt.Sprintf("raise the allocation ratio of %s on %s from %s to %s", ch.Class, ch.Host, ratioText(ch.From), ratioText(ch.To))
	case changeAddTrait:
		return fmt.Sprintf("give %s the trait %s", ch.Host, ch.Name)
	case changeRemoveTrait:
		return fmt.Sprintf("take the trait %s from %s", ch.Name, ch.Host)
	case changeDropTrait:
		return fmt.Sprintf("use a flavor and an image by which the trait %s is not %s", ch.Name, ch.Value)
	case changeDropHint:
		return "ask without the scheduler hint " + ch.Name
	}
	return ch.placeWords()
}

func (ch *change) flavorWords() string {
	switch {
	case ch.To == 0:
		return "use a flavor that asks for no " + ch.Class
	case ch.To > ch.From:
		return fmt.Sprintf("use a flavor with at least %.0f %s", ch.To, unitOf(ch.Class))
	}
	return fmt.Sprintf("use a flavor with at most %.0f %s", ch.To, unitOf(ch.Class))
}

// placeWords are words for changes of aggregates and groups.
func (ch *change) placeWords() string {
	switch ch.Kind {
	case changeAggregate:
		return fmt.Sprintf("set %s=%s in an aggregate of %s", ch.Name, ch.Value, ch.Host)
	case changeDropSpec:
		return "use a flavor without the extra spec " + ch.Name
	case changeDropProperty:
		return "use an image without the property " + ch.Name
	case changeGroupSize:
		return fmt.Sprintf("use a server group with max_server_per_host %.0f instead of %.0f", ch.To, ch.From)
	case changeMembersAway:
		return fmt.Sprintf("move %s of the server group away from %s", counted(ch.Amount, "member"), ch.Host)
	case changeMembersHere:
		return fmt.Sprintf("move %s of the server group to %s", counted(ch.Amount, "member"), ch.Host)
	case changeDropGroup:
		return "ask without the server group"
	}
	return ch.loadWords()
}

// counted is a number of things.
func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func ratioText(x float64) string {
	return strconv.FormatFloat(math.Round(x*10_000)/10_000, 'f', -1, 64)
}
