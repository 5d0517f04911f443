package image

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// Objects, properties, tags and associations of a namespace differ in their documents
// alone; the handlers are made for each kind. param names the parameter of their paths.

// define writes a definition of a namespace that does not have its name yet.
func (s *Service) define(tx *db.Tx, r *api.Request, n *namespace, d definition) error {
	taken, err := definedAs(tx, n.ID, d.Kind, d.Name)
	if err != nil {
		return err
	}
	if taken != "" {
		return errDefined(d.Kind, d.Name, n.Name)
	}
	count, err := countDefinitions(tx, n.ID, d.Kind)
	if err != nil {
		return err
	}
	if count >= maxDefinitions {
		return errTooManyDefinitions("definitions of one kind in a namespace", maxDefinitions)
	}
	if err := insertDefinition(tx, d); err != nil {
		return err
	}
	return s.recordMetadef(tx, r, d.Kind, n.ID+"/"+d.Name, "create", n.Owner, nil, viewDefinition(n.Name, d))
}

// newDefinition is a definition as a body describes it.
func (s *Service) newDefinition(n *namespace, kind, name string, body document) definition {
	now := s.deps.Clock.Now()
	return definition{NamespaceID: n.ID, Kind: kind, Name: name, Document: body.without("name"), CreatedAt: now, UpdatedAt: now}
}

// readDefinition reads the body of a definition.
func readDefinition(r *api.Request) (document, error) {
	var body document
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return body, refuseReadOnly(body)
}

// definitionCreate answers a POST to the list of a kind.
func (s *Service) definitionCreate(kind string) api.Handler {
	return func(ctx context.Context, r *api.Request) (any, error) {
		body, err := readDefinition(r)
		if err != nil {
			return nil, err
		}
		return s.createDefinition(ctx, r, kind, body.text("name"), body)
	}
}

// tagDefine answers a POST to the address of a tag, which has no body.
func (s *Service) tagDefine(ctx context.Context, r *api.Request) (any, error) {
	name := r.Param("tag_name")
	if err := checkDefinedName(name); err != nil {
		return nil, err
	}
	return s.createDefinition(ctx, r, definedTag, name, document{})
}

// checkDefinedName refuses a name of a path that no definition may have.
func checkDefinedName(name string) error {
	if err := checkText("name", name); err != nil {
		return err
	}
	if len([]rune(name)) > 80 {
		return api.BadRequest("Invalid input for field/attribute name: more than 80 characters.")
	}
	return nil
}

func (s *Service) createDefinition(ctx context.Context, r *api.Request, kind, name string, body document) (any, error) {
	var view document
	err := s.changeNamespace(ctx, r, func(tx *db.Tx, n *namespace) error {
		d := s.newDefinition(n, kind, name, body)
		view = viewDefinition(n.Name, d)
		if kind == definedResourceType {
			if err := ensureResourceType(tx, name, d.CreatedAt); err != nil {
				return err
			}
		}
		return s.define(tx, r, n, d)
	})
	if err != nil {
		return nil, err
	}
	response := &api.Response{Status: http.StatusCreated, Body: view}
	if self, ok := view["self"].(string); ok {
		response.Header = http.Header{"Location": {r.URL(self)}}
	}
	return response, nil
}

// tagsReplace gives a namespace exactly these tags, or these besides those it has.
func (s *Service) tagsReplace(ctx context.Context, r *api.Request) (any, error) {
	body, err := readDefinition(r)
	if err != nil {
		return nil, err
	}
	keep, _ := api.ParseBool(r.HTTP.Header.Get("X-Openstack-Append"))
	items, _ := body["tags"].([]any)
	view := map[string]any{"tags": items}
	if items == nil {
		view["tags"] = []any{}
	}
	err = s.changeNamespace(ctx, r, func(tx *db.Tx, n *namespace) error {
		if !keep {
			if err := deleteDefinitions(tx, n.ID, definedTag); err != nil {
				return err
			}
		}
		for _, item := range items {
			tag, _ := item.(map[string]any)
			if err := s.define(tx, r, n, s.newDefinition(n, definedTag, document(tag).text("name"), nil)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return view, nil
}

// definitionPage reads one page of a namespace's definitions of a kind, and the next marker.
func (s *Service) definitionPage(ctx context.Context, r *api.Request, kind string) (list []definition, next string, err error) {
	marker, limit, order, err := readMetadefPage(r)
	if err != nil {
		return nil, "", err
	}
	n := api.Loaded[*namespace](r)
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = listDefinitions(tx, n.ID, kind, order, marker, limit+1)
		return err
	})
	if errors.Is(err, db.ErrMarker) {
		return nil, "", errNoDefinition(kind, marker, n.Name)
	}
	if len(list) > limit {
		if list = list[:limit]; limit > 0 {
			next = list[limit-1].Name
		}
	}
	return list, next, err
}

func (s *Service) objectList(ctx context.Context, r *api.Request) (any, error) {
	return s.listDefinitions(ctx, r, definedObject, "objects", objectsSchema)
}

func (s *Service) tagList(ctx context.Context, r *api.Request) (any, error) {
	return s.listDefinitions(ctx, r, definedTag, "tags", tagsSchema)
}

func (s *Service) listDefinitions(ctx context.Context, r *api.Request, kind, member, schema string) (any, error) {
	list, next, err := s.definitionPage(ctx, r, kind)
	if err != nil {
		return nil, err
	}
	n := api.Loaded[*namespace](r)
	path := namespacePath(n.Name) + "/" + member
	items := make([]document, 0, len(list))
	for _, d := range list {
		items = append(items, viewDefinition(n.Name, d))
	}
	view := map[string]any{member: items, "first": listLink(path, r.Query, ""), "schema": schema}
	if next != "" {
		view["next"] = listLink(path, r.Query, next)
	}
	return view, nil
}

// propertyList answers with the properties by their names, not paged.
func (s *Service) propertyList(ctx context.Context, r *api.Request) (any, error) {
	n := api.Loaded[*namespace](r)
	var list []definition
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = allDefinitions(tx, []string{n.ID}, definedProperty)
		return err
	})
	if err != nil {
		return nil, err
	}
	properties := make(map[string]any, len(list))
	for _, d := range list {
		properties[d.Name] = viewDefinition(n.Name, d)
	}
	return map[string]any{"properties": properties}, nil
}

// definition finds the definition that the path names.
func (s *Service) definition(ctx context.Context, r *api.Request, kind, name string) (d definition, err error) {
	n := api.Loaded[*namespace](r)
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		d, err = findDefinition(tx, n.ID, kind, name)
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		err = errNoDefinition(kind, name, n.Name)
	}
	return d, err
}

func (s *Service) definitionShow(kind, param string) api.Handler {
	return func(ctx context.Context, r *api.Request) (any, error) {
		d, err := s.definition(ctx, r, kind, r.Param(param))
		if err != nil {
			return nil, err
		}
		return viewDefinition(api.Loaded[*namespace](r).Name, d), nil
	}
}

// propertyShow shows a property, by the name that resources of a type know it under when
// the query names the type.
func (s *Service) propertyShow(ctx context.Context, r *api.Request) (any, error) {
	name := r.Param("property_name")
	if kind := r.Query.Get("resource_type"); kind != "" {
		association, err := s.definition(ctx, r, definedResourceType, kind)
		if err != nil {
			return nil, err
		}
		prefix := association.Document.text("prefix")
		short, found := strings.CutPrefix(name, prefix)
		if prefix == "" || !found {
			return nil, api.NotFound("Property %s does not start with the expected resource type association prefix of '%s'.", name, prefix)
		}
		name = short
	}
	d, err := s.definition(ctx, r, definedProperty, name)
	if err != nil {
		return nil, err
	}
	return viewDefinition(api.Loaded[*namespace](r).Name, d), nil
}

// definitionUpdate replaces a definition, its name included.
func (s *Service) definitionUpdate(kind, param string) api.Handler {
	return func(ctx context.Context, r *api.Request) (any, error) {
		body, err := readDefinition(r)
		if err != nil {
			return nil, err
		}
		var view document
		err = s.changeNamespace(ctx, r, func(tx *db.Tx, n *namespace) error {
			was, err := findDefinition(tx, n.ID, kind, r.Param(param))
			if errors.Is(err, db.ErrNotFound) {
				return errNoDefinition(kind, r.Param(param), n.Name)
			}
			if err != nil {
				return err
			}
			d := s.newDefinition(n, kind, body.text("name"), body)
			d.CreatedAt = was.CreatedAt
			taken, err := definedAs(tx, n.ID, kind, d.Name)
			if err != nil {
				return err
			}
			if taken != "" && taken != was.Name {
				return errDefined(kind, d.Name, n.Name)
			}
			if err := deleteDefinition(tx, n.ID, kind, was.Name); err != nil {
				return err
			}
			if err := insertDefinition(tx, d); err != nil {
				return err
			}
			view = viewDefinition(n.Name, d)
			return s.recordMetadef(tx, r, kind, n.ID+"/"+d.Name, "update", n.Owner, viewDefinition(n.Name, was), view)
		})
		if err != nil {
			return nil, err
		}
		return view, nil
	}
}

func (s *Service) definitionDelete(kind, param string) api.Handler {
	return func(ctx context.Context, r *api.Request) (any, error) {
		return nil, s.changeNamespace(ctx, r, func(tx *db.Tx, n *namespace) error {
			d, err := findDefinition(tx, n.ID, kind, r.Param(param))
			if errors.Is(err, db.ErrNotFound) {
				return errNoDefinition(kind, r.Param(param), n.Name)
			}
			if err != nil {
				return err
			}
			if n.Protected {
				return errGuarded(kind, d.Name)
			}
			if err := deleteDefinition(tx, n.ID, kind, d.Name); err != nil {
				return err
			}
			return s.recordMetadef(tx, r, kind, n.ID+"/"+d.Name, "delete", n.Owner, viewDefinition(n.Name, d), nil)
		})
	}
}

// definitionsDelete removes all definitions of a kind.
func (s *Service) definitionsDelete(kind string) api.Handler {
	return func(ctx context.Context, r *api.Request) (any, error) {
		return nil, s.changeNamespace(ctx, r, func(tx *db.Tx, n *namespace) error {
			if n.Protected {
				return errGuarded("namespace", n.Name)
			}
			if err := deleteDefinitions(tx, n.ID, kind); err != nil {
				return err
			}
			return s.recordMetadef(tx, r, kind, n.ID, "delete_all", n.Owner, nil, nil)
		})
	}
}

func (s *Service) resourceTypeList(ctx context.Context, _ *api.Request) (any, error) {
	var list []resourceType
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = listResourceTypes(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	view := make([]resourceTypeView, 0, len(list))
	for _, t := range list {
		view = append(view, resourceTypeView{t.Name, isoTime(t.CreatedAt), isoTime(t.UpdatedAt)})
	}
	return map[string]any{"resource_types": view}, nil
}

// associationList lists the resource types that a namespace is meant for.
func (s *Service) associationList(ctx context.Context, r *api.Request) (any, error) {
	n := api.Loaded[*namespace](r)
	var list []definition
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = allDefinitions(tx, []string{n.ID}, definedResourceType)
		return err
	})
	if err != nil {
		return nil, err
	}
	view := make([]document, 0, len(list))
	for _, d := range list {
		view = append(view, viewDefinition(n.Name, d))
	}
	return map[string]any{"resource_type_associations": view}, nil
}
