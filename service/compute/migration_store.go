package compute

import (
	"errors"
	"fmt"
	"time"

	"virga/core/db"
	"virga/service/compute/orders"
)

// The kinds of migrations, by the words of os-migrations.
const (
	migrationCold   = "migration"
	migrationResize = "resize"
	migrationLive   = "live-migration"
	// migrationEvacuation is a server made anew elsewhere because its host is down.
	migrationEvacuation = "evacuation"
)

// The statuses of migrations. Each is written with the step that it tells of, and in the
// last five nothing is at work any more; of these a finished one waits for its confirmation.
const (
	migrationAccepted  = "accepted"
	migrationPreparing = "pre-migrating"
	migrationMoving    = "migrating"
	migrationMoved     = "post-migrating"
	migrationConfirms  = "confirming"
	migrationReverts   = "reverting"
	migrationFinished  = "finished"
	migrationConfirmed = "confirmed"
	migrationReverted  = "reverted"
	migrationFailed    = "error"
)

// The statuses that live migrations alone have; they end as completed, error or cancelled.
const (
	migrationQueued        = "queued"
	migrationLivePreparing = "preparing"
	migrationRunning       = "running"
	migrationCompleted     = "completed"
	migrationCancelled     = "cancelled"
	// migrationDone is how an evacuation ends.
	migrationDone = "done"
)

// endedMigrations are the statuses in which nothing is held any more.
func endedMigrations() []string {
	return []string{migrationConfirmed, migrationReverted, migrationFailed, migrationCompleted, migrationCancelled, migrationDone}
}

// migration is a row of the table migrations: a server's move to another host or another
// flavor, which are one thing. Its id is also the consumer that holds, in placement, what
// the server had before, until the move is confirmed or taken back.
type migration struct {
	Num int64 `db:"num"`
	newMigration
}

// newMigration is a migration without its number, which the database counts.
type newMigration struct {
	ID         string `db:"id"`
	ServerID   string `db:"server_id"`
	ProjectID  string `db:"project_id"`
	UserID     string `db:"user_id"`
	Kind       string `db:"kind"`
	Status     string `db:"status"`
	SourceHost string `db:"source_host"`
	DestHost   string `db:"dest_host"` // empty until one is chosen
	// ExtraVCPUs and ExtraMemoryMiB count against the quota besides what the server's row says,
	// so that there is room for both ways out.
	ExtraVCPUs     int64 `db:"extra_vcpus"`
	ExtraMemoryMiB int64 `db:"extra_memory_mb"`
	// Arrived is set while the server's ports say that it came from another host while it ran.
	Arrived   bool            `db:"arrived"`
	CreatedAt time.Time       `db:"created_at"`
	UpdatedAt time.Time       `db:"updated_at"`
	Detail    migrationDetail `db:"detail,json"`
}

// migrationDetail is what no list is filtered by.
type migrationDetail struct {
	Old shape `json:"old"`
	New shape `json:"new"`
	// Before is what the guest was to be when the move began, and will be after it.
	Before         orders.Desired `json:"before"`
	SourceProvider string         `json:"source_provider"`
	SourceNode     string         `json:"source_node"`
	DestProvider   string         `json:"dest_provider,omitempty"`
	DestNode       string         `json:"dest_node,omitempty"`
	DestIP         string         `json:"dest_ip,omitempty"`
	Live           liveDetail     `json:"live,omitzero"`
	// Stopped has an evacuated server be off on its new host, whatever it was.
	Stopped bool `json:"stopped,omitempty"`
	// Drained is set when the server leaves because its host is to be empty; nobody is asked to confirm that.
	Drained bool `json:"drained,omitempty"`
}

// stays tells whether the server keeps its host.
func (m *newMigration) stays() bool { return m.DestHost == m.SourceHost }

// reserve keeps room in the quota for the shape that the server has not at the moment.
func (m *newMigration) reserve(has, may *shape) {
	m.ExtraVCPUs, m.ExtraMemoryMiB = int64(max(may.VCPUs-has.VCPUs, 0)), max(may.MemoryMiB-has.MemoryMiB, 0)
}

// shape is all of a server's row that its flavor decides.
type shape struct {
	FlavorID  string         `json:"flavor_id"`
	VCPUs     int            `json:"vcpus"`
	MemoryMiB int64          `json:"memory_mb"`
	DiskGiB   int64          `json:"disk_gb"`
	Flavor    flavorSnapshot `json:"flavor"`
	Disk      *diskImage     `json:"disk,omitempty"`
}

func shapeOf(row *server) shape {
	return shape{row.FlavorID, row.VCPUs, row.MemoryMiB, row.DiskGiB, row.Detail.Flavor, row.Detail.Disk}
}

func (sh *shape) apply(row *server) {
	row.FlavorID, row.VCPUs, row.MemoryMiB, row.DiskGiB, row.Detail.Flavor = sh.FlavorID, sh.VCPUs, sh.MemoryMiB, sh.DiskGiB, sh.Flavor
	row.Detail.Disk = sh.Disk
}

// shaped is the server as it would be with a shape.
func (sh *shape) shaped(row *server) *server {
	other := *row
	sh.apply(&other)
	return &other
}

var migrationColumns = db.Columns(migration{}, "")

func insertMigration(tx *db.Tx, m *newMigration) error {
	if err := tx.Insert("migrations", m); err != nil {
		return fmt.Errorf("insert migration %s: %w", m.ID, err)
	}
	return nil
}

func findMigration(tx *db.Tx, id string) (*migration, error) {
	m := &migration{}
	if err := tx.Get(m, "SELECT "+migrationColumns+" FROM migrations WHERE id = ?", id); err != nil {
		return nil, fmt.Errorf("find migration %s: %w", id, err)
	}
	return m, nil
}

// findMove returns a server's newest migration of one of some statuses, or db.ErrNotFound.
func findMove(tx *db.Tx, serverID string, statuses ...string) (*migration, error) {
	marks, args := db.In(statuses)
	m := &migration{}
	err := tx.Get(m, "SELECT "+migrationColumns+" FROM migrations WHERE server_id = ? AND status IN "+marks+" ORDER BY num DESC LIMIT 1",
		append([]any{serverID}, args...)...)
	return m, err
}

// openMoves returns a server's migrations that may still hold something.
func openMoves(tx *db.Tx, serverID string) ([]migration, error) {
	marks, args := db.In(endedMigrations())
	var rows []migration
	err := tx.Select(&rows, "SELECT "+migrationColumns+" FROM migrations WHERE server_id = ? AND status NOT IN "+marks, append([]any{serverID}, args...)...)
	return rows, err
}

// changeMigration reads a migration in the transaction, changes and writes it.
func (s *Service) changeMigration(tx *db.Tx, id string, change func(*migration)) error {
	m, err := findMigration(tx, id)
	if err != nil {
		return err
	}
	change(m)
	m.UpdatedAt = s.clock.Now()
	if err := tx.Update("migrations", m, "num"); err != nil {
		return fmt.Errorf("update migration %s: %w", id, err)
	}
	return nil
}

// closeMoves ends the migrations of a server that is deleted.
func (s *Service) closeMoves(tx *db.Tx, serverID string) error {
	rows, err := openMoves(tx, serverID)
	if err != nil {
		return err
	}
	for i := range rows {
		err := s.changeMigration(tx, rows[i].ID, func(m *migration) {
			m.ExtraVCPUs, m.ExtraMemoryMiB = 0, 0
			if m.Status = migrationFailed; rows[i].Status == migrationFinished {
				m.Status = migrationConfirmed // as the field does: the server ends where it is
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sumMoves is what a project's quota holds for migrations.
func sumMoves(tx *db.Tx, projectID string) (usedByProject, error) {
	var used usedByProject
	err := tx.Get(&used, "SELECT 0 AS instances, COALESCE(SUM(extra_vcpus), 0) AS cores, COALESCE(SUM(extra_memory_mb), 0) AS ram"+
		" FROM migrations WHERE project_id = ? AND (extra_vcpus > 0 OR extra_memory_mb > 0)", projectID)
	return used, err
}

// migrationFilter narrows the list of migrations; empty fields do not.
type migrationFilter struct {
	equal         map[string]string // by column
	host          string            // on either side
	since, before time.Time         // of the last change
	marker        string
	limit         int
	newestFirst   bool
}

func listMigrations(tx *db.Tx, f *migrationFilter) ([]migration, error) {
	l := db.List{From: "migrations", Key: "id", Order: []db.Order{{Column: "created_at", Descending: f.newestFirst}, {Column: "num", Descending: f.newestFirst}},
		Marker: f.marker, LooseMarker: true, Limit: f.limit}
	for column, value := range f.equal {
		l.Where(column+" = ?", value)
	}
	if f.host != "" {
		l.Where("(source_host = ? OR dest_host = ?)", f.host, f.host)
	}
	if !f.since.IsZero() {
		l.Where("updated_at >= ?", f.since)
	}
	if !f.before.IsZero() {
		l.Where("updated_at <= ?", f.before)
	}
	var rows []migration
	err := tx.List(&rows, &l)
	return rows, err
}

// finishedMoves returns moves that wait for being confirmed since before a time, from one host unless that is empty, at most limit.
func finishedMoves(tx *db.Tx, host string, before time.Time, limit int) ([]migration, error) {
	var rows []migration
	text, args := "", []any{migrationFinished, before}
	if host != "" {
		text, args = " AND source_host = ?", append(args, host)
	}
	err := tx.Select(&rows, "SELECT "+migrationColumns+" FROM migrations WHERE status = ? AND updated_at <= ?"+text+" ORDER BY updated_at, num LIMIT ?", append(args, limit)...)
	return rows, err
}

// arrivedMoves returns the migrations that ended before a time and whose servers' ports still tell of them, at most limit.
func arrivedMoves(tx *db.Tx, before time.Time, limit int) ([]migration, error) {
	var rows []migration
	err := tx.Select(&rows, "SELECT "+migrationColumns+" FROM migrations WHERE arrived = 1 AND status = ? AND updated_at < ? ORDER BY num LIMIT ?",
		migrationCompleted, before, limit)
	return rows, err
}

func closeArrivals(tx *db.Tx, id string) error {
	_, err := tx.Exec("UPDATE migrations SET arrived = 0 WHERE id = ?", id)
	return err
}

// purgeMigrations forgets migrations that ended before a time, at most limit.
func purgeMigrations(tx *db.Tx, before time.Time, limit int) (int, error) {
	var ids []string
	marks, args := db.In(endedMigrations())
	err := tx.Select(&ids, "SELECT id FROM migrations WHERE updated_at < ? AND status IN "+marks+" LIMIT ?", append(append([]any{before}, args...), limit)...)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	marks, args = db.In(ids)
	_, err = tx.Exec("DELETE FROM migrations WHERE id IN "+marks, args...)
	return len(ids), err
}

// countMovesOfHost counts the migrations to and from a host that have not ended.
func countMovesOfHost(tx *db.Tx, name string) (int, error) {
	marks, args := db.In(endedMigrations())
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM migrations WHERE (source_host = ? OR dest_host = ?) AND status NOT IN "+marks, append([]any{name, name}, args...)...)
	return n, err
}

// countOtherHosts counts the hosts besides one.
func countOtherHosts(tx *db.Tx, name string) (int, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM hosts WHERE name <> ?", name)
	return n, err
}

// hostGone tells whether a host is sure not to run anything: it is not known any more, or
// an operator has said that it is down.
func hostGone(tx *db.Tx, name string) (bool, error) {
	h, err := findHost(tx, name)
	if errors.Is(err, db.ErrNotFound) {
		return true, nil
	}
	return err == nil && h.ForcedDown, err
}
