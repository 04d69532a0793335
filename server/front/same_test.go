package front_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mirror answers with all that a handler can see of its request, in the way
// that the query asks for.
func mirror(w http.ResponseWriter, r *http.Request) {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	var said bytes.Buffer
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(&said, "%s %s %q %q %q %s %d %d %v %v %q %t %v %d\n", r.Method, r.URL, r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.Proto,
		r.ProtoMajor, r.ProtoMinor, r.TransferEncoding, r.Trailer, r.Host, r.Close, r.Body == http.NoBody, r.ContentLength)
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&said, "%s: %q\n", k, r.Header[k])
	}
	fmt.Fprintf(&said, "%s %d %x %v\n", r.RequestURI, len(body), sha256.Sum256(body), err)
	h := w.Header()
	for k, vs := range q {
		if name, ok := strings.CutPrefix(k, "h-"); ok {
			h[name] = vs
		}
	}
	if n, err := strconv.Atoi(q.Get("status")); err == nil {
		w.WriteHeader(n)
		h.Set("Late", "too late")
	}
	answer := said.Bytes()
	if n, err := strconv.Atoi(q.Get("repeat")); err == nil && n >= 0 && n <= 300 {
		answer = bytes.Repeat(answer, n)
	}
	write(w, q, answer)
	for k, vs := range q {
		if name, ok := strings.CutPrefix(k, "t-"); ok {
			h[name] = vs
		}
	}
	if q.Has("abort") {
		panic(http.ErrAbortHandler)
	}
}

func write(w http.ResponseWriter, q url.Values, answer []byte) {
	rc := http.NewResponseController(w)
	size := len(answer)
	if n, err := strconv.Atoi(q.Get("piece")); err == nil && n > 0 {
		size = n
	}
	if q.Has("duplex") {
		rc.EnableFullDuplex()
	}
	if q.Has("deadline") {
		rc.SetWriteDeadline(time.Now().Add(time.Minute))
	}
	if q.Has("from") {
		w.(io.ReaderFrom).ReadFrom(bytes.NewReader(answer))
		return
	}
	if q.Has("limited") {
		io.CopyN(w, bytes.NewReader(answer), int64(len(answer)))
		return
	}
	for pieces := 0; len(answer) > 0 && pieces < 1000; pieces++ {
		n := min(size, len(answer))
		if q.Has("text") {
			w.(io.StringWriter).WriteString(string(answer[:n]))
		} else if m, err := w.Write(answer[:n]); err != nil {
			w.Header().Set("X-Trailer", fmt.Sprint(m, err))
			return
		}
		if answer = answer[n:]; q.Has("flush") {
			rc.Flush()
		}
	}
}

// normal gives the answers to what was said in a form in which those that mean
// the same are the same: without dates, the fields sorted. How much is sent of
// an answer before its handler aborts it is nobody's promise.
func normal(said, b []byte) string {
	var out strings.Builder
	date := regexp.MustCompile(`(Date: )\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`) // in what is not read as an answer
	r := bufio.NewReader(bytes.NewReader(b))
	for {
		if _, err := r.Peek(1); err != nil {
			return out.String()
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			rest, _ := io.ReadAll(r)
			fmt.Fprintf(&out, "no answer: %v %q\n", err, date.ReplaceAll(rest, []byte("${1}some time")))
			return out.String()
		}
		body, err := io.ReadAll(res.Body)
		if err != nil && bytes.Contains(said, []byte("abort")) {
			return out.String()
		}
		fmt.Fprintf(&out, "%s length %d encoding %v close %t\n", res.Status, res.ContentLength, res.TransferEncoding, res.Close)
		for _, k := range slices.Sorted(maps.Keys(res.Header)) {
			if k == "Date" && len(res.Header[k]) == 1 {
				if _, err := http.ParseTime(res.Header[k][0]); err == nil {
					res.Header[k] = []string{"some time"}
				}
			}
			fmt.Fprintf(&out, "%s: %q\n", k, res.Header[k])
		}
		fmt.Fprintf(&out, "%v %q %v\n\n", res.Trailer, date.ReplaceAll(body, []byte("${1}some time")), err)
	}
}

// conversations are what is sent over one connection.
var conversations = map[string]string{
	"Get":             "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"Post":            "POST /a/b?x=1 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello",
	"Two":             "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"KeepAlive":       "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
	"Close":           "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"Odd":             "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
	"Head":            "HEAD /?repeat=3 HTTP/1.1\r\nHost: a\r\n\r\n",
	"Old":             "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
	"Chunked":         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"Both":            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
	"BothOddly":       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
	"TwoLengths":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"SameLengths":     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
	"ListOfLengths":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab",
	"SignedLength":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab",
	"NegativeLength":  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\nab",
	"HexLength":       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\nab",
	"LeadingZeros":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0002\r\n\r\nab",
	"NoLength":        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nab",
	"LongLength":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nab",
	"GetWithBody":     "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"CutBody":         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nabc",
	"CutHead":         "POST / HTTP/1.1\r\nHost: a\r\nContent-Le",
	"Expect":          "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
	"Upgrade":         "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"Pragma":          "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
	"NoHost":          "GET / HTTP/1.1\r\nAccept: a\r\n\r\n",
	"EmptyHost":       "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"TwoHosts":        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"BadHost":         "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"Absolute":        "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
	"Star":            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"NoFields":        "GET / HTTP/1.1\r\n\r\n",
	"Nothing":         "",
	"Empty":           "\r\n\r\n",
	"EndsAfterPost":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"ManyAfterPost":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"EndsAfterGet":    "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"LineFeeds":       "GET / HTTP/1.1\nHost: a\n\n",
	"MixedEnds":       "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
	"CarriageReturn":  "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
	"Folded":          "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
	"FoldedFirst":     "GET / HTTP/1.1\r\n Host: a\r\nX: b\r\n\r\n",
	"SpaceInName":     "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
	"NoName":          "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
	"NoColon":         "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
	"Zero":            "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
	"HighBytes":       "GET / HTTP/1.1\r\nHost: a\r\nX: caf\xc3\xa9\r\n\r\n",
	"Tabs":            "GET / HTTP/1.1\r\nHost:\ta\r\nX:\t b\t\r\n\r\n",
	"LowerCase":       "GET / HTTP/1.1\r\nhost: a\r\nx-some-name: b\r\ncontent-type: c\r\n\r\n",
	"Repeated":        "GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\nX:\r\nAccept: c\r\naccept: d\r\n\r\n",
	"SpaceInTarget":   "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	"Escaped":         "GET /a%20b/%2f%zz?q=%41 HTTP/1.1\r\nHost: a\r\n\r\n",
	"EscapedWell":     "GET /a%20b/%2f?q=%41&w=a+b#c HTTP/1.1\r\nHost: a\r\n\r\n",
	"Marks":           "GET /a'(b)*!$&+,:=@[]{}|\\^`\"<> HTTP/1.1\r\nHost: a\r\n\r\n",
	"TwoSlashes":      "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n",
	"ThreeSlashes":    "GET ///b/../c/. HTTP/1.1\r\nHost: a\r\n\r\n",
	"Query":           "GET /?? HTTP/1.1\r\nHost: a\r\n\r\nGET /? HTTP/1.1\r\nHost: a\r\n\r\nGET /a;b?c;d HTTP/1.1\r\nHost: a\r\n\r\n",
	"WrongVersion":    "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
	"Version2":        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"TLS":             "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
	"LongHead":        "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 9000) + "\r\n\r\n",
	"ManyFields":      "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 70) + "\r\n",
	"TooLongHead":     "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
	"LongBody":        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + strings.Repeat("y", 60000) + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"LongerBody":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("y", 70000) + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"Long":            asks("repeat=100", "", "", "repeat=12", ""),
	"Longer":          asks("", "repeat=300", "", "repeat=300"),
	"Pieces":          asks("repeat=30&piece=100", "repeat=11&piece=1", "text=&piece=10", ""),
	"Flush":           asks("", "flush=&piece=50", "", "flush="),
	"LongByReader":    asks("from=", "from=&repeat=300", ""),
	"ShortByReader":   asks("from=", "limited=", "from=&repeat=20", "limited=&repeat=300", ""),
	"Known":           asks("h-Content-Length=3", "h-Content-Length=3&piece=1", ""),
	"KnownWrong":      asks("h-Content-Length=", "h-Content-Length=x", "h-Content-Length=-1", "h-Content-Length=1&h-Content-Length=2"),
	"TooShort":        asks("", "h-Content-Length=50000", ""),
	"KnownLong":       asks("h-Content-Length=500000", ""),
	"None":            asks("repeat=0", "repeat=0&h-Content-Length=0", "repeat=0&h-Content-Length=5", ""),
	"Created":         asks("status=201", "status=299", "status=404&repeat=20", "status=999", ""),
	"NoContent":       asks("status=204", "", "status=304", "status=204&repeat=0"),
	"Informed":        asks("status=103", "status=100", ""),
	"Switched":        asks("status=101", ""),
	"WrongStatus":     asks("status=99"),
	"WrongerStatus":   asks("status=1000"),
	"Types":           asks("h-Content-Type=a/b", "h-Content-Type", "h-Content-Encoding=gzip", "h-Content-Encoding=", ""),
	"Fields":          asks("h-X=a&h-X=b&h-lower=c", "h-A%20B=c&h-B=d%0d%0aInjected:%20e", "h-Date=today", "h-Date", "h-C=%20d%20"),
	"Trailers":        asks("h-Trailer=A&t-A=b", "flush=&h-Trailer=A&t-A=b", "t-Trailer:A=b", "flush=&t-Trailer:A=b", "h-Trailer:A=c"),
	"ClosedByHandler": asks("h-Connection=close", ""),
	"HandlerSays":     asks("h-Connection=keep-alive", "h-Transfer-Encoding=identity", ""),
	"HandlerChunks":   asks("h-Transfer-Encoding=chunked", "h-Transfer-Encoding=gzip", ""),
	"Aborted":         asks("", "abort=", ""),
	"AbortedFlushed":  asks("", "abort=&flush=", ""),
	"AbortedLong":     asks("abort=&repeat=300"),
	"Deadline":        asks("deadline=", "deadline=&status=201&h-X=y", "duplex=", ""),
	"FlushedThenSet":  asks("flush=&status=202&h-X=y&t-X=z&piece=20", ""),
}

// asks gives requests to mirror over one connection.
func asks(queries ...string) string {
	var b strings.Builder
	for n, q := range queries {
		if n%2 == 0 {
			fmt.Fprintf(&b, "GET /?%s HTTP/1.1\r\nHost: a\r\n\r\n", q)
		} else {
			fmt.Fprintf(&b, "POST /?%s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", q)
		}
	}
	return b.String()
}

// Nobody can tell front from net/http, in one piece or in two.
func TestSame(t *testing.T) {
	quick, plain := start(t, http.HandlerFunc(mirror))
	for name, said := range conversations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := normal([]byte(said), talk(t, plain, []byte(said)))
			if got := normal([]byte(said), talk(t, quick, []byte(said))); got != want {
				t.Errorf("%.600q is answered\n%.2000s\nwant\n%.2000s", said, got, want)
			}
			for _, at := range []int{1, len(said) / 2, strings.Index(said, "\r\n\r\n") + 4, len(said) - 1} {
				if at <= 0 || at >= len(said) {
					continue
				}
				if got := normal([]byte(said), talk(t, quick, []byte(said[:at]), []byte(said[at:]))); got != want {
					t.Errorf("%.600q and later %.600q are answered\n%.2000s\nwant\n%.2000s", said[:at], said[at:], got, want)
				}
			}
		})
	}
}

// FuzzSame holds front against net/http: the same bytes, the same answers.
func FuzzSame(f *testing.F) {
	for _, said := range conversations {
		if len(said) < 4096 {
			f.Add([]byte(said), uint16(len(said)/2))
		}
	}
	quick, plain := start(f, http.HandlerFunc(mirror))
	f.Fuzz(func(t *testing.T, said []byte, at uint16) {
		want := normal(said, talk(t, plain, said))
		if got := normal(said, talk(t, quick, said)); got != want {
			t.Errorf("%q is answered\n%s\nwant\n%s", said, got, want)
		}
		if n := int(at); n > 0 && n < len(said) {
			if got := normal(said, talk(t, quick, said[:n], said[n:])); got != want {
				t.Errorf("%q and later %q are answered\n%s\nwant\n%s", said[:n], said[n:], got, want)
			}
		}
	})
}
