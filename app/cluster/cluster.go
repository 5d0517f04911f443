package cluster

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"virga/app/folder"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Config is what a process needs to be one of a cluster.
type Config struct {
	// DB is the part "cloud" of the database.
	DB    *db.DB
	Bus   bus.Bus
	Clock clock.Clock
	Log   *slog.Logger
	// DataDir is the data folder.
	DataDir string
}

// Cluster is the cloud as its processes see themselves.
type Cluster struct {
	cfg   Config
	id    string
	held  held
	peers peers
}

// Open finds out which cloud the database belongs to, or founds one when it is empty. The
// error wraps ErrKey when the data folder has no right to it.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err == nil {
		err = cfg.DB.Migrate(ctx, "cloud", files)
	}
	if err != nil {
		return nil, fmt.Errorf("open the cloud: %w", err)
	}
	c := &Cluster{cfg: cfg}
	if err := c.enter(ctx); err != nil {
		return nil, fmt.Errorf("open the cloud: %w", err)
	}
	return c, nil
}

// ID is the id of the cloud.
func (c *Cluster) ID() string { return c.id }

// KeyPath, idPath and ownerPath are files of a data folder. The last is how folders were
// bound to databases that had no id of their own.
func KeyPath(dataDir string) string   { return filepath.Join(dataDir, "secrets", "cluster-key") }
func idPath(dataDir string) string    { return filepath.Join(dataDir, "secrets", "cloud-id") }
func ownerPath(dataDir string) string { return filepath.Join(dataDir, "secrets", "database-owner") }

// BelongsTo is the id of the cloud that a data folder belongs to, empty when it is new. A
// folder from before clouds had ids tells the id of its own, which owned the database.
func BelongsTo(dataDir string) (string, error) {
	for _, path := range []string{idPath(dataDir), ownerPath(dataDir)} {
		text, err := os.ReadFile(path)
		if err == nil {
			return strings.TrimSpace(string(text)), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("read the cloud's id: %w", err)
		}
	}
	return "", nil
}

// enter makes sure that data folder, key and database are those of one cloud.
func (c *Cluster) enter(ctx context.Context) error {
	known, err := BelongsTo(c.cfg.DataDir)
	if err != nil {
		return err
	}
	path := KeyPath(c.cfg.DataDir)
	k, err := readKey(path)
	if err != nil {
		return err
	}
	row, former, handovers, err := c.look(ctx)
	if err != nil {
		return err
	}
	switch {
	case row.ID == "" && former != "" && former != known:
		return fmt.Errorf("%w: the database belongs to another data folder, whose file secrets/database-owner has the id %s; start that one first", ErrKey, former)
	case row.ID == "" && known != "" && known != former:
		return fmt.Errorf("the data folder belongs to the cloud %s, and this is an empty database: the setting database must name that cloud's own", known)
	case row.ID == "":
		row, k, err = c.found(ctx, path, k)
	case k == nil:
		return c.strange(row, "there is no file "+path)
	}
	if err != nil {
		return err
	}
	if k, err = follow(k, row, handovers); errors.Is(err, ErrKey) {
		return c.strange(row, "the key in "+path+" is another")
	}
	if err != nil {
		return err
	}
	if known != "" && known != former && known != row.ID {
		return fmt.Errorf("the data folder belongs to the cloud %s, the database to the cloud %s", known, row.ID)
	}
	c.id = row.ID
	c.held.set(k, row.KeyCheck)
	if err := c.keep(); err != nil {
		return err
	}
	return folder.Write(idPath(c.cfg.DataDir), []byte(c.id+"\n"))
}

// checked is what the key check is about.
const checked = "cloud"

// strange says how a data folder gets the key that it lacks.
func (c *Cluster) strange(row cloudRow, why string) error {
	return fmt.Errorf("%w of the cloud %s: %s. To add a controller to that cloud, use virga join --role controller, or copy the file"+
		" secrets/cluster-key from the data folder of one of its controllers", ErrKey, row.ID, why)
}

// found makes a cloud in an empty database. The key is in the folder before: a process that
// dies in between must know its cloud again. Of several processes that do so at once with
// the same key one founds the cloud and the others find it.
func (c *Cluster) found(ctx context.Context, path string, k *key) (cloudRow, *key, error) {
	var err error
	minted := k == nil
	if minted {
		if k, err = newKey(path); err != nil {
			return cloudRow{}, nil, err
		}
	}
	fresh := cloudRow{Place: 1, ID: c.cfg.Clock.ID(), CreatedAt: c.cfg.Clock.Now()}
	fresh.KeyCheck = k.Seal([]byte(fresh.ID), checked)
	row := fresh
	err = Settle(ctx, c.cfg.DB, func(tx *db.Tx) (err error) {
		row, err = haveCloud(tx, fresh)
		return err
	})
	if err != nil {
		return cloudRow{}, nil, fmt.Errorf("found a cloud: %w", err)
	}
	if minted && row.ID != fresh.ID { // another process was first; the folder is as free as it was
		return cloudRow{}, nil, errors.Join(c.strange(row, "another process has founded it just now"), os.Remove(path))
	}
	return row, k, nil
}

func (c *Cluster) look(ctx context.Context) (row cloudRow, former string, handovers map[string]string, err error) {
	err = c.cfg.DB.Read(ctx, func(tx *db.Tx) error {
		if row, former, err = readCloud(tx); err != nil {
			return err
		}
		handovers, err = listHandovers(tx)
		return err
	})
	return row, former, handovers, err
}

// races is how often Settle tries.
const races = 10

// Settle runs a change that looks for rows and makes those that are missing. A refused key
// means that another process made them in the same moment: the change runs again and finds
// them.
func Settle(ctx context.Context, d *db.DB, change func(tx *db.Tx) error) error {
	return SettleAll(ctx, func() error { return d.Write(ctx, change) })
}

// SettleAll is Settle for a change that has its own transactions.
func SettleAll(ctx context.Context, change func() error) error {
	var err error
	for range races {
		if err = change(); !errors.Is(err, db.ErrDuplicate) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Fact returns what the processes of the cloud hold for true: what the first of them said.
func (c *Cluster) Fact(ctx context.Context, name, proposed string) (string, error) {
	var fact string
	err := Settle(ctx, c.cfg.DB, func(tx *db.Tx) (err error) {
		fact, err = haveFact(tx, name, proposed)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("agree on %s: %w", name, err)
	}
	return fact, nil
}

// State makes a fact what the caller says, whatever was held for true before.
func (c *Cluster) State(ctx context.Context, name, fact string) error {
	err := c.cfg.DB.Write(ctx, func(tx *db.Tx) error { return saveFact(tx, name, fact) })
	if err != nil {
		return fmt.Errorf("state %s: %w", name, err)
	}
	return nil
}

// Known returns a fact, empty when nobody has stated it.
func (c *Cluster) Known(ctx context.Context, name string) (string, error) {
	var fact string
	err := c.cfg.DB.Read(ctx, func(tx *db.Tx) (err error) {
		fact, err = findFact(tx, name)
		return err
	})
	return fact, err
}

// Ready tells whether the database answers.
func (c *Cluster) Ready(ctx context.Context) error { return c.cfg.DB.Ping(ctx) }

// each calls do at once, whenever the bell of the topic rings, and every interval, until ctx ends.
func (c *Cluster) each(ctx context.Context, topic string, interval time.Duration, do func(ctx context.Context)) {
	bell := c.cfg.Bus.Listen(topic)
	defer bell.Close()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-bell.C:
		case <-ticker.C:
		}
	}
}
