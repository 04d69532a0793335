package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fringe"
	"fringe/pool"
)

// site starts instances that answer after a while, and counts.
type site struct {
	mu sync.Mutex // guards all below
	counts
	started []*worker

	startTime time.Duration
	callTime  time.Duration
	startErr  error
	stream    bool // answers are streamed
	line      int  // calls that an instance takes in line
}

type counts struct {
	starts int
	live   int
	most   int // live at once
	under  int // starts under way
}

// now gives the counts.
func (s *site) now() counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// set changes how instances behave.
func (s *site) set(f func(s *site)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// instance gives the nth live instance.
func (s *site) instance(n int) *worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started[n]
}

type worker struct {
	site *site
	id   fringe.InstanceID
	fn   *fringe.Function
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	busy  int
	most  int
	calls []fringe.CallID
	hook  func(c *fringe.Call) error // before a call
	grace time.Duration
}

func (s *site) start(ctx context.Context, fn *fringe.Function) (pool.Instance, error) {
	s.mu.Lock()
	s.starts++
	n := s.starts
	s.under++
	err, wait := s.startErr, s.startTime
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.under--; s.mu.Unlock() }()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	w := &worker{site: s, id: fringe.InstanceID(fmt.Sprint("i", n)), fn: fn, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live++
	s.most = max(s.most, s.live)
	s.started = append(s.started, w)
	return w, nil
}

func (w *worker) ID() fringe.InstanceID { return w.id }
func (w *worker) Done() <-chan struct{} { return w.done }

func (w *worker) Line(*fringe.Call) int { return w.site.line }

func (w *worker) die() { w.once.Do(func() { close(w.done) }) }

func (w *worker) Stop(_ context.Context, grace time.Duration) error {
	w.die()
	w.site.mu.Lock()
	defer w.site.mu.Unlock()
	w.grace = grace
	w.site.live--
	w.site.started = slices.DeleteFunc(w.site.started, func(x *worker) bool { return x == w })
	return nil
}

type undelivered struct{ error }

func (undelivered) Undelivered() bool { return true }

func (w *worker) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	select {
	case <-w.done:
		return nil, undelivered{errors.New("dead")}
	default:
	}
	w.site.mu.Lock()
	hook, wait, stream := w.hook, w.site.callTime, w.site.stream
	w.site.mu.Unlock()
	if hook != nil {
		if err := hook(c); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	w.busy++
	w.most = max(w.most, w.busy)
	w.calls = append(w.calls, c.ID)
	w.mu.Unlock()
	defer func() { w.mu.Lock(); w.busy--; w.mu.Unlock() }()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.done:
		return nil, errors.New("died in the call")
	}
	body := io.NopCloser(bytes.NewReader([]byte(w.id)))
	if stream {
		return &fringe.Result{Status: 200, Body: body}, nil
	}
	return &fringe.Result{Status: 200, Body: buffered{body}}, nil
}

type buffered struct{ io.ReadCloser }

func (buffered) Buffered() bool { return true }

func function(name string, w fringe.Warm) *fringe.Function {
	return &fringe.Function{Name: fringe.FunctionName(name), Version: "1.0.0", Digest: fringe.Digest("sha256:" + name), Warm: w}
}

func open(t *testing.T, s *site, cfg pool.Config) *pool.Pool {
	t.Helper()
	cfg.Start = s.start
	if cfg.Starts == 0 {
		cfg.Starts = 100
	}
	p, err := pool.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if s.now().live != 0 {
			t.Errorf("%d instances are left", s.now().live)
		}
	})
	return p
}

func call(p *pool.Pool, fn *fringe.Function) (string, *fringe.Result, error) {
	res, err := p.Invoke(context.Background(), &fringe.Call{Function: fn})
	if err != nil {
		return "", nil, err
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	return string(b), res, err
}

// many makes n calls at once and gives their results and errors.
func many(p *pool.Pool, fn *fringe.Function, n int) (results []*fringe.Result, errs []error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range n {
		wg.Go(func() {
			_, res, err := call(p, fn)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else {
				results = append(results, res)
			}
		})
	}
	wg.Wait()
	return results, errs
}

func stats(t *testing.T, p *pool.Pool, fn *fringe.Function) pool.Stats {
	t.Helper()
	for _, s := range p.Stats() {
		if s.Digest == fn.Digest {
			return s
		}
	}
	t.Fatalf("no stats of %s", fn.Ref())
	return pool.Stats{}
}

func TestJoinedStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{startTime: time.Second, callTime: time.Millisecond}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 3, Queue: 200})
		results, errs := many(p, fn, 100)
		if len(results) != 100 || s.now().starts != 3 {
			t.Fatalf("%d answers by %d starts, want 100 by 3; %v", len(results), s.now().starts, errs)
		}
		cold := 0
		for _, r := range results {
			if r.Cold {
				cold++
				if r.Start != time.Second || r.Queue != 0 {
					t.Errorf("cold call: start %v, queue %v, want 1s, 0", r.Start, r.Queue)
				}
			} else if r.Start != 0 || r.Queue < time.Second {
				t.Errorf("queued call: start %v, queue %v, want 0, more than 1s", r.Start, r.Queue)
			}
		}
		if st := stats(t, p, fn); cold != 3 || st.Cold != 3 || st.Warm != 97 || st.Instances != 3 {
			t.Errorf("%d cold results, stats %+v, want 3 cold and 97 warm by 3", cold, st)
		}
		if _, r, err := call(p, fn); err != nil || r.Cold || r.Start != 0 || r.Queue != 0 {
			t.Errorf("warm call = %+v, %v", r, err)
		}
	})
}

func TestStartsUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{startTime: time.Second, callTime: time.Minute}
		p := open(t, s, pool.Config{Starts: 2})
		fn := function("f", fringe.Warm{Max: 6})
		go many(p, fn, 6)
		for want := 2; want <= 6; want += 2 {
			synctest.Wait()
			if s.now().starts != want || s.now().under != 2 {
				t.Fatalf("%d starts, %d under way, want %d and 2", s.now().starts, s.now().under, want)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Minute)
	})
}

func TestShortCallsDoNotScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{startTime: time.Second, callTime: 100 * time.Microsecond}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 8, Queue: 100})
		call(p, fn)
		for range 10 {
			many(p, fn, 50)
		}
		if s.now().starts != 1 {
			t.Errorf("%d starts for short calls, want 1", s.now().starts)
		}
		s.set(func(s *site) { s.callTime = time.Second }) // the mean is not yet right, but patience ends
		many(p, fn, 8)
		if s.now().starts < 4 {
			t.Errorf("%d starts for long calls, want more", s.now().starts)
		}
	})
}

func TestMostRecentlyUsedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: time.Second}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 3})
		many(p, fn, 3)
		first, _, _ := call(p, fn)
		for range 5 {
			if again, _, _ := call(p, fn); again != first {
				t.Fatalf("call went to %s, want %s, which was used last", again, first)
			}
		}
	})
}

func TestQueue(t *testing.T) {
	t.Run("FIFO", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: time.Second}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 1})
			for i := range 10 {
				go p.Invoke(context.Background(), &fringe.Call{ID: fringe.CallID(fmt.Sprint(i)), Function: fn})
				synctest.Wait()
			}
			time.Sleep(11 * time.Second)
			w := s.instance(0)
			w.mu.Lock()
			defer w.mu.Unlock()
			if got := fmt.Sprint(w.calls); got != "[0 1 2 3 4 5 6 7 8 9]" {
				t.Errorf("order %s", got)
			}
		})
	})
	t.Run("ErrFull", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: 5 * time.Second}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 2, Queue: 4})
			many(p, fn, 2)
			var told []time.Duration
			var wg sync.WaitGroup
			for n := range uint64(10) {
				wg.Go(func() {
					if _, err := p.Invoke(context.Background(), &fringe.Call{Function: fn, Same: n + 1}); err != nil {
						told = append(told, wantBusy(t, err))
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			if want := []time.Duration{5 * time.Second, 5 * time.Second, 10 * time.Second, 10 * time.Second}; !slices.Equal(told, want) {
				t.Errorf("refused calls are told to come again after %v, want %v: two calls of 5 s at a time", told, want)
			}
			if st := stats(t, p, fn); st.Rejected != 4 {
				t.Errorf("%d rejected, want 4", st.Rejected)
			}
		})
	})
	t.Run("Cancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: time.Second}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 1})
			go call(p, fn)
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			if _, err := p.Invoke(ctx, &fringe.Call{Function: fn}); err != context.DeadlineExceeded {
				t.Errorf("Invoke() = %v, want the context's error", err)
			}
			if st := stats(t, p, fn); st.Queued != 0 {
				t.Errorf("%d queued, want 0", st.Queued)
			}
			if _, _, err := call(p, fn); err != nil {
				t.Error(err)
			}
		})
	})
}

// wantBusy gives when a refused call is told to come again.
func wantBusy(t *testing.T, err error) time.Duration {
	t.Helper()
	var e *fringe.Error
	if !errors.As(err, &e) || e.Kind != fringe.Busy || e.RetryAfter < time.Second || e.RetryAfter > time.Minute {
		t.Fatalf("error %v, want Busy with a time to come again", err)
	}
	return e.RetryAfter
}

// user is one who calls again and again, and comes again as told when refused.
type user struct {
	name    string
	took    []time.Duration // of each call, waits outside included
	refused []int           // how often each call was
}

// run makes calls until the time is over, each with a number of its own.
func (u *user) run(t *testing.T, p *pool.Pool, fn *fringe.Function, length time.Duration, next *atomic.Uint64) {
	ctx := fringe.WithPrincipal(context.Background(), fringe.Principal{Name: u.name})
	for begin := time.Now(); time.Since(begin) < length; {
		c, asked, refused := &fringe.Call{Function: fn, Same: next.Add(1)}, time.Now(), 0
		for {
			err := p.Admits(ctx, c)
			var res *fringe.Result
			if err == nil {
				res, err = p.Invoke(ctx, c)
			}
			if err == nil {
				res.Body.Close()
				break
			}
			refused++
			time.Sleep(wantBusy(t, err).Truncate(time.Second) + time.Second) // in whole seconds, as in HTTP
		}
		u.took, u.refused = append(u.took, time.Since(asked)), append(u.refused, refused)
	}
}

// crowd has users call for a time and gives them.
func crowd(t *testing.T, p *pool.Pool, fn *fringe.Function, names []string, length time.Duration) []*user {
	var next atomic.Uint64
	var wg sync.WaitGroup
	users := make([]*user, len(names))
	for n, name := range names {
		users[n] = &user{name: name}
		wg.Go(func() { users[n].run(t, p, fn, length, &next) })
	}
	wg.Wait()
	return users
}

// worst gives the longest that a call took, how often one was refused at most,
// and how many calls there were.
func worst(users []*user) (took time.Duration, refused, calls int) {
	for _, u := range users {
		took, refused, calls = max(took, slices.Max(u.took)), max(refused, slices.Max(u.refused)), calls+len(u.took)
	}
	return took, refused, calls
}

func TestWaiting(t *testing.T) {
	t.Run("AsLongAsIsBorne", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: 10 * time.Millisecond}
			p := open(t, s, pool.Config{MaxWait: 2 * time.Second})
			fn := function("f", fringe.Warm{Max: 4})
			many(p, fn, 4)
			results, errs := many(p, fn, 1000)
			if len(results) != 804 {
				t.Errorf("%d of 1000 calls at once are answered, want 804: 4 run, and 800 wait for 2 s at most; %v", len(results), errs[:min(1, len(errs))])
			}
			for _, r := range results {
				if r.Queue > 2100*time.Millisecond {
					t.Fatalf("a call waited for %v, want 2 s at most", r.Queue)
				}
			}
		})
	})
	t.Run("RefusedOnce", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: 10 * time.Millisecond}
			p := open(t, s, pool.Config{MaxWait: 2 * time.Second})
			fn := function("f", fringe.Warm{Max: 4})
			many(p, fn, 4)
			users := crowd(t, p, fn, make([]string, 1500), 30*time.Second)
			took, refused, calls := worst(users)
			if took > 8*time.Second || refused > 2 || calls < 11900 {
				t.Errorf("%d calls of 1500 users in 30 s, the longest %v, refused up to %d times; want 400/s, 8 s and 2 at most", calls, took, refused)
			}
			if st := stats(t, p, fn); int(st.Rejected) > calls*5/4 {
				t.Errorf("%d refusals of %d calls: who comes again as told is to be taken", st.Rejected, calls)
			}
		})
	})
	t.Run("WhoNeverComesLeavesNoInstanceIdle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: 10 * time.Millisecond}
			p := open(t, s, pool.Config{MaxWait: time.Second})
			fn := function("f", fringe.Warm{Max: 1})
			many(p, fn, 1)
			for n := range uint64(10000) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				go func() {
					defer cancel()
					p.Invoke(ctx, &fringe.Call{Function: fn, Same: n + 1})
				}()
				if n%10 == 9 {
					time.Sleep(10 * time.Millisecond)
				}
				if st := stats(t, p, fn); n > 1000 && st.Queued < 40 {
					t.Fatalf("%d calls wait while most are refused", st.Queued)
				}
			}
			time.Sleep(time.Minute)
		})
	})
	t.Run("SlowCalls", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: 30 * time.Second}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 4})
			many(p, fn, 4)
			results, _ := many(p, fn, 100)
			if len(results) != 12 {
				t.Errorf("%d calls of 30 s are answered, want 12: 4 that run and two for each behind them", len(results))
			}
			patient := &fringe.Call{Function: fn, MaxWait: time.Hour}
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if _, err := p.Invoke(context.Background(), patient); err != nil {
						t.Errorf("a call that bears an hour: %v", err)
					}
				})
			}
			wg.Wait()
		})
	})
	t.Run("SlowAllAtOnce", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: 10 * time.Millisecond}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 4})
			for range 20 {
				many(p, fn, 4)
			}
			s.set(func(s *site) { s.callTime = 30 * time.Second })
			go many(p, fn, 100)
			time.Sleep(5 * time.Second) // none of the slow ones has ended
			if _, _, err := call(p, fn); wantBusy(t, err) < 10*time.Second {
				t.Errorf("told to come after %v, want 10 s or more", err)
			}
			time.Sleep(20 * time.Minute)
			s.set(func(s *site) { s.callTime = 10 * time.Millisecond })
			for range 40 {
				many(p, fn, 4)
			}
			if _, errs := many(p, fn, 500); len(errs) > 0 {
				t.Errorf("%d of 500 calls, which are short again, are refused: %v", len(errs), errs[0])
			}
		})
	})
	t.Run("Memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: time.Second}
			p := open(t, s, pool.Config{Bytes: 1000, Waiting: 40})
			large, small := function("large", fringe.Warm{Max: 1, Queue: 500}), function("small", fringe.Warm{Max: 1, Queue: 500})
			many(p, large, 1)
			many(p, small, 1)
			var wg sync.WaitGroup
			var answered [2]atomic.Int32
			for n, c := range []fringe.Call{{Function: large, Inputs: make([]byte, 100)}, {Function: small}} {
				for range 100 {
					wg.Go(func() {
						if _, err := p.Invoke(context.Background(), &c); err == nil {
							answered[n].Add(1)
						}
					})
				}
				synctest.Wait()
			}
			wg.Wait()
			// Half of what there is is one principal's: 500 bytes, 20 calls.
			if l, s := answered[0].Load(), answered[1].Load(); l != 6 || s != 16 {
				t.Errorf("%d calls of 100 bytes and %d others are answered, want 1+5 and 1+15", l, s)
			}
		})
	})
}

// A call that was let in before its body was read has its place, also when it
// comes late; the place counts as taken, and one that is left is free again.
func TestExpectedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: time.Minute}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 1, Queue: 3})
		ctx := context.Background()
		go call(p, fn)
		synctest.Wait()
		expect := func(id string) (func(), error) {
			return p.Expect(ctx, &fringe.Call{ID: fringe.CallID(id), Function: fn})
		}
		leave, err := expect("left")
		if err != nil {
			t.Fatal(err)
		}
		kept, err := expect("kept")
		if err != nil {
			t.Fatal(err)
		}
		go call(p, fn)
		synctest.Wait()
		for what, err := range map[string]error{"Admits": p.Admits(ctx, &fringe.Call{Function: fn}), "Expect": second(expect("full")), "Invoke": third(call(p, fn))} {
			if fringe.KindOf(err) != fringe.Busy {
				t.Errorf("%s() with one that waits and two that come = %v, want busy", what, err)
			}
		}
		leave()
		leave()
		go call(p, fn)
		synctest.Wait()
		answered := make(chan error, 1)
		go func() {
			_, err := p.Invoke(ctx, &fringe.Call{ID: "kept", Function: fn})
			answered <- err
		}()
		if err := <-answered; err != nil {
			t.Errorf("Invoke() of the one that kept its place = %v", err)
		}
		kept()
		many(p, fn, 1) // those that wait are served
		for n := range pool.DefaultQueue {
			if _, err := expect(fmt.Sprint("idle", n)); err != nil {
				t.Fatalf("Expect() of the call %d while an instance is idle = %v", n, err)
			}
		}
		if _, err := expect("one more"); fringe.KindOf(err) != fringe.Busy {
			t.Errorf("Expect() of one more than may come = %v, want busy", err)
		}
		go p.Invoke(ctx, &fringe.Call{ID: "idle0", Function: fn}) // finds an instance at once
		synctest.Wait()
		for n := range pool.DefaultQueue - 3 {
			go p.Invoke(ctx, &fringe.Call{ID: fringe.CallID(fmt.Sprint("idle", n+1)), Function: fn})
		}
		synctest.Wait()
		if st := stats(t, p, fn); st.Queued != pool.DefaultQueue-3 {
			t.Errorf("%d calls wait, want %d that were let in", st.Queued, pool.DefaultQueue-3)
		}
	})
}

func second(_ func(), err error) error { return err }

func third(_ string, _ *fringe.Result, err error) error { return err }

func TestPrincipalsTakeTurns(t *testing.T) {
	t.Run("OrderOfEach", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: time.Second}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 1})
			for _, name := range []string{"a0", "a1", "a2", "a3", "b0", "b1", "c0", "a4"} {
				ctx := fringe.WithPrincipal(context.Background(), fringe.Principal{Name: name[:1]})
				go p.Invoke(ctx, &fringe.Call{ID: fringe.CallID(name), Function: fn})
				synctest.Wait()
			}
			time.Sleep(10 * time.Second)
			w := s.instance(0)
			w.mu.Lock()
			defer w.mu.Unlock()
			if got := fmt.Sprint(w.calls); got != "[a0 a1 b0 c0 a2 b1 a3 a4]" {
				t.Errorf("order %s", got)
			}
		})
	})
	// One with a call at a time, beside one with as many as may wait.
	t.Run("OneBesideManyOfAnother", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: 10 * time.Millisecond}
			p := open(t, s, pool.Config{MaxWait: time.Second})
			fn := function("f", fringe.Warm{Max: 4})
			many(p, fn, 4)
			names := slices.Repeat([]string{"greedy"}, 501)
			names[250] = "polite"
			users := crowd(t, p, fn, names, 20*time.Second)
			polite := users[250:251]
			if took, refused, calls := worst(polite); took > 50*time.Millisecond || refused > 0 || calls < 400 {
				t.Errorf("%d calls beside 500 greedy ones, the longest %v, refused up to %d times; want 400, 50 ms and never", calls, took, refused)
			}
			if took, refused, _ := worst(slices.Delete(users, 250, 251)); took > 5*time.Second || refused > 2 {
				t.Errorf("the greedy one's calls took up to %v and were refused up to %d times, want 5 s and 2", took, refused)
			}
		})
	})
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: time.Second}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 2, Concurrency: 4})
		begin := time.Now()
		results, _ := many(p, fn, 8)
		if len(results) != 8 || s.now().starts != 2 || time.Since(begin) != time.Second {
			t.Fatalf("%d answers, %d starts, %v, want 8, 2, 1s", len(results), s.now().starts, time.Since(begin))
		}
		many(p, fn, 8)
		for _, w := range s.started {
			if w.most != 4 {
				t.Errorf("an instance had %d calls at once, want 4", w.most)
			}
		}
	})
}

func TestSiteMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: time.Second, startTime: time.Second}
		p := open(t, s, pool.Config{Max: 3})
		a, b, c := function("a", fringe.Warm{Max: 2}), function("b", fringe.Warm{Max: 2}), function("c", fringe.Warm{Max: 3})
		many(p, a, 2)
		call(p, b)
		call(p, a)
		if _, _, err := call(p, c); err != nil { // b's is the idlest but one of a's
			t.Fatal(err)
		}
		if s.now().most > 3 || stats(t, p, a).Instances+stats(t, p, b).Instances != 2 || stats(t, p, c).Instances != 1 {
			t.Fatalf("most %d; %+v", s.now().most, p.Stats())
		}
		if stats(t, p, a).Instances != 1 {
			t.Errorf("a has %d instances; its longest idle one should have made room", stats(t, p, a).Instances)
		}
		s.set(func(s *site) { s.callTime = 10 * time.Second })
		go many(p, a, 1)
		go many(p, b, 1)
		synctest.Wait()
		begin := time.Now()
		results, errs := many(p, c, 3) // the busy ones stay
		if len(results) != 3 || s.now().most > 3 {
			t.Errorf("%d answers, most %d, %v", len(results), s.now().most, errs)
		}
		if took := time.Since(begin); took < 20*time.Second {
			t.Errorf("3 calls with one place took %v", took)
		}
	})
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: 90 * time.Second}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Min: 1, Max: 4, Idle: time.Minute})
		go many(p, fn, 4)
		time.Sleep(89 * time.Second)
		if s.now().live != 4 {
			t.Fatalf("%d live while all are busy, want 4", s.now().live)
		}
		time.Sleep(60 * time.Second)
		if s.now().live != 4 {
			t.Fatalf("%d live before they were idle for a minute, want 4", s.now().live)
		}
		time.Sleep(20 * time.Second)
		if s.now().live != 1 {
			t.Errorf("%d live, want the minimum, 1", s.now().live)
		}
		s.instance(0).die()
		time.Sleep(time.Second)
		if s.now().live != 1 || s.now().starts != 5 {
			t.Errorf("%d live, %d starts, want the minimum again", s.now().live, s.now().starts)
		}
	})
}

func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{startTime: time.Second}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Min: 2, Max: 4})
		p.Keep(fn)
		time.Sleep(2 * time.Second)
		if s.now().live != 2 {
			t.Fatalf("%d live, want 2", s.now().live)
		}
		if _, r, err := call(p, fn); err != nil || r.Cold {
			t.Errorf("first call = %+v, %v, want a warm one", r, err)
		}
	})
}

// An instance that has had its calls is replaced, ahead of the next call.
func TestUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{startTime: time.Second, callTime: 10 * time.Second, line: 8}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Min: 2, Max: 3, Uses: 1})
		p.Keep(fn)
		time.Sleep(2 * time.Second)
		seen := map[string]bool{}
		for n := range 4 {
			id, r, err := call(p, fn)
			if err != nil || r.Cold || seen[id] {
				t.Errorf("call %d = %s, %+v, %v, want a warm one of its own", n, id, r, err)
			}
			seen[id] = true
			if n := s.now().live; n > 3 {
				t.Errorf("%d live, want 3 at most", n)
			}
		}
		if results, errs := many(p, fn, 7); len(results) != 7 {
			t.Errorf("%d answers of 7 calls at once: %v", len(results), errs)
		}
		s.set(func(s *site) {
			for _, w := range s.started {
				if len(w.calls) > 1 {
					t.Errorf("an instance had %d calls, want 1", len(w.calls))
				}
			}
		})
		time.Sleep(2 * time.Second)
		if c := s.now(); c.live != 2 || c.most > 3 {
			t.Errorf("%+v, want 2 live, 3 at most", c)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: time.Second}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 1, Uses: 3})
		for range 7 {
			call(p, fn)
		}
		if n := s.now().starts; n != 3 {
			t.Errorf("%d starts for 7 calls, want 3", n)
		}
	})
}

func TestDeadInstance(t *testing.T) {
	t.Run("Idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 1})
			call(p, fn)
			s.instance(0).die()
			if by, r, err := call(p, fn); err != nil || by != "i2" || !r.Cold {
				t.Errorf("call = %q, %+v, %v, want a new instance", by, r, err)
			}
		})
	})
	t.Run("BeforeTheCall", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 1})
			call(p, fn)
			w := s.instance(0)
			s.set(func(*site) { w.hook = func(*fringe.Call) error { w.die(); return undelivered{errors.New("gone")} } })
			if by, _, err := call(p, fn); err != nil || by != "i2" {
				t.Errorf("call = %q, %v, want the retry's answer", by, err)
			}
		})
	})
	t.Run("InTheCall", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: time.Minute}
			p := open(t, s, pool.Config{})
			fn := function("f", fringe.Warm{Max: 1})
			got := make(chan error)
			go func() { _, _, err := call(p, fn); got <- err }()
			synctest.Wait()
			go call(p, fn)
			synctest.Wait()
			s.instance(0).die()
			if err := <-got; err == nil || err.Error() != "died in the call" {
				t.Errorf("error %v", err)
			}
			time.Sleep(2 * time.Minute)
			if s.now().starts != 2 {
				t.Errorf("%d starts, want 2: a call that was begun is not repeated, and the one that waited is served", s.now().starts)
			}
		})
	})
	t.Run("Always", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{}
			p, _ := pool.New(pool.Config{Start: func(ctx context.Context, fn *fringe.Function) (pool.Instance, error) {
				i, err := s.start(ctx, fn)
				i.(*worker).die()
				return i, err
			}})
			if _, _, err := call(p, function("f", fringe.Warm{})); err == nil || s.now().starts > 4 {
				t.Errorf("call = %v after %d starts, want an error after a few", err, s.now().starts)
			}
			p.Drain(context.Background())
		})
	})
}

func TestStartFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &fringe.Error{Op: "x", Kind: fringe.Failed, Component: fringe.UserCode, Message: "no module named foo"}
		s := &site{startTime: time.Second, startErr: broken}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 2})
		begin := time.Now()
		_, errs := many(p, fn, 50)
		if len(errs) != 50 || s.now().starts > 2 {
			t.Fatalf("%d errors after %d starts, want 50 after at most 2", len(errs), s.now().starts)
		}
		for _, err := range errs {
			var e *fringe.Error
			if !errors.As(err, &e) || e.Component != fringe.UserCode || e.Message != broken.Message || e.Kind != fringe.Failed {
				t.Fatalf("error %+v, want the start's", err)
			}
		}
		calls := 0
		for ; time.Since(begin) < 5*time.Minute; calls++ {
			call(p, fn)
			time.Sleep(time.Millisecond)
		}
		if s.now().starts > 25 {
			t.Errorf("%d starts for %d calls in 5 minutes; failed starts must be spaced", s.now().starts, calls)
		}
		s.set(func(s *site) { s.startErr = nil })
		time.Sleep(time.Minute)
		if _, _, err := call(p, fn); err != nil {
			t.Errorf("call after the cause is gone = %v", err)
		}
	})
}

func TestStartTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{startTime: time.Hour}
		p := open(t, s, pool.Config{StartTimeout: time.Minute})
		begin := time.Now()
		_, _, err := call(p, function("f", fringe.Warm{}))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("call = %v after %v", err, time.Since(begin))
		}
	})
}

func TestStreamedAnswerHoldsTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{stream: true}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 1, Idle: time.Second})
		res, err := p.Invoke(context.Background(), &fringe.Call{Function: fn})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if st := stats(t, p, fn); st.Busy != 1 || st.Instances != 1 {
			t.Errorf("stats %+v, want a busy instance that is not reaped", st)
		}
		res.Body.Close()
		res.Body.Close()
		if st := stats(t, p, fn); st.Busy != 0 {
			t.Errorf("stats %+v, want none busy", st)
		}
	})
}

func TestDrain(t *testing.T) {
	t.Run("OK", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: time.Minute}
			p := open(t, s, pool.Config{Grace: 7 * time.Second})
			fn := function("f", fringe.Warm{Max: 1})
			var ok atomic.Int32
			for range 3 {
				go func() {
					if _, _, err := call(p, fn); err == nil {
						ok.Add(1)
					}
				}()
			}
			synctest.Wait()
			w := s.instance(0)
			go func() {
				time.Sleep(time.Second)
				if _, _, err := call(p, fn); fringe.KindOf(err) != fringe.Unavailable {
					t.Errorf("call while draining = %v, want Unavailable", err)
				}
			}()
			begin := time.Now()
			if err := p.Drain(context.Background()); err != nil {
				t.Errorf("Drain() = %v", err)
			}
			synctest.Wait()
			if ok.Load() != 3 || time.Since(begin) != 3*time.Minute || s.now().live != 0 {
				t.Errorf("%d calls were answered in %v, %d live; want 3 in 3m, 0", ok.Load(), time.Since(begin), s.now().live)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if w.grace != 7*time.Second {
				t.Errorf("grace %v, want 7s", w.grace)
			}
		})
	})
	t.Run("ErrDeadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{callTime: time.Hour, startTime: time.Second}
			p := open(t, s, pool.Config{})
			go call(p, function("f", fringe.Warm{Max: 1}))
			time.Sleep(2 * time.Second)
			go call(p, function("g", fringe.Warm{Max: 1}))
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			if err := p.Drain(ctx); fringe.KindOf(err) != fringe.Unavailable {
				t.Errorf("Drain() = %v, want Unavailable", err)
			}
			if s.now().live != 0 || s.now().under != 0 {
				t.Errorf("%d live, %d starting, want none", s.now().live, s.now().under)
			}
		})
	})
}

func TestEvict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: time.Minute}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 1})
		var errs [2]chan error
		for i := range errs {
			errs[i] = make(chan error, 1)
			go func() { _, _, err := call(p, fn); errs[i] <- err }()
			synctest.Wait()
		}
		p.Evict(fn.Digest)
		p.Evict("sha256:other")
		synctest.Wait()
		if err := <-errs[1]; fringe.KindOf(err) != fringe.Unavailable || s.now().live != 1 {
			t.Errorf("the call that waited: %v, %d live; want it refused, and the busy instance to go on", err, s.now().live)
		}
		if err := <-errs[0]; err != nil {
			t.Errorf("the call that ran: %v", err)
		}
		synctest.Wait()
		if s.now().live != 0 {
			t.Errorf("%d live, want none after the call", s.now().live)
		}
		if _, r, err := call(p, fn); err != nil || !r.Cold {
			t.Errorf("call after = %+v, %v, want a cold one", r, err)
		}
	})
}

// TestLine gives an instance calls in line while they are short.
func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: 100 * time.Microsecond, line: 7}
		p := open(t, s, pool.Config{})
		fn := function("f", fringe.Warm{Max: 2, Queue: 100})
		call(p, fn)
		many(p, fn, 20)
		if w := s.instance(0); w.most != 8 || s.now().starts != 1 {
			t.Errorf("%d calls at once at one of %d instances, want 8 at the only one", w.most, s.now().starts)
		}
		s.set(func(s *site) { s.callTime = time.Minute })
		for range 30 {
			many(p, fn, 1) // long calls are learnt
		}
		w := s.instance(0)
		w.mu.Lock()
		w.most = 0
		w.mu.Unlock()
		many(p, fn, 6)
		for n := range 2 {
			if w := s.instance(n); w.most != 1 {
				t.Errorf("%d long calls at once at an instance, want 1", w.most)
			}
		}
	})
}

// TestShortLine lets short calls wait for the busy instance, and wakes the
// others for calls that are long, or have become long.
func TestShortLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{callTime: 100 * time.Microsecond, line: 63}
		p := open(t, s, pool.Config{Busy: 1})
		fn := function("f", fringe.Warm{Min: 3, Max: 3})
		p.Keep(fn)
		synctest.Wait()
		used := func() (n int) {
			for k := range 3 {
				w := s.instance(k)
				w.mu.Lock()
				n += min(1, w.most)
				w.most = 0
				w.mu.Unlock()
			}
			return n
		}
		call(p, fn)
		used()
		many(p, fn, 60)
		if n := used(); n != 3 {
			t.Errorf("%d instances for 60 short calls, want 3: a line is a few milliseconds long at most", n)
		}
		many(p, fn, 8)
		if n := used(); n != 1 {
			t.Errorf("%d instances for 8 short calls, want 1", n)
		}

		s.set(func(s *site) { s.callTime = time.Minute })
		go call(p, fn)
		synctest.Wait()
		s.set(func(s *site) { s.callTime = 100 * time.Microsecond })
		time.Sleep(3 * time.Millisecond)
		begin := time.Now()
		call(p, fn)
		if took := time.Since(begin); took > time.Millisecond {
			t.Errorf("a short call waits %v behind one that has become long", took)
		}

		time.Sleep(2 * time.Minute)
		s.set(func(s *site) { s.callTime = time.Millisecond })
		for range 200 {
			call(p, fn)
		}
		used()
		many(p, fn, 2)
		if n := used(); n != 2 {
			t.Errorf("%d instances for 2 calls of a millisecond, want 2", n)
		}
		s.set(func(s *site) { s.callTime = 100 * time.Microsecond })
		for range 200 {
			call(p, fn) // the mean is of short ones again
		}
		s.set(func(s *site) { s.callTime = 60 * time.Millisecond })
		call(p, fn)
		used()
		s.set(func(s *site) { s.callTime = 100 * time.Microsecond })
		many(p, fn, 3)
		if n := used(); n != 3 {
			t.Errorf("%d instances just after a long call, want 3", n)
		}
		time.Sleep(time.Second)
		for range 200 {
			call(p, fn)
		}
		used()
		many(p, fn, 3)
		if n := used(); n != 1 {
			t.Errorf("%d instances for 3 short calls later on, want 1", n)
		}
	})
}

func TestNoDigest(t *testing.T) {
	p, err := pool.New(pool.Config{Start: (&site{}).start})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Invoke(context.Background(), &fringe.Call{Function: &fringe.Function{}}); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("Invoke() = %v, want Invalid", err)
	}
	if _, err := pool.New(pool.Config{}); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("New() = %v, want Invalid", err)
	}
}

// TestStorm calls several functions from many goroutines while instances die,
// starts fail, callers leave and versions are evicted.
func TestStorm(t *testing.T) {
	s := &site{}
	p := open(t, s, pool.Config{Max: 6, Starts: 3, Patience: time.Millisecond})
	fns := []*fringe.Function{function("a", fringe.Warm{Max: 3, Queue: 500}), function("b", fringe.Warm{Max: 4, Concurrency: 3, Queue: 500, Idle: time.Millisecond}),
		function("c", fringe.Warm{Min: 1, Max: 2, Queue: 500}), function("d", fringe.Warm{Max: 1, Queue: 500})}
	var wg sync.WaitGroup
	var answered atomic.Int64
	for g := range 32 {
		wg.Go(func() {
			for n := range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				if n%17 == 0 {
					cancel()
				} else if n%5 == 0 {
					time.AfterFunc(50*time.Microsecond, cancel)
				}
				res, err := p.Invoke(ctx, &fringe.Call{Function: fns[(g+n)%len(fns)]})
				if err == nil {
					res.Body.Close()
					answered.Add(1)
				}
				cancel()
				switch {
				case n%50 == g:
					p.Evict(fns[n%len(fns)].Digest)
				case n%40 == g:
					s.mu.Lock()
					if len(s.started) > 0 {
						s.started[n%len(s.started)].die()
					}
					s.mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if s.now().most > 6 {
		t.Errorf("%d instances at once, want at most 6", s.now().most)
	}
	if answered.Load() < 32*300/2 {
		t.Errorf("%d calls were answered, want most", answered.Load())
	}
	for _, st := range p.Stats() {
		if st.Busy != 0 || st.Queued != 0 {
			t.Errorf("stats after all calls ended: %+v", st)
		}
	}
}

func BenchmarkInvoke(b *testing.B) {
	b.Run("Warm", func(b *testing.B) {
		s := &instant{done: make(chan struct{})}
		p, err := pool.New(pool.Config{Start: func(context.Context, *fringe.Function) (pool.Instance, error) { return s, nil }})
		if err != nil {
			b.Fatal(err)
		}
		c := &fringe.Call{Function: function("f", fringe.Warm{Max: 1})}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Invoke(context.Background(), c); err != nil {
				b.Fatal(err)
			}
		}
		p.Drain(context.Background())
	})
	b.Run("Queued", func(b *testing.B) {
		s := &instant{done: make(chan struct{}), yield: true}
		p, err := pool.New(pool.Config{Start: func(context.Context, *fringe.Function) (pool.Instance, error) { return s, nil }})
		if err != nil {
			b.Fatal(err)
		}
		fn := function("f", fringe.Warm{Max: 1, Queue: 1000})
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			c := &fringe.Call{Function: fn}
			for pb.Next() {
				if _, err := p.Invoke(context.Background(), c); err != nil {
					b.Error(err)
					return
				}
			}
		})
		p.Drain(context.Background())
	})
}

// instant answers at once.
type instant struct {
	done  chan struct{}
	yield bool
	res   fringe.Result
}

func (i *instant) ID() fringe.InstanceID                     { return "instant" }
func (i *instant) Line(*fringe.Call) int                     { return 0 }
func (i *instant) Done() <-chan struct{}                     { return i.done }
func (i *instant) Stop(context.Context, time.Duration) error { return nil }
func (i *instant) Invoke(context.Context, *fringe.Call) (*fringe.Result, error) {
	if i.yield {
		runtime.Gosched()
	}
	i.res.Body = nobody
	return &i.res, nil
}

var nobody = buffered{io.NopCloser(bytes.NewReader(nil))}
