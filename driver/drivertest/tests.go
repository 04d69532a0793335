package drivertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"fringe"
)

func program(k *kit) {
	s, out := k.spec("")
	s.Argv = []string{"printf", "%s|", "a b", "", "ü"}
	e, text := k.run(s, out)
	k.ended(e, fringe.Exited, 0)
	k.same("output", text, "a b||ü|")
}

func output(k *kit) {
	in := filepath.Join(k.dir, "in")
	k.write(in, "from stdin\n")
	f, err := os.Open(in)
	if err != nil {
		k.Fatal(err)
	}
	defer f.Close()
	errs, err := os.Create(filepath.Join(k.dir, "errs"))
	if err != nil {
		k.Fatal(err)
	}
	defer errs.Close()
	text := k.sh("cat; echo to stderr >&2", func(s *fringe.Spec) { s.Stdin, s.Stderr = f, errs })
	k.same("stdout", text, "from stdin")
	k.same("stderr", k.read(errs.Name()), "to stderr")
	k.sh("cat; echo lost; echo lost >&2", func(s *fringe.Spec) { s.Stdout, s.Stderr = nil, nil })

	// The end of a pipe is seen when the program closes it, not later.
	r, w, err := os.Pipe()
	if err != nil {
		k.Fatal(err)
	}
	defer r.Close()
	s, _ := k.spec("echo piped; exec >&-; exec 2>&-; sleep 600")
	s.Stdout = w
	k.start(s)
	w.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		k.Fatal(err)
	}
	k.same("piped", string(got), "piped")
}

func exitCode(k *kit) {
	for _, code := range []int{0, 1, 33, 137, 255} {
		s, out := k.spec(fmt.Sprintf("exit %d", code))
		e, _ := k.run(s, out)
		k.ended(e, fringe.Exited, code)
		if e.Signal != 0 {
			k.Errorf("Signal = %d, want 0", e.Signal)
		}
	}
}

func signalled(k *kit) {
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGKILL, syscall.SIGTERM} {
		s, out := k.spec(fmt.Sprintf("kill -%d $$; sleep 600", sig))
		e, _ := k.run(s, out)
		k.ended(e, fringe.Signalled, 128+int(sig))
		if e.Signal != int(sig) {
			k.Errorf("Signal = %d, want %d", e.Signal, sig)
		}
	}
}

func environment(k *kit) {
	text := k.sh("env | sort; pwd", func(s *fringe.Spec) {
		s.Env = []string{"PATH=/usr/bin", "A=1", "B=two words"}
		s.Dir = "/usr/share"
	})
	k.same("environment", text, "A=1\nB=two words\nPATH=/usr/bin\nPWD=/usr/share\n/usr/share")
	long := strings.Repeat("x", 100_000)
	s, out := k.spec("")
	s.Argv = []string{"printf", "%s", long}
	_, text = k.run(s, out)
	if text != long {
		k.Errorf("an argument of %d bytes arrives with %d", len(long), len(text))
	}
}

// fails starts s, which must be refused with the kind and the words, and leave
// nothing.
func (k *kit) fails(s fringe.Spec, kind fringe.Kind, words ...string) {
	k.Helper()
	in, err := k.d.Start(context.Background(), s)
	if err == nil {
		in.Stop(context.Background(), 0)
		k.Errorf("Start() gave an instance, want an error of kind %s with %q", kind, words)
		return
	}
	var e *fringe.Error
	if !errors.As(err, &e) {
		k.Errorf("Start() = %T, want *fringe.Error", err)
		return
	}
	if e.Kind != kind || e.Component != fringe.Start {
		k.Errorf("Start() = kind %s, component %q, want %s, %q: %v", e.Kind, e.Component, kind, fringe.Start, err)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			k.Errorf("Start() says %q, want it to name %q", e.Message, w)
		}
	}
	k.gone(s.ID)
}

func refused(k *kit) {
	for _, c := range []struct {
		change func(*fringe.Spec)
		word   string
	}{
		{func(s *fringe.Spec) { s.ID = "" }, "id"},
		{func(s *fringe.Spec) { s.ID = "../x" }, "../x"},
		{func(s *fringe.Spec) { s.Argv = nil }, "no program"},
		{func(s *fringe.Spec) { s.Dir = "work" }, "work"},
		{func(s *fringe.Spec) { s.Mounts = []fringe.Mount{{Source: "etc", Target: "/x"}} }, "etc"},
		{func(s *fringe.Spec) { s.Mounts = []fringe.Mount{{Source: "/etc", Target: "/"}} }, "/"},
		{func(s *fringe.Spec) { s.Mounts = []fringe.Mount{{Source: "/etc/passwd", Target: "/usr"}} }, "/usr"},
	} {
		s, _ := k.spec("true")
		c.change(&s)
		k.fails(s, fringe.Invalid, c.word)
	}
}

func notFound(k *kit) {
	s, _ := k.spec("")
	s.Argv = []string{"no-such-tool", "-x"}
	s.Env = []string{"PATH=/fringe/function/bin:/usr/bin"}
	k.fails(s, fringe.NotFound, "no-such-tool", "/fringe/function/bin:/usr/bin")
	s.Argv = []string{"/opt/no-such-tool"}
	k.fails(s, fringe.NotFound, "/opt/no-such-tool")
	s.Argv = []string{"/etc/passwd"}
	k.fails(s, fringe.NotFound, "/etc/passwd", "not executable")
	s.Argv = []string{"sh"}
	s.Dir = "/no/such/directory"
	k.fails(s, fringe.NotFound, "/no/such/directory")
	s.Dir = "/"
	s.Mounts = []fringe.Mount{{Source: filepath.Join(k.dir, "gone"), Target: "/work"}}
	k.fails(s, fringe.NotFound, "gone", "/work")
	s.Mounts = nil
	s.Root = filepath.Join(k.dir, "gone")
	k.fails(s, fringe.NotFound, "gone")

	script := filepath.Join(k.dir, "bin", "script")
	k.write(script, "#!/no/such/interpreter\n")
	if err := os.Chmod(script, 0o755); err != nil {
		k.Fatal(err)
	}
	s, _ = k.spec("")
	s.Argv = []string{"script"}
	s.Env = []string{"PATH=/fringe/bin"}
	s.Mounts = []fringe.Mount{{Source: filepath.Dir(script), Target: "/fringe/bin"}}
	k.fails(s, fringe.NotFound, "script", "interpreter")
}

// Nothing of the root and of read-only mounts can be written, by any way.
func readOnly(k *kit) {
	dir := k.mkdir("input")
	file := k.write(filepath.Join(dir, "sub", "data"), "precious")
	one := k.write(filepath.Join(k.dir, "one"), "precious")
	k.sh(`
		for d in / /usr /etc /usr/bin /var /input /input/sub /proc /dev /sys /run; do
			if (: > $d/written) 2>/dev/null; then echo "wrote in $d"; exit 1; fi
		done
		for f in /input/sub/data /one /etc/passwd; do
			if (echo x > $f) 2>/dev/null; then echo "wrote $f"; exit 1; fi
			if (echo x >> $f) 2>/dev/null; then echo "appended $f"; exit 1; fi
			if rm -f $f 2>/dev/null; then echo "removed $f"; exit 1; fi
			if mv $f /tmp/x 2>/dev/null; then echo "moved $f"; exit 1; fi
			if chmod 777 $f 2>/dev/null; then echo "changed $f"; exit 1; fi
			if touch $f 2>/dev/null; then echo "touched $f"; exit 1; fi
		done
		ln -s /input/sub/data /tmp/link; if (echo x > /tmp/link) 2>/dev/null; then echo "wrote a link"; exit 1; fi
		if mount -o remount,rw /input 2>/dev/null; then echo remounted; exit 1; fi
		if umount /input 2>/dev/null; then echo unmounted; exit 1; fi
		if (echo 1 > /proc/sys/vm/drop_caches) 2>/dev/null; then echo "wrote /proc/sys"; exit 1; fi
		test "$(cat /input/sub/data /one)" = preciousprecious
	`, func(s *fringe.Spec) {
		s.Mounts = []fringe.Mount{{Source: dir, Target: "/input"}, {Source: one, Target: "/one"}}
	})
	k.same("the input", k.read(file)+k.read(one), "preciousprecious")
	if _, err := os.Stat(filepath.Join(dir, "written")); err == nil {
		k.Error("a file was made in the input")
	}
}

func writable(k *kit) {
	dir := k.mkdir("work")
	text := k.sh("echo made > made; mkdir d; echo $(pwd); cat in/data; echo x > in/data || true", func(s *fringe.Spec) {
		s.Mounts = []fringe.Mount{
			{Source: dir, Target: "/work", Writable: true},
			{Source: k.write(filepath.Join(k.dir, "input", "data"), "precious\n"), Target: "/work/in/data"},
		}
		s.Dir = "/work"
	})
	if !strings.HasPrefix(text, "/work\nprecious\n") {
		k.Errorf("output = %q", text)
	}
	k.same("made", k.read(filepath.Join(dir, "made")), "made")
	k.same("the mount inside", k.read(filepath.Join(k.dir, "input", "data")), "precious")
}

// A mount point need not exist, wherever it is.
func mountPoints(k *kit) {
	dir := k.mkdir("content")
	k.write(filepath.Join(dir, "f"), "here\n")
	out := k.mkdir("out")
	targets := []string{"/fringe/function", "/a/b/c/d", "/usr/share/fringe-suite/x", "/usr/lib/fringe-suite", "/etc/fringe-suite", "/tmp/x/y", "/run/fringe", "/opt/fringe-suite/one", "/opt/fringe-suite/two", "/mnt/a b", "/var/lib/fringe-suite/x"}
	var mounts []fringe.Mount
	var script strings.Builder
	for _, target := range targets {
		mounts = append(mounts, fringe.Mount{Source: dir, Target: target})
		fmt.Fprintf(&script, "cat '%s/f'\n", target)
	}
	mounts = append(mounts,
		fringe.Mount{Source: filepath.Join(dir, "f"), Target: "/usr/bin/fringe-suite-file"},
		fringe.Mount{Source: out, Target: "/fringe/out", Writable: true},
		fringe.Mount{Source: dir, Target: "/fringe/function/below"},
		fringe.Mount{Source: dir, Target: "/fringe/late"},
	)
	script.WriteString("cat /usr/bin/fringe-suite-file /fringe/function/below/f /fringe/late/f; ls /usr/bin/env >/dev/null && echo ok > /fringe/out/ok")
	text := k.sh(script.String(), func(s *fringe.Spec) { s.Mounts = mounts })
	k.same("output", text, strings.Repeat("here\n", len(targets)+3))
	k.same("written", k.read(filepath.Join(out, "ok")), "ok")
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		k.Errorf("a mount point was made in a read-only source: %v", entries)
	}
	// A link in what an earlier run left leads nowhere but in the instance.
	outside := k.mkdir("outside")
	work := k.mkdir("work")
	if err := os.Symlink(outside, filepath.Join(work, "in")); err != nil {
		k.Fatal(err)
	}
	s, _ := k.spec("true")
	s.Mounts = []fringe.Mount{{Source: work, Target: "/work", Writable: true}, {Source: dir, Target: "/work/in/x"}}
	if in, err := k.d.Start(context.Background(), s); err == nil {
		k.end(in)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		k.Errorf("a mount point was made outside: %v", entries)
	}
}

func hidden(k *kit) {
	secret := k.mkdir("secret")
	k.write(filepath.Join(secret, "token"), "xyz")
	file := k.write(filepath.Join(k.dir, "input"), "seen\n")
	text := k.sh("ls -A /usr/share; test ! -s /etc/passwd; cat /usr/share/deep/input; if (: > /usr/share/x) 2>/dev/null; then exit 1; fi", func(s *fringe.Spec) {
		s.Hidden = []string{"/usr/share", "/etc/passwd", "/no/such/path"}
		s.Mounts = []fringe.Mount{{Source: file, Target: "/usr/share/deep/input"}}
	})
	k.same("output", text, "deep\nseen")
	// The rest of the host is not there to be hidden.
	text = k.sh("cat "+file+" /etc/shadow 2>/dev/null; ls -A /root /home /srv /mnt /run/user /var/log 2>/dev/null | grep -v : ; true", nil)
	k.same("output", text, "")
}

// /tmp is private, empty and writable, in memory or on disk.
func tmp(k *kit) {
	if err := os.WriteFile(filepath.Join(os.TempDir(), k.mark+"-host"), nil, 0o600); err != nil {
		k.Fatal(err)
	}
	defer os.Remove(filepath.Join(os.TempDir(), k.mark+"-host"))
	for _, bytes := range []int64{8 << 20, 0} {
		for range 2 {
			text := k.sh("ls -A /tmp; echo x > /tmp/"+k.mark+"-left; ls -A /var/tmp; stat -c %a /tmp; echo > /dev/shm/x", func(s *fringe.Spec) { s.TmpBytes = bytes })
			k.same("output", text, k.mark+"-left\n1777")
		}
	}
	if _, err := os.Stat(filepath.Join(os.TempDir(), k.mark+"-left")); err == nil {
		k.Error("a file of the instance is in the host's /tmp")
	}
	s, out := k.spec("head -c 20000000 /dev/zero > /tmp/big")
	s.TmpBytes = 8 << 20
	if e, text := k.run(s, out); e.Code == 0 {
		k.Errorf("20 MB fit in a /tmp of 8 MiB: %s", text)
	}
}

// mergedRoot makes a root directory with the usual links and an empty usr.
func (k *kit) mergedRoot() string {
	k.Helper()
	dir := k.mkdir("root")
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+link, filepath.Join(dir, link)); err != nil {
			k.Fatal(err)
		}
	}
	k.mkdir("root/usr")
	k.write(filepath.Join(dir, "etc", "name"), "a root of its own\n")
	return dir
}

func root(k *kit) {
	dir := k.mergedRoot()
	text := k.sh("cat /etc/name; ls /; if (: > /etc/x) 2>/dev/null; then exit 1; fi", func(s *fringe.Spec) {
		s.Root = dir
		s.Mounts = []fringe.Mount{{Source: "/usr", Target: "/usr"}}
	})
	k.same("output", text, "a root of its own\nbin\ndev\netc\nlib\nlib64\nproc\nrun\nsbin\nsys\ntmp\nusr")
	if _, err := os.Stat(filepath.Join(dir, "etc", "x")); err == nil {
		k.Error("the root was written")
	}
}

func layers(k *kit) {
	upper, lower := k.mkdir("upper"), k.mkdir("lower")
	k.write(filepath.Join(lower, "usr", "share", "suite", "a"), "lower a\n")
	k.write(filepath.Join(lower, "usr", "share", "suite", "b"), "lower b\n")
	k.write(filepath.Join(upper, "usr", "share", "suite", "a"), "upper a\n")
	k.write(filepath.Join(upper, "lib", "suite", "c"), "where lib is a link\n")
	k.write(filepath.Join(upper, "suite", "d"), "a new entry of /\n")
	tool := k.write(filepath.Join(lower, "usr", "bin", "suite-tool"), "#!/bin/sh\necho tool\n")
	if err := os.Chmod(tool, 0o755); err != nil {
		k.Fatal(err)
	}
	text := k.sh("cat /usr/share/suite/a /usr/share/suite/b /usr/lib/suite/c /suite/d; suite-tool; if (: > /usr/share/suite/x) 2>/dev/null; then exit 1; fi; cat /usr/share/suite/m/a", func(s *fringe.Spec) {
		s.Layers = []string{upper, lower}
		s.Mounts = []fringe.Mount{{Source: filepath.Join(lower, "usr", "share", "suite"), Target: "/usr/share/suite/m"}}
	})
	k.same("output", text, "upper a\nlower b\nwhere lib is a link\na new entry of /\ntool\nlower a")
	s, _ := k.spec("true")
	s.Layers = []string{filepath.Join(k.dir, "gone")}
	k.fails(s, fringe.NotFound, "gone")
}

// No capability, no new privilege, no way to namespaces, other processes are
// not seen.
func privileges(k *kit) {
	text := k.sh(`
		grep -e ^CapEff -e ^CapPrm -e ^CapBnd -e ^CapInh -e ^NoNewPrivs -e ^Seccomp: /proc/self/status | tr -d '\t'
		unshare -U true 2>/dev/null && echo "made a user namespace"
		unshare -m true 2>/dev/null && echo "made a mount namespace"
		mknod /tmp/disk b 8 0 2>/dev/null && echo "made a device"
		cat /proc/1/environ >/dev/null 2>&1 && echo "read init's environment"
		(: >> /proc/1/exe) 2>/dev/null && echo "opened init's program"
		ulimit -c
		test $(ulimit -Sn) = $(ulimit -Hn) || echo "files: $(ulimit -Sn) of $(ulimit -Hn)"
		ls -d /proc/[0-9]* | wc -l
	`, nil)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	none := "0000000000000000"
	want := []string{"CapInh:" + none, "CapPrm:" + none, "CapEff:" + none, "CapBnd:" + none, "NoNewPrivs:1", "Seccomp:2", "0"}
	if len(lines) != len(want)+1 || strings.Join(lines[:len(lines)-1], " ") != strings.Join(want, " ") {
		k.Errorf("output = %q, want %q and a number of processes", lines, want)
	}
	if n, err := strconv.Atoi(lines[len(lines)-1]); err != nil || n > 6 {
		k.Errorf("the instance sees %s processes", lines[len(lines)-1])
	}
}

func network(k *kit) {
	port := k.listen()
	try := "import socket\ntry:\n  print(socket.create_connection(('127.0.0.1', " + port + "), 5).recv(9))\nexcept OSError as e: print('refused')"
	s, out := k.spec("")
	_, text := k.run(python(s, try), out)
	k.same("without network", text, "refused")
	s, out = k.spec("")
	s.Network = true
	_, text = k.run(python(s, try), out)
	k.same("with network", text, `b'hello\n'`)
	text = k.sh("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", nil)
	if text = strings.TrimSpace(text); text != "" && text != "lo" {
		k.Errorf("interfaces without network: %q", text)
	}
}

// A limit that is not kept in full may be met for a moment.
func memory(k *kit) {
	hog := "import time\nb = bytearray(300 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\ntime.sleep(3)\nprint('survived')"
	s, out := k.spec("")
	s.Limits.Memory = 96 << 20
	e, text := k.run(python(s, hog), out)
	k.ended(e, fringe.OutOfMemory, 137)
	k.same("output", text, "")
	k.gone(s.ID)

	// The whole tree ends, also when a child of the program met the limit.
	s, out = k.spec("/usr/bin/python3 -I -S -c '" + hog + "'; echo survived")
	s.Limits.Memory = 96 << 20
	e, text = k.run(s, out)
	k.ended(e, fringe.OutOfMemory, 137)
	if strings.Contains(text, "survived") {
		k.Errorf("output = %q", text)
	}

	s, out = k.spec("")
	s.Limits.Memory = 600 << 20
	e, text = k.run(python(s, hog), out)
	k.ended(e, fringe.Exited, 0)
	k.same("output", text, "survived")
	if e.Usage.PeakMemory < 290<<20 || e.Usage.PeakMemory > 600<<20 {
		k.Errorf("PeakMemory = %d MiB, want some 310", e.Usage.PeakMemory>>20)
	}
}

// Where CPU time is not bounded, the number of processors is.
func cpu(k *kit) {
	if !k.enforces(CPULimit) {
		s, out := k.spec("")
		s.Limits.CPU = 0.5
		_, text := k.run(python(s, "import os; print(len(os.sched_getaffinity(0)))"), out)
		k.same("processors", text, "1")
		return
	}
	busy := "import os, time\nos.fork()\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass\ntry: os.wait()\nexcept OSError: pass"
	for _, limit := range []float64{0.3, 1} {
		s, out := k.spec("")
		s.Limits.CPU = limit
		e, _ := k.run(python(s, busy), out)
		k.ended(e, fringe.Exited, 0)
		share := e.Usage.CPU.Seconds() / e.Usage.Wall.Seconds()
		if share > limit*1.25+0.05 || share <= 0 {
			k.Errorf("two busy processes use %.2f cores of %.2f", share, limit)
		}
	}
}

// Where the number is not bounded by the kernel, the tree is killed when it
// has more.
func pids(k *kit) {
	s, out := k.spec("")
	s.Limits.Pids = 40
	e, text := k.run(python(s, `
import os, time
n = 0
try:
    for i in range(300):
        if os.fork() == 0:
            time.sleep(2); os._exit(0)
        n += 1
except BlockingIOError:
    print("refused after", n, flush=True)
else:
    time.sleep(1); print("not refused", n, flush=True)
`), out)
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(text, "refused after")))
	if err == nil && n >= 30 && n <= 60 {
		return
	}
	if !k.enforces(PidsLimit) && e.Cause == fringe.Signalled {
		return
	}
	k.Errorf("Wait() = %+v, output %q; want processes refused after some 40", e, text)
}

func fileSize(k *kit) {
	dir := k.mkdir("work")
	s, out := k.spec("head -c 3000000 /dev/zero > /work/big; echo $?")
	s.Limits.FileSize = 1 << 20
	s.Mounts = []fringe.Mount{{Source: dir, Target: "/work", Writable: true}}
	_, text := k.run(s, out)
	st, err := os.Stat(filepath.Join(dir, "big"))
	if err != nil || st.Size() > 1<<20 {
		k.Errorf("a file of %d bytes was written, at most %d allowed (%v)", st.Size(), 1<<20, err)
	}
	if strings.TrimSpace(text) == "0" {
		k.Error("the writer was not told")
	}
}

func timeLimit(k *kit) {
	in := k.tree(func(s *fringe.Spec) { s.Limits.Time = 5 * time.Second })
	e := k.end(in)
	k.gone(in.ID())
	k.ended(e, fringe.TimedOut, 137)
	if e.Usage.Wall < 5*time.Second || e.Usage.Wall > 30*time.Second {
		k.Errorf("Wall = %v, want some 5 s", e.Usage.Wall)
	}
	s, out := k.spec("true")
	s.Limits.Time = time.Minute
	e, _ = k.run(s, out)
	k.ended(e, fringe.Exited, 0)
}

func usage(k *kit) {
	s, out := k.spec("")
	e, _ := k.run(python(s, "import os, time\nif os.fork() == 0:\n  while time.process_time() < 0.5: pass\n  os._exit(0)\nos.wait()\nb = b'x' * (50 << 20)"), out)
	if e.Usage.CPU < 450*time.Millisecond || e.Usage.CPU > 5*time.Second {
		k.Errorf("CPU = %v, want some 0.5 s", e.Usage.CPU)
	}
	if e.Usage.PeakMemory < 50<<20 || e.Usage.PeakMemory > 200<<20 {
		k.Errorf("PeakMemory = %d MiB, want some 60", e.Usage.PeakMemory>>20)
	}
	if e.Usage.Wall < 450*time.Millisecond {
		k.Errorf("Wall = %v", e.Usage.Wall)
	}
}

func stop(k *kit) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dir := k.mkdir("work")
	s, _ := k.spec("trap 'echo told > /work/told; exit 7' TERM; : > /work/ready; while :; do sleep 0.05; done")
	s.Mounts = []fringe.Mount{{Source: dir, Target: "/work", Writable: true}}
	in := k.start(s)
	k.eventually("the program is ready", func() bool { _, err := os.Stat(filepath.Join(dir, "ready")); return err == nil })
	if err := in.Stop(ctx, 30*time.Second); err != nil {
		k.Errorf("Stop() = %v", err)
	}
	k.ended(k.end(in), fringe.Stopped, 7)
	k.same("told", k.read(filepath.Join(dir, "told")), "told")

	for _, grace := range []time.Duration{0, 100 * time.Millisecond} {
		in := k.tree(nil)
		begun := time.Now()
		if err := in.Stop(ctx, grace); err != nil {
			k.Errorf("Stop() = %v", err)
		}
		k.gone(in.ID())
		if took := time.Since(begun); took < grace || took > 10*time.Second {
			k.Errorf("Stop with a grace of %v took %v", grace, took)
		}
		k.ended(k.end(in), fringe.Stopped, 137)
	}
}

func stopTwice(k *kit) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, _ := k.spec("sleep 600")
	in := k.start(s)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := in.Stop(ctx, time.Second); err != nil {
				k.Errorf("Stop() = %v", err)
			}
		})
	}
	all.Wait()
	k.ended(k.end(in), fringe.Stopped, 143)
	if err := in.Stop(ctx, time.Second); err != nil {
		k.Errorf("Stop() after the end = %v", err)
	}
	s, _ = k.spec("exit 3")
	in = k.start(s)
	k.end(in)
	if err := in.Stop(ctx, time.Second); err != nil {
		k.Errorf("Stop() after the end = %v", err)
	}
	k.ended(k.end(in), fringe.Exited, 3)
}

func wait(k *kit) {
	dir := k.mkdir("work")
	s, _ := k.spec("while [ ! -e /work/go ]; do sleep 0.02; done; exit 5")
	s.Mounts = []fringe.Mount{{Source: dir, Target: "/work", Writable: true}}
	in := k.start(s)
	if in.ID() != s.ID {
		k.Errorf("ID() = %q, want %q", in.ID(), s.ID)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := in.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		k.Errorf("Wait() = %v, want %v", err, context.DeadlineExceeded)
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if e, err := in.Wait(context.Background()); err != nil || e.Code != 5 {
				k.Errorf("Wait() = %+v, %v, want code 5", e, err)
			}
		})
	}
	k.write(filepath.Join(dir, "go"), "")
	all.Wait()
	if e, err := in.Wait(short); err != nil || e.Code != 5 {
		k.Errorf("Wait() after the end = %+v, %v, want code 5", e, err)
	}
}

func sameID(k *kit) {
	s, _ := k.spec("sleep 600")
	in := k.start(s)
	if _, err := k.d.Start(context.Background(), s); fringe.KindOf(err) != fringe.Conflict {
		k.Errorf("a second Start() = %v, want a conflict", err)
	}
	in.Stop(context.Background(), 0)
	again := k.start(s)
	again.Stop(context.Background(), 0)
}

// A context bounds the start only.
func cancelled(k *kit) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, _ := k.spec("sleep 600")
	if _, err := k.d.Start(ctx, s); !errors.Is(err, context.Canceled) {
		k.Errorf("Start() = %v, want %v", err, context.Canceled)
	}
	k.gone(s.ID)
	ctx, cancel = context.WithCancel(context.Background())
	s, _ = k.spec("exec sleep 600")
	in, err := k.d.Start(ctx, s)
	cancel()
	if err != nil {
		k.Fatal(err)
	}
	if _, err := in.Wait(ctx); !errors.Is(err, context.Canceled) {
		k.Errorf("Wait() = %v, want %v", err, context.Canceled)
	}
	if err := in.Stop(context.Background(), 0); err != nil {
		k.Errorf("Stop() = %v", err)
	}
	k.ended(k.end(in), fringe.Stopped, 137)
	for i := range 10 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*time.Millisecond)
		s, _ := k.spec("exec sleep 600")
		if in, err := k.d.Start(ctx, s); err == nil {
			in.Stop(context.Background(), 0)
		} else if !errors.Is(err, context.DeadlineExceeded) {
			k.Errorf("Start() = %v, want %v", err, context.DeadlineExceeded)
		}
		cancel()
		k.gone(s.ID)
	}
}

func conn(k *kit) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		k.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	s, _ := k.spec("read x <&3; echo got $x >&3; ls /proc/self/fd | tr '\\n' ' ' >&3; exec 3>&-; sleep 600")
	s.Conn = theirs
	k.start(s)
	theirs.Close()
	if _, err := ours.WriteString("hello\n"); err != nil {
		k.Fatal(err)
	}
	got, err := io.ReadAll(ours) // ends: nobody else holds the other end
	if err != nil {
		k.Fatal(err)
	}
	k.same("answer", string(got), "got hello\n0 1 2 3 4")
}

func dial(k *kit) {
	dir := k.mkdir("work")
	s, _ := k.spec("")
	s = python(s, "import os, socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('/work/deep/s.sock.tmp')\ns.listen()\nos.rename('/work/deep/s.sock.tmp', '/work/deep/s.sock')\nwhile True:\n  c, _ = s.accept()\n  c.sendall(b'got ' + c.recv(100))\n  c.close()")
	k.mkdir("work/deep")
	s.Mounts = []fringe.Mount{{Source: dir, Target: "/work", Writable: true}, {Source: "/etc", Target: "/ro"}}
	in := k.start(s)
	var c net.Conn
	k.eventually("the socket answers", func() (ok bool) {
		var err error
		c, err = in.Dial(context.Background(), "/work/deep/s.sock")
		return err == nil
	})
	defer c.Close()
	if _, err := c.Write([]byte("hello\n")); err != nil {
		k.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		k.Fatal(err)
	}
	k.same("answer", line, "got hello")
	for path, kind := range map[string]fringe.Kind{"/work/none.sock": fringe.NotFound, "/ro/x.sock": fringe.Invalid, "/tmp/x.sock": fringe.Invalid, "/work/../etc/x": fringe.Invalid} {
		if _, err := in.Dial(context.Background(), path); fringe.KindOf(err) != kind {
			k.Errorf("Dial(%s) = %v, want kind %s", path, err, kind)
		}
	}
	in.Stop(context.Background(), 0)
	if _, err := in.Dial(context.Background(), "/work/deep/s.sock"); fringe.KindOf(err) != fringe.Unavailable {
		k.Errorf("Dial() after the end = %v, want it unavailable", err)
	}
}

// What the program leaves running ends with it.
func leftovers(k *kit) {
	dir := k.mkdir("work")
	s, out := k.spec("")
	s.Mounts = []fringe.Mount{{Source: dir, Target: "/work", Writable: true}}
	e, _ := k.run(python(s, strings.TrimSuffix(strings.TrimSpace(tree), "time.sleep(600)")), out)
	k.gone(s.ID)
	k.ended(e, fringe.Exited, 0)
}

func many(k *kit) {
	var all sync.WaitGroup
	for i := range 50 {
		s, out := k.spec(fmt.Sprintf("echo %d; exit %d", i, i))
		s.Limits = fringe.Limits{Memory: 64 << 20, CPU: 1, Pids: 50}
		all.Go(func() {
			in, err := k.d.Start(context.Background(), s)
			if err != nil {
				k.Errorf("Start() = %v", err)
				return
			}
			e, err := in.Wait(context.Background())
			if err != nil {
				k.Error(err)
			}
			k.ended(e, fringe.Exited, i)
			k.same("output", k.read(out.Name()), strconv.Itoa(i))
		})
	}
	all.Wait()
}
