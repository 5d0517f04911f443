package work

import (
	"embed"
	"fmt"
	"io/fs"

	"virga/core/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the DDL of the engine; its owner in db.Migrate is "work".
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic("the embedded folder is there: " + err.Error())
	}
	return sub
}

// RetryNow has an operation that waits after a failure called at once, its tries counted anew.
func (e *Engine) RetryNow(tx *db.Tx, operationID string) error {
	changed, err := tx.Exec("UPDATE operations SET tries = 0 WHERE id = ? AND finished_at = 0", operationID)
	if err != nil {
		return fmt.Errorf("retry operation %s: %w", operationID, err)
	}
	if changed == 0 {
		return ErrFinished
	}
	return e.Signal(tx, operationID)
}

// Abandon ends an operation as it is, nothing more done or undone, for a reason that an
// operator gives. What it left behind is the operator's to clear.
func (e *Engine) Abandon(tx *db.Tx, operationID, because string) error {
	o, err := Find(tx, operationID)
	if err != nil {
		return fmt.Errorf("abandon operation %s: %w", operationID, err)
	}
	now := e.cfg.Clock.Now()
	changed, err := tx.Exec("UPDATE operations SET state = ?, error = ?, updated_at = ?, finished_at = ?, lease_until = 0, epoch = epoch + 1"+
		" WHERE id = ? AND finished_at = 0", Abandoned, "abandoned by an operator: "+because, now, now, operationID)
	if err != nil {
		return fmt.Errorf("abandon operation %s: %w", operationID, err)
	}
	if changed == 0 {
		return ErrFinished
	}
	o.State, o.FinishedAt = Abandoned, now
	if err := e.cfg.Ended(tx, o); err != nil {
		return fmt.Errorf("abandon operation %s: %w", operationID, err)
	}
	return e.wakeAfter(tx, &o)
}
