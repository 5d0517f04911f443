package placement

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

type traitsView struct {
	Traits []string `json:"traits"`
}

type providerTraitsView struct {
	Traits     []string `json:"traits"`
	Generation int64    `json:"resource_provider_generation"`
}

type traitsWrite struct {
	Traits     []string `json:"traits"`
	Generation int64    `json:"resource_provider_generation"`
}

const traitIsInvalid = `The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix ` +
	`"CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"`

// traitFilter says which traits a list shows.
type traitFilter struct {
	names      map[string]bool
	prefix     string
	associated string
}

func readTraitFilter(r *api.Request) (traitFilter, error) {
	var f traitFilter
	if err := checkQueryKeys(r, func(key string) bool { return key == "name" || key == "associated" }); err != nil {
		return f, err
	}
	if r.Query.Has("name") {
		given := lastValue(r, "name")
		operator, value, found := strings.Cut(given, ":")
		switch {
		case !found:
			return f, api.BadRequest("Badly formatted name parameter. Expected name query string parameter in form: "+
				"?name=[in|startswith]:[name1,name2|prefix]. Got: \"%s\"", given)
		case operator == "in":
			f.names = setOf(strings.Split(value, ","))
		case operator == "startswith":
			f.prefix = value
		}
	}
	if r.Query.Has("associated") {
		f.associated = strings.ToLower(lastValue(r, "associated"))
		if f.associated != "true" && f.associated != "false" {
			return f, api.BadRequest(`The query parameter "associated" only accepts "true" or "false"`)
		}
	}
	return f, nil
}

// traitList lists the traits that pass the query's filters, by name.
func (s *Service) traitList(ctx context.Context, r *api.Request) (any, error) {
	filter, err := readTraitFilter(r)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(s.names.traits)
	used := map[string]bool{}
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		custom, err := customTraits(tx)
		if err != nil {
			return err
		}
		for _, row := range custom {
			names = append(names, row.Name)
		}
		if filter.associated == "" {
			return nil
		}
		all, err := usedTraits(tx)
		used = setOf(all)
		return err
	})
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return filter.names != nil && !filter.names[name] || !strings.HasPrefix(name, filter.prefix) ||
			filter.associated == "true" && !used[name] || filter.associated == "false" && used[name]
	})
	return s.answer(r, traitsView{inOrder(names)}, time.Time{}), nil
}

// traitShow tells whether a trait exists.
func (s *Service) traitShow(ctx context.Context, r *api.Request) (any, error) {
	name := namePath(r)
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error { return s.checkTrait(tx, name) })
	if err != nil {
		return nil, asNotFound(err)
	}
	return &api.Response{Header: s.ageHeader(r, time.Time{})}, nil
}

// checkTrait refuses a trait that does not exist.
func (s *Service) checkTrait(tx *db.Tx, name string) error {
	found, err := s.hasTrait(tx, name)
	if err == nil && !found {
		return &refusal{missing, "No such trait(s): " + name + "."}
	}
	return err
}

// traitEnsure creates a custom trait unless it is there.
func (s *Service) traitEnsure(ctx context.Context, r *api.Request) (any, error) {
	name := namePath(r)
	if !isCustomName(name) {
		return nil, api.BadRequest(traitIsInvalid)
	}
	response := &api.Response{Header: s.ageHeader(r, time.Time{})}
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		found, err := s.hasTrait(tx, name)
		if err != nil || found {
			response.Status = http.StatusNoContent
			return err
		}
		response.Status = http.StatusCreated
		if err := insertTrait(tx, traitRow{name, s.deps.Clock.Now()}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "trait", ID: name, Action: "create", After: map[string]any{"name": name}})
	})
	if errors.Is(err, db.ErrDuplicate) {
		response.Status, err = http.StatusNoContent, nil
	}
	return located(r, response, "/traits/"+name), err
}

// traitDelete deletes a custom trait that no provider has.
func (s *Service) traitDelete(ctx context.Context, r *api.Request) (any, error) {
	name := namePath(r)
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := s.checkTrait(tx, name); err != nil {
			return err
		}
		if s.names.knownTraits[name] {
			return api.BadRequest("Cannot delete standard trait %s.", name)
		}
		used, err := traitInUse(tx, name)
		if err != nil {
			return err
		}
		if used {
			return api.Conflict("The trait %s is in use by a resource provider.", name)
		}
		if err := deleteTrait(tx, name); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "trait", ID: name, Action: "delete", Before: map[string]any{"name": name}})
	})
	return nil, asNotFound(err)
}

// providerTraitList lists the traits of a provider.
func (s *Service) providerTraitList(ctx context.Context, r *api.Request) (any, error) {
	var names []string
	provider, err := s.readProvider(ctx, r, func(tx *db.Tx, provider providerRow) (err error) {
		names, err = traitsOf(tx, provider.UUID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.answer(r, providerTraitsView{append([]string{}, names...), provider.Generation}, time.Time{}), nil
}

// providerTraitReplace makes the traits of a provider what the body says.
func (s *Service) providerTraitReplace(ctx context.Context, r *api.Request) (any, error) {
	var body traitsWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	names := slices.Compact(inOrder(body.Traits))
	provider, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		if provider.Generation != body.Generation {
			return concurrent(generationChanged)
		}
		var unknown []string
		for _, name := range names {
			found, err := s.hasTrait(tx, name)
			if err != nil {
				return err
			}
			if !found {
				unknown = append(unknown, printable(name))
			}
		}
		if len(unknown) > 0 {
			return api.BadRequest("No such trait %s", strings.Join(unknown, ", "))
		}
		return s.setProviderTraits(tx, r, provider, names)
	})
	if err != nil {
		return nil, err
	}
	return s.answer(r, providerTraitsView{append([]string{}, names...), provider.Generation}, time.Time{}), nil
}

// setProviderTraits writes the traits of a provider, whose generation grows only when
// they differ.
func (s *Service) setProviderTraits(tx *db.Tx, r *api.Request, provider *providerRow, names []string) error {
	former, err := traitsOf(tx, provider.UUID)
	if err != nil || slices.Equal(former, names) {
		return err
	}
	if err := replaceTraits(tx, provider, names); err != nil {
		return err
	}
	if err := bumpGeneration(tx, provider, s.deps.Clock.Now()); err != nil {
		return err
	}
	return s.record(tx, r, feed.Change{Kind: "resource_provider", ID: provider.UUID, Action: "update_traits",
		Before: map[string]any{"uuid": provider.UUID, "traits": former}, After: map[string]any{"uuid": provider.UUID, "traits": names}})
}

// providerTraitClear removes all traits of a provider.
func (s *Service) providerTraitClear(ctx context.Context, r *api.Request) (any, error) {
	_, err := s.changeProvider(ctx, r, func(tx *db.Tx, provider *providerRow) error {
		return s.setProviderTraits(tx, r, provider, nil)
	})
	return nil, err
}
