package drivertest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fringe"
)

// A world is what a driver could leave behind.
type world struct {
	fds       []string
	mounts    int
	cgroups   []string
	processes []string
}

// take looks at the world, for instances whose ids begin with mark.
func take(t *testing.T, mark string) world {
	t.Helper()
	var w world
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(target, "anon_inode:") {
			w.fds = append(w.fds, target)
		}
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	w.mounts = bytes.Count(text, []byte("\n"))
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(d.Name(), mark+"-") {
			w.cgroups = append(w.cgroups, path)
		}
		return nil
	})
	w.processes = alive(mark + "-")
	return w
}

// same fails when w has more than before.
func (w world) same(t *testing.T, before world) {
	t.Helper()
	if len(w.fds) > len(before.fds) {
		t.Errorf("%d descriptors are open, %d before: %v", len(w.fds), len(before.fds), w.fds)
	}
	if w.mounts > before.mounts {
		t.Errorf("%d mounts, %d before", w.mounts, before.mounts)
	}
	if len(w.cgroups) > 0 {
		t.Errorf("cgroups are left: %v", w.cgroups)
	}
	if len(w.processes) > 0 {
		t.Errorf("processes are left: %v", w.processes)
	}
}

// alive lists the processes that have the word in their environment or their
// command line, but this one.
func alive(word string) []string {
	var found []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if bytes.Contains(environ, []byte("DRIVERTEST="+word)) || bytes.Contains(line, []byte("\x00"+word)) {
			found = append(found, e.Name()+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// gone fails when a process of the instance is alive.
func (k *kit) gone(id fringe.InstanceID) {
	k.Helper()
	if left := alive(string(id)); id != "" && len(left) > 0 {
		k.Errorf("processes of %s are alive: %v", id, left)
	}
}

// tree is a Python program whose processes do all to survive: forked twice,
// in sessions of their own, deaf to SIGTERM. It writes "ready" to /work/ready.
const tree = `
import os, signal, time
def hide():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.setsid()
for i in range(3):
    if os.fork() == 0:
        hide()
        if os.fork() == 0:
            open("/work/child%d" % i, "w").close()
            time.sleep(600)
        os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while not all(os.path.exists("/work/child%d" % i) for i in range(3)):
    time.sleep(0.01)
open("/work/ready", "w").close()
time.sleep(600)
`

// tree starts an instance of the program tree and waits until it is all there.
func (k *kit) tree(change func(*fringe.Spec)) fringe.Instance {
	k.Helper()
	s, _ := k.spec("")
	s = python(s, tree)
	dir := k.mkdir(string(s.ID))
	s.Mounts = []fringe.Mount{{Source: dir, Target: "/work", Writable: true}}
	if change != nil {
		change(&s)
	}
	in := k.start(s)
	k.eventually("the tree is ready", func() bool {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err == nil
	})
	if n := len(alive(string(s.ID))); n < 4 {
		k.Errorf("%d processes of the tree are seen, want at least 4", n)
	}
	return in
}

// ownerTest is the test that starts another process of this program, to own
// instances; ownerArg begins the arguments of that process.
const (
	ownerTest = "OwnerKilled"
	ownerArg  = "own-instances"
)

// owning gives the directory in which this process is to own instances, and
// the state directory of its driver; ok is false in any other process.
func owning() (dir, state string, ok bool) {
	if a := flag.Args(); len(a) == 3 && a[0] == ownerArg {
		return a[1], a[2], true
	}
	return "", "", false
}

// StateDir gives a directory for a driver's state. The test in which one
// process takes the place of another gets the same one in both.
func StateDir(t *testing.T) string {
	t.Helper()
	if _, state, ok := owning(); ok {
		return state
	}
	if !strings.HasSuffix(t.Name(), "/"+ownerTest) {
		return t.TempDir()
	}
	state := filepath.Join(os.TempDir(), fmt.Sprintf("fringe-drivertest-%d", os.Getpid()))
	t.Cleanup(func() { os.RemoveAll(state) })
	return state
}

// own starts a tree and waits to be killed.
func own(k *kit) {
	in := k.tree(nil)
	k.write(filepath.Join(k.dir, "id"), string(in.ID()))
	if err := os.Rename(filepath.Join(k.dir, "id"), filepath.Join(k.dir, "owned")); err != nil {
		k.Fatal(err)
	}
	k.end(in)
}

// A process that owns instances and dies by SIGKILL leaves none of their
// processes, and a driver that takes its place sweeps what else there is.
func ownerKilled(k *kit) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	name := strings.TrimSuffix(k.Name(), "/"+ownerTest)
	owner := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^"+strings.ReplaceAll(name, "/", "$/^")+"$", "-test.count=1", "--", ownerArg, k.dir, StateDir(k.T))
	var said bytes.Buffer
	owner.Stdout, owner.Stderr = &said, &said
	owner.WaitDelay = time.Second
	if err := owner.Start(); err != nil {
		k.Fatal(err)
	}
	owned := filepath.Join(k.dir, "owned")
	for end := time.Now().Add(patience / 2); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(owned); err == nil {
			break
		}
		if time.Now().After(end) {
			owner.Process.Kill()
			owner.Wait()
			k.Fatalf("the owner started nothing: %s", said.String())
		}
	}
	id := fringe.InstanceID(k.read(owned))
	if len(alive(string(id))) == 0 {
		k.Errorf("no process of %s is seen while its owner lives", id)
	}
	owner.Process.Kill()
	owner.Wait()
	d := k.open(k.T)
	if err := d.Sweep(ctx); err != nil {
		k.Errorf("Sweep() = %v", err)
	}
	k.eventually("the owner's tree is gone", func() bool { return len(alive(string(id))) == 0 })
	filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(e.Name(), string(id)) {
			k.Errorf("the cgroup %s is left", path)
		}
		return nil
	})
	if err := d.Sweep(ctx); err != nil {
		k.Errorf("a second Sweep() = %v", err)
	}
}

// listen gives a loopback listener that answers "hello", and its port.
func (k *kit) listen() string {
	k.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("hello\n"))
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
