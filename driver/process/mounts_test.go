package process_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/driver/process"
)

// A desk is a running instance that does what a file tells it.
type desk struct {
	fringe.Instance
	t    *testing.T
	dir  string // what the instance sees as /calls
	next int
}

// newDesk starts an instance that runs the scripts that are put before it.
func newDesk(t *testing.T, d *process.Driver, id fringe.InstanceID) *desk {
	t.Helper()
	dir := t.TempDir()
	in, err := d.Start(context.Background(), fringe.Spec{
		ID:     id,
		Argv:   []string{"sh", "-c", `n=0; while :; do while [ ! -e /calls/do.$n ]; do sleep 0.01; done; sh /calls/do.$n > /calls/out.$n 2>&1; echo $? > /calls/rc.tmp; mv /calls/rc.tmp /calls/rc.$n; n=$((n+1)); done`},
		Env:    []string{"PATH=/usr/bin:/bin"},
		Mounts: []fringe.Mount{{Source: dir, Target: "/calls", Writable: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Stop(context.Background(), 0) })
	return &desk{Instance: in, t: t, dir: dir}
}

// do runs a script in the instance and gives its output and exit code.
func (d *desk) do(script string) string {
	d.t.Helper()
	n := d.next
	d.next++
	tmp := filepath.Join(d.dir, "do.tmp")
	if err := os.WriteFile(tmp, []byte(script), 0o644); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(d.dir, fmt.Sprintf("do.%d", n))); err != nil {
		d.t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if rc, err := os.ReadFile(filepath.Join(d.dir, fmt.Sprintf("rc.%d", n))); err == nil {
			out, _ := os.ReadFile(filepath.Join(d.dir, fmt.Sprintf("out.%d", n)))
			return strings.TrimSpace(string(out)) + " " + strings.TrimSpace(string(rc))
		}
	}
	d.t.Fatalf("the instance does not answer %q", script)
	return ""
}

func mountLines(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

func TestAddMount(t *testing.T) {
	ctx := context.Background()
	d := open(t, process.Config{StateDir: t.TempDir()})
	a, b := newDesk(t, d, "a"), newDesk(t, d, "b")
	if os.Getenv(plainEnv) != "" {
		_, err := a.Instance.(process.Mounter).AddMount(ctx, fringe.Mount{Source: "/etc", Target: "/calls/x"})
		if fringe.KindOf(err) != fringe.Unavailable {
			t.Fatalf("AddMount() without private mounts = %v, want it unavailable", err)
		}
		return
	}
	mounter := a.Instance.(process.Mounter)
	before := mountLines(t)
	data := t.TempDir()
	file := filepath.Join(data, "f")
	if err := os.WriteFile(file, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	release, err := mounter.AddMount(ctx, fringe.Mount{Source: data, Target: "/calls/17/in"})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.do("cat /calls/17/in/f; (: > /calls/17/in/f) 2>/dev/null"); !strings.HasPrefix(got, "precious ") || strings.HasSuffix(got, " 0") {
		t.Errorf("the mount reads and writes as %q", got)
	}
	if got := b.do("ls /calls/17"); strings.HasSuffix(got, " 0") {
		t.Errorf("another instance sees it: %q", got)
	}
	one, err := mounter.AddMount(ctx, fringe.Mount{Source: file, Target: "/calls/17/one"})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.do("cat /calls/17/one"); got != "precious 0" {
		t.Errorf("the file reads as %q", got)
	}
	out := t.TempDir()
	work, err := mounter.AddMount(ctx, fringe.Mount{Source: out, Target: "/calls/17/out", Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.do("echo made > /calls/17/out/x"); got != " 0" {
		t.Errorf("writing gives %q", got)
	}
	if text, _ := os.ReadFile(filepath.Join(out, "x")); string(text) != "made\n" {
		t.Errorf("written = %q", text)
	}
	// A release holds although the instance has a file open there.
	a.do("sleep 600 < /calls/17/in/f & true")
	for _, r := range []func() error{release, one, work, release} {
		if err := r(); err != nil {
			t.Errorf("release() = %v", err)
		}
	}
	if got := a.do("find /calls/17"); got != "/calls/17 0" {
		t.Errorf("after the release there is %q", got)
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the source is %q", text)
	}
	if after := mountLines(t); after != before {
		t.Errorf("%d mounts, %d before", after, before)
	}
}

// What an instance puts in the way of a mount or a connection leads nowhere.
func TestHostilePaths(t *testing.T) {
	ctx := context.Background()
	d := open(t, process.Config{StateDir: t.TempDir()})
	a := newDesk(t, d, "a")
	outside := t.TempDir()
	sock := filepath.Join(outside, "sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: sock}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	a.do("ln -s " + outside + " /calls/dir; ln -s " + sock + " /calls/sock; ln -s ../../../.. /calls/up; : > /calls/file")
	for _, p := range []string{"/calls/sock", "/calls/dir/sock", "/calls/up" + sock} {
		if c, err := a.Dial(ctx, p); err == nil {
			c.Close()
			t.Errorf("Dial(%s) leads to a socket of the host", p)
		}
	}
	if os.Getenv(plainEnv) != "" {
		return
	}
	for _, p := range []string{"/calls/dir/x", "/calls/dir", "/calls/up/x", "/calls/file/x", "/calls", "/elsewhere", "/calls/../etc"} {
		release, err := a.Instance.(process.Mounter).AddMount(ctx, fringe.Mount{Source: "/etc", Target: p})
		if err == nil {
			release()
			t.Errorf("AddMount at %s is made", p)
		}
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("entries were made outside: %v", entries)
	}
	if _, err := a.Instance.(process.Mounter).AddMount(ctx, fringe.Mount{Source: outside + "/none", Target: "/calls/n"}); fringe.KindOf(err) != fringe.NotFound {
		t.Errorf("AddMount of nothing = %v, want not found", err)
	}
	a.Stop(ctx, 0)
	if _, err := a.Instance.(process.Mounter).AddMount(ctx, fringe.Mount{Source: "/etc", Target: "/calls/n"}); fringe.KindOf(err) != fringe.Unavailable {
		t.Errorf("AddMount after the end = %v, want it unavailable", err)
	}
}

// Mounts of this process are seen by nobody else.
func TestPrivateMounts(t *testing.T) {
	if os.Getenv(plainEnv) != "" {
		if process.Private() {
			t.Error("Private() is true in a process that did without")
		}
		return
	}
	if !process.Private() {
		t.Fatal("Private() is false after PrivateMounts")
	}
	if err := process.PrivateMounts(); err != nil {
		t.Errorf("a second PrivateMounts() = %v", err)
	}
	dir := t.TempDir()
	if err := unix.Mount("fringe-test", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", os.Getppid()))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), dir) {
		t.Error("the parent sees a mount of this process")
	}
}
