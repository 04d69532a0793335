package pool

import (
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestWant(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		d    demand
		want int
	}{
		{"nothing waits", demand{live: 1, max: 4, slots: 1}, 0},
		{"cold, many callers, few allowed", demand{waiting: 100, max: 3, slots: 1}, 3},
		{"cold, starts under way", demand{waiting: 100, starting: 2, max: 3, slots: 1}, 1},
		{"cold, as many starts as calls", demand{waiting: 2, starting: 2, max: 9, slots: 1}, 0},
		{"slots are counted", demand{waiting: 10, max: 9, slots: 4}, 3},
		{"at the maximum", demand{waiting: 5, live: 3, max: 3, slots: 1, mean: time.Hour}, 0},
		{"short calls are waited for", demand{waiting: 5, live: 1, max: 3, slots: 1, mean: ms, patience: 10 * ms}, 0},
		{"long calls are not", demand{waiting: 5, live: 1, max: 9, slots: 1, mean: 5 * ms, patience: 10 * ms}, 5},
		{"patience ends", demand{waiting: 2, live: 1, max: 9, slots: 1, mean: ms, age: 10 * ms, patience: 10 * ms}, 2},
		{"no duration is known", demand{waiting: 1, live: 1, max: 9, slots: 1, patience: 10 * ms}, 1},
		{"below the minimum", demand{live: 1, min: 3, max: 9, slots: 1}, 2},
		{"the minimum is under way", demand{live: 1, starting: 2, min: 3, max: 9, slots: 1}, 0},
		{"blocked", demand{waiting: 5, min: 2, max: 9, slots: 1, blocked: true}, 0},
	} {
		if got := c.d.want(); got != c.want {
			t.Errorf("%s: want() = %d, want %d", c.name, got, c.want)
		}
	}
}

func TestPlan(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name        string
		room        room
		claims      []claim
		idle        []idler
		start, stop []int
	}{
		{"room for all", room{max: 9, starts: 9}, []claim{{want: 2, since: at(1), key: 0}, {want: 1, since: at(0), key: 1}}, nil, []int{1, 0, 0}, nil},
		{"starts are bounded", room{max: 9, starts: 3, starting: 1, total: 1}, []claim{{want: 5, since: at(0), key: 0}}, nil, []int{0, 0}, nil},
		{"the site is bounded", room{max: 3, starts: 9, total: 2}, []claim{{want: 5, since: at(0), key: 0}}, nil, []int{0}, nil},
		{"the longest waiting first", room{max: 1, starts: 9}, []claim{{want: 1, since: at(5), key: 0}, {want: 1, since: at(2), key: 1}}, nil, []int{1}, nil},
		{"a minimum comes after calls", room{max: 1, starts: 9}, []claim{{want: 1, key: 0}, {want: 1, since: at(2), key: 1}}, nil, []int{1}, nil},
		{"the idlest makes room", room{max: 2, starts: 9, total: 2}, []claim{{want: 1, since: at(0), key: 0}},
			[]idler{{used: at(-1), spare: true, of: -1, key: 0}, {used: at(-9), spare: true, of: -1, key: 1}}, nil, []int{1}},
		{"spare ones make room first", room{max: 2, starts: 9, total: 2}, []claim{{want: 1, since: at(0), key: 0}},
			[]idler{{used: at(-1), spare: true, of: -1, key: 0}, {used: at(-9), of: -1, key: 1}}, nil, []int{0}},
		{"not one's own", room{max: 1, starts: 9, total: 1}, []claim{{want: 1, since: at(0), key: 7}}, []idler{{of: 7, key: 0}}, nil, nil},
		{"not for a minimum", room{max: 1, starts: 9, total: 1}, []claim{{want: 1, key: 7}}, []idler{{of: -1, spare: true, key: 0}}, nil, nil},
		{"one that is leaving is enough", room{max: 2, starts: 9, total: 2, stopping: 1}, []claim{{want: 1, since: at(0), key: 0}},
			[]idler{{spare: true, of: -1, key: 0}}, nil, nil},
	} {
		start, stop := plan(c.room, c.claims, c.idle)
		if !slices.Equal(start, c.start) || !slices.Equal(stop, c.stop) {
			t.Errorf("%s: plan() = %v, %v, want %v, %v", c.name, start, stop, c.start, c.stop)
		}
	}
}

func TestReap(t *testing.T) {
	idle := func(ages ...int) (out []idler) {
		for k, a := range ages {
			out = append(out, idler{used: noon.Add(-time.Duration(a) * time.Second), key: k})
		}
		return out
	}
	for _, c := range []struct {
		name        string
		idle        []idler
		live, least int
		stop        []int
		next        time.Duration // from noon; 0: never
	}{
		{"none", nil, 0, 0, nil, 0},
		{"young", idle(10), 1, 0, nil, 50 * time.Second},
		{"old", idle(10, 70), 2, 0, []int{1}, 50 * time.Second},
		{"exactly", idle(60), 1, 0, []int{0}, 0},
		{"the minimum stays", idle(70, 80, 90), 3, 2, []int{2}, 0},
		{"busy ones count", idle(70), 2, 1, []int{0}, 0},
		{"busy ones are looked at later", nil, 2, 1, nil, 15 * time.Second},
	} {
		stop, next := reap(noon, c.idle, c.live, c.least, time.Minute)
		want := time.Time{}
		if c.next > 0 {
			want = noon.Add(c.next)
		}
		if !slices.Equal(stop, c.stop) || !next.Equal(want) {
			t.Errorf("%s: reap() = %v, %v, want %v, %v", c.name, stop, next, c.stop, want)
		}
	}
}
