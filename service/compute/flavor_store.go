package compute

import (
	"errors"
	"fmt"
	"time"

	"virga/core/db"
)

// flavor is a row of the table flavors.
type flavor struct {
	ID          string            `db:"id"`
	Name        string            `db:"name"`
	MemoryMiB   int64             `db:"memory_mb"`
	VCPUs       int               `db:"vcpus"`
	RootGiB     int64             `db:"root_gb"`
	Ephemeral   int64             `db:"ephemeral_gb"`
	SwapMiB     int64             `db:"swap_mb"`
	RXTXFactor  float64           `db:"rxtx_factor"`
	IsPublic    bool              `db:"is_public"`
	Description *string           `db:"description"`
	ExtraSpecs  map[string]string `db:"extra_specs,json"`
	CreatedAt   time.Time         `db:"created_at"`
	UpdatedAt   time.Time         `db:"updated_at"`
}

var flavorColumns = db.Columns(flavor{}, "")

func (f *flavor) snapshot() flavorSnapshot {
	return flavorSnapshot{ID: f.ID, Name: f.Name, VCPUs: f.VCPUs, MemoryMiB: f.MemoryMiB, RootGiB: f.RootGiB,
		Ephemeral: f.Ephemeral, SwapMiB: f.SwapMiB, ExtraSpecs: f.ExtraSpecs}
}

func insertFlavor(tx *db.Tx, row *flavor) error { return tx.Insert("flavors", row) }

// findFlavor returns the flavor with the id, or db.ErrNotFound.
func findFlavor(tx *db.Tx, id string) (*flavor, error) {
	row := &flavor{}
	err := tx.Get(row, "SELECT "+flavorColumns+" FROM flavors WHERE id = ?", id)
	return row, err
}

func flavorNameTaken(tx *db.Tx, name string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM flavors WHERE name = ?", name)
	return n > 0, err
}

// mayUseFlavor tells whether a project may use a flavor that is not public.
func mayUseFlavor(tx *db.Tx, id, projectID string) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM flavor_access WHERE flavor_id = ? AND project_id = ?", id, projectID)
	return n > 0, err
}

func updateFlavor(tx *db.Tx, row *flavor) error {
	if err := tx.Update("flavors", row, "id"); err != nil {
		return fmt.Errorf("update flavor %s: %w", row.ID, err)
	}
	return nil
}

func deleteFlavor(tx *db.Tx, id string) error {
	if _, err := tx.Exec("DELETE FROM flavor_access WHERE flavor_id = ?", id); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM flavors WHERE id = ?", id)
	return err
}

// flavorFilter is what a list of flavors is narrowed by.
type flavorFilter struct {
	// Public: nil means both sorts.
	Public           *bool
	ProjectID        string // private flavors that this project may use are shown with public ones; empty: all private ones
	MinDisk, MinRAM  int64
	Order            []db.Order
	Marker           string
	Limit            int
	OnlyOfTheProject bool
}

func listFlavors(tx *db.Tx, f flavorFilter) ([]flavor, error) {
	l := &db.List{From: "flavors", Key: "id", Order: f.Order, Marker: f.Marker, LooseMarker: true, Limit: f.Limit}
	access := "id IN (SELECT flavor_id FROM flavor_access WHERE project_id = ?)"
	switch {
	case f.Public != nil && f.OnlyOfTheProject:
		l.Where("((is_public = 1 AND is_public = ?) OR (is_public = 0 AND "+access+"))", *f.Public, f.ProjectID)
	case f.Public != nil:
		l.Where("is_public = ?", *f.Public)
	}
	if f.MinDisk > 0 {
		l.Where("root_gb >= ?", f.MinDisk)
	}
	if f.MinRAM > 0 {
		l.Where("memory_mb >= ?", f.MinRAM)
	}
	var rows []flavor
	err := tx.List(&rows, l)
	return rows, err
}

func listFlavorAccess(tx *db.Tx, id string) ([]string, error) {
	var projects []string
	err := tx.Select(&projects, "SELECT project_id FROM flavor_access WHERE flavor_id = ? ORDER BY project_id LIMIT 10000", id)
	return projects, err
}

// errNoAccess is returned when access that was never given is taken away.
var errNoAccess = errors.New("the project has no access to the flavor")

func addFlavorAccess(tx *db.Tx, id, projectID string) error {
	_, err := tx.Exec("INSERT INTO flavor_access (flavor_id, project_id) VALUES (?, ?)", id, projectID)
	return err
}

func removeFlavorAccess(tx *db.Tx, id, projectID string) error {
	n, err := tx.Exec("DELETE FROM flavor_access WHERE flavor_id = ? AND project_id = ?", id, projectID)
	if err == nil && n == 0 {
		return errNoAccess
	}
	return err
}
