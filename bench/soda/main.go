// Command soda measures cutouts under overload, as SRCNet's own benchmark does
// for its sites: 1 to 1000 users in a closed loop, each asking for a cutout of
// 138,240 bytes through the SODA service with a token, and asking again as soon
// as it is answered. A user who is told that the site is full (429) waits as
// long as Retry-After says and asks again; that is counted beside the
// requests, which are lost only when they end in anything but the whole cutout.
//
// It starts the sites itself, on loopback, and prints Markdown: one as it comes,
// and one that lets calls wait for a short time only, which has to refuse most
// of them. It fails when a request is lost, or when the second refuses none.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fringe/bench/local"
	"fringe/client"
)

const (
	size   = 4096 // pixels along an axis of the image
	scale  = 1.0  // arcsec of a pixel
	radius = 90.9 // pixels of the circle: 182 or 183 pixels, 138,240 bytes with the header
	answer = 138240
	reach  = 1900 // pixels from the middle to the farthest circle's centre
)

func main() {
	log.SetFlags(0)
	bin := flag.String("fringe", "bin/fringe", "the binary to measure")
	repo := flag.String("repo", ".", "the checkout, for functions and environments")
	levels := flag.String("users", "1,5,10,20,50,200,1000", "numbers of users")
	refused := flag.String("refused", "200,1000,5000", "numbers of users of the site that lets calls wait for a second")
	level := flag.Duration("time", 15*time.Second, "time of a level, without the end of the requests under way")
	flag.Parse()
	for _, r := range []struct{ title, levels, wait string }{{"Cutouts under overload", *levels, ""}, {"Cutouts at a site where calls wait for a second at most", *refused, "1s"}} {
		if r.levels == "" {
			continue
		}
		var flags []string
		if r.wait != "" {
			flags = []string{"--max-wait", r.wait}
		}
		site, err := local.Start(*bin, flags...)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("\n### %s\n", r.title)
		full, err := run(site, *repo, strings.Split(r.levels, ","), *level)
		site.Stop()
		if err == nil && full == 0 && r.wait != "" {
			err = errors.New("no request was refused: ask for more users")
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

// run measures the levels, and says how many requests were refused.
func run(site *local.Site, repo string, levels []string, length time.Duration) (full int, err error) {
	if err := prepare(site, repo); err != nil {
		return 0, err
	}
	l := &load{site: site, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10000}}}
	l.bodies.New = func() any { b := make([]byte, answer+1); return &b }
	if err := l.ask(context.Background(), new(tally)); err != nil { // the first instance starts
		return 0, err
	}
	fmt.Printf("\n| users | cutouts | ok/s | lost | full (429) | again, twice or more %% | p50 s | p99 s | CPU ms | resident MB |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	best, last, lost := 0.0, 0.0, 0
	for _, text := range levels {
		users, err := strconv.Atoi(text)
		if err != nil {
			return 0, err
		}
		used := local.CPU(site.Pid)
		t := l.level(users, length)
		used = local.CPU(site.Pid) - used
		last = float64(t.within) / length.Seconds()
		best, lost, full = max(best, last), lost+len(t.lost), full+t.full
		fmt.Printf("| %d | %d | %.0f | %d | %d | %.1f | %.3f | %.3f | %.2f | %.0f |\n", users, len(t.times), last, len(t.lost), t.full, 100*t.often(2),
			t.at(0.5), t.at(0.99), used.Seconds()*1000/float64(len(t.times)), site.Memory("VmRSS"))
		for _, err := range t.lost[:min(3, len(t.lost))] {
			log.Print(err)
		}
	}
	fmt.Printf("\nThroughput at the last level is %.2f of the best. Peak memory of the server %.0f MB.\n", last/best, site.Memory("VmHWM"))
	if lost > 0 {
		return full, fmt.Errorf("%d requests were lost", lost)
	}
	return full, nil
}

// prepare publishes the function and names an image.
func prepare(site *local.Site, repo string) error {
	for _, args := range [][]string{{"env", "build", filepath.Join(repo, "environments", "astro")}, {"publish", filepath.Join(repo, "functions", "cutout")}} {
		if err := site.Run(args...); err != nil {
			return err
		}
	}
	path := filepath.Join(site.Dir, "sky.fits")
	if err := writeImage(path); err != nil {
		return err
	}
	_, err := client.Send[client.Dataset](context.Background(), site.Client, "POST", "/api/v1/datasets", client.AddDataset{DID: "bench:sky.fits", Path: path})
	return err
}

// writeImage writes an image of noise (FITS 4.0) around 12h, +30 degrees.
func writeImage(path string) error {
	var b bytes.Buffer
	for _, c := range [][2]string{{"SIMPLE", "T"}, {"BITPIX", "-32"}, {"NAXIS", "2"}, {"NAXIS1", fmt.Sprint(size)}, {"NAXIS2", fmt.Sprint(size)},
		{"CTYPE1", "'RA---TAN'"}, {"CRVAL1", "180.0"}, {"CRPIX1", fmt.Sprint(size / 2)}, {"CDELT1", fmt.Sprint(-scale / 3600)}, {"CUNIT1", "'deg     '"},
		{"CTYPE2", "'DEC--TAN'"}, {"CRVAL2", "30.0"}, {"CRPIX2", fmt.Sprint(size / 2)}, {"CDELT2", fmt.Sprint(scale / 3600)}, {"CUNIT2", "'deg     '"},
		{"BUNIT", "'Jy/beam '"}, {"RADESYS", "'ICRS    '"}} {
		fmt.Fprintf(&b, "%-8s= %-70s", c[0], c[1])
	}
	fmt.Fprintf(&b, "%-80s", "END")
	b.Write(bytes.Repeat([]byte{' '}, (2880-b.Len()%2880)%2880))
	random := rand.New(rand.NewPCG(1, 2))
	row := make([]float32, size)
	for range size {
		for i := range row {
			row[i] = float32(random.NormFloat64())
		}
		if err := binary.Write(&b, binary.BigEndian, row); err != nil {
			return err
		}
	}
	b.Write(make([]byte, (2880-b.Len()%2880)%2880))
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// load asks for cutouts.
type load struct {
	site   *local.Site
	http   *http.Client
	bodies sync.Pool // of *[]byte
}

// tally is what a level came to.
type tally struct {
	mu     sync.Mutex // guards the rest
	times  []float64  // seconds of each cutout, waits for room included
	within int        // cutouts that came within the level's time
	lost   []error
	full   int
	again  []int // how many cutouts were refused so often, by that number
}

// often gives the part of the cutouts that were refused n times or more.
func (t *tally) often(n int) float64 {
	sum := 0
	for _, m := range t.again[min(n, len(t.again)):] {
		sum += m
	}
	return float64(sum) / float64(len(t.times))
}

func (t *tally) at(p float64) float64 {
	if len(t.times) == 0 {
		return math.NaN()
	}
	slices.Sort(t.times)
	return t.times[min(len(t.times)-1, int(p*float64(len(t.times))))]
}

// level has users ask one request after another; those that have begun when
// the time is over are waited for.
func (l *load) level(users int, length time.Duration) *tally {
	t := &tally{}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), length+2*time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for range users {
		all.Go(func() {
			for time.Since(begin) < length {
				asked := time.Now()
				err := l.ask(ctx, t)
				t.mu.Lock()
				if err != nil {
					t.lost = append(t.lost, err)
				} else {
					t.times = append(t.times, time.Since(asked).Seconds())
					if time.Since(begin) < length {
						t.within++
					}
				}
				t.mu.Unlock()
			}
		})
	}
	all.Wait()
	return t
}

// ask gets one cutout at a place of its own.
func (l *load) ask(ctx context.Context, t *tally) error {
	x, y := (rand.Float64()*2-1)*reach, (rand.Float64()*2-1)*reach
	circle := fmt.Sprintf("%.7f %.7f %.7f", 180+x*scale/3600/math.Cos(math.Pi/6), 30+y*scale/3600, radius*scale/3600)
	address := l.site.URL + "/ska/datasets/soda/sync?" + url.Values{"ID": {"ivo://auth.example.org/datasets/fits?bench/ab/cd/sky.fits"}, "CIRCLE": {circle}}.Encode()
	for refused := 0; ; refused++ {
		wait, err := l.once(ctx, address)
		if err != nil {
			return err
		}
		t.mu.Lock()
		if wait == 0 {
			t.again = append(t.again, make([]int, max(0, refused+1-len(t.again)))...)
			t.again[refused]++
			t.mu.Unlock()
			return nil
		}
		t.full++
		t.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("the site stayed full: %w", ctx.Err())
		}
	}
}

// once makes one request; wait is how long to wait when the site is full.
func (l *load) once(ctx context.Context, address string) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+l.site.Token)
	res, err := l.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	page := l.bodies.Get().(*[]byte)
	defer l.bodies.Put(page)
	n, err := io.ReadFull(res.Body, *page)
	body := (*page)[:n]
	switch {
	case err != io.ErrUnexpectedEOF: // the body is shorter than the page, and whole when it has the length that was said
		return 0, fmt.Errorf("%s, %d bytes: %v", res.Status, n, err)
	case res.StatusCode == http.StatusTooManyRequests:
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if err != nil || seconds < 1 {
			return 0, errors.New("429 without a Retry-After")
		}
		return time.Duration(seconds) * time.Second, nil
	case res.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("%s: %.200s", res.Status, body)
	case len(body) != answer || string(body[:6]) != "SIMPLE":
		return 0, fmt.Errorf("the cutout has %d bytes, want %d", len(body), answer)
	}
	return 0, nil
}
