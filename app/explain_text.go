package app

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// write prints the decisions for a server for people.
func (p *remotePlacements) write(out io.Writer) {
	where := "on no host"
	if p.Server.Host != "" {
		where = "on " + plain(p.Server.Host, 255)
	}
	fmt.Fprintf(out, "server      %s %s, %s, %s\n", plain(p.Server.ID, 64), plain(p.Server.Name, 255), plain(p.Server.Status, 32), where)
	if len(p.Placements) == 0 {
		fmt.Fprintln(out, "The scheduler decided nothing for it that is still kept.")
	}
	for i := range p.Placements {
		fmt.Fprintln(out)
		p.Placements[i].write(out)
	}
}

func (p *remotePlacement) write(out io.Writer) {
	what := fmt.Sprintf("attempt %d of the action %s, operation %s", p.Attempt, p.Action, p.OperationID)
	if p.Refused {
		what = "a request for the action " + p.Action + ", which was refused"
	}
	head := newHead(out)
	head.line("decision", "%s", what)
	when := p.DecidedAt.Format(time.RFC3339)
	if p.Looks > 1 {
		when = fmt.Sprintf("%s, the last of %d looks since %s", when, p.Looks, p.BeganAt.Format(time.RFC3339))
	}
	head.line("decided", "%s", when)
	head.line("asked by", "user %s of project %s in request %s", p.UserID, p.ProjectID, p.RequestID)
	head.line("wanted", "%s", p.Wanted.text())
	if p.Decision.Chosen == "" {
		head.line("chosen", "none of %d hosts", p.Decision.Considered)
	} else {
		head.line("chosen", "%s, one of %d that fitted among %d hosts", p.Decision.Chosen, p.Decision.Fitting, p.Decision.Considered)
	}
	p.Decision.writeRefused(head)
	_ = head.table.Flush()
	p.Decision.writeHosts(out)
	if more := p.Decision.Considered - len(p.Decision.Hosts); more > 0 {
		fmt.Fprintf(out, "%d hosts more were considered: those nearest to fitting are kept. A dry run (--dry-run) tells of all, as they are now.\n", more)
	}
}

// remoteDryRun is the answer to a dry run.
type remoteDryRun struct {
	DryRun remotePretence `json:"dry_run"`
}

type remotePretence struct {
	remoteDecision
	Wanted remoteWanted `json:"wanted"`
	Asked  int          `json:"asked"`
	Placed []string     `json:"placed"`
}

func (d *remotePretence) write(out io.Writer) {
	head := newHead(out)
	head.line("dry run", "as the hosts are now; nothing was changed")
	head.line("wanted", "%s", d.Wanted.text())
	counts := map[string]int{}
	for _, host := range d.Placed {
		counts[host]++
	}
	var places []string
	for _, host := range slices.Sorted(maps.Keys(counts)) {
		places = append(places, fmt.Sprintf("%d on %s", counts[host], host))
	}
	switch {
	case len(d.Placed) == 0:
		head.line("fits", "nowhere of %d hosts", d.Considered)
	case len(d.Placed) < d.Asked:
		head.line("fits", "%d of %d servers: %s. For the next one:", len(d.Placed), d.Asked, strings.Join(places, ", "))
	case d.Asked > 1:
		head.line("fits", "all %d servers: %s. For one more:", d.Asked, strings.Join(places, ", "))
	default:
		head.line("fits", "on %s, one of %d that fit among %d hosts", d.Placed[0], d.Fitting, d.Considered)
	}
	d.writeRefused(head)
	_ = head.table.Flush()
	d.writeHosts(out)
	if more := d.Considered - len(d.Hosts); more > 0 {
		fmt.Fprintf(out, "%d hosts more; --hosts shows them.\n", more)
	}
}

// head writes names with what is to be said of them.
type head struct{ table *tabwriter.Writer }

func newHead(out io.Writer) head { return head{tabwriter.NewWriter(out, 12, 0, 2, ' ', 0)} }

func (h head) line(name, format string, args ...any) {
	fmt.Fprintf(h.table, "%s\t%s\n", name, plain(fmt.Sprintf(format, args...), 4000))
}

// text says what was wanted.
func (w *remoteWanted) text() string {
	var parts []string
	units := map[string]string{"VCPU": "VCPUs", "MEMORY_MB": "MB of memory", "DISK_GB": "GB of disk"}
	for _, class := range slices.Sorted(maps.Keys(w.Resources)) {
		unit := units[class]
		if unit == "" {
			unit = class
		}
		if w.Resources[class] == 1 {
			unit = strings.TrimSuffix(unit, "s")
		}
		parts = append(parts, fmt.Sprintf("%d %s", w.Resources[class], unit))
	}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("zone", w.Zone)
	add("host", w.Host)
	add("architecture", w.Arch)
	add("traits", strings.Join(w.Required, ", "))
	add("without traits", strings.Join(w.Forbidden, ", "))
	for _, key := range slices.Sorted(maps.Keys(w.Specs)) {
		add("aggregates with "+key, w.Specs[key])
	}
	for _, name := range slices.Sorted(maps.Keys(w.Hints)) {
		add("hint "+name, strings.Join(w.Hints[name], ", "))
	}
	if w.Group != nil {
		members := 0
		for _, n := range w.Group.Members {
			members += n
		}
		add("group of", fmt.Sprintf("%d placed members with policy %s", members, w.Group.Policy))
	}
	if w.Flavor == "" {
		return strings.Join(parts, "; ")
	}
	return w.Flavor + ": " + strings.Join(parts, "; ")
}

// writeRefused counts refused hosts by reasons and tells the smallest change.
func (d *remoteDecision) writeRefused(h head) {
	name := "refused"
	for i := range d.Refused {
		t := &d.Refused[i]
		text := t.Reason
		switch {
		case t.Limit > 0:
			text += fmt.Sprintf(" (%d needed, %d allowed at most)", t.Needed, t.Limit)
		case t.Needed > 0:
			text += fmt.Sprintf(" (%d needed, %d free at most)", t.Needed, t.Free)
		}
		h.line(name, "%d × %s", t.Hosts, text)
		name = ""
	}
	if d.Smallest != nil {
		h.line("would help", "for %s: %s", d.Smallest.Host, d.Smallest.Text)
	}
}

// writeHosts writes what was found of each host that is listed, and what would make it fit.
func (d *remoteDecision) writeHosts(out io.Writer) {
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tFITS\tWEIGHT\tREFUSED BY\tREASON")
	for i := range d.Hosts {
		v := &d.Hosts[i]
		fits, weight := "no", "-"
		if v.Fits {
			fits = "yes"
		}
		if v.Weight != 0 {
			weight = fmt.Sprintf("%.6g", v.Weight)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", plain(v.Host, 255), fits, weight, orDash(plain(v.Filter, 64)), orDash(plain(v.Reason, 300)))
	}
	_ = table.Flush() // who does not read it has gone
	title := "\nTo make a host fit:\n"
	for i := range d.Hosts {
		if m := d.Hosts[i].Remedy; m != nil {
			fmt.Fprintf(out, "%s  %s: %s\n", title, plain(d.Hosts[i].Host, 255), plain(m.Text, 2000))
			title = ""
		}
	}
}
