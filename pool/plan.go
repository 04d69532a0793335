package pool

import (
	"slices"
	"time"
)

// demand is what decides whether a version needs a further instance.
type demand struct {
	waiting  int           // calls in the queue
	live     int           // instances
	spent    int           // of live, those that take no further call
	starting int           // starts under way
	min, max int           // of the policy
	slots    int           // calls that one instance takes at once
	mean     time.Duration // of a call; 0 when not known
	age      time.Duration // how long the first call has waited
	blocked  bool          // a start has just failed
	patience time.Duration
}

// soon says whether the live instances will have served the calls that wait
// within the patience.
func (d demand) soon() bool {
	if d.waiting == 0 || d.live == 0 || d.mean == 0 || d.age >= d.patience {
		return false
	}
	return d.mean*time.Duration(d.waiting)/time.Duration(d.live*d.slots) < d.patience
}

// want gives how many further instances the version needs.
func (d demand) want() int {
	if d.blocked {
		return 0
	}
	need := 0
	if d.waiting > 0 && !d.soon() {
		need = (d.waiting+d.slots-1)/d.slots - d.starting
	}
	need = max(need, d.min-(d.live-d.spent)-d.starting)
	return max(0, min(need, d.max-d.live-d.starting))
}

// room is what the site has left.
type room struct {
	max      int // instances
	total    int // that start, live or are being stopped
	stopping int // of total
	starts   int // that may be under way
	starting int // of total
}

// claim is a version's wish for further instances.
type claim struct {
	want  int
	since time.Time // when its first call began to wait; zero: no call waits
	key   int       // of the version
}

// idler is an idle instance that could make room.
type idler struct {
	used  time.Time
	spare bool // its version has more than the policy's minimum
	of    int  // key of its version
	key   int  // of the instance
}

// plan decides which versions start an instance now and which idle instances
// are stopped to make room. The version whose call waits longest comes first.
// Instances make room only for versions with a waiting call, never for their
// own; those above their version's minimum go first, the longest idle first.
func plan(r room, claims []claim, idle []idler) (start, stop []int) {
	slices.SortStableFunc(claims, func(a, b claim) int {
		if a.since.IsZero() != b.since.IsZero() {
			if a.since.IsZero() {
				return 1
			}
			return -1
		}
		return a.since.Compare(b.since)
	})
	slices.SortStableFunc(idle, func(a, b idler) int {
		if a.spare != b.spare {
			if a.spare {
				return -1
			}
			return 1
		}
		return a.used.Compare(b.used)
	})
	coming := r.stopping // places that become free
	for _, c := range claims {
		for range c.want {
			switch {
			case r.total < r.max:
				if r.starting >= r.starts {
					return start, stop
				}
				start = append(start, c.key)
				r.total++
				r.starting++
			case coming > 0:
				coming--
			case !c.since.IsZero():
				at := slices.IndexFunc(idle, func(i idler) bool { return i.of != c.key })
				if at < 0 {
					continue
				}
				stop = append(stop, idle[at].key)
				idle = slices.Delete(idle, at, at+1)
			}
		}
	}
	return start, stop
}

// reap gives the keys of the idle instances of one version that have been idle
// for too long, the longest idle first, and when to look again; zero: never.
func reap(now time.Time, idle []idler, live, least int, limit time.Duration) (stop []int, next time.Time) {
	slices.SortStableFunc(idle, func(a, b idler) int { return a.used.Compare(b.used) })
	for _, i := range idle {
		if live-len(stop) <= least {
			return stop, next
		}
		if due := i.used.Add(limit); due.After(now) {
			return stop, due
		}
		stop = append(stop, i.key)
	}
	if live-len(stop) > least { // busy ones
		next = now.Add(max(limit/4, time.Millisecond))
	}
	return stop, next
}
