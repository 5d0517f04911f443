// Command policydocs writes docs/policy from the rules and routes of every service; `make docs` runs it. Its test fails
// when what is committed is not what it would write.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/pki"
	"virga/core/token"
	"virga/core/vault"
	"virga/service/compute"
	"virga/service/fleet"
	"virga/service/identity"
	"virga/service/image"
	"virga/service/network"
	"virga/service/placement"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: policydocs FOLDER")
		os.Exit(2)
	}
	if err := write(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "policydocs:", err)
		os.Exit(1)
	}
}

// write writes every document into the folder.
func write(ctx context.Context, folder string) error {
	pages, err := documents(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// documents are the pages by file name.
func documents(ctx context.Context) (pages map[string]string, err error) {
	dir, err := os.MkdirTemp("", "policydocs")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	house := house{dir: dir}
	defer func() { err = errors.Join(err, house.close()) }()
	tables, err := house.tables(ctx)
	if err != nil {
		return nil, err
	}
	pages = map[string]string{"README.md": index(tables)}
	for _, table := range tables {
		pages[table.Service+".md"] = page(table)
	}
	return pages, nil
}

// nobody knows no token: the services are made to be read, not to be called.
type nobody struct{}

// Authenticate implements token.Authenticator.
func (nobody) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

// house makes services over databases in a folder that is thrown away.
type house struct {
	dir  string
	open []*db.DB
}

func (h *house) database(ctx context.Context, name string) (*db.DB, error) {
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(h.dir, name+".sqlite"))
	if err == nil {
		h.open = append(h.open, d)
	}
	return d, err
}

func (h *house) close() error {
	var failures []error
	for _, d := range h.open {
		failures = append(failures, d.Close())
	}
	return errors.Join(failures...)
}

// tables are the services' tables, by the services' names.
func (h *house) tables(ctx context.Context) ([]*api.Table, error) {
	log, local := slog.New(slog.NewTextHandler(io.Discard, nil)), bus.NewLocal()
	makers := map[string]func(*db.DB) (interface{ Table() *api.Table }, error){
		"identity": func(d *db.DB) (interface{ Table() *api.Table }, error) {
			ring, err := token.NewKeyRing()
			if err != nil {
				return nil, err
			}
			safe, err := vault.NewSafe(vault.NewRing())
			if err != nil {
				return nil, err
			}
			return identity.New(ctx, identity.Deps{DB: d, Bus: local, Clock: clock.System{}, Log: log, Keys: token.NewKeys(ring), Vault: safe})
		},
		"image": func(d *db.DB) (interface{ Table() *api.Table }, error) {
			return image.New(ctx, image.Deps{DB: d, Bus: local, Clock: clock.System{}, Log: log, Auth: nobody{}})
		},
		"network": func(d *db.DB) (interface{ Table() *api.Table }, error) {
			return network.New(ctx, network.Deps{DB: d, Bus: local, Clock: clock.System{}, Log: log, Auth: nobody{}})
		},
		"compute": func(d *db.DB) (interface{ Table() *api.Table }, error) {
			return compute.New(ctx, compute.Deps{DB: d, Bus: local, Clock: clock.System{}, Log: log, Auth: nobody{}})
		},
		"placement": func(d *db.DB) (interface{ Table() *api.Table }, error) {
			return placement.New(ctx, placement.Deps{DB: d, Bus: local, Clock: clock.System{}, Log: log, Auth: nobody{}})
		},
		"fleet": func(d *db.DB) (interface{ Table() *api.Table }, error) {
			return fleet.New(ctx, fleet.Deps{DB: d, Bus: local, Clock: clock.System{}, Log: log, Auth: nobody{}, Authority: new(pki.Authority)})
		},
	}
	var tables []*api.Table
	for name, construct := range makers {
		d, err := h.database(ctx, name)
		if err != nil {
			return nil, err
		}
		service, err := construct(d)
		if err != nil {
			return nil, fmt.Errorf("make the service %s: %w", name, err)
		}
		tables = append(tables, service.Table())
	}
	slices.SortFunc(tables, func(a, b *api.Table) int {
		if a.Service < b.Service {
			return -1
		}
		return 1
	})
	return tables, nil
}
