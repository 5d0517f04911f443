package simulation_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/db"
	"virga/service/compute"
	"virga/service/network"
	"virga/service/placement"
)

// store is a service's database. It is in memory and outlives the runs, each of which begins
// with what a fresh cloud has.
type store struct {
	db *db.DB
	// compiled outlives the runs, too.
	compiled api.Compiled
	// tables are its tables in the order in which they were made, and those of the same names in the schema temp hold the rows of a
	// fresh cloud.
	tables []string
}

// stores are the databases by service.
var stores map[string]*store

// networkID is the network that the servers are on.
var networkID string

// furnish makes the stores. Everything in them comes from a seed, too.
func furnish(ctx context.Context) error {
	stores = map[string]*store{}
	log := slog.New(slog.DiscardHandler)
	for name, build := range map[string]func(d *db.DB) error{
		"placement": func(d *db.DB) error {
			_, err := placement.New(ctx, placement.Deps{DB: d, Clock: newStill("placement"), Log: log, Auth: nobody{}})
			return err
		},
		"network": func(d *db.DB) error {
			s, err := network.New(ctx, network.Deps{DB: d, Bus: bus.NewLocal(), Clock: newStill("network"), Log: log, Auth: nobody{}})
			if err != nil {
				return err
			}
			if err := s.Seed(ctx, network.SeedParams{AdminProjectID: projectID, ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/16"}); err != nil {
				return err
			}
			return d.Read(ctx, func(tx *db.Tx) error { return tx.Get(&networkID, "SELECT id FROM networks WHERE name = 'private'") })
		},
		"compute": func(d *db.DB) error {
			s, err := compute.New(ctx, compute.Deps{DB: d, Bus: bus.NewLocal(), Clock: newStill("compute"), Log: log, Auth: nobody{}})
			if err != nil {
				return err
			}
			return s.Seed(ctx)
		},
	} {
		d, err := db.OpenMemory(ctx)
		if err != nil {
			return err
		}
		if err := build(d); err != nil {
			return fmt.Errorf("furnish %s: %w", name, err)
		}
		stores[name] = &store{db: d}
		if err := stores[name].keep(ctx); err != nil {
			return fmt.Errorf("keep what is in %s: %w", name, err)
		}
	}
	return nil
}

// keep remembers the rows.
func (s *store) keep(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Select(&s.tables, "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence' ORDER BY rowid"); err != nil {
			return err
		}
		for _, table := range append([]string{"sqlite_sequence"}, s.tables...) {
			if _, err := tx.Exec("CREATE TABLE temp." + kept(table) + " AS SELECT * FROM main." + table); err != nil {
				return err
			}
		}
		return nil
	})
}

// kept is the name of the table that remembers the rows of another.
func kept(table string) string { return "kept_" + table }

// reset has the store hold what it held at keep.
func (s *store) reset(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		for _, table := range slices.Backward(s.tables) { // whoever refers to a table was made after it
			if _, err := tx.Exec("DELETE FROM main." + table); err != nil {
				return err
			}
		}
		for _, table := range s.tables {
			if _, err := tx.Exec("INSERT INTO main." + table + " SELECT * FROM temp." + kept(table)); err != nil {
				return err
			}
		}
		// The last, for the others have counted in it.
		if _, err := tx.Exec("DELETE FROM main.sqlite_sequence"); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO main.sqlite_sequence SELECT * FROM temp." + kept("sqlite_sequence"))
		return err
	})
}

// still is a clock at the time at which all bubbles begin.
type still struct{ *clock }

func newStill(name string) still { return still{newClock(0, name, 0)} }

func (still) Now() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }
