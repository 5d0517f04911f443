package compute

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The resource classes of placement that a server takes.
const (
	classVCPU   = "VCPU"
	classMemory = "MEMORY_MB"
	classDisk   = "DISK_GB"
)

// wish is what the scheduler is asked for.
type wish struct {
	Resources map[string]int64
	// Zone and Host bind the choice; empty: any.
	Zone, Host string
	// Arch is the image's architecture; empty: any.
	Arch string
	// Excluded are hosts that failed before, with why.
	Excluded map[string]string
	Group    *groupWish
}

// groupWish is what a server group asks for; Hosts counts its members by host.
type groupWish struct {
	Policy     string
	MaxPerHost int
	Hosts      map[string]int
}

// verdict is what the scheduler found of one host: the first thing that failed, with both
// numbers where there are numbers.
type verdict struct {
	Host   string `json:"host"`
	Fits   bool   `json:"fits"`
	Reason string `json:"reason,omitempty"`
	// Class, Needed and Free are set when a resource is what failed.
	Class  string `json:"class,omitempty"`
	Needed int64  `json:"needed,omitempty"`
	Free   int64  `json:"free,omitempty"`
	// Weight orders the hosts that fit: free memory in MiB.
	Weight int64 `json:"weight,omitempty"`
}

// decision is the scheduler's answer: every host with its verdict, the chosen one first.
type decision struct {
	Chosen string    `json:"chosen,omitempty"`
	Hosts  []verdict `json:"hosts"`
}

// decide chooses a host. It is pure: hosts and what placement says of their providers go
// in (by provider id; a host that placement does not offer may be missing), the decision
// comes out.
func decide(hosts []host, resources map[string]map[string]Resource, w wish, now time.Time) decision {
	var d decision
	for i := range hosts {
		d.Hosts = append(d.Hosts, judge(&hosts[i], resources[hosts[i].HypervisorID], w, now))
	}
	slices.SortStableFunc(d.Hosts, func(a, b verdict) int {
		switch {
		case a.Fits != b.Fits && a.Fits:
			return -1
		case a.Fits != b.Fits:
			return 1
		}
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), groupPreference(w, a.Host, b.Host), strings.Compare(a.Host, b.Host))
	})
	if w.Group != nil && strings.HasPrefix(w.Group.Policy, "soft-") {
		slices.SortStableFunc(d.Hosts, func(a, b verdict) int {
			if !a.Fits || !b.Fits {
				return 0
			}
			return groupPreference(w, a.Host, b.Host)
		})
	}
	if len(d.Hosts) > 0 && d.Hosts[0].Fits {
		d.Chosen = d.Hosts[0].Host
	}
	return d
}

// groupPreference orders hosts by a soft policy: many members first or last.
func groupPreference(w wish, a, b string) int {
	if w.Group == nil {
		return 0
	}
	switch w.Group.Policy {
	case "soft-affinity":
		return cmp.Compare(w.Group.Hosts[b], w.Group.Hosts[a])
	case "soft-anti-affinity":
		return cmp.Compare(w.Group.Hosts[a], w.Group.Hosts[b])
	}
	return 0
}

// judge runs the filters over one host, cheapest first.
func judge(h *host, has map[string]Resource, w wish, now time.Time) verdict {
	v := verdict{Host: h.Name}
	for _, reason := range []string{serviceFilter(h, now), zoneFilter(h, w), excludedFilter(h, w), archFilter(h, w), groupFilter(h, w)} {
		if reason != "" {
			v.Reason = reason
			return v
		}
	}
	if has == nil {
		v.Reason = "placement has no inventory of it"
		return v
	}
	for _, class := range []string{classMemory, classVCPU, classDisk} {
		needed := w.Resources[class]
		if free := has[class].Capacity - has[class].Used; needed > free {
			v.Class, v.Needed, v.Free = class, needed, max(free, 0)
			v.Reason = shortage(class, needed, v.Free)
			return v
		}
	}
	v.Fits, v.Weight = true, has[classMemory].Capacity-has[classMemory].Used
	return v
}

// shortage says what is missing and by how much.
func shortage(class string, needed, free int64) string {
	unit := map[string]string{classVCPU: "VCPUs", classMemory: "MB of memory", classDisk: "GB of disk"}[class]
	return fmt.Sprintf("%d %s needed, %d free (%d too few)", needed, unit, free, needed-free)
}

func serviceFilter(h *host, now time.Time) string {
	switch {
	case h.ForcedDown:
		return "its compute service is forced down"
	case !h.up(now):
		return fmt.Sprintf("its compute service has not reported for %d seconds", int(now.Sub(h.LastSeen).Seconds()))
	case h.Disabled:
		return "its compute service is disabled"
	}
	return ""
}

func zoneFilter(h *host, w wish) string {
	switch {
	case w.Zone != "" && w.Zone != h.Zone:
		return fmt.Sprintf("it is in availability zone %s, not in %s", h.Zone, w.Zone)
	case w.Host != "" && w.Host != h.Name:
		return "another host was asked for"
	}
	return ""
}

func excludedFilter(h *host, w wish) string {
	if why, excluded := w.Excluded[h.Name]; excluded {
		return "it failed before: " + strings.TrimSuffix(why, ".")
	}
	return ""
}

// canonicalArch makes one name of the many of one architecture.
func canonicalArch(arch string) string {
	switch arch = strings.ToLower(arch); arch {
	case "amd64", "x86-64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "i386", "i486", "i586", "x86", "x86_32":
		return "i686"
	}
	return arch
}

func archFilter(h *host, w wish) string {
	if w.Arch == "" {
		return ""
	}
	wanted := canonicalArch(w.Arch)
	for _, guest := range h.Facts.Supported {
		if canonicalArch(guest.Arch) == wanted {
			return ""
		}
	}
	if canonicalArch(h.Facts.CPU.Arch) == wanted {
		return ""
	}
	return fmt.Sprintf("it cannot run guests of architecture %s", wanted)
}

func groupFilter(h *host, w wish) string {
	if w.Group == nil {
		return ""
	}
	here := w.Group.Hosts[h.Name]
	switch w.Group.Policy {
	case "anti-affinity":
		if here >= max(w.Group.MaxPerHost, 1) {
			return fmt.Sprintf("it runs %d members of the server group already", here)
		}
	case "affinity":
		if here == 0 && len(w.Group.Hosts) > 0 {
			return "it runs no member of the server group"
		}
	}
	return ""
}

// maxNamedHosts bounds how many hosts a fault names.
const maxNamedHosts = 20

// explain is what the owner of a server reads when no host was found.
func (d *decision) explain() string {
	if len(d.Hosts) == 0 {
		return "No valid host was found. There is no compute host yet."
	}
	var parts []string
	for _, v := range d.Hosts[:min(len(d.Hosts), maxNamedHosts)] {
		parts = append(parts, v.Host+": "+v.Reason)
	}
	if more := len(d.Hosts) - maxNamedHosts; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more hosts", more))
	}
	return "No valid host was found. " + strings.Join(parts, "; ") + "."
}
