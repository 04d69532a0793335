package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"time"

	"fringe"
	"fringe/bench/local"
	"fringe/client"
)

// queued measures a site in whose queue many jobs wait, of 100 principals,
// beside one with a few.
func queued(bin string, rounds, many int) error {
	names := []string{"few", "many"}
	sites := make([]*local.Site, 2)
	starts, memory := make([]float64, 2), make([][2]float64, 2)
	lists, own, rates, runs := make([]float64, 2), make([]float64, 2), make([][]float64, 2), make([]float64, 2)
	for i, n := range []int{1000, many} {
		s, err := start(bin)
		if err != nil {
			return err
		}
		defer s.Stop()
		sites[i] = s
		if err := fill(s); err != nil {
			return err
		}
		digest, err := digestOf(s)
		if err != nil {
			return err
		}
		begin := time.Now()
		err = s.Restart(func() error { return queue(filepath.Join(s.Dir, "site"), n, digest) })
		if err != nil {
			return err
		}
		log.Printf("%s: %d queued jobs written in %s", names[i], n, time.Since(begin).Round(time.Second))
		starts[i], memory[i][0] = s.Ready.Seconds()*1000, s.Memory("VmRSS")
		if err := queuedLists(s, &lists[i], &own[i]); err != nil {
			return err
		}
	}
	for range rounds {
		for i, s := range sites {
			x, err := sampled(s, 16)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], x.rate)
		}
	}
	for i, s := range sites {
		memory[i][1] = s.Memory("VmRSS")
		var err error
		if runs[i], err = running(s); err != nil {
			return err
		}
		s.Stop() // its jobs would be run beside those of the next
	}
	fmt.Printf("\n### %d queued jobs\n\n| figure | 1000 queued | %d queued |\n|---|---:|---:|\n", many, many)
	row := func(what string, v []float64) { fmt.Printf("| %s | %.1f | %.1f |\n", what, v[0], v[1]) }
	row("start to ready, ms", starts)
	row("resident memory after the start, MB", []float64{memory[0][0], memory[1][0]})
	row("resident memory after submissions, MB", []float64{memory[0][1], memory[1][1]})
	row("first page of the list, p99 ms", lists)
	row("first page of one principal's list, p99 ms", own)
	row("submissions/s, 16 callers", []float64{middle(rates[0]), middle(rates[1])})
	row("jobs run/s, once the cores are free", runs)
	fmt.Printf("\nSubmissions against few: %.2f.\n", ratio(rates[1], rates[0]))
	return nil
}

// digestOf gives the digest of the function's content.
func digestOf(s *local.Site) (fringe.Digest, error) {
	f, err := client.Send[struct {
		Digest fringe.Digest `json:"digest"`
	}](context.Background(), s.Client, "GET", "/api/v1/functions/nothing", nil)
	if err == nil && f.Digest == "" {
		err = errors.New("the function has no digest")
	}
	return f.Digest, err
}

// queuedLists measures the first pages of the list, of all and of one
// principal.
func queuedLists(s *local.Site, all, own *float64) error {
	pages, err := firstPages(s.Client)
	if err != nil {
		return err
	}
	*all = p99(pages)
	token, err := client.Send[client.Token](context.Background(), s.Client, "POST", "/api/v1/tokens", client.CreateToken{Name: "principal-7", Role: fringe.Caller})
	if err != nil {
		return err
	}
	one, err := client.New(client.Config{URL: s.URL, Token: token.Secret})
	if err != nil {
		return err
	}
	if pages, err = firstPages(one); err != nil {
		return err
	}
	*own = p99(pages)
	return nil
}

// running ends the task that has the site's cores and gives how many jobs a
// second complete from then on.
func running(s *local.Site) (float64, error) {
	ctx := context.Background()
	if err := unfill(s); err != nil {
		return 0, err
	}
	const lasting = 5 * time.Second
	time.Sleep(lasting)
	n, cursor := 0, ""
	for {
		page, err := client.Send[client.Page[client.Job]](ctx, s.Client, "GET", "/api/v1/jobs?phase=COMPLETED&limit=1000&cursor="+cursor, nil)
		if err != nil {
			return 0, err
		}
		n += len(page.Items)
		if cursor = page.Next; cursor == "" {
			return float64(n) / lasting.Seconds(), nil
		}
	}
}
