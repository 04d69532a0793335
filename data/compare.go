package data

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
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

// Comparison tells whether two datasets hold the same, and the first few
// differences, also those that do not count.
type Comparison struct {
	Equal bool
	Notes []string
}

// note adds a difference.
func (c *Comparison) note(what string, d difference) {
	if d.note == "" {
		return
	}
	c.Equal = c.Equal && d.slight
	if what != "" {
		what += ": "
	}
	switch len(c.Notes) {
	case notable:
		c.Notes = append(c.Notes, "…")
	case notable + 1:
	default:
		c.Notes = append(c.Notes, what+d.note)
	}
}

// difference is how two files differ; the zero one says that they do not.
type difference struct {
	note   string
	slight bool // it does not count
}

// Compare compares two datasets: of FITS files the data and their layout, not
// the headers, which hold times and histories; of JSON the values; of a
// directory each file, save table.lock; of all else the bytes. Floating-point
// pixels may differ by the tolerance, a part of the largest value. A log
// (NAME.log) does not count.
func (d *Data) Compare(ctx context.Context, a, b fringe.DID, tolerance float64) (Comparison, error) {
	const op = "data.Compare"
	c := Comparison{Equal: true}
	one, err := d.Get(ctx, a)
	if err != nil {
		return c, fringe.E(op, err)
	}
	other, err := d.Get(ctx, b)
	if err != nil {
		return c, fringe.E(op, err)
	}
	if one.Directory != other.Directory {
		c.note("", difference{note: "one is a directory, the other a file"})
		return c, nil
	}
	if !one.Directory {
		diff, err := compareFiles(ctx, one.Path, other.Path, tolerance)
		c.note("", diff)
		return c, wrap(op, err)
	}
	left, err := treeOf(one.Path)
	if err != nil {
		return c, gone(op, one, err)
	}
	right, err := treeOf(other.Path)
	if err != nil {
		return c, gone(op, other, err)
	}
	for _, name := range union(left, right) {
		switch {
		case !slices.Contains(left, name):
			c.note(name, difference{note: "only in the second"})
		case !slices.Contains(right, name):
			c.note(name, difference{note: "only in the first"})
		default:
			diff, err := compareFiles(ctx, path.Join(one.Path, name), path.Join(other.Path, name), tolerance)
			if err != nil {
				return c, wrap(op, err)
			}
			c.note(name, diff)
		}
	}
	return c, nil
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

// compareFiles says how two files differ.
func compareFiles(ctx context.Context, a, b string, tolerance float64) (difference, error) {
	f, err := os.Open(a)
	if err != nil {
		return difference{}, err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return difference{}, err
	}
	defer g.Close()
	head := make([]byte, 9)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return difference{}, err
	}
	if bytes.Equal(head[:n], []byte("SIMPLE  =")) {
		return compareFITS(ctx, f, g, tolerance)
	}
	if st, err := f.Stat(); err == nil && strings.HasSuffix(a, ".json") && st.Size() < maxCompare {
		if note, ok := compareJSON(a, b); ok {
			return difference{note: note}, nil
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return difference{}, err
	}
	note, err := compareBytes(ctx, f, g)
	if note != "" && strings.HasSuffix(a, ".log") {
		return difference{"a log, which does not count, differs", true}, err
	}
	return difference{note: note}, err
}

// compareJSON compares two documents by their values; ok is false when one is
// no JSON.
func compareJSON(a, b string) (note string, ok bool) {
	var values [2]any
	for i, name := range []string{a, b} {
		doc, err := os.ReadFile(name)
		if err != nil || fringe.Unmarshal(doc, &values[i]) != nil {
			return "", false
		}
	}
	if !fringe.SameValue(values[0], values[1]) {
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
func compareFITS(ctx context.Context, f, g *os.File, tolerance float64) (difference, error) {
	var at [2]int64
	all := difference{slight: true}
	for n := 1; ; n++ {
		var parts [2]*part
		for i, file := range []*os.File{f, g} {
			p, err := partAt(file, &at[i], n == 1)
			if err != nil {
				return difference{note: fmt.Sprintf("part %d cannot be read: %v", n, err)}, nil
			}
			parts[i] = p
		}
		switch {
		case parts[0] == nil && parts[1] == nil:
			return all, nil
		case parts[0] == nil || parts[1] == nil:
			return difference{note: fmt.Sprintf("only one has a part %d", n)}, nil
		case !reflect.DeepEqual(parts[0].hdu, parts[1].hdu):
			return difference{note: fmt.Sprintf("part %d has another layout: %v and %v pixels", n, parts[0].axes, parts[1].axes)}, nil
		}
		d, err := compareParts(ctx, parts, tolerance)
		if err != nil {
			return d, err
		}
		if d.note != "" {
			d.note = fmt.Sprintf("in part %d %s", n, d.note)
			if !d.slight {
				return d, nil
			}
			all = d
		}
	}
}

// part is the data of one part of a FITS file.
type part struct {
	hdu
	data *io.SectionReader
}

// partAt gives the part whose header begins there, and moves on; nil when
// there is none.
func partAt(f *os.File, at *int64, primary bool) (*part, error) {
	st, err := f.Stat()
	if err != nil || *at >= st.Size() {
		return nil, err
	}
	h, length, err := readHDU(io.NewSectionReader(f, *at, st.Size()-*at), primary)
	if errors.Is(err, errNoHDU) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	size, ok := h.bytes()
	if !ok || size > st.Size()-*at-length {
		return nil, errors.New("it is cut short")
	}
	p := &part{h, io.NewSectionReader(f, *at+length, size)}
	*at += length + (size+fitsBlock-1)/fitsBlock*fitsBlock
	return p, nil
}

// compareParts compares the data of two parts of the same layout.
func compareParts(ctx context.Context, parts [2]*part, tolerance float64) (difference, error) {
	note, err := compareBytes(ctx, parts[0].data, parts[1].data)
	if err != nil || note == "" || !parts[0].image() || parts[0].bitpix > 0 {
		return difference{note: note}, err
	}
	for _, p := range parts {
		if _, err := p.data.Seek(0, io.SeekStart); err != nil {
			return difference{}, err
		}
	}
	var worst, largest float64
	width := int(-parts[0].bitpix / 8)
	x, y := bufio.NewReaderSize(parts[0].data, 1<<20), bufio.NewReaderSize(parts[1].data, 1<<20)
	b := make([]byte, width)
	for i := int64(0); i < parts[0].data.Size()/int64(width); i++ {
		var v [2]float64
		for k, r := range []*bufio.Reader{x, y} {
			if _, err := io.ReadFull(r, b); err != nil {
				return difference{}, err
			}
			v[k] = pixel(b)
		}
		if math.IsNaN(v[0]) != math.IsNaN(v[1]) {
			return difference{note: "other pixels are blank"}, nil
		}
		if !math.IsNaN(v[0]) {
			worst, largest = max(worst, math.Abs(v[0]-v[1])), max(largest, math.Abs(v[0]))
		}
	}
	if worst == 0 { // signs of zero, kinds of blank
		return difference{}, nil
	}
	return difference{fmt.Sprintf("pixels differ by up to %.2g of the largest", worst/largest), worst <= tolerance*largest}, nil
}

// pixel reads a floating-point number of four or eight bytes.
func pixel(b []byte) float64 {
	if len(b) == 4 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b))
}
