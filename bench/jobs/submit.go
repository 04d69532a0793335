package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fringe"
	"fringe/bench/local"
	"fringe/client"
)

// submissions measures accepted jobs per second; each has inputs of its own,
// and a new principal, whose queue is empty, sends them.
func submissions(s *local.Site, connections int) (local.Run, error) {
	ctx := context.Background()
	name := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	token, err := client.Send[client.Token](ctx, s.Client, "POST", "/api/v1/tokens", client.CreateToken{Name: name, Role: fringe.Caller})
	if err != nil {
		return local.Run{}, err
	}
	const script = `
wrk.headers["Content-Type"] = "application/json"
function init() math.randomseed(os.time() + tonumber(tostring({}):sub(8)) % 1000000) end
function request() return wrk.format("POST", nil, nil, '{"n":' .. math.random(1, 1000000000000) .. '}') end
`
	return local.Load{URL: s.URL + "/async-function/nothing", Token: token.Secret, Connections: connections, Time: time.Second, Script: script}.Do(ctx)
}

// synced measures 1 kB and an fsync per job, on the file system of dir.
func synced(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	page := make([]byte, 1<<10)
	begin, n := time.Now(), 0
	for ; time.Since(begin) < time.Second; n++ {
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

// sample is one second of submissions.
type sample struct{ rate, late, cpu float64 } // per second, ms, and µs of the server per job

// sampled measures submissions together with what they cost the server.
func sampled(s *local.Site, callers int) (sample, error) {
	before := local.CPU(s.Pid)
	r, err := submissions(s, callers)
	if err != nil {
		return sample{}, err
	}
	return sample{r.Rate, r.P99.Seconds() * 1000, (local.CPU(s.Pid) - before).Seconds() * 1e6 / float64(r.Calls)}, nil
}

// submit measures submissions. The disk, if it is given, is slowed meanwhile.
func submit(bin string, rounds int, d *disk) error {
	callers := []int{1, 16, 64}
	sites := make([]*local.Site, 2) // with group commit, and with a commit per job
	for i, flags := range [][]string{nil, {"--commit-group", "1"}} {
		s, err := start(bin, flags...)
		if err != nil {
			return err
		}
		defer stop(s)
		if err := fill(s); err != nil {
			return err
		}
		sites[i] = s
	}
	if err := d.slow(); err != nil {
		return err
	}
	defer d.free()
	var files []float64
	all := [2]map[int][]sample{{}, {}}
	for range rounds {
		r, err := synced(sites[0].Dir)
		if err != nil {
			return err
		}
		files = append(files, r)
		for _, c := range callers {
			for i, s := range sites {
				x, err := sampled(s, c)
				if err != nil {
					return err
				}
				all[i][c] = append(all[i][c], x)
			}
		}
	}
	rate := func(of []sample) []float64 { return column(of, func(s sample) float64 { return s.rate }) }
	fmt.Printf("\n### Durable submissions%s\n\n| callers | jobs/s | p99 ms | server µs | a commit per job: jobs/s | µs | against a commit per job, as many callers | against one caller with a commit per job | against one caller | against an fsync of a file per job |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n", d)
	for _, c := range callers {
		grouped, single := all[0][c], all[1][c]
		fmt.Printf("| %d | %.0f | %.1f | %.0f | %.0f | %.0f | %.1f | %.1f | %.1f | %.2f |\n", c, middle(rate(grouped)),
			middle(column(grouped, func(s sample) float64 { return s.late })), middle(column(grouped, func(s sample) float64 { return s.cpu })),
			middle(rate(single)), middle(column(single, func(s sample) float64 { return s.cpu })),
			ratio(rate(grouped), rate(single)), ratio(rate(grouped), rate(all[1][1])), ratio(rate(grouped), rate(all[0][1])), ratio(rate(grouped), files))
	}
	fmt.Printf("\nA file with an fsync per job: %.0f jobs/s.\n", middle(files))
	return nil
}

func column(of []sample, field func(sample) float64) (v []float64) {
	for _, s := range of {
		v = append(v, field(s))
	}
	return v
}
