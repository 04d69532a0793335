package pool

import "time"

// situation is all that the decision to start instances of one function
// version depends on.
type situation struct {
	Waiting     int           // calls in the queue
	Ready       int           // instances that are there
	Starting    int           // starts under way
	Concurrency int           // calls per instance
	Max, Min    int           // instances that the policy allows and wants
	Waited      time.Duration // of the first call in the queue
	Patience    time.Duration // wait that is worth a further instance
	Backoff     time.Duration // left after a failed start; not positive: none
	SiteFree    int           // instances that the site has room for
	SiteStarts  int           // starts that the site allows now
	Idle        bool          // an idle instance of another function could give way
	Closed      bool
}

// decision says what to do.
type decision struct {
	Start int           // instances to start
	Evict bool          // stop an idle instance of another function and start one in its place
	Look  time.Duration // look again after this; 0: at the next event
}

// decide says how many instances to start. The first call of a function
// starts one at once; further ones are started when the first in the queue has
// waited longer than Patience, so that a burst which the present instances
// work off starts none.
func decide(s situation) decision {
	if s.Closed {
		return decision{}
	}
	room := s.Max - s.Ready - s.Starting
	need := (s.Waiting+s.Concurrency-1)/s.Concurrency - s.Starting
	want := min(max(need, s.Min-s.Ready-s.Starting), room)
	if want <= 0 {
		return decision{}
	}
	if s.Backoff > 0 {
		return decision{Look: s.Backoff}
	}
	if s.Ready+s.Starting > 0 && s.Ready+s.Starting >= s.Min {
		if s.Waited < s.Patience {
			return decision{Look: s.Patience - s.Waited}
		}
		want = 1 // one more at a time: each start is dear, and the next look comes soon
	} else {
		want = max(1, s.Min-s.Ready-s.Starting)
	}
	look := s.Patience
	if want > s.SiteStarts {
		want = s.SiteStarts
	}
	if want <= 0 {
		return decision{Look: look}
	}
	if s.SiteFree <= 0 {
		return decision{Evict: s.Idle, Look: look}
	}
	return decision{Start: min(want, s.SiteFree), Look: look}
}
