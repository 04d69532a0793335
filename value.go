package fringe

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strconv"
	"strings"
)

// Unmarshal reads a JSON document as json.Unmarshal does, but numbers in what
// has no type of its own stay as they are written, as json.Number: float64
// would lose digits of whole numbers above 2^53.
func Unmarshal(doc []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// SameValue says whether two values that Unmarshal gave are the same. Whole
// numbers are compared exactly, others as float64, however they are written.
func SameValue(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(string(a), string(b))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !SameValue(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, there := b[k]; !there || !SameValue(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	n, whole := digits(a)
	m, other := digits(b)
	if whole && other {
		return n.Cmp(m) == 0
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

// digits gives the integer that is written without fraction and exponent.
func digits(s string) (*big.Int, bool) {
	if strings.ContainsAny(s, ".eE") || len(s) > 1000 {
		return nil, false
	}
	return new(big.Int).SetString(s, 10)
}
