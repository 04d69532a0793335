package server_test

import (
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"fringe/client"
	"fringe/server/servertest"
)

// metrics reads what the site tells Prometheus.
func metrics(t *testing.T, s *servertest.Site) string {
	t.Helper()
	res, err := s.Do(t.Context(), client.Request{Method: "GET", Path: "/metrics"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The metrics count each job that has ended, however it ended and whoever
// waited for it, tell the room on the disk, and follow Prometheus' conventions.
func TestMetrics(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	s.Publish(map[string]string{"half.py": `"""Half of a number that is even."""
FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "task"}
def main(n: int) -> int:
    if n % 2:
        raise ValueError("odd")
    return n // 2
`})
	s.Call("half", map[string]any{"n": 4})
	s.Call("half", map[string]any{"n": 4}) // from the store
	if _, err := s.Try("half", map[string]any{"n": 3}); err == nil {
		t.Error("half of 3 is no error")
	}
	held, err := client.Send[client.Job](t.Context(), s.Client, "POST", "/api/v1/jobs", map[string]any{"function": "half", "inputs": map[string]any{"n": 6}, "hold": true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Send[client.Job](t.Context(), s.Client, "POST", "/api/v1/jobs/"+string(held.ID)+"/abort", nil); err != nil {
		t.Fatal(err)
	}
	text := metrics(t, s)
	for _, line := range []string{
		`fringe_jobs_total{function="half",phase="COMPLETED"} 2`,
		`fringe_jobs_total{function="half",phase="ERROR"} 1`,
		`fringe_jobs_total{function="half",phase="ABORTED"} 1`,
		`fringe_disk_free_bytes `, `fringe_disk_size_bytes `, `fringe_build_info{version="`,
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
