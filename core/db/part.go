package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// partName is what names of parts and of MariaDB's databases look like: they become part
// of statements.
var partName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,48}$`)

// CheckServer tells what is wrong with the address of a server that OpenPart is to use,
// without connecting. No error shows the address, which may hold a password.
func CheckServer(rawURL string) error {
	u, err := parseAddress(rawURL)
	if err != nil {
		return errors.New("the address is not a URL")
	}
	if _, err := poolSize(u.Query()); err != nil {
		return err
	}
	name := strings.TrimPrefix(u.Path, "/")
	switch u.Scheme {
	case "postgres", "postgresql":
		if name == "" || strings.ContainsAny(name, "/@") {
			return errors.New("the address names no database, as postgres://user:password@host/name does (/ and @ in a password are %2F and %40)")
		}
	case "mysql", "mariadb":
		if !partName.MatchString(name) {
			return errors.New("the address names no database in at most 48 letters, digits, _ and -, as mysql://user:password@host/name does")
		}
	default:
		return fmt.Errorf("the scheme %q is neither postgres nor mysql", u.Scheme)
	}
	return nil
}

// OpenPart opens what belongs to one part of the cloud on a server that all parts share
// and makes it where it is missing: for postgres://…/NAME the schema PART of that database,
// for mysql://…/NAME the database NAME_PART.
func OpenPart(ctx context.Context, rawURL, part string) (*DB, error) {
	if err := CheckServer(rawURL); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if !partName.MatchString(part) {
		return nil, fmt.Errorf("open database: %q is no name of a part", part)
	}
	u, err := parseAddress(rawURL)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(u.Scheme, "postgres") {
		query := u.Query()
		query.Set("search_path", part)
		u.RawQuery = query.Encode()
		d, err := Open(ctx, u.String())
		if err != nil {
			return nil, err
		}
		if err := haveSchema(ctx, d.write, part); err != nil {
			return nil, errors.Join(err, d.Close())
		}
		return d, nil
	}
	cloud := strings.TrimPrefix(u.Path, "/")
	u.Path = "/"
	server, err := Open(ctx, u.String())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(haveDatabase(ctx, server.write, cloud, part), server.Close()); err != nil {
		return nil, err
	}
	u.Path = "/" + cloud + "_" + part
	return Open(ctx, u.String())
}

// haveSchema makes a schema of PostgreSQL unless it is there, and tells whether tables
// can be made in it.
func haveSchema(ctx context.Context, pool *sql.DB, name string) error {
	there, may, err := schemaRights(ctx, pool, name)
	if err == nil && !there {
		if _, err = pool.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS "`+name+`"`); (postgres{}).duplicate(err) {
			err = nil // another process made it in the same moment
		}
		if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code == "42501" {
			return fmt.Errorf("make schema %s: the database's user may not; GRANT CREATE ON DATABASE, or CREATE SCHEMA AUTHORIZATION it: %w", name, err)
		}
		if err == nil {
			_, may, err = schemaRights(ctx, pool, name)
		}
	}
	if err != nil {
		return fmt.Errorf("make schema %s: %w", name, err)
	}
	if !may {
		return fmt.Errorf("use schema %s: the database's user may not; GRANT USAGE, CREATE ON SCHEMA %s to it", name, name)
	}
	return nil
}

// schemaRights tells whether a schema is there and whether tables can be made in it.
func schemaRights(ctx context.Context, pool *sql.DB, name string) (there, may bool, err error) {
	err = pool.QueryRowContext(ctx, "SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')"+
		" FROM pg_namespace WHERE nspname = $1", name).Scan(&may)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	return err == nil, may, err
}

// haveDatabase makes a part's database of MariaDB or MySQL unless it is there.
func haveDatabase(ctx context.Context, pool *sql.DB, cloud, part string) error {
	name := cloud + "_" + part
	var version string
	var there int
	err := pool.QueryRowContext(ctx, "SELECT VERSION(), COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", name).Scan(&version, &there)
	if err == nil && there == 0 {
		_, err = pool.ExecContext(ctx, `CREATE DATABASE IF NOT EXISTS "`+name+`" `+mysqlTexts(version))
	}
	if refused := new(mysqldriver.MySQLError); errors.As(err, &refused) && refused.Number == 1044 {
		return fmt.Errorf("make database %s: the user may not; GRANT ALL ON `%s\\_%%`.* to it: %w", name, cloud, err)
	}
	if err != nil {
		return fmt.Errorf("make database %s: %w", name, err)
	}
	return nil
}
