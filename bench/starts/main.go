// Command starts measures how long Python takes from the request of a call to
// the first line of its handler, and what memory a call takes, in the
// environments of this repository:
//
//	bare         python -c "import …", on the machine itself
//	process      a new process in its sandbox, which imports
//	fork         a fork of the zygote, made for the call
//	standby      a fork that stood by, with the function loaded
//	service      a worker that stood by (warm.uses 1), which takes one call
//	burst        50 calls at once, 4 forks standing by
//
// The processor time of a call is that of the whole machine, so that it says
// something on a quiet one only.
//
// It builds the environments in a directory of its own, unless -dir names one
// to keep. The table goes to stdout.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fringe"
	"fringe/build"
	"fringe/driver/process"
)

func main() {
	process.Main()
	log.SetFlags(0)
	log.SetPrefix("starts: ")
	names := flag.String("environments", "astro,casa", "environments to measure, by their directories' names")
	dir := flag.String("dir", "", "directory for built environments, to be kept; empty: a temporary one")
	n := flag.Int("n", 40, "calls of each kind; slow ones are fewer")
	kinds := flag.String("kinds", "bare,process,fork,standby,service,burst,memory", "what to measure")
	flag.Parse()
	if err := process.PrivateMounts(); err != nil {
		log.Fatal(err)
	}
	if err := measureAll(strings.Split(*names, ","), strings.Split(*kinds, ","), *dir, *n); err != nil {
		log.Fatal(err)
	}
}

func measureAll(names, kinds []string, dir string, n int) error {
	work, err := os.MkdirTemp("", "fringe-starts-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if dir == "" {
		dir = filepath.Join(work, "built")
	}
	builder, err := build.New(build.Config{Dir: dir})
	if err != nil {
		return err
	}
	for _, name := range names {
		env, err := load(builder, name)
		if err != nil {
			return err
		}
		b, err := open(env, filepath.Join(work, name), n)
		if err == nil {
			err = b.measure(kinds)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// load builds an environment of the repository.
func load(b *build.Builder, name string) (fringe.Environment, error) {
	var env fringe.Environment
	dir := filepath.Join("environments", name)
	doc, err := os.ReadFile(filepath.Join(dir, "environment.yaml"))
	if err != nil {
		return env, err
	}
	d, err := build.Parse(dir, doc)
	if err != nil {
		return env, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.py"))
	if err != nil {
		return env, err
	}
	modules := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return env, err
		}
		modules[filepath.Base(f)] = string(text)
	}
	if len(modules) > 0 {
		if d, err = d.WithModules(modules); err != nil {
			return env, err
		}
	}
	log.Printf("building %s", name)
	return b.Build(context.Background(), d, nil)
}

// handler tells when its first line runs, and holds the call for a while. Its
// file imports the environment's modules before.
const handler = `
import time
from typing import NamedTuple
FRINGE = {"version": "1.0.0"}
class Outputs(NamedTuple):
    began: str
def main(hold: float = 0.0) -> Outputs:
    began = time.time_ns()
    time.sleep(hold)
    return Outputs(str(began))
`

// A bench measures one environment.
type bench struct {
	env    fringe.Environment
	work   string
	driver *process.Driver
	base   fringe.Spec
	n      int
	from   time.Duration // the machine's processor time when the calls began
	serial int
	mu     sync.Mutex // guards serial
}

func open(env fringe.Environment, work string, n int) (*bench, error) {
	python, err := filepath.Abs("python")
	if err != nil {
		return nil, err
	}
	function := filepath.Join(work, "function")
	if err := os.MkdirAll(function, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(function, "function.py"), []byte("import "+strings.Join(env.Preload, ", ")+handler), 0o644); err != nil {
		return nil, err
	}
	d, err := process.New(process.Config{StateDir: filepath.Join(work, "process")})
	if err != nil {
		return nil, err
	}
	b := &bench{env: env, work: work, driver: d, n: n}
	b.base = fringe.Spec{Root: env.Root, Layers: env.Layers, Limits: env.Limits, Mounts: []fringe.Mount{
		{Source: function, Target: "/fringe/function"}, {Source: python, Target: "/fringe/python"}}}
	path := "/usr/local/bin:/usr/bin:/bin"
	if env.Venv != "" {
		b.base.Mounts = append(b.base.Mounts, fringe.Mount{Source: env.Venv, Target: env.Venv})
		path = filepath.Join(env.Venv, "bin") + ":" + path
	}
	search := "/fringe/python:/fringe/function"
	if env.Modules != "" {
		b.base.Mounts = append(b.base.Mounts, fringe.Mount{Source: env.Modules, Target: "/fringe/environment"})
		search += ":/fringe/environment"
	}
	b.base.Env = []string{"PATH=" + path, "HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8", "PYTHONPATH=" + search, "PYTHONDONTWRITEBYTECODE=1",
		"MPLCONFIGDIR=/tmp/matplotlib"}
	for _, k := range slices.Sorted(maps.Keys(env.Variables)) {
		b.base.Env = append(b.base.Env, k+"="+env.Variables[k])
	}
	return b, nil
}

func (b *bench) measure(kinds []string) error {
	slow := max(b.n/8, 3)
	rows := []row{}
	for _, m := range []struct {
		name string
		run  func() ([]time.Duration, error)
	}{
		{"bare", func() ([]time.Duration, error) { return repeat(slow, b.bare) }},
		{"process", func() ([]time.Duration, error) {
			return repeat(slow, func() (time.Duration, error) { return b.call(b.driver, 0) })
		}},
		{"fork", func() ([]time.Duration, error) { return b.forks(0, b.n, nil) }},
		{"standby", func() ([]time.Duration, error) { return b.forks(4, b.n, b.standing(4)) }},
		{"service", b.service},
		{"burst", b.burst},
	} {
		if !slices.Contains(kinds, m.name) {
			continue
		}
		log.Printf("%s: %s", b.env.Name, m.name)
		b.from = busy()
		took, err := m.run()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, row{m.name, took, (busy() - b.from) / time.Duration(len(took))})
	}
	b.print(rows)
	if !slices.Contains(kinds, "memory") {
		return nil
	}
	used, err := b.memory()
	if err == nil {
		used.print()
	}
	return err
}

// repeat measures n times.
func repeat(n int, f func() (time.Duration, error)) ([]time.Duration, error) {
	var all []time.Duration
	for range n {
		d, err := f()
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// bare imports the environment's modules without Fringe.
func (b *bench) bare() (time.Duration, error) {
	cmd := exec.Command(b.env.Python, "-s", "-c", "import "+strings.Join(b.env.Preload, ", "))
	for _, kv := range b.base.Env {
		if path, ok := strings.CutPrefix(kv, "PYTHONPATH="); ok {
			kv = "PYTHONPATH=" + strings.ReplaceAll(path, "/fringe/environment", b.env.Modules)
		}
		cmd.Env = append(cmd.Env, kv)
	}
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	return time.Since(begin), nil
}
