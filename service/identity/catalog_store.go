package identity

import (
	"errors"

	"virga/core/db"
)

// regionRow is a region of the catalog.
type regionRow struct {
	ID          string         `db:"id"`
	Description string         `db:"description"`
	ParentID    string         `db:"parent_region_id"`
	Extra       map[string]any `db:"extra,json"`
}

// serviceRow is a service of the catalog.
type serviceRow struct {
	ID          string         `db:"id"`
	Name        string         `db:"name"`
	Type        string         `db:"type"`
	Enabled     bool           `db:"enabled"`
	Description string         `db:"description"`
	Extra       map[string]any `db:"extra,json"`
}

// endpointRow is one address of a service.
type endpointRow struct {
	ID        string         `db:"id"`
	ServiceID string         `db:"service_id"`
	RegionID  string         `db:"region_id"`
	Interface string         `db:"interface"`
	URL       string         `db:"url"`
	Enabled   bool           `db:"enabled"`
	Name      string         `db:"name"`
	Extra     map[string]any `db:"extra,json"`
}

// catalogRows reads the enabled services and endpoints.
func catalogRows(tx *db.Tx) ([]serviceRow, []endpointRow, error) {
	var services []serviceRow
	if err := tx.Select(&services, "SELECT "+db.Columns(serviceRow{}, "")+" FROM services WHERE enabled = 1 ORDER BY type, id"); err != nil {
		return nil, nil, err
	}
	var endpoints []endpointRow
	err := tx.Select(&endpoints, "SELECT "+db.Columns(endpointRow{}, "")+" FROM endpoints WHERE enabled = 1 ORDER BY interface, id")
	return services, endpoints, err
}

func regionByID(tx *db.Tx, id string) (regionRow, error) {
	var row regionRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM regions WHERE id = ?", id)
	return row, err
}

func serviceByID(tx *db.Tx, id string) (serviceRow, error) {
	var row serviceRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM services WHERE id = ?", id)
	return row, err
}

// catalogDocument is a row of the catalog in the feed, nil while it is not there.
func catalogDocument(tx *db.Tx, kind, id string) (any, error) {
	var document any
	var err error
	switch kind {
	case "region":
		var row regionRow
		row, err = regionByID(tx, id)
		document = documentOfRegion(row)
	case "service":
		var row serviceRow
		row, err = serviceByID(tx, id)
		document = documentOfService(row)
	default:
		var row endpointRow
		row, err = endpointByID(tx, id)
		document = documentOfEndpoint(row)
	}
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	return document, err
}

func endpointByID(tx *db.Tx, id string) (endpointRow, error) {
	var row endpointRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM endpoints WHERE id = ?", id)
	return row, err
}

// allEndpoints reads every endpoint, as many as a list holds.
func allEndpoints(tx *db.Tx) ([]endpointRow, error) {
	var rows []endpointRow
	err := tx.Select(&rows, "SELECT "+db.Columns(endpointRow{}, "")+" FROM endpoints ORDER BY id LIMIT ?", maxList+1)
	return rows, err
}

// serviceNamed finds the service of a type and name, the oldest id first.
func serviceNamed(tx *db.Tx, kind, name string) (serviceRow, error) {
	var row serviceRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM services WHERE type = ? AND name = ? ORDER BY id LIMIT 1", kind, name)
	return row, err
}

// endpointAt finds the address of a service for an interface in a region.
func endpointAt(tx *db.Tx, serviceID, region, face string) (endpointRow, error) {
	var row endpointRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM endpoints WHERE service_id = ? AND region_id = ? AND interface = ? ORDER BY id LIMIT 1",
		serviceID, region, face)
	return row, err
}

// saveCatalog writes a row of the catalog, new or changed.
func saveCatalog(c *change, table, kind, action, id string, row any) error {
	before, err := catalogDocument(c.Tx, kind, id)
	if err != nil {
		return err
	}
	if err := c.Upsert(table, row, "id"); err != nil {
		return err
	}
	c.forgetCatalog()
	after, err := catalogDocument(c.Tx, kind, id)
	if err != nil {
		return err
	}
	return c.record(kind, action, id, before, after)
}

// removeService deletes a service with its endpoints.
func removeService(c *change, id string) error {
	var endpoints []string
	if err := c.Select(&endpoints, "SELECT id FROM endpoints WHERE service_id = ? ORDER BY id", id); err != nil {
		return err
	}
	for _, endpoint := range endpoints {
		if err := removeCatalog(c, "endpoints", "endpoint", endpoint); err != nil {
			return err
		}
	}
	return removeCatalog(c, "services", "service", id)
}

func removeCatalog(c *change, table, kind, id string) error {
	before, err := catalogDocument(c.Tx, kind, id)
	if err != nil {
		return err
	}
	if err := removeAssociations(c, kind, id); err != nil {
		return err
	}
	if _, err := c.Exec("DELETE FROM "+table+" WHERE id = ?", id); err != nil {
		return err
	}
	c.forgetCatalog()
	return c.record(kind, "delete", id, before, nil)
}

// removeAssociations deletes what refers to a row of the catalog that goes.
func removeAssociations(c *change, kind, id string) error {
	if kind == "endpoint" {
		if _, err := c.Exec("DELETE FROM project_endpoints WHERE endpoint_id = ?", id); err != nil {
			return err
		}
	}
	if kind != "endpoint" {
		if err := removeLimitsOf(c, kind+"_id", id); err != nil {
			return err
		}
	}
	_, err := c.Exec("DELETE FROM policy_associations WHERE "+kind+"_id = ?", id)
	return err
}

// regionUsed tells whether a region has endpoints or regions below it.
func regionUsed(tx *db.Tx, id string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT (SELECT COUNT(*) FROM endpoints WHERE region_id = ?) + (SELECT COUNT(*) FROM regions WHERE parent_region_id = ?)", id, id)
	return n > 0, err
}
