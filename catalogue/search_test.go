package catalogue_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/catalogue"
	"fringe/store"
)

func TestSearch(t *testing.T) {
	s := newSite(t)
	for name, label := range map[string]string{"wsclean": "Image visibilities", "make-ms": "Simulate visibilities", "gaussian-blur": "Blur an image", "blur-more": "Blur"} {
		dir := function(t, name, "1.0.0")
		write(t, filepath.Join(dir, "function.cwl"), strings.NewReplacer("%V", "1.0.0", "Say a word", label, "Words, Speech", "Radio, "+name).Replace(tool), 0o644)
		publish(t, s, dir)
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", []string{"blur-more", "gaussian-blur", "make-ms", "wsclean"}},
		{"blur", []string{"blur-more", "gaussian-blur"}},
		{"IMAGE", []string{"gaussian-blur", "wsclean"}},
		{"visibilities simulate", []string{"make-ms"}},
		{"radio wsclean", []string{"wsclean"}},
		{"nothing", nil},
		{"% ' \" *", nil},
	} {
		found, next, err := s.Search(t.Context(), query(c.text, 0, ""))
		var got []string
		for _, v := range found {
			got = append(got, string(v.Name))
		}
		if err != nil || next != "" || !slices.Equal(got, c.want) {
			t.Errorf("Search(%q) = %v, %q, %v, want %v", c.text, got, next, err, c.want)
		}
	}
	_, _, err := s.Search(t.Context(), query("", 0, "rubbish"))
	wantError(t, err, fringe.Invalid, "cursor")
	_, _, err = s.Search(t.Context(), query(strings.Repeat("a ", 100), 0, ""))
	wantError(t, err, fringe.Invalid, "16")
}

// TestSearchRanks has one function for each place where a word can be, from
// the name to the summary, and the same after a restart.
func TestSearchRanks(t *testing.T) {
	s := newSite(t)
	want := []string{"sky", "sky-map", "all-sky", "d", "c", "b", "a"}
	says := map[string][2]string{"d": {"x", "Sky"}, "c": {"x", "Skyline"}, "b": {"Map the sky", "x"}, "a": {"Whisky", "x"}}
	for _, name := range []string{"a", "b", "c", "d", "all-sky", "sky-map", "sky"} {
		said, ok := says[name]
		if !ok {
			said = [2]string{"x", "x"}
		}
		dir := function(t, name, "1.0.0")
		write(t, filepath.Join(dir, "function.cwl"), strings.NewReplacer("%V", "1.0.0", "Say a word", said[0], "Words, Speech", said[1]).Replace(tool), 0o644)
		publish(t, s, dir)
	}
	// Only the latest version counts, by what it says.
	dir := function(t, "e", "1.0.0")
	write(t, filepath.Join(dir, "function.cwl"), strings.NewReplacer("%V", "1.0.0", "Say a word", "Sky").Replace(tool), 0o644)
	publish(t, s, dir)
	publish(t, s, function(t, "e", "1.0.1"))
	for range 2 {
		var got []string
		cursor := ""
		for range want { // a page for each
			found, next, err := s.Search(t.Context(), query("SKY", 1, cursor))
			if err != nil || len(found) != 1 || found[0].Dir == "" {
				t.Fatalf("Search() = %v, %v", found, err)
			}
			got, cursor = append(got, string(found[0].Name)), next
		}
		if !slices.Equal(got, want) || cursor != "" {
			t.Errorf("Search(SKY) = %v, then %q; want %v", got, cursor, want)
		}
		s.store.Close()
		s = open(t, s.dir)
	}
}

// many fills the store with n functions by SQL and opens the catalogue anew:
// publishing each would measure the disk.
func many(t testing.TB, n int) *site {
	t.Helper()
	s := newSite(t)
	p := publish(t, s, function(t, "say", "1.0.0"))
	err := s.store.Update(t.Context(), func(tx *store.Tx) error {
		for i := range n {
			fn := p.Function
			fn.Name = fringe.FunctionName(fmt.Sprintf("fn-%05d-%s", i, []string{"image", "flag", "calibrate", "plot"}[i%4]))
			function, err := json.Marshal(&fn)
			if err != nil {
				return err
			}
			doc := p.Doc
			doc.Summary = fmt.Sprintf("Function %d, which makes pictures of the sky and flags what is bad", i)
			text, err := json.Marshal(&doc)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO catalogue_versions (name, version, digest, file, function, doc, published, publisher) VALUES (?, ?, ?, 'function.cwl', ?, ?, 0, '')`,
				string(fn.Name), fn.Version, string(fn.Digest), string(function), string(text)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.store.Close()
	return open(t, s.dir)
}

func TestTenThousand(t *testing.T) {
	s := many(t, 10_000)
	var times []time.Duration
	for _, text := range []string{"", "image", "fn", "sky flags", "calibrate pictures", "fn-09999", "nothing at all"} {
		for range 20 {
			start := time.Now()
			if _, _, err := s.Search(t.Context(), query(text, 50, "")); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(start))
		}
	}
	slices.Sort(times)
	p50, p99 := times[len(times)/2], times[len(times)*99/100]
	t.Logf("search among 10,000: p50 %v, p99 %v", p50, p99)

	seen, cursor := map[string]bool{}, ""
	for page := 0; ; page++ {
		found, next, err := s.Search(t.Context(), query("pictures", 1000, cursor))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range found {
			if seen[string(v.Name)] {
				t.Fatalf("%s comes twice", v.Name)
			}
			seen[string(v.Name)] = true
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(seen) != 10_000 {
		t.Errorf("the pages have %d functions, want 10000", len(seen))
	}
}

func BenchmarkResolve(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := many(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Resolve(b.Context(), "say@1.0.0"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResolveFirst(b *testing.B) {
	s := many(b, 10_000)
	i := 0
	for b.Loop() {
		if _, err := s.Resolve(b.Context(), fmt.Sprintf("fn-%05d-image", i%10_000/4*4)); err != nil {
			b.Fatal(err)
		}
		i += 4
	}
}

func BenchmarkSearch(b *testing.B) {
	s := many(b, 10_000)
	for _, text := range []string{"", "image", "flags sky"} {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := s.Search(b.Context(), query(text, 50, "")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNew starts on 10,000 functions.
func BenchmarkNew(b *testing.B) {
	s := many(b, 10_000)
	for b.Loop() {
		if _, err := catalogue.New(catalogue.Config{Store: s.store, Dir: filepath.Join(s.dir, "functions")}); err != nil {
			b.Fatal(err)
		}
	}
}
