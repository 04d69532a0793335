package process_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"fringe"
	"fringe/driver/drivertest"
	"fringe/driver/process"
)

func TestMain(m *testing.M) {
	process.Main()
	if os.Getenv(plainEnv) == "" {
		if err := process.PrivateMounts(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// Environment variables of processes that the tests start of themselves.
const (
	plainEnv = "PROCESSTEST_PLAIN" // do without private mounts
	roleEnv  = "PROCESSTEST_ROLE"  // play a role instead of testing
)

// play is what a process with a role does.
func play(role string) int {
	switch role {
	case "exit":
		return 7
	case "wait":
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		fmt.Println("ready", process.Private())
		<-told
		return 3
	}
	return 99
}

// open gives a driver.
func open(t testing.TB, cfg process.Config) *process.Driver {
	t.Helper()
	d, err := process.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDriver(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) fringe.Driver {
		return open(t, process.Config{StateDir: drivertest.StateDir(t)})
	})
}

func TestDriverWithoutCgroups(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) fringe.Driver {
		return open(t, process.Config{StateDir: drivertest.StateDir(t), WithoutCgroups: true})
	})
}

func TestDriverWithSpares(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) fringe.Driver {
		return withSpares(t, process.Config{StateDir: drivertest.StateDir(t), Spares: 2})
	})
}

// withSpares gives a driver whose spares are kept until the test ends, and
// are asked for.
func withSpares(t testing.TB, cfg process.Config) *process.Driver {
	t.Helper()
	d := open(t, cfg)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

func BenchmarkStart(b *testing.B) {
	for name, cfg := range map[string]process.Config{"plain": {}, "withoutCgroups": {WithoutCgroups: true}, "spares": {Spares: 2}} {
		b.Run(name, func(b *testing.B) {
			cfg.StateDir = b.TempDir()
			d := withSpares(b, cfg)
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
