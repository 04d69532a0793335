package data_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/data"
	"fringe/store"
)

// ledger is what jobs name, as room site tells it.
func ledger(jobs ...data.JobNames) data.Jobs {
	return func(_ context.Context, see func(data.JobNames) error) error {
		for _, j := range jobs {
			if err := see(j); err != nil {
				return err
			}
		}
		return nil
	}
}

// stocked has products of ten bytes, one a day, and what a person added.
func stocked(t *testing.T) (s site, clock *time.Time) {
	t.Helper()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	s = open(t, dir, func(c *data.Config) { c.Clock = func() time.Time { return now } })
	path := write(t, filepath.Join(dir, "reference.txt"), "by reference")
	for _, r := range []data.AddRequest{
		{DID: did(t, "user:reference"), Path: path, Owner: "ada"},
		{DID: did(t, "user:upload"), Source: strings.NewReader("0123456789"), Owner: "ada"},
	} {
		if _, err := s.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, call := range []string{"alone", "ended", "input", "open", "half"} {
		owner := "ada"
		if call == "input" {
			owner = "bob"
		}
		_, err := s.Publish(t.Context(), data.PublishRequest{Call: fringe.CallID(call), Output: "o",
			HostPath: write(t, filepath.Join(dir, "work", call), "0123456789"), Basename: "o", Owner: owner})
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(24 * time.Hour)
	}
	return s, &now
}

// A product that a job names by another job that it answers stays.
func TestCollectByTheNameOfAnAnsweredJob(t *testing.T) {
	s, _ := stocked(t)
	for what, c := range map[string]struct {
		later data.JobNames
		named bool
		stays bool
	}{
		"Ended":        {data.JobNames{Job: "later", Ended: true, Names: []string{"product:again/o"}}, false, true},
		"EndedNamed":   {data.JobNames{Job: "later", Ended: true, Names: []string{"product:again/o"}}, true, false},
		"Open":         {data.JobNames{Job: "later", Names: []string{"product:again/o"}}, true, true},
		"OtherOutput":  {data.JobNames{Job: "later", Names: []string{"product:again/p"}}, true, false},
		"UnknownMaker": {data.JobNames{Job: "later", Names: []string{"product:other/o"}}, true, false},
	} {
		jobs := ledger(c.later, data.JobNames{Job: "again", Ended: true, Maker: "alone"})
		got, err := s.Collect(t.Context(), data.Collection{Keep: -1, Named: c.named, DryRun: true}, jobs)
		if err != nil {
			t.Fatal(err)
		}
		gone := slices.ContainsFunc(got.Removed, func(g data.Garbage) bool { return g.DID.String() == "product:alone/o" })
		if gone == c.stays {
			t.Errorf("%s: Collect() removes it: %v, want %v", what, gone, !c.stays)
		}
	}
}

func TestCollect(t *testing.T) {
	jobs := ledger(
		data.JobNames{Job: "ended", Ended: true, Names: []string{"user:upload", "product:ended/o"}},
		data.JobNames{Job: "later", Ended: true, Names: []string{"product:input/o"}},
		data.JobNames{Job: "runs", Names: []string{"product:open/o", "product:gone/o"}},
		data.JobNames{Job: "half"}, // it has made a product and has not ended
	)
	for name, c := range map[string]struct {
		data.Collection
		want []string
		left int64
	}{
		"Unnamed":    {data.Collection{Keep: -1}, []string{"alone"}, 50},
		"Named":      {data.Collection{Keep: -1, Named: true}, []string{"alone", "ended", "input"}, 30},
		"Old":        {data.Collection{Keep: -1, Named: true, Older: 84 * time.Hour}, []string{"alone", "ended"}, 40},
		"TooYoung":   {data.Collection{Keep: -1, Named: true, Older: 1000 * time.Hour}, nil, 60},
		"Size":       {data.Collection{Keep: 45, Named: true}, []string{"alone", "ended"}, 40},
		"SizeIsMet":  {data.Collection{Keep: 60, Named: true}, nil, 60},
		"Owner":      {data.Collection{Keep: -1, Named: true, Owner: "ada"}, []string{"alone", "ended"}, 30},
		"NobodyElse": {data.Collection{Keep: -1, Named: true, Owner: "eve"}, nil, 0},
		"DryRun":     {data.Collection{Keep: -1, Named: true, DryRun: true}, []string{"alone", "ended", "input"}, 30},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := stocked(t)
			done, err := s.Collect(t.Context(), c.Collection, jobs)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range done.Removed {
				got = append(got, string(g.Call))
				if want := map[bool]string{true: data.NotNamed, false: data.NamedByEnded}[g.Call == "alone"]; g.Why != want {
					t.Errorf("%s is garbage because %q, want %q", g.DID, g.Why, want)
				}
				_, err := os.Stat(g.Path)
				_, known := s.Get(t.Context(), g.DID)
				if there := err == nil && known == nil; there != c.DryRun {
					t.Errorf("%s: bytes %v, record %v; dry run %v", g.DID, err, known, c.DryRun)
				}
			}
			if !slices.Equal(got, c.want) || done.Left != c.left || done.Bytes != int64(10*len(c.want)) {
				t.Errorf("removed %v of %d bytes, %d left; want %v, %d", got, done.Bytes, done.Left, c.want, c.left)
			}
			for _, kept := range []string{"user:reference", "user:upload", "product:open/o", "product:half/o"} {
				if _, err := s.Resolve(t.Context(), kept, fringe.Principal{}); err != nil {
					t.Errorf("%s did not stay: %v", kept, err)
				}
			}
		})
	}
}

// A dataset that a call has asked for stays while the call may be about to
// name it; a ledger that cannot be read removes nothing.
func TestCollectIsCareful(t *testing.T) {
	s, clock := stocked(t)
	if _, err := s.Resolve(t.Context(), "product:alone/o", fringe.Principal{}); err != nil {
		t.Fatal(err)
	}
	all := data.Collection{Keep: -1, Named: true}
	if done, err := s.Collect(t.Context(), all, ledger()); err != nil || len(done.Removed) != 4 {
		t.Errorf("Collect() beside a call that has asked for one = %v, %v", done.Removed, err)
	}
	if _, err := s.Publish(t.Context(), data.PublishRequest{Call: "staged", Output: "o", HostPath: write(t, filepath.Join(t.TempDir(), "x"), "x"), Basename: "x"}); err != nil {
		t.Fatal(err)
	}
	staged, err := s.Get(t.Context(), did(t, "product:staged/o"))
	if err != nil {
		t.Fatal(err)
	}
	*clock = clock.Add(time.Minute)
	if done, err := s.Collect(t.Context(), all, ledger(data.JobNames{Job: "runs", Names: []string{staged.Path}})); err != nil || len(done.Removed) != 0 {
		t.Errorf("Collect() beside a job that has staged one by its path = %v, %v", done.Removed, err)
	}
	broken := errors.New("the ledger is away")
	*clock = clock.Add(3 * time.Hour)
	if done, err := s.Collect(t.Context(), all, func(context.Context, func(data.JobNames) error) error { return broken }); !errors.Is(err, broken) || len(done.Removed) != 0 {
		t.Errorf("Collect() without a ledger = %v, %v", done.Removed, err)
	}
	if done, err := s.Collect(t.Context(), all, ledger()); err != nil || len(done.Removed) != 2 {
		t.Errorf("Collect() hours later = %v, %v, want the last two", done.Removed, err)
	}
}

// What the owners in a namespace have takes no more together than its quota,
// beside their own; data from before there were namespaces counts for none.
func TestNamespaceQuota(t *testing.T) {
	dir := t.TempDir()
	old, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "fringe.db")})
	if err != nil {
		t.Fatal(err)
	}
	fine := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	steps := data.Migrations()
	fine(old.Migrate(t.Context(), map[string][]store.Migration{"data": steps[:len(steps)-1]}))
	fine(old.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO datasets (did, scope, directory, path, owned, size, basename, owner, created)
			VALUES ('user:old', 'user', 0, 'owned/x/old', 1, 70, 'old', 'ada', 1)`)
		return err
	}))
	fine(old.Close())
	s := open(t, dir, func(c *data.Config) { c.Quota = 200 })
	add := func(name, owner, namespace string, size int) error {
		_, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:"+name), Source: strings.NewReader(strings.Repeat("x", size)), Owner: owner, Namespace: namespace})
		return err
	}
	together := data.Holder{Namespace: "m87"}
	fine(s.SetQuota(t.Context(), together, 100))
	fine(add("a", "ada", "m87", 60))
	fine(add("b", "bob", "m87", 40))
	wantError(t, add("c", "bob", "m87", 1), fringe.OverQuota, fringe.Data, "in the namespace", "m87", "100 bytes", "takes 100")
	_, err = s.Publish(t.Context(), data.PublishRequest{Call: "C1", Output: "o", HostPath: write(t, filepath.Join(dir, "work", "o"), "x"), Basename: "o", Owner: "bob", Namespace: "m87"})
	wantError(t, err, fringe.OverQuota, fringe.Data, "m87")
	fine(add("c", "bob", "", 50))
	fine(add("d", "bob", "m31", 50))
	wantError(t, add("e", "ada", "m31", 100), fringe.OverQuota, fringe.Data, "the data of ada", "takes 130") // one's own quota holds too
	fine(s.Remove(t.Context(), did(t, "user:a")))
	fine(add("f", "bob", "m87", 60))
	if q, err := s.Quotas(t.Context(), together); err != nil || len(q) != 1 || q[0] != (data.Quota{Namespace: "m87", Used: 100, Bytes: 100, Own: true}) {
		t.Errorf("Quotas(m87) = %+v, %v", q, err)
	}
	fine(s.SetQuota(t.Context(), together, -1))
	all, err := s.Quotas(t.Context(), data.Holder{})
	if err != nil || len(all) != 4 || all[0].Owner != "ada" || all[0].Used != 70 || all[2] != (data.Quota{Namespace: "m31", Used: 50}) || all[3] != (data.Quota{Namespace: "m87", Used: 100}) {
		t.Errorf("Quotas() = %+v, %v, want ada with 70, bob, m31, m87 without a bound", all, err)
	}
	if set, err := s.Get(t.Context(), did(t, "user:f")); err != nil || set.Namespace != "m87" {
		t.Errorf("Get() = %+v, %v, want the namespace m87", set, err)
	}
	for _, bad := range []data.Holder{{}, {Owner: "ada", Namespace: "m87"}, {Namespace: "a/b"}} {
		wantError(t, s.SetQuota(t.Context(), bad, 1), fringe.Invalid, fringe.Data)
	}
}

// An owner's data takes no more than his quota, whichever way it comes; what is
// removed can be filled again.
func TestQuota(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(c *data.Config) { c.Quota = 100 })
	add := func(name, owner string, size int) error {
		_, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:"+name), Source: strings.NewReader(strings.Repeat("x", size)), Owner: owner})
		return err
	}
	publish := func(call string, size int) error {
		_, err := s.Publish(t.Context(), data.PublishRequest{Call: fringe.CallID(call), Output: "o",
			HostPath: write(t, filepath.Join(dir, "work", call), strings.Repeat("x", size)), Basename: "o", Owner: "ada"})
		return err
	}
	used := func(want int64) {
		t.Helper()
		if q, err := s.Quotas(t.Context(), data.Holder{Owner: "ada"}); err != nil || len(q) != 1 || q[0].Used != want {
			t.Errorf("Quotas() = %+v, %v, want %d used", q, err, want)
		}
	}
	fine := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	fine(add("a", "ada", 60))
	fine(publish("C1", 30))
	used(90)
	wantError(t, add("b", "ada", 11), fringe.OverQuota, fringe.Data, "ada", "100 bytes", "takes 90", "11 bytes more")
	wantError(t, publish("C2", 11), fringe.OverQuota, fringe.Data, "ada")
	fine(add("b", "ada", 10))
	wantError(t, add("c", "ada", 0), fringe.OverQuota, fringe.Data, "takes 100")
	fine(add("c", "bob", 100))
	_, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:big"), Path: write(t, filepath.Join(dir, "big"), strings.Repeat("x", 1000)), Owner: "ada"})
	fine(err) // by reference
	used(100)
	fine(s.SetQuota(t.Context(), data.Holder{Owner: "ada"}, 150))
	fine(publish("C3", 50))
	fine(s.SetQuota(t.Context(), data.Holder{Owner: "ada"}, 0))
	fine(add("d", "ada", 1000))
	fine(s.SetQuota(t.Context(), data.Holder{Owner: "ada"}, -1))
	wantError(t, add("e", "ada", 1), fringe.OverQuota, fringe.Data, "100 bytes")
	for _, n := range []string{"user:a", "user:b", "user:d", "product:C3/o", "product:C1/o"} {
		fine(s.Remove(t.Context(), did(t, n)))
	}
	used(0)
	fine(add("e", "ada", 100))
	entries, err := os.ReadDir(filepath.Join(s.dir, "new"))
	if err != nil || len(entries) != 0 {
		t.Errorf("left of what was refused: %v, %v", entries, err)
	}
}
