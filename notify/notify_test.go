package notify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/notify"
)

func sender(t *testing.T, allow ...string) *notify.Sender {
	t.Helper()
	s, err := notify.New(notify.Config{Key: []byte("secret"), Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// receiver counts what comes, and answers with the status.
func receiver(t *testing.T, status int) (url string, bodies *[]string) {
	bodies = new([]string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if !notify.Verify([]byte("secret"), r.Header.Get(notify.SignatureHeader), b, time.Now(), time.Minute) {
			t.Errorf("the signature %q is not of %q", r.Header.Get(notify.SignatureHeader), b)
		}
		*bodies = append(*bodies, string(b))
		w.Header().Set("Location", "/again")
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, bodies
}

func TestSend(t *testing.T) {
	url, bodies := receiver(t, 204)
	if status, err := sender(t, "127.0.0.1").Send(t.Context(), notify.Message{URL: url, Body: []byte(`{"a":1}`)}); status != 204 || err != nil {
		t.Fatalf("Send() = %d, %v", status, err)
	}
	if len(*bodies) != 1 || (*bodies)[0] != `{"a":1}` {
		t.Errorf("the receiver got %q", *bodies)
	}
	for _, status := range []int{302, 404, 500} {
		url, bodies := receiver(t, status)
		got, err := sender(t, "127.0.0.0/8").Send(t.Context(), notify.Message{URL: url})
		if got != status || fringe.KindOf(err) != fringe.Unavailable || len(*bodies) != 1 {
			t.Errorf("Send() to one that answers %d = %d, %v after %d requests", status, got, err, len(*bodies))
		}
	}
}

// TestForbiddenAddresses sends to a name too, whose addresses are known only
// when they are connected to.
func TestForbiddenAddresses(t *testing.T) {
	url, bodies := receiver(t, 200)
	s := sender(t, "10.0.0.0/8", "192.0.2.77")
	port := url[strings.LastIndexByte(url, ':')+1:]
	for _, host := range []string{"127.0.0.1", "localhost", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0.0.0.0", "[::]", "169.254.169.254", "192.168.1.1",
		"172.16.0.1", "100.64.0.1", "224.0.0.1", "255.255.255.255", "[fe80::1]", "[fd00::1]", "[ff02::1]", "192.0.2.1", "[2001:db8::1]", "[2002:808:808::1]", "[::127.0.0.1]", "2130706433", "0x7f.1", "0177.0.0.1"} {
		address := "http://" + host + ":" + port + "/"
		if err := s.Check(address); err == nil { // what only the resolver knows is refused by the dial
			if _, err = s.Send(t.Context(), notify.Message{URL: address}); err == nil {
				t.Errorf("a callback went to %s", host)
			}
		} else if fringe.KindOf(err) != fringe.Denied {
			t.Errorf("Check(%s) = %v, want denied", host, err)
		}
		if _, err := s.Send(t.Context(), notify.Message{URL: address}); err == nil {
			t.Errorf("a callback went to %s", host)
		}
	}
	if len(*bodies) != 0 {
		t.Errorf("the receiver got %q", *bodies)
	}
	for _, ok := range []string{"https://example.org/x", "http://10.1.2.3/", "http://[64:ff9b::a01:203]/", "http://192.0.2.77:8080/", "http://8.8.8.8/"} {
		if err := s.Check(ok); err != nil {
			t.Errorf("Check(%s) = %v", ok, err)
		}
	}
	for _, bad := range []string{"", "ftp://example.org", "file:///etc/passwd", "http://", "example.org", "http://user:word@example.org/", "ftp://user:word@example.org/", "http://user:wo/word@example.org/", "http://" + strings.Repeat("x", 3000)} {
		if err := s.Check(bad); fringe.KindOf(err) != fringe.Invalid || strings.Contains(err.Error(), "word") && !strings.Contains(err.Error(), "password") {
			t.Errorf("Check(%.40q) = %v, want invalid", bad, err)
		}
	}
	for _, bad := range []string{"", "http://x", "a b", "10.0.0.0/99"} {
		if _, err := notify.New(notify.Config{Allow: []string{bad}}); fringe.KindOf(err) != fringe.Invalid {
			t.Errorf("New(Allow: %q) = %v, want invalid", bad, err)
		}
	}
}

func TestVerify(t *testing.T) {
	key, body, at := []byte("secret"), []byte("body"), time.Unix(1_700_000_000, 0)
	good := notify.Sign(key, at, body)
	for name, ok := range map[string]bool{
		"good":     notify.Verify(key, good, body, at.Add(time.Minute), 5*time.Minute),
		"old":      !notify.Verify(key, good, body, at.Add(time.Hour), 5*time.Minute),
		"future":   !notify.Verify(key, good, body, at.Add(-time.Hour), 5*time.Minute),
		"body":     !notify.Verify(key, good, []byte("other"), at, time.Minute),
		"key":      !notify.Verify([]byte("other"), good, body, at, time.Minute),
		"time":     !notify.Verify(key, strings.Replace(good, "t=17", "t=16", 1), body, at, 1<<62),
		"empty":    !notify.Verify(key, "", body, at, time.Minute),
		"no v1":    !notify.Verify(key, "t=1700000000", body, at, time.Minute),
		"not hex":  !notify.Verify(key, "t=1700000000,v1=xyz", body, at, time.Minute),
		"sum only": !notify.Verify(key, good[strings.Index(good, "v1="):], body, at, time.Minute),
	} {
		if !ok {
			t.Errorf("Verify() is wrong about %s", name)
		}
	}
}

func TestKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callback.key")
	first, err := notify.Key(path)
	if err != nil || len(first) != 64 {
		t.Fatalf("Key() = %d bytes, %v", len(first), err)
	}
	if again, err := notify.Key(path); err != nil || string(again) != string(first) {
		t.Errorf("Key() again = another one, %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := notify.Key(path); fringe.KindOf(err) != fringe.Unavailable {
		t.Errorf("Key() of one byte = %v", err)
	}
}
