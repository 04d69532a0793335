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
	prev, next *waiter
	queued     bool
}

// grant ends a wait: with an instance that has a slot for the call, or with an
// error.
type grant struct {
	inst *instance
	took time.Duration // the start of the instance; only with cold
	cold bool          // the instance was started for the call
	err  error
}

// queue holds waiters in the order of their coming.
type queue struct {
	first, last *waiter
	len         int
}

func (q *queue) push(w *waiter) {
	w.prev, w.next, w.queued = q.last, nil, true
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
	q.len++
}

func (q *queue) pop() *waiter {
	w := q.first
	if w != nil {
		q.remove(w)
	}
	return w
}

// remove takes w out; false when it was not in the queue.
func (q *queue) remove(w *waiter) bool {
	if !w.queued {
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
	w.prev, w.next, w.queued = nil, nil, false
	q.len--
	return true
}
