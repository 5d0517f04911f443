// Package db is the SQL kit: opening one of three engines, transactions, scanning
// rows into structs, keyset lists and migrations.
//
// SQL text is written once, with ? as the placeholder and bound parameters only, and
// runs on SQLite, PostgreSQL and MariaDB. Values cross the border in few forms: times
// are BIGINT microseconds since 1970 (0 is the zero time), booleans are INTEGER 0
// or 1, structured values are JSON text. The kit owns no tables but goose's version
// table. Only *_store.go files (and core/work, core/feed) use it.
package db
