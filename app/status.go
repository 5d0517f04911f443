package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"virga/core/api"
)

// The levels of a status, as those of nova-status: they are exit codes.
const (
	statusGood = iota
	statusWarning
	statusFailure
)

// StatusError tells that a cloud is not as it should be.
type StatusError struct{ code, findings int }

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%d things are not as they should be", e.findings)
}

// ExitCode is 1 for warnings and 2 for failures, as nova-status has it.
func (e *StatusError) ExitCode() int { return e.code }

// statusLine is one thing that was looked at.
type statusLine struct {
	level        int
	what, detail string
}

// statusCheck is one look at a running cloud.
type statusCheck struct {
	name string
	look func(ctx context.Context) ([]statusLine, error)
}

// Status writes whether the services, hosts and agents of a running cloud are up, and what
// has to be mended before and after an upgrade. The error says that something is not well.
func Status(ctx context.Context, account Account, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	worst, findings := statusGood, 0
	for _, check := range cloud.checks() {
		lines, err := check.look(ctx)
		if err != nil {
			lines = []statusLine{{statusFailure, "", refusal(err).Error()}}
		}
		fmt.Fprintf(out, "%s\n", check.name)
		for _, line := range lines {
			fmt.Fprintf(out, "  %-8s %-28s %s\n", []string{"ok", "warning", "failure"}[line.level], plain(line.what, 60), plain(line.detail, 300))
			if worst = max(worst, line.level); line.level != statusGood {
				findings++
			}
		}
	}
	if findings > 0 {
		return &StatusError{worst, findings}
	}
	return nil
}

func (r *remote) checks() []statusCheck {
	return []statusCheck{{"Services", r.servicesUp}, {"Compute hosts", r.hostsUp}, {"Network agents", r.agentsUp}, {"Placement", r.hostsPlaced},
		{"Operations", r.operationsGoOn}}
}

// at is a client for the service of a type.
func (r *remote) at(kind string) (*api.Client, error) {
	root, there := r.types[kind]
	if !there {
		return nil, fmt.Errorf("the catalog has no service of type %s", kind)
	}
	return r.service(root), nil
}

// servicesUp asks every service of the catalog for its versions.
func (r *remote) servicesUp(ctx context.Context) ([]statusLine, error) {
	var lines []statusLine
	for _, root := range r.roots {
		began := time.Now()
		err := r.service(root).Do(ctx, http.MethodGet, "/", nil, nil)
		var refused *api.StatusError
		if err != nil && (!errors.As(err, &refused) || refused.Status >= http.StatusInternalServerError) {
			lines = append(lines, statusLine{statusFailure, root, refusal(err).Error()})
			continue
		}
		lines = append(lines, statusLine{statusGood, root, "answers in " + time.Since(began).Round(time.Millisecond).String()})
	}
	return lines, nil
}

// hostsUp is what openstack compute service list tells, judged.
func (r *remote) hostsUp(ctx context.Context) ([]statusLine, error) {
	var answer struct {
		Services []struct {
			Host, State, Status string
			Reason              *string `json:"disabled_reason"`
			Updated             string  `json:"updated_at"`
		}
	}
	if err := r.ask(ctx, "compute", "/v2.1/os-services", &answer); err != nil {
		return nil, err
	}
	lines, up := []statusLine{}, 0
	for _, s := range answer.Services {
		switch {
		case s.State != "up":
			lines = append(lines, statusLine{statusWarning, s.Host, "is down; last heard of at " + s.Updated})
		case s.Status != "enabled":
			reason := ""
			if s.Reason != nil {
				reason = ": " + *s.Reason
			}
			lines = append(lines, statusLine{statusGood, s.Host, "is up and disabled" + reason})
		default:
			lines, up = append(lines, statusLine{statusGood, s.Host, "is up"}), up+1
		}
	}
	if up == 0 {
		lines = append(lines, statusLine{statusFailure, "", "no host is up and enabled: no server can be created"})
	}
	return lines, nil
}

func (r *remote) agentsUp(ctx context.Context) ([]statusLine, error) {
	var answer struct {
		Agents []struct {
			Host, Binary string
			Alive        bool
			Heartbeat    string `json:"heartbeat_timestamp"`
		}
	}
	if err := r.ask(ctx, "network", "/v2.0/agents", &answer); err != nil {
		return nil, err
	}
	lines := []statusLine{}
	for _, a := range answer.Agents {
		line := statusLine{statusGood, a.Host, a.Binary + " is alive"}
		if !a.Alive {
			line = statusLine{statusWarning, a.Host, a.Binary + " is dead; last heard of at " + a.Heartbeat}
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// hostsPlaced is nova-status' check of placement: each host has a resource provider, without
// which no server comes to it.
func (r *remote) hostsPlaced(ctx context.Context) ([]statusLine, error) {
	var hypervisors struct {
		Hypervisors []struct {
			ID   string
			Name string `json:"hypervisor_hostname"`
		}
	}
	if err := r.ask(ctx, "compute", "/v2.1/os-hypervisors", &hypervisors); err != nil {
		return nil, err
	}
	var providers struct {
		Providers []struct{ UUID string } `json:"resource_providers"`
	}
	if err := r.ask(ctx, "placement", "/resource_providers", &providers); err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, p := range providers.Providers {
		known[p.UUID] = true
	}
	lines := []statusLine{}
	for _, h := range hypervisors.Hypervisors {
		line := statusLine{statusGood, h.Name, "has a resource provider"}
		if !known[h.ID] {
			line = statusLine{statusFailure, h.Name, "has no resource provider; it gets one when it reports next, within half a minute"}
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// maxOperationsLooked bounds how many unfinished operations are judged.
const maxOperationsLooked = 1000

// triesThatWorry is from how many failed tries on an operation is told of.
const triesThatWorry = 5

func (r *remote) operationsGoOn(ctx context.Context) ([]statusLine, error) {
	lines, unfinished := []statusLine{}, 0
	for _, root := range r.roots {
		found, _, err := r.listOperations(ctx, root, false, maxOperationsLooked)
		if err != nil {
			return nil, err
		}
		unfinished += len(found)
		for i := range found {
			if o := &found[i]; o.Tries >= triesThatWorry || o.Deadline.Before(time.Now()) {
				lines = append(lines, statusLine{statusWarning, o.Kind, strings.TrimSpace(fmt.Sprintf("%s of %s stands in step %s after %d failed tries %s", o.ID, o.ResourceID, o.Step, o.Tries, o.LastError))})
			}
		}
	}
	if len(lines) == 0 {
		lines = append(lines, statusLine{statusGood, "", fmt.Sprintf("%d are unfinished, none of them is stuck", unfinished)})
	}
	return lines, nil
}

// ask reads a document of the service of a type, in the newest version.
func (r *remote) ask(ctx context.Context, kind, path string, into any) error {
	client, err := r.at(kind)
	if err != nil {
		return err
	}
	client.Header.Set("OpenStack-API-Version", kind+" latest")
	return client.Do(ctx, http.MethodGet, path, nil, into)
}
