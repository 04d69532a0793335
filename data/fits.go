package data

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

const (
	fitsBlock  = 2880
	fitsCard   = 80
	fitsBlocks = 4096 // most blocks of one header
	fitsAxes   = 999
)

// hdu is what of a FITS header tells where its data are and what they mean.
type hdu struct {
	kind   string // "" for the primary one, else XTENSION
	bitpix int64
	axes   []int64
	pcount int64
	gcount int64
	groups bool
}

// checkFITS reads a FITS file as far as it must to say that all its headers
// can be read, that no data are missing at its end, and that its images, when
// they have floating-point pixels, have a number among them.
func checkFITS(ctx context.Context, f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() == 0 {
		return errors.New("it is an empty file")
	}
	var pixels, images int64
	finite := false
	for at, n := int64(0), 0; at < st.Size(); n++ {
		h, length, err := readHDU(io.NewSectionReader(f, at, st.Size()-at), n == 0)
		if errors.Is(err, errNoHDU) && n > 0 {
			break // padding, or what the standard calls special records
		}
		if err != nil {
			return fmt.Errorf("header %d is not readable: %w", n+1, err)
		}
		size, ok := h.bytes()
		if !ok || size > st.Size()-at-length {
			return fmt.Errorf("it is cut short: part %d needs %d bytes of data and %d are there", n+1, size, max(0, st.Size()-at-length))
		}
		if h.image() && size > 0 && !finite {
			images++
			pixels += size / (abs(h.bitpix) / 8)
			if finite, err = anyFinite(ctx, io.NewSectionReader(f, at+length, size), h.bitpix); err != nil {
				return err
			}
		}
		at += length + (size+fitsBlock-1)/fitsBlock*fitsBlock
	}
	if images > 0 && !finite {
		return fmt.Errorf("all of its %d pixels are NaN or infinite: the function made no image", pixels)
	}
	return nil
}

var errNoHDU = errors.New("it does not begin with SIMPLE or XTENSION")

// readHDU reads one header and gives its length in bytes.
func readHDU(r io.Reader, primary bool) (h hdu, length int64, err error) {
	h.gcount = 1
	block := make([]byte, fitsBlock)
	values := map[string]string{}
	for n := range fitsBlocks {
		if _, err := io.ReadFull(r, block); err != nil {
			if n == 0 && primary && !bytes.HasPrefix(block, []byte("SIMPLE  =")) {
				return h, 0, errNoHDU
			}
			return h, 0, errors.New("it ends within the header, before its END card")
		}
		if n == 0 && !bytes.HasPrefix(block, map[bool][]byte{true: []byte("SIMPLE  ="), false: []byte("XTENSION=")}[primary]) {
			return h, 0, errNoHDU
		}
		for card := range len(block) / fitsCard {
			c := string(block[card*fitsCard : (card+1)*fitsCard])
			key := strings.TrimRight(c[:8], " ")
			if key == "END" {
				err := h.fill(values)
				return h, int64(n+1) * fitsBlock, err
			}
			if c[8:10] == "= " && wanted(key) {
				values[key] = cardValue(c[10:])
			}
		}
	}
	return h, 0, fmt.Errorf("it has no END card in %d bytes", fitsBlocks*fitsBlock)
}

// wanted says whether a keyword tells of the data's layout.
func wanted(key string) bool {
	switch key {
	case "XTENSION", "BITPIX", "PCOUNT", "GCOUNT", "GROUPS":
		return true
	}
	return strings.HasPrefix(key, "NAXIS")
}

// cardValue gives the value of a card without its quotes and comment.
func cardValue(s string) string {
	s = strings.TrimSpace(s)
	if quoted, ok := strings.CutPrefix(s, "'"); ok {
		s, _, _ = strings.Cut(quoted, "'")
		return strings.TrimSpace(s)
	}
	s, _, _ = strings.Cut(s, "/")
	return strings.TrimSpace(s)
}

// fill sets the fields from the cards.
func (h *hdu) fill(values map[string]string) error {
	number := func(key string, into *int64) error {
		v, ok := values[key]
		if !ok {
			return fmt.Errorf("it has no %s", key)
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 && key != "BITPIX" {
			return fmt.Errorf("%s is %.40q, which is not a count", key, v)
		}
		*into = n
		return nil
	}
	var naxis int64
	if err := errors.Join(number("BITPIX", &h.bitpix), number("NAXIS", &naxis)); err != nil {
		return err
	}
	switch h.bitpix {
	case 8, 16, 32, 64, -32, -64:
	default:
		return fmt.Errorf("BITPIX is %d, which no data have", h.bitpix)
	}
	if naxis > fitsAxes {
		return fmt.Errorf("NAXIS is %d; at most %d axes are allowed", naxis, fitsAxes)
	}
	h.axes = make([]int64, naxis)
	for i := range h.axes {
		if err := number("NAXIS"+strconv.Itoa(i+1), &h.axes[i]); err != nil {
			return err
		}
	}
	for key, into := range map[string]*int64{"PCOUNT": &h.pcount, "GCOUNT": &h.gcount} {
		if _, ok := values[key]; ok {
			if err := number(key, into); err != nil {
				return err
			}
		}
	}
	h.kind, h.groups = values["XTENSION"], values["GROUPS"] == "T"
	return nil
}

// bytes gives the size of the data; ok is false when no file can be so large.
func (h hdu) bytes() (size int64, ok bool) {
	axes := h.axes
	if len(axes) == 0 {
		return 0, true
	}
	if h.groups && axes[0] == 0 {
		axes = axes[1:]
	}
	const most = int64(1) << 60
	n := int64(1)
	for _, a := range axes {
		if a != 0 && n > most/a {
			return 0, false
		}
		n *= a
	}
	n += h.pcount
	unit := abs(h.bitpix) / 8 * max(h.gcount, 1)
	if n < 0 || n > most/unit {
		return 0, false
	}
	return n * abs(h.bitpix) / 8 * h.gcount, true
}

// image says whether the data are an image of floating-point pixels.
func (h hdu) image() bool {
	return h.bitpix < 0 && !h.groups && (h.kind == "" || h.kind == "IMAGE")
}

func abs(n int64) int64 { return max(n, -n) }

// anyFinite says whether a number is among big-endian floating-point pixels.
// It stops at the first.
func anyFinite(ctx context.Context, r io.Reader, bitpix int64) (bool, error) {
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := io.ReadFull(r, buf)
		if bitpix == -32 {
			for i := 0; i+4 <= n; i += 4 {
				if binary.BigEndian.Uint32(buf[i:])&0x7f800000 != 0x7f800000 {
					return true, nil
				}
			}
		} else {
			for i := 0; i+8 <= n; i += 8 {
				if binary.BigEndian.Uint64(buf[i:])&0x7ff0000000000000 != 0x7ff0000000000000 {
					return true, nil
				}
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}
