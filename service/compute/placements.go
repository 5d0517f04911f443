package compute

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"virga/core/api"
	"virga/core/db"
)

// placementView is a decision of the scheduler as it was kept. It lists the hosts that were chosen or nearest to it
// (decision.hosts, at most 20) and counts all of them; a dry run lists all.
type placementView struct {
	ID          string `json:"id"`
	Action      string `json:"action"`
	OperationID string `json:"operation_id,omitempty"`
	// Refused says that a request was refused by it, so that there is no operation.
	Refused   bool            `json:"refused"`
	Attempt   int             `json:"attempt"`
	Looks     int             `json:"looks"`
	RequestID string          `json:"request_id"`
	ProjectID string          `json:"project_id"`
	UserID    string          `json:"user_id"`
	BeganAt   time.Time       `json:"began_at"`
	DecidedAt time.Time       `json:"decided_at"`
	Wanted    json.RawMessage `json:"wanted"`
	Decision  json.RawMessage `json:"decision"`
}

func viewPlacement(k *keptDecision) placementView {
	return placementView{ID: k.ID, Action: actionNames[k.Kind], OperationID: k.OperationID, Refused: k.OperationID == "", Attempt: k.Attempt, Looks: k.Looks,
		RequestID: k.RequestID, ProjectID: k.ProjectID, UserID: k.UserID, BeganAt: k.BeganAt.UTC(), DecidedAt: k.DecidedAt.UTC(),
		Wanted: json.RawMessage(k.Wanted), Decision: json.RawMessage(k.Decision)}
}

// maxPlacements bounds a page of decisions.
const maxPlacements = 100

// placementList answers GET /internal/servers/{server_id}/placements: what the scheduler decided for a server, newest first.
func (s *Service) placementList(ctx context.Context, r *api.Request) (any, error) {
	page, err := (api.Paging{Max: maxPlacements, Default: 20}).Read(r.Query)
	if err != nil {
		return nil, err
	}
	var rows []keptDecision
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = decisionsOfServer(tx, r.Param("server_id"), page.Marker, page.Limit+1)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, api.BadRequest("marker [%s] not found", oneLine(page.Marker, 60))
	}
	if err != nil {
		return nil, err
	}
	views := []placementView{}
	for i := range rows[:min(len(rows), page.Limit)] {
		views = append(views, viewPlacement(&rows[i]))
	}
	row := api.Loaded[serverTarget](r).server
	document := map[string]any{"server": map[string]string{"id": row.ID, "name": row.Name, "host": row.Host, "status": row.VMState}, "placements": views}
	if len(rows) > page.Limit {
		document["placements_links"] = nextLinks(r, true, views[len(views)-1].ID)
	}
	return document, nil
}
