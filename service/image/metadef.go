package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// Metadata definitions tell clients which properties mean something on which resources.
// They are a catalog for people and user interfaces: nothing is checked against them.

// The kinds of definitions in a namespace, as the rows have them.
const (
	definedObject       = "object"
	definedProperty     = "property"
	definedTag          = "tag"
	definedResourceType = "resource_type" // the association of one with the namespace
)

// maxDefinitions is how many definitions of one kind a namespace may have, maxNamespaces
// and maxResourceTypes how many of these there may be.
const (
	maxDefinitions   = 1000
	maxNamespaces    = 10000
	maxResourceTypes = 1000
)

// namespace is a named set of definitions. Empty strings stand for what was not given.
type namespace struct {
	ID          string    `db:"id"`
	Name        string    `db:"name"`
	DisplayName string    `db:"display_name"`
	Description string    `db:"description"`
	Visibility  string    `db:"visibility"` // public or private
	Protected   bool      `db:"protected"`
	Owner       string    `db:"owner"`
	CreatedAt   time.Time `db:"created_at"`
	UpdatedAt   time.Time `db:"updated_at"`
}

// PolicyTarget implements api.Target.
func (n *namespace) PolicyTarget() authz.Target {
	return authz.Target{"project_id": n.Owner, "owner": n.Owner, "visibility": n.Visibility, "protected": n.Protected, "namespace": n.Name}
}

// document is the content of a definition, as its API has it without its name and times.
type document map[string]any

// UnmarshalJSON implements json.Unmarshaler; numbers keep their digits.
func (d *document) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(d))
}

// definition is an object, a property, a tag or an association of a namespace.
type definition struct {
	NamespaceID string    `db:"namespace_id"`
	Kind        string    `db:"kind"`
	Name        string    `db:"name"`
	Document    document  `db:"document,json"`
	CreatedAt   time.Time `db:"created_at"`
	UpdatedAt   time.Time `db:"updated_at"`
}

// resourceType is a kind of resource of any service: OS::Nova::Server.
type resourceType struct {
	Name      string    `db:"name"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

func errNoNamespace(name string) error {
	return api.NotFound("Metadata definition namespace=%s was not found.", name)
}

// errNoDefinition is the answer for a definition that a namespace does not have.
func errNoDefinition(kind, name, namespace string) error {
	switch kind {
	case definedTag:
		return api.NotFound("The metadata definition tag with name=%s was not found in namespace=%s.", name, namespace)
	case definedResourceType:
		return api.NotFound("The metadata definition resource-type association of resource-type=%s to namespace=%s, was not found.", name, namespace)
	}
	return api.NotFound("The metadata definition %s with name=%s was not found in namespace=%s.", kind, name, namespace)
}

// errDefined is the answer for a second definition of a name.
func errDefined(kind, name, namespace string) error {
	switch kind {
	case definedTag:
		return api.Conflict("A metadata tag with name=%s already exists in namespace=%s. (Please note that metadata tag names are case insensitive).", name, namespace)
	case definedResourceType:
		return api.Conflict("The metadata definition resource-type association of resource-type=%s to namespace=%s already exists.", name, namespace)
	}
	return api.Conflict("A metadata definition %s with name=%s already exists in namespace=%s.", kind, name, namespace)
}

// errGuarded is the answer for taking something from a protected namespace.
func errGuarded(kind, name string) error {
	if kind == definedResourceType {
		kind = "resource-type-association"
	}
	return api.Forbidden("Metadata definition %s %s is protected and cannot be deleted.", kind, name)
}

func errTooManyDefinitions(what string, most int) error {
	return api.TooLarge("There may be at most %d %s.", most, what)
}

// loadNamespace finds the namespace of the path for a caller who may see it.
func (s *Service) loadNamespace(ctx context.Context, r *api.Request) (api.Target, error) {
	name := r.Param("namespace")
	var n *namespace
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) (err error) {
		n, err = findNamespace(tx, name)
		return err
	})
	if err == nil && !r.Can("get_metadef_namespace", n.PolicyTarget()) {
		err = db.ErrNotFound
	}
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoNamespace(name)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// changeNamespace calls change with the loaded namespace as it is now, in a transaction.
func (s *Service) changeNamespace(ctx context.Context, r *api.Request, change func(tx *db.Tx, n *namespace) error) error {
	loaded := api.Loaded[*namespace](r)
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := findNamespace(tx, loaded.Name)
		if errors.Is(err, db.ErrNotFound) || err == nil && n.ID != loaded.ID {
			return errNoNamespace(loaded.Name)
		}
		if err != nil {
			return err
		}
		return change(tx, n)
	})
	if errors.Is(err, db.ErrDuplicate) {
		return api.Conflict("The metadata definition was made by another request at the same time.").Because(err)
	}
	return err
}

// recordMetadef writes a change of a definition into the feed; id is the namespace's, or
// that and the definition's name.
func (s *Service) recordMetadef(tx *db.Tx, r *api.Request, kind, id, action, owner string, before, after any) error {
	return s.feed.Record(tx, feed.Change{Kind: "metadef_" + kind, ID: id, Action: action, OwnerProjectID: owner, Before: before, After: after,
		At: s.deps.Clock.Now(), RequestID: r.ID, UserID: r.UserID(), ProjectID: r.ProjectID()})
}

// refuseReadOnly refuses what only the service sets. The schema of a body lets these names
// through so that clients get this answer for them.
func refuseReadOnly(body document) error {
	for _, name := range []string{"created_at", "updated_at", "self", "schema"} {
		if _, given := body[name]; given {
			return errReadOnly(name)
		}
	}
	return nil
}

// text is a member of a document that is a string, or empty.
func (d document) text(name string) string {
	value, _ := d[name].(string)
	return value
}

// without is a copy that lacks some members.
func (d document) without(names ...string) document {
	rest := make(document, len(d))
	for name, value := range d {
		rest[name] = value
	}
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}
