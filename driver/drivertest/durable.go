package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fringe"
)

// durable gives the spec of a durable instance that runs a shell script. Its
// scratch directory and what it sees as /work are found again by its id.
func (k *kit) durable(script string) fringe.Spec {
	k.Helper()
	s, _ := k.spec(script)
	s.Durable = true
	s.Scratch = k.scratch(s.ID)
	s.Mounts = []fringe.Mount{{Source: k.work(s.ID), Target: "/work", Writable: true}}
	return s
}

func (k *kit) scratch(id fringe.InstanceID) string { return k.mkdir("scratch-" + string(id)) }
func (k *kit) work(id fringe.InstanceID) string    { return k.mkdir("work-" + string(id)) }

// attach gives an instance by a driver that takes the owner's place.
func (k *kit) attach(d fringe.Driver, id fringe.InstanceID) fringe.Instance {
	k.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	in, err := d.Attach(ctx, id, k.scratch(id))
	if err != nil {
		k.Fatalf("Attach() = %v", err)
	}
	k.Cleanup(func() {
		if err := in.Stop(context.Background(), 0); err != nil {
			k.Errorf("Stop() = %v", err)
		}
	})
	return in
}

// there says whether the instance has made the file name in /work.
func (k *kit) there(id fringe.InstanceID, name string) func() bool {
	return func() bool { _, err := os.Stat(filepath.Join(k.work(id), name)); return err == nil }
}

// over waits until no process of the instance is left.
func (k *kit) over(id fringe.InstanceID) {
	k.Helper()
	k.eventually("the instance has ended", func() bool { return len(alive(string(id))) == 0 })
}

// asBefore checks that an ended instance is attached to as often as one likes,
// with the same end, until it is swept.
func (k *kit) asBefore(id fringe.InstanceID, want fringe.Exit) {
	k.Helper()
	k.gone(id)
	for range 2 {
		got := k.end(k.attach(k.swept(id), id))
		if got != want {
			k.Errorf("attached again Wait() = %+v, want %+v", got, want)
		}
	}
	k.swept()
	k.noGroup(id)
}

const waiting = `
	trap 'echo told > /work/told; exit 7' TERM
	echo started; echo begun >> /work/begun
	while [ ! -e /work/go ]; do sleep 0.02; done
	echo going; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 5`

func ownWaiting(k *kit) {
	s := k.durable(waiting)
	s.StdoutMax, s.StderrMax = 1<<20, 1<<20
	s.Limits = fringe.Limits{Memory: 256 << 20, CPU: 1, Pids: 50, Time: time.Hour}
	in := k.start(s)
	k.eventually("the program runs", k.there(s.ID, "begun"))
	k.owns(in.ID())
}

// What another process started is waited for as if it were one's own.
func durableAttach(k *kit) {
	o := k.own()
	id := o.owned()[0]
	o.kill()
	d := k.swept(id)
	in := k.attach(d, id)
	if same := k.attach(d, id); same != in || in.ID() != id {
		k.Errorf("Attach() gives %v of id %s, then %v; want the same one of id %s", in, in.ID(), same, id)
	}
	s := fringe.Spec{ID: id, Argv: []string{"/bin/true"}, Scratch: k.scratch(id), Durable: true}
	if _, err := k.open(k.T).Start(context.Background(), s); fringe.KindOf(err) != fringe.Conflict {
		k.Errorf("Start() of what runs = %v, want a conflict", err)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := in.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		k.Errorf("Wait() = %v, want %v", err, context.DeadlineExceeded)
	}
	k.write(filepath.Join(k.work(id), "go"), "")
	e := k.end(in)
	k.ended(e, fringe.Exited, 5)
	if u := e.Usage; u.CPU <= 0 || u.Wall < 50*time.Millisecond || u.Wall > patience || u.PeakMemory < 1<<18 || u.PeakMemory > 256<<20 {
		k.Errorf("Usage = %+v", e.Usage)
	}
	k.same("runs", k.read(filepath.Join(k.work(id), "begun")), "begun")
	k.same("log", k.read(filepath.Join(k.dir, "out-1")), "started\ngoing")
	k.noGroup(id)
	k.asBefore(id, e)
}

func durableEnded(k *kit) {
	o := k.own()
	id := o.owned()[0]
	o.kill()
	k.write(filepath.Join(k.work(id), "go"), "")
	k.over(id)
	e := k.end(k.attach(k.swept(id), id))
	k.ended(e, fringe.Exited, 5)
	k.same("log", k.read(filepath.Join(k.dir, "out-1")), "started\ngoing")
	k.asBefore(id, e)
}

func durableStop(k *kit) {
	o := k.own()
	id := o.owned()[0]
	o.kill()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	in := k.attach(k.swept(id), id)
	if err := in.Stop(ctx, patience/2); err != nil {
		k.Errorf("Stop() = %v", err)
	}
	e := k.end(in)
	k.ended(e, fringe.Stopped, 7)
	k.same("told", k.read(filepath.Join(k.work(id), "told")), "told")
	k.asBefore(id, e)
}

func ownLimited(k *kit) {
	k.owns(k.tree(func(s *fringe.Spec) {
		s.Durable, s.Scratch, s.Limits.Time = true, k.scratch(s.ID), 5*time.Second
	}).ID())
}

// Limits hold while nobody watches.
func durableTime(k *kit) {
	o := k.own()
	id := o.owned()[0]
	o.kill()
	k.over(id)
	e := k.end(k.attach(k.swept(id), id))
	k.ended(e, fringe.TimedOut, 137)
	if e.Usage.Wall < 5*time.Second {
		k.Errorf("Wall = %v, want at least the limit of 5 s", e.Usage.Wall)
	}
	k.asBefore(id, e)
}

func ownHog(k *kit) {
	s := k.durable(": > /work/ready; while [ ! -e /work/go ]; do sleep 0.02; done; /usr/bin/python3 -I -S -c 'b = bytearray(300 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nimport time\ntime.sleep(3)'; sleep 600")
	s.Limits.Memory = 96 << 20
	in := k.start(s)
	k.eventually("the program runs", k.there(s.ID, "ready"))
	k.owns(in.ID())
}

func durableMemory(k *kit) {
	o := k.own()
	id := o.owned()[0]
	o.kill()
	k.write(filepath.Join(k.work(id), "go"), "")
	k.over(id)
	e := k.end(k.attach(k.swept(id), id))
	k.ended(e, fringe.OutOfMemory, 137)
	k.asBefore(id, e)
}

// Whoever kills all of an instance from outside is told from its own end.
func durableKilled(k *kit) {
	o := k.own()
	id := o.owned()[0]
	o.kill()
	k.swept() // which kills
	e := k.end(k.attach(k.open(k.T), id))
	k.ended(e, fringe.Killed, 137)
	k.asBefore(id, e)
}

func ownTwo(k *kit) {
	durable := func(s *fringe.Spec) { s.Durable, s.Scratch = true, k.scratch(s.ID) }
	k.owns(k.tree(durable).ID(), k.tree(durable).ID())
}

// Sweep leaves what it is told to keep.
func durableSweep(k *kit) {
	o := k.own()
	ids := o.owned()
	o.kill()
	for _, id := range ids {
		if len(alive(string(id))) < 4 {
			k.Errorf("the durable instance %s did not outlive its owner", id)
		}
	}
	d := k.swept(ids[0])
	k.gone(ids[1])
	k.noGroup(ids[1])
	if len(alive(string(ids[0]))) < 4 {
		k.Errorf("the durable instance %s did not outlive Sweep", ids[0])
	}
	in := k.attach(d, ids[0])
	if err := in.Stop(context.Background(), 0); err != nil {
		k.Errorf("Stop() = %v", err)
	}
	k.ended(k.end(in), fringe.Stopped, 137)
	k.gone(ids[0])
	k.swept()
	k.noGroup(ids[0])
}

// ownStarting starts instances one after the other until it is killed.
func ownStarting(k *kit) {
	for {
		s := k.durable("echo ran >> /work/ran; while [ ! -e /work/go ]; do sleep 0.02; done")
		s.Limits = fringe.Limits{Memory: 64 << 20, CPU: 1, Pids: 50}
		f, err := os.OpenFile(filepath.Join(k.dir, "starting"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			k.Fatal(err)
		}
		fmt.Fprintln(f, s.ID)
		f.Close()
		k.start(s)
	}
}

// A process that dies while it starts an instance leaves one that is attached
// to and has run once, or one that has not run.
func durableStart(k *kit) {
	for range 8 {
		os.Remove(filepath.Join(k.dir, "starting"))
		o := k.own()
		k.eventually("the owner begins", func() bool { _, err := os.Stat(filepath.Join(k.dir, "starting")); return err == nil })
		time.Sleep(time.Duration(rand.N(60_000)) * time.Microsecond)
		o.kill()
		var ids []fringe.InstanceID
		for _, id := range strings.Fields(k.read(filepath.Join(k.dir, "starting"))) {
			ids = append(ids, fringe.InstanceID(id))
		}
		d := k.swept(ids...)
		for i, id := range ids {
			k.write(filepath.Join(k.work(id), "go"), "")
			in, err := d.Attach(context.Background(), id, k.scratch(id))
			if fringe.KindOf(err) == fringe.NotFound && i == len(ids)-1 {
				k.over(id)
				if k.there(id, "ran")() {
					k.Errorf("Attach(%s) = %v, but it ran", id, err)
				}
				k.noGroup(id)
				continue
			}
			if err != nil {
				k.Errorf("Attach(%s) = %v", id, err)
				continue
			}
			k.ended(k.end(in), fringe.Exited, 0)
			k.same("runs", k.read(filepath.Join(k.work(id), "ran")), "ran")
			k.noGroup(id)
		}
	}
}

func durableRefused(k *kit) {
	ctx := context.Background()
	s := k.durable("exit 3")
	if _, err := k.d.Attach(ctx, s.ID, s.Scratch); fringe.KindOf(err) != fringe.NotFound {
		k.Errorf("Attach() before the start = %v, want not found", err)
	}
	if _, err := k.d.Attach(ctx, s.ID, filepath.Join(k.dir, "none")); fringe.KindOf(err) != fringe.NotFound {
		k.Errorf("Attach() in no directory = %v, want not found", err)
	}
	script := k.write(filepath.Join(k.work(s.ID), "script"), "#!/no/such/interpreter\n")
	if err := os.Chmod(script, 0o755); err != nil {
		k.Fatal(err)
	}
	bad := s
	bad.Argv = []string{"/work/script"}
	k.fails(bad, fringe.NotFound, "interpreter")
	if _, err := k.d.Attach(ctx, s.ID, s.Scratch); fringe.KindOf(err) != fringe.NotFound {
		k.Errorf("Attach() to what did not start = %v, want not found", err)
	}
	k.ended(k.end(k.start(s)), fringe.Exited, 3)
	in, err := k.d.Attach(ctx, s.ID, s.Scratch)
	if err != nil {
		k.Fatalf("Attach() after the end = %v", err)
	}
	k.ended(k.end(in), fringe.Exited, 3)
	if _, err := k.d.Attach(ctx, "other", s.Scratch); fringe.KindOf(err) != fringe.NotFound {
		k.Errorf("Attach() to another id = %v, want not found", err)
	}
	s.Argv = []string{"/bin/sh", "-c", "exit 4"}
	k.ended(k.end(k.start(s)), fringe.Exited, 4)
	s.Scratch = ""
	k.fails(s, fringe.Invalid, "scratch")
}

// A stream with a bound is cut there, visibly, and the program goes on.
func bounded(k *kit) {
	bomb := "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last words; echo on stderr >&2"
	for _, durable := range []bool{false, true} {
		s := k.durable(bomb)
		s.Durable = durable
		errs, err := os.Create(filepath.Join(k.dir, "errs-"+string(s.ID)))
		if err != nil {
			k.Fatal(err)
		}
		defer errs.Close()
		out := s.Stdout
		s.StdoutMax, s.Stderr, s.StderrMax = 1000, errs, 1000
		e, text := k.run(s, out)
		k.ended(e, fringe.Exited, 0)
		if want := strings.Repeat("x", 1000) + "\n[the log is cut here: 1000 bytes of it are kept]\n"; text != want {
			k.Errorf("the log has %d bytes and ends with %q", len(text), text[max(0, len(text)-100):])
		}
		k.same("stderr", k.read(errs.Name()), "on stderr")
	}
	// Both streams in one file stay in order, also when all of it fits.
	s, out := k.spec("for i in 1 2 3; do echo out $i; echo err $i >&2; done; sleep 600 &")
	s.StdoutMax, s.StderrMax = 1000, 1000
	e, text := k.run(s, out)
	k.ended(e, fringe.Exited, 0)
	k.same("output", text, "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3")
}
