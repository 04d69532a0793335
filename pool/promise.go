package pool

import "time"

// promiseKept is how long a promised place is kept for a call that is late.
const promiseKept = 5 * time.Second

// promise is a place in the queue for a call that was refused, from the time
// on at which it was told to come again.
type promise struct {
	same       uint64 // Call.Same
	owner      string
	due        time.Time
	prev, next *promise // in the order in which they were made
}

// promises are the places that are kept at a version.
type promises struct {
	by          map[uint64]*promise
	owners      map[string]int // promises of each principal
	first, last *promise
}

// of gives the promise to a call; nil when it has none.
func (p *promises) of(same uint64) *promise { return p.by[same] }

// make promises a place.
func (p *promises) make(same uint64, owner string, due time.Time) {
	if p.by == nil {
		p.by, p.owners = map[uint64]*promise{}, map[string]int{}
	}
	made := &promise{same: same, owner: owner, due: due, prev: p.last}
	if p.last != nil {
		p.last.next = made
	} else {
		p.first = made
	}
	p.last = made
	p.by[same] = made
	p.owners[owner]++
}

// end forgets a promise that was kept, or that nobody came for.
func (p *promises) end(k *promise) {
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		p.first = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	} else {
		p.last = k.prev
	}
	delete(p.by, k.same)
	if p.owners[k.owner]--; p.owners[k.owner] == 0 {
		delete(p.owners, k.owner)
	}
}

// tidy forgets the promises whose time is over.
func (p *promises) tidy(now time.Time) {
	for p.first != nil && now.Sub(p.first.due) > promiseKept {
		p.end(p.first)
	}
}
