package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"virga/app/cluster"
	"virga/core/conf"
	"virga/core/db"
	"virga/core/feed"
)

// openDB opens the database of one service: its part of the database server that is
// configured, or its own file.
func (cl *cloud) openDB(ctx context.Context, service string) (*db.DB, error) {
	d, err := cl.openPart(ctx, service)
	if err != nil {
		return nil, err
	}
	cl.forgetChanges(service, d)
	cl.numberChanges(service, d)
	return d, cl.publishChanges(service, d)
}

func (cl *cloud) openPart(ctx context.Context, part string) (*db.DB, error) {
	d, err := openPart(ctx, cl.conf, part)
	if err != nil {
		return nil, fmt.Errorf("open database of %s: %w", part, err)
	}
	cl.onClose(d.Close)
	cl.onRun(func(ctx context.Context) error { return d.Tend(ctx, cl.log.With("part", part)) })
	return d, nil
}

func openPart(ctx context.Context, c *conf.Config, part string) (*db.DB, error) {
	if server := c.Server(); server != "" {
		return db.OpenPart(ctx, server, part)
	}
	folder := filesFolder(c)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	return db.Open(ctx, "sqlite:"+filepath.Join(folder, part+".sqlite"))
}

// filesFolder is where the SQLite files are.
func filesFolder(c *conf.Config) string {
	if folder := c.FilesFolder(); folder != "" {
		return folder
	}
	return filepath.Join(c.DataDir, "db")
}

// Changes are kept as long as the memory of deleted servers; older ones are looked for
// every hour.
const (
	keepChanges = 90 * 24 * time.Hour
	forgetEvery = time.Hour
)

// forgetChanges keeps the change log of a service from growing for ever.
func (cl *cloud) forgetChanges(service string, d *db.DB) {
	cl.onRun(func(ctx context.Context) error {
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

// openCluster finds out which cloud this process belongs to. Keys, database and data folder
// have to be of one cloud.
func (cl *cloud) openCluster(ctx context.Context) error {
	if err := checkPlace(cl.conf); err != nil {
		return err
	}
	d, err := cl.openPart(ctx, "cloud")
	if err != nil {
		return err
	}
	if cl.conf.Server() == "" {
		if err := cl.folder.Lock(filesFolder(cl.conf)); err != nil {
			return err
		}
	}
	cl.cluster, err = cluster.Open(ctx, cluster.Config{DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, DataDir: cl.conf.DataDir})
	if err != nil {
		return err
	}
	cl.health.Add("cloud", cl.cluster.Ready)
	return nil
}

// checkPlace refuses to begin a second cloud in a data folder whose cloud has its data
// elsewhere.
func checkPlace(c *conf.Config) error {
	known, err := cluster.BelongsTo(c.DataDir)
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(c.DataDir, "db"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	files := err == nil
	switch {
	case c.Server() != "" && files:
		return fmt.Errorf("the data of the cloud in %s is in SQLite files in its folder db: the setting database needs a data folder of its own", c.DataDir)
	case c.Server() == "" && c.FilesFolder() == "" && known != "" && !files:
		return fmt.Errorf("the data of the cloud in %s is elsewhere: the setting database must name it", c.DataDir)
	}
	return nil
}
