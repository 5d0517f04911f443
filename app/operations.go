package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
)

// operationsPath is where services with durable operations show them (core/api/operations).
const operationsPath = "/internal/operations"

// remoteOperation is an operation as a service tells it.
type remoteOperation struct {
	ID            string          `json:"id"`
	Kind          string          `json:"kind"`
	ResourceKind  string          `json:"resource_kind"`
	ResourceID    string          `json:"resource_id"`
	ProjectID     string          `json:"project_id"`
	UserID        string          `json:"user_id"`
	RequestID     string          `json:"request_id"`
	State         string          `json:"state"`
	Step          string          `json:"step"`
	StepStartedAt time.Time       `json:"step_started_at"`
	Tries         int             `json:"tries"`
	LastError     string          `json:"last_error"`
	Error         string          `json:"error"`
	Cancelled     bool            `json:"cancelled"`
	WakeAt        time.Time       `json:"wake_at"`
	Deadline      time.Time       `json:"deadline"`
	CreatedAt     time.Time       `json:"created_at"`
	FinishedAt    time.Time       `json:"finished_at"`
	Worker        string          `json:"worker"`
	LeaseUntil    time.Time       `json:"lease_until"`
	Epoch         int64           `json:"epoch"`
	Steps         []string        `json:"steps"`
	Events        []remoteEvent   `json:"events"`
	Params        json.RawMessage `json:"params"`
	Frame         json.RawMessage `json:"frame"`

	// ParentID started this one; Children were started by it.
	ParentID string            `json:"parent_id"`
	Children []remoteOperation `json:"children"`
}

// remoteEvent is a step of it that ended.
type remoteEvent struct {
	Step       string    `json:"step"`
	Undo       bool      `json:"undo"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	Error      string    `json:"error"`
}

// ListOperations writes a table of the operations of all services of a running cloud,
// newest first: those that are unfinished, or all; at most limit of each service.
func ListOperations(ctx context.Context, account Account, all bool, limit int, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tKIND\tRESOURCE\tSTATE\tSTEP\tIN STEP\tTRIES\tAGE\tDEADLINE\tLAST ERROR")
	var errs []error
	now, more := time.Now(), false
	for _, root := range cloud.roots {
		found, left, err := cloud.listOperations(ctx, root, all, limit)
		if err != nil {
			errs = append(errs, fmt.Errorf("list operations of %s: %w", root, refusal(err)))
		}
		more = more || left
		for i := range found {
			writeRow(table, &found[i], now)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(out, "There are more than %d; --limit shows them.\n", limit)
	}
	return errors.Join(errs...)
}

// listOperations walks the pages of one service; left tells that there are more than limit.
// A service without durable operations has none.
func (r *remote) listOperations(ctx context.Context, root string, all bool, limit int) (found []remoteOperation, left bool, err error) {
	query := url.Values{}
	if !all {
		query.Set("unfinished", "true")
	}
	for {
		query.Set("limit", fmt.Sprint(limit-len(found)))
		var page struct {
			Operations []remoteOperation `json:"operations"`
			Links      []json.RawMessage `json:"operations_links"`
		}
		err := r.service(root).Do(ctx, http.MethodGet, operationsPath+"?"+query.Encode(), nil, &page)
		if statusOf(err) == http.StatusNotFound {
			return nil, false, nil
		}
		if err != nil {
			return found, false, err
		}
		found = append(found, page.Operations...)
		if len(page.Links) == 0 || len(page.Operations) == 0 || len(found) >= limit {
			return found, len(page.Links) > 0, nil
		}
		query.Set("marker", found[len(found)-1].ID)
	}
}

func writeRow(out io.Writer, o *remoteOperation, now time.Time) {
	inStep, deadline := "-", "-"
	if o.FinishedAt.IsZero() {
		inStep, deadline = age(now.Sub(o.StepStartedAt)), until(o.Deadline, now)
	}
	fmt.Fprintf(out, "%s\t%s\t%s %s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", plain(o.ID, 64), plain(o.Kind, 64), plain(o.ResourceKind, 64),
		plain(o.ResourceID, 64), o.stateText(), plain(o.Step, 64), inStep, o.Tries, age(now.Sub(o.CreatedAt)), deadline, orDash(plain(o.trouble(), 80)))
}

// trouble is what is worth reading first.
func (o *remoteOperation) trouble() string {
	if o.LastError != "" {
		return o.LastError
	}
	return o.Error
}

func (o *remoteOperation) stateText() string {
	if o.Cancelled && o.FinishedAt.IsZero() {
		return plain(o.State, 16) + ", cancelled"
	}
	return plain(o.State, 16)
}

// findOperation asks every service for the operation.
func (r *remote) findOperation(ctx context.Context, id string) (root string, o *remoteOperation, err error) {
	var errs []error
	for _, root := range r.roots {
		var answer struct{ Operation remoteOperation }
		err := r.service(root).Do(ctx, http.MethodGet, operationsPath+"/"+url.PathEscape(id), nil, &answer)
		switch {
		case err == nil:
			return root, &answer.Operation, nil
		case statusOf(err) != http.StatusNotFound:
			errs = append(errs, fmt.Errorf("ask %s for operation %s: %w", root, id, refusal(err)))
		}
	}
	if len(errs) > 0 {
		return "", nil, errors.Join(errs...)
	}
	return "", nil, fmt.Errorf("there is no operation %s", id)
}

// ShowOperation writes all that is known of one operation.
func ShowOperation(ctx context.Context, account Account, id string, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	root, o, err := cloud.findOperation(ctx, id)
	if err != nil {
		return err
	}
	o.write(out, root, time.Now())
	return nil
}

// RetryOperation has a waiting operation go on at once.
func RetryOperation(ctx context.Context, account Account, id string, out io.Writer) error {
	return actOnOperation(ctx, account, id, map[string]any{"retry": map[string]any{}}, out)
}

// AbandonOperation ends an operation as it stands; the reason is kept with it.
func AbandonOperation(ctx context.Context, account Account, id, because string, out io.Writer) error {
	if strings.TrimSpace(because) == "" {
		return errors.New("abandon an operation: a reason is needed (--because), which is kept with it")
	}
	return actOnOperation(ctx, account, id, map[string]any{"abandon": map[string]any{"because": because}}, out)
}

func actOnOperation(ctx context.Context, account Account, id string, action any, out io.Writer) error {
	cloud, err := account.logIn(ctx)
	if err != nil {
		return err
	}
	root, _, err := cloud.findOperation(ctx, id)
	if err != nil {
		return err
	}
	var answer struct{ Operation remoteOperation }
	if err := cloud.service(root).Do(ctx, http.MethodPost, operationsPath+"/"+url.PathEscape(id)+"/action", action, &answer); err != nil {
		return refusal(err)
	}
	o := answer.Operation
	fmt.Fprintf(out, "%s of %s %s is %s, in step %s.\n", plain(o.Kind, 64), plain(o.ResourceKind, 64), plain(o.ResourceID, 64), o.stateText(), plain(o.Step, 64))
	return nil
}
