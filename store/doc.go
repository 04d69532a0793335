// Package store is the one durable file of a site: it opens it, migrates it
// and runs transactions on it. It knows no table but its own; each room keeps
// its tables here, lists their migrations, and reads and writes them through
// a Tx.
//
// Invariants:
//
//   - An Update that has returned nil is on the disk: it survives a kill of
//     the process and a loss of power (WAL with synchronous=FULL).
//   - There is one writer. Updates that wait for it at the same time share
//     one commit: the failure of one undoes only its own changes, and none is
//     answered before the commit. A Batch writes what many hand over in one
//     Update, and after a failure each alone.
//   - A View sees one state, and never waits for a writer.
//   - One server uses a directory at a time (LockDir).
//
// Stored table: store_migrations(room, version, name, checksum, applied), the
// migrations that this file has had. The file carries an application id, so
// that a database of another program is never touched.
//
// It is opened by room server and used by auth, catalogue, data and jobs.
// SQL drivers are imported here only.
package store
