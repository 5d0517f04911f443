package compute

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/work"
)

// Every decision of the scheduler is kept, with what was wanted and by whom: those of operations as long as the operation, one for each
// attempt; those by which a request was refused before there was an operation as long as operations are. Administrators read them
// (placements.go); owners of servers read reasons and numbers in a server's fault, never names of hosts.

// wanted is what a decision was asked for, as administrators read it.
type wanted struct {
	Flavor    string           `json:"flavor,omitempty"`
	ImageID   string           `json:"image_id,omitempty"`
	Resources map[string]int64 `json:"resources"`
	Zone      string           `json:"availability_zone,omitempty"`
	Host      string           `json:"host,omitempty"`
	Arch      string           `json:"architecture,omitempty"`
	Required  []string         `json:"required_traits,omitempty"`
	Forbidden []string         `json:"forbidden_traits,omitempty"`
	// Specs are extra specs of the flavor that aggregates of hosts have to meet.
	Specs     map[string]string   `json:"aggregate_extra_specs,omitempty"`
	Hints     map[string][]string `json:"scheduler_hints,omitempty"`
	Group     *wantedGroup        `json:"server_group,omitempty"`
	Excluded  map[string]string   `json:"failed_hosts,omitempty"`
	Barred    map[string]string   `json:"unsuitable_hosts,omitempty"`
	ProjectID string              `json:"project_id,omitempty"`
}

// wantedGroup is what a server group asked for, with its members by host as they were then.
type wantedGroup struct {
	Policy     string         `json:"policy"`
	MaxPerHost int            `json:"max_server_per_host,omitempty"`
	Members    map[string]int `json:"members_by_host"`
}

const (
	// maxHintValues and maxHintBytes bound what is kept of each scheduler hint.
	maxHintValues = 50
	maxHintBytes  = maxQueryBytes
)

// wantedOf is a wish as it is kept.
func wantedOf(w *wish) *wanted {
	k := &wanted{Flavor: w.flavor, ImageID: w.imageID, Resources: w.Resources, Zone: w.Zone, Host: w.Host, Arch: w.Arch, Required: w.Required, Forbidden: w.Forbidden,
		Specs: w.Specs, Excluded: w.Excluded, Barred: w.Barred, ProjectID: w.ProjectID}
	for _, name := range knownHints() {
		if values := w.hints[name]; len(values) > 0 {
			if k.Hints == nil {
				k.Hints = map[string][]string{}
			}
			for _, value := range values[:min(len(values), maxHintValues)] {
				k.Hints[name] = append(k.Hints[name], oneLine(value, maxHintBytes))
			}
		}
	}
	if w.Group != nil {
		k.Group = &wantedGroup{Policy: w.Group.Policy, MaxPerHost: w.Group.MaxPerHost, Members: maps.Clone(w.Group.Hosts)}
	}
	return k
}

// knownHints are the hints that bear on the scheduler.
func knownHints() []string {
	return []string{"group", "same_host", "different_host", "build_near_host_ip", "cidr", "query"}
}

// keep has the decision of an operation's step kept: with the step when a host was chosen, else at once, because then the step fails or waits.
func (s *Service) keep(ctx context.Context, o work.Operation, d *decision, inCommit func(func(*db.Tx) error)) error {
	row, err := s.decisionRow(o.ResourceID, o.Kind, d)
	if err != nil {
		return err
	}
	row.OperationID, row.ProjectID, row.UserID, row.RequestID = o.ID, o.ProjectID, o.UserID, o.RequestID
	if d.Chosen != "" {
		inCommit(func(tx *db.Tx) error { return insertDecision(tx, row) })
		return nil
	}
	return s.db.Write(ctx, func(tx *db.Tx) error { return insertDecision(tx, row) })
}

// keepRefusal keeps the decision by which a request for an operation of a kind is refused.
func (s *Service) keepRefusal(ctx context.Context, r *api.Request, serverID, kind string, d *decision) error {
	row, err := s.decisionRow(serverID, kind, d)
	if err != nil {
		return err
	}
	row.ProjectID, row.UserID, row.RequestID = r.ProjectID(), r.UserID(), r.ID
	return s.db.Write(ctx, func(tx *db.Tx) error { return insertDecision(tx, row) })
}

func (s *Service) decisionRow(serverID, kind string, d *decision) (*keptDecision, error) {
	asked, err := json.Marshal(wantedOf(d.wish))
	if err != nil {
		return nil, fmt.Errorf("write what was wanted for server %s: %w", serverID, err)
	}
	said, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write decision for server %s: %w", serverID, err)
	}
	now := s.clock.Now()
	return &keptDecision{ID: s.clock.ID(), ServerID: serverID, Kind: kind, BeganAt: now, DecidedAt: now, Chosen: d.Chosen, Wanted: string(asked), Decision: string(said)}, nil
}

// faultOf is why an operation left its server with a fault. Its details, which administrators alone are shown, are the
// scheduler's last decision.
func (s *Service) faultOf(tx *db.Tx, o work.Operation, reason string) (*fault, error) {
	f := &fault{Code: 500, Message: reason, Created: s.clock.Now()}
	last, err := lastDecision(tx, o.ID, o.ResourceID)
	if last != nil && err == nil {
		f.Details = last.Decision
	}
	return f, err
}

// decidedIn finds the decision that was made in a step of an operation, as JSON; empty for none.
func decidedIn(decisions []keptDecision, began, ended time.Time) string {
	for i := range decisions {
		if at := decisions[i].DecidedAt; !at.Before(began) && !at.After(ended) {
			return decisions[i].Decision
		}
	}
	return ""
}

// explain is what the owner of a server reads when no host was found: reasons with numbers, and no names of hosts, which are
// the operator's.
func (d *decision) explain() string {
	if d.Considered == 0 {
		return "No valid host was found. There is no compute host yet."
	}
	var parts []string
	rest := d.Considered
	for i := range d.Refused[:min(len(d.Refused), maxReasonsTold)] {
		t := &d.Refused[i]
		rest -= t.Hosts
		who := "1 host: "
		switch {
		case t.Hosts > 1 && i == 0:
			who = fmt.Sprintf("Each of %d hosts: ", t.Hosts)
		case t.Hosts > 1:
			who = fmt.Sprintf("each of %d hosts: ", t.Hosts)
		}
		parts = append(parts, who+t.text())
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d more for other reasons", rest))
	}
	return "No valid host was found. " + strings.Join(parts, "; ") + "."
}

// maxReasonsTold bounds the text for the owner of a server.
const maxReasonsTold = 8

// text is a reason with its numbers, the best that any of the hosts has.
func (t *tally) text() string {
	most := ""
	if t.Hosts > 1 {
		most = " at most"
	}
	switch {
	case t.Needed == 0:
		return t.Reason
	case t.Class != "" && t.Limit > 0:
		return fmt.Sprintf("%s (%d needed, %d allowed%s)", t.Reason, t.Needed, t.Limit, most)
	}
	return fmt.Sprintf("%s (%d needed, %d free%s)", t.Reason, t.Needed, t.Free, most)
}
