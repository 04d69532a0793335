package data

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"fringe"
	"fringe/store"
)

// Quota is what a principal's data takes of the site, and may take. Data by
// reference takes nothing.
type Quota struct {
	Owner string
	Used  int64 // bytes
	Bytes int64 // may take; 0: as much as there is
	Own   bool  // set for this owner; else it is the site's quota for everybody
}

// Quotas gives all owners who have data or a quota of their own, by name; with
// an owner only that one.
func (d *Data) Quotas(ctx context.Context, owner string) ([]Quota, error) {
	var found []Quota
	err := d.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT owner, used, quota FROM data_owners WHERE ?1 = '' OR owner = ?1 ORDER BY owner`, owner)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			q := Quota{Bytes: d.quota}
			var own sql.NullInt64
			if err := rows.Scan(&q.Owner, &q.Used, &own); err != nil {
				return err
			}
			if own.Valid {
				q.Bytes, q.Own = own.Int64, true
			}
			found = append(found, q)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, viewError("data.Quotas", err)
	}
	if owner != "" && found == nil {
		found = []Quota{{Owner: owner, Bytes: d.quota}}
	}
	return found, nil
}

// SetQuota says how many bytes the data of an owner may take; 0 is as much as
// there is, negative the site's quota for everybody. What is there already
// stays.
func (d *Data) SetQuota(ctx context.Context, owner string, bytes int64) error {
	const op = "data.SetQuota"
	if owner == "" {
		return refused(op, "", "name the owner whose quota it is")
	}
	own := any(bytes)
	if bytes < 0 {
		own = nil
	}
	err := d.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO data_owners (owner, quota) VALUES (?1, ?2) ON CONFLICT (owner) DO UPDATE SET quota = ?2`, owner, own)
		return err
	})
	if err != nil {
		return viewError(op, err)
	}
	return nil
}

// quotaTx refuses size bytes more than the owner's quota holds; a size that is
// not positive is not known, and refused when nothing more may come.
func (d *Data) quotaTx(tx *store.Tx, owner string, size int64) error {
	quota := d.quota
	var used int64
	var own sql.NullInt64
	err := tx.QueryRow(`SELECT used, quota FROM data_owners WHERE owner = ?`, owner).Scan(&used, &own)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if own.Valid {
		quota = own.Int64
	}
	if quota <= 0 || used+max(size, 1) <= quota {
		return nil
	}
	e := &fringe.Error{Op: "data.quota", Kind: fringe.OverQuota, Component: fringe.Data,
		Message: fmt.Sprintf("the data of %s may take %d bytes here and takes %d", owner, quota, used),
		Cure:    "remove what is not needed (fringe data gc, fringe data remove), or ask an operator for a larger quota (fringe data quota)"}
	if size > 0 {
		e.Message += fmt.Sprintf("; %d more are too many", size)
	}
	return e
}

// fits says whether a principal may have size bytes more.
func (d *Data) fits(ctx context.Context, owner string, size int64) error {
	return d.store.View(ctx, func(tx *store.Tx) error { return d.quotaTx(tx, owner, size) })
}
