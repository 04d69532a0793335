package data_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fringe"
	"fringe/data"
)

var (
	operator = fringe.Principal{Name: "op", Role: fringe.Operator}
	caller   = fringe.Principal{Name: "alice", Role: fringe.Caller}
	watcher  = fringe.Principal{Name: "eve", Role: fringe.Reader}
)

func TestResolvePaths(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "archive")
	inside := write(t, filepath.Join(root, "m 87#1.fits"), fits(1))
	secret := write(t, filepath.Join(dir, "secret/key"), "key")
	os.Symlink(secret, filepath.Join(root, "leak"))
	os.Symlink("m 87#1.fits", filepath.Join(root, "good"))
	os.Symlink(filepath.Dir(secret), filepath.Join(root, "leakdir"))
	s := open(t, dir, func(c *data.Config) { c.Roots = []string{root}; c.Dir = filepath.Join(root, "fringe-data") })
	own := write(t, filepath.Join(s.dir, "owned/1/x"), "x")
	fileURL := (&url.URL{Scheme: "file", Path: inside}).String()
	for _, c := range []struct {
		location string
		p        fringe.Principal
		kind     fringe.Kind // empty: it resolves
		word     string
	}{
		{inside, caller, "", ""},
		{fileURL, caller, "", ""},
		{"file://localhost" + strings.TrimPrefix(fileURL, "file://"), caller, "", ""},
		{filepath.Join(root, "good"), caller, "", ""},
		{secret, operator, "", ""},
		{root, caller, "", ""},
		{inside, watcher, fringe.Denied, "may not be named"},
		{inside, fringe.Principal{}, fringe.Denied, "may not be named"},
		{secret, caller, fringe.Denied, "may not be named"},
		{filepath.Join(dir, "nothing"), caller, fringe.Denied, "may not be named"},
		{filepath.Join(root, "leak"), caller, fringe.Denied, "may not be named"},
		{filepath.Join(root, "leakdir/key"), caller, fringe.Denied, "may not be named"},
		{root + "/../secret/key", caller, fringe.Denied, "may not be named"},
		{root + "x/y", caller, fringe.Denied, "may not be named"},
		{own, caller, fringe.Denied, "may not be named"},
		{filepath.Join(root, "nothing"), caller, fringe.NotFound, "there is no file"},
		{filepath.Join(dir, "nothing"), operator, fringe.NotFound, "there is no file"},
		{"/dev/zero", operator, fringe.Invalid, "a device"},
		{"file:relative", operator, fringe.Invalid, "file: URL"},
		{"file://elsewhere/x", operator, fringe.Invalid, "elsewhere"},
		{"file:///a?b", operator, fringe.Invalid, "'?'"},
		{"file:///a#b", operator, fringe.Invalid, "'#'"},
		{"file:///%zz", operator, fringe.Invalid, "file: URL"},
		{"/a\x00b", operator, fringe.Invalid, "NUL"},
		{"file:///a%00b", operator, fringe.Invalid, "NUL"},
		{"s3://bucket/x", operator, fringe.Invalid, "s3:"},
		{"rucio:scope:name", operator, fringe.Invalid, "rucio:"},
		{"m87.uvfits", operator, fringe.Invalid, "scope:name"},
		{"", operator, fringe.Invalid, ""},
	} {
		got, err := s.Resolve(t.Context(), c.location, c.p)
		if c.kind != "" {
			wantError(t, err, c.kind, fringe.Data, c.word)
		} else if err != nil || !filepath.IsAbs(got.Path) || got.DID != (fringe.DID{}) {
			t.Errorf("Resolve(%q) for %s = %+v, %v", c.location, c.p.Role, got, err)
		}
	}
}

func TestResolveDatasets(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	path := write(t, filepath.Join(dir, "m87.fits"), fits(1))
	for _, name := range []string{"user:m87.uvfits", "user:m31.uvfits", "eht:m87"} {
		if _, err := s.Add(t.Context(), data.AddRequest{DID: did(t, name), Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(path, []byte("longer than it was? no: shorter"), 0o644)
	got, err := s.Resolve(t.Context(), "eht:m87", caller)
	if err != nil || got.Path != path || got.Size != 31 {
		t.Errorf("Resolve() = %+v, %v; want the size that the file has", got, err)
	}
	_, err = s.Resolve(t.Context(), "user:m87.uvfit", caller)
	wantError(t, err, fringe.NotFound, fringe.Data, "there is no dataset user:m87.uvfit", "did you mean user:m87.uvfits or user:m31.uvfits?")
	_, err = s.Resolve(t.Context(), "user:m87", caller)
	wantError(t, err, fringe.NotFound, fringe.Data, "eht:m87")
	os.Remove(path)
	_, err = s.Resolve(t.Context(), "eht:m87", caller)
	wantError(t, err, fringe.NotFound, fringe.Data, "not at their place")
}

// web serves files as an archive does.
type web struct {
	mu       sync.Mutex // guards body and tag
	body     string
	tag      string
	requests atomic.Int64
	sent     atomic.Int64 // answers with content
}

func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.requests.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch r.URL.Path {
	case "/loop":
		http.Redirect(rw, r, "/loop", http.StatusFound)
	case "/metadata":
		http.Redirect(rw, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
	case "/file":
		http.Redirect(rw, r, "file:///etc/passwd", http.StatusFound)
	case "/moved":
		http.Redirect(rw, r, "/m87.fits", http.StatusFound)
	case "/named":
		rw.Header().Set("Content-Disposition", `attachment; filename="../../etc/evil.fits"`)
		rw.Write([]byte(w.body))
	case "/m87.fits", "/plain":
		if w.tag != "" && r.URL.Path != "/plain" {
			rw.Header().Set("ETag", w.tag)
			if r.Header.Get("If-None-Match") == w.tag {
				rw.WriteHeader(http.StatusNotModified)
				return
			}
		}
		w.sent.Add(1)
		rw.Write([]byte(w.body))
	case "/cut":
		rw.Header().Set("Content-Length", "1000")
		rw.Write([]byte("cut"))
	case "/claims":
		rw.Header().Set("Content-Length", "1099511627776")
		rw.WriteHeader(http.StatusOK)
	case "/hangs":
		rw.Header().Set("Content-Length", "1000")
		rw.Write([]byte("x"))
		http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	case "/endless":
		for r.Context().Err() == nil {
			if _, err := rw.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	case "/busy":
		rw.Header().Set("Retry-After", "7")
		rw.WriteHeader(http.StatusTooManyRequests)
	case "/login":
		rw.WriteHeader(http.StatusUnauthorized)
	case "/broken":
		rw.WriteHeader(http.StatusBadGateway)
	case "/dir.tar":
		rw.Write(tarOf())
	default:
		http.NotFound(rw, r)
	}
}

func (w *web) set(body, tag string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.body, w.tag = body, tag
}

func TestResolveURL(t *testing.T) {
	w := &web{body: fits(1), tag: `"one"`}
	server := httptest.NewServer(w)
	defer server.Close()
	s := open(t, t.TempDir(), nil)
	first, err := s.Resolve(t.Context(), server.URL+"/m87.fits", caller)
	if err != nil || first.Basename != "m87.fits" || read(t, first.Path) != fits(1) || first.DID.Scope != "cache" || first.Owner != "alice" {
		t.Fatalf("Resolve() = %+v, %v", first, err)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			again, err := s.Resolve(context.Background(), server.URL+"/m87.fits#x", caller)
			if err != nil || again.DID != first.DID {
				t.Errorf("Resolve() = %+v, %v", again, err)
			}
		})
	}
	wg.Wait()
	if n := w.sent.Load(); n != 1 {
		t.Errorf("the content was sent %d times, want once", n)
	}
	w.set(fits(2), `"two"`)
	second, err := s.Resolve(t.Context(), server.URL+"/m87.fits", caller)
	if err != nil || second.DID == first.DID || read(t, second.Path) != fits(2) || read(t, first.Path) != fits(1) {
		t.Errorf("after a change: %+v, %v; the former copy must stay", second, err)
	}
	w.set(fits(3), "")
	plain, err := s.Resolve(t.Context(), server.URL+"/plain", caller)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Resolve(t.Context(), server.URL+"/plain", caller); err != nil || again.DID != plain.DID {
		t.Errorf("the same content without validators: %+v, %v", again, err)
	}
	if err := s.Remove(t.Context(), second.DID); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Resolve(t.Context(), server.URL+"/m87.fits", caller); err != nil || read(t, got.Path) != fits(3) {
		t.Errorf("after Remove of the copy: %+v, %v", got, err)
	}
	os.RemoveAll(filepath.Dir(plain.Path))
	if got, err := s.Resolve(t.Context(), server.URL+"/plain", caller); err != nil || read(t, got.Path) != fits(3) {
		t.Errorf("after the bytes of the copy are lost: %+v, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "new/*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAddURL(t *testing.T) {
	w := &web{body: fits(1)}
	server := httptest.NewServer(w)
	defer server.Close()
	s := open(t, t.TempDir(), func(c *data.Config) { c.Bytes = 1 << 20; c.Fetch.Idle = 300 * time.Millisecond })
	add := func(path string) (fringe.Dataset, error) {
		return s.Add(t.Context(), data.AddRequest{DID: did(t, "user:x"), URL: path, Owner: "alice"})
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, c := range []struct {
		url  string
		kind fringe.Kind
		word string
	}{
		{server.URL + "/loop", fringe.Invalid, "redirects more than 5 times"},
		{server.URL + "/metadata", fringe.Denied, "169.254.169.254"},
		{server.URL + "/file", fringe.Invalid, "not a web address"},
		{server.URL + "/nothing", fringe.NotFound, "404"},
		{server.URL + "/cut", fringe.Invalid, "did not arrive whole"},
		{server.URL + "/claims", fringe.TooLarge, "1099511627776"},
		{server.URL + "/endless", fringe.TooLarge, "1048576"},
		{server.URL + "/hangs", fringe.Invalid, "did not arrive whole"},
		{server.URL + "/busy", fringe.Busy, "429"},
		{server.URL + "/login", fringe.Denied, "401"},
		{server.URL + "/broken", fringe.Unavailable, "502"},
		{"http://" + closed.Addr().String() + "/", fringe.Unavailable, "cannot be reached"},
		{"http://169.254.169.254/x", fringe.Denied, "169.254.169.254"},
		{"http://[fe80::1%25lo]/x", fringe.Denied, "fe80::1"},
		{"http://[::ffff:169.254.169.254]/x", fringe.Denied, "169.254.169.254"},
		{"http://[64:ff9b::a9fe:a9fe]/x", fringe.Denied, "169.254.169.254"},
		{"http://[fd00:ec2::254]/x", fringe.Denied, "fd00:ec2::254"},
		{"http://0.0.0.0/x", fringe.Denied, "0.0.0.0"},
		{"http://2852039166/x", fringe.Unavailable, ""}, // 169.254.169.254 as one number is no address to us
		{"ftp://host/x", fringe.Invalid, "not a web address"},
		{"http:///x", fringe.Invalid, "names no host"},
		{"http://user:secret@host/x", fringe.Invalid, "user name or password"},
		{"http://bad host/", fringe.Invalid, "not a web address"},
	} {
		_, err := add(c.url)
		if c.word == "" && fringe.KindOf(err) == fringe.Denied {
			continue // resolvers that read numbers as addresses meet the guard
		}
		wantError(t, err, c.kind, fringe.Data, c.word)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is in the error: %v", err)
		}
	}
	s.nothingLeft(t)
	for path, base := range map[string]string{"/named": "evil.fits", "/moved": "moved"} {
		got, err := add(server.URL + path)
		if err != nil || got.Basename != base || got.MediaType != data.MediaFITS || !got.Owned {
			t.Errorf("Add(%s) = %+v, %v", path, got, err)
		}
		if err := s.Remove(t.Context(), got.DID); err != nil {
			t.Fatal(err)
		}
	}
	var e *fringe.Error
	if _, err := add(server.URL + "/busy"); !errors.As(err, &e) || e.RetryAfter != 7*time.Second {
		t.Errorf("RetryAfter of %v = %v, want 7 s", err, e.RetryAfter)
	}
	private := open(t, t.TempDir(), func(c *data.Config) { c.Fetch.RefusePrivate = true })
	_, err = private.Add(t.Context(), data.AddRequest{DID: did(t, "user:x"), URL: server.URL + "/m87.fits"})
	wantError(t, err, fringe.Denied, fringe.Data, "127.0.0.1")
	_, err = private.Resolve(t.Context(), server.URL+"/m87.fits", fringe.Principal{Name: "p", Role: fringe.Publisher})
	wantError(t, err, fringe.Denied, fringe.Data, "127.0.0.1")
	for _, address := range []string{"http://ada:hush@h/x", "http://ada:hu/hush@h/x", "http://ada:%zzhush@h/x", "ftp://ada:hush@h/x"} {
		_, err := private.Add(t.Context(), data.AddRequest{DID: did(t, "user:x"), URL: address})
		if wantError(t, err, fringe.Invalid, fringe.Data); strings.Contains(err.Error(), "hush") {
			t.Errorf("Add() tells the password: %v", err)
		}
	}
	for _, host := range []string{"240.0.0.1", "198.18.0.1", "0.0.0.1", "192.0.2.1", "[2002:7f00:1::]", "[::127.0.0.1]", "[64:ff9b::a00:1]", "[fec0::1]"} {
		_, err := private.Add(t.Context(), data.AddRequest{DID: did(t, "user:x"), URL: "http://" + host + "/m87.fits"})
		wantError(t, err, fringe.Denied, fringe.Data, "does not read from the address")
	}
	for _, role := range []fringe.Role{fringe.Operator, fringe.Publisher} { // the copy that an operator had made is not a publisher's way in
		_, err := private.Resolve(t.Context(), server.URL+"/named", fringe.Principal{Name: "o", Role: role})
		if denied := fringe.KindOf(err) == fringe.Denied && err != nil; denied == (role == fringe.Operator) {
			t.Errorf("Resolve() of a private address as %s = %v", role, err)
		}
	}
}

// TestRealFITS publishes what astropy writes.
func TestRealFITS(t *testing.T) {
	dir := t.TempDir()
	script := `
import numpy as np, sys
from astropy.io import fits
d = sys.argv[1]
a = np.arange(300.*200).reshape(300, 200)
fits.writeto(d+"/double.fits", a)
fits.writeto(d+"/int.fits", a.astype("i2"))
n = np.full((4, 1, 64, 64), np.nan, "f4"); n[3, 0, 60, 60] = 1
fits.writeto(d+"/lastpixel.fits", n)
fits.writeto(d+"/blank.fits", np.full((64, 64), np.nan, "f4"))
fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.full((9, 9), np.nan)), fits.ImageHDU(a)]).writeto(d+"/many.fits")
fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.full((9, 9), np.nan))]).writeto(d+"/blankext.fits")
fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(a)]).writeto(d+"/rice.fits")
fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("x", "PE()", array=np.array([[1., 2], [3.]], dtype=object))])]).writeto(d+"/heap.fits")
fits.PrimaryHDU().writeto(d+"/header.fits")
g = fits.GroupData(np.ones((10, 1, 2, 3), "f4"), bitpix=-32, parnames=["UU", "VV"], pardata=[np.ones(10)]*2)
fits.GroupsHDU(g).writeto(d+"/groups.uvfits")
`
	if out, err := exec.Command("/usr/bin/python3", "-c", script, dir).CombinedOutput(); err != nil {
		t.Fatalf("astropy of /usr/bin/python3 is needed; make setup installs it: %v\n%s", err, out)
	}
	s := open(t, t.TempDir(), nil)
	found, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(found) != 10 {
		t.Fatalf("files: %v", found)
	}
	for i, path := range found {
		_, err := publish(s, "C", fmt.Sprint("o/", i), path)
		if blank := strings.HasPrefix(filepath.Base(path), "blank"); blank {
			wantError(t, err, fringe.Failed, fringe.Collect, "NaN")
		} else if err != nil {
			t.Errorf("Publish(%s) = %v", filepath.Base(path), err)
		}
		body := read(t, path)
		cut := write(t, filepath.Join(t.TempDir(), filepath.Base(path)), body[:len(body)-2880])
		if filepath.Base(path) == "header.fits" {
			continue
		}
		_, err = publish(s, "D", fmt.Sprint("o/", i), cut)
		wantError(t, err, fringe.Failed, fringe.Collect, "not a good FITS file")
	}
}

// FuzzFITS has arbitrary bytes for a FITS file: no panic, no endless work.
func FuzzFITS(f *testing.F) {
	f.Add([]byte(fits(1, 2)))
	f.Add([]byte(fits(1)[:2880]))
	f.Add([]byte(strings.Replace(fits(1), "NAXIS1  =                    1", "NAXIS1  =  9223372036854775807", 1)))
	f.Add([]byte(strings.Replace(fits(1), "NAXIS   =                    1", "NAXIS   =                    0", 1)))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, fmt.Sprintf("%d.fits", os.Getpid()))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		err := data.CheckProduct(context.Background(), path, false)
		if err == nil && !bytes.HasPrefix(b, []byte("SIMPLE  =")) {
			t.Errorf("accepted: %.80q", b)
		}
	})
}
