package attack

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/clock"
	"virga/core/db"
	"virga/core/token"
	"virga/core/vault"
	"virga/service/compute"
	"virga/service/identity"
	"virga/service/image"
	"virga/service/network"
	"virga/service/placement"
)

// nobody knows no token; the services below are made to be read, not to be called.
type nobody struct{}

func (nobody) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

// tables are the tables of routes of all services, by the prefix that the services are under.
func tables(t *testing.T) map[string]*api.Table {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil))
	open := func(name string) *db.DB {
		d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(dir, name+".sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	keys := filepath.Join(dir, "keys")
	if err := token.SetUpKeys(keys); err != nil {
		t.Fatal(err)
	}
	opened, err := token.OpenKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	safe, err := vault.NewSafe(vault.NewRing())
	if err != nil {
		t.Fatal(err)
	}
	ctx, local := t.Context(), bus.NewLocal()
	who, err := identity.New(ctx, identity.Deps{DB: open("identity"), Bus: local, Clock: clock.System{}, Log: log, Keys: opened, Vault: safe})
	if err != nil {
		t.Fatal(err)
	}
	images, err := image.New(ctx, image.Deps{DB: open("image"), Bus: local, Clock: clock.System{}, Log: log, Auth: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	networks, err := network.New(ctx, network.Deps{DB: open("network"), Bus: local, Clock: clock.System{}, Log: log, Auth: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	servers, err := compute.New(ctx, compute.Deps{DB: open("compute"), Bus: local, Clock: clock.System{}, Log: log, Auth: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	providers, err := placement.New(ctx, placement.Deps{DB: open("placement"), Clock: clock.System{}, Log: log, Auth: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*api.Table{"/identity": who.Table(), "/image": images.Table(), "/network": networks.Table(), "/compute": servers.Table(),
		"/placement": providers.Table()}
}
