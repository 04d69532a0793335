package main

import (
	"testing"
	"time"
)

func TestCut(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{
		{"echo@1.0.0  service  Give back  \n", 0, "echo@1.0.0  service  Give back\n"},
		{"echo@1.0.0  service  Give back\n", 30, "echo@1.0.0  service  Give back\n"},
		{"echo@1.0.0  service  Give back\n", 24, "echo@1.0.0  service  Gi…\n"},
		{"γ@1  σ  Give back\n", 8, "γ@1  σ …\n"},
		{"product:01M8DZ59HEFMQRFHQ935SETMTP/image  1 B\n", 20, "product:01M8DZ59HEFMQRFHQ935SETMTP/image…\n"},
	} {
		if got := cut(c.line, c.width); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.line, c.width, got, c.want)
		}
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1200 * time.Microsecond: "1.2 ms", 15400 * time.Millisecond: "15.4 s", 5 * time.Minute: "5m", 10 * time.Minute: "10m",
		90 * time.Second: "1m30s", time.Hour: "1h", 10 * time.Hour: "10h", time.Hour + 5*time.Minute: "1h5m", time.Hour + 10*time.Second: "1h0m10s",
	} {
		if got := durationText(d); got != want {
			t.Errorf("durationText(%v) = %q, want %q", d, got, want)
		}
	}
}
