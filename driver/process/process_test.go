package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fringe"
	"fringe/driver/process"
)

func TestMain(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(m.Run())
}

func TestSmoke(t *testing.T) {
	d, err := process.New(process.Config{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Enforced() {
		t.Logf("%+v", c)
	}
	out, _ := os.Create(filepath.Join(t.TempDir(), "out"))
	in, err := d.Start(context.Background(), fringe.Spec{ID: "a", Argv: []string{"sh", "-c", "id; ls -la / /dev /sys; cat /proc/self/status | grep -i -e cap -e secc -e nonew; cat /proc/self/mountinfo; ls /proc | head -5; ip a; cat /proc/self/cgroup; ulimit -a"}, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: out, Stderr: out,
		Limits: fringe.Limits{CPU: 1, Memory: 1 << 28, Pids: 20}, Mounts: []fringe.Mount{{Source: t.TempDir(), Target: "/work/x", Writable: true}, {Source: "/etc", Target: "/fringe/function"}, {Source: "/etc/passwd", Target: "/usr/share/zoneinfo/fringe/x"}}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := in.Wait(context.Background())
	t.Log(e, err)
	b, _ := os.ReadFile(out.Name())
	t.Log(strings.TrimSpace(string(b)))
}

func BenchmarkStart(b *testing.B) {
	for _, without := range []bool{false, true} {
		b.Run(fmt.Sprintf("withoutCgroups=%v", without), func(b *testing.B) {
			d, err := process.New(process.Config{StateDir: b.TempDir(), WithoutCgroups: without})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				in, err := d.Start(context.Background(), fringe.Spec{ID: fringe.InstanceID(fmt.Sprint("b-", n)), Argv: []string{"/bin/true"}, Limits: fringe.Limits{CPU: 1, Memory: 1 << 28, Pids: 64}})
				if err != nil {
					b.Fatal(err)
				}
				if e, err := in.Wait(context.Background()); err != nil || e.Code != 0 {
					b.Fatal(e, err)
				}
			}
		})
	}
}
