package schemas

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql" // the three drivers read dumps
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"virga/core/db"
	"virga/core/db/dbtest"
)

const top = "../.."

// owner has tables in a part; its migrations are in a folder.
type owner struct{ name, folder string }

// parts are the parts of the cloud and who has tables in them, in the order of Migrate.
func parts() map[string][]owner {
	feed := owner{"feed", "core/feed/migrations"}
	work := owner{"work", "core/work/migrations"}
	return map[string][]owner{
		"cloud":     {{"cloud", "app/cluster/migrations"}},
		"identity":  {{"identity", "service/identity/migrations"}, feed},
		"image":     {{"image", "service/image/migrations"}, feed, work},
		"placement": {{"placement", "service/placement/migrations"}, feed},
		"network":   {{"network", "service/network/migrations"}, feed},
		"fleet":     {feed, {"fleet", "service/fleet/migrations"}},
		"compute":   {work, feed, {"compute", "service/compute/migrations"}},
	}
}

// dump is a part of a release on an engine.
type dump struct{ release, engine, part string }

func (d dump) path() string { return filepath.Join(d.release, d.engine, d.part+".sql") }

// dumps are all that are kept for an engine.
func dumps(t *testing.T, engine string) (list []dump) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("*", engine, "*.sql"))
	ok(t, err)
	for _, file := range files {
		list = append(list, dump{strings.Split(file, string(filepath.Separator))[0], engine, strings.TrimSuffix(filepath.Base(file), ".sql")})
	}
	return list
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is where a part's database is.
type place struct{ engine, address, part string }

func newPlace(t *testing.T, engine, part string) place {
	t.Helper()
	if engine == "sqlite" {
		return place{engine, dbtest.URL(t, engine), part}
	}
	return place{engine, dbtest.ServerURL(t, engine), part}
}

func (p place) open(t *testing.T) *db.DB {
	t.Helper()
	var d *db.DB
	var err error
	if p.engine == "sqlite" {
		d, err = db.Open(t.Context(), p.address)
	} else {
		d, err = db.OpenPart(t.Context(), p.address, p.part)
	}
	ok(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// raw opens the part without the kit.
func (p place) raw(t *testing.T) *sql.DB {
	t.Helper()
	u, err := url.Parse(p.address)
	ok(t, err)
	driver, source := "sqlite", u.Opaque
	switch p.engine {
	case "sqlite":
		source = "file:" + (&url.URL{Path: strings.TrimPrefix(p.address, "sqlite:")}).EscapedPath()
	case "postgres":
		driver, source = "pgx", p.address
	case "mysql":
		driver = "mysql"
		source = u.User.Username() + "@unix(" + u.Query().Get("socket") + ")" + u.Path + "_" + p.part + "?multiStatements=true"
	}
	raw, err := sql.Open(driver, source)
	ok(t, err)
	raw.SetMaxOpenConns(1) // what a dump sets holds for a connection
	return raw
}

// restore reads a dump.
func (p place) restore(t *testing.T, from dump) {
	t.Helper()
	text, err := os.ReadFile(from.path())
	ok(t, err)
	if p.engine == "mysql" {
		ok(t, p.open(t).Close()) // makes the database
	}
	raw := p.raw(t)
	_, err = raw.ExecContext(t.Context(), string(text))
	ok(t, err)
	ok(t, raw.Close())
}

func migrate(t *testing.T, d *db.DB, part string) {
	t.Helper()
	owners, known := parts()[part]
	if !known {
		t.Fatalf("the part %s is unknown", part)
	}
	for _, o := range owners {
		ok(t, d.Migrate(t.Context(), o.name, os.DirFS(filepath.Join(top, o.folder))))
	}
	for range 10_000 {
		pending, err := d.Advance(t.Context())
		ok(t, err)
		if !pending {
			return
		}
	}
	t.Fatalf("the migrations of %s come to no end", part)
}
