package data

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"

	"fringe"
)

const (
	notable    = 5        // differences that Compare tells
	maxCompare = 64 << 20 // bytes of a JSON document that is compared as such
)

// lockFile is in every casacore table; who reads the table writes it.
const lockFile = "table.lock"

// Compare tells what differs between two datasets, the first few differences;
// none when they hold the same. Of FITS files the data and their layout count,
// not the headers, which hold times and histories; of JSON the values; of a
// directory each file, save table.lock; of all else the bytes.
func (d *Data) Compare(ctx context.Context, a, b fringe.DID) ([]string, error) {
	const op = "data.Compare"
	one, err := d.Get(ctx, a)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	other, err := d.Get(ctx, b)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	if one.Directory != other.Directory {
		return []string{"one is a directory, the other a file"}, nil
	}
	var notes []string
	if !one.Directory {
		note, err := compareFiles(ctx, one.Path, other.Path)
		if err == nil && note != "" {
			notes = append(notes, note)
		}
		return notes, wrap(op, err)
	}
	left, err := treeOf(one.Path)
	if err != nil {
		return nil, gone(op, one, err)
	}
	right, err := treeOf(other.Path)
	if err != nil {
		return nil, gone(op, other, err)
	}
	for _, name := range union(left, right) {
		if len(notes) == notable {
			return append(notes, "…"), nil
		}
		switch {
		case !slices.Contains(left, name):
			notes = append(notes, name+": only in the second")
		case !slices.Contains(right, name):
			notes = append(notes, name+": only in the first")
		default:
			note, err := compareFiles(ctx, path.Join(one.Path, name), path.Join(other.Path, name))
			if err != nil {
				return nil, wrap(op, err)
			}
			if note != "" {
				notes = append(notes, name+": "+note)
			}
		}
	}
	return notes, nil
}

// treeOf gives the files below a directory, in order.
func treeOf(root string) (names []string, err error) {
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && path.Base(name) != lockFile {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// compareFiles says how two files differ; empty when they do not.
func compareFiles(ctx context.Context, a, b string) (string, error) {
	f, err := os.Open(a)
	if err != nil {
		return "", err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return "", err
	}
	defer g.Close()
	head := make([]byte, 9)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return "", err
	}
	if bytes.Equal(head[:n], []byte("SIMPLE  =")) {
		return compareFITS(ctx, f, g)
	}
	if st, err := f.Stat(); err == nil && strings.HasSuffix(a, ".json") && st.Size() < maxCompare {
		if note, ok := compareJSON(a, b); ok {
			return note, nil
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return compareBytes(ctx, f, g)
}

// compareJSON compares two documents by their values; ok is false when one is
// no JSON.
func compareJSON(a, b string) (note string, ok bool) {
	var values [2]any
	for i, name := range []string{a, b} {
		doc, err := os.ReadFile(name)
		if err != nil || json.Unmarshal(doc, &values[i]) != nil {
			return "", false
		}
	}
	if !reflect.DeepEqual(values[0], values[1]) {
		return "the values differ", true
	}
	return "", true
}

// compareBytes compares what two readers give.
func compareBytes(ctx context.Context, a, b io.Reader) (string, error) {
	const piece = 256 << 10
	x, y := make([]byte, piece), make([]byte, piece)
	for at := int64(0); ; at += piece {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		for i := range min(n, m) {
			if x[i] != y[i] {
				return fmt.Sprintf("byte %d differs", at+int64(i)), nil
			}
		}
		if n != m {
			return fmt.Sprintf("one ends at byte %d", at+int64(min(n, m))), nil
		}
		if errA != nil || errB != nil {
			for _, err := range []error{errA, errB} {
				if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
					return "", err
				}
			}
			return "", nil
		}
	}
}

// compareFITS compares the data of two FITS files part by part.
func compareFITS(ctx context.Context, f, g *os.File) (string, error) {
	var at [2]int64
	for n := 0; ; n++ {
		var parts [2]*io.SectionReader
		var layouts [2]hdu
		for i, file := range []*os.File{f, g} {
			st, err := file.Stat()
			if err != nil {
				return "", err
			}
			if at[i] >= st.Size() {
				continue
			}
			h, length, err := readHDU(io.NewSectionReader(file, at[i], st.Size()-at[i]), n == 0)
			if errors.Is(err, errNoHDU) {
				continue
			}
			if err != nil {
				return fmt.Sprintf("part %d cannot be read: %v", n+1, err), nil
			}
			size, ok := h.bytes()
			if !ok || size > st.Size()-at[i]-length {
				return fmt.Sprintf("part %d is cut short", n+1), nil
			}
			layouts[i], parts[i] = h, io.NewSectionReader(file, at[i]+length, size)
			at[i] += length + (size+fitsBlock-1)/fitsBlock*fitsBlock
		}
		switch {
		case parts[0] == nil && parts[1] == nil:
			return "", nil
		case parts[0] == nil || parts[1] == nil:
			return fmt.Sprintf("only one has a part %d", n+1), nil
		case !reflect.DeepEqual(layouts[0], layouts[1]):
			return fmt.Sprintf("part %d has another layout: %v and %v pixels", n+1, layouts[0].axes, layouts[1].axes), nil
		}
		if note, err := compareBytes(ctx, parts[0], parts[1]); err != nil || note != "" {
			if note != "" {
				note = fmt.Sprintf("of the data of part %d %s", n+1, note)
			}
			return note, err
		}
	}
}
