package placement

import (
	"context"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
)

// Words that the API has for consumers without a type, and for all of them.
const (
	unknownType = "unknown"
	allTypes    = "all"
)

type providerUsagesView struct {
	Generation int64            `json:"resource_provider_generation"`
	Usages     map[string]int64 `json:"usages"`
}

type usagesView struct {
	Usages map[string]int64 `json:"usages"`
}

type typedUsagesView struct {
	Usages map[string]map[string]int64 `json:"usages"`
}

// providerUsageShow shows how much of each inventory of a provider is used.
func (s *Service) providerUsageShow(ctx context.Context, r *api.Request) (any, error) {
	view := providerUsagesView{Usages: map[string]int64{}}
	provider, err := s.readProvider(ctx, r, func(tx *db.Tx, provider providerRow) error {
		rows, err := inventoriesOf(tx, provider.UUID)
		for _, row := range rows {
			view.Usages[row.Class] = row.Used
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	view.Generation = provider.Generation
	return s.answer(r, view, time.Time{}), nil
}

// usageProject is the project whose usage is asked for.
type usageProject string

// PolicyTarget implements api.Target.
func (p usageProject) PolicyTarget() authz.Target { return authz.Target{"project_id": string(p)} }

func loadUsageProject(_ context.Context, r *api.Request) (api.Target, error) {
	return usageProject(lastValue(r, "project_id")), nil
}

// usageQuery is a checked query for usages.
type usageQuery struct{ project, user, consumerType string }

func readUsageQuery(r *api.Request) (usageQuery, error) {
	err := checkQueryKeys(r, func(key string) bool {
		return key == "project_id" || key == "user_id" || key == "consumer_type" && since(r, consumerTypes)
	})
	if err != nil {
		return usageQuery{}, err
	}
	if !r.Query.Has("project_id") {
		return usageQuery{}, badQuery("'project_id' is a required property")
	}
	for key := range r.Query {
		if value := lastValue(r, key); value == "" || len(value) > maxName {
			why, keyword := "short", "minLength"
			if value != "" {
				why, keyword = "long", "maxLength"
			}
			return usageQuery{}, badQuery("'%s' is too %s%s in '%s'", printable(value), why, failedValidating(keyword), key)
		}
	}
	q := usageQuery{lastValue(r, "project_id"), lastValue(r, "user_id"), lastValue(r, "consumer_type")}
	if q.consumerType != "" && q.consumerType != allTypes && q.consumerType != unknownType && !isName(q.consumerType) {
		return q, badQuery("'%s' does not match '^[A-Z0-9_]+$|^all|^unknown$'", printable(q.consumerType))
	}
	return q, nil
}

// usageShow shows how much a project uses in all, from microversion 1.38 on by the type
// of consumer.
func (s *Service) usageShow(ctx context.Context, r *api.Request) (any, error) {
	query, err := readUsageQuery(r)
	if err != nil {
		return nil, err
	}
	var rows []usageRow
	var counts []consumerCountRow
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		if rows, err = usagesOfProject(tx, query.project, query.user); err != nil || !since(r, consumerTypes) {
			return err
		}
		counts, err = consumerCounts(tx, query.project, query.user)
		return err
	})
	if err != nil {
		return nil, err
	}
	if since(r, consumerTypes) {
		return s.answer(r, typedUsagesView{usagesByType(rows, counts, query.consumerType)}, time.Time{}), nil
	}
	view := usagesView{map[string]int64{}}
	for _, row := range rows {
		view.Usages[row.Class] += row.Used
	}
	return s.answer(r, view, time.Time{}), nil
}

// usagesByType sums usages up by type: all types apart when wanted is empty, one of
// them, or all as one.
func usagesByType(rows []usageRow, counts []consumerCountRow, wanted string) map[string]map[string]int64 {
	group := func(consumerType string) (string, bool) {
		if consumerType == "" {
			consumerType = unknownType
		}
		if wanted == allTypes {
			return allTypes, true
		}
		return consumerType, wanted == "" || wanted == consumerType
	}
	usages := map[string]map[string]int64{}
	for _, row := range rows {
		if name, shown := group(row.Type); shown {
			if usages[name] == nil {
				usages[name] = map[string]int64{}
			}
			usages[name][row.Class] += row.Used
		}
	}
	for _, row := range counts {
		if name, shown := group(row.Type); shown && usages[name] != nil {
			usages[name]["consumer_count"] += row.Count
		}
	}
	return usages
}
