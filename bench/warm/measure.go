package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe/bench/local"
)

// point is one measurement.
type point struct {
	local.Run
	cpu time.Duration // of a call, in all processes that serve it
}

// measure runs wrk on all targets in turn and prints the table.
func measure(ctx context.Context, o options, targets []target) error {
	body, err := json.Marshal(map[string]string{"message": strings.Repeat("x", o.size)})
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := check(ctx, t, body); err != nil {
			return err
		}
	}
	all := map[string]map[int][]point{}
	for round := range o.rounds {
		for _, c := range o.connections {
			for _, t := range targets { // one after another, so that all meet the same other work
				if all[t.name] == nil {
					all[t.name] = map[int][]point{}
				}
				p, err := wrk(ctx, o, t, c, lua(body))
				if err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
				all[t.name][c] = append(all[t.name][c], p)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
	}
	table(o, targets, all)
	return nil
}

func lua(body []byte) string {
	return fmt.Sprintf("wrk.method = \"POST\"\nwrk.body = %s\nwrk.headers[\"Content-Type\"] = \"application/json\"\n", strconv.Quote(string(body)))
}

// check makes one call and compares the answer with what was sent.
func check(ctx context.Context, t target, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, "POST", t.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	t.authorize(req)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var sent, back map[string]any
	json.Unmarshal(body, &sent)
	if json.Unmarshal(got, &back) != nil || res.StatusCode != 200 || back["message"] != sent["message"] {
		return fmt.Errorf("%s answered %s with %.200q", t.name, res.Status, got)
	}
	return nil
}

func (t target) authorize(req *http.Request) {
	if t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
}

// cpu gives the processor time that the target has used.
func (t target) cpu() time.Duration {
	d := local.CPU(t.pid)
	if t.behind != 0 {
		d += local.CPU(t.behind)
	}
	return d
}

// wrk measures one point.
func wrk(ctx context.Context, o options, t target, connections int, script string) (point, error) {
	before := t.cpu()
	r, err := local.Load{URL: t.url, Token: t.token, Connections: connections, Time: o.duration, Script: script}.Do(ctx)
	if err != nil {
		return point{}, err
	}
	return point{Run: r, cpu: (t.cpu() - before) / time.Duration(r.Calls)}, nil
}

// table prints medians, and the medians of the ratios to the proxy in the same
// round.
func table(o options, targets []target, all map[string]map[int][]point) {
	median := func(name string, c int, f func(point) float64) string {
		var v []float64
		for _, p := range all[name][c] {
			v = append(v, f(p))
		}
		return fmt.Sprintf("%.0f", middle(v))
	}
	ratio := func(name string, c int, f func(point) float64) string {
		var v []float64
		base := all["proxy"][c]
		for i, p := range all[name][c] {
			if i < len(base) {
				v = append(v, f(p)/f(base[i]))
			}
		}
		if len(v) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f", middle(v))
	}
	p50 := func(p point) float64 { return float64(p.P50.Microseconds()) }
	p99 := func(p point) float64 { return float64(p.P99.Microseconds()) }
	perSecond := func(p point) float64 { return p.Rate }
	cpu := func(p point) float64 { return float64(p.cpu.Microseconds()) }
	first, last := o.connections[0], o.connections[len(o.connections)-1]
	fmt.Printf("| target | c=%d p50 µs | c=%d p99 µs |", first, first)
	rule := "| --- | ---: | ---: |"
	for _, c := range o.connections {
		fmt.Printf(" c=%d /s |", c)
		rule += " ---: |"
	}
	fmt.Printf(" c=%d CPU µs | p50 vs proxy | /s vs proxy | CPU vs proxy |\n%s ---: | ---: | ---: | ---: |\n", last, rule)
	for _, t := range targets {
		fmt.Printf("| %s | %s | %s |", t.name, median(t.name, first, p50), median(t.name, first, p99))
		var ratios []string
		for _, c := range o.connections {
			fmt.Printf(" %s |", median(t.name, c, perSecond))
			ratios = append(ratios, ratio(t.name, c, perSecond))
		}
		fmt.Printf(" %s | %s | %s | %s |\n", median(t.name, last, cpu), ratio(t.name, first, p50), strings.Join(ratios, " / "), ratio(t.name, last, cpu))
	}
}

// middle gives the median.
func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// streamAll sends a large body through each target that passes it on and
// prints rates and the growth of the server's memory.
func streamAll(ctx context.Context, o options, targets []target) error {
	targets = slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !slices.Contains([]string{"proxy", "http", "site-http"}, t.name) })
	rates, before := map[string][]float64{}, map[string]float64{}
	for _, t := range targets {
		before[t.name] = local.Memory(t.pid, "VmHWM")
	}
	for range o.rounds {
		for _, t := range targets {
			r, err := upload(ctx, t, int64(o.stream)<<20)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			rates[t.name] = append(rates[t.name], r)
		}
	}
	fmt.Printf("\n| target | %d MiB up MB/s | vs proxy | peak memory of the server grew by MB |\n| --- | ---: | ---: | ---: |\n", o.stream)
	for _, t := range targets {
		var ratios []float64
		for i, r := range rates[t.name] {
			ratios = append(ratios, r/rates["proxy"][i])
		}
		fmt.Printf("| %s | %.0f | %.2f | %.1f |\n", t.name, middle(rates[t.name]), middle(ratios), local.Memory(t.pid, "VmHWM")-before[t.name])
	}
	return nil
}

// upload posts n bytes and gives the rate in MB/s.
func upload(ctx context.Context, t target, n int64) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", t.url+"?count", io.LimitReader(zeros{}, n))
	if err != nil {
		return 0, err
	}
	t.authorize(req)
	req.ContentLength = n
	begin := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if strings.TrimSpace(string(b)) != strconv.FormatInt(n, 10) {
		return 0, fmt.Errorf("%d bytes were sent, and %.60q counted", n, b)
	}
	return float64(n) / 1e6 / time.Since(begin).Seconds(), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
