package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"virga/core/db"
	"virga/core/token"
)

// catalogView is a service in the catalog of a token.
type catalogView struct {
	ID        string                `json:"id"`
	Type      string                `json:"type"`
	Name      string                `json:"name"`
	Endpoints []catalogEndpointView `json:"endpoints"`
}

type catalogEndpointView struct {
	ID        string `json:"id"`
	Interface string `json:"interface"`
	RegionID  string `json:"region_id"`
	Region    string `json:"region"`
	URL       string `json:"url"`
}

// place is a substitution in an endpoint's URL; these names alone are known.
var place = regexp.MustCompile(`[%$]\((project_id|tenant_id|user_id)\)s`)

// anyPlace is whatever looks like a substitution.
var anyPlace = regexp.MustCompile(`[%$]\([^)]*\)s`)

// checkURLTemplate refuses substitutions of names that are not known.
func checkURLTemplate(url string) error {
	for _, found := range anyPlace.FindAllString(url, -1) {
		if !place.MatchString(found) {
			return fmt.Errorf("substitution %s is not known", found)
		}
	}
	return nil
}

// catalogCache keeps the catalog between changes.
type catalogCache struct {
	mu         sync.Mutex
	generation uint64
	loaded     *loadedCatalog
}

type loadedCatalog struct {
	services []catalogView
	// plain is the rendered catalog when no URL depends on the caller.
	plain json.RawMessage
	// shown has the ids of the endpoints that each project sees which does not see all.
	shown map[string]map[string]bool
}

// forget has the next reader load the catalog anew.
func (c *catalogCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.loaded = nil
}

// get returns the catalog; load is called when it was forgotten.
func (c *catalogCache) get(load func() (*loadedCatalog, error)) (*loadedCatalog, error) {
	c.mu.Lock()
	loaded, generation := c.loaded, c.generation
	c.mu.Unlock()
	if loaded != nil {
		return loaded, nil
	}
	loaded, err := load()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation {
		c.loaded = loaded
	}
	return loaded, nil
}

// catalogFor renders the catalog that the bearer of a token sees.
func (s *Service) catalogFor(ctx context.Context, identity *token.Identity) (json.RawMessage, error) {
	catalog, err := s.catalog.get(func() (*loadedCatalog, error) { return s.loadCatalog(ctx) })
	if err != nil {
		return nil, err
	}
	if shown, some := catalog.shown[identity.Project.ID]; some {
		return json.Marshal(catalog.fill(identity, func(e catalogEndpointView) bool { return shown[e.ID] }))
	}
	if catalog.plain != nil {
		return catalog.plain, nil
	}
	return json.Marshal(catalog.fill(identity, func(catalogEndpointView) bool { return true }))
}

func (s *Service) loadCatalog(ctx context.Context) (*loadedCatalog, error) {
	var services []serviceRow
	var endpoints []endpointRow
	catalog := &loadedCatalog{services: []catalogView{}}
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if services, endpoints, err = catalogRows(tx); err == nil {
			catalog.shown, err = shownEndpoints(tx, endpoints)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	byService := map[string][]catalogEndpointView{}
	templated := false
	for _, e := range endpoints {
		templated = templated || anyPlace.MatchString(e.URL)
		byService[e.ServiceID] = append(byService[e.ServiceID], catalogEndpointView{e.ID, e.Interface, e.RegionID, e.RegionID, e.URL})
	}
	for _, row := range services {
		view := catalogView{row.ID, row.Type, row.Name, byService[row.ID]}
		if view.Endpoints == nil {
			view.Endpoints = []catalogEndpointView{}
		}
		catalog.services = append(catalog.services, view)
	}
	if !templated {
		catalog.plain, err = json.Marshal(catalog.services)
	}
	return catalog, err
}

// fill puts the caller's ids into the URLs of the endpoints that are to be seen. Those that
// need a project are left out for tokens without one.
func (c *loadedCatalog) fill(identity *token.Identity, seen func(catalogEndpointView) bool) []catalogView {
	filled := make([]catalogView, 0, len(c.services))
	for _, service := range c.services {
		endpoints := []catalogEndpointView{}
		for _, e := range service.Endpoints {
			var ok bool
			if e.URL, ok = fillURL(e.URL, identity); ok && seen(e) {
				endpoints = append(endpoints, e)
			}
		}
		service.Endpoints = endpoints
		filled = append(filled, service)
	}
	return filled
}

func fillURL(url string, identity *token.Identity) (string, bool) {
	ok := checkURLTemplate(url) == nil
	filled := place.ReplaceAllStringFunc(url, func(found string) string {
		value := identity.Project.ID
		if strings.Contains(found, "user_id") {
			value = identity.UserID
		}
		ok = ok && value != ""
		return value
	})
	return filled, ok
}
