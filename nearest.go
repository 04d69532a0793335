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

// edits is the number of letters to insert, remove or change to make b of a;
// more than limit is not told exactly.
func edits(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := diagonal
			if a[i-1] != b[j-1] {
				change++
			}
			diagonal = row[j]
			row[j] = min(change, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
