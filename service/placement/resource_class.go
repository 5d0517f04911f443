package placement

import (
	"context"
	"errors"
	"net/http"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

type resourceClassWrite struct {
	Name string `json:"name"`
}

type resourceClassView struct {
	Name  string     `json:"name"`
	Links []linkView `json:"links"`
}

type resourceClassesView struct {
	Classes []resourceClassView `json:"resource_classes"`
}

func (s *Service) viewClass(name string) resourceClassView {
	return resourceClassView{name, []linkView{{"self", s.prefix + "/resource_classes/" + name}}}
}

// resourceClassList lists the standard classes and then the custom ones.
func (s *Service) resourceClassList(ctx context.Context, r *api.Request) (any, error) {
	var custom []classRow
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		custom, err = customClasses(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	view := resourceClassesView{}
	for _, name := range s.names.classes {
		view.Classes = append(view.Classes, s.viewClass(name))
	}
	for _, row := range custom {
		view.Classes = append(view.Classes, s.viewClass(row.Name))
	}
	return s.answer(r, view, time.Time{}), nil
}

// resourceClassCreate creates a custom class.
func (s *Service) resourceClassCreate(ctx context.Context, r *api.Request) (any, error) {
	var body resourceClassWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	created, err := s.ensureClass(ctx, r, body.Name)
	if err != nil {
		return nil, err
	}
	if !created {
		return nil, api.Conflict("Conflicting resource class already exists: %s", body.Name)
	}
	return located(r, &api.Response{}, "/resource_classes/"+body.Name), nil
}

// ensureClass creates a custom class and tells whether it was not there.
func (s *Service) ensureClass(ctx context.Context, r *api.Request, name string) (created bool, err error) {
	now := s.deps.Clock.Now()
	err = s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		found, err := customExists(tx, "resource_classes", name)
		if err != nil || found {
			created = false
			return err
		}
		created = true
		if err := insertClass(tx, classRow{name, now, now}); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "resource_class", ID: name, Action: "create", After: map[string]any{"name": name}})
	})
	if errors.Is(err, db.ErrDuplicate) {
		return false, nil
	}
	return created, err
}

// resourceClassShow shows one class.
func (s *Service) resourceClassShow(ctx context.Context, r *api.Request) (any, error) {
	name := namePath(r)
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error { return s.checkClass(tx, name) })
	if err != nil {
		return nil, asNotFound(err)
	}
	return s.answer(r, s.viewClass(name), time.Time{}), nil
}

// asNotFound answers a name in the path that does not exist.
func asNotFound(err error) error {
	if refused := refusedAs(err, missing); refused != nil {
		return api.NotFound("%s", refused.text)
	}
	return err
}

// resourceClassRename renames a custom class (until microversion 1.6).
func (s *Service) resourceClassRename(ctx context.Context, r *api.Request) (any, error) {
	var body resourceClassWrite
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	name := namePath(r)
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := s.checkClass(tx, name); err != nil {
			return err
		}
		if s.names.knownClass[name] {
			return api.BadRequest("Cannot update standard resource class %s", name)
		}
		if name == body.Name {
			return nil
		}
		if err := renameClass(tx, name, body.Name, s.deps.Clock.Now()); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "resource_class", ID: body.Name, Action: "update",
			Before: map[string]any{"name": name}, After: map[string]any{"name": body.Name}})
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil, api.Conflict("Resource class already exists: %s", body.Name)
	}
	if err != nil {
		return nil, asNotFound(err)
	}
	return &api.Response{Body: s.viewClass(body.Name)}, nil
}

// resourceClassEnsure creates a custom class unless it is there (from microversion 1.7 on).
func (s *Service) resourceClassEnsure(ctx context.Context, r *api.Request) (any, error) {
	name := namePath(r)
	if !isCustomName(name) {
		why, keyword := "does not match '^CUSTOM_[A-Z0-9_]+$'", "pattern"
		if len(name) > maxName {
			why, keyword = "is too long", "maxLength"
		}
		return nil, api.BadRequest("JSON does not validate: '%s' %s%s", name, why, failedValidating(keyword))
	}
	created, err := s.ensureClass(ctx, r, name)
	if err != nil {
		return nil, err
	}
	response := &api.Response{Status: http.StatusNoContent}
	if created {
		response.Status = http.StatusCreated
	}
	return located(r, response, "/resource_classes/"+name), nil
}

// resourceClassDelete deletes a custom class that no inventory has.
func (s *Service) resourceClassDelete(ctx context.Context, r *api.Request) (any, error) {
	name := namePath(r)
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		if err := s.checkClass(tx, name); err != nil {
			return err
		}
		if s.names.knownClass[name] {
			return api.BadRequest("Error in delete resource class: Cannot delete standard resource class %s.", name)
		}
		used, err := classInUse(tx, name)
		if err != nil {
			return err
		}
		if used {
			return api.Conflict("Error in delete resource class: Cannot delete resource class %s. Class is in use in inventory.", name)
		}
		if err := deleteClass(tx, name); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{Kind: "resource_class", ID: name, Action: "delete", Before: map[string]any{"name": name}})
	})
	return nil, asNotFound(err)
}
