// Package catalogue knows the published functions, their versions and aliases,
// and which built environment a name stands for.
//
// Publishing copies a function's content to a place named by its digest,
// derives and validates the interface, and makes an immutable version. The same
// content under the same version is published once; other content under a
// version that is there is refused. The alias latest moves by itself to the
// highest version, and to a pre-release only while there is nothing else.
//
// Invariants: a version in the store has its content on the disk, for the
// content comes first; a version's content, interface and description never
// change. The store is the truth; an index of names, versions and aliases is
// kept in memory, so that resolving costs the same with ten functions and with
// ten thousand. Interfaces are parsed when they are first asked for, and the
// most recently used stay in memory.
//
// Stored tables: catalogue_versions, catalogue_aliases,
// catalogue_environments, catalogue_environment_history. Stored files, below
// Config.Dir:
//
//	DIGEST/   the content of a version, read-only
//	tmp/      content that is being published
//
// Rooms gateway and site call this room; room server sets it up.
package catalogue

import "fringe/store"

// Migrations gives the steps of the room's tables, for store.Migrate.
func Migrations() []store.Migration {
	return []store.Migration{{Name: "versions, aliases, environments", SQL: `
CREATE TABLE catalogue_versions (
	name      TEXT NOT NULL,
	version   TEXT NOT NULL,
	digest    TEXT NOT NULL,           -- of the content
	file      TEXT NOT NULL,           -- the document or the handler in the content
	function  TEXT NOT NULL,           -- fringe.Function as JSON
	doc       TEXT NOT NULL,           -- Doc as JSON
	interface BLOB,                    -- the derived CWL document; NULL when file is one
	published INTEGER NOT NULL,        -- milliseconds since 1970, UTC
	publisher TEXT NOT NULL,
	PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX catalogue_versions_digest ON catalogue_versions (digest);
CREATE TABLE catalogue_aliases (
	name    TEXT NOT NULL,
	alias   TEXT NOT NULL,
	version TEXT NOT NULL,
	PRIMARY KEY (name, alias),
	FOREIGN KEY (name, version) REFERENCES catalogue_versions (name, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE catalogue_environments (
	name        TEXT PRIMARY KEY,
	digest      TEXT NOT NULL,
	environment TEXT NOT NULL          -- with its places, as JSON
) STRICT, WITHOUT ROWID;
CREATE TABLE catalogue_environment_history (
	name   TEXT NOT NULL,
	since  INTEGER NOT NULL,           -- milliseconds since 1970, UTC
	digest TEXT NOT NULL,
	PRIMARY KEY (name, since)
) STRICT, WITHOUT ROWID;`}}
}
