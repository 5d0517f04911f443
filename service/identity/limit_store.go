package identity

import (
	"errors"

	"virga/core/db"
)

// registeredLimitRow is how much of a resource every project may have.
type registeredLimitRow struct {
	ID           string `db:"id" json:"id"`
	ServiceID    string `db:"service_id" json:"service_id"`
	RegionID     string `db:"region_id" json:"region_id"`
	ResourceName string `db:"resource_name" json:"resource_name"`
	DefaultLimit int64  `db:"default_limit" json:"default_limit"`
	Description  string `db:"description" json:"description"`
}

// limitRow is how much of a resource one project or domain may have instead.
type limitRow struct {
	ID            string `db:"id" json:"id"`
	RegisteredID  string `db:"registered_limit_id" json:"registered_limit_id"`
	ProjectID     string `db:"project_id" json:"project_id"`
	DomainID      string `db:"domain_id" json:"domain_id"`
	ResourceLimit int64  `db:"resource_limit" json:"resource_limit"`
	Description   string `db:"description" json:"description"`
}

// wholeLimit is a limit with what it is registered for.
type wholeLimit struct {
	limitRow
	ServiceID    string `db:"service_id"`
	RegionID     string `db:"region_id"`
	ResourceName string `db:"resource_name"`
}

// ofLimits makes a list one of limits, l, with what they are registered for, r.
func ofLimits(list *db.List) {
	list.From, list.Key = "limits l JOIN registered_limits r ON r.id = l.registered_limit_id", "l.id"
	list.Columns = db.Columns(limitRow{}, "l.") + ", r.service_id, r.region_id, r.resource_name"
}

func registeredLimitByID(tx *db.Tx, id string) (registeredLimitRow, error) {
	var row registeredLimitRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM registered_limits WHERE id = ?", id)
	return row, err
}

// registeredLimitFor finds the registered limit of a resource.
func registeredLimitFor(tx *db.Tx, serviceID, regionID, resource string) (registeredLimitRow, error) {
	var row registeredLimitRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM registered_limits WHERE service_id = ? AND region_id = ? AND resource_name = ?",
		serviceID, regionID, resource)
	return row, err
}

func limitByID(tx *db.Tx, id string) (wholeLimit, error) {
	var row limitRow
	if err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM limits WHERE id = ?", id); err != nil {
		return wholeLimit{}, err
	}
	return withRegistered(tx, row)
}

func withRegistered(tx *db.Tx, row limitRow) (wholeLimit, error) {
	registered, err := registeredLimitByID(tx, row.RegisteredID)
	return wholeLimit{row, registered.ServiceID, registered.RegionID, registered.ResourceName}, err
}

// saveRegisteredLimit writes a registered limit, unless another is for the same.
func saveRegisteredLimit(c *change, action string, before any, row registeredLimitRow) error {
	other, err := registeredLimitFor(c.Tx, row.ServiceID, row.RegionID, row.ResourceName)
	if err == nil && other.ID != row.ID {
		return db.ErrDuplicate
	}
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if err := c.Upsert("registered_limits", row, "id"); err != nil {
		return err
	}
	return c.record("registered_limit", action, row.ID, before, row)
}

// limitsOf counts the limits of projects and domains that a registered one has.
func limitsOf(tx *db.Tx, registeredID string) (int, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM limits WHERE registered_limit_id = ?", registeredID)
	return n, err
}

func removeRegisteredLimit(c *change, row registeredLimitRow) error {
	if _, err := c.Exec("DELETE FROM registered_limits WHERE id = ?", row.ID); err != nil {
		return err
	}
	return c.record("registered_limit", "delete", row.ID, row, nil)
}

// insertLimit writes a new limit, unless the project or domain has one for the same.
func insertLimit(c *change, row limitRow) error {
	var n int
	if err := c.Get(&n, "SELECT COUNT(*) FROM limits WHERE registered_limit_id = ? AND project_id = ? AND domain_id = ?",
		row.RegisteredID, row.ProjectID, row.DomainID); err != nil {
		return err
	}
	if n > 0 {
		return db.ErrDuplicate
	}
	if err := c.Insert("limits", row); err != nil {
		return err
	}
	return c.record("limit", "create", row.ID, nil, row)
}

func updateLimit(c *change, before, row limitRow) error {
	if err := c.Update("limits", row, "id"); err != nil {
		return err
	}
	return c.record("limit", "update", row.ID, before, row)
}

func removeLimit(c *change, row limitRow) error {
	if _, err := c.Exec("DELETE FROM limits WHERE id = ?", row.ID); err != nil {
		return err
	}
	return c.record("limit", "delete", row.ID, row, nil)
}

// removeLimitsOf deletes the limits of a service or region that goes.
func removeLimitsOf(c *change, column, id string) error {
	if _, err := c.Exec("DELETE FROM limits WHERE registered_limit_id IN (SELECT id FROM registered_limits WHERE "+column+" = ?)", id); err != nil {
		return err
	}
	_, err := c.Exec("DELETE FROM registered_limits WHERE "+column+" = ?", id)
	return err
}
