package catalogue_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"fringe"
	"fringe/catalogue"
	"fringe/data"
)

// bob publishes, and may not make the server read what he cannot.
var bob = fringe.Principal{Name: "bob", Role: fringe.Publisher}

// web is a site beside git repositories on this machine's HTTP server.
type web struct {
	*catalogue.Catalogue
	http.Handler
	asked atomic.Int32 // requests to the server
}

// ServeHTTP implements http.Handler.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.asked.Add(1)
	w.Handler.ServeHTTP(rw, r)
}

// newWeb publishes the repository at /say.git; private says whether a publisher
// may read it.
func newWeb(t *testing.T, private bool) *web {
	t.Helper()
	s := newSite(t)
	repo := function(t, "say", "1.0.0")
	gitIn(t, repo)()
	git, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	w := &web{Handler: http.StripPrefix("/say.git", &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(git)), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Join(repo, ".git"), "GIT_HTTP_EXPORT_ALL=1"}})}
	w.Catalogue, err = catalogue.New(catalogue.Config{Store: s.store, Dir: t.TempDir(), Address: data.AllowedAddress, Private: private})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// names makes a resolver that knows every name under these addresses. What
// git would look up by itself it does not find.
func names(t *testing.T, addresses ...string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for {
			q := make([]byte, 512)
			n, from, err := conn.ReadFrom(q)
			if err != nil {
				return
			}
			end := 12
			for q[end] != 0 {
				end += int(q[end]) + 1
			}
			end += 5 // the root, type and class
			a := slices.Clone(q[:min(n, end)])
			copy(a[2:12], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
			for _, address := range addresses {
				if ip := netip.MustParseAddr(address); q[end-3] == 1 {
					a[7]++
					a = append(append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip.AsSlice()...)
				}
			}
			conn.WriteTo(a, from)
		}
	}()
	old := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = old })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// No refusal tells the password or token of an address.
func TestPublishGitTellsNoPassword(t *testing.T) {
	w := newWeb(t, true)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	host := server.Listener.Addr().String()
	for _, address := range []string{"http://ada:hush@" + host + "/x.git", "http://hush@" + host + "/x.git", "http://ada:hu/hush@" + host + "/x.git",
		"ftp://ada:hush@" + host + "/x.git", "ssh://ada:hush@127.0.0.1:1/x.git", "http://ada:hush@" + host + "/x y.git"} {
		for _, by := range []fringe.Principal{ada, bob} {
			if _, err := w.PublishGit(t.Context(), address, by); err == nil || strings.Contains(err.Error(), "hush") {
				t.Errorf("PublishGit(%s) = %v, want an error without the password", address, err)
			}
		}
	}
}

// The password of an address reaches the server that it is for, and stands on
// no command line meanwhile.
func TestPublishGitShowsNoPassword(t *testing.T) {
	const secret = "hush/9f3c@:1"
	w := newWeb(t, true)
	var seen atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != "ada" || password != secret {
			rw.Header().Set("WWW-Authenticate", "Basic")
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range lines {
			line, _ := os.ReadFile(path) // a process that has ended has none
			if strings.Contains(string(line), "hush") {
				t.Errorf("a command line has the password: %q", line)
			}
			if strings.Contains(string(line), "/say.git") {
				seen.Add(1)
			}
		}
		w.ServeHTTP(rw, r)
	}))
	defer server.Close()
	address := "http://ada:" + url.QueryEscape(secret) + "@" + server.Listener.Addr().String() + "/say.git"
	if p, err := w.PublishGit(t.Context(), address, bob); err != nil || p.Ref() != "say@1.0.0" || seen.Load() == 0 {
		t.Errorf("PublishGit() = %v, %v, with %d command lines of git seen", p.Version, err, seen.Load())
	}
}

// A publisher makes the server connect to no private address, however it is
// written; an operator does, and a publisher where the site allows it.
func TestPublishGitFromPrivateAddress(t *testing.T) {
	w := newWeb(t, false)
	server := httptest.NewServer(w)
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	names(t, "93.184.215.14", "127.0.0.1")
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "half.example.org", "u:p@127.0.0.1"} {
		_, err := w.PublishGit(t.Context(), "https://"+host+":"+port+"/say.git", bob)
		wantError(t, err, fringe.Denied, "does not read from the address", "directory")
	}
	_, err := w.PublishGit(t.Context(), "http://93.184.215.14/say.git", bob)
	wantError(t, err, fringe.Denied, "https:")
	_, err = w.PublishGit(t.Context(), "http://169.254.169.254/say.git", ada)
	wantError(t, err, fringe.Denied, "169.254.169.254")
	for _, host := range []string{"2130706433", "127.1", "0x7f.1", "0177.0.0.1", "a.0x7f000001", "localhost.", "127.0.0.1.", "１２７.0.0.1", "loc%61lhost", "[fe80::1%25lo]", "a_b..c", "x:99999", "x:0x50", "x\\@y", ""} {
		_, err := w.PublishGit(t.Context(), "https://"+host+"/say.git", ada)
		wantError(t, err, fringe.Invalid)
	}
	if n := w.asked.Load(); n != 0 {
		t.Errorf("%d requests came to a private address", n)
	}
	if p, err := w.PublishGit(t.Context(), server.URL+"/say.git", ada); err != nil || p.Ref() != "say@1.0.0" {
		t.Errorf("PublishGit() of an operator = %v, %v", p.Version, err)
	}
	w = newWeb(t, true)
	again := httptest.NewServer(w)
	defer again.Close()
	if p, err := w.PublishGit(t.Context(), again.URL+"/say.git", bob); err != nil || p.Ref() != "say@1.0.0" {
		t.Errorf("PublishGit() where private addresses are allowed = %v, %v", p.Version, err)
	}
}

// git connects to the address that was looked up and allowed, not to one that
// it finds by itself, and uses neither a proxy nor the configuration of the
// server's user.
func TestPublishGitPinsAddress(t *testing.T) {
	w := newWeb(t, true)
	server := httptest.NewTLSServer(w)
	defer server.Close()
	home := t.TempDir()
	ca := filepath.Join(home, "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o644)
	write(t, filepath.Join(home, ".gitconfig"), "[http]\n\tproxy = http://127.0.0.1:1\n[url \"file:///nonexistent/\"]\n\tinsteadOf = https://\n", 0o644)
	for _, kv := range []string{"HOME=" + home, "GIT_SSL_CAINFO=" + ca, "https_proxy=http://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1", "GIT_ALLOW_PROTOCOL=ext", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.sslVerify", "GIT_CONFIG_VALUE_0=bad"} {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	names(t, "127.0.0.1")
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for _, host := range []string{"example.com:" + port, "EXAMPLE.com:0" + port, "127.0.0.1:" + port} { // the certificate is of these
		if p, err := w.PublishGit(t.Context(), "HTTPS://"+host+"/say.git", bob); err != nil || p.Ref() != "say@1.0.0" {
			t.Errorf("PublishGit(%s) = %v, %v", host, p.Version, err)
		}
	}
}

// An allowed host leads nowhere else.
func TestPublishGitFollowsNoRedirect(t *testing.T) {
	w := newWeb(t, true)
	private := httptest.NewServer(w)
	defer private.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, private.URL+r.URL.String(), status)
		}))
		_, err := w.PublishGit(t.Context(), server.URL+"/say.git", bob)
		wantError(t, err, fringe.Unavailable, fmt.Sprint(status), "redirects")
		server.Close()
	}
	if n := w.asked.Load(); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}
