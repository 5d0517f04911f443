package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"virga/core/api"
)

// remoteRemedy is what would have made a host fit, as compute tells it.
type remoteRemedy struct {
	Host string `json:"host"`
	Text string `json:"text"`
}

// remoteVerdict is what the scheduler found of one host.
type remoteVerdict struct {
	Host   string        `json:"host"`
	Fits   bool          `json:"fits"`
	Reason string        `json:"reason"`
	Filter string        `json:"filter"`
	Weight float64       `json:"weight"`
	Remedy *remoteRemedy `json:"remedy"`
}

// remoteTally counts the hosts that were refused for one reason.
type remoteTally struct {
	Reason string `json:"reason"`
	Hosts  int    `json:"hosts"`
	Filter string `json:"filter"`
	Needed int64  `json:"needed"`
	Free   int64  `json:"free"`
	Limit  int64  `json:"limit"`
}

// remoteDecision is a decision of the scheduler, or what a dry run found.
type remoteDecision struct {
	Chosen     string          `json:"chosen"`
	Considered int             `json:"considered"`
	Fitting    int             `json:"fitting"`
	Refused    []remoteTally   `json:"refused"`
	Hosts      []remoteVerdict `json:"hosts"`
	Smallest   *remoteRemedy   `json:"smallest_change"`
}

// remoteWanted is what a decision was asked for.
type remoteWanted struct {
	Flavor    string              `json:"flavor"`
	Resources map[string]int64    `json:"resources"`
	Zone      string              `json:"availability_zone"`
	Host      string              `json:"host"`
	Arch      string              `json:"architecture"`
	Required  []string            `json:"required_traits"`
	Forbidden []string            `json:"forbidden_traits"`
	Specs     map[string]string   `json:"aggregate_extra_specs"`
	Hints     map[string][]string `json:"scheduler_hints"`
	Group     *struct {
		Policy     string         `json:"policy"`
		MaxPerHost int            `json:"max_server_per_host"`
		Members    map[string]int `json:"members_by_host"`
	} `json:"server_group"`
}

// remotePlacement is a decision that was kept.
type remotePlacement struct {
	ID          string         `json:"id"`
	Action      string         `json:"action"`
	OperationID string         `json:"operation_id"`
	Refused     bool           `json:"refused"`
	Attempt     int            `json:"attempt"`
	Looks       int            `json:"looks"`
	RequestID   string         `json:"request_id"`
	ProjectID   string         `json:"project_id"`
	UserID      string         `json:"user_id"`
	BeganAt     time.Time      `json:"began_at"`
	DecidedAt   time.Time      `json:"decided_at"`
	Wanted      remoteWanted   `json:"wanted"`
	Decision    remoteDecision `json:"decision"`
}

// remotePlacements are the decisions for a server.
type remotePlacements struct {
	Server struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Host   string `json:"host"`
		Status string `json:"status"`
	} `json:"server"`
	Placements []remotePlacement `json:"placements"`
}

// Explain writes why a server is where it is, or nowhere: the scheduler's last decision for it, or with all each that is kept, newest
// first. With asJSON it writes what the service answers.
func Explain(ctx context.Context, account Account, server string, all, asJSON bool, out io.Writer) error {
	compute, err := account.compute(ctx)
	if err != nil {
		return err
	}
	id, err := findByName(ctx, compute, "server", server, "/v2.1/servers?all_tenants=true&name="+url.QueryEscape("^"+regexp.QuoteMeta(server)+"$"), "servers")
	if err != nil {
		return err
	}
	limit := 1
	if all {
		limit = 100
	}
	var text json.RawMessage
	if err := compute.Do(ctx, http.MethodGet, fmt.Sprintf("/internal/servers/%s/placements?limit=%d", url.PathEscape(id), limit), nil, &text); err != nil {
		return fmt.Errorf("explain %s: %w", server, refusal(err))
	}
	if asJSON {
		return writeIndented(out, text)
	}
	var answer remotePlacements
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("read the decisions for %s: %w", server, err)
	}
	answer.write(out)
	return nil
}

// DryRun is what Explain is to pretend: servers that are made of a flavor and an image, or a server that moves, perhaps to a flavor.
type DryRun struct {
	Server, Flavor, Image, Zone, Host, Project string
	Hints                                      map[string]string
	Count                                      int
	// Hosts is of how many hosts at most the verdicts are shown.
	Hosts int
}

// ExplainDryRun writes where servers would go, and why not to other hosts. Nothing is changed.
func ExplainDryRun(ctx context.Context, account Account, d DryRun, asJSON bool, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	if cloud.types["compute"] == "" {
		return errors.New("the cloud has no compute service in its catalog")
	}
	compute := cloud.service(cloud.types["compute"])
	body, err := cloud.dryRunBody(ctx, compute, &d)
	if err != nil {
		return err
	}
	var text json.RawMessage
	path := fmt.Sprintf("/internal/placements/dry-run?limit=%d", max(d.Hosts, 1))
	if err := compute.Do(ctx, http.MethodPost, path, map[string]any{"dry_run": body}, &text); err != nil {
		return fmt.Errorf("dry run: %w", refusal(err))
	}
	if asJSON {
		return writeIndented(out, text)
	}
	var answer remoteDryRun
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("read what the dry run found: %w", err)
	}
	answer.DryRun.write(out)
	return nil
}

// dryRunBody is the request's body; names become ids.
func (r *remote) dryRunBody(ctx context.Context, compute *api.Client, d *DryRun) (body map[string]any, err error) {
	body = map[string]any{}
	if d.Server != "" {
		if body["server_id"], err = findByName(ctx, compute, "server", d.Server,
			"/v2.1/servers?all_tenants=true&name="+url.QueryEscape("^"+regexp.QuoteMeta(d.Server)+"$"), "servers"); err != nil {
			return nil, err
		}
	}
	if d.Flavor != "" {
		if body["flavorRef"], err = findFlavor(ctx, compute, d.Flavor); err != nil {
			return nil, err
		}
	}
	if d.Image != "" {
		if r.types["image"] == "" {
			return nil, errors.New("the cloud has no image service in its catalog")
		}
		if body["imageRef"], err = findByName(ctx, r.service(r.types["image"]), "image", d.Image, "/v2/images?name="+url.QueryEscape(d.Image), "images"); err != nil {
			return nil, err
		}
	}
	for name, value := range map[string]string{"availability_zone": d.Zone, "host": d.Host, "project_id": d.Project} {
		if value != "" {
			body[name] = value
		}
	}
	if len(d.Hints) > 0 {
		body["scheduler_hints"] = d.Hints
	}
	if d.Count > 1 {
		body["count"] = d.Count
	}
	return body, nil
}

// uuidForm is how ids look that need not be looked up.
var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// findByName returns the id of the one resource that a list has by a name; an id is returned as it is.
func findByName(ctx context.Context, service *api.Client, kind, name, path, key string) (string, error) {
	if uuidForm.MatchString(name) {
		return name, nil
	}
	var lists map[string]json.RawMessage
	if err := service.Do(ctx, http.MethodGet, path, nil, &lists); err != nil {
		return "", fmt.Errorf("look for the %s %s: %w", kind, name, refusal(err))
	}
	var found []struct{ ID, Name string }
	if err := json.Unmarshal(lists[key], &found); err != nil {
		return "", fmt.Errorf("look for the %s %s: %w", kind, name, err)
	}
	ids := []string{}
	for _, one := range found {
		if one.Name == name || one.ID == name {
			ids = append(ids, one.ID)
		}
	}
	switch len(ids) {
	case 0:
		return "", fmt.Errorf("there is no %s %s", kind, name)
	case 1:
		return ids[0], nil
	}
	return "", fmt.Errorf("there are %d of the name %s: say which by its id (%s)", len(ids), name, strings.Join(ids, ", "))
}

// findFlavor returns the id of the flavor with an id or a name.
func findFlavor(ctx context.Context, compute *api.Client, name string) (string, error) {
	err := compute.Do(ctx, http.MethodGet, "/v2.1/flavors/"+url.PathEscape(name), nil, nil)
	switch {
	case err == nil:
		return name, nil
	case statusOf(err) != http.StatusNotFound:
		return "", fmt.Errorf("look for the flavor %s: %w", name, refusal(err))
	}
	return findByName(ctx, compute, "flavor", name, "/v2.1/flavors?is_public=None&limit=1000", "flavors")
}

// writeIndented writes an answer as it came, in lines.
func writeIndented(out io.Writer, text json.RawMessage) error {
	_, err := fmt.Fprintln(out, indented(text))
	return err
}
