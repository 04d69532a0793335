package fringe

import "slices"

// Nearest gives up to n of the names that differ least from name, the nearest
// first: what a person who misspelt it may have meant. Names that differ in
// more than a third of their letters are left out.
func Nearest(name string, names []string, n int) []string {
	type scored struct {
		name  string
		edits int
	}
	limit := max(1, len(name)/3)
	var near []scored
	for _, other := range names {
		if d := edits(name, other, limit); d <= limit {
			near = append(near, scored{other, d})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return a.edits - b.edits })
	var out []string
	for _, s := range near[:min(n, len(near))] {
		out = append(out, s.name)
	}
	return out
}

// edits is the number of letters to insert, remove, change or exchange with
// their neighbour to make b of a; more than limit is not told exactly.
func edits(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
