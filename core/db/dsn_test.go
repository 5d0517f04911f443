package db

import (
	"testing"
)

func TestAddressOfMySQLKeepsThePassword(t *testing.T) {
	for _, c := range []struct{ url, user, password, network, address, name string }{
		{"mysql://virga:p%40ss%2F%3A%25@db.example:3307/compute", "virga", "p@ss/:%", "tcp", "db.example:3307", "compute"},
		{"mysql://virga:x@db.example/compute", "virga", "x", "tcp", "db.example:3306", "compute"},
		{"mysql://root@localhost/x?socket=%2Frun%2Fa%20b", "root", "", "unix", "/run/a b", "x"},
	} {
		got, _, err := mysqlConfig(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if got.User != c.user || got.Passwd != c.password || got.Net != c.network || got.Addr != c.address || got.DBName != c.name {
			t.Errorf("%s: %+v", c.url, got)
		}
	}
}
