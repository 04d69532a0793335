package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"fringe/bench/local"
)

// subject is a site that is measured.
type subject struct {
	site    *local.Site
	name    string
	results map[int][]result // of the rounds, by number of users
}

// result is what a level came to in one round.
type result struct {
	rate                     float64   // cutouts a second
	server, instances, users float64   // ms of processor time a cutout
	times                    []float64 // seconds of each cutout, waits for room included
	full, often, asked       int       // refusals; cutouts that were refused twice or more; all cutouts
	lost                     []error   // of all requests, those before and after the time that counts included
	memory                   float64   // MB of the server at the end
}

// tally is what the users of a level have come to.
type tally struct {
	mu     sync.Mutex // guards the rest
	count  bool       // the time that counts is under way
	done   int        // cutouts, of all times
	steady chan struct{}
	result
}

// level has users ask one request after another; those that have begun when
// the time is over are waited for.
func (s *subject) level(users int, length time.Duration) (result, error) {
	t := &tally{steady: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), length+patience)
	defer cancel()
	over := make(chan struct{})
	var all sync.WaitGroup
	for range users {
		all.Go(func() {
			u := &user{host: strings.TrimPrefix(s.site.URL, "http://"), token: s.site.Token, random: rand.New(rand.NewPCG(rand.Uint64(), 0))}
			defer u.leave()
			for {
				select {
				case <-over:
					return
				default:
					t.one(ctx, u, users)
				}
			}
		})
	}
	var err error
	select {
	case <-t.steady:
		t.during(s.site, length)
	case <-ctx.Done():
		err = errors.New("the level did not come to its steady state")
	}
	close(over)
	all.Wait()
	return t.result, err
}

// one has the user ask once.
func (t *tally) one(ctx context.Context, u *user, users int) {
	asked := time.Now()
	refused, err := u.ask(ctx)
	took := time.Since(asked)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.lost = append(t.lost, err)
		return
	}
	t.asked++
	t.full += refused
	if refused > 1 {
		t.often++
	}
	if t.done++; t.done == users {
		close(t.steady)
	}
	if t.count {
		t.times = append(t.times, took.Seconds())
	}
}

// during counts for a while.
func (t *tally) during(site *local.Site, length time.Duration) {
	set := func(count bool) {
		t.mu.Lock()
		t.count = count
		t.mu.Unlock()
	}
	server, instances := local.CPUs(site.Pid)
	own, begin := ownCPU(), time.Now()
	set(true)
	time.Sleep(length)
	set(false)
	took, used := time.Since(begin), ownCPU()-own
	serverEnd, instancesEnd := local.CPUs(site.Pid)
	n := float64(len(t.times))
	each := func(d time.Duration) float64 { return d.Seconds() * 1000 / n }
	t.rate = n / took.Seconds()
	t.server, t.instances, t.users = each(serverEnd-server), each(instancesEnd-instances), each(used)
	t.memory = site.Memory("VmRSS")
}

// ownCPU gives the processor time of this process: of the users.
func ownCPU() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// print prints the table of the levels. Only the last level's ratio to the
// others is compared, within each round.
func (s *subject) print(levels []int, refuses bool) error {
	fmt.Printf("\n| users | cutouts | ok/s | %d users over this, median (least to most) | lost | full (429) | twice or more %% | p50 s | p99 s | CPU ms a cutout: server | instances | users | resident MB |\n|%s\n",
		levels[len(levels)-1], strings.Repeat("---:|", 13))
	last := s.results[levels[len(levels)-1]]
	lost, full, least := 0, 0, 0.0
	for _, users := range levels {
		rounds := s.results[users]
		var all result
		var ratios []float64
		for i, r := range rounds {
			ratios = append(ratios, last[i].rate/r.rate)
			all.times = append(all.times, r.times...)
			all.lost, all.full, all.often, all.asked = append(all.lost, r.lost...), all.full+r.full, all.often+r.often, all.asked+r.asked
		}
		of := func(f func(result) float64) float64 { return median(each(rounds, f)) }
		slices.Sort(all.times)
		ratio := median(ratios)
		if least == 0 || ratio < least {
			least = ratio
		}
		fmt.Printf("| %d | %d | %.0f | %.2f (%.2f to %.2f) | %d | %d | %.1f | %.3f | %.3f | %.2f | %.2f | %.2f | %.0f |\n",
			users, len(all.times), of(func(r result) float64 { return r.rate }), ratio, slices.Min(ratios), slices.Max(ratios),
			len(all.lost), all.full, 100*float64(all.often)/float64(all.asked), at(all.times, 0.5), at(all.times, 0.99),
			of(func(r result) float64 { return r.server }), of(func(r result) float64 { return r.instances }), of(func(r result) float64 { return r.users }),
			of(func(r result) float64 { return r.memory }))
		for _, err := range all.lost[:min(3, len(all.lost))] {
			log.Print(err)
		}
		lost, full = lost+len(all.lost), full+all.full
	}
	fmt.Printf("\nThroughput at %d users is %.2f of the best level's, by medians of the rounds. Peak memory of the server %.0f MB.\n", levels[len(levels)-1], least, s.site.Memory("VmHWM"))
	if lost > 0 {
		return fmt.Errorf("%d requests were lost", lost)
	}
	if refuses && full == 0 {
		return errors.New("no request was refused: ask for more users")
	}
	return nil
}

// compare prints the ratios of the further sites to the first, level by level.
func compare(levels []int, sites []*subject) {
	for _, s := range sites[1:] {
		fmt.Printf("\n%s over %s, medians of the rounds:\n\n| users | ok/s | server's CPU | instances' CPU | both |\n|---:|---:|---:|---:|---:|\n", s.name, sites[0].name)
		for _, users := range levels {
			over := func(f func(result) float64) float64 {
				a, b := each(sites[0].results[users], f), each(s.results[users], f)
				for i := range b {
					b[i] /= a[i]
				}
				return median(b)
			}
			fmt.Printf("| %d | %.3f | %.3f | %.3f | %.3f |\n", users, over(func(r result) float64 { return r.rate }), over(func(r result) float64 { return r.server }),
				over(func(r result) float64 { return r.instances }), over(func(r result) float64 { return r.server + r.instances }))
		}
	}
}

func each(rounds []result, f func(result) float64) (v []float64) {
	for _, r := range rounds {
		v = append(v, f(r))
	}
	return v
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// at gives a quantile of sorted values.
func at(v []float64, p float64) float64 { return v[min(len(v)-1, int(p*float64(len(v))))] }
