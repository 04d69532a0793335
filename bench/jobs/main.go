// Command jobs measures durable jobs, each figure beside a baseline of the same
// run, and prints Markdown:
//
//   - submit: jobs accepted per second through the HTTP API, while they only
//     wait, beside a site in which each job has a commit of its own, and beside
//     a file that gets 1 kB and an fsync per job;
//   - slow: the same on disks that make so many writes a second as -writes lists,
//     as one does whose fsync takes milliseconds (as root, with cgroups of
//     version 1);
//   - overhead: a task that does nothing against fork and exec of the same;
//   - ledger: the first page of the list, and submissions, with many finished
//     jobs, beside a site with none;
//   - queued: the same, memory, start and what is run, with many queued jobs.
//
// It starts the sites itself, in temporary directories, on loopback.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fringe/bench/local"
	"fringe/client"
)

func main() {
	log.SetFlags(0)
	bin := flag.String("fringe", "bin/fringe", "the binary to measure")
	parts := flag.String("parts", "submit,slow,overhead,ledger,queued", "what to measure")
	rounds := flag.Int("rounds", 5, "interleaved rounds; the median counts")
	many := flag.Int("many", 1_000_000, "jobs in the parts ledger and queued")
	writes := flag.String("writes", "250,2750", "writes a second of the disks in the part slow")
	flag.Parse()
	if err := run(*bin, strings.Split(*parts, ","), *rounds, *many, strings.Split(*writes, ",")); err != nil {
		log.Fatal(err)
	}
}

func run(bin string, parts []string, rounds, many int, writes []string) error {
	if err := local.HasWrk(); err != nil {
		return err
	}
	for _, p := range parts {
		var err error
		switch p {
		case "submit":
			err = submit(bin, rounds, nil)
		case "slow":
			for _, w := range writes {
				err = errors.Join(err, slow(bin, rounds, w))
			}
		case "overhead":
			err = overhead(bin, rounds)
		case "ledger":
			err = ledger(bin, rounds, many)
		case "queued":
			err = queued(bin, rounds, many)
		default:
			err = errors.New("there is no such part")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

const cores = "2" // of the site

// tool is a task; COMMAND and CORES are put in.
const tool = `cwlVersion: v1.2
class: CommandLineTool
id: NAME
$namespaces: {fringe: "urn:fringe:ns#"}
hints:
  fringe:Function: {version: 1.0.0, environment: plain}
  ResourceRequirement: {coresMin: CORES}
baseCommand: [COMMAND]
inputs: {n: {type: "long?"}}
outputs: []
`

// start starts a site with the task nothing, which does nothing.
func start(bin string, flags ...string) (*local.Site, error) {
	s, err := local.Start(bin, append([]string{"--queue", "100000000", "--owner-queue", "100000000", "--cpu", cores}, flags...)...)
	if err != nil {
		return nil, err
	}
	env := filepath.Join(s.Dir, "environment.yaml")
	err = os.WriteFile(env, []byte("name: plain\ncontract: exec\n"), 0o644)
	if err == nil {
		err = s.Run("env", "build", env)
	}
	if err == nil {
		err = publish(s, "nothing", "/bin/true", "1")
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func publish(s *local.Site, name, command, cores string) error {
	path := filepath.Join(s.Dir, name+".cwl")
	doc := strings.NewReplacer("NAME", name, "COMMAND", command, "CORES", cores).Replace(tool)
	if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
		return err
	}
	return s.Run("publish", path)
}

// fill gives the site's cores to a task that sleeps, so that jobs wait.
func fill(s *local.Site) error {
	if err := publish(s, "sleeper", `sleep, "3600"`, cores); err != nil {
		return err
	}
	ctx := context.Background()
	job, err := client.Upload[client.Job](ctx, s.Client, client.Request{Method: "POST", Path: "/async-function/sleeper",
		Header: http.Header{"Content-Type": {"application/json"}}, Body: strings.NewReader("{}")})
	for err == nil && job.Phase == "QUEUED" {
		time.Sleep(20 * time.Millisecond)
		job, err = client.Send[client.Job](ctx, s.Client, "GET", "/api/v1/jobs/"+string(job.ID), nil)
	}
	if err == nil && job.Phase != "EXECUTING" {
		err = fmt.Errorf("the task that sleeps is %s", job.Phase)
	}
	return err
}

// unfill ends the task that has the site's cores.
func unfill(s *local.Site) error {
	ctx := context.Background()
	page, err := client.Send[client.Page[client.Job]](ctx, s.Client, "GET", "/api/v1/jobs?phase=EXECUTING&function=sleeper", nil)
	for _, job := range page.Items {
		if err == nil {
			_, err = client.Send[client.Job](ctx, s.Client, "POST", "/api/v1/jobs/"+string(job.ID)+"/abort", nil)
		}
	}
	return err
}

// stop ends the task that has the site's cores, which would go on, and stops
// the site.
func stop(s *local.Site) {
	if err := unfill(s); err != nil {
		log.Print(err)
	}
	s.Stop()
}

func overhead(bin string, rounds int) error {
	s, err := start(bin)
	if err != nil {
		return err
	}
	defer s.Stop()
	var bare, through []float64
	for range 20 * rounds {
		begin := time.Now()
		if err := exec.Command("/bin/true").Run(); err != nil {
			return err
		}
		bare = append(bare, time.Since(begin).Seconds()*1000)
		begin = time.Now()
		if _, err := client.Upload[map[string]any](context.Background(), s.Client, client.Request{Method: "POST", Path: "/function/nothing",
			Header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-cache"}}, Body: bytes.NewReader([]byte("{}"))}); err != nil {
			return err
		}
		through = append(through, time.Since(begin).Seconds()*1000)
	}
	fmt.Printf("\n### A task that does nothing (%d of each)\n\n| run | median ms |\n|---|---:|\n| fork and exec | %.1f |\n| a job, waited for | %.1f |\n| difference | %.1f |\n",
		len(bare), middle(bare), middle(through), middle(through)-middle(bare))
	return nil
}

func ledger(bin string, rounds, many int) error {
	sites := make([]*local.Site, 2) // with an empty ledger, and with many finished jobs
	for i := range sites {
		s, err := start(bin)
		if err != nil {
			return err
		}
		defer stop(s)
		sites[i] = s
	}
	begin := time.Now()
	err := sites[1].Restart(func() error { return finish(filepath.Join(sites[1].Dir, "site"), many) })
	if err != nil {
		return err
	}
	log.Printf("%d finished jobs written in %s", many, time.Since(begin).Round(time.Second))
	pages, rates := make([][]float64, 2), make([][]float64, 2)
	for i, s := range sites {
		if err := fill(s); err != nil {
			return err
		}
		if pages[i], err = firstPages(s.Client); err != nil {
			return err
		}
	}
	for range rounds {
		for i, s := range sites {
			r, err := submissions(s, 16)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], r.Rate)
		}
	}
	fmt.Printf("\n### %d finished jobs\n\n| figure | empty ledger | full ledger | ratio |\n|---|---:|---:|---:|\n", many)
	fmt.Printf("| first page of the list, p99 ms | %.1f | %.1f | |\n", p99(pages[0]), p99(pages[1]))
	fmt.Printf("| submissions/s, 16 callers | %.0f | %.0f | %.2f |\n", middle(rates[0]), middle(rates[1]), ratio(rates[1], rates[0]))
	fmt.Printf("\nMemory of the server with the full ledger: %.1f MB.\n", sites[1].Memory("VmRSS"))
	return nil
}

// firstPages gives how long the first page of the list takes, in ms, sorted.
func firstPages(c *client.Client) ([]float64, error) {
	var all []float64
	for range 200 {
		begin := time.Now()
		res, err := c.Do(context.Background(), client.Request{Method: "GET", Path: "/api/v1/jobs"})
		if err != nil {
			return nil, err
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		all = append(all, time.Since(begin).Seconds()*1000)
	}
	slices.Sort(all)
	return all, nil
}

func p99(sorted []float64) float64 { return sorted[len(sorted)*99/100] }

// middle gives the median.
func middle(v []float64) float64 {
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

// ratio gives the median of the ratios of each round.
func ratio(a, b []float64) float64 {
	v := make([]float64, len(a))
	for i := range a {
		v[i] = a[i] / b[i]
	}
	return middle(v)
}
