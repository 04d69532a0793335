package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"fringe"
	"fringe/contract"
	"fringe/driver/fork"
)

// patience bounds every wait.
const patience = 2 * time.Minute

// call makes one call and gives the time from its request to its handler.
func (b *bench) call(d fringe.Driver, hold time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b.mu.Lock()
	b.serial++
	id := fmt.Sprintf("starts-%d-%d", os.Getpid(), b.serial)
	b.mu.Unlock()
	dir := filepath.Join(b.work, id)
	for _, sub := range []string{"out", "scratch"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return 0, err
		}
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "out")
	if err := os.WriteFile(filepath.Join(out, ".fringe-inputs.json"), fmt.Appendf(nil, `{"hold": %g}`, hold.Seconds()), 0o644); err != nil {
		return 0, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	s := b.base
	s.ID, s.Dir, s.Scratch, s.Stdout, s.Stderr = fringe.InstanceID(id), "/fringe/work", filepath.Join(dir, "scratch"), log, log
	s.Argv = []string{b.env.Python, "-s", "-m", "fringe.run", "/fringe/function/function.py"}
	s.Mounts = append(slices.Clone(s.Mounts), fringe.Mount{Source: out, Target: "/fringe/work", Writable: true})
	begin := time.Now()
	in, err := d.Start(ctx, s)
	if err != nil {
		return 0, err
	}
	if _, err := in.Wait(ctx); err != nil {
		return 0, err
	}
	object, err := os.ReadFile(filepath.Join(out, "cwl.output.json"))
	if err != nil {
		words, _ := os.ReadFile(log.Name())
		return 0, fmt.Errorf("the call failed: %s", words)
	}
	return since(begin, object)
}

// since gives the time from begin to the handler's first line.
func since(begin time.Time, object []byte) (time.Duration, error) {
	var said struct{ Began string }
	if err := json.Unmarshal(object, &said); err != nil {
		return 0, err
	}
	at, err := strconv.ParseInt(said.Began, 10, 64)
	return time.Duration(at - begin.UnixNano()), err
}

// serve runs a fork server and gives f its driver.
func (b *bench) serve(ready int, f func(s *fork.Server, d fringe.Driver) error) error {
	python := b.base.Mounts[1].Source
	s, err := fork.New(fork.Config{Driver: b.driver, Dir: filepath.Join(b.work, "zygotes"), Python: python, Ready: ready, Zygotes: 8, Idle: time.Hour})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() { cancel(); <-done }()
	d := s.For(b.env, b.base)
	if _, err := b.call(d, 0); err != nil { // the zygote imports
		return err
	}
	b.from = busy()
	return f(s, d)
}

// standing waits until so many forks stand by, and have loaded the function.
func (b *bench) standing(n int) func(s *fork.Server) error {
	return func(s *fork.Server) error {
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			if st := s.Status(); len(st) == 1 && st[0].Standing == n {
				time.Sleep(100 * time.Millisecond)
				return nil
			}
			if time.Now().After(end) {
				return fmt.Errorf("%d forks do not stand by: %+v", n, s.Status())
			}
		}
	}
}

// forks measures n calls, each after before.
func (b *bench) forks(ready, n int, before func(*fork.Server) error) (all []time.Duration, err error) {
	err = b.serve(ready, func(s *fork.Server, d fringe.Driver) error {
		all, err = repeat(n, func() (time.Duration, error) {
			if before != nil {
				if err := before(s); err != nil {
					return 0, err
				}
			}
			return b.call(d, 0)
		})
		return err
	})
	return all, err
}

// burst measures 50 calls at once.
func (b *bench) burst() (all []time.Duration, err error) {
	const calls = 50
	err = b.serve(4, func(s *fork.Server, d fringe.Driver) error {
		if err := b.standing(4)(s); err != nil {
			return err
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var failed error
		for range calls {
			wg.Go(func() {
				took, err := b.call(d, 0)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, took)
				if err != nil {
					failed = err
				}
			})
		}
		wg.Wait()
		return failed
	})
	return all, err
}

// service measures workers that have loaded the function and take one call
// each, as the pool keeps them for a service that declares warm.uses 1.
func (b *bench) service() (all []time.Duration, err error) {
	err = b.serve(0, func(_ *fork.Server, d fringe.Driver) error {
		for i := range b.n {
			s := b.base
			s.ID, s.Dir, s.Argv = fringe.InstanceID(fmt.Sprintf("service-%d-%d", os.Getpid(), i)), "/tmp", contract.WorkerArgv(b.env.Python)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			took, err := oneCall(ctx, d, s)
			cancel()
			if err != nil {
				return err
			}
			all = append(all, took)
		}
		return nil
	})
	return all, err
}

func oneCall(ctx context.Context, d fringe.Driver, s fringe.Spec) (time.Duration, error) {
	w, err := contract.StartWorker(ctx, d, s, contract.Load{File: "/fringe/function/function.py", Handler: "main"})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	begin := time.Now()
	res, err := w.Invoke(ctx, &fringe.Call{Function: &fringe.Function{}, Inputs: []byte(`{"hold": 0}`)})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	object, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.Failed {
		return 0, fmt.Errorf("the call failed: %s", object)
	}
	return since(begin, object)
}

// use is what calls take of memory.
type use struct{ zygote, own, shared int64 }

// memory measures calls under way.
func (b *bench) memory() (u use, err error) {
	const calls = 8
	err = b.serve(0, func(s *fork.Server, d fringe.Driver) error {
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() { b.call(d, 3*time.Second) })
		}
		defer wg.Wait()
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if st := s.Status(); st[0].Running == calls {
				time.Sleep(time.Second)
				st = s.Status()
				for _, f := range st[0].Forks {
					u.own, u.shared = u.own+f.Private/int64(len(st[0].Forks)), u.shared+f.Shared/int64(len(st[0].Forks))
				}
				u.zygote = st[0].Zygote.Resident
				return nil
			}
		}
		return fmt.Errorf("%d calls do not run at once", calls)
	})
	return u, err
}

// row is one line of the table.
type row struct {
	name string
	took []time.Duration
	busy time.Duration // processor time of the whole machine per call
}

// busy gives the processor time that the machine has used since it started.
func busy() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	var user, nice, system int64 // in hundredths of a second
	fmt.Sscanf(string(text), "cpu %d %d %d", &user, &nice, &system)
	return time.Duration(user+nice+system) * 10 * time.Millisecond
}

func (b *bench) print(rows []row) {
	fmt.Printf("\n%s (imports %v):\n\n| from request to the handler's first line, ms | n | min | p50 | p90 | max | processor, ms a call | bare / p50 |\n|---|---:|---:|---:|---:|---:|---:|---:|\n", b.env.Name, b.env.Preload)
	var bare time.Duration
	for _, r := range rows {
		slices.Sort(r.took)
		at := func(q float64) time.Duration { return r.took[int(q*float64(len(r.took)-1))] }
		if r.name == "bare" {
			bare = at(0.5)
		}
		ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
		fmt.Printf("| %s | %d | %.2f | %.2f | %.2f | %.2f | %.1f | %.0f |\n", r.name, len(r.took), ms(at(0)), ms(at(0.5)), ms(at(0.9)), ms(at(1)), ms(r.busy), float64(bare)/float64(at(0.5)))
	}
}

func (u use) print() {
	mb := func(n int64) float64 { return float64(n) / 1e6 }
	fmt.Printf("\nMemory: the zygote has %.0f MB; each concurrent call adds %.1f MB of its own and shares %.0f MB.\n", mb(u.zygote), mb(u.own), mb(u.shared))
}
