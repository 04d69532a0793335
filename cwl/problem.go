package cwl

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong in a document.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`   // from 1; 0 when not known
	Column  int    `json:"column,omitempty"` // from 1; 0 when not known
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"` // what would be right; empty when Message says it
}

// String gives file:line:column: message; cure.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Cure != "" {
		b.WriteString("; " + p.Cure)
	}
	return b.String()
}

// Problems is everything that is wrong in a document.
type Problems []Problem

// Error gives one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.String()
	}
	return strings.Join(lines, "\n")
}

// Unsupported is the refusal of a document that is right, but uses what is not
// supported here.
type Unsupported struct {
	What string // the feature, in CWL's words: "MPIRequirement", "class Workflow"
	File string
	Line int    // 0 when not known
	Cure string // what would be taken; empty when there is nothing
}

// Error names the feature, the place and the cure.
func (u *Unsupported) Error() string {
	s := u.What + " is not supported"
	if u.Cure != "" {
		s += "; " + u.Cure
	}
	if u.File != "" && u.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", u.File, u.Line, s)
	}
	return s
}
