package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"virga/core/api/events"
)

// EventsWanted says which changes of a running cloud are to be shown.
type EventsWanted struct {
	// Kinds, Actions, IDs and Projects narrow the changes down; empty: all.
	Kinds, Actions, IDs, Projects []string
	// Limit is how many of the newest changes are shown first.
	Limit int
	// Follow has changes be shown as they are made, until ctx ends.
	Follow bool
	// JSON has each change be shown as one line of JSON, as the services tell it.
	JSON bool
}

func (w *EventsWanted) query(follow bool) url.Values {
	query := url.Values{"kind": w.Kinds, "action": w.Actions, "id": w.IDs, "project_id": w.Projects}
	if !follow {
		query.Set("follow", "false")
	}
	return query
}

// againAfter is how long a broken stream waits before it is opened anew.
const againAfter = 2 * time.Second

// ShowEvents writes a line for each change of all services of a running cloud: the newest
// that are kept, in the order of their times, and with Follow those to come.
func ShowEvents(ctx context.Context, account Account, wanted EventsWanted, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	var newest []events.Event
	var errs []error
	positions := map[string]string{}
	for _, root := range cloud.roots {
		found, position, err := cloud.recentEvents(ctx, root, &wanted)
		switch {
		case statusOf(err) == http.StatusNotFound: // a service without events, or one that is not Virga's
			continue
		case err != nil:
			errs = append(errs, fmt.Errorf("read events of %s: %w", root, refusal(err)))
			continue
		}
		positions[root] = position
		newest = append(newest, found...)
	}
	slices.SortStableFunc(newest, func(a, b events.Event) int { return strings.Compare(a.Time, b.Time) })
	for i := range newest[max(0, len(newest)-wanted.Limit):] {
		writeEvent(out, &newest[max(0, len(newest)-wanted.Limit)+i], wanted.JSON)
	}
	if err := errors.Join(errs...); err != nil || !wanted.Follow {
		return err
	}
	return cloud.followEvents(ctx, account, &wanted, positions, out)
}

// openEvents opens the stream of a service behind a position.
func (r *remote) openEvents(ctx context.Context, root string, query url.Values, after string) (io.ReadCloser, error) {
	query = maps.Clone(query)
	query.Set("after", after)
	client := r.service(root)
	client.Header.Set("Accept", "text/event-stream")
	answer, err := client.Open(ctx, http.MethodGet, events.Path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// recentEvents reads what a service has kept, and remembers the newest.
func (r *remote) recentEvents(ctx context.Context, root string, wanted *EventsWanted) (newest []events.Event, position string, err error) {
	body, err := r.openEvents(ctx, root, wanted.query(false), "oldest")
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = body.Close() }()
	for reader := events.NewReader(body); ; {
		m, err := reader.Next()
		if err != nil {
			return nil, "", err
		}
		position = m.ID
		if m.Name == events.EndName {
			return newest, position, nil
		}
		if m.Data == nil {
			continue
		}
		var e events.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return nil, "", fmt.Errorf("read event %s: %w", m.ID, err)
		}
		if newest = append(newest, e); len(newest) > 2*max(wanted.Limit, 1) {
			newest = slices.Clone(newest[len(newest)-wanted.Limit:])
		}
	}
}

// followEvents shows what comes until ctx ends. A stream that breaks off is resumed.
func (r *remote) followEvents(ctx context.Context, account Account, wanted *EventsWanted, positions map[string]string, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var one sync.Mutex // the output is one line at a time
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	failed := make(chan error, len(positions))
	for root, position := range positions {
		all.Go(func() {
			show := func(e *events.Event) {
				one.Lock()
				defer one.Unlock()
				writeEvent(out, e, wanted.JSON)
			}
			failed <- r.followService(ctx, account, root, wanted, position, show)
		})
	}
	for range positions {
		if err := <-failed; err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// followService resumes a service's stream for ever, with another token when one has
// expired.
func (r *remote) followService(ctx context.Context, account Account, root string, wanted *EventsWanted, position string, show func(*events.Event)) error {
	for {
		began := time.Now()
		err := r.followOnce(ctx, root, wanted, &position, show)
		status := statusOf(err)
		if status == http.StatusUnauthorized {
			again, err := account.logIn(ctx)
			if err != nil {
				return err
			}
			if r = again; time.Since(began) > againAfter {
				continue
			}
		} else if status >= 400 && status < 500 && status != http.StatusTooManyRequests {
			return fmt.Errorf("follow events of %s: %w", root, refusal(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(againAfter):
		}
	}
}

// followOnce shows the events of one stream until it ends or breaks off.
func (r *remote) followOnce(ctx context.Context, root string, wanted *EventsWanted, position *string, show func(*events.Event)) error {
	body, err := r.openEvents(ctx, root, wanted.query(true), *position)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	for reader := events.NewReader(body); ; {
		m, err := reader.Next()
		if err != nil {
			return err
		}
		*position = m.ID
		if m.Data == nil || m.Name == events.EndName {
			continue
		}
		var e events.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return fmt.Errorf("read event %s: %w", m.ID, err)
		}
		show(&e)
	}
}

// writeEvent prints a change on one line.
func writeEvent(out io.Writer, e *events.Event, asJSON bool) {
	if asJSON {
		if text, err := json.Marshal(e); err == nil {
			fmt.Fprintf(out, "%s\n", text)
		}
		return
	}
	by := e.UserID
	switch {
	case by == "" && e.OperationID == "":
		by = "virga"
	case by == "":
		by = e.OperationID
	}
	fmt.Fprintf(out, "%s  %-9s  %s %s  %s  by %s  %s\n", plain(e.Time, 27), plain(e.Service, 16), plain(e.Kind, 32), plain(e.ID, 80), plain(e.Action, 32),
		plain(by, 64), plain(difference(e.Before, e.After), 300))
}

// difference names the fields that changed, with short values.
func difference(before, after json.RawMessage) string {
	var was, is map[string]json.RawMessage
	if json.Unmarshal(before, &was) != nil || json.Unmarshal(after, &is) != nil || was == nil || is == nil {
		return ""
	}
	names := slices.Collect(maps.Keys(is))
	for name := range was {
		if _, ok := is[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var changes []string
	for _, name := range names {
		switch name {
		case "updated", "updated_at", "revision_number", "generation":
			continue
		}
		if !bytes.Equal(was[name], is[name]) {
			changes = append(changes, name+": "+brief(was[name])+" → "+brief(is[name]))
		}
	}
	return strings.Join(changes, ", ")
}

// brief is a value in few characters.
func brief(value json.RawMessage) string {
	text := strings.Trim(string(value), `"`)
	if text == "" {
		return "-"
	}
	return plain(text, 60)
}
