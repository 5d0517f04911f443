// Package db is the SQL kit: opening one of three engines, transactions, scanning
// rows into structs, keyset lists and migrations.
//
// SQL text is written once, with ? as the placeholder and bound parameters only, and
// runs on SQLite, PostgreSQL and MariaDB. Values cross the border in few forms: times
// are BIGINT microseconds since 1970 (0 is the zero time), booleans are INTEGER 0
// or 1, structured values are JSON text. The kit owns no tables but those in which it
// notes migrations. Only *_store.go files (and core/work, core/feed) use it.
//
// # Migrations
//
// Tables change while processes of two versions use them, so a change comes in up to
// three phases, each a numbered file of its owner (a service, or a part of the kit):
//
//   - NNNN_what.sql expands: it adds tables, indexes, and columns with a default. DB.Migrate
//     carries it out before the process serves, and the version before goes on beside it,
//     because nothing that it knows has changed.
//   - NNNN_what.backfill.sql fills what was added: one statement, which DB.Tend repeats for
//     one batch of rows after the other while the process serves. It names the rows by
//     "-- table: NAME" and "-- key: COLUMN" ("-- key: COLUMN number" where it counts) and has
//     two placeholders, the first and the last key of a batch: … WHERE key BETWEEN ? AND ?.
//     A batch may come twice. The place that is reached is noted in the batch's transaction,
//     so that any process goes on with it. A backfill is done when a pass to the end began
//     after the last process had gone that does not know it. What SQL cannot say is a
//     Backfill in Go, given to Migrate with a number of its own. Until it is done the program
//     reads the old place where the new one is empty.
//   - NNNN_what.contract.sql takes away what nobody needs any more. "-- needs: MMMM" says
//     that a program has to know migration MMMM to do without. DB.Tend carries it out when
//     all migrations in front of it are done and every living process knows MMMM.
//
// On tables without a past all files are carried out at once, in the order of their numbers.
//
// What may run together: a program's level is the highest number that it knows. A database
// remembers the oldest level that may use it; Migrate and Tend return ErrOutdated to a
// program below, which does not start, or ends. An expansion permits the level of the
// release before its own, a contraction the level that it needs. So each version runs
// beside the one before, and can be replaced by it again, if a contraction needs nothing
// that is not in the release before; test/schemas has that rule. Processes that live are
// those which said so within two minutes, by the database's clock. One that was cut off for
// longer finds out when it comes back.
//
// Processes that start at once migrate once: they wait for a lock, which on SQLite is the
// write transaction, on PostgreSQL an advisory lock in one transaction with all changes, on
// MariaDB a GET_LOCK. Each goes with its connection, so a process that dies leaves none
// behind. SQLite and PostgreSQL then take back what it did. MariaDB commits with every
// change of a table: there the kit notes each statement, goes on behind the last, and
// repeats the one of which it does not know, where "it is there already" is no error. (In a
// Galera cluster GET_LOCK holds for one server: have all processes migrate through the same.)
//
// A file that was released never changes: databases that have it would never learn of it.
// releases.txt has the files of each release with their hashes; test/schemas has the tables
// of each release with rows, and migrates them to the newest.
package db
