package pool

import (
	"testing"
	"time"
)

func TestLimit(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		name  string
		l     line
		limit int
	}{
		{"nothing is known", line{slots: 4, wait: 10 * s}, DefaultQueue},
		{"nothing is known, and the policy says so many", line{slots: 4, wait: 10 * s, floor: 5}, 5},
		{"short calls", line{slots: 4, run: 10 * ms, wait: 10 * s}, 4000},
		{"calls of seconds", line{slots: 4, run: 2 * s, wait: 10 * s}, 20},
		{"slow calls", line{slots: 4, run: 30 * s, wait: 10 * s}, 8},
		{"slow calls, and the policy says so many", line{slots: 4, run: 30 * s, wait: 10 * s, floor: 100}, 100},
		{"one slow call at a time", line{slots: 1, run: time.Hour, wait: 10 * s}, 2},
		{"a caller who waits for ever", line{slots: 1, run: time.Hour, wait: 1 << 62}, 1281023},
		{"calls that take no time", line{slots: 1 << 20, run: 1, wait: 1 << 62}, 1 << 30},
	} {
		if got := c.l.limit(); got != c.limit {
			t.Errorf("%s: limit() = %d, want %d", c.name, got, c.limit)
		}
	}
}

func TestTakes(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	fast := line{slots: 4, run: 10 * ms, wait: 10 * s} // 4000
	with := func(l line, f func(l *line)) line { f(&l); return l }
	for _, c := range []struct {
		name       string
		l          line
		new, known bool
		after      time.Duration
	}{
		{"nobody waits", fast, true, true, s},
		{"the last place", with(fast, func(l *line) { l.waiting, l.own = 3999, 3999 }), true, true, s},
		{"all places are taken", with(fast, func(l *line) { l.waiting, l.own = 4000, 4000 }), false, false, s},
		{"a place is promised", with(fast, func(l *line) { l.waiting, l.own, l.promised, l.ownPromised = 3990, 3990, 10, 10 }), false, true, s},
		{"half of the places may be promised", with(fast, func(l *line) { l.waiting, l.own, l.promised, l.ownPromised = 1999, 1999, 9000, 9000 }), true, true, 17500 * ms},
		{"who comes later is told to come later", with(fast, func(l *line) { l.waiting, l.own, l.promised, l.ownPromised = 4000, 4000, 3999, 3999 }), false, false, 10 * s},
		{"a principal of one call beside one of many", with(fast, func(l *line) { l.waiting, l.others = 4000, 1 }), true, true, s},
		{"one of as many as the other", with(fast, func(l *line) { l.waiting, l.own, l.others = 4000, 2000, 1 }), false, false, s},
		{"so many principals that each round is too long", with(fast, func(l *line) { l.waiting, l.others = 4000, 4000 }), false, false, s},
		{"promises to others do not keep one out", with(fast, func(l *line) { l.waiting, l.promised, l.others = 4000, 2000, 1 }), true, true, s},
		{"slow calls", line{slots: 4, run: 30 * s, wait: 10 * s, waiting: 8, own: 8}, false, false, 30 * s},
		{"a long wait is told as a minute", line{slots: 1, run: time.Hour, wait: 10 * s, waiting: 2, own: 2}, false, false, time.Minute},
		{"nothing is known, nothing moves", line{slots: 4, wait: 10 * s, waiting: 64, own: 64, age: 7 * s}, false, false, 7 * s},
	} {
		if isNew, known := c.l.takes(false), c.l.takes(true); isNew != c.new || known != c.known {
			t.Errorf("%s: a new call is taken: %v, one with a promised place: %v, want %v, %v", c.name, isNew, known, c.new, c.known)
		}
		if got := c.l.after(); got != c.after {
			t.Errorf("%s: after() = %v, want %v", c.name, got, c.after)
		}
	}
}

func TestFits(t *testing.T) {
	most := hold{100, 1000}
	for _, c := range []struct {
		name     string
		own, all hold
		bytes    int64
		want     bool
	}{
		{"nothing waits", hold{}, hold{}, 5000, true},
		{"half is one's own", hold{49, 49}, hold{49, 49}, 1, true},
		{"more than half", hold{50, 50}, hold{50, 50}, 1, false},
		{"another comes then", hold{}, hold{50, 50}, 1, true},
		{"as much as is left", hold{25, 0}, hold{74, 0}, 1, true},
		{"more than is left", hold{25, 0}, hold{75, 0}, 1, false},
		{"bytes", hold{1, 500}, hold{1, 500}, 1, false},
		{"bytes of another", hold{1, 10}, hold{2, 510}, 480, true},
		{"bytes that are not left", hold{1, 10}, hold{2, 510}, 481, false},
	} {
		if got := c.own.fits(c.all, most, c.bytes); got != c.want {
			t.Errorf("%s: fits() = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPromises(t *testing.T) {
	var p promises
	for n := range uint64(4) {
		p.make(n+1, "ann", noon.Add(time.Duration(n)*time.Second))
	}
	p.make(9, "bob", noon)
	p.end(p.of(2))
	if len(p.by) != 4 || p.owners["ann"] != 3 || p.of(2) != nil {
		t.Fatalf("%d promises, %v, want 4, 3 of them ann's", len(p.by), p.owners)
	}
	p.tidy(noon.Add(promiseKept))
	if len(p.by) != 4 {
		t.Errorf("%d promises are kept, want all", len(p.by))
	}
	p.tidy(noon.Add(promiseKept + 2500*time.Millisecond))
	if len(p.by) != 2 || p.of(4) == nil || p.of(9) == nil {
		t.Errorf("the promises %v are kept, want the last of ann and those made after it", p.by)
	}
	p.tidy(noon.Add(time.Hour))
	if len(p.by)+len(p.owners) != 0 || p.made.Len() != 0 {
		t.Errorf("%+v, want nothing", p)
	}
}
