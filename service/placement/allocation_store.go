package placement

import (
	"strings"
	"time"

	"virga/core/db"
)

// consumerRow is who uses resources: a server, a migration, …. Type is empty when the
// consumer was made before microversion 1.38 asked for it.
type consumerRow struct {
	UUID       string    `db:"uuid"`
	ProjectID  string    `db:"project_id"`
	UserID     string    `db:"user_id"`
	Type       string    `db:"consumer_type"`
	Generation int64     `db:"generation"`
	CreatedAt  time.Time `db:"created_at"`
	UpdatedAt  time.Time `db:"updated_at"`
}

// allocationRow is how much of one inventory one consumer uses.
type allocationRow struct {
	Consumer  string    `db:"consumer"`
	Provider  string    `db:"provider"`
	Class     string    `db:"resource_class"`
	Used      int64     `db:"used"`
	CreatedAt time.Time `db:"created_at"`
}

func consumersOf(tx *db.Tx, uuids []string) ([]consumerRow, error) {
	var rows []consumerRow
	marks, args := db.In(uuids)
	err := tx.Select(&rows, "SELECT "+db.Columns(consumerRow{}, "")+" FROM consumers WHERE uuid IN "+marks, args...)
	return rows, err
}

func allocationsOfConsumers(tx *db.Tx, uuids []string) ([]allocationRow, error) {
	var rows []allocationRow
	marks, args := db.In(uuids)
	err := tx.Select(&rows, "SELECT "+db.Columns(allocationRow{}, "")+" FROM allocations WHERE consumer IN "+marks, args...)
	return rows, err
}

// consumedRow is an allocation on a provider with its consumer's generation.
type consumedRow struct {
	allocationRow
	Generation int64 `db:"generation"`
}

func allocationsOfProvider(tx *db.Tx, provider string) ([]consumedRow, error) {
	var rows []consumedRow
	err := tx.Select(&rows, "SELECT "+db.Columns(allocationRow{}, "a.")+`, c.generation
		FROM allocations a JOIN consumers c ON c.uuid = a.consumer WHERE a.provider = ?`, provider)
	return rows, err
}

// providersByUUID finds several providers at once.
func providersByUUID(tx *db.Tx, uuids []string) (map[string]*providerRow, error) {
	var rows []providerRow
	marks, args := db.In(uuids)
	err := tx.Select(&rows, "SELECT "+db.Columns(providerRow{}, "")+" FROM resource_providers WHERE uuid IN "+marks, args...)
	found := make(map[string]*providerRow, len(rows))
	for i := range rows {
		found[rows[i].UUID] = &rows[i]
	}
	return found, err
}

func saveConsumer(tx *db.Tx, row consumerRow) error { return tx.Upsert("consumers", row, "uuid") }

func deleteConsumer(tx *db.Tx, uuid string) error {
	_, err := tx.Exec("DELETE FROM consumers WHERE uuid = ?", uuid)
	return err
}

// insertAllocations writes rows, in statements of bounded size.
func insertAllocations(tx *db.Tx, rows []allocationRow) error {
	const most = 100
	for len(rows) > 0 {
		n := min(len(rows), most)
		args := make([]any, 0, n*5)
		for _, row := range rows[:n] {
			args = append(args, row.Consumer, row.Provider, row.Class, row.Used, row.CreatedAt)
		}
		marks := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?), ", n), ", ")
		if _, err := tx.Exec("INSERT INTO allocations ("+db.Columns(allocationRow{}, "")+") VALUES "+marks, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// removeAllocations deletes all allocations of consumers.
func removeAllocations(tx *db.Tx, consumers []string) error {
	marks, args := db.In(consumers)
	_, err := tx.Exec("DELETE FROM allocations WHERE consumer IN "+marks, args...)
	return err
}
