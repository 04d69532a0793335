// Command jobs measures durable jobs, each figure beside a baseline of the same
// run, and prints Markdown:
//
//   - submit: jobs accepted per second through the HTTP API, while they only
//     wait, against one caller, whose jobs have a commit each, and against a file
//     that gets 1 kB and an fsync per job;
//   - overhead: a task that does nothing against fork and exec of the same;
//   - ledger: the first page of the list, and submissions, with many finished
//     jobs, beside a site with none.
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

	"fringe"
	"fringe/bench/local"
	"fringe/client"
)

func main() {
	log.SetFlags(0)
	bin := flag.String("fringe", "bin/fringe", "the binary to measure")
	parts := flag.String("parts", "submit,overhead,ledger", "what to measure")
	rounds := flag.Int("rounds", 5, "interleaved rounds; the median counts")
	finished := flag.Int("finished", 1_000_000, "finished jobs in the part ledger")
	flag.Parse()
	if err := run(*bin, strings.Split(*parts, ","), *rounds, *finished); err != nil {
		log.Fatal(err)
	}
}

func run(bin string, parts []string, rounds, finished int) error {
	if err := local.HasWrk(); err != nil {
		return err
	}
	for _, p := range parts {
		var err error
		switch p {
		case "submit":
			err = submit(bin, rounds)
		case "overhead":
			err = overhead(bin, rounds)
		case "ledger":
			err = ledger(bin, rounds, finished)
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
func start(bin string) (*local.Site, error) {
	s, err := local.Start(bin, "--queue", "10000000", "--cpu", cores)
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
	res, err := s.Client.Do(context.Background(), client.Request{Method: "POST", Path: "/async-function/sleeper",
		Header: http.Header{"Content-Type": {"application/json"}}, Body: strings.NewReader("{}")})
	if err != nil {
		return err
	}
	return res.Body.Close()
}

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

var callers = []int{1, 16, 64}

func submit(bin string, rounds int) error {
	s, err := start(bin)
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := fill(s); err != nil {
		return err
	}
	var files []float64
	rates, late := map[int][]float64{}, map[int][]float64{}
	for range rounds {
		r, err := synced(s.Dir)
		if err != nil {
			return err
		}
		files = append(files, r)
		for _, c := range callers {
			r, err := submissions(s, c)
			if err != nil {
				return err
			}
			rates[c], late[c] = append(rates[c], r.Rate), append(late[c], r.P99.Seconds()*1000)
		}
	}
	fmt.Printf("\n### Durable submissions\n\n| callers | jobs/s | p99 ms | against a commit per job (1 caller) | against an fsync of a file per job |\n|---:|---:|---:|---:|---:|\n")
	for _, c := range callers {
		fmt.Printf("| %d | %.0f | %.1f | %.1f | %.1f |\n", c, middle(rates[c]), middle(late[c]), ratio(rates[c], rates[1]), ratio(rates[c], files))
	}
	fmt.Printf("\nA file with an fsync per job: %.0f jobs/s.\n", middle(files))
	return nil
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

func ledger(bin string, rounds, finished int) error {
	sites := make([]*local.Site, 2) // with an empty ledger, and with many finished jobs
	for i := range sites {
		s, err := start(bin)
		if err != nil {
			return err
		}
		defer s.Stop()
		sites[i] = s
	}
	begin := time.Now()
	err := sites[1].Restart(func() error { return finish(filepath.Join(sites[1].Dir, "site"), finished) })
	if err != nil {
		return err
	}
	log.Printf("%d finished jobs written in %s", finished, time.Since(begin).Round(time.Second))
	pages, rates := make([][]float64, 2), make([][]float64, 2)
	for i, s := range sites {
		if err := fill(s); err != nil {
			return err
		}
		for range 200 {
			begin := time.Now()
			res, err := s.Client.Do(context.Background(), client.Request{Method: "GET", Path: "/api/v1/jobs"})
			if err != nil {
				return err
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			pages[i] = append(pages[i], time.Since(begin).Seconds()*1000)
		}
		slices.Sort(pages[i])
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
	fmt.Printf("\n### %d finished jobs\n\n| figure | empty ledger | full ledger | ratio |\n|---|---:|---:|---:|\n", finished)
	p99 := func(v []float64) float64 { return v[len(v)*99/100] }
	fmt.Printf("| first page of the list, p99 ms | %.1f | %.1f | |\n", p99(pages[0]), p99(pages[1]))
	fmt.Printf("| submissions/s, 16 callers | %.0f | %.0f | %.2f |\n", middle(rates[0]), middle(rates[1]), ratio(rates[1], rates[0]))
	fmt.Printf("\nMemory of the server with the full ledger: %.1f MB.\n", sites[1].Memory("VmRSS"))
	return nil
}

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
