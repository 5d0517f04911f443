package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"virga/core/db"
)

// stockAtOnce is how many servers one transaction puts into the database.
const stockAtOnce = 1000

// stock puts servers into the database: copies of one that was created, with names and
// times of their own. They have no guests, ports or allocations: they are there for lists.
func (x *experiment) stock(ctx context.Context) error {
	d, err := openPart(ctx, x.cloud.conf, "compute")
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	var template stockRow
	err = d.Read(ctx, func(tx *db.Tx) error {
		return tx.Get(&template, "SELECT "+stockColumns+" FROM servers WHERE name = ? AND deleted_at = 0", simServer(0))
	})
	if err != nil {
		return fmt.Errorf("find a server to copy: %w", err)
	}
	began := time.Now()
	for done := 0; done < x.Stock; done += stockAtOnce {
		if err := d.Write(ctx, func(tx *db.Tx) error { return x.copyServers(tx, template, done, min(done+stockAtOnce, x.Stock)) }); err != nil {
			return err
		}
	}
	x.tell("servers put into the database", "%d in %s", x.Stock, time.Since(began).Round(100*time.Millisecond))
	return nil
}

// stockRow is a row of compute's table servers.
type stockRow struct {
	ID          string `db:"id"`
	Name        string `db:"name"`
	CreatedAt   int64  `db:"created_at"`
	UpdatedAt   int64  `db:"updated_at"`
	ProjectID   string `db:"project_id"`
	UserID      string `db:"user_id"`
	HostName    string `db:"hostname"`
	VMState     string `db:"vm_state"`
	PowerState  int64  `db:"power_state"`
	Host        string `db:"host"`
	Zone        string `db:"zone"`
	ImageID     string `db:"image_id"`
	FlavorID    string `db:"flavor_id"`
	VCPUs       int64  `db:"vcpus"`
	MemoryMiB   int64  `db:"memory_mb"`
	DiskGiB     int64  `db:"disk_gb"`
	KeyName     string `db:"key_name"`
	ConfigDrive int64  `db:"config_drive"`
	Locked      int64  `db:"locked"`
	Reservation string `db:"reservation_id"`
	LaunchedAt  int64  `db:"launched_at"`
	DeletedAt   int64  `db:"deleted_at"`
	Detail      string `db:"detail"`
	NICs        string `db:"nics"`
	Card        string `db:"card"`
}

var stockColumns = db.Columns(stockRow{}, "")

func (r *stockRow) values() []any {
	return []any{r.ID, r.Name, r.CreatedAt, r.UpdatedAt, r.ProjectID, r.UserID, r.HostName, r.VMState, r.PowerState, r.Host, r.Zone, r.ImageID, r.FlavorID,
		r.VCPUs, r.MemoryMiB, r.DiskGiB, r.KeyName, r.ConfigDrive, r.Locked, r.Reservation, r.LaunchedAt, r.DeletedAt, r.Detail, r.NICs, r.Card}
}

// stockRows is how many rows one statement inserts.
const stockRows = 50

// copyServers makes copies number from up to number to.
func (x *experiment) copyServers(tx *db.Tx, template stockRow, from, to int) error {
	now := x.cloud.clock.Now()
	for ; from < to; from += stockRows {
		var marks []string
		var args []any
		for i := from; i < min(from+stockRows, to); i++ {
			row, at := template, now.Add(-time.Duration(i)*time.Second).UnixMicro()
			row.ID, row.Name, row.CreatedAt, row.UpdatedAt = x.cloud.clock.ID(), fmt.Sprintf("stock-%06d", i), at, at
			values := row.values()
			marks = append(marks, "("+strings.Repeat("?, ", len(values)-1)+"?)")
			args = append(args, values...)
		}
		if _, err := tx.Exec("INSERT INTO servers ("+stockColumns+") VALUES "+strings.Join(marks, ", "), args...); err != nil {
			return fmt.Errorf("copy server %s: %w", template.ID, err)
		}
	}
	return nil
}
