package functions_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fringe/client"
	"fringe/driver/process"
	"fringe/server"
)

// site is the one running Fringe of this package's tests, with the shipped
// environments and functions.
var site struct {
	client *client.Client
	url    string
	token  string
	log    bytes.Buffer
}

func TestMain(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "no private mounts:", err)
	}
	os.Exit(withSite(m))
}

func withSite(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fringe-functions-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cfg := server.Defaults()
	cfg.Dir, cfg.Listen, cfg.Log = filepath.Join(dir, "site"), "127.0.0.1:0", &site.log
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan string, 1)
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, cfg, func(url string) { ready <- url }) }()
	select {
	case site.url = <-ready:
	case err := <-ended:
		fmt.Fprintln(os.Stderr, "the site did not start:", err)
		cancel()
		return 1
	}
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "the site did not stop well:", err)
		}
	}()
	if err := fill(cfg.Dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// fill builds the shipped environments and publishes the shipped functions
// with the command line, as an engineer does.
func fill(dir string) error {
	token, err := os.ReadFile(filepath.Join(dir, "operator.token"))
	if err != nil {
		return err
	}
	site.token = strings.TrimSpace(string(token))
	if site.client, err = client.New(client.Config{URL: site.url, Token: site.token}); err != nil {
		return err
	}
	bin := filepath.Join(filepath.Dir(dir), "fringe")
	for _, args := range [][]string{
		{"go", "build", "-o", bin, "fringe/cmd/fringe"},
		{bin, "--dir", dir, "env", "build", "../environments"},
		{bin, "--dir", dir, "publish", "."},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

type object = map[string]any

// try calls a function.
func try(name string, inputs object) (object, error) {
	return client.Send[object](context.Background(), site.client, "POST", "/function/"+name, inputs)
}

// call calls a function that must succeed.
func call(t *testing.T, name string, inputs object) object {
	t.Helper()
	out, err := try(name, inputs)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// location gives the dataset name of a file or directory output.
func location(t *testing.T, out object, name string) string {
	t.Helper()
	o, _ := out[name].(object)
	s, _ := o["location"].(string)
	if s == "" {
		t.Fatalf("the output %s is %v, want a file or directory", name, out[name])
	}
	return s
}

func directory(did string) object { return object{"class": "Directory", "location": did} }

// pathOf gives where the site holds a dataset.
func pathOf(t *testing.T, did string) string {
	t.Helper()
	d, err := client.Get[client.Dataset](context.Background(), site.client, "/api/v1/datasets/"+client.EscapePath(did), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d.Path
}

// logOf gives what the latest call of a function wrote.
func logOf(t *testing.T, function string) string {
	t.Helper()
	p, err := client.Get[client.Page[client.Job]](context.Background(), site.client, "/api/v1/jobs", url.Values{"function": {function}, "limit": {"1"}})
	if err != nil || len(p.Items) == 0 {
		t.Fatalf("no call of %s: %v", function, err)
	}
	res, err := site.client.Do(context.Background(), client.Request{Method: "GET", Path: "/api/v1/jobs/" + string(p.Items[0].ID) + "/log"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sums gives a digest of every file below a directory, by name.
func sums(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `cd "$1" && find . -type f | sort | xargs sha256sum`, "sh", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// image is the first image of a FITS file.
type image struct {
	header        map[string]string
	width, height int
	data          []float32
}

// readFITS reads a 32-bit float image (FITS standard 4.0: 2880-byte blocks of
// 80-character cards, big-endian data).
func readFITS(t *testing.T, path string) image {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	im := image{header: map[string]string{}}
	offset := 0
	for ; offset+80 <= len(b); offset += 80 {
		card := string(b[offset : offset+80])
		key := strings.TrimSpace(card[:8])
		if key == "END" {
			break
		}
		if card[8] == '=' {
			value, _, _ := strings.Cut(card[10:], " /")
			im.header[key] = strings.Trim(strings.TrimSpace(value), "' ")
		}
	}
	offset = (offset/2880 + 1) * 2880
	if im.header["BITPIX"] != "-32" {
		t.Fatalf("%s has BITPIX %q, want -32", path, im.header["BITPIX"])
	}
	im.width, _ = strconv.Atoi(im.header["NAXIS1"])
	im.height, _ = strconv.Atoi(im.header["NAXIS2"])
	im.data = make([]float32, im.width*im.height)
	if _, err := binary.Decode(b[offset:], binary.BigEndian, im.data); err != nil {
		t.Fatalf("%s is cut short: %v", path, err)
	}
	return im
}

// peak gives the largest value, rms a robust scatter (1.4826 times the median
// of the absolute values).
func (im image) peak() float64 {
	p := math.Inf(-1)
	for _, v := range im.data {
		p = math.Max(p, float64(v))
	}
	return p
}

func (im image) rms() float64 {
	abs := make([]float64, len(im.data))
	for i, v := range im.data {
		abs[i] = math.Abs(float64(v))
	}
	return 1.4826 * quantile(abs, 0.5)
}

func quantile(v []float64, q float64) float64 {
	s := append([]float64(nil), v...)
	k := int(float64(len(s)-1) * q)
	lo, hi := 0, len(s)-1
	for lo < hi { // quickselect
		pivot, i, j := s[(lo+hi)/2], lo, hi
		for i <= j {
			for s[i] < pivot {
				i++
			}
			for s[j] > pivot {
				j--
			}
			if i <= j {
				s[i], s[j] = s[j], s[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return s[k]
		}
	}
	return s[k]
}

// observation makes a measurement set with six known sources once, and gives
// its name.
func observation(t *testing.T, inputs object) string {
	t.Helper()
	return location(t, call(t, "make-ms", inputs), "ms")
}

// within fails when the call is not over in time: the hang of a held lock.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Errorf("%s is not over after %v", what, limit)
		<-done
	}
}
