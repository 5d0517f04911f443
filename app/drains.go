package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"virga/core/api"
)

// drainsPath is where compute tells which hosts are to be empty.
const drainsPath = "/internal/drains"

// drainLook is how often somebody who waits for a drain looks at it.
const drainLook = 2 * time.Second

// remoteDrain is a drain as compute tells it.
type remoteDrain struct {
	Host      string    `json:"host"`
	Reason    string    `json:"reason"`
	Status    string    `json:"status"`
	StartedAt time.Time `json:"started_at"`
	Moved     int       `json:"moved"`
	Moving    int       `json:"moving"`
	Stuck     int       `json:"stuck"`
	Servers   []struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Status string `json:"status"`
		Task   string `json:"task"`
		Stuck  string `json:"stuck"`
	} `json:"servers"`
}

func (d *remoteDrain) line() string {
	return fmt.Sprintf("%s is %s: %d servers moved, %d to move, %d cannot be moved", d.Host, d.Status, d.Moved, d.Moving, d.Stuck)
}

// compute returns a client for the cloud's compute service.
func (a Account) compute(ctx context.Context) (*api.Client, error) {
	cloud, err := a.logIn(ctx)
	if err != nil {
		return nil, err
	}
	for _, root := range cloud.roots {
		if strings.HasSuffix(root, "/compute") {
			return cloud.service(root), nil
		}
	}
	return nil, errors.New("the cloud has no compute service in its catalog")
}

func drainPath(host string) string { return drainsPath + "/" + url.PathEscape(host) }

// DrainHost has all servers leave a host and no new ones come. With wait it tells how far that is until no server can leave any more;
// servers that cannot are an error then.
func DrainHost(ctx context.Context, account Account, host, reason string, wait bool, out io.Writer) error {
	compute, err := account.compute(ctx)
	if err != nil {
		return err
	}
	var answer struct{ Drain remoteDrain }
	if err := compute.Do(ctx, http.MethodPut, drainPath(host), map[string]string{"reason": reason}, &answer); err != nil {
		return fmt.Errorf("drain %s: %w", host, refusal(err))
	}
	last := ""
	for {
		if line := answer.Drain.line(); line != last {
			last = line
			fmt.Fprintln(out, line)
		}
		if !wait || answer.Drain.Status != "draining" {
			break
		}
		select {
		case <-time.After(drainLook):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := compute.Do(ctx, http.MethodGet, drainPath(host), nil, &answer); err != nil {
			return fmt.Errorf("look at the drain of %s: %w", host, refusal(err))
		}
	}
	if wait && answer.Drain.Stuck > 0 {
		writeDrainServers(out, &answer.Drain)
		return fmt.Errorf("%d servers cannot be moved from %s", answer.Drain.Stuck, host)
	}
	return nil
}

// ShowDrains writes how far drains are: those of all hosts, or one with the servers that are still there.
func ShowDrains(ctx context.Context, account Account, host string, out io.Writer) error {
	compute, err := account.compute(ctx)
	if err != nil {
		return err
	}
	if host != "" {
		var answer struct{ Drain remoteDrain }
		if err := compute.Do(ctx, http.MethodGet, drainPath(host), nil, &answer); err != nil {
			return fmt.Errorf("look at the drain of %s: %w", host, refusal(err))
		}
		fmt.Fprintln(out, answer.Drain.line())
		writeDrainServers(out, &answer.Drain)
		return nil
	}
	var answer struct{ Drains []remoteDrain }
	if err := compute.Do(ctx, http.MethodGet, drainsPath, nil, &answer); err != nil {
		return fmt.Errorf("list drains: %w", refusal(err))
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tSTATUS\tMOVED\tTO MOVE\tSTUCK\tSINCE\tREASON")
	for i := range answer.Drains {
		d := &answer.Drains[i]
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", d.Host, d.Status, d.Moved, d.Moving, d.Stuck, d.StartedAt.Local().Format(time.DateTime), d.Reason)
	}
	return table.Flush()
}

func writeDrainServers(out io.Writer, d *remoteDrain) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range d.Servers {
		what := s.Task
		if s.Stuck != "" {
			what = "cannot be moved: " + s.Stuck
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.ID, s.Name, s.Status, what)
	}
	_ = table.Flush() // who does not read it has gone
}

// UndrainHost lets a host have servers again; those that left stay where they are.
func UndrainHost(ctx context.Context, account Account, host string, out io.Writer) error {
	compute, err := account.compute(ctx)
	if err != nil {
		return err
	}
	if err := compute.Do(ctx, http.MethodDelete, drainPath(host), nil, nil); err != nil {
		return fmt.Errorf("end the drain of %s: %w", host, refusal(err))
	}
	_, err = fmt.Fprintf(out, "%s may have servers again.\n", host)
	return err
}
