// Command site measures a running Fringe as its users meet it, each figure
// beside a baseline of the same run, and prints Markdown:
//
//   - idle: memory of the idle server, size of the binary, time to ready;
//   - reference: a call with a 1 GiB input against one with a 1 kB input;
//   - tool: wsclean through Fringe against the same command run bare;
//   - catalogue: calls, listing and search with 10,000 functions against few.
//
// It starts the server itself, in a temporary directory, on loopback.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/url"
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
	repo := flag.String("repo", ".", "the checkout, for functions and environments")
	parts := flag.String("parts", "idle,reference,tool,catalogue", "what to measure")
	functions := flag.Int("functions", 10000, "functions in the catalogue part")
	rounds := flag.Int("rounds", 15, "pairs in the tool part")
	flag.Parse()
	site, err := local.Start(*bin)
	if err != nil {
		log.Fatal(err)
	}
	b := &bench{site, *bin, *repo}
	err = b.run(strings.Split(*parts, ","), *functions, *rounds)
	b.Stop()
	if err != nil {
		log.Fatal(err)
	}
}

// bench is one site under measurement.
type bench struct {
	*local.Site
	bin, repo string
}

func (b *bench) run(parts []string, functions, rounds int) error {
	if err := b.publish("python", "echo"); err != nil {
		return err
	}
	for _, p := range parts {
		var err error
		switch p {
		case "idle":
			err = b.idle()
		case "reference":
			err = b.reference()
		case "tool":
			err = b.tool(rounds)
		case "catalogue":
			err = b.catalogue(functions)
		default:
			err = fmt.Errorf("there is no part %q", p)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// publish builds an environment of the repository and publishes functions.
func (b *bench) publish(environment string, functions ...string) error {
	if err := b.Run("env", "build", filepath.Join(b.repo, "environments", environment)); err != nil {
		return err
	}
	if len(functions) == 0 {
		return nil
	}
	args := []string{"publish"}
	for _, f := range functions {
		args = append(args, filepath.Join(b.repo, "functions", f))
	}
	return b.Run(args...)
}

func (b *bench) idle() error {
	if err := b.Restart(nil); err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	info, err := os.Stat(b.bin)
	if err != nil {
		return err
	}
	fmt.Printf("\n### Idle\n\n| figure | value |\n|---|---:|\n| binary | %.1f MB |\n| start to ready, existing directory | %.0f ms |\n| resident memory, idle | %.1f MB |\n",
		float64(info.Size())/1e6, b.Ready.Seconds()*1000, b.Memory("VmRSS"))
	return nil
}

// call makes one call, which is not answered from the product store, and gives
// how long it took.
func (b *bench) call(name string, inputs any) (time.Duration, map[string]any, error) {
	body, err := json.Marshal(inputs)
	if err != nil {
		return 0, nil, err
	}
	begin := time.Now()
	out, err := client.Upload[map[string]any](context.Background(), b.Client, client.Request{Method: "POST", Path: "/function/" + name,
		Header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-cache"}}, Body: bytes.NewReader(body)})
	return time.Since(begin), out, err
}

func median(d []time.Duration) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[len(s)/2]
}

func percentile(d []time.Duration, p float64) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[min(len(s)-1, int(float64(len(s))*p))]
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// referenceTool is a task that only looks at its input's size, so that what is
// measured is the way there.
const referenceTool = `cwlVersion: v1.2
class: CommandLineTool
id: %s
$namespaces: {fringe: "urn:fringe:ns#"}
hints: {"fringe:Function": {version: 1.0.0, environment: %s}}
baseCommand: [stat, -L, -c, "%%s"]
inputs: {data: {type: File, inputBinding: {position: 1}}}
stdout: size
outputs:
  size: {type: stdout}
`

func (b *bench) reference() error {
	if err := b.publish("wsclean", "echo"); err != nil {
		return err
	}
	tool := filepath.Join(b.Dir, "size-of.cwl")
	if err := os.WriteFile(tool, fmt.Appendf(nil, referenceTool, "size-of", "wsclean"), 0o644); err != nil {
		return err
	}
	if err := b.Run("publish", tool); err != nil {
		return err
	}
	sizes := map[string]int64{"small": 1 << 10, "large": 1 << 30}
	for name, size := range sizes {
		p := filepath.Join(b.Dir, name)
		f, err := os.Create(p)
		if err != nil {
			return err
		}
		buf := make([]byte, min(size, 1<<20))
		for n := int64(0); n < size; n += int64(len(buf)) {
			if _, err := f.Write(buf); err != nil {
				return err
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
		if err := b.Run("data", "add", "bench:"+name, p); err != nil {
			return err
		}
	}
	times := map[string][]time.Duration{}
	for range 21 {
		for name := range sizes {
			d, _, err := b.call("size-of", map[string]any{"data": map[string]any{"class": "File", "location": "bench:" + name}})
			if err != nil {
				return err
			}
			times[name] = append(times[name], d)
		}
	}
	small, large := median(times["small"]), median(times["large"])
	fmt.Printf("\n### A 1 GiB input by reference (task, 21 calls each)\n\n| input | median ms |\n|---|---:|\n| 1 kB | %.1f |\n| 1 GiB | %.1f |\n| difference | %.1f |\n",
		ms(small), ms(large), ms(large-small))
	return nil
}

// tool compares wsclean through Fringe with the same command line run bare, in
// pairs that begin in turn with the one and the other.
func (b *bench) tool(rounds int) error {
	if err := b.publish("astro", "make-ms"); err != nil {
		return err
	}
	if err := b.publish("wsclean", "wsclean"); err != nil {
		return err
	}
	_, out, err := b.call("make-ms", map[string]any{"times": 240})
	if err != nil {
		return err
	}
	product, _ := out["ms"].(map[string]any)
	location, _ := product["location"].(string)
	d, err := client.Get[client.Dataset](context.Background(), b.Client, "/api/v1/datasets/"+client.EscapePath(location), nil)
	if err != nil {
		return err
	}
	var bare, through []time.Duration
	var ratios []float64
	for i := range rounds + 1 {
		var t, u time.Duration
		runs := []func() error{
			func() (err error) { t, err = b.fringeWsclean(location); return },
			func() (err error) { u, err = b.bareWsclean(d.Path, i); return },
		}
		if i%2 == 1 {
			slices.Reverse(runs)
		}
		for _, run := range runs {
			if err := run(); err != nil {
				return err
			}
		}
		if i > 0 { // the first pair warms the page cache
			through, bare, ratios = append(through, t), append(bare, u), append(ratios, t.Seconds()/u.Seconds())
		}
	}
	slices.Sort(ratios)
	low := medianRank(len(ratios))
	fmt.Printf("\n### wsclean on a measurement set of %.0f MB (%d pairs)\n\n| run | median s |\n|---|---:|\n| bare | %.3f |\n| through Fringe | %.3f |\n| ratio, median of pairs (its 95 %% interval) | %.3f (%.3f to %.3f) |\n| peak server memory | %.1f MB |\n",
		float64(d.Size)/1e6, rounds, median(bare).Seconds(), median(through).Seconds(), ratios[len(ratios)/2], ratios[low], ratios[len(ratios)-1-low], b.Memory("VmHWM"))
	return nil
}

// medianRank gives how many of n sorted values to leave out at each end so that
// the median lies between the others in 95 of 100 cases at least, by the binomial
// distribution.
func medianRank(n int) int {
	term := math.Pow(0.5, float64(n))
	k := 0
	for below := term; below <= 0.025; below += term {
		k++
		term *= float64(n-k+1) / float64(k)
	}
	return max(k-1, 0)
}

func (b *bench) fringeWsclean(location string) (time.Duration, error) {
	t, _, err := b.call("wsclean", map[string]any{"ms": map[string]any{"class": "Directory", "location": location}, "size": 512, "threads": 2,
		"scale": "5asec", "niter": 1000, "mgain": 0.8, "auto_threshold": 3})
	return t, err
}

// bareWsclean runs the command that the function makes of the same inputs.
func (b *bench) bareWsclean(path string, i int) (time.Duration, error) {
	dir := filepath.Join(b.Dir, "bare", fmt.Sprint(i))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	cmd := exec.Command("wsclean", "-no-update-model-required", "-reorder", "-temp-dir", dir, "-j", "2", "-abs-mem", "3.2", "-auto-threshold", "3",
		"-channels-out", "1", "-gain", "0.1", "-intervals-out", "1", "-mgain", "0.8", "-name", "wsclean", "-niter", "1000", "-pol", "I",
		"-scale", "5asec", "-size", "512", "512", "-weight", "uniform", path)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OPENBLAS_NUM_THREADS=1")
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wsclean: %w\n%s", err, out)
	}
	return time.Since(begin), nil
}

// catalogue measures calls, listing and search with many functions beside a
// site with few, in turn.
func (b *bench) catalogue(n int) error {
	few, err := local.Start(b.bin)
	if err != nil {
		return err
	}
	defer few.Stop()
	if err := (&bench{few, b.bin, b.repo}).publish("python", "echo"); err != nil {
		return err
	}
	if err := b.publish("wsclean"); err != nil {
		return err
	}
	published, err := b.publishMany(n)
	if err != nil {
		return err
	}
	before, after, err := b.catalogueTimes(&bench{few, b.bin, b.repo})
	if err != nil {
		return err
	}
	fmt.Printf("\n### %d functions more\n\n| figure | few ms | many ms | ratio |\n|---|---:|---:|---:|\n", n)
	for _, k := range []struct {
		name string
		at   float64
	}{{"echo", .5}, {"list", .99}, {"search", .99}} {
		x, y := percentile(before[k.name], k.at), percentile(after[k.name], k.at)
		fmt.Printf("| %s, p%.0f | %.3f | %.3f | %.2f |\n", k.name, 100*k.at, ms(x), ms(y), y.Seconds()/x.Seconds())
	}
	fmt.Printf("\npublished at %.0f functions/s; resident memory %.1f MB\n", float64(n)/published.Seconds(), b.Memory("VmRSS"))
	return nil
}

func (b *bench) publishMany(n int) (time.Duration, error) {
	const batch = 500
	begin := time.Now()
	for first := 0; first < n; first += batch {
		args := []string{"publish"}
		for i := first; i < min(first+batch, n); i++ {
			name := fmt.Sprintf("many-%05d", i)
			f := filepath.Join(b.Dir, "many", name+".cwl")
			if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
				return 0, err
			}
			if err := os.WriteFile(f, fmt.Appendf(nil, referenceTool, name, "wsclean"), 0o644); err != nil {
				return 0, err
			}
			args = append(args, f)
		}
		if err := b.Run(args...); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// catalogueTimes gives the times of calls, lists and searches at the other
// site, which has few functions, and at this one.
func (b *bench) catalogueTimes(few *bench) (fewTimes, manyTimes map[string][]time.Duration, err error) {
	times := []map[string][]time.Duration{{}, {}}
	for i := range 4000 {
		for at, site := range []*bench{few, b} {
			d, _, err := site.call("echo", map[string]any{"message": "hello"})
			if err != nil {
				return nil, nil, err
			}
			if i >= 200 {
				times[at]["echo"] = append(times[at]["echo"], d)
			}
		}
	}
	for range 200 {
		for at, site := range []*bench{few, b} {
			for name, query := range map[string]url.Values{"list": {}, "search": {"q": {"wsclean image"}}} {
				begin := time.Now()
				res, err := site.Client.Do(context.Background(), client.Request{Method: http.MethodGet, Path: "/api/v1/functions", Query: query})
				if err != nil {
					return nil, nil, err
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				times[at][name] = append(times[at][name], time.Since(begin))
			}
		}
	}
	return times[0], times[1], nil
}
