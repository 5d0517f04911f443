package compute

import (
	"math"
	"slices"
	"strings"
)

// repair finds the change by which the filter that refuses the host would let it pass; false where none is known.
func (t *trial) repair(filter string) (change, bool) {
	c, w := &t.host, t.wish
	switch filter {
	case "ComputeFilter":
		switch {
		case c.forcedDown:
			return change{Kind: changeNotForcedDown, Host: c.name}, true
		case !t.now.Before(c.downAt):
			return change{Kind: changeStart, Host: c.name}, true
		case c.disabled:
			return change{Kind: changeEnable, Host: c.name}, true
		}
	case "availability_zone":
		return repairZone(c, w)
	case "force_hosts":
		return change{Kind: changeHost, Host: c.name, Value: w.Host}, true
	case "ignore_hosts":
		if reason, failed := w.Excluded[c.name]; failed && w.Barred[c.name] == "" {
			return change{Kind: changeRetry, Host: c.name, Value: strings.TrimSuffix(reason, ".")}, true
		}
	case "ImagePropertiesFilter":
		if w.Arch != "" && len(c.archs) > 0 && c.archs[0] != "" && !slices.Contains(c.archs, canonicalArch(w.Arch)) {
			return change{Kind: changeArchitecture, Value: c.archs[0]}, true
		}
	case "ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter":
		return repairGroup(c, w)
	case "AggregateInstanceExtraSpecsFilter", "AggregateMultiTenancyIsolation", "AggregateImagePropertiesIsolation":
		return repairAggregate(filter, c, w)
	case "SameHostFilter":
		return change{Kind: changeDropHint, Name: "same_host"}, true
	case "DifferentHostFilter":
		return change{Kind: changeDropHint, Name: "different_host"}, true
	case "SimpleCIDRAffinityFilter":
		return change{Kind: changeDropHint, Name: "build_near_host_ip"}, true
	case "JsonFilter":
		return change{Kind: changeDropHint, Name: "query"}, true
	case "AggregateTypeAffinityFilter":
		return change{Kind: changeAggregate, Host: c.name, Name: flavorsKey, Value: w.flavor}, true
	case "ComputeCapabilitiesFilter":
		return repairCapability(c, w)
	case "PciPassthroughFilter":
		return change{Kind: changeDropSpec, Name: devicesKey}, true
	case "placement":
		return t.repairPlacement()
	default:
		return t.repairLoad(filter)
	}
	return change{}, false
}

// repairZone puts an empty host into the zone; one with servers stays in its own, so another zone has to be asked for.
func repairZone(c *candidate, w *wish) (change, bool) {
	move := change{Kind: changeZoneOfHost, Host: c.name, Value: w.Zone}
	ask := change{Kind: changeZone, Value: c.zone, Name: w.Zone}
	if c.occupied() {
		return ask, true
	}
	move.Or = []change{ask}
	return move, true
}

// occupied tells whether somebody has something of the host.
func (c *candidate) occupied() bool {
	return slices.ContainsFunc(c.units, func(u unit) bool { return u.used+u.held > 0 })
}

func repairGroup(c *candidate, w *wish) (change, bool) {
	if w.Group == nil {
		return change{}, false
	}
	here, all := w.Group.Hosts[c.name], 0
	for _, n := range w.Group.Hosts {
		all += n
	}
	without := change{Kind: changeDropGroup}
	if w.Group.Policy == "anti-affinity" {
		limit := max(w.Group.MaxPerHost, 1)
		return change{Kind: changeGroupSize, From: float64(limit), To: float64(here + 1),
			Or: []change{{Kind: changeMembersAway, Host: c.name, Amount: int64(here - limit + 1)}, without}}, true
	}
	return change{Kind: changeMembersHere, Host: c.name, Amount: int64(all), Or: []change{without}}, true
}

func repairAggregate(filter string, c *candidate, w *wish) (change, bool) {
	switch filter {
	case "AggregateMultiTenancyIsolation":
		return change{Kind: changeAggregate, Host: c.name, Name: projectKey, Value: w.ProjectID}, true
	case "AggregateInstanceExtraSpecsFilter":
		for _, spec := range w.specsOfAggregates() {
			if c.terms != nil && spec.holdsOfOne(c.terms.values[spec.key]) {
				continue
			}
			without := change{Kind: changeDropSpec, Name: spec.key}
			if _, scoped := w.Specs[spec.key]; scoped {
				without.Name = specScope + spec.key
			}
			if value := satisfying(spec.want); value != "" {
				return change{Kind: changeAggregate, Host: c.name, Name: spec.key, Value: value, Or: []change{without}}, true
			}
			return without, true
		}
	case "AggregateImagePropertiesIsolation":
		for _, key := range sortedKeys(w.Image) {
			if values := c.terms.values[key]; len(values) > 0 && w.Image[key] != "" && !slices.Contains(values, w.Image[key]) {
				without := change{Kind: changeDropProperty, Name: key}
				if strings.ContainsAny(w.Image[key], ",") || strings.TrimSpace(w.Image[key]) != w.Image[key] {
					return without, true
				}
				return change{Kind: changeAggregate, Host: c.name, Name: key, Value: w.Image[key], Or: []change{without}}, true
			}
		}
	}
	return change{}, false
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// satisfying is a value that meets what an extra spec wants, empty where none is sure to.
func satisfying(want string) string {
	value := want
	if words := strings.Fields(want); len(words) == 2 {
		value = words[1] // the operator's argument meets most operators
	}
	spec := newSpec("", want)
	if strings.Contains(value, ",") || strings.TrimSpace(value) != value || !spec.holds(value) {
		return ""
	}
	return value
}

// repairPlacement mends what placement has of the host: traits, bounds of one server, room.
func (t *trial) repairPlacement() (change, bool) {
	c, w := &t.host, t.wish
	if !c.placed {
		return change{}, false
	}
	for _, trait := range w.Required {
		if slices.Contains(c.traits, trait) {
			continue
		}
		without := change{Kind: changeDropTrait, Name: trait, Value: "required"}
		if strings.HasPrefix(trait, "CUSTOM_") { // others are facts of the host
			return change{Kind: changeAddTrait, Host: c.name, Name: trait, Or: []change{without}}, true
		}
		return without, true
	}
	for _, trait := range w.Forbidden {
		if !slices.Contains(c.traits, trait) {
			continue
		}
		without := change{Kind: changeDropTrait, Name: trait, Value: "forbidden"}
		if strings.HasPrefix(trait, "CUSTOM_") {
			return change{Kind: changeRemoveTrait, Host: c.name, Name: trait, Or: []change{without}}, true
		}
		return without, true
	}
	for i := range t.ask.question.amount {
		a := &t.ask.question.amount[i]
		u := c.unit(a.class)
		if u == nil {
			return withoutClass(a.class, a.n)
		}
		if ch, found, ok := u.repair(c.name, a.n); found {
			if ok && !t.searching() {
				ch.Or = u.others(c.name, a.n, &ch)
			}
			return ch, ok
		}
	}
	return change{}, false
}

// withoutClass is what is left where a host has nothing of a class: every server needs processors and memory.
func withoutClass(class string, n int64) (change, bool) {
	ch := change{Kind: changeFlavor, Class: class, From: float64(n)}
	return ch, class != classVCPU && class != classMemory && class != classDisk
}

// repair makes room for n; found tells whether there is something to repair.
func (u *unit) repair(host string, n int64) (ch change, found, ok bool) {
	if legal, ok := u.legal(n); legal != n || !ok {
		return u.flavor(n, legal), true, ok
	}
	missing := n - u.free()
	if missing <= 0 {
		return change{}, false, false
	}
	if n <= u.capacity {
		return change{Kind: changeFree, Host: host, Class: u.class, Amount: missing, need: n}, true, true
	}
	for _, there := range []int64{u.free(), u.capacity} {
		if less, some := u.lessThan(there, n); some {
			return u.flavor(n, less), true, true
		}
	}
	ch, ok = u.raised(host, n)
	return ch, true, ok
}

// others are what does in place of a change that makes room for n.
func (u *unit) others(host string, n int64, ch *change) (others []change) {
	if less, some := u.lessThan(u.free(), n); some && ch.Kind == changeFree {
		others = append(others, u.flavor(n, less))
	}
	if legal, _ := u.legal(n); legal != n || ch.Kind == changeRatio {
		return others
	}
	if raised, ok := u.raised(host, n); ok {
		others = append(others, raised)
	}
	return others
}

// lessThan is the greatest amount of n at most that one server may have where so much is there.
func (u *unit) lessThan(there, n int64) (int64, bool) {
	less, some := u.legal(max(min(there, n), 0))
	return less, some && less > 0 && less <= there
}

func (u *unit) flavor(from, to int64) change {
	return change{Kind: changeFlavor, Class: u.class, From: float64(from), To: float64(to)}
}

// legal is the greatest amount of n at most that one server may have, or the least that is more where there is none.
func (u *unit) legal(n int64) (int64, bool) {
	step := max(u.step, 1)
	most := n
	if u.max > 0 {
		most = min(most, u.max)
	}
	if most -= most % step; most >= u.min && most > 0 {
		return most, true
	}
	least := max(u.min, 1)
	if rest := least % step; rest > 0 {
		least += step - rest
	}
	return least, u.max <= 0 || least <= u.max
}

// maxRatio is the greatest allocation ratio that is proposed.
const maxRatio = 16

// raised is the allocation ratio by which n more could be allocated than there is room for now.
func (u *unit) raised(host string, n int64) (change, bool) {
	if u.ratio <= 0 {
		return change{}, false
	}
	base, wanted := u.base(), u.used+u.held+n
	if base <= 0 {
		return change{}, false
	}
	to := math.Ceil(float64(wanted)/base*100) / 100
	if int64(base*to) < wanted {
		to += 0.01
	}
	if to > maxRatio {
		return change{}, false
	}
	return change{Kind: changeRatio, Host: host, Class: u.class, From: u.ratio, To: to}, true
}

// base is what the capacity is the ratio's multiple of, in whole units and rounded down as placement does. It is exact for ratios of
// 1 and more, for others not more than it is.
func (u *unit) base() float64 { return math.Ceil(float64(u.capacity)/u.ratio - 1e-9) }
