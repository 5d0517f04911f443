package network

import (
	"regexp"
	"strconv"
	"time"

	"virga/core/api"
	"virga/core/authz"
)

// standard is what every resource has; its columns stand in each table.
type standard struct {
	ID          string    `db:"id"`
	ProjectID   string    `db:"project_id"`
	Description string    `db:"description"`
	Revision    int64     `db:"revision"`
	CreatedAt   time.Time `db:"created_at"`
	UpdatedAt   time.Time `db:"updated_at"`
	// Tags are kept in a table of their own.
	Tags []string `db:"-"`
}

// identified lets machinery that serves all resources reach the common part.
type identified interface{ common() *standard }

func (s *standard) common() *standard { return s }

// standardView is the common part of all bodies.
type standardView struct {
	ID          string   `json:"id"`
	ProjectID   string   `json:"project_id"`
	TenantID    string   `json:"tenant_id"`
	Description string   `json:"description"`
	Revision    int64    `json:"revision_number"`
	CreatedAt   string   `json:"created_at"`
	UpdatedAt   string   `json:"updated_at"`
	Tags        []string `json:"tags"`
}

func (s *standard) view() standardView {
	return standardView{
		ID: s.ID, ProjectID: s.ProjectID, TenantID: s.ProjectID, Description: s.Description, Revision: s.Revision,
		CreatedAt: timestamp(s.CreatedAt), UpdatedAt: timestamp(s.UpdatedAt), Tags: listed(s.Tags),
	}
}

// timestamp is the form of times of the standard attributes.
func timestamp(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }

// listed turns no list into an empty one, for JSON.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// orNull is nil for the empty string.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// bodyStandard is the common part of all request bodies.
type bodyStandard struct {
	ProjectID   given[string] `json:"project_id"`
	TenantID    given[string] `json:"tenant_id"`
	Description given[string] `json:"description"`
}

// newStandard mints the common part of a new resource.
func (s *Service) newStandard(project string, body bodyStandard) standard {
	now := s.deps.Clock.Now()
	return standard{ID: s.deps.Clock.ID(), ProjectID: project, Description: body.Description.Value,
		Revision: 0, CreatedAt: now, UpdatedAt: now}
}

// touch marks a row as changed.
func (s *Service) touch(row *standard) {
	row.Revision++
	row.UpdatedAt = s.deps.Clock.Now()
}

// ownerOf decides which project a new resource belongs to: the caller's own, or another
// when an administrator or a service says so.
func ownerOf(r *api.Request, body bodyStandard) (string, error) {
	asked := body.ProjectID.or(body.TenantID.Value)
	if body.ProjectID.Set && body.TenantID.Set && body.ProjectID.Value != body.TenantID.Value {
		return "", api.BadRequest("'project_id' and 'tenant_id' do not match")
	}
	own := r.ProjectID()
	switch {
	case asked == "" && own == "":
		return "", api.BadRequest("The token has no project: specify project_id.")
	case asked == "" || asked == own:
		return own, nil
	case !r.Can("admin_or_service", authz.Target{}):
		return "", api.BadRequest("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges")
	}
	return asked, nil
}

// owned is the policy target of a resource that knows its project only.
func owned(project string) authz.Target {
	return authz.Target{"project_id": project, "tenant_id": project}
}

// withNetwork adds the network that a resource belongs to.
func withNetwork(target authz.Target, n *network) authz.Target {
	target["network:project_id"], target["network:tenant_id"] = n.ProjectID, n.ProjectID
	target["network:shared"], target["network:router:external"] = n.Shared, n.External
	return target
}

// seesAll tells whether the caller may read the resources of every project.
func seesAll(r *api.Request) bool { return r.Can("admin_or_service", authz.Target{}) }

// reach is how far away a loaded resource is from its caller: what it may not see is
// answered with 404, what it sees and may not do with 403.
type reach struct {
	visible bool
	missing error
}

// HiddenError implements api.Hidden.
func (v reach) HiddenError() error {
	if v.visible {
		return nil
	}
	return v.missing
}

var constraint = regexp.MustCompile(`^revision_number=([0-9]{1,18})$`)

// checkRevision compares the header If-Match, where there is one, with the revision of
// the resource at the moment of the change.
func checkRevision(r *api.Request, row *standard) error {
	header := r.HTTP.Header.Get("If-Match")
	if header == "" {
		return nil
	}
	match := constraint.FindStringSubmatch(header)
	if match == nil {
		return api.BadRequest("Invalid value for header If-Match: it must have the form revision_number=N.")
	}
	if match[1] != strconv.FormatInt(row.Revision, 10) {
		return api.Errorf(412, "Constrained to %s, but current revision is: %d", match[1], row.Revision).
			WithCode("RevisionNumberConstraintFailed")
	}
	return nil
}

// printable tells whether an id out of a path or a query can be in the database at all.
func printable(id string) bool {
	if id == "" || len(id) > 255 {
		return false
	}
	for _, c := range id {
		if c < ' ' || c == 0x7f || c == 0xfffd {
			return false
		}
	}
	return true
}
