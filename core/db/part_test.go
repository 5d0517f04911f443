package db_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"virga/core/db"
	"virga/core/db/dbtest"
)

// TestPartsShareAServer has two parts with a table of the same name on one server, opens
// them twice and finds what each has written.
func TestPartsShareAServer(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		address := dbtest.ServerURL(t, engine)
		files := fstest.MapFS{"0001_zoo.sql": {Data: []byte("-- +goose Up\nCREATE TABLE animals (id VARCHAR(20) PRIMARY KEY);\n")}}
		for round, want := range []int{1, 2} {
			for _, part := range []string{"cats", "dogs"} {
				d, err := db.OpenPart(t.Context(), address, part)
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Migrate(t.Context(), "zoo", files); err != nil {
					t.Fatal(err)
				}
				var n int
				err = d.Write(t.Context(), func(tx *db.Tx) error {
					if err := tx.Insert("animals", struct {
						ID string `db:"id"`
					}{part + string(rune('0'+round))}); err != nil {
						return err
					}
					return tx.Get(&n, "SELECT COUNT(*) FROM animals WHERE id LIKE ?", part+"%")
				})
				if err != nil || n != want {
					t.Errorf("%s in round %d: %d rows, %v", part, round, n, err)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// TestRightsThatAreMissingAreNamed opens a part as a user who may do nothing.
func TestRightsThatAreMissingAreNamed(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		address := dbtest.ServerURL(t, engine)
		create, drop, wants := "CREATE ROLE poor LOGIN PASSWORD 's3cret'", "DROP ROLE poor", "GRANT CREATE ON DATABASE"
		if engine == "mysql" {
			create, drop, wants = "CREATE USER poor@localhost IDENTIFIED BY 's3cret'", "DROP USER poor@localhost", "GRANT ALL ON"
		}
		dbtest.Administer(t, engine, create)
		t.Cleanup(func() { dbtest.Administer(t, engine, drop) })
		_, err := db.OpenPart(t.Context(), asUser(t, address, "poor", "s3cret"), "cats")
		if err == nil || !strings.Contains(err.Error(), wants) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("without rights: %v", err)
		}
	})
}

func asUser(t *testing.T, address, user, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	if u.Scheme == "postgres" {
		query.Set("user", user)
		query.Set("password", password)
		u.RawQuery = query.Encode()
		return u.String()
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

func TestServerThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"postgres", "mysql"} {
		_, err := db.OpenPart(t.Context(), scheme+"://virga:s3cret@"+nobody+"/virga", "cats")
		if !errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), nobody) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestAddressesOfServers(t *testing.T) {
	for address, wants := range map[string]string{
		"postgres://u:s3cret@h/virga":              "",
		"postgresql:///virga?host=/run/postgresql": "",
		"mysql://u:s3cret@h:3306/virga":            "",
		"mariadb://u:s3cret@h/vir-ga":              "",
		"postgres://u:s3cret@h":                    "names no database",
		"mysql://u:s3cret@h/":                      "names no database",
		`mysql://u:s3cret@h/a";DROP`:               "names no database",
		"postgres://u:p@s3cret/1@h/virga":          "names no database",
		"sqlite:/x":                                "neither",
		"s3cret":                                   "neither",
		"postgres://u:s3cret%zz@h/virga":           "not a URL",
		"postgres://u:s3cret@h:port/virga":         "not a URL",
	} {
		err := db.CheckServer(address)
		if (err == nil) != (wants == "") || err != nil && (!strings.Contains(err.Error(), wants) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestLostConnectionsAreTold cuts all connections of a pool between and inside transactions.
func TestLostConnectionsAreTold(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		s := dbtest.Own(t, engine)
		d, err := db.Open(t.Context(), s.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		if err := d.Migrate(t.Context(), "zoo", migrations); err != nil {
			t.Fatal(err)
		}
		insert := func(id string) func(*db.Tx) error {
			return func(tx *db.Tx) error { return tx.Insert("animals", animal{ID: id, Name: id}) }
		}
		write(t, d, insert("1"))
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			if err := insert("2")(tx); err != nil {
				return err
			}
			s.Stop(t)
			return insert("3")(tx)
		})
		if !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("in the middle of a transaction: %v", err)
		}
		if err := d.Write(t.Context(), insert("4")); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("a write without a server: %v", err)
		}
		if err := d.Read(t.Context(), func(*db.Tx) error { return nil }); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("a read without a server: %v", err)
		}
		if err := d.Ping(t.Context()); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("a ping without a server: %v", err)
		}
		s.Start(t)
		write(t, d, insert("5"))
		if err := d.Write(t.Context(), insert("1")); !errors.Is(err, db.ErrDuplicate) || errors.Is(err, db.ErrUnavailable) {
			t.Errorf("a refused key: %v", err)
		}
		var ids []string
		if err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.Select(&ids, "SELECT id FROM animals ORDER BY id") }); err != nil ||
			strings.Join(ids, ",") != "1,5" {
			t.Errorf("found %v, %v", ids, err)
		}
	})
}

// TestConnectionsThatBrokeUnusedAreReplaced restarts a server between transactions, so that
// all connections of the pool are dead, and expects nobody to notice.
func TestConnectionsThatBrokeUnusedAreReplaced(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		s := dbtest.Own(t, engine)
		d, err := db.Open(t.Context(), s.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		if err := d.Migrate(t.Context(), "zoo", migrations); err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			var inside, done sync.WaitGroup
			const side = 6
			inside.Add(side)
			for i := range side {
				done.Go(func() {
					here := sync.OnceFunc(inside.Done)
					if err := d.Read(t.Context(), func(*db.Tx) error { here(); inside.Wait(); return nil }); err != nil {
						t.Errorf("round %d: %v", round, err)
					}
					here()
					if err := d.Write(t.Context(), func(tx *db.Tx) error {
						id := fmt.Sprint(round, " ", i)
						return tx.Insert("animals", animal{ID: id, Name: id})
					}); err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			done.Wait()
			if round%2 == 0 {
				s.Stop(t)
			} else {
				s.Kill(t)
			}
			s.Start(t)
		}
	})
}
