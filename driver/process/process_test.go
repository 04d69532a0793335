package process_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"fringe"
	"fringe/driver/drivertest"
	"fringe/driver/process"
)

func TestMain(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(m.Run())
}

// open gives a driver that is closed when the test ends.
func open(t testing.TB, cfg process.Config) *process.Driver {
	t.Helper()
	d, err := process.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
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

func BenchmarkStart(b *testing.B) {
	for _, without := range []bool{false, true} {
		b.Run(fmt.Sprintf("withoutCgroups=%v", without), func(b *testing.B) {
			d := open(b, process.Config{StateDir: b.TempDir(), WithoutCgroups: without})
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
