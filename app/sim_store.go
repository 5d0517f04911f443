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
	var template string
	err = d.Read(ctx, func(tx *db.Tx) error {
		return tx.Get(&template, "SELECT id FROM servers WHERE name = ? AND deleted_at = 0", simServer(0))
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

// copyServers makes copies number from up to number to.
func (x *experiment) copyServers(tx *db.Tx, template string, from, to int) error {
	copied := []string{"project_id", "user_id", "hostname", "vm_state", "power_state", "host", "zone", "image_id", "flavor_id", "vcpus", "memory_mb",
		"disk_gb", "key_name", "config_drive", "locked", "reservation_id", "launched_at", "deleted_at", "detail", "nics", "card"}
	text := "INSERT INTO servers (id, name, created_at, updated_at, " + strings.Join(copied, ", ") + ") SELECT ?, ?, ?, ?, " + strings.Join(copied, ", ") +
		" FROM servers WHERE id = ?"
	now := x.cloud.clock.Now()
	for i := from; i < to; i++ {
		at := now.Add(-time.Duration(i) * time.Second)
		if _, err := tx.Exec(text, x.cloud.clock.ID(), fmt.Sprintf("stock-%06d", i), at, at, template); err != nil {
			return fmt.Errorf("copy server %s: %w", template, err)
		}
	}
	return nil
}
