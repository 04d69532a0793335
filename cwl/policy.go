package cwl

import (
	"math"
	"time"

	"fringe"
)

// policy reads retry, clocks and atOnce of fringe:Function. What is written as
// 0 means none.
func (r *reader) policy(n *node) (p fringe.Policy) {
	retry, clocks := n.get("retry"), n.get("clocks")
	if !retry.isNull() {
		r.fields(retry, "retry", "platform", "function", "codes", "backoff", "most")
		p.Platform, p.Function = r.count(retry, "platform"), r.count(retry, "function")
		p.Backoff, p.Most = r.seconds(retry, "backoff"), r.seconds(retry, "most")
		p.Codes = r.codes(retry, "codes")
	}
	if !clocks.isNull() {
		r.fields(clocks, "clocks", "queue", "start", "idle")
		p.Queue, p.Start, p.Idle = r.seconds(clocks, "queue"), r.seconds(clocks, "start"), r.seconds(clocks, "idle")
	}
	p.AtOnce = r.count(n, "atOnce")
	return p
}

// count reads a whole number; -1 for none, 0 when the field is missing.
func (r *reader) count(n *node, field string) int {
	q := r.quantity(n, field)
	if !q.set {
		return 0
	}
	if q.expr != nil || q.number != math.Trunc(q.number) || q.number > 1e6 {
		r.problem(n.get(field), "write a whole number up to a million", "%s is not a number that can be used", field)
		return 0
	}
	if q.number == 0 {
		return -1
	}
	return int(q.number)
}

// seconds reads a time; -1 for none, 0 when the field is missing.
func (r *reader) seconds(n *node, field string) time.Duration {
	q := r.quantity(n, field)
	if !q.set {
		return 0
	}
	if q.expr != nil || q.number > 1e9 {
		r.problem(n.get(field), "write a number of seconds", "%s is not a time that can be used", field)
		return 0
	}
	if q.number == 0 {
		return -1
	}
	return timeLimitOf(q.number)
}
