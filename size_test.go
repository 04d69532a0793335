package fringe_test

import (
	"testing"

	"fringe"
)

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 500_000: "500.0 kB", 1 << 20: "1.0 MB", 3_260_000_000: "3.3 GB", 1 << 62: "4611.7 PB"} {
		if got := fringe.SizeText(n); got != want {
			t.Errorf("SizeText(%d) = %q, want %q", n, got, want)
		}
	}
}
