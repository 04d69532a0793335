package fork_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"fringe"
	"fringe/driver/drivertest"
	"fringe/driver/fork"
	"fringe/driver/process"
)

func TestMain(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// open gives a running server.
func open(t testing.TB, state string, cfg process.Config, ready int, python string) *fork.Server {
	t.Helper()
	cfg.StateDir = state
	d, err := process.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := fork.New(fork.Config{Driver: d, Dir: filepath.Join(state, "zygotes"), Python: python, Ready: ready, Zygotes: 8, Idle: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return s
}

// Forks keep all promises of a driver; the suite's programs are run by forks
// that become them.
func TestDriver(t *testing.T) {
	python, err := filepath.Abs("../../python")
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]process.Config{"Cgroups": {}, "WithoutCgroups": {WithoutCgroups: true}} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) fringe.Driver {
				s := open(t, drivertest.StateDir(t), cfg, 0, python)
				s.Everything(func(s fringe.Spec) bool {
					return !s.Durable && len(s.Argv) > 0 && slices.Contains([]string{"/bin/sh", "/usr/bin/python3"}, s.Argv[0])
				}, "DRIVERTEST")
				d := s.For(fringe.Environment{Name: "suite", Python: "/usr/bin/python3"}, fringe.Spec{})
				return enforcing{d, cfg}
			})
		})
	}
}

// enforcing says what a driver enforces.
type enforcing struct {
	fringe.Driver
	cfg process.Config
}

func (e enforcing) Enforces(string) bool { return !e.cfg.WithoutCgroups }

// nobody is a user without any right.
const nobody = 65534

// A user without rights has forks too, as far as he may make user namespaces.
func TestPlainUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // every test is of such a user
	}
	dir, err := os.MkdirTemp("", "plain-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	source, home := filepath.Join(dir, "driver", "fork"), filepath.Join(dir, "home")
	for _, d := range []string{source, home} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "self"), self, 0o755)
	}
	err = errors.Join(err, os.CopyFS(filepath.Join(dir, "python"), os.DirFS("../../python")), os.Chmod(dir, 0o755), os.Chown(home, nobody, nobody))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "self"), "-test.run", "^(TestStateDoesNotLeak|TestCrashesTouchNobody|TestCallsDoNotSeeEachOther|TestNothingIsPlantedForTheCall)$")
	cmd.Dir, cmd.Env = source, []string{"PATH=/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + home}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as a plain user: %v\n%s", err, out)
	}
}
