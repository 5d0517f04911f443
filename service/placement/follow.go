package placement

import (
	"context"
	"strconv"
	"strings"

	"virga/core/api"
)

// followView is the answer to GET /internal/providers?since=CURSOR: the providers that
// changed since the answer which had that cursor, or all of them (Whole) when it is empty,
// is another process's or is from before a restart.
type followView struct {
	Cursor    string           `json:"cursor"`
	Whole     bool             `json:"whole"`
	Providers []followedView   `json:"providers"`
	Gone      []string         `json:"gone"`
	Names     map[int][]string `json:"traits"`
}

// followedView is one provider. Traits is a key of the answer's traits: most providers have
// the same ones.
type followedView struct {
	UUID       string                  `json:"uuid"`
	Traits     int                     `json:"traits"`
	Aggregates []string                `json:"aggregates,omitempty"`
	Resources  map[string]followedUnit `json:"resources"`
}

// followedUnit is an inventory: what may be allocated in all, what is, and the units of one allocation.
type followedUnit struct {
	Capacity int64 `json:"capacity"`
	Used     int64 `json:"used"`
	Min      int64 `json:"min"`
	Max      int64 `json:"max"`
	Step     int64 `json:"step"`
	// Ratio is how many times what there is may be allocated.
	Ratio float64 `json:"ratio"`
}

// providerFollow answers with what changed. It is as fresh as the database: what was
// committed before the request is in it.
func (s *Service) providerFollow(ctx context.Context, r *api.Request) (any, error) {
	var view followView
	err := s.image.look(ctx, func(f *forest) error {
		view = f.changesSince(s.image.name, r.Query.Get("since"))
		return nil
	})
	return view, err
}

// changesSince lists the providers that changed after a cursor of the forest called name.
func (f *forest) changesSince(name, cursor string) followView {
	since := int64(-1)
	if of, number, ok := strings.Cut(cursor, "."); ok && of == name {
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 {
			since = n
		}
	}
	view := followView{Cursor: name + "." + strconv.FormatInt(f.version, 10), Whole: since < 0, Providers: []followedView{}, Gone: []string{},
		Names: map[int][]string{}}
	keys := map[string]int{}
	for _, t := range f.order {
		if t.version <= since {
			continue
		}
		for _, n := range t.nodes {
			key, known := keys[n.traits.json]
			if !known {
				key = len(keys)
				keys[n.traits.json], view.Names[key] = key, n.traits.names
			}
			view.Providers = append(view.Providers, n.followed(key))
		}
	}
	if !view.Whole {
		for uuid, version := range f.gone {
			if version > since {
				view.Gone = append(view.Gone, uuid)
			}
		}
	}
	return view
}

func (n *node) followed(traits int) followedView {
	view := followedView{UUID: n.row.UUID, Traits: traits, Aggregates: n.aggregates, Resources: make(map[string]followedUnit, len(n.inventories))}
	for i := range n.inventories {
		inventory := &n.inventories[i]
		view.Resources[inventory.Class] = followedUnit{Capacity: inventory.capacity(), Used: inventory.Used,
			Min: inventory.MinUnit, Max: inventory.MaxUnit, Step: inventory.StepSize, Ratio: inventory.AllocationRatio}
	}
	return view
}
