package process_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/driver/process"
)

// nobody is a user without any right.
const nobody = 65534

// asUser makes a command of this test binary that runs as a plain user, in a
// directory of his own. When the tests run as a plain user it is that one.
func asUser(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "fringe-user-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary := filepath.Join(dir, "test")
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + dir}
	if os.Geteuid() == 0 && root(t) {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// root says whether this process's user is the machine's root.
func root(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && len(strings.Fields(string(text))) == 3 && strings.Fields(string(text))[1] == "0" && os.Geteuid() == 0
}

// A plain user has it all, with private mounts and without.
func TestPlainUser(t *testing.T) {
	if !root(t) {
		t.Log("the tests run as a plain user already")
		return
	}
	for _, plain := range []string{"", "1"} {
		cmd := asUser(t, "-test.run=^(TestDriver|TestAddMount|TestHostilePaths|TestPrivateMounts|TestEnforced)$", "-test.count=1")
		cmd.Env = append(cmd.Env, plainEnv+"="+plain)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("as a plain user (%s=%s): %v\n%s", plainEnv, plain, err, out)
		}
	}
}

// The first process of a plain user stands for the second one.
func TestNestedProcess(t *testing.T) {
	cmd := asUser(t)
	cmd.Env = append(cmd.Env, roleEnv+"=exit")
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("exit code %d (%v), want 7", cmd.ProcessState.ExitCode(), err)
	}
	for _, c := range []struct {
		signal syscall.Signal
		want   string
	}{{syscall.SIGTERM, "exit status 3"}, {syscall.SIGKILL, "signal: killed"}} {
		cmd := asUser(t)
		cmd.Env = append(cmd.Env, roleEnv+"=wait")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(out).ReadString('\n')
		if line != "ready true\n" {
			t.Errorf("the process says %q, want that its mounts are private", line)
		}
		cmd.Process.Signal(c.signal)
		io.Copy(io.Discard, out) // ends when the second process has ended
		if err := cmd.Wait(); err == nil || err.Error() != c.want {
			t.Errorf("after signal %d it ended with %v, want %s", c.signal, err, c.want)
		}
	}
}

func TestEnforced(t *testing.T) {
	for _, cfg := range []process.Config{{}, {WithoutCgroups: true}} {
		cfg.StateDir = t.TempDir()
		d := open(t, cfg)
		found := map[string]bool{}
		for _, c := range d.Enforced() {
			found[c.Name] = true
			t.Logf("%-20s %-5v %s %s", c.Name, c.OK, c.Detail, c.Cure)
			if c.Detail == "" || c.OK == (c.Cure != "") {
				t.Errorf("%+v: a check has a detail, and a cure when it is not met", c)
			}
			if c.OK != d.Enforces(c.Name) {
				t.Errorf("Enforces(%q) = %v, want %v", c.Name, !c.OK, c.OK)
			}
		}
		for _, name := range []string{process.CheckKernel, process.CheckNamespaces, process.CheckSeccomp, process.CheckPrivateMounts, process.CheckOverlay, process.CheckCgroups, process.CheckMemory, process.CheckCPU, process.CheckPids} {
			if !found[name] {
				t.Errorf("no check %q", name)
			}
		}
		if cfg.WithoutCgroups && d.Enforces(process.CheckMemory) {
			t.Error("without cgroups the memory limit is said to be enforced in full")
		}
		if entries, _ := os.ReadDir(cfg.StateDir); len(entries) != 1 {
			t.Errorf("the checks left something: %v", entries)
		}
	}
}

func TestNew(t *testing.T) {
	if _, err := process.New(process.Config{}); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("New without a directory = %v, want it invalid", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := process.New(process.Config{StateDir: filepath.Join(file, "x")}); fringe.KindOf(err) != fringe.Unavailable {
		t.Errorf("New below a file = %v, want it unavailable", err)
	}
}

// A descriptor that this process was given does not reach an instance.
func TestInheritedDescriptors(t *testing.T) {
	d := open(t, process.Config{StateDir: t.TempDir()})
	secret, err := unix.Open("/etc/hostname", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(secret)
	if err := unix.Dup3(secret, 200, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(200)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := d.Start(context.Background(), fringe.Spec{ID: "a", Argv: []string{"ls", "/proc/self/fd"}, Env: []string{"PATH=/usr/bin"}, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(out.Name()); string(text) != "0\n1\n2\n3\n" {
		t.Errorf("the instance has the descriptors %q, want 0 to 3", text)
	}
}

// Sweep ends processes of init's role, and what is in the site's cgroups.
func TestSweep(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d := open(t, process.Config{StateDir: t.TempDir()})
	site, groups := traces(t, d)

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, site), []byte("sleep 600"), 0o644); err != nil {
		t.Fatal(err)
	}
	var left []*exec.Cmd
	start := func(args ...string) {
		cmd := exec.CommandContext(ctx, "/bin/sh")
		cmd.Args, cmd.Dir = args, dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		left = append(left, cmd)
	}
	start("fringe-init", site, "left")
	for _, base := range groups {
		group := filepath.Join(base, site+"-left")
		if err := os.Mkdir(group, 0o755); err != nil {
			t.Fatal(err)
		}
		start("sh", "-c", "trap '' TERM; sleep 600")
		pid := fmt.Sprint(left[len(left)-1].Process.Pid)
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(pid), 0); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, len(left))
	for _, cmd := range left {
		go func() { ended <- cmd.Wait() }()
	}
	if err := d.Sweep(ctx, nil); err != nil {
		t.Errorf("Sweep() = %v", err)
	}
	for range left {
		if err := <-ended; err == nil || err.Error() != "signal: killed" {
			t.Errorf("a process that was left ended with %v, want it killed", err)
		}
	}
	for _, base := range groups {
		if entries, _ := filepath.Glob(filepath.Join(base, site+"-left*")); len(entries) > 0 {
			t.Errorf("left after Sweep: %v", entries)
		}
	}
}

// An instance weighs as its cores do beside other work, and all together as
// those of the machine.
func TestWeights(t *testing.T) {
	d := open(t, process.Config{StateDir: t.TempDir()})
	if !d.Enforces(process.CheckCPU) {
		t.Log("no cgroup bounds the CPU time here: there are no weights")
		return
	}
	id := fmt.Sprintf("weighed-%d", os.Getpid())
	in, err := d.Start(context.Background(), fringe.Spec{ID: fringe.InstanceID(id), Argv: []string{"/bin/sleep", "600"}, Limits: fringe.Limits{CPU: 1.5}})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Stop(context.Background(), 0)
	checked := 0
	for _, dir := range groupsOf(id) {
		for name, core := range map[string]int{"cpu.weight": 100, "cpu.shares": 1024} { // of version 2 and of version 1
			for file, want := range map[string]int{filepath.Join(dir, name): core * 3 / 2, filepath.Join(filepath.Dir(dir), name): core * runtime.NumCPU()} {
				text, err := os.ReadFile(file)
				if os.IsNotExist(err) {
					continue
				}
				if err != nil || strings.TrimSpace(string(text)) != fmt.Sprint(want) {
					t.Errorf("%s has %q, %v; want %d", file, text, err, want)
				}
				checked++
			}
		}
	}
	if checked != 2 {
		t.Errorf("%d weights are seen, want those of the instance and of all instances", checked)
	}
}

// groupsOf gives the cgroups of an instance.
func groupsOf(id string) (dirs []string) {
	filepath.WalkDir("/sys/fs/cgroup", func(path string, e os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(e.Name(), "-"+id) {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}

// traces gives the name of the driver's site and the directories in which it
// makes cgroups, by looking at a running instance.
func traces(t *testing.T, d *process.Driver) (site string, groups []string) {
	t.Helper()
	id := fmt.Sprintf("trace-%d", os.Getpid())
	in, err := d.Start(context.Background(), fringe.Spec{ID: fringe.InstanceID(id), Argv: []string{"/bin/sleep", "600"}})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Stop(context.Background(), 0)
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, l := range lines {
		text, _ := os.ReadFile(l)
		if args := bytes.Split(text, []byte{0}); len(args) > 2 && string(args[2]) == id {
			site = string(args[1])
		}
	}
	if site == "" {
		t.Fatal("no process has the name of the instance")
	}
	for _, dir := range groupsOf(id) {
		groups = append(groups, filepath.Dir(dir))
	}
	if d.Enforces(process.CheckCgroups) && len(groups) == 0 {
		t.Error("no cgroup has the name of the instance")
	}
	return site, groups
}
