package placement

import (
	"context"
	"time"

	"virga/core/api"
)

type versionsView struct {
	Versions []versionView `json:"versions"`
}

type versionView struct {
	ID         string     `json:"id"`
	MaxVersion string     `json:"max_version"`
	MinVersion string     `json:"min_version"`
	Status     string     `json:"status"`
	Links      []linkView `json:"links"`
}

// rootShow answers with the version document. Its link is the empty relative reference,
// as the API has it: the document's own address, however the client reached it.
func (s *Service) rootShow(_ context.Context, r *api.Request) (any, error) {
	known := versions()
	return s.answer(r, versionsView{[]versionView{{
		ID: "v" + known.Min.String(), MaxVersion: known.Max.String(), MinVersion: known.Min.String(),
		Status: "CURRENT", Links: []linkView{{Rel: "self", Href: ""}},
	}}}, time.Time{}), nil
}
