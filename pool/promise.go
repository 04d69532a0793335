package pool

import (
	"container/list"
	"time"
)

// promiseKept is how long a promised place is kept for a call that is late.
const promiseKept = 5 * time.Second

// promise is a place in the queue for a call that was refused, from the time
// on at which it was told to come again.
type promise struct {
	same  uint64 // Call.Same
	owner string
	due   time.Time
	at    *list.Element // of promises.made
}

// promises are the places that are kept at a version.
type promises struct {
	by     map[uint64]*promise
	owners map[string]int // promises of each principal
	made   list.List      // of *promise, in the order in which they were made
}

// of gives the promise to a call; nil when it has none.
func (p *promises) of(same uint64) *promise { return p.by[same] }

// make promises a place.
func (p *promises) make(same uint64, owner string, due time.Time) {
	if p.by == nil {
		p.by, p.owners = map[uint64]*promise{}, map[string]int{}
	}
	k := &promise{same: same, owner: owner, due: due}
	k.at = p.made.PushBack(k)
	p.by[same] = k
	p.owners[owner]++
}

// end forgets a promise that was kept, or that nobody came for.
func (p *promises) end(k *promise) {
	p.made.Remove(k.at)
	delete(p.by, k.same)
	if p.owners[k.owner]--; p.owners[k.owner] == 0 {
		delete(p.owners, k.owner)
	}
}

// tidy forgets the promises whose time is over.
func (p *promises) tidy(now time.Time) {
	for e := p.made.Front(); e != nil && now.Sub(e.Value.(*promise).due) > promiseKept; e = p.made.Front() {
		p.end(e.Value.(*promise))
	}
}
