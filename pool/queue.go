package pool

import (
	"time"

	"fringe"
)

// waiter is a call that waits for an instance. Exactly one grant comes to a
// waiter that was popped; none to one that was removed.
type waiter struct {
	granted    chan grant
	since      time.Time
	call       *fringe.Call
	lane       *lane   // of its principal; nil when it is in no queue
	prev, next *waiter // in the order of their coming
	fore, back *waiter // of the same principal
}

// grant ends a wait: with an instance that has a slot for the call, or with an
// error.
type grant struct {
	inst *instance
	took time.Duration // the start of the instance; only with cold
	cold bool          // the instance was started for the call
	err  error
}

// queue holds waiters. The principals take turns; the calls of one are served
// in the order of their coming.
type queue struct {
	first, last *waiter // in the order of their coming
	len         int
	lanes       map[string]*lane // of the principals with waiters
	turn        *lane            // whose turn it is
	held        *holds           // counts what waits in all queues of the site
}

// lane is the waiters of one principal. The lanes of a queue are a ring.
type lane struct {
	owner       string
	first, last *waiter
	len         int
	prev, next  *lane
}

// push puts w at the end of its principal's calls. A principal without calls
// comes last in the round.
func (q *queue) push(w *waiter, owner string) {
	l := q.lanes[owner]
	if l == nil {
		l = &lane{owner: owner}
		q.enter(l)
	}
	w.lane, w.prev, w.next, w.fore, w.back = l, q.last, nil, l.last, nil
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	if l.last != nil {
		l.last.back = w
	} else {
		l.first = w
	}
	q.last, l.last = w, w
	q.len++
	l.len++
	q.held.add(owner, hold{1, int64(len(w.call.Inputs))})
}

func (q *queue) enter(l *lane) {
	if q.lanes == nil {
		q.lanes = map[string]*lane{}
	}
	q.lanes[l.owner] = l
	if q.turn == nil {
		q.turn, l.prev, l.next = l, l, l
		return
	}
	l.prev, l.next = q.turn.prev, q.turn
	l.prev.next, l.next.prev = l, l
}

func (q *queue) leave(l *lane) {
	delete(q.lanes, l.owner)
	if l.next == l {
		q.turn = nil
		return
	}
	if q.turn == l {
		q.turn = l.next
	}
	l.prev.next, l.next.prev = l.next, l.prev
}

// head gives the waiter whose turn it is; nil when none waits.
func (q *queue) head() *waiter {
	if q.turn == nil {
		return nil
	}
	return q.turn.first
}

// pop takes the waiter out whose turn it is; the next turn is another
// principal's.
func (q *queue) pop() *waiter {
	w := q.head()
	if w != nil {
		q.turn = q.turn.next
		q.remove(w)
	}
	return w
}

// remove takes w out; false when it was not in the queue.
func (q *queue) remove(w *waiter) bool {
	l := w.lane
	if l == nil {
		return false
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	if w.fore != nil {
		w.fore.back = w.back
	} else {
		l.first = w.back
	}
	if w.back != nil {
		w.back.fore = w.fore
	} else {
		l.last = w.fore
	}
	w.lane, w.prev, w.next, w.fore, w.back = nil, nil, nil, nil, nil
	q.len--
	l.len--
	if l.len == 0 {
		q.leave(l)
	}
	q.held.add(l.owner, hold{-1, -int64(len(w.call.Inputs))})
	return true
}

// own gives how many calls of a principal wait, and how many other principals
// have calls that wait.
func (q *queue) own(owner string) (calls, others int) {
	if l := q.lanes[owner]; l != nil {
		return l.len, len(q.lanes) - 1
	}
	return 0, len(q.lanes)
}
