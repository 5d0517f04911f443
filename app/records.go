package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"virga/app/cluster"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/conf"
	"virga/core/db"
	"virga/service/identity"
)

// records are a cloud's data as commands use them that need no running process, and that do no
// harm beside some.
type records struct {
	conf    *conf.Config
	clock   clock.Clock
	cluster *cluster.Cluster
	closers []func() error
}

// onRecords opens the records of the cloud that a data folder belongs to, as a controller's.
func onRecords(ctx context.Context, c *conf.Config, purpose string, do func(*records) error) (err error) {
	if err := c.Complete(); err != nil {
		return err
	}
	known, err := cluster.BelongsTo(c.DataDir)
	if err != nil {
		return fmt.Errorf("%s: %w", purpose, err)
	}
	if known == "" {
		return fmt.Errorf("%s: %s is not the data folder of a cloud's controller", purpose, c.DataDir)
	}
	if err := checkPlace(c); err != nil {
		return err
	}
	r := &records{conf: c, clock: clock.System{}}
	defer func() {
		for _, closeIt := range r.closers {
			err = errors.Join(err, closeIt())
		}
	}()
	d, err := r.open(ctx, "cloud")
	if err != nil {
		return fmt.Errorf("%s: %w", purpose, err)
	}
	r.cluster, err = cluster.Open(ctx, cluster.Config{DB: d, Bus: bus.NewLocal(), Clock: r.clock, Log: slog.New(slog.DiscardHandler), DataDir: c.DataDir})
	if err == nil {
		err = do(r)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", purpose, err)
	}
	return nil
}

func (r *records) open(ctx context.Context, part string) (*db.DB, error) {
	d, err := openPart(ctx, r.conf, part)
	if err == nil {
		r.closers = append(r.closers, d.Close)
	}
	return d, err
}

// identity opens the database of the identity service.
func (r *records) identity(ctx context.Context) (*db.DB, error) {
	d, err := r.open(ctx, "identity")
	if err != nil {
		return nil, err
	}
	return d, identity.Migrate(ctx, d)
}
