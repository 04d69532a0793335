package site

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"fringe"
	"fringe/jobs"
)

var update = flag.Bool("update", false, "rewrite what is wanted")

// TestDecide reads situations. A line is "cpu N", "memory N", "patience D",
// "weight NAME N", "used NAMESPACE OWNER FUNCTION PART", "limit KIND [NAME] N",
// "blocked ID AGE", or "running" or "waiting" with an id, an owner (or
// namespace/owner), a function, cores and memory, and then priority=, age=,
// environment=, atonce= as needed. Jobs wait in the order of their lines.
func TestDecide(t *testing.T) {
	files, err := filepath.Glob("testdata/decide/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no situations", err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		a := txtar.Parse(b)
		for i := 0; i+1 < len(a.Files); i += 2 {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+a.Files[i].Name, func(t *testing.T) {
				start, blocked := decide(readSituation(t, string(a.Files[i].Data)))
				got := "start"
				for _, w := range start {
					got += " " + string(w.ID)
				}
				got += "\n"
				for _, id := range slices.Sorted(maps.Keys(blocked)) {
					got += fmt.Sprintf("blocked %s %s\n", id, time.Unix(0, 0).Sub(blocked[id]))
				}
				if *update {
					a.Files[i+1].Data = []byte(got)
				} else if got != string(a.Files[i+1].Data) {
					t.Errorf("decide() gives\n%swant\n%s", got, a.Files[i+1].Data)
				}
			})
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func readSituation(t *testing.T, text string) situation {
	s := situation{now: time.Unix(0, 0), cpu: 4, memory: 8, used: map[branch]float64{}, blocked: map[fringe.CallID]time.Time{},
		shares: Shares{Weights: map[string]int{}, Function: map[string]int{}, Environment: map[string]int{}}}
	number := func(s string) float64 {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	age := func(text string) time.Time {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return s.now.Add(-d)
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch f[0] {
		case "cpu":
			s.cpu = number(f[1])
		case "memory":
			s.memory = int64(number(f[1]))
		case "patience":
			s.shares.Patience = s.now.Sub(age(f[1]))
		case "weight":
			s.shares.Weights[f[1]] = int(number(f[2]))
		case "used":
			for i, b := range branches(&jobs.Waiting{Owner: f[1], Function: fringe.FunctionName(f[2])}) {
				if f[i+1] != "-" || i == 0 {
					s.used[b] += number(f[3])
				}
				if i == 1 && f[2] == "-" {
					break
				}
			}
		case "limit":
			switch f[1] {
			case "owner":
				s.shares.PerOwner = int(number(f[2]))
			case "site":
				s.shares.Most = int(number(f[2]))
			case "function":
				s.shares.Function[f[2]] = int(number(f[3]))
			case "environment":
				s.shares.Environment[f[2]] = int(number(f[3]))
			}
		case "blocked":
			s.blocked[fringe.CallID(f[1])] = age(f[2])
		case "running", "waiting":
			w := jobs.Waiting{ID: fringe.CallID(f[1]), Seq: int64(len(s.waiting) + 1), Owner: f[2], Function: fringe.FunctionName(f[3]), CPU: number(f[4]), Memory: int64(number(f[5]))}
			if ns, owner, ok := strings.Cut(f[2], "/"); ok {
				w.Namespace, w.Owner = ns, owner
			}
			started := s.now
			for _, option := range f[6:] {
				name, value, _ := strings.Cut(option, "=")
				switch name {
				case "priority":
					w.Priority = int(number(value))
				case "age":
					started = age(value)
				case "environment":
					w.Environment = fringe.EnvironmentName(value)
				case "atonce":
					w.AtOnce = int(number(value))
				}
			}
			if f[0] == "running" {
				s.running = append(s.running, held{w, started})
			} else {
				s.waiting = append(s.waiting, w)
			}
		default:
			t.Fatalf("%q is not understood", line)
		}
	}
	return s
}

// world runs a site by decide, with a clock of its own.
type world struct {
	situation
	left map[fringe.CallID]time.Duration // run times
	went map[fringe.CallID]time.Time     // when each began
	seq  int64
}

func newWorld(cpu float64) *world {
	return &world{situation: situation{now: time.Unix(0, 0), cpu: cpu, memory: 1 << 40, used: map[branch]float64{}, blocked: map[fringe.CallID]time.Time{}},
		left: map[fringe.CallID]time.Duration{}, went: map[fringe.CallID]time.Time{}}
}

func (w *world) add(owner, function string, cpu float64, run time.Duration) fringe.CallID {
	w.seq++
	id := fringe.CallID(fmt.Sprintf("%s-%s-%d", owner, function, w.seq))
	w.waiting = append(w.waiting, jobs.Waiting{ID: id, Seq: w.seq, Owner: owner, Function: fringe.FunctionName(function), CPU: cpu})
	w.left[id] = run
	return id
}

// tick moves the clock by a second: what is done ends, and what may starts.
func (w *world) tick() {
	fade(w.used, w.running, time.Second, (&decision{situation: &w.situation}).part)
	w.now = w.now.Add(time.Second)
	w.running = slices.DeleteFunc(w.running, func(h held) bool { return w.now.Sub(h.started) >= w.left[h.ID] })
	var start []jobs.Waiting
	start, w.blocked = decide(w.situation)
	for _, s := range start {
		w.running = append(w.running, held{s, w.now})
		w.went[s.ID] = w.now
		w.waiting = slices.DeleteFunc(w.waiting, func(x jobs.Waiting) bool { return x.ID == s.ID })
	}
	var used float64
	for _, h := range w.running {
		used += h.CPU
	}
	if used > w.cpu+slack {
		panic("more runs than the site has")
	}
}

// TestFairness has one who sends two hundred long jobs, another who sends a
// short one at times, and a third whose jobs need the whole site.
func TestFairness(t *testing.T) {
	w := newWorld(4)
	for range 200 {
		w.add("heavy", "image", 1, 5*time.Minute)
	}
	var short, own, large []fringe.CallID
	sent := map[fringe.CallID]time.Time{}
	for second := range 3 * 3600 {
		if second%600 == 300 {
			id := w.add("light", "cutout", 1, 10*time.Second)
			short, sent[id] = append(short, id), w.now
			id = w.add("heavy", "header", 1, time.Second)
			own, sent[id] = append(own, id), w.now
		}
		if second%3600 == 1200 {
			id := w.add("whole", "mosaic", 4, time.Minute)
			large, sent[id] = append(large, id), w.now
		}
		w.tick()
	}
	for _, ids := range []struct {
		name string
		ids  []fringe.CallID
		most time.Duration
	}{{"light", short, 6 * time.Minute}, {"heavy's short one", own, 11 * time.Minute}, {"whole", large, 16 * time.Minute}} {
		for _, id := range ids.ids[:len(ids.ids)-1] { // the last may have come too late
			if w.went[id].IsZero() || w.went[id].Sub(sent[id]) > ids.most {
				t.Errorf("%s: %s sent at %v began at %v", ids.name, id, sent[id].Sub(time.Unix(0, 0)), w.went[id].Sub(time.Unix(0, 0)))
			}
		}
	}
	if done := len(w.went); done < 100 {
		t.Errorf("only %d jobs have begun", done)
	}
}

// TestSharesFollowWeights lets three ask for more than there is.
func TestSharesFollowWeights(t *testing.T) {
	w := newWorld(8)
	w.shares.Weights = map[string]int{"b": 2, "c": 4}
	had := map[string]float64{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 4 * 3600 {
		for _, owner := range []string{"a", "b", "c"} {
			waits := 0
			for _, x := range w.waiting {
				if x.Owner == owner {
					waits++
				}
			}
			for ; waits < 5; waits++ {
				w.add(owner, "f", 1, time.Duration(10+random.IntN(50))*time.Second)
			}
		}
		w.tick()
		for _, h := range w.running {
			had[h.Owner] += h.CPU
		}
	}
	if b, c := had["b"]/had["a"], had["c"]/had["a"]; b < 1.7 || b > 2.3 || c < 3.4 || c > 4.6 {
		t.Errorf("b had %.2f times what a had, and c %.2f times; want 2 and 4", b, c)
	}
}
