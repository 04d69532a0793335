package site

import (
	"cmp"
	"math"
	"slices"
	"time"

	"fringe"
	"fringe/jobs"
)

// Shares says how the site is divided between those who wait.
type Shares struct {
	Weights     map[string]int // of namespaces and principals, by name; 1 when not said
	PerOwner    int            // attempts of one principal at once; 0: any number
	Function    map[string]int // attempts of a function at once
	Environment map[string]int // attempts in an environment at once
	Most        int            // attempts of the site at once; 0: any number
	Patience    time.Duration  // how long a job may be overtaken by younger, smaller ones; 0: five minutes
}

func (s *Shares) weight(name string) float64 {
	if w := s.Weights[name]; w > 0 {
		return float64(w)
	}
	return 1
}

// held is an attempt that runs.
type held struct {
	jobs.Waiting
	started time.Time
}

// branch is a place in the tree of shares: a namespace, a principal in it, or
// a function of that principal.
type branch struct{ namespace, owner, function string }

func branches(w *jobs.Waiting) [3]branch {
	return [3]branch{{namespace: w.Namespace + "/"}, {w.Namespace + "/", w.Owner, ""}, {w.Namespace + "/", w.Owner, string(w.Function)}}
}

// situation is all that a decision looks at.
type situation struct {
	now     time.Time
	cpu     float64 // of the site
	memory  int64
	shares  Shares
	running []held
	waiting []jobs.Waiting
	used    map[branch]float64          // part of the site that each had on average lately
	blocked map[fringe.CallID]time.Time // since when a job that does not fit has been overtaken
}

// decide says which jobs start now, in this order, and since when jobs that do
// not fit have been overtaken.
//
// The turn goes to the namespace, in it to the principal, and among that
// principal's jobs of the highest priority to the function, that has had least
// for its weight; so a short function is not stuck behind a thousand jobs of a
// long one. A job that does not fit is overtaken by smaller ones; when its
// patience is over, what is started from then on leaves room for it.
func decide(s situation) (start []jobs.Waiting, blocked map[fringe.CallID]time.Time) {
	d := newDecision(&s)
	var first *jobs.Waiting
	if r := d.reserved; r != nil && (d.limited(r) || d.fits(r)) {
		d.reserved = nil
		if !d.limited(r) {
			first = r
			start = append(start, *r)
			d.take(r)
		}
	}
	var tooLarge *jobs.Waiting // the first of those whose turn it was that does not fit
	for {
		l := d.next()
		if l == nil || tooLarge != nil && d.full() {
			return start, d.overtaken(start, tooLarge)
		}
		w := l.jobs[0]
		l.jobs = l.jobs[1:]
		switch {
		case first != nil && first.ID == w.ID, d.limited(&w):
		case d.fits(&w):
			start = append(start, w)
			d.take(&w)
		case tooLarge == nil:
			tooLarge = &w
		}
	}
}

// overtaken gives since when jobs have been overtaken by younger, smaller ones:
// those that were and still wait, and the one that it happens to now.
func (d *decision) overtaken(start []jobs.Waiting, tooLarge *jobs.Waiting) map[fringe.CallID]time.Time {
	blocked := map[fringe.CallID]time.Time{}
	for i := range d.waiting {
		w := &d.waiting[i]
		started := slices.ContainsFunc(start, func(s jobs.Waiting) bool { return s.ID == w.ID })
		if since, ok := d.blocked[w.ID]; ok && !started {
			blocked[w.ID] = since
		}
	}
	if w := tooLarge; w != nil && blocked[w.ID].IsZero() && slices.ContainsFunc(start, func(s jobs.Waiting) bool {
		return s.Seq > w.Seq && (s.CPU < w.CPU || s.Memory < w.Memory)
	}) {
		blocked[w.ID] = d.now
	}
	return blocked
}

// line is the waiting jobs of one function of one principal.
type line struct {
	path [3]branch
	jobs []jobs.Waiting
}

// decision is a decision under way.
type decision struct {
	*situation
	freeCPU    float64
	freeMemory int64
	has        map[branch]float64 // used, and what runs
	owners     map[string]int     // attempts by principal, and so on
	functions  map[fringe.FunctionName]int
	envs       map[fringe.EnvironmentName]int
	count      int
	lines      []*line
	leastCPU   float64 // that a waiting job needs
	leastMem   int64
	oldest     map[branch]int64 // place of its oldest job, which decides between equals

	reserved    *jobs.Waiting // for whom room is left
	lateCPU     float64       // what runs that was started while room was left
	lateMemory  int64
	reservation time.Time
}

func newDecision(s *situation) *decision {
	d := &decision{situation: s, freeCPU: s.cpu, freeMemory: s.memory, has: map[branch]float64{}, owners: map[string]int{},
		functions: map[fringe.FunctionName]int{}, envs: map[fringe.EnvironmentName]int{}, oldest: map[branch]int64{}}
	for b, u := range s.used {
		d.has[b] = u
	}
	d.reserve()
	for i := range s.running {
		d.take(&s.running[i].Waiting)
		if d.reserved != nil && s.running[i].started.Before(d.reservation) {
			d.lateCPU -= s.running[i].CPU
			d.lateMemory -= s.running[i].Memory
		}
	}
	byPath := map[branch]*line{}
	d.leastCPU, d.leastMem = math.Inf(1), math.MaxInt64
	for _, w := range s.waiting {
		d.leastCPU, d.leastMem = min(d.leastCPU, w.CPU), min(d.leastMem, w.Memory)
		path := branches(&w)
		l := byPath[path[2]]
		if l == nil {
			l = &line{path: path}
			byPath[path[2]] = l
			d.lines = append(d.lines, l)
		}
		l.jobs = append(l.jobs, w)
		for _, b := range path {
			if seq, ok := d.oldest[b]; !ok || w.Seq < seq {
				d.oldest[b] = w.Seq
			}
		}
	}
	for _, l := range d.lines {
		slices.SortFunc(l.jobs, func(a, b jobs.Waiting) int {
			return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Seq, b.Seq))
		})
	}
	return d
}

// reserve finds the job whose patience has been over for longest.
func (d *decision) reserve() {
	patience := cmp.Or(d.shares.Patience, 5*time.Minute)
	for i := range d.waiting {
		w := &d.waiting[i]
		since, ok := d.blocked[w.ID]
		if over := since.Add(patience); ok && !over.After(d.now) && (d.reserved == nil || over.Before(d.reservation)) {
			d.reserved, d.reservation = w, over
		}
	}
}

// part says how much of the site a job takes.
func (d *decision) part(w *jobs.Waiting) float64 {
	return max(w.CPU/d.cpu, float64(w.Memory)/float64(d.memory), 1e-6)
}

func (d *decision) take(w *jobs.Waiting) {
	d.freeCPU -= w.CPU
	d.freeMemory -= w.Memory
	if d.reserved != nil {
		d.lateCPU += w.CPU
		d.lateMemory += w.Memory
	}
	for _, b := range branches(w) {
		d.has[b] += d.part(w)
	}
	d.owners[w.Owner]++
	d.functions[w.Function]++
	d.envs[w.Environment]++
	d.count++
}

const slack = 1e-9 // of sums of cores

func (d *decision) fits(w *jobs.Waiting) bool {
	if w.CPU > d.freeCPU+slack || w.Memory > d.freeMemory {
		return false
	}
	r := d.reserved
	return r == nil || r.ID == w.ID || d.lateCPU+w.CPU <= d.cpu-r.CPU+slack && d.lateMemory+w.Memory <= d.memory-r.Memory
}

// full says whether not even the smallest of the waiting jobs fits.
func (d *decision) full() bool { return d.leastCPU > d.freeCPU+slack || d.leastMem > d.freeMemory }

// limited says whether a bound on the number of attempts keeps a job back.
func (d *decision) limited(w *jobs.Waiting) bool {
	over := func(n, most int) bool { return most > 0 && n >= most }
	return over(d.count, d.shares.Most) || over(d.owners[w.Owner], d.shares.PerOwner) || over(d.functions[w.Function], w.AtOnce) ||
		over(d.functions[w.Function], d.shares.Function[string(w.Function)]) || over(d.envs[w.Environment], d.shares.Environment[string(w.Environment)])
}

// next gives the line whose turn it is; nil when all are empty.
func (d *decision) next() *line {
	d.lines = slices.DeleteFunc(d.lines, func(l *line) bool { return len(l.jobs) == 0 })
	if len(d.lines) == 0 {
		return nil
	}
	return slices.MinFunc(d.lines, func(a, b *line) int {
		for i := range a.path {
			if i == 2 { // of one principal
				if c := cmp.Compare(b.jobs[0].Priority, a.jobs[0].Priority); c != 0 {
					return c
				}
			}
			if c := cmp.Compare(d.score(a.path[i]), d.score(b.path[i])); c != 0 {
				return c
			}
			if c := cmp.Compare(d.oldest[a.path[i]], d.oldest[b.path[i]]); c != 0 {
				return c
			}
		}
		return 0
	})
}

// score is what a branch has had, for its weight.
func (d *decision) score(b branch) float64 {
	switch {
	case b.function != "":
		return d.has[b]
	case b.owner != "":
		return d.has[b] / d.shares.weight(b.owner)
	}
	return d.has[b] / d.shares.weight(b.namespace[:len(b.namespace)-1])
}

// memory of use fades by half in this time.
const halfLife = 10 * time.Minute

// fade brings the use of the site by each branch from one moment to another,
// over which the attempts ran.
func fade(used map[branch]float64, running []held, d time.Duration, part func(*jobs.Waiting) float64) {
	keep := math.Exp2(-float64(d) / float64(halfLife))
	for b := range used {
		if used[b] *= keep; used[b] < 1e-9 {
			delete(used, b)
		}
	}
	for i := range running {
		for _, b := range branches(&running[i].Waiting) {
			used[b] += (1 - keep) * part(&running[i].Waiting)
		}
	}
}
