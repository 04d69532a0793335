package cwl

import (
	"regexp"
	"strings"
)

// quoteFlowKeys puts quotes around keys such as fringe:unit inside of braces.
// YAML allows a colon in a plain word when no space follows it; the parser
// takes the first colon in braces for the end of the key.
func quoteFlowKeys(doc string) string {
	if !flowKey.MatchString(doc) {
		return doc
	}
	q := flowQuoter{block: -1}
	q.out.Grow(len(doc) + 64)
	for line := range strings.Lines(doc) {
		q.line(line)
	}
	return q.out.String()
}

var (
	flowKey     = regexp.MustCompile(`[{,\n]\s*[\w.$-]+:[^\s,\[\]{}"']+:[ \t\r\n]`)
	blockScalar = regexp.MustCompile(`(?:^|[ \t])[|>][-+0-9]*[ \t]*(?:#.*)?\r?\n?$`)
)

// flowQuoter follows quotes, brackets and block scalars from line to line.
type flowQuoter struct {
	out   strings.Builder
	depth int  // open brackets
	quote byte // open quotation mark, or 0
	start bool // a value or a key can begin here
	block int  // indentation of the key of an open block scalar; -1 when none is open
}

func (q *flowQuoter) line(line string) {
	body := strings.TrimLeft(line, " ")
	indent := len(line) - len(body)
	if q.block >= 0 {
		if indent > q.block || strings.TrimSpace(body) == "" {
			q.out.WriteString(line)
			return
		}
		q.block = -1
	}
	if q.quote == 0 {
		q.start = true
	}
	q.out.WriteString(line[:indent])
	outside := q.depth == 0 && q.quote == 0
	for i := indent; i < len(line); {
		i += q.step(line, i)
	}
	if outside && q.depth == 0 && q.quote == 0 && blockScalar.MatchString(line) {
		q.block = indent
		for rest := body; strings.HasPrefix(rest, "- "); {
			after := strings.TrimLeft(rest[2:], " ")
			q.block += len(rest) - len(after)
			rest = after
		}
	}
}

// step writes what stands at line[i] and gives its length.
func (q *flowQuoter) step(line string, i int) int {
	c := line[i]
	n := 1
	switch {
	case q.quote != 0:
		if c == '\\' && q.quote == '"' && i+1 < len(line) {
			n = 2
		} else if c == q.quote {
			q.quote = 0
		}
	case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
		n = len(line) - i
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
	case (c == '"' || c == '\'') && q.start:
		q.quote, q.start = c, false
	case (c == '{' || c == '[') && q.start:
		q.depth++
	case (c == '}' || c == ']') && q.depth > 0:
		q.depth--
		q.start = false
	case c == ',' && q.depth > 0:
		q.start = true
	case (c == ':' || c == '-' || c == '?') && (i+1 == len(line) || strings.IndexByte(" \t\r\n", line[i+1]) >= 0):
		q.start = true
	case q.depth == 0:
		q.start = false
	default:
		return q.word(line[i:])
	}
	q.out.WriteString(line[i : i+n])
	return n
}

// word writes a plain word inside of brackets.
func (q *flowQuoter) word(s string) int {
	n := strings.IndexAny(s, " \t\r\n,[]{}\"'")
	if n < 0 {
		n = len(s)
	}
	n = max(n, 1)
	word := s[:n]
	key, isKey := strings.CutSuffix(word, ":")
	if q.start && isKey && n < len(s) && strings.IndexByte(" \t\r\n", s[n]) >= 0 && strings.Contains(key, ":") && !strings.ContainsAny(key[:1], "!&*?-") && !strings.Contains(key, "\\") {
		q.out.WriteString(`"` + key + `":`)
	} else {
		q.out.WriteString(word)
	}
	q.start = isKey
	return n
}
