// Command soda measures cutouts under overload, as SRCNet's own benchmark does
// for its sites: 1 to 1000 users in a closed loop, each asking for a cutout of
// 138,240 bytes through the SODA service with a token, and asking again as soon
// as it is answered. A user who is told that the site is full (429) waits as
// long as Retry-After says and asks again; that is counted beside the
// requests, which are lost only when they end in anything but the whole cutout.
//
// A level counts from when as many cutouts have come as there are users, so that
// each level is measured in its steady state. The levels come in turn, round
// after round, since the speed of a shared machine changes: what is compared is
// compared within a round. The users' own processor time is told beside the
// site's, as they share the processors.
//
// It starts the sites itself, on loopback, and prints Markdown: one as it comes,
// and one that lets calls wait for a short time only, which has to refuse most
// of them. It fails when a request is lost, or when the second refuses none.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fringe/bench/local"
	"fringe/client"
)

const (
	size     = 4096 // pixels along an axis of the image
	scale    = 1.0  // arcsec of a pixel
	radius   = 90.9 // pixels of the circle: 182 or 183 pixels, 138,240 bytes with the header
	answer   = 138240
	reach    = 1900            // pixels from the middle to the farthest circle's centre
	patience = 2 * time.Minute // of a user with one request

	dataset    = "ivo://auth.example.org/datasets/fits?bench/ab/cd/sky.fits" // bench:sky.fits
	firstUsers = 20                                                          // who come before what is measured, for a second
)

// options are what the command line says.
type options struct {
	binaries, repos []string // several are compared: each level is measured at each of them in turn
	length          time.Duration
	rounds          int
}

func main() {
	log.SetFlags(0)
	bins := flag.String("fringe", "bin/fringe", "the binaries to measure, with commas between them")
	repos := flag.String("repo", ".", "the checkout of each binary, for functions and environments; the last is that of all further ones")
	levels := flag.String("users", "1,5,10,20,50,200,1000", "numbers of users")
	refused := flag.String("refused", "200,1000,5000", "numbers of users of the site that lets calls wait for a second")
	length := flag.Duration("time", 5*time.Second, "time of a level in a round, from its steady state on")
	rounds := flag.Int("rounds", 3, "rounds")
	flag.Parse()
	o := options{strings.Split(*bins, ","), strings.Split(*repos, ","), *length, *rounds}
	if err := o.measure("Cutouts under overload", *levels); err != nil {
		log.Fatal(err)
	}
	o.rounds = 1
	if err := o.measure("Cutouts at a site where calls wait for a second at most", *refused, "--max-wait", "1s"); err != nil {
		log.Fatal(err)
	}
}

// measure starts the sites, and measures and prints all levels.
func (o options) measure(title, list string, flags ...string) error {
	if list == "" {
		return nil
	}
	var levels []int
	for text := range strings.SplitSeq(list, ",") {
		users, err := strconv.Atoi(text)
		if err != nil || users < 1 {
			return fmt.Errorf("%q is no number of users", text)
		}
		levels = append(levels, users)
	}
	var sites []*subject
	for i, binary := range o.binaries {
		site, err := local.Start(binary, flags...)
		if err != nil {
			return err
		}
		defer site.Stop()
		if err := prepare(site, o.repos[min(i, len(o.repos)-1)]); err != nil {
			return err
		}
		s := &subject{site: site, name: binary, results: map[int][]result{}}
		if _, err := s.level(firstUsers, time.Second); err != nil { // the instances start
			return err
		}
		sites = append(sites, s)
	}
	for round := range o.rounds {
		for i := range levels {
			if round%2 == 1 { // back again, so that no level always follows the same one
				i = len(levels) - 1 - i
			}
			for _, s := range sites {
				r, err := s.level(levels[i], o.length)
				if err != nil {
					return err
				}
				s.results[levels[i]] = append(s.results[levels[i]], r)
			}
		}
	}
	fmt.Printf("\n### %s\n", title)
	for _, s := range sites {
		if len(sites) > 1 {
			fmt.Printf("\n%s:\n", s.name)
		}
		if err := s.print(levels, flags != nil); err != nil {
			return err
		}
	}
	compare(levels, sites)
	return nil
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
