package crash_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fringe/driver/process"
)

var (
	lasting = flag.Duration("crash.for", 40*time.Second, "how long things are killed, both lanes together")
	seed    = flag.Uint64("crash.seed", 0, "of the order of faults; 0 takes one by chance")
)

func TestMain(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestCrash runs two lanes one after the other: on the machine's disk, whose
// writes are slowed at times, and on a small disk, which is filled at times.
func TestCrash(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	bin := filepath.Join(t.TempDir(), "fringe")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "fringe/cmd/fringe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("SlowDisk", func(t *testing.T) { newLane(t, bin, large(t)).run(*lasting / 2) })
	t.Run("FullDisk", func(t *testing.T) { newLane(t, bin, small(t, 160<<20)).run(*lasting / 2) })
}

// A lane is one site under fire.
type lane struct {
	*testing.T
	disk *disk
	srv  *server
	rec  *recorder
	load *load
	rand *rand.Rand

	kills map[string]int
	deck  []string    // the kills to come
	times []time.Time // at which a server was killed
	worse int         // times that the disk was made worse; worsen's
}

func newLane(t *testing.T, bin string, d *disk) *lane {
	t.Helper()
	l := &lane{T: t, disk: d, rec: newRecorder(t), rand: rand.New(rand.NewPCG(*seed, 0)), kills: map[string]int{},
		srv: &server{bin: bin, dir: filepath.Join(d.dir, "site"), log: filepath.Join(t.TempDir(), "log")}}
	t.Cleanup(func() { l.srv.kill(syscall.SIGKILL) })
	if err := l.srv.start(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	for name, text := range map[string]string{"plain/environment.yaml": "name: plain\ndescription: the machine's own programs\ncontract: exec\n",
		"probe.cwl": probe, "observation/table.dat": "rows\n", "observation/data": strings.Repeat("x", 10_000)} {
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.srv.cli(t, "env", "build", filepath.Join(work, "plain"))
	l.srv.cli(t, "publish", filepath.Join(work, "probe.cwl"))
	l.srv.cli(t, "data", "add", "user:observation", filepath.Join(work, "observation"))
	var err error
	if l.load, err = newLoad(l.srv, l.rec); err != nil {
		t.Fatal(err)
	}
	return l
}

// run fires for so long, lets all jobs end, and judges.
func (l *lane) run(d time.Duration) {
	ctx, cancel := context.WithTimeout(l.Context(), d+5*time.Minute)
	defer cancel()
	var workers, watchers sync.WaitGroup
	for i := range 6 {
		workers.Go(func() { l.load.work(ctx, i == 0) })
	}
	watching, stopWatch := context.WithCancel(ctx)
	watchers.Go(func() { l.load.watch(watching) })
	worsening, stopWorse := context.WithTimeout(ctx, d)
	watchers.Go(func() { l.worsen(worsening) })
	for begun := time.Now(); time.Since(begun) < d; {
		l.load.pause(ctx, time.Duration(l.rand.IntN(3000))*time.Millisecond)
		l.fire(ctx)
	}
	stopWorse()
	close(l.load.stop)
	for l.srv.address() == "" && ctx.Err() == nil {
		l.restart(ctx)
	}
	workers.Wait()
	l.load.settle(ctx)
	stopWatch()
	watchers.Wait()
	n := l.load.judge(ctx)
	l.leftovers()
	l.report(n)
	for _, w := range l.rec.wrong {
		l.Error(w)
	}
	if l.Failed() {
		l.Logf("the end of the server's log:\n%s", l.srv.tail())
	}
}

// report tells what was done and what came of it, as docs/crash.md has it.
func (l *lane) report(n tally) {
	total, outlived := 0, 0
	for _, k := range l.kills {
		total += k
	}
	for _, runs := range l.rec.runs {
		for _, run := range runs {
			if run.end == ended && slices.ContainsFunc(l.times, func(t time.Time) bool { return t.After(run.began) && t.Before(run.when) }) {
				outlived++
			}
		}
	}
	text := "\n"
	for _, kind := range []string{killServer, killStarting, killBoth, killTask, termServer} {
		text += fmt.Sprintf("| kills: %s | %d |\n", kind, l.kills[kind])
	}
	for _, row := range []struct {
		what string
		n    int
	}{
		{"kills in all", total}, {"tasks that died of them", l.rec.killed}, {"times the disk was made worse", l.worse}, {"starts of the server that a full disk refused", l.srv.refused},
		{"accepted jobs", n.Jobs}, {"COMPLETED", n.Completed}, {"ERROR, all of whose runs were killed or could not write", n.Failed},
		{"runs of the program", n.Runs}, {"runs that ended well", n.Ended}, {"of these, runs that outlived a server", outlived}, {"runs that could not write", n.Full},
		{"requests sent again", l.load.answers["resent"]}, {"wrong", len(l.rec.wrong)},
	} {
		text += fmt.Sprintf("| %s | %d |\n", row.what, row.n)
	}
	l.Logf("%s, answers %v:%s", l.Name(), l.load.answers, text)
}

// The kinds of kills.
const (
	killServer   = "server"
	killStarting = "server as it starts"
	killTask     = "a task"
	killBoth     = "server and all tasks"
	termServer   = "server by SIGTERM"
)

// next gives the kind of the next kill: all come up, in an order by chance.
func (l *lane) next() string {
	if len(l.deck) == 0 {
		l.deck = []string{killServer, killServer, killServer, killStarting, killStarting, killTask, killTask, killBoth, killBoth, termServer}
		l.rand.Shuffle(len(l.deck), func(i, j int) { l.deck[i], l.deck[j] = l.deck[j], l.deck[i] })
	}
	kind := l.deck[0]
	l.deck = l.deck[1:]
	return kind
}

// fire kills something.
func (l *lane) fire(ctx context.Context) {
	kind := l.next()
	switch kind {
	case killTask:
		one := func(keys []string) string { slices.Sort(keys); return keys[l.rand.IntN(len(keys))] }
		l.kills[kind] += l.rec.kill(one, l.rand.IntN(2) == 0)
		return
	case killServer:
		l.gone(syscall.SIGKILL)
	case killStarting:
		l.gone(syscall.SIGKILL)
		if err := l.srv.start(ctx, time.Duration(l.rand.IntN(150))*time.Millisecond); err == nil {
			l.gone(syscall.SIGKILL)
		}
	case killBoth:
		l.gone(syscall.SIGKILL)
		l.rec.killSite(l.srv.name(l.T))
	case termServer:
		l.gone(syscall.SIGTERM)
	}
	l.kills[kind]++
	l.restart(ctx)
}

// gone ends the server by a signal.
func (l *lane) gone(sig syscall.Signal) {
	l.times = append(l.times, time.Now())
	if err := l.srv.kill(sig); err != nil {
		l.rec.blame("%v", err)
	}
}

// restart starts the server, at times after a while.
func (l *lane) restart(ctx context.Context) {
	if l.rand.IntN(4) == 0 {
		l.load.pause(ctx, time.Duration(l.rand.IntN(3000))*time.Millisecond)
	}
	for ctx.Err() == nil {
		if err := l.srv.start(ctx, time.Minute); err == nil {
			return
		} else if l.disk.filler == "" {
			l.rec.blame("%v", err)
			return
		}
		l.load.pause(ctx, 200*time.Millisecond)
	}
}

// worsen makes the disk worse now and then, until ctx ends.
func (l *lane) worsen(ctx context.Context) {
	check := func(err error) {
		if err != nil && !os.IsNotExist(err) && l.srv.pid() != 0 {
			l.Logf("the disk: %v", err)
		}
	}
	for ctx.Err() == nil {
		l.load.pause(ctx, time.Duration(2000+rand.IntN(6000))*time.Millisecond)
		if l.disk.filler != "" || l.disk.slow != "" {
			l.worse++
		}
		for end := time.Now().Add(time.Duration(500+rand.IntN(3000)) * time.Millisecond); time.Now().Before(end) && ctx.Err() == nil; l.load.pause(ctx, 100*time.Millisecond) {
			switch {
			case l.disk.filler != "":
				check(l.disk.fill())
			case l.disk.slow != "":
				check(l.disk.throttle(l.srv.pid(), 20))
			}
		}
		if l.disk.filler != "" {
			check(l.disk.empty())
		} else if l.disk.slow != "" {
			check(l.disk.throttle(0, 0))
		}
	}
}

// leftovers stops the server and looks for what it should not have left.
func (l *lane) leftovers() {
	site := l.srv.name(l.T)
	if err := l.srv.kill(syscall.SIGTERM); err != nil {
		l.rec.blame("%v", err)
	}
	if pids := processes("fringe-init\x00" + site + "\x00"); len(pids) > 0 {
		l.rec.blame("processes are left: %v", pids)
	}
	for key := range l.rec.runs {
		if pids := programs(key); len(pids) > 0 {
			l.rec.blame("processes of %s are left: %v", key, pids)
		}
	}
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), site+"-") {
			l.rec.blame("the cgroup %s is left", path)
		}
		return nil
	})
	if text, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(text), l.srv.dir+"/") {
		l.rec.blame("mounts are left below %s (%v)", l.srv.dir, err)
	}
	for _, dir := range []string{"scratch/attempts", "scratch/instances", "process/root", "data/new", "data/spool"} {
		entries, err := os.ReadDir(filepath.Join(l.srv.dir, dir))
		if len(entries) > 0 || err != nil && !os.IsNotExist(err) {
			l.rec.blame("%s is not empty: %v %v", dir, entries, err)
		}
	}
	ids := map[string]bool{}
	for _, c := range l.load.sorted() {
		ids[c.id] = true
	}
	for _, dir := range []string{"logs", "data/products"} {
		entries, _ := os.ReadDir(filepath.Join(l.srv.dir, dir))
		for _, e := range entries {
			if !ids[e.Name()] {
				l.rec.blame("%s/%s belongs to no job", dir, e.Name())
			}
		}
	}
}
