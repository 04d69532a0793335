package data_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/data"
	"fringe/store"
)

// site is a Data with its store in a directory of the test.
type site struct {
	*data.Data
	dir   string // of the data
	store *store.Store
}

func open(t testing.TB, dir string, change func(*data.Config)) site {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "fringe.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context(), map[string][]store.Migration{"data": data.Migrations()}); err != nil {
		t.Fatal(err)
	}
	cfg := data.Config{Store: s, Dir: filepath.Join(dir, "data"), Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	d, err := data.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return site{d, cfg.Dir, s}
}

func did(t testing.TB, s string) fringe.DID {
	t.Helper()
	d, err := fringe.ParseDID(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t testing.TB, path, body string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantError checks kind, component and that the words are in the sentence.
func wantError(t testing.TB, err error, kind fringe.Kind, component fringe.Component, words ...string) {
	t.Helper()
	var e *fringe.Error
	if !errors.As(err, &e) {
		t.Fatalf("err = %v (%T), want a *fringe.Error", err, err)
	}
	if e.Kind != kind || e.Component != component {
		t.Errorf("kind, component = %q, %q; want %q, %q (%v)", e.Kind, e.Component, kind, component, err)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("message = %q, want %q in it", e.Message, w)
		}
	}
}

// nothingLeft checks that a refused request left nothing behind.
func (s site) nothingLeft(t testing.TB) {
	t.Helper()
	for _, sub := range []string{"new", "owned", "spool"} {
		filepath.WalkDir(filepath.Join(s.dir, sub), func(p string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				t.Errorf("%s is left behind", p)
			}
			return nil
		})
	}
	if page, _, err := s.List(t.Context(), data.Filter{}); err != nil || len(page) != 0 {
		t.Errorf("List() = %v, %v, want nothing", page, err)
	}
}

// fits makes a FITS file of one image of 32-bit floating-point pixels.
func fits(pixels ...float32) string {
	var b bytes.Buffer
	for _, c := range []string{"SIMPLE  =                    T / a test", "BITPIX  =                  -32", "NAXIS   =                    1",
		fmt.Sprintf("NAXIS1  = %20d", len(pixels)), "END"} {
		fmt.Fprintf(&b, "%-80s", c)
	}
	b.Write(bytes.Repeat([]byte(" "), 2880-b.Len()))
	binary.Write(&b, binary.BigEndian, pixels)
	b.Write(make([]byte, 2880-4*len(pixels)%2880))
	return b.String()
}

var nan = float32(math.NaN())

func publish(s site, call, output, path string) (fringe.Dataset, error) {
	st, err := os.Stat(path)
	return s.Publish(context.Background(), data.PublishRequest{Call: fringe.CallID(call), Output: output, HostPath: path, Basename: filepath.Base(path),
		Directory: err == nil && st.IsDir(), Owner: "alice"})
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	work := filepath.Join(dir, "work")
	t.Run("File", func(t *testing.T) {
		path := write(t, filepath.Join(work, "image.fits"), fits(1, 2, nan))
		os.Chmod(path, 0o4600)
		got, err := publish(s, "C1", "image", path)
		if err != nil {
			t.Fatal(err)
		}
		if got.DID.String() != "product:C1/image" || got.Path != filepath.Join(s.dir, "products/C1/image/image.fits") || got.Size != 5760 ||
			got.MediaType != data.MediaFITS || !got.Owned || got.Call != "C1" || got.Owner != "alice" || !strings.HasPrefix(got.Checksum, "sha1$") {
			t.Errorf("Publish() = %+v", got)
		}
		if st, _ := os.Stat(got.Path); st.Mode() != 0o644 {
			t.Errorf("mode = %v, want 0644 without set-user-id", st.Mode())
		}
		again, err := s.Get(t.Context(), got.DID)
		got.Created = got.Created.Truncate(time.Microsecond)
		if err != nil || again != got {
			t.Errorf("Get() = %+v, %v, want %+v", again, err, got)
		}
		_, err = publish(s, "C1", "image", path)
		wantError(t, err, fringe.Conflict, fringe.Data, "product:C1/image")
	})
	t.Run("DirectoryWithOverlap", func(t *testing.T) {
		inner := write(t, filepath.Join(work, "out.ms/table.dat"), "x")
		write(t, filepath.Join(work, "out.ms/table.info"), "Type = Measurement Set\nSubType = \n")
		write(t, filepath.Join(work, "out.ms/sub/data"), "12345")
		os.Symlink("sub/data", filepath.Join(work, "out.ms/link"))
		for _, o := range []struct{ output, path string }{{"file", inner}, {"dir", filepath.Join(work, "out.ms")}, {"same/0", inner}, {"same/1", filepath.Join(work, "out.ms/sub")}} {
			if _, err := publish(s, "C2", o.output, o.path); err != nil {
				t.Errorf("Publish(%s) = %v", o.output, err)
			}
		}
		got, err := s.Get(t.Context(), did(t, "product:C2/dir"))
		if err != nil || got.Size != 1+34+5 || got.MediaType != data.MediaMeasurementSet || !got.Directory || read(t, filepath.Join(got.Path, "link")) != "12345" {
			t.Errorf("Get() = %+v, %v", got, err)
		}
		if got, err = s.Get(t.Context(), did(t, "product:C2/same/1")); err != nil || got.Path != filepath.Join(s.dir, "products/C2/same,1/sub") {
			t.Errorf("Get(same/1) = %+v, %v", got, err)
		}
	})
	t.Run("BytesOfOthersAreCopied", func(t *testing.T) {
		original := write(t, filepath.Join(dir, "users.txt"), "original")
		os.Link(original, filepath.Join(work, "linked.txt"))
		got, err := publish(s, "C3", "o", filepath.Join(work, "linked.txt"))
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(original, []byte("changed!"), 0o644)
		if read(t, got.Path) != "original" {
			t.Error("a change of the file that was linked changed the product")
		}
	})
	t.Run("LinkToASibling", func(t *testing.T) {
		os.Symlink("image.fits", filepath.Join(work, "latest.fits"))
		got, err := publish(s, "C4", "o", filepath.Join(work, "latest.fits"))
		if st, e := os.Lstat(got.Path); err != nil || e != nil || !st.Mode().IsRegular() || got.Basename != "latest.fits" {
			t.Errorf("Publish(link) = %+v, %v; %v", got, err, e)
		}
	})
	t.Run("OrphanOfACrash", func(t *testing.T) {
		write(t, filepath.Join(s.dir, "products/C5/o/old"), "old")
		got, err := publish(s, "C5", "o", write(t, filepath.Join(work, "n.txt"), "new"))
		if err != nil || read(t, got.Path) != "new" {
			t.Fatal(got, err)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "products/C5/o/old")); err == nil {
			t.Error("what a crash left is part of the product")
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	work := filepath.Join(dir, "work")
	secret := write(t, filepath.Join(dir, "secret"), "secret")
	os.MkdirAll(work, 0o755)
	os.Symlink(secret, filepath.Join(work, "out.txt"))
	os.Symlink("../secret", filepath.Join(work, "rel.txt"))
	os.Symlink("loop", filepath.Join(work, "loop"))
	os.Symlink("nothing", filepath.Join(work, "dangling"))
	write(t, filepath.Join(work, "links/a"), "a")
	os.Symlink("../../secret", filepath.Join(work, "links/out"))
	write(t, filepath.Join(work, "pipes/a"), "a")
	unix.Mkfifo(filepath.Join(work, "pipes/pipe"), 0o600)
	unix.Mkfifo(filepath.Join(work, "pipe"), 0o600)
	write(t, filepath.Join(work, "bad.ms/data"), "x")
	write(t, filepath.Join(work, "empty.ms/table.dat"), "")
	header := fits(1)[:2880]
	for _, c := range []struct{ name, body, word string }{
		{"missing.fits", "-", "left no missing.fits"},
		{"empty.fits", "", "empty file"},
		{"nan.fits", fits(nan, nan, float32(math.Inf(1))), "all of its 3 pixels are NaN"},
		{"cut.fits", header, "cut short"},
		{"noend.fits", strings.Replace(header, "END", "XXX", 1), "END card"},
		{"nohdr.fits", strings.Repeat("x", 5760), "does not begin with SIMPLE"},
		{"half.fits", header[:1000], "END card"},
		{"bitpix.fits", strings.Replace(header, "-32", " 17", 1), "BITPIX is 17"},
		{"huge.fits", strings.Replace(header, "                   1\x20", " 999999999999999999\x20", 1), ""},
		{"negative.fits", strings.Replace(header, "NAXIS1  =                    1", "NAXIS1  =                   -1", 1), "NAXIS1"},
		{"disguised.dat", fits(nan), "NaN"},
		{"out.txt", "-", "leads out"},
		{"rel.txt", "-", "leads out"},
		{"loop", "-", "loop"},
		{"dangling", "-", "left no dangling: it is a link to nothing"},
		{"links", "-", "leads out"},
		{"pipes", "-", "a named pipe"},
		{"pipe", "-", "a named pipe"},
		{"bad.ms", "-", "no table.dat"},
		{"empty.ms", "-", "table.dat is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(work, c.name)
			if c.body != "-" {
				write(t, path, c.body)
			}
			_, err := publish(s, "C", "thing", path)
			wantError(t, err, fringe.Failed, fringe.Collect, "output thing: ", c.word)
		})
	}
	_, err := s.Publish(t.Context(), data.PublishRequest{Call: "C", Output: "o", HostPath: secret, Basename: "../x"})
	wantError(t, err, fringe.Failed, fringe.Collect, "not a file name")
	_, err = s.Publish(t.Context(), data.PublishRequest{Call: "../x", Output: "o", HostPath: secret, Basename: "x"})
	wantError(t, err, fringe.Invalid, fringe.Data, "not the id of a call")
	_, err = s.Publish(t.Context(), data.PublishRequest{Call: "C", Output: "../../x", HostPath: secret, Basename: "x"})
	wantError(t, err, fringe.Failed, fringe.Collect, "'..' part")
	_, err = s.Publish(t.Context(), data.PublishRequest{Call: "C", Output: "o", HostPath: work, Basename: "x"})
	wantError(t, err, fringe.Failed, fringe.Collect, "a directory; the interface says a file")
	s.nothingLeft(t)
	if found, _ := filepath.Glob(filepath.Join(s.dir, "products/*/*")); len(found) > 0 {
		t.Errorf("refused products are left: %v", found)
	}
}

// What an instance may still change is read without following its links out.
func TestPublishWhatMayChange(t *testing.T) {
	d := open(t, t.TempDir(), nil)
	within, outside := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(outside, "secret"), filepath.Join(within, "own")} {
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"out": outside, "in": "."} {
		if err := os.Symlink(target, filepath.Join(within, name)); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := d.Publish(t.Context(), data.PublishRequest{Call: "C", Output: "a", HostPath: filepath.Join(within, "out", "secret"), Within: within, Basename: "a"}); err == nil {
		t.Errorf("Publish() through a link that leads out = %+v", s)
	}
	if _, err := d.Publish(t.Context(), data.PublishRequest{Call: "C", Output: "b", HostPath: filepath.Join(within, "in", "own"), Within: within, Basename: "b"}); err != nil {
		t.Errorf("Publish() through a link that stays inside = %v", err)
	}
	// A product does not change with what the instance keeps open.
	open, err := os.Create(filepath.Join(within, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	open.WriteString("published")
	s, err := d.Publish(t.Context(), data.PublishRequest{Call: "C", Output: "c", HostPath: open.Name(), Within: within, Basename: "c"})
	if err != nil {
		t.Fatal(err)
	}
	open.WriteString(" and more")
	if got := read(t, s.Path); got != "published" {
		t.Errorf("the product has become %q", got)
	}
}

func TestAddByReference(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	path := write(t, filepath.Join(dir, "in/a b.txt"), "hello")
	os.Symlink(path, filepath.Join(dir, "in/link.txt"))
	unix.Mkfifo(filepath.Join(dir, "in/pipe"), 0o600)
	add := func(name, path string) (fringe.Dataset, error) {
		return s.Add(t.Context(), data.AddRequest{DID: did(t, name), Path: path, Owner: "alice"})
	}
	got, err := add("user:a", path)
	if err != nil || got.Path != path || got.Owned || got.Size != 5 || got.Basename != "a b.txt" || got.MediaType != "text/plain" {
		t.Fatalf("Add() = %+v, %v", got, err)
	}
	if got, err := add("user:a", path); err != nil || got.Path != path {
		t.Errorf("Add of the same again = %+v, %v", got, err)
	}
	if got, err := add("user:link", filepath.Join(dir, "in/link.txt")); err != nil || got.Path != path || got.Basename != "link.txt" {
		t.Errorf("Add(link) = %+v, %v", got, err)
	}
	if got, err := add("user:dir", filepath.Join(dir, "in/")); err != nil || !got.Directory || got.Basename != "in" || got.Size != 5 {
		t.Errorf("Add(directory) = %+v, %v", got, err)
	}
	for _, c := range []struct {
		name, path string
		kind       fringe.Kind
		word       string
	}{
		{"user:a", filepath.Join(dir, "fringe.db"), fringe.Conflict, "already"},
		{"user:x", "in/a", fringe.Invalid, "not absolute"},
		{"user:x", filepath.Join(dir, "nothing"), fringe.NotFound, "there is no file"},
		{"user:x", "/dev/null", fringe.Invalid, "a device"},
		{"user:x", filepath.Join(dir, "in/pipe"), fringe.Invalid, "a named pipe"},
		{"user:x", filepath.Join(s.dir, "owned"), fringe.Invalid, "own data"},
		{"user:x", "/", fringe.Invalid, ""},
		{"product:x", path, fringe.Invalid, "kept for"},
		{"cache:x", path, fringe.Invalid, "kept for"},
	} {
		if c.path == "/" {
			continue // the whole machine would be walked
		}
		_, err := add(c.name, c.path)
		wantError(t, err, c.kind, fringe.Data, c.word)
	}
	if err := s.Remove(t.Context(), did(t, "user:a")); err != nil {
		t.Fatal(err)
	}
	if read(t, path) != "hello" {
		t.Error("Remove of a reference changed the file")
	}
	os.Remove(path)
	_, err = s.Open(t.Context(), did(t, "user:link"))
	wantError(t, err, fringe.NotFound, fringe.Data, "not at their place")
}

func TestAddOfContent(t *testing.T) {
	s := open(t, t.TempDir(), func(c *data.Config) { c.Bytes = 1 << 20 })
	got, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:deep/a.json"), Source: strings.NewReader(`{"a": 1}`), Owner: "bob"})
	if err != nil || got.Basename != "a.json" || got.MediaType != "application/json" || !got.Owned || got.Checksum != "sha1$e4ad4daad53a2eec0313386ada88211e50d693bd" || got.Size != 8 {
		t.Fatalf("Add() = %+v, %v", got, err)
	}
	c, err := s.Open(t.Context(), got.DID)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(c)
	if string(b) != `{"a": 1}` || c.Size != 8 || c.ETag == "" || c.Name != "a.json" {
		t.Errorf("Open() = %q, %+v", b, c)
	}
	c.Close()
	if err := s.Remove(t.Context(), got.DID); err != nil {
		t.Fatal(err)
	}
	_, err = s.Add(t.Context(), data.AddRequest{DID: did(t, "user:big"), Source: io.LimitReader(zeros{}, 1<<20+1)})
	wantError(t, err, fringe.TooLarge, fringe.Data, "1048576")
	_, err = s.Add(t.Context(), data.AddRequest{DID: did(t, "user:cut"), Source: io.MultiReader(strings.NewReader("x"), broken{})})
	wantError(t, err, fringe.Invalid, fringe.Data, "did not arrive whole")
	_, err = s.Add(t.Context(), data.AddRequest{DID: did(t, "user:both"), Source: zeros{}, URL: "http://x/"})
	wantError(t, err, fringe.Invalid, fringe.Data, "one of")
	_, err = s.Add(t.Context(), data.AddRequest{DID: fringe.DID{Scope: "a", Name: "../b"}, Source: zeros{}})
	wantError(t, err, fringe.Invalid, fringe.Data, "..")
	_, err = s.Add(t.Context(), data.AddRequest{DID: did(t, "user:n"), Source: zeros{}, Basename: "a/b"})
	wantError(t, err, fringe.Invalid, fringe.Data, "not a file name")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = s.Add(ctx, data.AddRequest{DID: did(t, "user:c"), Source: zeros{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Add with an ended context = %v", err)
	}
	s.nothingLeft(t)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func tarOf(headers ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		h.Mode = 0o6777
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		w.Write(bytes.Repeat([]byte("x"), int(min(h.Size, 1<<16))))
	}
	w.Flush()
	return append(b.Bytes(), make([]byte, 1024)...)
}

func TestTarAttacks(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), "secret")
	s := open(t, dir, func(c *data.Config) { c.Bytes, c.Entries = 1<<20, 50 })
	many := make([]tar.Header, 60)
	for i := range many {
		many[i] = tar.Header{Name: fmt.Sprint("f", i)}
	}
	up := strings.Repeat("../", 30) + strings.TrimPrefix(secret, "/")
	for name, c := range map[string]struct {
		body []byte
		kind fringe.Kind
	}{
		"empty":                  {nil, fringe.Invalid},
		"not a tar":              {bytes.Repeat([]byte("no"), 4000), fringe.Invalid},
		"cut":                    {tarOf(tar.Header{Name: "a", Size: 40000})[:20000], fringe.Invalid},
		"parent":                 {tarOf(tar.Header{Name: "../a"}), fringe.Invalid},
		"inner parent":           {tarOf(tar.Header{Name: "a/../../b"}), fringe.Invalid},
		"absolute":               {tarOf(tar.Header{Name: "/etc/a"}), fringe.Invalid},
		"absolute link":          {tarOf(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: secret}), fringe.Invalid},
		"link out":               {tarOf(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: up}), fringe.Invalid},
		"link over link":         {tarOf(tar.Header{Name: "d/a", Typeflag: tar.TypeSymlink, Linkname: "."}, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "d/a/../../secret"}), fringe.Invalid},
		"write through link":     {tarOf(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../.."}, tar.Header{Name: "l/owned"}), fringe.Invalid},
		"hard link out":          {tarOf(tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: up}), fringe.Invalid},
		"absolute hard link":     {tarOf(tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: secret}), fringe.Invalid},
		"hard link to nothing":   {tarOf(tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "nothing"}), fringe.Invalid},
		"device":                 {tarOf(tar.Header{Name: "d", Typeflag: tar.TypeBlock, Devmajor: 8}), fringe.Invalid},
		"character device":       {tarOf(tar.Header{Name: "d", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}), fringe.Invalid},
		"pipe":                   {tarOf(tar.Header{Name: "d", Typeflag: tar.TypeFifo}), fringe.Invalid},
		"twice":                  {tarOf(tar.Header{Name: "a"}, tar.Header{Name: "a"}), fringe.Invalid},
		"file as directory":      {tarOf(tar.Header{Name: "a"}, tar.Header{Name: "a/b"}), fringe.Invalid},
		"many":                   {tarOf(many...), fringe.TooLarge},
		"large claim":            {tarOf(tar.Header{Name: "a", Size: 1 << 40}), fringe.TooLarge},
		"sum too large":          {tarOf(tar.Header{Name: "a", Size: 1 << 16}, tar.Header{Name: "b", Size: 1<<20 - 100}), fringe.TooLarge},
		"sparse, small and huge": {sparseTar(1 << 19), fringe.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:x"), Source: bytes.NewReader(c.body), Directory: true})
			wantError(t, err, c.kind, fringe.Data)
			s.nothingLeft(t)
			if read(t, secret) != "secret" {
				t.Fatal("the archive changed a file outside")
			}
		})
	}
}

// sparseTar makes an archive with one file in PAX's sparse format: a map that
// is a single hole of size bytes.
func sparseTar(size int64) []byte {
	record := func(k, v string) string {
		n := len(k) + len(v) + 3
		for len(fmt.Sprint(n))+len(k)+len(v)+3 != n {
			n++
		}
		return fmt.Sprintf("%d %s=%s\n", n, k, v)
	}
	pax := record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "hole") + record("GNU.sparse.realsize", fmt.Sprint(size))
	body := fmt.Sprintf("1\n%d\n0\n", size)
	return append(append(tarBlock("p", 'x', pax), tarBlock("hole", '0', body+strings.Repeat("\x00", 512-len(body)))...), make([]byte, 1024)...)
}

// tarBlock makes a raw entry.
func tarBlock(name string, flag byte, body string) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00", len(body)))
	copy(h[136:], "00000000000\x00        ")
	h[156] = flag
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(h, append([]byte(body), make([]byte, (512-len(body)%512)%512)...)...)
}

func TestTarRoundTrip(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	ms := filepath.Join(dir, "m87.ms")
	write(t, filepath.Join(ms, "table.dat"), "table")
	write(t, filepath.Join(ms, "table.info"), "Type = Measurement Set\n")
	write(t, filepath.Join(ms, "ANTENNA/table.dat"), strings.Repeat("a", 100_000))
	os.Symlink("ANTENNA", filepath.Join(ms, "ANT"))
	if _, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:m87"), Path: ms}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.WriteTar(t.Context(), did(t, "user:m87"), &b); err != nil {
		t.Fatal(err)
	}
	got, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:copy"), Source: &b, Directory: true})
	if err != nil || got.Basename != "m87.ms" || got.MediaType != data.MediaMeasurementSet || !got.Directory {
		t.Fatalf("Add(tar) = %+v, %v", got, err)
	}
	outside := write(t, filepath.Join(dir, "outside/kept"), "kept")
	os.Symlink(filepath.Dir(outside), filepath.Join(got.Path, "evil"))
	wantError(t, s.WriteTar(t.Context(), got.DID, io.Discard), fringe.Invalid, fringe.Data, "evil")
	if err := s.Remove(t.Context(), got.DID); err != nil {
		t.Fatal(err)
	}
	if read(t, outside) != "kept" {
		t.Error("Remove followed a link")
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "owned/*")); len(left) != 0 {
		t.Errorf("Remove left %v", left)
	}
}

func TestSpool(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	path, err := s.Spool(t.Context(), "C1", "0/a.fits", strings.NewReader("bytes"), 5)
	if err != nil || read(t, path) != "bytes" || filepath.Base(path) != "a.fits" {
		t.Fatal(path, err)
	}
	if other, err := s.Spool(t.Context(), "C1", "1/a.fits", strings.NewReader("other"), 0); err != nil || other == path {
		t.Error(other, err)
	}
	_, err = s.Spool(t.Context(), "C1", "0/a.fits", strings.NewReader("x"), 0)
	wantError(t, err, fringe.Conflict, fringe.Data, "two files")
	_, err = s.Spool(t.Context(), "C1", "2/b", strings.NewReader("123456"), 5)
	wantError(t, err, fringe.TooLarge, fringe.Data, "5 bytes")
	for _, name := range []string{"", ".", "..", "../x", "/etc/x", "a/../../b", "0/..", "x\x00y", "0/a\nb", strings.Repeat("n", 300)} {
		_, err := s.Spool(t.Context(), "C1", name, strings.NewReader("x"), 0)
		wantError(t, err, fringe.Invalid, fringe.Data, "file name")
	}
	_, err = s.Spool(t.Context(), "../C1", "a", strings.NewReader("x"), 0)
	wantError(t, err, fringe.Invalid, fringe.Data, "../C1")
	for range 2 {
		if err := s.Release("C1"); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, s.Release(".."), fringe.Invalid, fringe.Data)
	s.nothingLeft(t)
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	kept, err := publish(s, "C1", "a", write(t, filepath.Join(dir, "w/a.txt"), "a"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:o"), Source: strings.NewReader("o")})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "products/C1/b/x"), "x")
	write(t, filepath.Join(s.dir, "owned/123/x"), "x")
	write(t, filepath.Join(s.dir, "new/123/x"), "x")
	live, _ := s.Spool(t.Context(), "LIVE", "a", strings.NewReader("x"), 0)
	s.Spool(t.Context(), "DEAD", "a", strings.NewReader("x"), 0)
	again, err := data.New(data.Config{Store: s.store, Dir: s.dir})
	if err != nil {
		t.Fatal(err)
	}
	late, err := again.Spool(t.Context(), "LATE", "a", strings.NewReader("x"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Sweep(t.Context(), func(id fringe.CallID) bool { return id == "LIVE" }); err != nil {
		t.Fatal(err)
	}
	var left []string
	filepath.WalkDir(s.dir, func(p string, e os.DirEntry, err error) error {
		if !e.IsDir() {
			left = append(left, p)
		}
		return err
	})
	want := []string{kept.Path, own.Path, live, late}
	slices.Sort(want)
	slices.Sort(left)
	if !slices.Equal(left, want) {
		t.Errorf("after Sweep: %v, want %v", left, want)
	}
}

func TestTheSiteCanBeMoved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "old"+mkdir(t, dir, "old")), nil)
	got, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:o"), Source: strings.NewReader("bytes")})
	if err != nil {
		t.Fatal(err)
	}
	s.store.Close()
	if err := os.Rename(filepath.Join(dir, "old"), filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	moved := open(t, filepath.Join(dir, "new"), nil)
	again, err := moved.Resolve(t.Context(), got.DID.String(), fringe.Principal{Name: "a", Role: fringe.Caller})
	if err != nil || read(t, again.Path) != "bytes" {
		t.Errorf("Resolve() = %+v, %v", again, err)
	}
}

func mkdir(t *testing.T, parts ...string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(parts...), 0o755); err != nil {
		t.Fatal(err)
	}
	return ""
}

// TestDiskFull fills a small file system.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a small tmpfs and needs root: run the tests as root")
	}
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(small, unix.MNT_DETACH) })
	dir := t.TempDir()
	s := open(t, dir, func(c *data.Config) { c.Dir = small })
	_, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:a"), Source: io.LimitReader(zeros{}, 4<<20)})
	wantError(t, err, fringe.Unavailable, fringe.Data, "no space is left")
	_, err = s.Spool(t.Context(), "C", "a", io.LimitReader(zeros{}, 4<<20), 0)
	wantError(t, err, fringe.Unavailable, fringe.Data, "no space is left")
	_, err = publish(s, "C", "a", write(t, filepath.Join(dir, "big.bin"), strings.Repeat("x", 4<<20)))
	wantError(t, err, fringe.Unavailable, fringe.Data, "no space is left")
	_, err = s.Add(t.Context(), data.AddRequest{DID: did(t, "user:t"), Source: bytes.NewReader(tarOf(bigFiles(60)...)), Directory: true})
	wantError(t, err, fringe.Unavailable, fringe.Data)
	s.nothingLeft(t)
	if _, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:a"), Source: io.LimitReader(zeros{}, 1<<20)}); err != nil {
		t.Errorf("Add after the disk was full = %v", err)
	}
}

func bigFiles(n int) (h []tar.Header) {
	for i := range n {
		h = append(h, tar.Header{Name: fmt.Sprint("f", i), Size: 1 << 16})
	}
	return h
}

func TestListPages(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	path := write(t, filepath.Join(s.dir, "../x.txt"), "x")
	for i := range 25 {
		for _, scope := range []string{"ali", "alice"} {
			if _, err := s.Add(t.Context(), data.AddRequest{DID: did(t, fmt.Sprintf("%s:n%02d", scope, i)), Path: path, Owner: []string{"x", "y"}[i%2]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		f    data.Filter
		want int
	}{{data.Filter{Limit: 7}, 50}, {data.Filter{Scope: "ali", Limit: 7}, 25}, {data.Filter{Prefix: "alice:n1", Limit: 3}, 10}, {data.Filter{Prefix: "ali", Owner: "x", Limit: 7}, 26}, {data.Filter{Prefix: "zzz"}, 0}} {
		var all []string
		f := c.f
		for {
			page, next, err := s.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range page {
				all = append(all, d.DID.String())
			}
			if next == "" {
				break
			}
			f.Cursor = next
		}
		if len(all) != c.want || !slices.IsSorted(all) || len(slices.Compact(all)) != c.want {
			t.Errorf("List(%+v) = %d datasets, want %d in order", c.f, len(all), c.want)
		}
	}
}

func TestConcurrentCallersOfOneName(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	var mu sync.Mutex
	won := 0
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			_, err := s.Add(t.Context(), data.AddRequest{DID: did(t, "user:one"), Source: strings.NewReader(fmt.Sprint(i))})
			if err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			} else if fringe.KindOf(err) != fringe.Conflict {
				t.Error(err)
			}
			path := filepath.Join(dir, fmt.Sprintf("w%d/o.txt", i))
			write(t, path, fmt.Sprint(i))
			if _, err := publish(s, "C", "o", path); err != nil && fringe.KindOf(err) != fringe.Conflict {
				t.Error(err)
			}
			if _, err := publish(s, "C", fmt.Sprintf("many/%d", i), path); err != nil {
				t.Error(err)
			}
			if err := s.Sweep(t.Context(), func(fringe.CallID) bool { return true }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d Adds of one name succeeded, want 1", won)
	}
	page, _, _ := s.List(t.Context(), data.Filter{})
	if len(page) != 18 {
		t.Errorf("%d datasets, want 18", len(page))
	}
	for _, d := range page {
		if _, err := os.Stat(d.Path); err != nil {
			t.Errorf("the bytes of %s: %v", d.DID, err)
		}
	}
}

// BenchmarkTenThousand looks at pages and names among 10,000 datasets and
// reports the 99th percentiles.
func BenchmarkTenThousand(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	path := write(b, filepath.Join(s.dir, "../x.txt"), "x")
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			for i := range 200 {
				if _, err := s.Add(context.Background(), data.AddRequest{DID: fringe.DID{Scope: "user", Name: fmt.Sprintf("n%05d", w*200+i)}, Path: path, Owner: "x"}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	ctx := context.Background()
	for name, do := range map[string]func(int) error{
		"List": func(i int) error {
			_, _, err := s.List(ctx, data.Filter{Cursor: fmt.Sprintf("user:n%05d", i%10000), Owner: "x"})
			return err
		},
		"Get": func(i int) error {
			_, err := s.Get(ctx, fringe.DID{Scope: "user", Name: fmt.Sprintf("n%05d", i%10000)})
			return err
		},
		"Suggest": func(i int) error {
			s.Get(ctx, fringe.DID{Scope: "user", Name: fmt.Sprintf("m%05d", i%10000)})
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			times := make([]time.Duration, 0, b.N)
			for i := range b.N {
				start := time.Now()
				if err := do(i * 7919); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
		})
	}
}
