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

// owners are the tests that start another process of this program, to own
// instances, with what that process does.
func owners() map[string]func(k *kit) {
	return map[string]func(k *kit){
		"OwnerKilled": ownTree, "DurableAttach": ownWaiting, "DurableEnded": ownWaiting, "DurableStop": ownWaiting, "DurableTime": ownLimited,
		"DurableMemory": ownHog, "DurableKilled": ownWaiting, "DurableSweep": ownTwo, "DurableStart": ownStarting,
	}
}

// ownerArg begins the arguments of a process that owns instances.
const ownerArg = "own-instances"

// owning gives the test for which this process is to own instances, in a
// directory, and the state directory of its driver; ok is false in any other
// process.
func owning() (test, dir, state string, ok bool) {
	if a := flag.Args(); len(a) == 4 && a[0] == ownerArg {
		return a[1], a[2], a[3], true
	}
	return "", "", "", false
}

// StateDir gives a directory for a driver's state. A test in which one process
// takes the place of another gets the same one in both.
func StateDir(t *testing.T) string {
	t.Helper()
	if _, _, state, ok := owning(); ok {
		return state
	}
	test := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
	if owners()[test] == nil {
		return t.TempDir()
	}
	state := filepath.Join(os.TempDir(), fmt.Sprintf("fringe-drivertest-%d-%s", os.Getpid(), test))
	t.Cleanup(func() { os.RemoveAll(state) })
	return state
}

// An owner is another process that owns instances.
type owner struct {
	k    *kit
	cmd  *exec.Cmd
	said bytes.Buffer
}

// own starts the owner of this test.
func (k *kit) own() *owner {
	k.Helper()
	at := strings.LastIndexByte(k.Name(), '/')
	name := strings.ReplaceAll(k.Name()[:at], "/", "$/^")
	o := &owner{k: k}
	o.cmd = exec.Command("/proc/self/exe", "-test.run=^"+name+"$", "-test.count=1", "--", ownerArg, k.Name()[at+1:], k.dir, StateDir(k.T))
	o.cmd.Stdout, o.cmd.Stderr = &o.said, &o.said
	o.cmd.WaitDelay = time.Second
	if err := o.cmd.Start(); err != nil {
		k.Fatal(err)
	}
	k.Cleanup(o.kill)
	return o
}

// owned waits for the ids of the instances that the owner started.
func (o *owner) owned() []fringe.InstanceID {
	o.k.Helper()
	path := filepath.Join(o.k.dir, "owned")
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(end) {
			o.kill()
			o.k.Fatalf("the owner started nothing: %s", o.said.String())
		}
	}
	var ids []fringe.InstanceID
	for _, id := range strings.Fields(o.k.read(path)) {
		ids = append(ids, fringe.InstanceID(id))
	}
	return ids
}

// kill ends the owner by SIGKILL.
func (o *owner) kill() {
	o.cmd.Process.Kill()
	o.cmd.Wait()
}

// owns tells the ids of the instances that this process owns, and waits to be
// killed.
func (k *kit) owns(ids ...fringe.InstanceID) {
	var text strings.Builder
	for _, id := range ids {
		fmt.Fprintln(&text, id)
	}
	k.write(filepath.Join(k.dir, "owned.new"), text.String())
	if err := os.Rename(filepath.Join(k.dir, "owned.new"), filepath.Join(k.dir, "owned")); err != nil {
		k.Fatal(err)
	}
	select {}
}

func ownTree(k *kit) { k.owns(k.tree(nil).ID()) }

// A process that owns instances and dies by SIGKILL leaves none of their
// processes, and a driver that takes its place sweeps what else there is.
func ownerKilled(k *kit) {
	o := k.own()
	id := o.owned()[0]
	if len(alive(string(id))) == 0 {
		k.Errorf("no process of %s is seen while its owner lives", id)
	}
	o.kill()
	k.swept()
	k.eventually("the owner's tree is gone", func() bool { return len(alive(string(id))) == 0 })
	k.noGroup(id)
	k.swept()
}

// swept gives a driver in the place of the owner's that has kept the named
// instances only.
func (k *kit) swept(keep ...fringe.InstanceID) fringe.Driver {
	k.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := k.open(k.T)
	if err := d.Sweep(ctx, keep); err != nil {
		k.Errorf("Sweep() = %v", err)
	}
	return d
}

// noGroup fails when a cgroup of the instance is there.
func (k *kit) noGroup(id fringe.InstanceID) {
	k.Helper()
	filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(e.Name(), string(id)) {
			k.Errorf("the cgroup %s is left", path)
		}
		return nil
	})
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
