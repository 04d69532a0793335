package soda

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fringe"
)

const (
	maxNumbers = 2000 // of a region
	usage      = "UsageError"
	multi      = "MultiValuedParamNotSupported"
)

// Rule turns an ID into the name of a dataset: one that matches Pattern names
// the dataset DID, in which $1, $2, … are the pattern's groups.
type Rule struct {
	Pattern *regexp.Regexp
	DID     string
}

// DefaultRules name a dataset by itself, or as Rucio's deterministic paths do:
// ivo://AUTHORITY/PATH?SCOPE/…/NAME is SCOPE:NAME.
func DefaultRules() []Rule {
	return []Rule{
		{regexp.MustCompile(`^ivo://[^?]*\?([A-Za-z0-9][^/?]*)/(?:[^?]*/)?([^/?]+)$`), "$1:$2"},
		{regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*:[^?]+)$`), "$1"},
	}
}

// ParseRule reads PATTERN=DID, such as ^ivo://obs\.org/~\?(.+)$=obs:$1. The
// last '=' is the one between them.
func ParseRule(s string) (Rule, error) {
	i := strings.LastIndexByte(s, '=')
	if i <= 0 {
		return Rule{}, fringe.Errorf("soda.ParseRule", fringe.Invalid, `%q is not a rule; write PATTERN=SCOPE:NAME, such as ^ivo://obs\.org/~\?(.+)$=obs:$1`, s)
	}
	re, err := regexp.Compile(s[:i])
	if err != nil {
		return Rule{}, fringe.Errorf("soda.ParseRule", fringe.Invalid, "the pattern of the rule %q cannot be read: %w", s, err)
	}
	return Rule{re, s[i+1:]}, nil
}

// fault is what a request has wrong, with SODA's word for it.
type fault struct {
	word, text string
}

func (f *fault) Error() string { return f.word + ": " + f.text }

func bad(format string, args ...any) error { return &fault{usage, fmt.Sprintf(format, args...)} }

// query is a request in the terms of the function.
type query struct {
	did    fringe.DID
	run    string // RUNID, for the log
	inputs map[string]any
}

// read turns the parameters into inputs of the function.
func read(values url.Values, rules []Rule) (*query, error) {
	given := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		upper := strings.ToUpper(name)
		if upper == "RESPONSE_FORMAT" {
			upper = "RESPONSEFORMAT"
		}
		given[upper] = append(given[upper], values[name]...)
	}
	one := func(name string) (string, error) {
		switch v := given[name]; len(v) {
		case 0:
			return "", nil
		case 1:
			return v[0], nil
		}
		return "", &fault{multi, fmt.Sprintf("%s is given %d times; one is taken, ask for each in a request of its own", name, len(given[name]))}
	}
	q := &query{inputs: map[string]any{}}
	for _, step := range []struct {
		name string
		take func(string) error
	}{
		{"ID", func(s string) error { return q.id(s, rules) }},
		{"RESPONSEFORMAT", format}, {"TIME", notHere("TIME")}, {"MOC", notHere("MOC")},
		{"CIRCLE", q.circle}, {"POLYGON", q.polygon}, {"POS", q.pos}, {"BAND", q.band},
		{"RUNID", func(s string) error { q.run = s[:min(len(s), 64)]; return nil }},
	} {
		s, err := one(step.name)
		if err == nil && (s != "" || step.name == "ID") {
			err = step.take(s)
		}
		if err != nil {
			return nil, err
		}
	}
	return q, q.pol(given["POL"])
}

func (q *query) id(s string, rules []Rule) error {
	if s == "" {
		return bad("ID is missing; name a dataset, such as ID=ivo://AUTHORITY/PATH?SCOPE/NAME or ID=SCOPE:NAME")
	}
	for _, r := range rules {
		m := r.Pattern.FindStringSubmatchIndex(s)
		if m == nil {
			continue
		}
		did, err := fringe.ParseDID(string(r.Pattern.ExpandString(nil, r.DID, s, m)))
		if err != nil {
			return bad("ID %.200q names no dataset: %s", s, fringe.E("", err).Message)
		}
		q.did = did
		return nil
	}
	return bad("ID %.200q names no dataset of this site; write ivo://AUTHORITY/PATH?SCOPE/NAME or SCOPE:NAME", s)
}

func format(s string) error {
	switch mt, _, _ := strings.Cut(strings.ToLower(s), ";"); strings.TrimSpace(mt) {
	case "application/fits", "image/fits", "fits":
		return nil
	}
	return bad("RESPONSEFORMAT %.100q is not made here; application/fits is", s)
}

func notHere(name string) func(string) error {
	return func(string) error { return bad("%s is not supported; CIRCLE, POLYGON, POS, BAND and POL are", name) }
}

// numbers reads numbers between spaces. Infinities are for ranges.
func numbers(name, s string, infinite bool) ([]float64, error) {
	words := strings.Fields(s)
	if len(words) > maxNumbers {
		return nil, bad("%s has %d numbers; at most %d are taken", name, len(words), maxNumbers)
	}
	out := make([]float64, len(words))
	for i, w := range words {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) && !infinite {
			return nil, bad("%s has %.40q where a number is expected", name, w)
		}
		out[i] = v
	}
	return out, nil
}

// region keeps the one region of a request.
func (q *query) region(kind string, v []float64) error {
	for _, k := range []string{"circle", "polygon", "range"} {
		if q.inputs[k] != nil {
			return &fault{multi, "of CIRCLE, POLYGON and POS one is taken; ask for each in a request of its own"}
		}
	}
	list := make([]any, len(v))
	for i, x := range v {
		list[i] = x
	}
	q.inputs[kind] = list
	return nil
}

func (q *query) circle(s string) error {
	v, err := numbers("CIRCLE", s, false)
	switch {
	case err != nil:
		return err
	case len(v) != 3:
		return bad("CIRCLE has a longitude, a latitude and a radius in degrees; %d numbers were given", len(v))
	case math.Abs(v[1]) > 90 || v[2] <= 0 || v[2] > 180:
		return bad("CIRCLE %s is no circle on the sky: the latitude is between -90 and 90, the radius above 0 and at most 180 degrees", s)
	}
	return q.region("circle", v)
}

func (q *query) polygon(s string) error {
	v, err := numbers("POLYGON", s, false)
	switch {
	case err != nil:
		return err
	case len(v) < 6 || len(v)%2 != 0:
		return bad("POLYGON has three corners or more, each with a longitude and a latitude in degrees; %d numbers were given", len(v))
	}
	for i := 1; i < len(v); i += 2 {
		if math.Abs(v[i]) > 90 {
			return bad("POLYGON has the latitude %g; it is between -90 and 90", v[i])
		}
	}
	return q.region("polygon", v)
}

// limits reads RANGE lon1 lon2 lat1 lat2; an infinite end is that of the sky.
func (q *query) limits(s string) error {
	v, err := numbers("POS=RANGE", s, true)
	switch {
	case err != nil:
		return err
	case len(v) != 4:
		return bad("POS=RANGE has two longitudes and two latitudes in degrees; %d numbers were given", len(v))
	}
	for i, end := range []float64{0, 360, -90, 90} {
		if math.IsInf(v[i], 1-2*((i+1)%2)) {
			v[i] = end
		}
	}
	if math.IsInf(v[0], 0) || math.IsInf(v[1], 0) || math.Abs(v[2]) > 90 || math.Abs(v[3]) > 90 || v[2] > v[3] {
		return bad("POS=RANGE %s is no range on the sky: the latitudes are between -90 and 90, the first not above the second", s)
	}
	return q.region("range", v)
}

func (q *query) pos(s string) error {
	kind, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	switch strings.ToUpper(kind) {
	case "CIRCLE":
		return q.circle(rest)
	case "POLYGON":
		return q.polygon(rest)
	case "RANGE":
		return q.limits(rest)
	}
	return bad("POS begins with CIRCLE, RANGE or POLYGON; %.40q was given", kind)
}

func (q *query) band(s string) error {
	v, err := numbers("BAND", s, true)
	switch {
	case err != nil:
		return err
	case len(v) == 1 && !math.IsInf(v[0], 0):
		v = append(v, v[0])
	case len(v) != 2:
		return bad("BAND has two vacuum wavelengths in m, or one; %d numbers were given", len(v))
	}
	if v[0] > v[1] || v[1] <= 0 || math.IsInf(v[0], 1) {
		return bad("BAND %s is no interval of wavelengths: the first is not above the second, and the second is positive", s)
	}
	if v[0] > 0 {
		q.inputs["band_min"] = v[0]
	}
	if !math.IsInf(v[1], 1) {
		q.inputs["band_max"] = v[1]
	}
	return nil
}

// polarizations are the words of ObsCore that the function knows.
const polarizations = " I Q U V RR LL RL LR XX YY XY YX "

func (q *query) pol(given []string) error {
	var list []any
	for _, p := range given {
		if p == "" {
			continue
		}
		if strings.ContainsRune(p, ' ') || !strings.Contains(polarizations, " "+p+" ") {
			return bad("POL %.40q is not one of%s", p, strings.TrimRight(polarizations, " "))
		}
		list = append(list, p)
	}
	if list != nil {
		q.inputs["pol"] = list
	}
	return nil
}
