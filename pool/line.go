package pool

import "time"

const (
	minRetry = time.Second      // of Retry-After, which is in whole seconds
	maxRetry = 20 * time.Second // unless one call runs for longer: what is farther ahead is not known well
	rounds   = 2                // calls that may wait for each slot however long they do
)

// line is what decides whether a call may wait for an instance, and when one
// that may not is to come again. Places are promised to calls that were
// refused: they are waited for as if they were in the queue, but for half of
// it, so that those who never come leave no instance idle.
type line struct {
	waiting, promised int           // calls in the queue, and promised places
	own, ownPromised  int           // of them, the principal's
	others            int           // other principals with calls in the queue
	slots             int           // calls that may run at once
	run               time.Duration // of a call, as expected; 0: not known
	age               time.Duration // how long the first call has waited
	floor             int           // calls that may wait however long they do; 0: the policy says nothing
	wait              time.Duration // that is borne
}

// limit gives how many calls may be served before one that waits: so many that
// its turn comes within the wait that is borne, and at least rounds for each
// slot.
func (l line) limit() int {
	if l.run <= 0 {
		if l.floor > 0 {
			return l.floor
		}
		return DefaultQueue
	}
	borne := float64(l.wait) / float64(l.run) * float64(l.slots)
	return max(l.floor, rounds*l.slots, int(min(borne, 1<<30)))
}

// ahead gives how many of all calls are served before one of a principal that
// has own calls: the principals take turns.
func (l line) ahead(all, own int) int { return min(all, own+(own+1)*l.others) }

// takes says whether a call may wait; known is one to which a place was
// promised that is due.
func (l line) takes(known bool) bool {
	limit := l.limit()
	if known {
		return l.ahead(l.waiting, l.own) < limit
	}
	return l.ahead(l.waiting+min(l.promised, limit/2), l.own+min(l.ownPromised, limit/2)) < limit
}

// after gives the time after which there is a place for a call that is refused,
// when all come to whom one was promised before. While it is not known how long
// calls run, it is as long as the first has waited.
func (l line) after() time.Duration {
	if l.run <= 0 {
		return min(max(l.age, minRetry), maxRetry)
	}
	beyond := l.ahead(l.waiting+l.promised, l.own+l.ownPromised) + 1 - l.limit()
	turns := (beyond + l.slots - 1) / l.slots
	most := min(max(l.run, maxRetry), time.Minute)
	return time.Duration(min(max(float64(l.run)*float64(turns), float64(minRetry)), float64(most)))
}

// hold is what calls that wait hold: their number, and the bytes of their
// inputs.
type hold struct {
	calls int
	bytes int64
}

// fits says whether another call may be held beside all that are: at most as
// much of one principal as is left for the others, so that there is a place for
// one who comes, however many calls the others have.
func (own hold) fits(all, most hold, bytes int64) bool {
	return all.calls == 0 || own.calls < most.calls-all.calls && own.bytes+bytes <= most.bytes-all.bytes
}

// holds is what waits in all queues.
type holds struct {
	all, most hold
	by        map[string]hold // of principals with calls that wait
}

func (h *holds) add(owner string, d hold) {
	h.all = hold{h.all.calls + d.calls, h.all.bytes + d.bytes}
	own := h.by[owner]
	own = hold{own.calls + d.calls, own.bytes + d.bytes}
	if own.calls == 0 {
		delete(h.by, owner)
		return
	}
	h.by[owner] = own
}
