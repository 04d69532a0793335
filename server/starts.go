package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"fringe"
	"fringe/client"
	"fringe/driver/fork"
)

// starts tells how instances of Python start in an environment; nil when none
// has.
func (s *Server) starts(name fringe.EnvironmentName) *client.Starts {
	for _, st := range s.forks.Status() {
		if st.Environment == name {
			return startsOf(st)
		}
	}
	return nil
}

func startsOf(st fork.Status) *client.Starts {
	out := &client.Starts{Way: string(st.Way), Why: st.Why, Counts: map[string]uint64{}, Import: st.Import.Seconds(),
		Zygotes: st.Zygotes, Standing: st.Standing, Running: st.Running, Resident: st.Zygote.Resident}
	for way, n := range st.Starts {
		out.Counts[string(way)] = n
	}
	for _, m := range st.Forks {
		out.PerFork += m.Private / int64(len(st.Forks))
		out.SharedFork += m.Shared / int64(len(st.Forks))
	}
	return out
}

// zygotes reads how Python starts whenever the metrics are read.
type zygotes struct {
	forks                         *fork.Server
	starts, count, forked, memory *prometheus.Desc
}

func newZygotes(s *fork.Server) *zygotes {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"environment"}, labels...), nil)
	}
	return &zygotes{forks: s,
		starts: desc("fringe_python_starts_total", "Instances of Python by environment and way (standby, fork, prestart, process).", "way"),
		count:  desc("fringe_zygotes", "Processes that have imported an environment's modules."),
		forked: desc("fringe_forks", "Forks by environment and state (standing, running).", "state"),
		memory: desc("fringe_fork_memory_bytes", "Memory by environment and part: resident of the zygotes; own, shared of all their forks.", "part")}
}

// Describe implements prometheus.Collector.
func (z *zygotes) Describe(ch chan<- *prometheus.Desc) {
	ch <- z.starts
	ch <- z.count
	ch <- z.forked
	ch <- z.memory
}

// Collect implements prometheus.Collector.
func (z *zygotes) Collect(ch chan<- prometheus.Metric) {
	for _, st := range z.forks.Status() {
		gauge := func(d *prometheus.Desc, v int64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), append([]string{string(st.Environment)}, labels...)...)
		}
		for way, n := range st.Starts {
			ch <- prometheus.MustNewConstMetric(z.starts, prometheus.CounterValue, float64(n), string(st.Environment), string(way))
		}
		gauge(z.count, int64(st.Zygotes))
		gauge(z.forked, int64(st.Standing), "standing")
		gauge(z.forked, int64(st.Running), "running")
		var own, shared int64
		for _, m := range st.Forks {
			own, shared = own+m.Private, shared+m.Shared
		}
		gauge(z.memory, st.Zygote.Resident, "resident")
		gauge(z.memory, own, "own")
		gauge(z.memory, shared, "shared")
	}
}
