package data

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fringe"
)

// CheckProduct says what is wrong with an output: it is missing, or is not
// what directory says; a FITS file is empty, cut short, has a header that
// cannot be read or an image without a single number; a measurement set or
// another casacore table lacks its table.dat. It is the kind Invalid and says
// nothing about which output it is.
func CheckProduct(ctx context.Context, path string, directory bool) error {
	const op = "data.CheckProduct"
	const look = "see the call's log for why the function did not write it"
	name := filepath.Base(path)
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refused(op, look, "the function left no %s", name)
	case err != nil:
		return fringe.E(op, err)
	case directory != st.IsDir() || !st.IsDir() && !st.Mode().IsRegular():
		want := map[bool]string{true: "a directory", false: "a file"}[directory]
		return refused(op, "", "%s is %s; the interface says %s", name, typeName(st.Mode()), want)
	case directory:
		return checkTable(path)
	}
	f, err := openRegular(path)
	if err != nil {
		return fringe.E(op, err)
	}
	defer f.Close()
	if !namedFITS(name) && !beginsFITS(f) {
		return nil
	}
	if err := checkFITS(ctx, f); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return refused(op, "see the call's log; inputs without unflagged data are a common reason", "%s is not a good FITS file: %s", name, err)
	}
	return nil
}

// namedFITS says whether a file name promises FITS.
func namedFITS(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".fits", ".fit", ".fts", ".uvfits", ".uvf":
		return true
	}
	return false
}

// beginsFITS says whether the file begins as FITS does.
func beginsFITS(f io.ReaderAt) bool {
	head := make([]byte, 9)
	n, _ := f.ReadAt(head, 0)
	return bytes.Equal(head[:n], []byte("SIMPLE  ="))
}

// checkTable checks a directory that is, or by its name should be, a table.
func checkTable(dir string) error {
	const op = "data.CheckProduct"
	name := filepath.Base(dir)
	st, err := os.Stat(filepath.Join(dir, "table.dat"))
	isMS := strings.EqualFold(filepath.Ext(name), ".ms")
	switch {
	case errors.Is(err, fs.ErrNotExist) && !isMS:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return refused(op, "see the call's log", "%s is not a measurement set: it has no table.dat", name)
	case err != nil:
		return fringe.E(op, err)
	case st.Size() == 0:
		return refused(op, "see the call's log", "%s is not a good table: its table.dat is empty", name)
	}
	return nil
}
