package main

import "testing"

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
