package store

import (
	"context"
	"database/sql"
)

// Tx is a transaction. It is valid until the function that it was given to
// returns, and is used by one goroutine. Its statements run under the context
// of the Update or View.
type Tx struct {
	ctx   context.Context
	store *Store
	q     querier
	write bool
	first bool  // of its group
	lost  error // the statement's failure that undid the whole transaction
}

// querier is what a connection and a transaction of database/sql have in
// common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Context gives the context of the Update or View.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Exec runs a statement that gives no rows.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	if tx.lost != nil {
		return nil, tx.lost
	}
	var res sql.Result
	var err error
	if st := tx.prepared(query, len(args)); st != nil {
		res, err = st.ExecContext(tx.ctx, args...)
	} else {
		res, err = tx.q.ExecContext(tx.ctx, query, args...)
	}
	return res, tx.failure(err)
}

// Query runs a statement that gives rows; the caller closes them before its
// next statement.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	if tx.lost != nil {
		return nil, tx.lost
	}
	var rows *sql.Rows
	var err error
	if st := tx.prepared(query, len(args)); st != nil {
		rows, err = st.QueryContext(tx.ctx, args...)
	} else {
		rows, err = tx.q.QueryContext(tx.ctx, query, args...)
	}
	return rows, tx.failure(err)
}

// Row is the answer of QueryRow.
type Row struct {
	tx   *Tx
	rows *sql.Rows
	err  error
}

// QueryRow runs a statement that gives at most one row.
func (tx *Tx) QueryRow(query string, args ...any) *Row {
	rows, err := tx.Query(query, args...)
	return &Row{tx, rows, err}
}

// Scan reads the row's columns. It returns sql.ErrNoRows when there is no row.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return r.tx.failure(err)
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.tx.failure(r.rows.Close())
}

// prepared gives the writer's prepared statement for a query with arguments;
// nil for readers, and for queries without arguments, which may be several
// statements.
func (tx *Tx) prepared(query string, args int) *sql.Stmt {
	if !tx.write || args == 0 {
		return nil
	}
	return tx.store.prepared(tx.ctx, query)
}

// prepared gives the writer's prepared statement for a query; nil when
// preparing fails, and running the query then says why.
func (s *Store) prepared(ctx context.Context, query string) *sql.Stmt {
	if st := s.stmts[query]; st != nil {
		return st
	}
	if len(s.stmts) >= maxPrepared {
		return nil
	}
	st, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil
	}
	s.stmts[query] = st
	return st
}

// maxPrepared bounds the statements that the writer keeps prepared.
const maxPrepared = 256

// failure gives err in the user's terms, and remembers one that has undone
// the transaction.
func (tx *Tx) failure(err error) error {
	if err == nil {
		return nil
	}
	if !tx.write {
		return tx.store.explainOr(tx.ctx, "store.View", err)
	}
	e := explain("store.Update", tx.store.path, err)
	if undoes(err) {
		tx.lost = e
	}
	return e
}
