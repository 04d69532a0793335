package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fringe"
	"fringe/pool"
)

// engine starts instances that sleep; the time is synctest's.
type engine struct {
	startTime, callTime time.Duration
	fail                atomic.Bool

	mu      sync.Mutex // guards all below
	starts  int
	stopped int
	most    int // calls at once in one instance
	all     []*instance
}

type instance struct {
	e    *engine
	id   fringe.InstanceID
	done chan struct{}
	busy atomic.Int32
	once sync.Once
}

func (e *engine) start(ctx context.Context, fn *fringe.Function) (pool.Instance, error) {
	select {
	case <-time.After(e.startTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.starts++
	if e.fail.Load() {
		return nil, &fringe.Error{Kind: fringe.Failed, Component: fringe.Start, Message: "it does not import"}
	}
	i := &instance{e: e, id: fringe.InstanceID(fmt.Sprintf("%s-%d", fn.Name, e.starts)), done: make(chan struct{})}
	e.all = append(e.all, i)
	return i, nil
}

func (i *instance) ID() fringe.InstanceID { return i.id }
func (i *instance) Done() <-chan struct{} { return i.done }
func (i *instance) die()                  { i.once.Do(func() { close(i.done) }) }

func (i *instance) Stop(context.Context, time.Duration) error {
	if i.busy.Load() != 0 {
		panic("a busy instance was stopped")
	}
	i.e.mu.Lock()
	i.e.stopped++
	i.e.mu.Unlock()
	i.die()
	return nil
}

type notSent struct{ error }

func (notSent) Unsent() bool { return true }

func (i *instance) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	select {
	case <-i.done:
		return nil, notSent{errors.New("gone")}
	default:
	}
	n := int(i.busy.Add(1))
	defer i.busy.Add(-1)
	i.e.mu.Lock()
	i.e.most = max(i.e.most, n)
	i.e.mu.Unlock()
	select {
	case <-time.After(i.e.callTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &fringe.Result{Status: 200, Body: io.NopCloser(strings.NewReader(string(i.id)))}, nil
}

// open gives a running pool; the function it gives ends it.
func open(t *testing.T, e *engine, site int) (*pool.Pool, func()) {
	t.Helper()
	p, err := pool.New(pool.Config{Start: e.start, Max: site, Starts: 8})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	return p, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if e.starts-e.stopped != 0 && !e.fail.Load() {
			t.Errorf("%d instances were started, %d stopped", e.starts, e.stopped)
		}
	}
}

func function(name string, w fringe.Warm) *fringe.Function {
	return &fringe.Function{Name: fringe.FunctionName(name), Version: "1.0.0", Digest: fringe.Digest("sha256:" + name), Warm: w}
}

func call(p *pool.Pool, fn *fringe.Function) (*fringe.Result, error) {
	res, err := p.Invoke(context.Background(), &fringe.Call{Function: fn})
	if err == nil {
		res.Body.Close()
	}
	return res, err
}

// callers makes n calls at once and counts the errors by kind.
func callers(p *pool.Pool, fn *fringe.Function, n int) map[fringe.Kind]int {
	var mu sync.Mutex
	kinds := map[fringe.Kind]int{}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			_, err := call(p, fn)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				kinds[fringe.KindOf(err)]++
			}
		})
	}
	wg.Wait()
	return kinds
}

func TestHundredCallersOfAColdFunctionShareTheAllowedStarts(t *testing.T) {
	for _, most := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			e := &engine{startTime: time.Second, callTime: 5 * time.Millisecond}
			p, end := open(t, e, 16)
			if kinds := callers(p, function("echo", fringe.Warm{Max: most, Queue: 100}), 100); len(kinds) != 0 {
				t.Errorf("errors %v, want none", kinds)
			}
			if e.starts != most || e.most != 1 {
				t.Errorf("%d starts with at most %d calls at once in one instance, want %d starts and 1", e.starts, e.most, most)
			}
			end()
		})
	}
}

func TestWarmCallsStartNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{startTime: time.Second, callTime: time.Millisecond}
		p, end := open(t, e, 16)
		defer end()
		fn := function("echo", fringe.Warm{})
		first, err := call(p, fn)
		if err != nil || !first.Cold || first.Start != time.Second {
			t.Fatalf("first call: cold %v start %v error %v, want cold, 1s, nil", first.Cold, first.Start, err)
		}
		for range 50 {
			res, err := call(p, fn)
			if err != nil || res.Cold || res.Queue != 0 {
				t.Fatalf("warm call: cold %v queue %v error %v", res.Cold, res.Queue, err)
			}
		}
		if e.starts != 1 {
			t.Errorf("%d starts, want 1", e.starts)
		}
	})
}

func TestAFullQueueIsBusyWithATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{startTime: time.Second, callTime: time.Second}
		p, end := open(t, e, 16)
		defer end()
		fn := function("slow", fringe.Warm{Max: 1, Queue: 4})
		kinds := callers(p, fn, 10)
		if kinds[fringe.Busy] != 6 || len(kinds) != 1 {
			t.Errorf("errors %v, want 6 busy", kinds)
		}
		if s := p.Stats()[0]; s.Rejected != 6 || s.Cold != 1 || s.Warm != 3 {
			t.Errorf("stats %+v, want 6 rejected, 1 cold, 3 warm", s)
		}
	})
}

func TestIdleInstancesAreReapedAndBusyOnesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{callTime: time.Hour}
		p, end := open(t, e, 16)
		defer end()
		long := function("long", fringe.Warm{Idle: time.Minute})
		done := make(chan error)
		go func() { _, err := call(p, long); done <- err }()
		time.Sleep(30 * time.Minute)
		if s := p.Stats()[0]; s.Instances != 1 || s.Busy != 1 {
			t.Fatalf("in the middle of a long call: %+v, want its instance", s)
		}
		if err := <-done; err != nil { // the instance panics when it is stopped while busy
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if s := p.Stats()[0]; s.Instances != 0 || e.stopped != 1 {
			t.Errorf("after idling: %+v and %d stopped, want none and 1", s, e.stopped)
		}
	})
}

func TestMinimumIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{startTime: time.Second}
		p, end := open(t, e, 16)
		defer end()
		p.Keep(function("kept", fringe.Warm{Min: 2, Idle: time.Minute}))
		time.Sleep(time.Hour)
		if s := p.Stats()[0]; s.Instances != 2 || e.starts != 2 {
			t.Fatalf("%+v with %d starts, want 2 instances and 2 starts", s, e.starts)
		}
		e.mu.Lock()
		e.stopped++ // it ends by itself
		e.all[0].die()
		e.mu.Unlock()
		time.Sleep(time.Minute)
		if s := p.Stats()[0]; s.Instances != 2 {
			t.Errorf("after a death: %+v, want 2 instances", s)
		}
		e.stopped-- // the pool stops what it drops, too
	})
}

func TestAStartThatFailsIsToldToAllAndBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{startTime: 100 * time.Millisecond}
		e.fail.Store(true)
		p, end := open(t, e, 16)
		defer end()
		fn := function("broken", fringe.Warm{Max: 1})
		if kinds := callers(p, fn, 20); kinds[fringe.Failed] != 20 {
			t.Fatalf("errors %v, want 20 failed", kinds)
		}
		for range 1000 {
			if _, err := call(p, fn); fringe.KindOf(err) != fringe.Failed {
				t.Fatalf("call() = %v, want the start's error", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if e.starts > 8 {
			t.Errorf("%d starts in 10 s of a function that cannot start, want at most 8", e.starts)
		}
	})
}

func TestTheIdlestOfAnotherFunctionGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{callTime: time.Millisecond}
		p, end := open(t, e, 2)
		defer end()
		for _, name := range []string{"a", "b", "c"} {
			if _, err := call(p, function(name, fringe.Warm{})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		var left []string
		for _, s := range p.Stats() {
			if s.Instances > 0 {
				left = append(left, s.Function)
			}
		}
		if got := strings.Join(left, " "); got != "b@1.0.0 c@1.0.0" {
			t.Errorf("instances of %s are left, want of b and c", got)
		}
	})
}

func TestADeadInstanceIsReplacedWithoutTheCallerSeeing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{callTime: time.Millisecond}
		p, end := open(t, e, 4)
		fn := function("echo", fringe.Warm{Max: 1})
		if _, err := call(p, fn); err != nil {
			t.Fatal(err)
		}
		e.all[0].die()
		if _, err := call(p, fn); err != nil {
			t.Errorf("call after a death = %v, want nil", err)
		}
		if e.starts != 2 {
			t.Errorf("%d starts, want 2", e.starts)
		}
		end()
	})
}

func TestACallerThatLeavesGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{startTime: time.Second, callTime: time.Second}
		p, end := open(t, e, 16)
		defer end()
		fn := function("slow", fringe.Warm{Max: 1, Queue: 2})
		for range 10 {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			if _, err := p.Invoke(ctx, &fringe.Call{Function: fn}); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Invoke() = %v, want the deadline", err)
			}
			cancel()
		}
		if _, err := call(p, fn); err != nil {
			t.Errorf("call() = %v after the others left, want nil", err)
		}
	})
}

func TestDrainWaitsForCallsAndRefusesNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{callTime: 10 * time.Second}
		p, end := open(t, e, 16)
		defer end()
		fn := function("slow", fringe.Warm{})
		done := make(chan error)
		go func() { _, err := call(p, fn); done <- err }()
		time.Sleep(time.Second)
		begin := time.Now()
		if err := p.Drain(context.Background()); err != nil || time.Since(begin) != 9*time.Second {
			t.Errorf("Drain() = %v after %v, want nil after 9s", err, time.Since(begin))
		}
		if err := <-done; err != nil {
			t.Errorf("the running call = %v, want nil", err)
		}
		if _, err := call(p, fn); fringe.KindOf(err) != fringe.Unavailable {
			t.Errorf("call() = %v while draining, want unavailable", err)
		}
	})
}

func TestConcurrencyIsThePolicys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{callTime: time.Second}
		p, end := open(t, e, 16)
		defer end()
		if kinds := callers(p, function("wide", fringe.Warm{Max: 1, Concurrency: 8, Queue: 100}), 64); len(kinds) != 0 {
			t.Errorf("errors %v, want none", kinds)
		}
		if e.most != 8 || e.starts != 1 {
			t.Errorf("%d calls at once in %d instances, want 8 in 1", e.most, e.starts)
		}
	})
}
