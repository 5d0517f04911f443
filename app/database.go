package app

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"virga/core/db"
	"virga/core/feed"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// openDB opens the database of one service: its part of the database server that is
// configured, or its own file.
func (cl *cloud) openDB(ctx context.Context, service string) (*db.DB, error) {
	d, err := cl.openPart(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("open database of %s: %w", service, err)
	}
	cl.onClose(d.Close)
	cl.forgetChanges(service, d)
	cl.jobs = append(cl.jobs, func(ctx context.Context) error { return d.Tend(ctx, cl.log.With("service", service)) })
	return d, nil
}

func (cl *cloud) openPart(ctx context.Context, service string) (*db.DB, error) {
	if server := cl.conf.Database.Reveal(); server != "" {
		return db.OpenPart(ctx, server, service)
	}
	folder := filepath.Join(cl.conf.DataDir, "db")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	return db.Open(ctx, "sqlite:"+filepath.Join(folder, service+".sqlite"))
}

// Changes are kept as long as the memory of deleted servers; older ones are looked for
// every hour.
const (
	keepChanges = 90 * 24 * time.Hour
	forgetEvery = time.Hour
)

// forgetChanges keeps the change log of a service from growing for ever.
func (cl *cloud) forgetChanges(service string, d *db.DB) {
	cl.jobs = append(cl.jobs, func(ctx context.Context) error {
		ticker := time.NewTicker(forgetEvery)
		defer ticker.Stop()
		for {
			if err := feed.Prune(ctx, d, cl.clock.Now().Add(-keepChanges)); err != nil && ctx.Err() == nil {
				cl.log.Warn("forget old changes", "service", service, "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	})
}

// claimDatabase binds the databases of a server to the data folder, once and for all:
// keys, images and guests are in the folder, and its lock is what keeps a second process
// out of the databases.
func (cl *cloud) claimDatabase(ctx context.Context) (err error) {
	path := filepath.Join(cl.conf.DataDir, "secrets", "database-owner")
	kept, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("claim database: %w", err)
	}
	id := strings.TrimSpace(string(kept))
	server := cl.conf.Database.Reveal()
	if server == "" {
		if id != "" {
			return fmt.Errorf("the data of the cloud in %s is on a database server: the setting database must name it", cl.conf.DataDir)
		}
		return nil
	}
	if id == "" {
		if _, err := os.Stat(filepath.Join(cl.conf.DataDir, "db")); err == nil {
			return fmt.Errorf("the data of the cloud in %s is in SQLite files in its folder db: the setting database needs a data folder of its own", cl.conf.DataDir)
		}
		id = cl.clock.ID()
	}
	d, err := openClaims(ctx, server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	// The file comes first: a process that dies behind the claim must know its database again.
	if err := writeFile(path, []byte(id+"\n")); err != nil {
		return err
	}
	var owner string
	err = d.Write(ctx, func(tx *db.Tx) error {
		owner, err = claimed(tx, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("claim database: %w", err)
	}
	if owner == id {
		return nil
	}
	err = errors.New("the database belongs to another data folder, whose file secrets/database-owner has the id " + owner)
	if len(kept) == 0 { // the folder is as free as it was
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// openClaims opens the part of a server that tells which data folder it belongs to.
func openClaims(ctx context.Context, server string) (*db.DB, error) {
	d, err := db.OpenPart(ctx, server, "cloud")
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err == nil {
		err = d.Migrate(ctx, "cloud", files)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claim database: %w", err), d.Close())
	}
	return d, nil
}
