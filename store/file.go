package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// applicationID marks the file as a store of Fringe: "Frng".
const applicationID = 0x46726e67

// checkedWhole is the size up to which opening reads the whole file for
// damage. A larger one is checked by its header and schema; Check reads it
// all.
const checkedWhole = 1 << 20

// header is the beginning of the file.
type header struct {
	bytes []byte // at most 100
	size  int64
}

// readHeader reads the file's beginning.
func readHeader(path string) (header, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return header{}, err
	}
	if !info.Mode().IsRegular() {
		return header{}, &stranger{"it is not a regular file"}
	}
	b := make([]byte, 100)
	n, err := io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return header{}, err
	}
	return header{b[:n], info.Size()}, nil
}

func (h header) empty() bool { return h.size == 0 }

// check says what is wrong with the header: no database, another program's,
// or a file that is shorter than the database in it. The length means nothing
// while a write-ahead log exists, since its pages may not be in the file yet.
func (h header) check(path string) error {
	if h.empty() {
		return nil
	}
	if len(h.bytes) < 100 || string(h.bytes[:16]) != "SQLite format 3\x00" {
		return &damage{"its header is not that of a database"}
	}
	if id := binary.BigEndian.Uint32(h.bytes[68:]); id != applicationID && id != 0 {
		return &stranger{fmt.Sprintf("its application id is %#x", id)}
	}
	page := int64(binary.BigEndian.Uint16(h.bytes[16:]))
	if page == 1 {
		page = 65536
	}
	pages := int64(binary.BigEndian.Uint32(h.bytes[28:]))
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
		return nil
	}
	if h.size < page*pages {
		return &damage{fmt.Sprintf("it is %d bytes long and should be %d: its end is missing", h.size, page*pages)}
	}
	return nil
}

// create gives a new file its identity and the table of migrations.
func (s *Store) create(ctx context.Context) error {
	for _, q := range []string{
		fmt.Sprintf(`PRAGMA application_id = %d`, applicationID),
		`CREATE TABLE IF NOT EXISTS store_migrations (
			room     TEXT    NOT NULL CHECK (room <> ''),
			version  INTEGER NOT NULL CHECK (version > 0),
			name     TEXT    NOT NULL,
			checksum TEXT    NOT NULL,
			applied  TEXT    NOT NULL,
			PRIMARY KEY (room, version)
		) STRICT`,
	} {
		if _, err := s.conn.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// examine refuses a file of another program and one that is damaged. A file
// whose creation was interrupted has an identity but no table, or nothing at
// all; it is completed.
func (s *Store) examine(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) error {
	var id, tables, ours, pages, page int64
	err := q.QueryRowContext(ctx, `SELECT
		(SELECT application_id FROM pragma_application_id),
		(SELECT count(*) FROM sqlite_schema),
		(SELECT count(*) FROM sqlite_schema WHERE name = 'store_migrations'),
		(SELECT page_count FROM pragma_page_count),
		(SELECT page_size FROM pragma_page_size)`).Scan(&id, &tables, &ours, &pages, &page)
	if err != nil {
		return err
	}
	switch {
	case tables == 0 && (id == 0 || id == applicationID):
		if s.readOnly {
			return &damage{"it is empty"}
		}
		return s.create(ctx)
	case id != applicationID:
		return &stranger{fmt.Sprintf("its application id is %#x", id)}
	case ours == 0:
		return &damage{"the table store_migrations is missing"}
	}
	if pages*page > checkedWhole {
		return nil
	}
	var verdict string
	if err := q.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if verdict != "ok" {
		return &damage{strings.TrimSpace(verdict)}
	}
	return nil
}
