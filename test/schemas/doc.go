// Package schemas keeps the tables of every release, with rows, and proves that this version brings them up to date.
//
// RELEASE/ENGINE/PART.sql is what a part of the cloud (a service's database) was in a release on an engine. The tests of this
// folder migrate each to the newest version and compare it with tables made from nothing: same tables, columns, types,
// indexes, and every row still there. They also hold the rules of migrations that core/db describes: a released file does not
// change, an expansion only adds, a contraction needs nothing that the release before does not have.
//
// A release writes its own (root or not; PostgreSQL and MariaDB have to be installed with their dump programs, and sqlite3):
//
//	make release-schemas RELEASE=v0.2
//
// runs bin/virga on each engine, makes something of every kind, writes the dumps and adds the release's migrations to
// core/db/releases.txt. Nothing imports this package.
package schemas
