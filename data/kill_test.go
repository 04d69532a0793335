package data_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fringe"
	"fringe/data"
	"fringe/store"
)

// TestPublishesUntilKilled is the work of the process that TestKill kills; it
// does nothing when it is run by itself.
func TestPublishesUntilKilled(t *testing.T) {
	dir := os.Getenv("FRINGE_DATA_TEST")
	if dir == "" {
		return
	}
	s := open(t, dir, nil)
	if err := s.Sweep(t.Context(), func(fringe.CallID) bool { return false }); err != nil {
		t.Fatal(err)
	}
	for w := range 4 {
		go func() {
			for n := 0; ; n++ {
				call := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, n)
				work := filepath.Join(dir, "work", call)
				body := strings.Repeat(call+"\n", 2000)
				write(t, filepath.Join(work, "out.ms/table.dat"), body)
				write(t, filepath.Join(work, "out.ms/sub/table.dat"), body)
				d, err := publish(s, call, "o", filepath.Join(work, "out.ms"))
				if err == nil {
					fmt.Println("ack", d.DID)
					d, err = s.Add(context.Background(), data.AddRequest{DID: fringe.DID{Scope: "user", Name: call}, Source: strings.NewReader(body)})
				}
				if err != nil {
					fmt.Println("ERROR", err)
					os.Exit(1)
				}
				fmt.Println("ack", d.DID)
				os.RemoveAll(work)
			}
		}()
	}
	select {}
}

// TestKill kills a publishing process at random instants. What it acknowledged
// is there, whole; after Sweep no bytes are without a record.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var acknowledged []string
	for range 10 {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestPublishesUntilKilled$")
		cmd.Env = append(os.Environ(), "FRINGE_DATA_TEST="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for first := true; lines.Scan(); first = false {
			if first { // its life is counted from its first step
				time.AfterFunc(time.Duration(100+rand.IntN(200))*time.Millisecond, func() { cmd.Process.Kill() })
			}
			if name, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
				acknowledged = append(acknowledged, name)
			} else if strings.HasPrefix(lines.Text(), "ERROR") {
				t.Fatal(lines.Text())
			}
		}
		cmd.Wait()
	}
	s := open(t, dir, nil)
	for _, name := range acknowledged {
		d, err := s.Get(t.Context(), did(t, name))
		if err != nil {
			t.Errorf("%s was acknowledged and is lost: %v", name, err)
			continue
		}
		call, _, _ := strings.Cut(d.DID.Name, "/")
		want, parts := strings.Repeat(call+"\n", 2000), []string{"."}
		if d.Directory {
			parts = []string{"table.dat", "sub/table.dat"}
		}
		for _, p := range parts {
			if read(t, filepath.Join(d.Path, p)) != want {
				t.Errorf("the bytes %s of %s are not whole", p, name)
			}
		}
	}
	if err := s.Sweep(t.Context(), func(fringe.CallID) bool { return false }); err != nil {
		t.Fatal(err)
	}
	recorded := 0
	for cursor := ""; ; {
		page, next, err := s.List(t.Context(), data.Filter{Limit: 1000, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			if _, err := os.Stat(d.Path); err != nil {
				t.Errorf("the record of %s has no bytes: %v", d.DID, err)
			}
		}
		recorded += len(page)
		if cursor = next; next == "" {
			break
		}
	}
	places := 0
	for _, pattern := range []string{"owned/*", "products/*/*", "new/*"} {
		found, _ := filepath.Glob(filepath.Join(s.dir, pattern))
		places += len(found)
	}
	if places != recorded || len(acknowledged) < 20 {
		t.Errorf("%d places for %d records, %d acknowledged", places, recorded, len(acknowledged))
	}
	t.Logf("10 kills, %d acknowledged, %d recorded", len(acknowledged), recorded)
}

// BenchmarkPublish publishes a measurement set of 44 MB in 150 files, and an
// image of 16 MiB.
func BenchmarkPublish(b *testing.B) {
	dir := b.TempDir()
	st, err := store.Open(b.Context(), store.Config{Path: filepath.Join(dir, "fringe.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(b.Context(), map[string][]store.Migration{"data": data.Migrations()}); err != nil {
		b.Fatal(err)
	}
	d, err := data.New(data.Config{Store: st, Dir: filepath.Join(dir, "data"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat("x", 300_000)
	pixels := make([]float32, 4<<20)
	for what, make := range map[string]func(work string) string{
		"MS": func(work string) string {
			for i := range 150 {
				write(b, filepath.Join(work, fmt.Sprintf("out.ms/t%d/table.dat", i)), body)
			}
			write(b, filepath.Join(work, "out.ms/table.dat"), body)
			return filepath.Join(work, "out.ms")
		},
		"Image": func(work string) string { return write(b, filepath.Join(work, "i.fits"), fits(pixels...)) },
	} {
		b.Run(what, func(b *testing.B) {
			for n := range b.N {
				b.StopTimer()
				path := make(filepath.Join(dir, "work", what, fmt.Sprintf("%d-%d", b.N, n)))
				syscall.Sync()
				b.StartTimer()
				_, err := d.Publish(b.Context(), data.PublishRequest{Call: fringe.CallID(fmt.Sprintf("%s-%d-%d", what, b.N, n)), Output: "o", HostPath: path, Basename: filepath.Base(path), Directory: what == "MS"})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
