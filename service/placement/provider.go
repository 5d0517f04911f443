package placement

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

// providerCreate makes a provider, a root or the child of another.
func (s *Service) providerCreate(ctx context.Context, r *api.Request) (any, error) {
	var body providerWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row := providerRow{UUID: s.deps.Clock.ID(), Name: body.Name, Parent: body.Parent.Value, CreatedAt: s.deps.Clock.Now()}
	if body.UUID != "" {
		row.UUID, _ = normalUUID(body.UUID)
	}
	row.Root, row.UpdatedAt = row.UUID, row.CreatedAt
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := placeNewProvider(tx, &row); err != nil {
			return err
		}
		if err := refuseDuplicates(tx, row); err != nil {
			return err
		}
		if err := insertProvider(tx, row); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "resource_provider", ID: row.UUID, Action: "create", After: documentOfProvider(&row)})
	})
	if refused := refusedAs(err, badAction); refused != nil {
		return nil, api.BadRequest("Unable to create resource provider \"%s\", %s: Object action create failed because: %s",
			row.Name, row.UUID, refused.text)
	}
	if errors.Is(err, db.ErrDuplicate) { // another process made it in between
		return nil, duplicateProvider("name: " + row.Name)
	}
	if err != nil {
		return nil, err
	}
	response := &api.Response{}
	if since(r, createShowsProvider) {
		response = s.answer(r, s.viewProvider(r, row), row.UpdatedAt)
	}
	return located(r, response, "/resource_providers/"+row.UUID), nil
}

// placeNewProvider sets the root of a provider by its parent.
func placeNewProvider(tx *db.Tx, row *providerRow) error {
	if row.Name == "" {
		return &refusal{badAction, "name is required"}
	}
	if row.Parent == "" {
		return nil
	}
	if row.Parent == row.UUID {
		return &refusal{badAction, reasonParentIsItself}
	}
	parent, err := getProvider(tx, row.Parent)
	if errors.Is(err, db.ErrNotFound) {
		return &refusal{badAction, reasonParentIsMissing}
	}
	row.Root = parent.Root
	return err
}

func refuseDuplicates(tx *db.Tx, row providerRow) error {
	others, err := duplicatesOf(tx, row.UUID, row.Name)
	if err != nil || len(others) == 0 {
		return err
	}
	same := map[string]bool{}
	for _, other := range others {
		same["uuid"] = same["uuid"] || other.UUID == row.UUID
		same["name"] = same["name"] || other.Name == row.Name
	}
	var which []string
	if same["uuid"] {
		which = append(which, "uuid: "+row.UUID)
	}
	if same["name"] {
		which = append(which, "name: "+row.Name)
	}
	return duplicateProvider(strings.Join(which, ", "))
}

func duplicateProvider(which string) *api.Error {
	return api.Conflict("Conflicting resource provider %s already exists.", which).WithCode(codeDuplicateName)
}

// providerShow shows one provider.
func (s *Service) providerShow(ctx context.Context, r *api.Request) (any, error) {
	row, err := s.readProvider(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	return s.answer(r, s.viewProvider(r, row), row.UpdatedAt), nil
}

// readProvider reads the provider of the path and, in the same transaction, what then reads.
func (s *Service) readProvider(ctx context.Context, r *api.Request, then func(*db.Tx, providerRow) error) (providerRow, error) {
	uuid, err := providerUUID(r)
	if err != nil {
		return providerRow{}, err
	}
	var row providerRow
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		if row, err = findProvider(tx, uuid); err != nil || then == nil {
			return err
		}
		return then(tx, row)
	})
	return row, err
}

// providerDocument is a provider in the feed, without what hangs on it.
type providerDocument struct {
	UUID       string `json:"uuid"`
	Name       string `json:"name"`
	Parent     string `json:"parent_provider_uuid"`
	Root       string `json:"root_provider_uuid"`
	Generation int64  `json:"generation"`
}

func documentOfProvider(row *providerRow) *providerDocument {
	return &providerDocument{UUID: row.UUID, Name: row.Name, Parent: row.Parent, Root: row.Root, Generation: row.Generation}
}

// changeProvider reads the provider of the path and changes it in the same transaction;
// the row has the generation after the change.
func (s *Service) changeProvider(ctx context.Context, r *api.Request, change func(*db.Tx, *providerRow) error) (providerRow, error) {
	uuid, err := providerUUID(r)
	if err != nil {
		return providerRow{}, err
	}
	var row providerRow
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		var err error
		if row, err = findProvider(tx, uuid); err != nil {
			return err
		}
		return change(tx, &row)
	})
	return row, err
}

// providerUpdate renames a provider and gives it another parent.
func (s *Service) providerUpdate(ctx context.Context, r *api.Request) (any, error) {
	var body providerWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row, err := s.changeProvider(ctx, r, func(tx *db.Tx, row *providerRow) error {
		formerRoot, before := row.Root, documentOfProvider(row)
		row.Name, row.UpdatedAt = body.Name, s.deps.Clock.Now()
		if body.Parent.Given {
			if err := reparent(tx, row, body.Parent.Value, since(r, reparenting)); err != nil {
				return err
			}
		}
		if err := updateProvider(tx, *row, formerRoot); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "resource_provider", ID: row.UUID, Action: "update", Before: before, After: documentOfProvider(row)})
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil, duplicateProvider(body.Name)
	}
	if refused := refusedAs(err, badAction); refused != nil {
		return nil, api.BadRequest("Unable to save resource provider %s: Object action update failed because: %s", row.UUID, refused.text)
	}
	if err != nil {
		return nil, err
	}
	return s.answer(r, s.viewProvider(r, row), row.UpdatedAt), nil
}

// reparent moves a provider with all below it under another parent, or makes it a root.
func reparent(tx *db.Tx, row *providerRow, parent string, anyMove bool) error {
	if parent == row.Parent {
		return nil
	}
	if !anyMove && row.Parent != "" {
		if parent == "" {
			return &refusal{badAction, reasonUnparenting}
		}
		if _, err := getProvider(tx, parent); errors.Is(err, db.ErrNotFound) {
			return &refusal{badAction, reasonParentIsMissing}
		}
		return &refusal{badAction, reasonReparenting}
	}
	root := row.UUID
	if parent != "" {
		above, err := getProvider(tx, parent)
		if errors.Is(err, db.ErrNotFound) {
			return &refusal{badAction, reasonParentIsMissing}
		}
		if err != nil {
			return err
		}
		root = above.Root
	}
	tree, err := providersOfTree(tx, row.Root)
	if err != nil {
		return err
	}
	below := subtree(tree, row.UUID)
	for _, uuid := range below {
		if uuid == parent {
			return &refusal{badAction, reasonLoop}
		}
	}
	row.Parent = parent
	if root == row.Root {
		return nil
	}
	row.Root = root
	return moveToTree(tx, below, root)
}

// subtree lists the uuids of top and of all providers below it.
func subtree(tree []providerRow, top string) []string {
	children := map[string][]string{}
	for _, row := range tree {
		children[row.Parent] = append(children[row.Parent], row.UUID)
	}
	found := []string{top}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found
}

// providerDelete deletes a provider that has neither children nor allocations.
func (s *Service) providerDelete(ctx context.Context, r *api.Request) (any, error) {
	uuid, err := providerUUID(r)
	if err != nil {
		return nil, api.NotFound(providerNotFoundFormat+" for delete", printable(r.Param("uuid")))
	}
	return nil, s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		row, err := getProvider(tx, uuid)
		if errors.Is(err, db.ErrNotFound) {
			return api.NotFound(providerNotFoundFormat+" for delete", uuid)
		}
		if err != nil {
			return err
		}
		parent, err := hasChildren(tx, uuid)
		if err != nil {
			return err
		}
		if parent {
			return api.Conflict("Unable to delete parent resource provider %s: It has child resource providers.", uuid).
				WithCode(codeProviderIsParent)
		}
		used, err := hasAllocations(tx, uuid)
		if err != nil {
			return err
		}
		if used {
			return api.Conflict("Unable to delete resource provider %s: Resource provider has allocations.", uuid).
				WithCode(codeProviderInUse)
		}
		if err := deleteProvider(tx, row); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "resource_provider", ID: uuid, Action: "delete", Before: documentOfProvider(&row)})
	})
}

// providerList lists the providers that pass all filters of the query.
func (s *Service) providerList(ctx context.Context, r *api.Request) (any, error) {
	filter, err := readProviderFilter(r)
	if err != nil {
		return nil, err
	}
	view := providersView{Providers: []any{}}
	var modified time.Time
	err = s.image.look(ctx, func(known *forest) error {
		if err := filter.checkNames(s.names, known); err != nil {
			return err
		}
		for _, p := range filter.find(known) {
			view.Providers = append(view.Providers, s.viewProvider(r, p.row))
			modified = later(modified, p.row.UpdatedAt)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	response := s.answer(r, view, modified)
	response.Status = http.StatusOK
	return response, nil
}
