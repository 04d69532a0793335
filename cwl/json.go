package cwl

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
)

// parseJSON reads a document that is JSON. It is only a faster way for what is
// YAML too: when it answers false, the document must be read as YAML, which
// also finds the message.
func parseJSON(file string, doc []byte) (*node, bool) {
	text := bytes.TrimLeft(doc, " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return nil, false
	}
	p := jsonReader{dec: json.NewDecoder(bytes.NewReader(doc)), file: file, lines: lineStarts(doc)}
	p.dec.UseNumber()
	n, err := p.value(0)
	if err != nil {
		return nil, false
	}
	if _, err := p.dec.Token(); err != io.EOF {
		return nil, false
	}
	return n, true
}

func lineStarts(doc []byte) []int {
	starts := []int{0}
	for i, c := range doc {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

var errNotPlainJSON = errors.New("not plain JSON")

type jsonReader struct {
	dec   *json.Decoder
	file  string
	lines []int
	total int
}

// place is that of the last token.
func (p *jsonReader) place() place {
	off := int(p.dec.InputOffset())
	line := sort.SearchInts(p.lines, off+1)
	return place{p.file, line, off - p.lines[line-1] + 1}
}

func (p *jsonReader) value(depth int) (*node, error) {
	t, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	p.total++
	if depth > maxDepth || p.total > maxNodes {
		return nil, errNotPlainJSON
	}
	n := &node{size: 1, place: p.place()}
	switch v := t.(type) {
	case json.Number:
		n.scalar, err = number(string(v))
	case json.Delim:
		if v == '[' {
			n.kind = listNode
		} else {
			n.kind = mapNode
		}
		err = p.members(n, depth)
	default:
		n.scalar = v
	}
	return n, err
}

func (p *jsonReader) members(n *node, depth int) error {
	seen := map[string]bool{}
	for p.dec.More() {
		if n.kind == mapNode {
			t, err := p.dec.Token()
			if err != nil {
				return err
			}
			key, ok := t.(string)
			if !ok || seen[key] || key == "<<" {
				return errNotPlainJSON
			}
			seen[key] = true
			n.keys = append(n.keys, key)
			n.keyPlaces = append(n.keyPlaces, p.place())
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.values = append(n.values, v)
		n.size += v.size
	}
	_, err := p.dec.Token()
	return err
}

// number gives an int64 where it can, else a float64. Of what float64 would
// make another number it gives what is written, a json.Number: a whole number
// beyond int64, and one with a fraction where float64 has none.
func number(s string) (any, error) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(f) < 1<<53 || len(s) > longNumber {
		return f, err
	}
	exact, ok := new(big.Rat).SetString(s)
	switch {
	case !ok:
		return f, nil
	case exact.IsInt() && exact.Num().IsInt64():
		return exact.Num().Int64(), nil
	case exact.IsInt() && strings.ContainsAny(s, ".eE"):
		return f, nil
	}
	return json.Number(strings.TrimPrefix(s, "+")), nil
}

// longNumber is how many characters a number has that nobody means exactly.
const longNumber = 400
