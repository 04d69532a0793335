package data

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"fringe"
	"fringe/store"
)

// Holder is whose the bytes are that a quota bounds.
type Holder struct {
	Owner     string // the principal's name
	Namespace string // empty: none
}

// Quota is what the data of a principal, or of a namespace together, takes of
// the site, and may take. Data by reference takes nothing.
type Quota struct {
	Owner     string // empty: it is a namespace's
	Namespace string // empty: it is an owner's
	Used      int64  // bytes
	Bytes     int64  // may take; 0: as much as there is
	Own       bool   // set for this one; else it is the site's quota for every owner, and none for namespaces
}

// Quotas gives the quotas of those that h names; of all who have data or a
// quota of their own, owners first and by name, when it names none.
func (d *Data) Quotas(ctx context.Context, h Holder) ([]Quota, error) {
	var found []Quota
	all := h == Holder{}
	err := d.store.View(ctx, func(tx *store.Tx) error {
		if all || h.Owner != "" {
			quotas, err := quotasTx(tx, `SELECT owner, '', used, quota FROM data_owners WHERE ?1 = '' OR owner = ?1 ORDER BY owner`, h.Owner, Quota{Owner: h.Owner, Bytes: d.quota})
			if err != nil {
				return err
			}
			found = append(found, quotas...)
		}
		if all || h.Namespace != "" {
			quotas, err := quotasTx(tx, `SELECT '', namespace, used, quota FROM data_namespaces WHERE ?1 = '' OR namespace = ?1 ORDER BY namespace`, h.Namespace, Quota{Namespace: h.Namespace})
			if err != nil {
				return err
			}
			found = append(found, quotas...)
		}
		return nil
	})
	if err != nil {
		return nil, viewError("data.Quotas", err)
	}
	return found, nil
}

// quotasTx reads quotas; none is what one that is asked for has without a row.
func quotasTx(tx *store.Tx, query, name string, none Quota) (found []Quota, err error) {
	rows, err := tx.Query(query, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		q := Quota{Bytes: none.Bytes}
		var own sql.NullInt64
		if err := rows.Scan(&q.Owner, &q.Namespace, &q.Used, &own); err != nil {
			return nil, err
		}
		if own.Valid {
			q.Bytes, q.Own = own.Int64, true
		}
		found = append(found, q)
	}
	if name != "" && found == nil {
		found = []Quota{none}
	}
	return found, rows.Err()
}

// SetQuota says how many bytes the data of an owner, or of a namespace, may
// take; 0 is as much as there is, negative the site's quota for every owner,
// and none for a namespace. What is there already stays.
func (d *Data) SetQuota(ctx context.Context, h Holder, bytes int64) error {
	const op = "data.SetQuota"
	query, name := `INSERT INTO data_owners (owner, quota) VALUES (?1, ?2) ON CONFLICT (owner) DO UPDATE SET quota = ?2`, h.Owner
	switch {
	case (h.Owner == "") == (h.Namespace == ""):
		return refused(op, "", "name the owner or the namespace whose quota it is")
	case h.Namespace != "":
		if !fringe.ValidNamespace(h.Namespace) {
			return refused(op, "write 1 to 64 letters, digits and ._@-", "%.80q cannot name a namespace", h.Namespace)
		}
		query, name = `INSERT INTO data_namespaces (namespace, quota) VALUES (?1, ?2) ON CONFLICT (namespace) DO UPDATE SET quota = ?2`, h.Namespace
	}
	own := any(bytes)
	if bytes < 0 {
		own = nil
	}
	err := d.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(query, name, own)
		return err
	})
	if err != nil {
		return viewError(op, err)
	}
	return nil
}

// quotaTx refuses size bytes more than the owner's quota or the namespace's
// holds; a size that is not positive is not known, and refused when nothing
// more may come.
func (d *Data) quotaTx(tx *store.Tx, h Holder, size int64) error {
	err := boundTx(tx, `SELECT used, quota FROM data_owners WHERE owner = ?`, h.Owner, d.quota, size)
	if err != nil || h.Namespace == "" {
		return err
	}
	err = boundTx(tx, `SELECT used, quota FROM data_namespaces WHERE namespace = ?`, h.Namespace, 0, size)
	if e, ok := err.(*fringe.Error); ok {
		e.Message = "in the namespace, " + e.Message
	}
	return err
}

// sized gives a number of bytes exactly and as people read it.
func sized(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d bytes (%s)", n, fringe.SizeText(n))
}

// boundTx refuses size bytes more than one quota holds.
func boundTx(tx *store.Tx, query, name string, quota, size int64) error {
	var used int64
	var own sql.NullInt64
	err := tx.QueryRow(query, name).Scan(&used, &own)
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
		Message: fmt.Sprintf("the data of %s may take %s here and takes %s", name, sized(quota), sized(used)),
		Cure:    "remove what is not needed (fringe data gc, fringe data remove), or ask an operator for a larger quota (fringe data quota)"}
	if size > 0 {
		e.Message += fmt.Sprintf("; %s more are too many", sized(size))
	}
	return e
}

// fits says whether a holder may have size bytes more.
func (d *Data) fits(ctx context.Context, h Holder, size int64) error {
	return d.store.View(ctx, func(tx *store.Tx) error { return d.quotaTx(tx, h, size) })
}
