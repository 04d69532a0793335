package fringe_test

import (
	"slices"
	"testing"

	"fringe"
)

func TestNearest(t *testing.T) {
	names := []string{"wsclean", "aoflagger", "gaussian-blur", "wsclean2", "casacore-tools", "ws"}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"wsclaen", []string{"wsclean", "wsclean2"}},
		{"wsclea", []string{"wsclean", "wsclean2"}},
		{"gausian-blur", []string{"gaussian-blur"}},
		{"sw", []string{"ws"}},
		{"nothing-like-it", nil},
		{"", nil},
	} {
		if got := fringe.Nearest(c.name, names, 2); !slices.Equal(got, c.want) {
			t.Errorf("Nearest(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}
