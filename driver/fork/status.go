package fork

import (
	"cmp"
	"slices"
	"time"

	"fringe"
	"fringe/driver/process"
)

// A Way is how an instance was started.
type Way string

// The ways.
const (
	Standby  Way = "standby"  // by a fork that stood by
	Fork     Way = "fork"     // by a fork for this call
	Prestart Way = "prestart" // by a fork for this call, which imported the modules
	Process  Way = "process"  // by a new process
)

// Status says how the instances of one environment start.
type Status struct {
	Environment fringe.EnvironmentName
	Way         Way            // Fork, Prestart or Process: the last that was used
	Why         string         // why it is not Fork, or is Fork all the same
	Starts      map[Way]uint64 // since the server's start

	Zygotes  int
	Standing int              // forks that stand by
	Running  int              // instances
	Import   time.Duration    // that the imports took, once
	Zygote   process.Memory   // of all zygotes of the environment
	Forks    []process.Memory // of each fork that runs or stands by
}

// status gives the tally of an environment; mu is held.
func (s *Server) status(env fringe.EnvironmentName) *Status {
	t := s.tallies[env]
	if t == nil {
		t = &Status{Environment: env, Starts: map[Way]uint64{}}
		s.tallies[env] = t
	}
	return t
}

// tally counts a start.
func (s *Server) tally(env fringe.Environment, way Way, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.status(env.Name)
	t.Starts[way]++
	if way == Standby {
		return
	}
	if way != Fork && (t.Way != way || t.Why != why) {
		s.log.Info("instances start without forking", "environment", env.Name, "start", way, "why", why)
	}
	t.Way, t.Why = way, why
}

// count counts a start from a zygote.
func (s *Server) count(env fringe.Environment, way Way, z *zygote) { s.tally(env, way, z.why) }

// Status tells how each environment's instances start, by name.
func (s *Server) Status() []Status {
	s.mu.Lock()
	var all []Status
	nests := map[int][]*process.Nest{}
	for _, t := range s.tallies {
		c := *t
		c.Starts = map[Way]uint64{}
		for k, v := range t.Starts {
			c.Starts[k] = v
		}
		for _, z := range s.zygotes {
			if z.env.Name != t.Environment || !z.started() {
				continue
			}
			c.Zygotes++
			c.Running += z.nest.Running()
			c.Import = z.nest.ImportTime()
			for _, k := range z.kinds {
				c.Standing += len(k.free)
			}
			nests[len(all)] = append(nests[len(all)], z.nest)
		}
		all = append(all, c)
	}
	s.mu.Unlock()
	for i := range all {
		for _, n := range nests[i] {
			own, forks := n.Memory()
			all[i].Zygote = all[i].Zygote.Plus(own)
			all[i].Forks = append(all[i].Forks, forks...)
		}
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Environment, b.Environment) })
	return all
}
