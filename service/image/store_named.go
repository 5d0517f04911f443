package image

import (
	"fmt"
	"slices"
	"strings"

	"virga/core/api"
	"virga/service/image/store"
)

// NamedStore is a store with what clients call it.
type NamedStore struct {
	Name, Description string
	Store             store.Store
	// Path is the folder that it keeps content in, which administrators may see.
	Path string
}

// storeHTTP is what clients call the read-only store of content that stays at its URL.
const storeHTTP = "http"

// firstStore is the store that data goes to where no other is named.
func (s *Service) firstStore() NamedStore { return s.stores[0] }

// storeNames are the stores that take data.
func (s *Service) storeNames() []string {
	names := make([]string, len(s.stores))
	for i, named := range s.stores {
		names[i] = named.Name
	}
	return names
}

// storeFor finds a store that keeps content; an empty name is that of the first.
func (s *Service) storeFor(name string) (store.Store, error) {
	if name == "" {
		return s.firstStore().Store, nil
	}
	i := slices.IndexFunc(s.stores, func(named NamedStore) bool { return named.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("image store %s is not configured", name)
	}
	return s.stores[i].Store, nil
}

// checkStores refuses stores whose names are not told apart.
func checkStores(stores []NamedStore) error {
	seen := map[string]bool{storeHTTP: true}
	for _, named := range stores {
		if seen[named.Name] || named.Name == "" || strings.Contains(named.Name, ",") {
			return fmt.Errorf("image store %q: it needs a name of its own", named.Name)
		}
		seen[named.Name] = true
	}
	return nil
}

// storesAsked are the stores that an import names: in its body, by a header, or none, which
// is the first.
func (s *Service) storesAsked(r *api.Request, body importBody) ([]string, error) {
	header := r.HTTP.Header.Get(headerStore)
	switch {
	case body.AllStores && (len(body.Stores) > 0 || header != ""):
		return nil, api.BadRequest("All_stores parameter can't be used with x-image-meta-store header or stores parameter")
	case len(body.Stores) > 0 && header != "":
		return nil, api.BadRequest("Stores parameter and x-image-meta-store header can't be both specified")
	case body.AllStores:
		return s.storeNames(), nil
	}
	names := body.Stores
	if len(names) == 0 {
		names = []string{s.firstStore().Name}
		if header != "" {
			names[0] = header
		}
	}
	var asked []string
	for _, name := range names {
		if name == storeHTTP {
			return nil, api.Conflict("Store '%s' is read-only.", name)
		}
		if !slices.Contains(s.storeNames(), name) {
			return nil, api.Conflict("Unknown store '%s'.", name)
		}
		if !slices.Contains(asked, name) {
			asked = append(asked, name)
		}
	}
	return asked, nil
}
