package compute

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"virga/core/db"
	"virga/service/compute/cpus"
	"virga/service/compute/orders"
)

// guestOrder is a row of the table guest_orders: the wish for a guest on a host, and what
// the host last reported of it.
type guestOrder struct {
	ServerID    string            `db:"server_id"`
	Host        string            `db:"host"`
	Generation  int64             `db:"generation"`
	OperationID string            `db:"operation_id"`
	Epoch       int64             `db:"epoch"`
	Desired     orders.Desired    `db:"desired"`
	Body        orders.GuestOrder `db:"body,json"`
	RebootSeq   int64             `db:"reboot_seq"`
	RebootHard  bool              `db:"reboot_hard"`
	RebootDone  int64             `db:"reboot_done"`

	// SettledGeneration is the newest that was reported as reached, whatever came after.
	SettledGeneration  int64        `db:"settled_generation"`
	ReportedGeneration int64        `db:"reported_generation"`
	ReportedState      orders.State `db:"reported_state"`
	ReportedPower      int          `db:"reported_power"`
	ErrorClass         orders.Class `db:"error_class"`
	ErrorMessage       string       `db:"error_message"`
	ReportedAt         time.Time    `db:"reported_at"`
	// SnapshotPhase is how far the snapshot of this generation has come.
	SnapshotPhase orders.SnapshotPhase `db:"snapshot_phase"`
	// Placement is where the guest's NUMA nodes are on the host; nil: it has none.
	Placement *cpus.Placement `db:"placement,json,null"`
}

// settled tells whether the host reported once that the wish of this generation is reached;
// a guest that changes by itself afterwards is not put right.
func (o *guestOrder) settled() bool { return o.SettledGeneration >= o.Generation }

// asWished tells whether the last report is what the wish of this generation is.
func (o *guestOrder) asWished() bool {
	return o.ReportedGeneration >= o.Generation && string(o.ReportedState) == string(o.Desired) && o.RebootDone >= o.RebootSeq &&
		(o.Body.Snapshot == nil || o.SnapshotPhase == orders.SnapshotDone)
}

// isThere tells whether the last report is about a guest that has been made.
func (o *guestOrder) isThere() bool {
	switch o.ReportedState {
	case orders.StateRunning, orders.StatePaused, orders.StateSuspended, orders.StateRescued, orders.StateStopped:
		return true
	}
	return false
}

// reported is what a host said, for comparison.
type reported struct {
	generation, rebootDone int64
	state                  orders.State
	power                  int
	class                  orders.Class
	message                string
	snapshot               orders.SnapshotPhase
}

func (o *guestOrder) reported() reported {
	return reported{o.ReportedGeneration, o.RebootDone, o.ReportedState, o.ReportedPower, o.ErrorClass, o.ErrorMessage, o.SnapshotPhase}
}

var orderColumns = db.Columns(guestOrder{}, "")

// errStaleOrder is returned when a newer run of the same operation gave an order already.
var errStaleOrder = errors.New("a newer run of the operation gave an order already")

func findOrder(tx *db.Tx, serverID, host string) (*guestOrder, error) {
	row := &guestOrder{}
	err := tx.Get(row, "SELECT "+orderColumns+" FROM guest_orders WHERE server_id = ? AND host = ?", serverID, host)
	return row, err
}

func ordersOfServer(tx *db.Tx, serverID string) ([]guestOrder, error) {
	var rows []guestOrder
	err := tx.Select(&rows, "SELECT "+orderColumns+" FROM guest_orders WHERE server_id = ?", serverID)
	return rows, err
}

// ordersOfHost returns the orders that changed after a generation, oldest first.
func ordersOfHost(tx *db.Tx, host string, since int64) ([]guestOrder, error) {
	var rows []guestOrder
	err := tx.Select(&rows, "SELECT "+orderColumns+" FROM guest_orders WHERE host = ? AND generation > ? ORDER BY generation", host, since)
	return rows, err
}

// putOrder writes an order as the host's newest. What was reported of an older generation
// stays; it no longer settles the order. The order's Generation is set.
func putOrder(tx *db.Tx, row *guestOrder) error {
	known, err := findOrder(tx, row.ServerID, row.Host)
	switch {
	case errors.Is(err, db.ErrNotFound):
	case err != nil:
		return err
	case known.OperationID == row.OperationID && known.Epoch > row.Epoch:
		return errStaleOrder
	default:
		row.RebootDone, row.ReportedGeneration, row.ReportedState = known.RebootDone, known.ReportedGeneration, known.ReportedState
		row.ReportedPower, row.ReportedAt, row.SettledGeneration = known.ReportedPower, known.ReportedAt, known.SettledGeneration
		row.Placement = known.Placement
	}
	return writeOrder(tx, row)
}

// writeOrder writes an order with the host's next generation.
func writeOrder(tx *db.Tx, row *guestOrder) (err error) {
	if row.Generation, err = nextGeneration(tx, row.Host); err != nil {
		return err
	}
	if err := tx.Upsert("guest_orders", row, "server_id", "host"); err != nil {
		return fmt.Errorf("order guest %s on %s: %w", row.ServerID, row.Host, err)
	}
	return nil
}

// noteReport stores what a host reported of a guest.
func noteReport(tx *db.Tx, row *guestOrder) error {
	var placement any // NULL for none
	if row.Placement != nil {
		text, err := json.Marshal(row.Placement)
		if err != nil {
			return fmt.Errorf("note where guest %s is on %s: %w", row.ServerID, row.Host, err)
		}
		placement = string(text)
	}
	_, err := tx.Exec("UPDATE guest_orders SET settled_generation = ?, reported_generation = ?, reported_state = ?, reported_power = ?, reboot_done = ?,"+
		" snapshot_phase = ?, error_class = ?, error_message = ?, reported_at = ?, placement = ? WHERE server_id = ? AND host = ?",
		row.SettledGeneration, row.ReportedGeneration, row.ReportedState, row.ReportedPower, row.RebootDone, row.SnapshotPhase, row.ErrorClass, row.ErrorMessage, row.ReportedAt, placement,
		row.ServerID, row.Host)
	if err != nil {
		return fmt.Errorf("note report of guest %s on %s: %w", row.ServerID, row.Host, err)
	}
	return nil
}

func deleteOrder(tx *db.Tx, serverID, host string) error {
	_, err := tx.Exec("DELETE FROM guest_orders WHERE server_id = ? AND host = ?", serverID, host)
	return err
}
