package server_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"fringe/server/servertest"
)

// BenchmarkEcho makes warm calls of functions/echo through the whole site over
// one connection. The caller allocates nothing, so that allocations are the
// site's.
func BenchmarkEcho(b *testing.B) {
	cfg := servertest.Config(b.TempDir())
	cfg.LogLevel = "warn"
	s := servertest.Start(b, cfg)
	s.Python()
	echo, err := os.ReadFile("../functions/echo/function.py")
	if err != nil {
		b.Fatal(err)
	}
	s.Service("echo", strings.Replace(string(echo), `"environment": "python"`, `"environment": "plain"`, 1))
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	body := fmt.Sprintf(`{"message":"%s"}`, strings.Repeat("x", 1024))
	request := fmt.Appendf(nil, "POST /function/echo HTTP/1.1\r\nHost: site\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		s.Token, len(body), body)
	answer := make([]byte, 8<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		for n := 0; !bytes.HasSuffix(answer[:n], []byte("}")); {
			m, err := conn.Read(answer[n:])
			if err != nil {
				b.Fatal(err)
			}
			n += m
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
			b.Fatalf("%.300s", answer)
		}
	}
}
