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
// content is made durable first; a version's content, interface and description
// never change. Content that is there without a version is what an interrupted
// publishing left, and is never used. The store is the truth; an index of
// names, versions and aliases is kept in memory, so that resolving costs the
// same with ten functions and with ten thousand. Interfaces are parsed when they
// are first asked for, and the most recently used stay in memory.
//
// Stored tables:
//
//   - catalogue_versions: one row a version, with fringe.Function and Doc as
//     JSON and the derived interface
//   - catalogue_aliases: the aliases that were set by hand
//   - catalogue_environments: what an environment's name stands for
//   - catalogue_environment_history: what it stood for since when
//
// Stored files, below Config.Dir:
//
//	DIGEST/   the content of a version; its files are read-only
//	tmp/      content that is being published or removed
//
// Rooms gateway and site call this room; room server sets it up.
package catalogue

import "fringe/store"

// Migrations gives the steps of the room's tables, for store.Migrate.
func Migrations() []store.Migration {
	return []store.Migration{{Name: "versions, aliases, environments", SQL: `
CREATE TABLE catalogue_versions (
	name      TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9-]*'),
	version   TEXT NOT NULL CHECK (length(version) <= 64 AND version GLOB '[0-9]*.[0-9]*.[0-9]*'),
	digest    TEXT NOT NULL CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'), -- of the content
	published INTEGER NOT NULL CHECK (published >= 0),                              -- milliseconds since 1970, UTC
	publisher TEXT NOT NULL,
	file      TEXT NOT NULL CHECK (file IN ('function.cwl', 'function.py')),
	-- What the index has of a version. These come before the long columns, so
	-- that reading the index does not read those.
	environment TEXT GENERATED ALWAYS AS (json_extract(function, '$.environment')) STORED,
	summary     TEXT GENERATED ALWAYS AS (json_extract(doc, '$.summary')) STORED,
	keywords    TEXT GENERATED ALWAYS AS (json_extract(doc, '$.keywords')) STORED,
	function  TEXT NOT NULL CHECK (json_valid(function)),                           -- fringe.Function
	doc       TEXT NOT NULL CHECK (json_valid(doc)),                                -- Doc
	interface BLOB CHECK ((interface IS NULL) = (file = 'function.cwl')),           -- the derived CWL document
	PRIMARY KEY (name, version)
) STRICT;
CREATE TABLE catalogue_aliases (
	name    TEXT NOT NULL,
	alias   TEXT NOT NULL CHECK (length(alias) BETWEEN 1 AND 32 AND alias GLOB '[a-z]*' AND alias NOT GLOB '*[^a-z0-9-]*' AND alias <> 'latest'),
	version TEXT NOT NULL,
	PRIMARY KEY (name, alias),
	FOREIGN KEY (name, version) REFERENCES catalogue_versions (name, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE catalogue_environments (
	name        TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9-]*'),
	digest      TEXT NOT NULL CHECK (digest <> ''),
	environment TEXT NOT NULL CHECK (json_valid(environment)) -- with its places
) STRICT, WITHOUT ROWID;
CREATE TABLE catalogue_environment_history (
	name   TEXT NOT NULL,
	since  INTEGER NOT NULL CHECK (since > 0), -- milliseconds since 1970, UTC
	digest TEXT NOT NULL CHECK (digest <> ''),
	PRIMARY KEY (name, since)
) STRICT, WITHOUT ROWID;`}}
}
