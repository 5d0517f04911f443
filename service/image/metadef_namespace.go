package image

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"virga/core/api"
	"virga/core/db"
)

// readMetadefPage reads limit, marker and sorting of a list of metadata definitions.
func readMetadefPage(r *api.Request) (marker string, limit int, order []db.Order, err error) {
	for name, values := range r.Query {
		for _, value := range values {
			if text := name + value; !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				return "", 0, nil, api.BadRequest("Invalid query parameter %q.", name)
			}
		}
	}
	limit = maxPage
	if text := r.Query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return "", 0, nil, api.BadRequest("limit param must be an integer")
		}
		if n < 0 {
			return "", 0, nil, api.BadRequest("limit param must be positive")
		}
		limit = min(n, maxPage)
	}
	key, dir := r.Query.Get("sort_key"), r.Query.Get("sort_dir")
	switch key {
	case "":
		key = "created_at"
	case "created_at", "updated_at", "name":
	case "namespace":
		key = "name"
	default:
		return "", 0, nil, api.BadRequest("Invalid sort key: %s", key)
	}
	if dir != "" && dir != "asc" && dir != "desc" {
		return "", 0, nil, api.BadRequest("Invalid sort direction: %s", dir)
	}
	return r.Query.Get("marker"), limit, []db.Order{{Column: key, Descending: dir != "asc"}}, nil
}

func (s *Service) namespaceList(ctx context.Context, r *api.Request) (any, error) {
	marker, limit, order, err := readMetadefPage(r)
	if err != nil {
		return nil, err
	}
	foreign := &namespace{Owner: "another", Visibility: visibilityPrivate}
	q := namespaceQuery{project: r.ProjectID(), seeAll: r.Can("get_metadef_namespace", foreign.PolicyTarget()),
		visibility: r.Query.Get("visibility"), order: order, limit: limit + 1}
	if q.visibility != "" && q.visibility != visibilityPublic && q.visibility != visibilityPrivate {
		return nil, api.BadRequest("Invalid visibility value: %s", q.visibility)
	}
	if q.resourceTypes, err = readResourceTypes(r); err != nil {
		return nil, err
	}
	var list []namespace
	var associations []definition
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		if marker != "" {
			n, err := findNamespace(tx, marker)
			if errors.Is(err, db.ErrNotFound) || err == nil && !r.Can("get_metadef_namespace", n.PolicyTarget()) {
				return errNoNamespace(marker)
			}
			if err != nil {
				return err
			}
			q.marker = n.ID
		}
		var err error
		if list, err = listNamespaces(tx, q); err != nil {
			return err
		}
		ids := make([]string, 0, len(list))
		for _, n := range list {
			ids = append(ids, n.ID)
		}
		associations, err = allDefinitions(tx, ids, definedResourceType)
		return err
	})
	if err != nil {
		return nil, err
	}
	view := namespacesView{Namespaces: []namespaceView{}, First: listLink(namespacesPath, r.Query, ""), Schema: namespacesSchema}
	if len(list) > limit {
		if list = list[:limit]; limit > 0 {
			view.Next = listLink(namespacesPath, r.Query, list[limit-1].Name)
		}
	}
	byNamespace := map[string][]definition{}
	for _, d := range associations {
		byNamespace[d.NamespaceID] = append(byNamespace[d.NamespaceID], d)
	}
	for i := range list {
		v := viewNamespace(&list[i])
		v.fill(byNamespace[list[i].ID])
		view.Namespaces = append(view.Namespaces, v)
	}
	return view, nil
}

// readNamespace reads what a body says of a namespace; what it does not say is as in a new one.
func (s *Service) readNamespace(r *api.Request) (*namespace, document, error) {
	var body document
	if err := r.Decode(&body); err != nil {
		return nil, nil, err
	}
	if err := refuseReadOnly(body); err != nil {
		return nil, nil, err
	}
	n := &namespace{Name: body.text("namespace"), DisplayName: body.text("display_name"), Description: body.text("description"),
		Visibility: body.text("visibility"), Owner: body.text("owner")}
	n.Protected, _ = body["protected"].(bool)
	if n.Visibility == "" {
		n.Visibility = visibilityPrivate
	}
	if n.Owner == "" {
		n.Owner = r.ProjectID()
	}
	return n, body, nil
}

func (s *Service) namespaceCreate(ctx context.Context, r *api.Request) (any, error) {
	n, body, err := s.readNamespace(r)
	if err != nil {
		return nil, err
	}
	if !r.Can("add_metadef_namespace", n.PolicyTarget()) {
		return nil, api.Forbidden("You are not permitted to create namespace owned by '%s'", n.Owner)
	}
	now := s.deps.Clock.Now()
	n.ID, n.CreatedAt, n.UpdatedAt = s.deps.Clock.ID(), now, now
	definitions, err := definitionsOf(n, body)
	if err != nil {
		return nil, err
	}
	view := viewNamespace(n)
	view.fill(definitions)
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		all, err := countNamespaces(tx)
		if err != nil {
			return err
		}
		if all >= maxNamespaces {
			return errTooManyDefinitions("namespaces", maxNamespaces)
		}
		if err := writeNamespace(tx, n, definitions); err != nil {
			return err
		}
		return s.recordMetadef(tx, r, "namespace", n.ID, "create", n.Owner, nil, view)
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil, api.Conflict("The metadata definition namespace=%s already exists.", n.Name)
	}
	if err != nil {
		return nil, err
	}
	return &api.Response{Header: http.Header{"Location": {r.URL(view.Self)}}, Body: view}, nil
}

// writeNamespace writes a new namespace with its definitions.
func writeNamespace(tx *db.Tx, n *namespace, definitions []definition) error {
	if err := insertNamespace(tx, n); err != nil {
		return err
	}
	for _, d := range definitions {
		if d.Kind == definedResourceType {
			if err := ensureResourceType(tx, d.Name, n.CreatedAt); err != nil {
				return err
			}
		}
		if err := insertDefinition(tx, d); err != nil {
			return err
		}
	}
	return nil
}

// definitionsOf reads the definitions that the body of a new namespace holds.
func definitionsOf(n *namespace, body document) ([]definition, error) {
	var list []definition
	seen := map[string]bool{}
	add := func(kind, name string, content document) error {
		key := kind + "\x00" + name
		if kind == definedTag {
			key = strings.ToLower(key)
		}
		if seen[key] {
			return errDefined(kind, name, n.Name)
		}
		seen[key] = true
		list = append(list, definition{NamespaceID: n.ID, Kind: kind, Name: name, Document: content, CreatedAt: n.CreatedAt, UpdatedAt: n.UpdatedAt})
		return nil
	}
	for _, part := range []struct{ member, kind string }{{"resource_type_associations", definedResourceType}, {"objects", definedObject}, {"tags", definedTag}} {
		items, _ := body[part.member].([]any)
		if len(items) > maxDefinitions {
			return nil, errTooManyDefinitions(part.member+" in a namespace", maxDefinitions)
		}
		for _, item := range items {
			members, _ := item.(map[string]any)
			content := document(members)
			if err := add(part.kind, content.text("name"), content.without("name", "created_at", "updated_at", "self", "schema")); err != nil {
				return nil, err
			}
		}
	}
	properties, _ := body["properties"].(map[string]any)
	if len(properties) > maxDefinitions {
		return nil, errTooManyDefinitions("properties in a namespace", maxDefinitions)
	}
	for name, property := range properties {
		members, _ := property.(map[string]any)
		if err := add(definedProperty, name, document(members).without("name")); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *Service) namespaceShow(ctx context.Context, r *api.Request) (any, error) {
	n := api.Loaded[*namespace](r)
	var definitions []definition
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		definitions, err = allDefinitions(tx, []string{n.ID})
		return err
	})
	if err != nil {
		return nil, err
	}
	view := viewNamespace(n)
	view.fill(definitions)
	wanted := r.Query.Get("resource_type")
	for _, d := range definitions {
		if prefix := d.Document.text("prefix"); d.Kind == definedResourceType && d.Name == wanted && prefix != "" {
			view.prefixed(prefix)
		}
	}
	return view, nil
}

// namespaceUpdate replaces what a namespace is; its definitions stay.
func (s *Service) namespaceUpdate(ctx context.Context, r *api.Request) (any, error) {
	wish, _, err := s.readNamespace(r)
	if err != nil {
		return nil, err
	}
	var view namespaceView
	err = s.changeNamespace(ctx, r, func(tx *db.Tx, was *namespace) error {
		n := *wish
		n.ID, n.CreatedAt, n.UpdatedAt = was.ID, was.CreatedAt, s.deps.Clock.Now()
		if err := r.May("modify_metadef_namespace", n.PolicyTarget()); err != nil {
			return err
		}
		if n.Name != was.Name {
			if _, err := findNamespace(tx, n.Name); err == nil {
				return api.Conflict("The metadata definition namespace=%s already exists.", n.Name)
			} else if !errors.Is(err, db.ErrNotFound) {
				return err
			}
		}
		if err := updateNamespace(tx, &n); err != nil {
			return err
		}
		view = viewNamespace(&n)
		return s.recordMetadef(tx, r, "namespace", n.ID, "update", n.Owner, viewNamespace(was), view)
	})
	if err != nil {
		return nil, err
	}
	return view, nil
}

func (s *Service) namespaceDelete(ctx context.Context, r *api.Request) (any, error) {
	return nil, s.changeNamespace(ctx, r, func(tx *db.Tx, n *namespace) error {
		if n.Protected {
			return errGuarded("namespace", n.Name)
		}
		if err := deleteNamespace(tx, n.ID); err != nil {
			return err
		}
		return s.recordMetadef(tx, r, "namespace", n.ID, "delete", n.Owner, viewNamespace(n), nil)
	})
}
