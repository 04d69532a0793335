package site

import (
	"fmt"
	"maps"
	"math"

	"fringe"
	"fringe/catalogue"
)

// fits says whether the limits of a call can ever be met here. Where the
// function reckons its memory from inputs the error says which, and up to what
// value the first of them would do.
func (l *Local) fits(v *catalogue.Version, inputs map[string]any, limits fringe.Limits) error {
	const op = "site.fits"
	if limits.CPU > l.cfg.CPU {
		return &fringe.Error{Op: op, Kind: fringe.Invalid,
			Message: fmt.Sprintf("the function needs %g cores; this site has %g", limits.CPU, l.cfg.CPU),
			Cure:    "ask for fewer cores where the function lets you choose, or call it at a larger site"}
	}
	if limits.Memory <= l.cfg.Memory {
		return nil
	}
	e := &fringe.Error{Op: op, Kind: fringe.Invalid, Cure: "call it at a site with more memory",
		Message: fmt.Sprintf("the function needs %d MiB of memory; this site gives at most %d MiB", limits.Memory>>20, l.cfg.Memory>>20)}
	for _, name := range v.Tool.MemoryInputs() {
		value := inputs[name]
		if value == nil {
			continue
		}
		if e.Pointer == "" {
			e.Pointer = "/" + name
			e.Message = fmt.Sprintf("for these inputs the function needs %d MiB of memory by its estimate; this site gives at most %d MiB", limits.Memory>>20, l.cfg.Memory>>20)
			e.Cure = "ask for less, or call it at a site with more memory"
		}
		if most := l.most(v, inputs, name); most != nil {
			e.Pointer = "/" + name
			e.Cure = fmt.Sprintf("%s of %v fits here with the other inputs as they are; or call it at a site with more memory", name, most)
			break
		}
	}
	return e
}

// most gives the largest value of an input, a whole number or several in the
// same ratio, with which the call fits here; nil when none does.
func (l *Local) most(v *catalogue.Version, inputs map[string]any, name string) any {
	inputs = maps.Clone(inputs)
	value := inputs[name]
	low, high := 0, largest(value) // low fits or is 0, high does not
	var found any
	for high-low > 1 {
		middle := low + (high-low)/2
		inputs[name] = scaled(value, middle, largest(value))
		limits, err := v.Tool.LimitsFor(inputs)
		if err == nil && limits.Memory <= l.cfg.Memory {
			low, found = middle, inputs[name]
		} else {
			high = middle
		}
	}
	return found
}

// largest gives the largest whole number of a value; 0 when it has another.
func largest(value any) int {
	switch v := value.(type) {
	case int64:
		return int(min(v, math.MaxInt32))
	case []any:
		most := 0
		for _, e := range v {
			n := largest(e)
			if n < 1 {
				return 0
			}
			most = max(most, n)
		}
		return most
	}
	return 0
}

// scaled gives a value of whole numbers times part/whole, none below 1.
func scaled(value any, part, whole int) any {
	switch v := value.(type) {
	case int64:
		return max(1, int64(float64(v)/float64(whole)*float64(part)))
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = scaled(e, part, whole)
		}
		return out
	}
	return value
}
