package image

import (
	"time"

	"virga/core/db"
)

// namespaceQuery is what a list of namespaces asks for.
type namespaceQuery struct {
	// project is the caller's, who sees its own and public namespaces; seeAll lifts that.
	project       string
	seeAll        bool
	visibility    string
	resourceTypes []string
	order         []db.Order
	marker        string // a namespace's id
	limit         int
}

// findNamespace finds a namespace by its name, or db.ErrNotFound.
func findNamespace(tx *db.Tx, name string) (*namespace, error) {
	var n namespace
	if err := tx.Get(&n, "SELECT "+db.Columns(namespace{}, "")+" FROM metadef_namespaces WHERE name = ?", name); err != nil {
		return nil, err
	}
	return &n, nil
}

func listNamespaces(tx *db.Tx, q namespaceQuery) ([]namespace, error) {
	l := &db.List{From: "metadef_namespaces", Key: "id", Order: q.order, Marker: q.marker, LooseMarker: true, Limit: q.limit}
	if !q.seeAll {
		l.Where("(owner = ? OR visibility = 'public')", q.project)
	}
	if q.visibility != "" {
		l.Where("visibility = ?", q.visibility)
	}
	if len(q.resourceTypes) > 0 {
		marks, args := db.In(q.resourceTypes)
		l.Where("id IN (SELECT namespace_id FROM metadef_definitions WHERE kind = 'resource_type' AND name IN "+marks+")", args...)
	}
	var list []namespace
	err := tx.List(&list, l)
	return list, err
}

func countNamespaces(tx *db.Tx) (int, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM metadef_namespaces")
	return n, err
}

func insertNamespace(tx *db.Tx, n *namespace) error { return tx.Insert("metadef_namespaces", n) }

func updateNamespace(tx *db.Tx, n *namespace) error { return tx.Update("metadef_namespaces", n, "id") }

// deleteNamespace removes a namespace with all definitions in it.
func deleteNamespace(tx *db.Tx, id string) error {
	if _, err := tx.Exec("DELETE FROM metadef_definitions WHERE namespace_id = ?", id); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM metadef_namespaces WHERE id = ?", id)
	return err
}

// allDefinitions are the definitions of namespaces, in the order of their kinds and names;
// kinds empty means all.
func allDefinitions(tx *db.Tx, namespaceIDs []string, kinds ...string) ([]definition, error) {
	if len(namespaceIDs) == 0 {
		return nil, nil
	}
	marks, args := db.In(namespaceIDs)
	condition := "namespace_id IN " + marks
	if len(kinds) > 0 {
		marks, names := db.In(kinds)
		condition, args = condition+" AND kind IN "+marks, append(args, names...)
	}
	var list []definition
	err := tx.Select(&list, "SELECT "+db.Columns(definition{}, "")+" FROM metadef_definitions WHERE "+condition+
		" ORDER BY namespace_id, kind, created_at, name", args...)
	return list, err
}

// listDefinitions is one page of a namespace's definitions of a kind.
func listDefinitions(tx *db.Tx, namespaceID, kind string, order []db.Order, marker string, limit int) ([]definition, error) {
	l := &db.List{From: "metadef_definitions", Key: "name", Order: order, Marker: marker, Limit: limit}
	l.Where("namespace_id = ?", namespaceID).Where("kind = ?", kind)
	var list []definition
	err := tx.List(&list, l)
	return list, err
}

// findDefinition finds a definition, or db.ErrNotFound.
func findDefinition(tx *db.Tx, namespaceID, kind, name string) (definition, error) {
	var d definition
	err := tx.Get(&d, "SELECT "+db.Columns(definition{}, "")+" FROM metadef_definitions WHERE namespace_id = ? AND kind = ? AND name = ?", namespaceID, kind, name)
	return d, err
}

// definedAs returns the name under which a namespace has a definition: tags are the same in
// any case of their letters. Empty: it has none.
func definedAs(tx *db.Tx, namespaceID, kind, name string) (string, error) {
	condition := "name = ?"
	if kind == definedTag {
		condition = "LOWER(name) = LOWER(?)"
	}
	var found []string
	err := tx.Select(&found, "SELECT name FROM metadef_definitions WHERE namespace_id = ? AND kind = ? AND "+condition+" LIMIT 1", namespaceID, kind, name)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

func countDefinitions(tx *db.Tx, namespaceID, kind string) (int, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM metadef_definitions WHERE namespace_id = ? AND kind = ?", namespaceID, kind)
	return n, err
}

func insertDefinition(tx *db.Tx, d definition) error { return tx.Insert("metadef_definitions", d) }

func deleteDefinition(tx *db.Tx, namespaceID, kind, name string) error {
	_, err := tx.Exec("DELETE FROM metadef_definitions WHERE namespace_id = ? AND kind = ? AND name = ?", namespaceID, kind, name)
	return err
}

func deleteDefinitions(tx *db.Tx, namespaceID, kind string) error {
	_, err := tx.Exec("DELETE FROM metadef_definitions WHERE namespace_id = ? AND kind = ?", namespaceID, kind)
	return err
}

// listResourceTypes lists all resource types; there are at most maxResourceTypes.
func listResourceTypes(tx *db.Tx) ([]resourceType, error) {
	var list []resourceType
	err := tx.Select(&list, "SELECT "+db.Columns(resourceType{}, "")+" FROM metadef_resource_types ORDER BY name LIMIT ?", maxResourceTypes)
	return list, err
}

// ensureResourceType makes a resource type known.
func ensureResourceType(tx *db.Tx, name string, now time.Time) error {
	var known, all int
	if err := tx.Get(&known, "SELECT COUNT(*) FROM metadef_resource_types WHERE name = ?", name); err != nil || known > 0 {
		return err
	}
	if err := tx.Get(&all, "SELECT COUNT(*) FROM metadef_resource_types"); err != nil {
		return err
	}
	if all >= maxResourceTypes {
		return errTooManyDefinitions("resource types", maxResourceTypes)
	}
	return tx.Insert("metadef_resource_types", resourceType{name, now, now})
}

// standardsLoaded are the names of standard namespaces that were loaded before, whatever
// became of them.
func standardsLoaded(tx *db.Tx) ([]string, error) {
	var names []string
	err := tx.Select(&names, "SELECT name FROM metadef_loaded")
	return names, err
}

func noteStandardLoaded(tx *db.Tx, name string, now time.Time) error {
	_, err := tx.Exec("INSERT INTO metadef_loaded (name, loaded_at) VALUES (?, ?)", name, now)
	return err
}
