package server

import (
	"math"
	"net/http"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fringe"
	"fringe/gateway"
	"fringe/jobs"
	"fringe/site"
)

// metrics are the site's Prometheus metrics.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	starts   *prometheus.CounterVec
	phases   *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	resolved sync.Map // fringe.FunctionName → *functionMetrics
}

// functionMetrics are the series of one function that each good call counts in.
type functionMetrics struct {
	ok, warm, cold, in, out prometheus.Counter
	queue, start, run       prometheus.Observer
}

// of gives the function's series.
func (m *metrics) of(name fringe.FunctionName) *functionMetrics {
	if f, ok := m.resolved.Load(name); ok {
		return f.(*functionMetrics)
	}
	fn := string(name)
	f, _ := m.resolved.LoadOrStore(name, &functionMetrics{ok: m.calls.WithLabelValues(fn, "ok"),
		warm: m.starts.WithLabelValues(fn, "warm"), cold: m.starts.WithLabelValues(fn, "cold"),
		in: m.bytes.WithLabelValues(fn, "in"), out: m.bytes.WithLabelValues(fn, "out"),
		queue: m.phases.WithLabelValues(fn, "queue"), start: m.phases.WithLabelValues(fn, "start"), run: m.phases.WithLabelValues(fn, "run")})
	return f.(*functionMetrics)
}

func newMetrics(l *site.Local) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fringe_calls_total",
			Help: "Calls by function and outcome (ok, gone when the client left before the answer, or the kind of the error)."}, []string{"function", "outcome"}),
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fringe_starts_total",
			Help: "Calls by function and whether an instance was started for them (cold) or one was there (warm)."}, []string{"function", "start"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "fringe_call_seconds",
			Help:    "Time of a call by function and phase (queue, start, run).",
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 100, 300, 1000, 3600, 21600, 86400}}, []string{"function", "phase"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fringe_body_bytes_total",
			Help: "Bytes of request (in) and answer (out) bodies of calls."}, []string{"function", "direction"}),
	}
	m.registry.MustRegister(m.calls, m.starts, m.phases, m.bytes, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &occupancy{site: l,
			tasks: prometheus.NewDesc("fringe_tasks", "Tasks by state (waiting, running).", []string{"state"}, nil),
			warm:  prometheus.NewDesc("fringe_instances", "Warm instances by function and state (ready, busy, starting).", []string{"function", "state"}, nil),
			queue: prometheus.NewDesc("fringe_queue_length", "Service calls that wait for an instance.", []string{"function"}, nil)})
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// observe counts one call.
func (m *metrics) observe(o gateway.Observation) {
	f := m.of(o.Function)
	f.in.Add(float64(o.In))
	f.out.Add(float64(o.Out))
	if o.Outcome != "ok" {
		m.calls.WithLabelValues(string(o.Function), o.Outcome).Inc()
		return
	}
	f.ok.Inc()
	if o.Cold {
		f.cold.Inc()
	} else {
		f.warm.Inc()
	}
	f.queue.Observe(o.Timing.Queue.Seconds())
	f.start.Observe(o.Timing.Start.Seconds())
	f.run.Observe(o.Timing.Run.Seconds())
}

// ended counts the jobs that come to their end.
type ended struct{ jobs *prometheus.CounterVec }

func newEnded() *ended {
	return &ended{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fringe_jobs_total",
		Help: "Jobs that have ended by function and phase (COMPLETED, ERROR, ABORTED)."}, []string{"function", "phase"})}
}

func (e *ended) observe(fn fringe.FunctionName, p jobs.Phase) {
	e.jobs.WithLabelValues(string(fn), string(p)).Inc()
}

// house are the metrics of what the site lives in: its program, and the file
// system of its directory.
func house(dir string) []prometheus.Collector {
	disk := func(name, help string, blocks func(*syscall.Statfs_t) uint64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			var st syscall.Statfs_t
			if err := syscall.Statfs(dir, &st); err != nil {
				return math.NaN()
			}
			return float64(blocks(&st)) * float64(st.Bsize)
		})
	}
	return []prometheus.Collector{
		disk("fringe_disk_size_bytes", "Size of the file system that holds the site's directory.", func(st *syscall.Statfs_t) uint64 { return st.Blocks }),
		disk("fringe_disk_free_bytes", "What the site may still write to that file system.", func(st *syscall.Statfs_t) uint64 { return st.Bavail }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fringe_build_info", Help: "1; the label tells the version that serves.",
			ConstLabels: prometheus.Labels{"version": Version()}}, func() float64 { return 1 }),
	}
}

// occupancy reads how full the site is whenever the metrics are read.
type occupancy struct {
	site               *site.Local
	tasks, warm, queue *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (o *occupancy) Describe(ch chan<- *prometheus.Desc) { ch <- o.tasks; ch <- o.warm; ch <- o.queue }

// Collect implements prometheus.Collector.
func (o *occupancy) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	waiting, running, warm := o.site.Stats()
	gauge(o.tasks, waiting, "waiting")
	gauge(o.tasks, running, "running")
	for _, s := range warm {
		gauge(o.warm, s.Instances, s.Function, "ready")
		gauge(o.warm, s.Busy, s.Function, "busy")
		gauge(o.warm, s.Starting, s.Function, "starting")
		gauge(o.queue, s.Queued, s.Function)
	}
}
