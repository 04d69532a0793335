package catalogue

import (
	"bytes"
	"regexp"
	"strings"

	"fringe"
)

// defaultPython is the environment of a Python handler that names none.
const defaultPython fringe.EnvironmentName = "python"

var fringeRE = regexp.MustCompile(`(?m)^FRINGE[ \t]*(?::[^=\n]*)?=[ \t]*\{`)

// pythonEnvironment gives the environment that the FRINGE dictionary of a
// handler names, and the line of it, without running the handler. What it does
// not find is checked again against what the handler says when it is run.
func pythonEnvironment(src []byte) (fringe.EnvironmentName, int) {
	at := fringeRE.FindIndex(src)
	if at == nil {
		return defaultPython, 1
	}
	d := dictionary{src: src, at: at[1], depth: 1}
	for d.depth > 0 && d.at < len(src) {
		if value, start, ok := d.step(); ok && value != "" {
			return fringe.EnvironmentName(value), 1 + bytes.Count(src[:start], []byte("\n"))
		}
	}
	return defaultPython, 1 + bytes.Count(src[:at[0]], []byte("\n"))
}

// dictionary reads a Python dictionary by its brackets, strings and comments.
type dictionary struct {
	src   []byte
	at    int
	depth int    // of brackets
	key   string // of the entry, when it is a string
	value bool   // a colon has come
}

// step reads one character, comment or string. It gives the value of the key
// environment, with its place, when that is what it has read.
func (d *dictionary) step() (value string, start int, ok bool) {
	c, start := d.src[d.at], d.at
	d.at++
	switch {
	case c == '#':
		if i := bytes.IndexByte(d.src[d.at:], '\n'); i >= 0 {
			d.at += i
		} else {
			d.at = len(d.src)
		}
	case c == '"' || c == '\'':
		s := d.text(c)
		switch {
		case d.depth != 1:
		case d.value:
			return s, start, d.key == "environment"
		default:
			d.key = s
		}
	case strings.IndexByte("{[(", c) >= 0:
		d.depth++
	case strings.IndexByte("}])", c) >= 0:
		d.depth--
	case d.depth == 1 && c == ':':
		d.value = true
	case d.depth == 1 && c == ',':
		d.key, d.value = "", false
	}
	return "", 0, false
}

// text reads a string whose first quote has been read.
func (d *dictionary) text(quote byte) string {
	end := []byte{quote}
	if triple := bytes.Repeat(end, 3); bytes.HasPrefix(d.src[d.at-1:], triple) {
		end = triple
		d.at += 2
	}
	var out []byte
	for d.at < len(d.src) && !bytes.HasPrefix(d.src[d.at:], end) {
		if d.src[d.at] == '\\' {
			d.at++
		}
		if d.at < len(d.src) {
			out = append(out, d.src[d.at])
		}
		d.at++
	}
	d.at += len(end)
	return string(out)
}
