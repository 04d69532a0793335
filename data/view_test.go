package data_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/data"
	"fringe/driver/process"
)

// The views' mounts belong to this process alone.
func TestMain(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fingerprint describes all that is below root: kinds, modes, sizes, times,
// bytes.
func fingerprint(t *testing.T, root string) string {
	t.Helper()
	var s strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		fmt.Fprintf(&s, "%s %v %v", rel, st.Mode(), st.Sys().(*syscall.Stat_t).Uid)
		switch {
		case st.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&s, " %d %v %x", st.Size(), st.ModTime().UTC(), sha256.Sum256(text))
		case st.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			fmt.Fprintf(&s, " → %s", target)
		default:
			fmt.Fprintf(&s, " %v", st.ModTime().UTC())
		}
		s.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

// must fails the test for any error.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// source makes a directory with all that a measurement set could have, and
// some more.
func source(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a set, of: odd\\names.ms")
	must(t, os.MkdirAll(filepath.Join(dir, "ANTENNA", "deep"), 0o755), os.Mkdir(filepath.Join(dir, "locked"), 0o755))
	for name, text := range map[string]string{
		"table.dat": "main", "table.f0": strings.Repeat("x", 100_000), "table.lock": "lock",
		"ANTENNA/table.dat": "antenna", "ANTENNA/deep/f": "deep", "locked/f": "locked", "readonly": "mode 0444",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	must(t,
		os.Link(filepath.Join(dir, "table.dat"), filepath.Join(dir, "hard")),
		os.Symlink("ANTENNA/table.dat", filepath.Join(dir, "soft")),
		os.Chmod(filepath.Join(dir, "readonly"), 0o444),
		os.Chmod(filepath.Join(dir, "locked"), 0o555))
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	must(t, os.Chtimes(filepath.Join(dir, "table.dat"), old, old), os.Chtimes(dir, old, old))
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "locked"), 0o755) })
	return dir
}

// view makes a view and releases it when the test ends.
func view(t *testing.T, src string) *data.View {
	t.Helper()
	v, err := data.NewView(t.Context(), src, filepath.Join(t.TempDir(), "scratch"))
	must(t, err)
	t.Cleanup(func() { must(t, v.Release(), v.Release()) })
	return v
}

// move moves a directory, in the way that mv has when the overlay of a plain
// user says that it is on another device.
func move(from, to string) error {
	err := os.Rename(from, to)
	if ids, _ := os.ReadFile("/proc/self/uid_map"); errors.Is(err, unix.EXDEV) && strings.Fields(string(ids))[1] != "0" {
		return exec.Command("mv", from, to).Run()
	}
	return err
}

// spoil does to a directory all that a tool can.
func spoil(t *testing.T, dir string) {
	t.Helper()
	in := func(name string) string { return filepath.Join(dir, name) }
	f, err := os.OpenFile(in("table.f0"), os.O_RDWR, 0)
	must(t, err)
	mem, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	copy(mem, "written through memory")
	must(t, unix.Msync(mem, unix.MS_SYNC), unix.Munmap(mem), f.Close())
	if text, _ := os.ReadFile(in("table.f0")); !bytes.HasPrefix(text, []byte("written through memory")) {
		t.Error("what is written through memory is not seen")
	}
	f, err = os.OpenFile(in("table.dat"), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString(" and more")
	must(t, err, f.Close())
	must(t,
		os.WriteFile(in("hard"), []byte("by its other name"), 0o644),
		os.WriteFile(in("readonly"), []byte("not the same"), 0o644),
		os.WriteFile(in("locked/f"), []byte("changed"), 0o644),
		os.WriteFile(in("locked/new"), []byte("new"), 0o644),
		os.WriteFile(in("soft"), []byte("through a link"), 0o644),
		os.Truncate(in("ANTENNA/deep/f"), 1),
		move(in("ANTENNA/deep"), in("moved")),
		os.Rename(in("table.lock"), in("table.lock.old")),
		os.WriteFile(in("table.lock"), []byte("another"), 0o644),
		os.Chmod(in("ANTENNA"), 0o700),
		os.Remove(in("table.lock.old")),
		os.Mkdir(in("QUALITY"), 0o755),
		os.RemoveAll(in("ANTENNA")),
		os.Chtimes(dir, time.Now(), time.Now()))
	if _, err := os.Stat(in("ANTENNA")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed directory is still seen: %v", err)
	}
	if text, err := os.ReadFile(in("moved/f")); err != nil || string(text) != "d" {
		t.Errorf("the moved file is %q, %v", text, err)
	}
}

func TestViewOfDirectory(t *testing.T) {
	src := source(t)
	before := fingerprint(t, src)
	v := view(t, src)
	if v.Method != data.Overlay {
		t.Errorf("Method = %s, want %s", v.Method, data.Overlay)
	}
	if filepath.Base(v.Path) != filepath.Base(src) {
		t.Errorf("Path = %s, want it to end like %s", v.Path, src)
	}
	if a, b := fingerprint(t, v.Path), before; strings.Count(a, "\n") != strings.Count(b, "\n") {
		t.Errorf("the view is\n%s, want\n%s", a, b)
	}
	other := view(t, src)
	clean := fingerprint(t, other.Path)
	spoil(t, v.Path)
	if after := fingerprint(t, src); after != before {
		t.Errorf("the source became\n%s, want\n%s", after, before)
	}
	if after := fingerprint(t, other.Path); after != clean {
		t.Errorf("another view became\n%s, want\n%s", after, clean)
	}
	// A product is made of what the view shows.
	product := filepath.Join(t.TempDir(), "product")
	must(t, data.CopyTree(t.Context(), v.Path, product))
	if a, b := fingerprint(t, product), fingerprint(t, v.Path); a != b {
		t.Errorf("the product is\n%s, want\n%s", a, b)
	}
	must(t, v.Release())
	if after := fingerprint(t, src); after != before {
		t.Errorf("after the release the source is\n%s, want\n%s", after, before)
	}
	if text, err := os.ReadFile(filepath.Join(product, "moved", "f")); err != nil || string(text) != "d" {
		t.Errorf("after the release the product has %q, %v", text, err)
	}
}

// Where nothing can be mounted the view is a copy, and as good.
func TestViewWithoutMounting(t *testing.T) {
	src := source(t)
	before := fingerprint(t, src)
	// An overlay cannot be the upper side of another one.
	low, up, work, over := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	must(t, unix.Mount("test", over, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", low, up, work)))
	t.Cleanup(func() { unix.Unmount(over, unix.MNT_DETACH) })
	v, err := data.NewView(t.Context(), src, filepath.Join(over, "scratch"))
	must(t, err)
	if v.Method == data.Overlay {
		t.Errorf("Method = %s, want a copy", v.Method)
	}
	spoil(t, v.Path)
	must(t, v.Release(), v.Release())
	if after := fingerprint(t, src); after != before {
		t.Errorf("the source became\n%s, want\n%s", after, before)
	}
	if left, _ := os.ReadDir(filepath.Join(over, "scratch")); len(left) > 0 {
		t.Errorf("left after the release: %v", left)
	}
}

func TestViewOfFile(t *testing.T) {
	src := filepath.Join(t.TempDir(), "image.fits")
	must(t, os.WriteFile(src, bytes.Repeat([]byte("pixels"), 50_000), 0o444))
	before := fingerprint(t, src)
	link := filepath.Join(t.TempDir(), "link.fits")
	must(t, os.Symlink(src, link))
	v := view(t, link)
	if v.Method != data.Copy && v.Method != data.Reflink {
		t.Errorf("Method = %s", v.Method)
	}
	if filepath.Base(v.Path) != "image.fits" {
		t.Errorf("Path = %s", v.Path)
	}
	f, err := os.OpenFile(v.Path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("changed"), 10)
	must(t, err, f.Truncate(20), f.Close())
	if after := fingerprint(t, src); after != before {
		t.Errorf("the source became %s, want %s", after, before)
	}
}

// A view of a process that has ended is seen again with all that was done to it.
func TestFormerView(t *testing.T) {
	dir := source(t)
	file := filepath.Join(t.TempDir(), "image.fits")
	must(t, os.WriteFile(file, []byte("pixels"), 0o644))
	for _, src := range []string{dir, file} {
		before := fingerprint(t, src)
		scratch := filepath.Join(t.TempDir(), "view")
		lost, err := data.NewView(t.Context(), src, scratch)
		must(t, err)
		if src == dir {
			spoil(t, lost.Path)
		} else {
			must(t, os.WriteFile(lost.Path, []byte("changed"), 0o644))
		}
		want := fingerprint(t, lost.Path)
		for range 2 {
			v := data.FormerView(lost.Source, scratch)
			if v.Path != lost.Path {
				t.Errorf("Path = %s, want %s", v.Path, lost.Path)
			}
			must(t, v.Reopen())
			if got := fingerprint(t, v.Path); got != want {
				t.Errorf("seen again it is\n%s, want\n%s", got, want)
			}
		}
		must(t, data.FormerView(lost.Source, scratch).Release())
		if left, _ := os.ReadDir(scratch); len(left) > 0 {
			t.Errorf("left after the release: %v", left)
		}
		if after := fingerprint(t, src); after != before {
			t.Errorf("the source became\n%s, want\n%s", after, before)
		}
		if err := data.FormerView(lost.Source, scratch).Reopen(); err == nil {
			t.Error("a view that was released is opened again")
		}
	}
}

func TestViewErrors(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	for name, c := range map[string]struct {
		source, scratch string
		kind            fringe.Kind
	}{
		"missing": {filepath.Join(dir, "none"), t.TempDir(), fringe.NotFound},
		"pipe":    {pipe, t.TempDir(), fringe.Invalid},
		"inside":  {dir, filepath.Join(dir, "scratch"), fringe.Invalid},
		"same":    {dir, dir, fringe.Invalid},
	} {
		v, err := data.NewView(t.Context(), c.source, c.scratch)
		if fringe.KindOf(err) != c.kind {
			t.Errorf("%s: NewView() = %v, %v, want kind %s", name, v, err, c.kind)
		}
		var e *fringe.Error
		if !errors.As(err, &e) || e.Component != fringe.Data || e.Op != "data.NewView" {
			t.Errorf("%s: NewView() = %#v, want the component %s", name, err, fringe.Data)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	scratch := t.TempDir()
	if _, err := data.NewView(ctx, source(t), scratch); !errors.Is(err, context.Canceled) {
		t.Errorf("NewView() = %v, want %v", err, context.Canceled)
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("left after a cancelled view: %v", left)
	}
}

// A file of another user, or one that its owner may not write, can be written
// through a view; its bytes are copied only then.
func TestViewOfOthersFiles(t *testing.T) {
	src := filepath.Join(t.TempDir(), "set")
	must(t, os.Mkdir(src, 0o755))
	big := filepath.Join(src, "big")
	must(t, os.WriteFile(big, nil, 0o600), os.Truncate(big, 64<<20), os.Chmod(big, 0o400))
	if err := os.Chown(big, 1234, 1234); err != nil && !errors.Is(err, unix.EINVAL) {
		t.Fatal(err) // a plain user can give files to nobody else
	}
	before := fingerprint(t, src)
	scratch := t.TempDir()
	v, err := data.NewView(t.Context(), src, scratch)
	must(t, err)
	st, err := os.Stat(filepath.Join(v.Path, "big"))
	must(t, err)
	if sys := st.Sys().(*syscall.Stat_t); int(sys.Uid) != os.Geteuid() || st.Mode().Perm() != 0o600 {
		t.Errorf("in the view the file has mode %v and owner %d", st.Mode(), sys.Uid)
	}
	f, err := os.OpenFile(filepath.Join(v.Path, "big"), os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 5)
	must(t, err, f.Close(), v.Release())
	if after := fingerprint(t, src); after != before {
		t.Errorf("the source became %s, want %s", after, before)
	}
}

// casacore is run on a table in a view: it locks it, changes cells, adds a
// column and rows, while the source is read by another process that holds it
// open.
func TestViewWithCasacore(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "small.tab")
	python(t, `
from casacore.tables import *
t = table(sys.argv[1], maketabdesc([makescacoldesc("A", 1), makearrcoldesc("D", 1.5, ndim=1)]), nrow=1000, ack=False)
t.putcol("A", numpy.arange(1000)); t.putcol("D", numpy.ones((1000, 8))); t.close()
`, table)
	before := fingerprint(t, table)
	held, stdin := hold(t, table)
	v := view(t, table)
	out := python(t, `
from casacore.tables import *
t = table(sys.argv[1], readonly=False, ack=False, lockoptions="auto")
assert t.lock(True, 1) is None and t.haslock(True)
t.putcol("A", t.getcol("A") * 2); t.putcell("D", 7, numpy.zeros(8))
t.addcols(maketabdesc([makescacoldesc("NEW", 2.5)])); t.putcol("NEW", numpy.full(1000, 4.0))
t.addrows(10); t.flush(); t.unlock(); t.close()
t = table(sys.argv[1], ack=False)
print(t.nrows(), t.getcol("A")[:1000].sum(), t.getcell("D", 7).sum(), t.colnames())
`, v.Path)
	if want := "1010 999000 0.0 ['A', 'D', 'NEW']"; strings.TrimSpace(out) != want {
		t.Errorf("through the view the table has %q, want %q", out, want)
	}
	must(t, stdin.Close(), held.Wait())
	if after := fingerprint(t, table); after != before {
		t.Errorf("the source became\n%s, want\n%s", after, before)
	}
	product := filepath.Join(dir, "product.tab")
	must(t, data.CopyTree(t.Context(), v.Path, product))
	must(t, v.Release())
	out = python(t, `
from casacore.tables import *
for name in sys.argv[1:]:
    t = table(name, ack=False); print(t.nrows(), t.getcol("A")[:1000].sum(), end=" ")
`, product, table)
	if want := "1010 999000 1000 499500"; strings.TrimSpace(out) != want {
		t.Errorf("product and source have %q, want %q", out, want)
	}
}

// hold starts a process that holds a table open for writing, locked, until its
// standard input is closed.
func hold(t *testing.T, table string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", `
import sys
from casacore.tables import table
t = table(sys.argv[1], ack=False, lockoptions="permanentwait"); print("held", flush=True); sys.stdin.read()
`, table)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if _, err := io.ReadFull(stdout, make([]byte, 5)); err != nil {
		t.Fatalf("the table is not opened: %v", err)
	}
	return cmd, stdin
}

// python runs a program with python-casacore and gives its output.
func python(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"-c", "import sys, numpy\n" + program}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python with casacore (package python3-casacore, which `make setup` installs): %v\n%s", err, errs.String())
	}
	return string(out)
}

func TestCopyTree(t *testing.T) {
	src := source(t)
	dst := filepath.Join(t.TempDir(), "copy")
	must(t, data.CopyTree(t.Context(), src, dst))
	t.Cleanup(func() { os.Chmod(filepath.Join(dst, "locked"), 0o755) })
	if a, b := fingerprint(t, dst), fingerprint(t, src); a != b {
		t.Errorf("the copy is\n%s, want\n%s", a, b)
	}
	if err := data.CopyTree(t.Context(), src, dst); fringe.KindOf(err) != fringe.Conflict {
		t.Errorf("CopyTree() over something = %v, want a conflict", err)
	}
	one := filepath.Join(t.TempDir(), "one")
	must(t, data.CopyTree(t.Context(), filepath.Join(src, "readonly"), one))
	if a, b := fingerprint(t, one), fingerprint(t, filepath.Join(src, "readonly")); a != b {
		t.Errorf("the copy is %s, want %s", a, b)
	}
}

// Holes stay holes.
func TestCopyTreeSparse(t *testing.T) {
	src, dst := filepath.Join(t.TempDir(), "s"), filepath.Join(t.TempDir(), "d")
	f, err := os.Create(src)
	must(t, err)
	for _, at := range []int64{0, 300 << 20, 700<<20 - 4} {
		_, err := f.WriteAt([]byte("data"), at)
		must(t, err)
	}
	must(t, f.Truncate(900<<20), f.Close())
	must(t, data.CopyTree(t.Context(), src, dst))
	var st unix.Stat_t
	must(t, unix.Stat(dst, &st))
	if st.Size != 900<<20 || st.Blocks*512 > 1<<20 {
		t.Errorf("the copy has %d bytes on %d blocks", st.Size, st.Blocks)
	}
	f, err = os.Open(dst)
	must(t, err)
	defer f.Close()
	for _, at := range []int64{0, 300 << 20, 700<<20 - 4} {
		var b [4]byte
		if _, err := f.ReadAt(b[:], at); err != nil || string(b[:]) != "data" {
			t.Errorf("at %d there is %q, %v", at, b, err)
		}
	}
}

func TestCopyTreeRefuses(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	for name, put := range map[string]func(dir string) error{
		"absolute link": func(dir string) error { return os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "bad")) },
		"link out":      func(dir string) error { return os.Symlink("../../secret", filepath.Join(dir, "sub", "bad")) },
		"link by link": func(dir string) error {
			return errors.Join(os.Symlink(".", filepath.Join(dir, "here")), os.Symlink("here/../../"+filepath.Base(outside)+"/secret", filepath.Join(dir, "bad")))
		},
		"dead link out": func(dir string) error { return os.Symlink("sub/none/../../../x", filepath.Join(dir, "bad")) },
		"loop":          func(dir string) error { return os.Symlink("bad", filepath.Join(dir, "bad")) },
		"pipe":          func(dir string) error { return unix.Mkfifo(filepath.Join(dir, "bad"), 0o600) },
		"socket": func(dir string) error {
			return unix.Mknod(filepath.Join(dir, "bad"), unix.S_IFSOCK|0o600, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst := filepath.Join(t.TempDir(), "src"), filepath.Join(t.TempDir(), "dst")
			must(t, os.MkdirAll(filepath.Join(src, "sub"), 0o755), os.WriteFile(filepath.Join(src, "good"), nil, 0o644), put(src))
			err := data.CopyTree(t.Context(), src, dst)
			if fringe.KindOf(err) != fringe.Invalid || !strings.Contains(err.Error(), "bad") {
				t.Errorf("CopyTree() = %v, want it invalid and bad named", err)
			}
			if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something is left at the destination: %v", err)
			}
		})
	}
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(outside, link))
	if err := data.CopyTree(t.Context(), link, filepath.Join(t.TempDir(), "dst")); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("CopyTree() of a link = %v, want it invalid", err)
	}
	if err := data.CopyTree(t.Context(), filepath.Join(outside, "none"), filepath.Join(t.TempDir(), "dst")); fringe.KindOf(err) != fringe.NotFound {
		t.Errorf("CopyTree() of nothing = %v, want not found", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dst := filepath.Join(t.TempDir(), "dst")
	if err := data.CopyTree(ctx, outside, dst); !errors.Is(err, context.Canceled) {
		t.Errorf("CopyTree() = %v, want %v", err, context.Canceled)
	}
	if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left after a cancelled copy: %v", err)
	}
}

func BenchmarkView(b *testing.B) {
	src := b.TempDir()
	for i := range 85 {
		must(b, os.WriteFile(filepath.Join(src, fmt.Sprint("f", i)), bytes.Repeat([]byte("x"), 1<<20), 0o644))
	}
	scratch := b.TempDir()
	for b.Loop() {
		v, err := data.NewView(b.Context(), src, scratch)
		must(b, err, v.Release())
	}
}
