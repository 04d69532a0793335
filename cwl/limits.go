package cwl

import (
	"math"
	"regexp"
	"slices"

	"fringe"
)

// Limits gives the limits that the document states as plain numbers: the upper
// bound of cores and memory where there is one, else what the tool asks for at
// least, and the time. What the document does not state is zero.
func (t *Tool) Limits() fringe.Limits {
	q := &t.req
	upper := func(high, low quantity) float64 {
		if high.set && high.expr == nil {
			return high.number
		}
		if low.set && low.expr == nil {
			return low.number
		}
		return 0
	}
	l := fringe.Limits{CPU: upper(q.coresMax, q.coresMin), Memory: whole(math.Min(upper(q.ramMax, q.ramMin), 1<<40)) << 20}
	if q.timeLimit.expr == nil {
		l.Time = timeLimitOf(q.timeLimit.number)
	}
	return l
}

// LimitsFor gives the limits of one call: those that the document states, by
// expressions of the inputs too.
func (t *Tool) LimitsFor(inputs map[string]any) (fringe.Limits, error) {
	l := t.Limits()
	s := &stager{t: t, ev: &evaluator{inputs: inputs, script: t.script}}
	upper := func(high, low *quantity) (float64, error) {
		if !high.set {
			high = low
		}
		if !high.set {
			return 0, nil
		}
		return s.number(high, "ResourceRequirement")
	}
	q := &t.req
	cpu, err := upper(&q.coresMax, &q.coresMin)
	if err != nil {
		return l, fringe.Errorf("cwl.LimitsFor", fringe.Invalid, "%w", err)
	}
	ram, err := upper(&q.ramMax, &q.ramMin)
	if err != nil {
		return l, fringe.Errorf("cwl.LimitsFor", fringe.Invalid, "%w", err)
	}
	l.CPU, l.Memory = cpu, int64(math.Min(ram, 1<<40))<<20
	return l, nil
}

// MemoryInputs names the inputs from which the document reckons the memory, each
// once, in the order of its expression. There are none when the memory is a
// plain number.
func (t *Tool) MemoryInputs() []string {
	q := &t.req.ramMax
	if !q.set {
		q = &t.req.ramMin
	}
	if q.expr == nil {
		return nil
	}
	var names []string
	for _, m := range inputName.FindAllStringSubmatch(q.expr.raw, -1) {
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

var inputName = regexp.MustCompile(`\binputs\.([A-Za-z_]\w*)`)

// Network says whether the tool asks for the network. When an expression
// decides that for each call, the answer is true.
func (t *Tool) Network() bool { return t.req.networkOn || t.req.network != nil }

// Reuse says whether what a call made may answer the same call again: not when
// the document refuses it (WorkReuse), uses the network, or says that its
// outputs vary. When an expression decides that for each call, the answer is
// no.
func (t *Tool) Reuse() bool {
	return !t.req.noReuse && !t.Network() && (t.Function == nil || !t.Function.Varies)
}

// Temporary says whether the document lists the exit code among those after
// which a later try may succeed.
func (t *Tool) Temporary(code int) bool { return slices.Contains(t.temporary, code) }
