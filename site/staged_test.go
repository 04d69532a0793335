package site

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"fringe"
)

// planting is an instance that puts a link in the place of a directory of its
// call while the call's files are made visible.
type planting struct {
	fringe.Instance
	dir, link, target string
}

func (p *planting) AddMount(context.Context, fringe.Mount) (func() error, error) {
	dir := filepath.Join(p.dir, p.link)
	if err := os.Rename(dir, filepath.Join(p.dir, "away")); err != nil {
		return nil, err
	}
	if err := os.Symlink(p.target, dir); err != nil {
		return nil, err
	}
	return nil, errors.New("no mount, so that the file is copied")
}

// What an instance makes of its calls' directories while the server works in
// them never lets that write elsewhere.
func TestLinksPlantedWhileACallIsStaged(t *testing.T) {
	for link, inside := range map[string]string{"calls/C": "in/0", "calls/C/in": "0", "calls/C/in/0": ""} {
		for _, kind := range []string{"file", "directory"} {
			dir, outside, source := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "words")
			err := os.WriteFile(source, []byte("the words"), 0o644)
			if kind == "directory" {
				source = filepath.Dir(source)
			}
			err = errors.Join(err, os.MkdirAll(filepath.Join(outside, inside), 0o755), os.Mkdir(filepath.Join(dir, "calls"), 0o755))
			if err != nil {
				t.Fatal(err)
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			w := &warm{site: &Local{cfg: Config{Log: slog.New(slog.DiscardHandler)}}, dir: dir, root: root, inst: &planting{dir: dir, link: link, target: outside}}
			st := &staged{warm: w, name: "calls/C"}
			base := filepath.Base(source)
			err = st.stage(t.Context(), &fringe.Call{ID: "C", Dir: callsDir + "/C", Files: []fringe.Mount{{Source: source, Target: callsDir + "/C/in/0/" + base}}})
			if _, there := os.Lstat(filepath.Join(outside, inside, base)); err == nil || there == nil {
				t.Errorf("with a link for %s the %s was written outside: %v; stage() = %v, want an error", link, kind, there == nil, err)
			}
			st.release()
			if _, gone := os.Lstat(filepath.Join(outside, inside)); gone != nil {
				t.Errorf("with a link for %s what is outside was removed", link)
			}
		}
	}
}

// The directory of a call that cannot be removed yet, for its handler still
// writes there, goes when one of a later call does.
func TestWhatIsLeftOfACallGoesLater(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	w := &warm{site: &Local{cfg: Config{Log: slog.New(slog.DiscardHandler)}}, dir: dir, root: root}
	first, later := &staged{warm: w, name: "calls/A"}, &staged{warm: w, name: "calls/B"}
	for _, st := range []*staged{first, later} {
		if err := st.stage(t.Context(), &fringe.Call{Dir: callsDir}); err != nil {
			t.Fatal(err)
		}
	}
	letGo := hold(t, filepath.Join(dir, first.name))
	first.release()
	if _, err := os.Lstat(filepath.Join(dir, first.name)); err != nil {
		t.Fatalf("the directory that is held is gone: %v", err)
	}
	letGo()
	later.release()
	if left, err := os.ReadDir(filepath.Join(dir, "calls")); err != nil || len(left) > 0 {
		t.Errorf("left of the calls are %v, %v", left, err)
	}
}

// hold keeps a directory from being removed, by a mount in it or, of a plain
// user, by its mode.
func hold(t *testing.T, dir string) (letGo func()) {
	t.Helper()
	in := filepath.Join(dir, "held")
	err := errors.Join(os.Mkdir(in, 0o755), os.WriteFile(filepath.Join(in, "file"), nil, 0o644))
	if err == nil {
		if err = unix.Mount("test", in, "tmpfs", 0, ""); err == nil {
			return func() {
				if err := unix.Unmount(in, 0); err != nil {
					t.Error(err)
				}
			}
		}
		err = os.Chmod(in, 0o555)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Chmod(in, 0o755); err != nil {
			t.Error(err)
		}
	}
}
