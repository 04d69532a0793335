package gateway_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/client"
	"fringe/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const (
	counting = `baseCommand: [wc, -l]
inputs:
  text: File
  n: int?
stdin: $(inputs.text.path)
stdout: count.txt
outputs:
  count: stdout
`
	upper = `baseCommand: [tr, a-z, A-Z]
inputs: {text: File}
stdin: $(inputs.text.path)
stdout: upper.txt
outputs: {upper: stdout}
`
	// flipped turns an image upside down with nothing but the standard library:
	// a PNG of 8-bit grey without filters.
	flipped = `"""An image upside down."""
import struct
import zlib
from typing import Annotated, NamedTuple

from fringe import File, In, Out

FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "service"}


class Outputs(NamedTuple):
    image: Annotated[File, Out(doc="The image, upside down", format="image/png")]


def main(image: Annotated[File, In(doc="A grey PNG")]) -> Outputs:
    data, chunks, at = open(image, "rb").read(), {}, 8
    while at < len(data):
        (n,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4:at + 8]
        chunks[kind] = chunks.get(kind, b"") + data[at + 8:at + 8 + n]
        at += n + 12
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    raw = zlib.decompress(chunks[b"IDAT"])
    rows = [raw[i * (width + 1):(i + 1) * (width + 1)] for i in range(height)]
    with open("flipped.png", "wb") as out:
        out.write(data[:8])
        for kind, body in ((b"IHDR", chunks[b"IHDR"]), (b"IDAT", zlib.compress(b"".join(reversed(rows)))), (b"IEND", b"")):
            out.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    return Outputs(File("flipped.png"))
`
	// patient holds on until its gate opens, and tells when it has begun.
	patient = `"""Waits."""
import os
import sys
import time

from fringe import Directory

FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "SHAPE", "warm": {"max": 1}}


def main(gate: Directory, word: str) -> str:
    print("waiting for", word, os.environ.get("TRACEPARENT", "nobody"), flush=True)
    while not os.path.exists(os.path.join(gate, word)):
        time.sleep(0.01)
    print("came", flush=True)
    return word
`
)

// answer is what came back over the wire.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) problem(t *testing.T) client.Problem {
	t.Helper()
	var p client.Problem
	if err := json.Unmarshal(a.body, &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the answer %d %s %q is no problem document", a.status, a.header.Get("Content-Type"), a.body)
	}
	asked := a.status < 500 && a.status != http.StatusTooManyRequests || a.status == http.StatusInsufficientStorage
	if p.Status != a.status || p.Title == "" || p.Detail == "" || (p.Component == "") != asked || asked != (a.header.Get("X-Fringe-Component") == "") || !strings.HasPrefix(p.Type, "urn:fringe:problem:") {
		t.Errorf("the problem document %+v of a %d lacks something", p, a.status)
	}
	return p
}

// send sends a request as it stands; the header's values are "Name: value".
func send(t *testing.T, s *servertest.Site, method, path string, body io.Reader, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, b}
}

// form is a multipart form of fields and of files, whose names begin with @.
func form(t *testing.T, parts map[string]string) (io.Reader, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, text := range parts {
		var part io.Writer
		var err error
		if file, ok := strings.CutPrefix(name, "@"); ok {
			part, err = w.CreateFormFile(file, file+".dat")
		} else {
			part, err = w.CreateFormField(name)
		}
		if err == nil {
			_, err = io.WriteString(part, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, "Content-Type: " + w.FormDataContentType()
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each wrong request has the status of its kind and a document that says what
// was wrong, where, and what would be right.
func TestWrongRequests(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	cfg.UploadMiB = 1
	s := servertest.Start(t, cfg)
	s.Tool("count", counting)
	s.Add("user:words", write(t, filepath.Join(t.TempDir(), "words.txt"), "one\n"))
	s.Add("user:dir", t.TempDir())
	big, bigType := form(t, map[string]string{"@text": strings.Repeat("x", 2<<20)})
	words := `{"text": {"class": "File", "location": "user:words"}`
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		pointer            string
		says               string
	}{
		"NoToken":        {"GET", "/api/v1/info", "", []string{"Authorization: "}, 401, "", "token"},
		"ForgedToken":    {"POST", "/function/count", "{}", []string{"Authorization: Bearer fr_0000"}, 401, "", "token"},
		"NoRoute":        {"GET", "/api/v2/x", "", nil, 404, "", "/api/v1"},
		"NoFunction":     {"POST", "/function/cuont", "{}", nil, 404, "", "count"},
		"NoVersion":      {"POST", "/function/count@9.9.9", "{}", nil, 404, "", "1.0.0"},
		"NoPath":         {"POST", "/function/count/deeper", "{}", nil, 404, "", "/function/count"},
		"Method":         {"PUT", "/function/count", "{}", nil, 422, "", "POST"},
		"BodyType":       {"POST", "/function/count", "<x/>", []string{"Content-Type: text/xml"}, 422, "", "application/json"},
		"NotJSON":        {"POST", "/function/count", `{"text": `, nil, 422, "", "JSON"},
		"NotAnObject":    {"POST", "/function/count", `[1]`, nil, 422, "", "JSON"},
		"Null":           {"POST", "/function/count", `null`, nil, 422, "", "null"},
		"Missing":        {"POST", "/function/count", `{}`, nil, 422, "/text", "text is missing"},
		"Unknown":        {"POST", "/function/count", words + `, "txet": 1}`, nil, 422, "/txet", `did you mean "text"`},
		"WrongType":      {"POST", "/function/count", words + `, "n": "many"}`, nil, 422, "/n", "int"},
		"PathInClass":    {"POST", "/function/count", `{"text": {"class": "File", "path": "/etc/passwd"}}`, nil, 422, "/text", "location"},
		"NoDataset":      {"POST", "/function/count", `{"text": {"class": "File", "location": "user:wrods"}}`, nil, 422, "/text", "the input is a File, and there is no dataset user:wrods; did you mean user:words?"},
		"NotAFile":       {"POST", "/function/count", `{"text": {"class": "File", "location": "user:dir"}}`, nil, 422, "/text", "directory"},
		"Basename":       {"POST", "/function/count", words[:len(words)-1] + `, "basename": "../../x"}}`, nil, 422, "/text/basename", "file name"},
		"MetadataServer": {"POST", "/function/count", `{"text": {"class": "File", "location": "http://169.254.169.254/x"}}`, nil, 403, "/text", "169.254"},
		"UploadTooLarge": {"POST", "/function/count", "", []string{bigType}, 413, "/text", "1048576 bytes"},
		"FormCutShort":   {"POST", "/function/count", "--x\r\nContent-Disposition: form-data; name=\"text\"; filename=\"a\"\r\n\r\nhalf", []string{"Content-Type: multipart/form-data; boundary=x"}, 422, "/text", "whole"},
		"FormUnknown":    {"POST", "/function/count", "--x\r\nContent-Disposition: form-data; name=\"text\"; filename=\"a\"\r\n\r\nwhole\r\n--x\r\nContent-Disposition: form-data; name=\"txet\"\r\n\r\n1\r\n--x--", []string{"Content-Type: multipart/form-data; boundary=x"}, 422, "/txet", "text"},
		"Limit":          {"GET", "/api/v1/functions?limit=many", "", nil, 422, "", "1 to 1000"},
		"Member":         {"POST", "/api/v1/datasets", `{"did": "user:x", "paht": "/x"}`, nil, 422, "", "paht"},
		"Trailing":       {"POST", "/api/v1/datasets", `{"did": "user:x", "path": "/tmp"} {}`, nil, 422, "", "after"},
		"DatasetName":    {"PUT", "/api/v1/content/user:a/%2e%2e/b", "x", nil, 422, "", "'..' part"},
		"KeptScope":      {"PUT", "/api/v1/content/product:x", "x", nil, 422, "", "product"},
		"Role":           {"POST", "/api/v1/tokens", `{"name": "k", "role": "king"}`, nil, 422, "", "king"},
		"NoCall":         {"GET", "/api/v1/jobs/01X", "", nil, 404, "", "01X"},
		"NoLog":          {"GET", "/api/v1/jobs/..%2F..%2Foperator.token/log", "", nil, 404, "", ""},
		"Stream":         {"GET", "/api/v1/jobs/01X/log?stream=stdin", "", nil, 422, "", "stdout or stderr"},
		"NotYAML":        {"POST", "/api/v1/environments", "name: [", nil, 422, "", "environment.yaml:1"},
	} {
		t.Run(name, func(t *testing.T) {
			body := io.Reader(strings.NewReader(c.body))
			if name == "UploadTooLarge" {
				body = big
			}
			a := send(t, s, c.method, c.path, body, c.header...)
			p := a.problem(t)
			if a.status != c.status || p.Pointer != c.pointer || !strings.Contains(p.Detail+p.Cure, c.says) {
				t.Errorf("%d, pointer %q, %q, cure %q; want %d, %q, %q", a.status, p.Pointer, p.Detail, p.Cure, c.status, c.pointer, c.says)
			}
			if a.status == 401 && a.header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 without WWW-Authenticate")
			}
		})
	}
	noUploadsLeft(t, s)
}

func noUploadsLeft(t *testing.T, s *servertest.Site) {
	t.Helper()
	servertest.Eventually(t, "no files of calls are left", func() bool {
		left, err := os.ReadDir(filepath.Join(s.Dir, "data", "spool"))
		if err != nil {
			t.Fatal(err)
		}
		return len(left) == 0
	})
}

// Each role may do what it includes and no more; a stranger's call is not there.
func TestRoles(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("count", counting)
	roles := []fringe.Role{fringe.Reader, fringe.Caller, fringe.Publisher, fringe.Operator}
	clients := map[fringe.Role]*client.Client{}
	for _, r := range roles {
		clients[r] = s.As(string(r)+"-1", r)
	}
	for _, c := range []struct {
		method, path string
		body         any
		needs        fringe.Role
	}{
		{"GET", "/api/v1/functions", nil, fringe.Reader},
		{"GET", "/api/v1/jobs", nil, fringe.Reader},
		{"GET", "/metrics", nil, fringe.Reader},
		{"POST", "/function/count", map[string]any{}, fringe.Caller},
		{"PUT", "/api/v1/content/user:mine", "x", fringe.Caller},
		{"POST", "/api/v1/datasets", client.AddDataset{DID: "user:passwd", Path: "/etc/passwd"}, fringe.Operator},
		{"POST", "/function/count", map[string]any{"text": map[string]any{"class": "File", "location": "file:///etc/passwd"}}, fringe.Operator},
		{"POST", "/api/v1/functions", map[string]string{"git": "https://"}, fringe.Publisher},
		{"POST", "/api/v1/functions", map[string]string{"git": "https://127.0.0.1:1/x"}, fringe.Operator},
		{"POST", "/api/v1/functions", map[string]string{"git": "file:///nonexistent"}, fringe.Operator},
		{"DELETE", "/api/v1/functions/count@9.0.0", nil, fringe.Publisher},
		{"DELETE", "/api/v1/environments/none", nil, fringe.Publisher},
		{"GET", "/api/v1/tokens", nil, fringe.Operator},
		{"DELETE", "/api/v1/tokens/none", nil, fringe.Operator},
	} {
		for _, r := range roles {
			b, err := json.Marshal(c.body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := clients[r].Do(t.Context(), client.Request{Method: c.method, Path: c.path, Body: bytes.NewReader(b), Header: http.Header{"Content-Type": {"application/json"}}})
			if err == nil {
				res.Body.Close()
			}
			if denied := fringe.KindOf(err) == fringe.Denied && err != nil; denied == r.Includes(c.needs) {
				t.Errorf("%s %s as %s = %v; it needs %s", c.method, c.path, r, err, c.needs)
			}
		}
	}
	words := map[string]any{"text": map[string]any{"class": "File", "contents": "one\ntwo\n", "basename": "w"}}
	if _, err := client.Send[map[string]any](t.Context(), clients[fringe.Caller], "POST", "/function/count", words); err != nil {
		t.Fatal(err)
	}
	id := string(s.Jobs("COMPLETED")[0].ID)
	stranger := s.As("stranger", fringe.Publisher)
	for _, path := range []string{"/api/v1/jobs/" + id, "/api/v1/jobs/" + id + "/log"} {
		if _, err := client.Get[any](t.Context(), stranger, path, nil); fringe.KindOf(err) != fringe.NotFound || err == nil {
			t.Errorf("a stranger's GET %s = %v, want not found", path, err)
		}
	}
	if err := stranger.Delete(t.Context(), "/api/v1/datasets/user:mine"); fringe.KindOf(err) != fringe.Denied || err == nil {
		t.Errorf("a stranger removes another's dataset = %v, want denied", err)
	}
}

// A picture goes up in a form and comes down as itself; Accept chooses.
func TestFilesUpAndDown(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	s.Service("flip", flipped)
	s.Tool("upper", upper)
	picture := image.NewGray(image.Rect(0, 0, 3, 2))
	copy(picture.Pix, []byte{10, 20, 30, 40, 50, 60})
	var encoded bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&encoded, picture); err != nil {
		t.Fatal(err)
	}
	body, kind := form(t, map[string]string{"@image": encoded.String()})
	a := send(t, s, "POST", "/function/flip", body, kind, "Accept: image/png")
	got, err := png.Decode(bytes.NewReader(a.body))
	if err != nil || a.header.Get("Content-Type") != "image/png" {
		t.Fatalf("the answer %d %s is no picture: %v, %.200q", a.status, a.header.Get("Content-Type"), err, a.body)
	}
	if pix := got.(*image.Gray).Pix; !bytes.Equal(pix, []byte{40, 50, 60, 10, 20, 30}) {
		t.Errorf("the picture has %v", pix)
	}
	body, kind = form(t, map[string]string{"@image": encoded.String()})
	a = send(t, s, "POST", "/function/flip", body, kind, "Accept: application/json", "X-Fringe-Namespace: survey")
	var made struct{ Image struct{ Location string } }
	if err := json.Unmarshal(a.body, &made); err != nil {
		t.Fatal(err, string(a.body))
	}
	if d, err := client.Get[client.Dataset](t.Context(), s.Client, "/api/v1/datasets/"+made.Image.Location, nil); err != nil || d.Namespace != "survey" {
		t.Errorf("the product of a call that counts for a namespace is %+v, %v", d, err)
	}
	_, err = s.As("stranger", fringe.Caller).Do(t.Context(), client.Request{Method: "POST", Path: "/function/flip",
		Header: http.Header{"X-Fringe-Namespace": {"survey"}, "Content-Type": {"application/json"}}, Body: strings.NewReader("{}")})
	if fringe.KindOf(err) != fringe.Denied {
		t.Errorf("a stranger's call for that namespace = %v, want denied", err)
	}
	for accept, want := range map[string]string{
		"":                                   "application/json",
		"*/*":                                "application/json",
		"application/json":                   "application/json",
		"text/plain":                         "text/plain",
		"text/*":                             "text/plain",
		"text/plain, application/json":       "application/json",
		"application/json;q=0.5, text/plain": "text/plain",
		"text/plain;q=0.5, */*":              "application/json",
		"text/html, text/*;q=0.9, */*;q=0.8": "text/plain",
		"application/fits":                   "text/plain",
	} {
		body, kind := form(t, map[string]string{"@text": "words of " + accept})
		a := send(t, s, "POST", "/function/upper", body, kind, "Accept: "+accept)
		if media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); a.status != 200 || media != want {
			t.Errorf("Accept %q gives %d %s, want %s", accept, a.status, media, want)
		}
		if want == "text/plain" && string(a.body) != strings.ToUpper("words of "+accept) {
			t.Errorf("Accept %q: the file is %q", accept, a.body)
		}
	}
	var calls []string
	for n, text := range []string{"one", "one", "another"} {
		body, kind := form(t, map[string]string{"@text": text})
		a := send(t, s, "POST", "/async-function/upper", body, kind, "Idempotency-Key: upload")
		if calls = append(calls, a.header.Get("X-Call-Id")); n < 2 && (a.status != 202 || calls[n] != calls[0]) || n == 2 && a.status != 409 {
			t.Errorf("request %d under a key, with the file %q, is %d %s %v", n, text, a.status, a.body, calls)
		}
	}
	if a := send(t, s, "GET", "/function/upper?text=user:none", nil); a.status != 422 {
		t.Errorf("inputs in the query: %d %s", a.status, a.body)
	}
	noUploadsLeft(t, s)
}

// A dataset comes down in ranges, unless it is known already; a directory goes
// up and comes down as a tar archive, which cannot lead out of it.
func TestContent(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	path := "/api/v1/content/user:a/b.txt"
	if a := send(t, s, "PUT", path, strings.NewReader("0123456789")); a.status != 201 {
		t.Fatalf("PUT = %d %s", a.status, a.body)
	}
	if a := send(t, s, "PUT", path, strings.NewReader("other")); a.status != 409 {
		t.Errorf("PUT of a taken name = %d", a.status)
	}
	a := send(t, s, "GET", path, nil, "Range: bytes=2-4")
	if a.status != 206 || string(a.body) != "234" {
		t.Errorf("a range = %d %q", a.status, a.body)
	}
	if a := send(t, s, "GET", path, nil, "If-None-Match: "+a.header.Get("ETag")); a.status != 304 {
		t.Errorf("what is known already = %d", a.status)
	}
	archive := func(entries ...tar.Header) io.Reader {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range entries {
			h.Mode = 0o644
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			w.Write(bytes.Repeat([]byte("x"), int(h.Size)))
		}
		w.Close()
		return &b
	}
	const tarType = "Content-Type: application/x-tar"
	if a := send(t, s, "PUT", "/api/v1/content/user:ms", archive(tar.Header{Name: "m.ms/t/table.dat", Size: 5}, tar.Header{Name: "m.ms/l", Typeflag: tar.TypeSymlink, Linkname: "t/table.dat"}), tarType); a.status != 201 {
		t.Fatalf("PUT of a directory = %d %s", a.status, a.body)
	}
	names := map[string]bool{}
	for r := tar.NewReader(bytes.NewReader(send(t, s, "GET", "/api/v1/content/user:ms", nil).body)); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		names[h.Name] = true
	}
	if !names["m.ms/t/table.dat"] || !names["m.ms/l"] {
		t.Errorf("the directory came down as %v", names)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	for name, h := range map[string]tar.Header{
		"traversal": {Name: "../../../../../../../.." + outside, Size: 1},
		"absolute":  {Name: outside, Size: 1},
		"symlink":   {Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"upwards":   {Name: "d/l", Typeflag: tar.TypeSymlink, Linkname: "../../x"},
		"device":    {Name: "d", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		"hardlink":  {Name: "h", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"},
	} {
		a := send(t, s, "PUT", "/api/v1/content/user:"+name, archive(h), tarType)
		if p := a.problem(t); a.status != 422 || p.Detail == "" {
			t.Errorf("an archive with %s = %d %+v", name, a.status, p)
		}
		if a := send(t, s, "GET", "/api/v1/datasets/user:"+name, nil); a.status != 404 {
			t.Errorf("the refused archive with %s is a dataset: %s", name, a.body)
		}
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("an archive wrote outside of its dataset")
	}
}

// A client that leaves gives up a service's call: its instance is stopped and
// the next call is served. A task goes on.
func TestClientGone(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	dir := t.TempDir()
	for _, shape := range []string{"service", "task"} {
		s.Service("patient-"+shape, strings.Replace(patient, "SHAPE", shape, 1))
	}
	inputs := func(word string) string {
		return fmt.Sprintf(`{"gate": {"class": "Directory", "location": "file://%s"}, "word": %q}`, dir, word)
	}
	// leave sends a call and closes the connection once the call has written
	// something; it gives the call's id.
	leave := func(name, word string) string {
		t.Helper()
		const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		r, err := http.NewRequest("POST", s.URL+"/function/"+name, strings.NewReader(inputs(word)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.Token)
		r.Header.Set("Traceparent", trace)
		conn := dial(t, s)
		if err := r.Write(conn); err != nil {
			t.Fatal(err)
		}
		id := ""
		servertest.Eventually(t, "the log says that the call waits", func() bool {
			logs, err := filepath.Glob(filepath.Join(s.Dir, "logs", "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range logs {
				a := send(t, s, "GET", "/api/v1/jobs/"+filepath.Base(l)+"/log", nil)
				if strings.Contains(string(a.body), "waiting for "+word+" "+trace) {
					id = filepath.Base(l)
				}
			}
			return id != ""
		})
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	task := leave("patient-task", "task")
	leave("patient-service", "never")
	servertest.Eventually(t, "the call is counted as one whose client left", func() bool {
		return strings.Contains(string(send(t, s, "GET", "/metrics", nil).body), `fringe_calls_total{function="patient-service",outcome="gone"} 1`)
	})
	write(t, filepath.Join(dir, "next"), "")
	if a := send(t, s, "POST", "/function/patient-service", strings.NewReader(inputs("next"))); a.status != 200 {
		t.Errorf("the call after an abandoned one = %d %s", a.status, a.body)
	}
	followed := make(chan answer, 1)
	go func() { followed <- send(t, s, "GET", "/api/v1/jobs/"+task+"/log?follow=true&stream=stdout", nil) }()
	write(t, filepath.Join(dir, "task"), "")
	if a := <-followed; !strings.HasSuffix(string(a.body), "came\n") {
		t.Errorf("the log that was followed to the task's end is %q", a.body)
	}
	servertest.Eventually(t, "the abandoned task has completed", func() bool {
		c, err := client.Get[client.Job](t.Context(), s.Client, "/api/v1/jobs/"+task, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Phase == "COMPLETED" && strings.Contains(string(c.Outputs), "task")
	})
	if log := s.Log(); !strings.Contains(log, `"trace":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"`) {
		t.Error("the server's log does not tell the trace of the calls")
	}
}

// A call that cannot wait for an instance is refused before its body is read:
// whoever has announced gigabytes is answered at once, and nothing is stored.
func TestRefusedBeforeItsBody(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	cfg.CPU, cfg.Queue = 1, 1
	s := servertest.Start(t, cfg)
	s.Python()
	s.Service("reader", strings.NewReplacer("SHAPE", "service", `"max": 1`, `"max": 1, "queue": 1`).Replace(patient))
	s.Tool("hold", "baseCommand: [sh, -c, 'while ! [ -e \"$0/all\" ]; do sleep 0.05; done']\n"+
		"requirements: {ResourceRequirement: {coresMin: 1}}\ninputs: {gate: {type: Directory, inputBinding: {position: 1}}, text: File?, n: int?}\noutputs: []\n")
	dir := t.TempDir()
	inputs := func(more string) string {
		return fmt.Sprintf(`{"gate": {"class": "Directory", "location": "file://%s"}, %s}`, dir, more)
	}
	ended := make(chan answer, 2)
	for n, wait := range []string{`state="busy"} 1`, `fringe_queue_length{function="reader@1.0.0"} 1`} {
		go func() { ended <- send(t, s, "POST", "/function/reader", strings.NewReader(inputs(`"word": "all"`))) }()
		servertest.Eventually(t, fmt.Sprintf("call %d is there", n), func() bool {
			return strings.Contains(string(send(t, s, "GET", "/metrics", nil).body), wait)
		})
	}
	for n, phase := range []string{"EXECUTING", "QUEUED"} {
		if a := send(t, s, "POST", "/async-function/hold", strings.NewReader(inputs(fmt.Sprintf(`"n": %d`, n)))); a.status != 202 {
			t.Fatalf("job %d = %d %s", n, a.status, a.body)
		}
		servertest.Eventually(t, fmt.Sprintf("job %d is there", n), func() bool { return len(s.Jobs(phase)) == 1 })
	}
	for name, head := range map[string]string{
		"Announced": "POST /function/reader HTTP/1.1\r\nContent-Length: 1000000000\r\n",
		"Small":     "POST /function/reader HTTP/1.1\r\nContent-Length: 1000\r\n",
		"Chunked":   "POST /function/reader HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
		"Expect":    "POST /function/reader HTTP/1.1\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n",
		"Task":      "POST /function/hold HTTP/1.1\r\nContent-Length: 1000000000\r\n",
		"Job":       "POST /async-function/hold HTTP/1.1\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n",
		"DALI":      "POST /uws/hold/sync HTTP/1.1\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, s)
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(time.Minute))
			fmt.Fprintf(conn, "%sHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=xyz\r\n\r\n", head, s.Token)
			if name != "Expect" && name != "Job" && name != "DALI" {
				begun := "--xyz\r\nContent-Disposition: form-data; name=\"text\"; filename=\"t\"\r\n\r\nbegun"
				if name == "Chunked" {
					begun = fmt.Sprintf("%x\r\n%s\r\n", len(begun), begun)
				}
				io.WriteString(conn, begun)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
				b, _ := io.ReadAll(res.Body)
				t.Errorf("the answer is %d %v %s, want 429 with Retry-After", res.StatusCode, res.Header, b)
			}
		})
	}
	noUploadsLeft(t, s)
	write(t, filepath.Join(dir, "all"), "")
	for range 2 {
		if a := <-ended; a.status != 200 {
			t.Errorf("a call that was let in = %d %s", a.status, a.body)
		}
	}
}

const listens = `"""Reads its request."""
import fringe

FRINGE = {"version": "1.0.0", "environment": "plain", "warm": {"max": 1, "queue": 1}}


def main():
    return str(len(fringe.request.data))
`

// A raw function's call that cannot wait for an instance is answered at once too,
// though the body does not come.
func TestRawRefusedBeforeItsBody(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	s.Service("listens", listens)
	begin := func(length string) net.Conn {
		conn := dial(t, s)
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(conn, "POST /function/listens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n", s.Token, length)
		return conn
	}
	answer := func(conn net.Conn) *http.Response {
		t.Helper()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	var taken []net.Conn
	for n, wait := range []string{`state="busy"} 1`, `fringe_queue_length{function="listens@1.0.0"} 1`} {
		taken = append(taken, begin("Transfer-Encoding: chunked"))
		servertest.Eventually(t, fmt.Sprintf("call %d is there", n), func() bool {
			return strings.Contains(string(send(t, s, "GET", "/metrics", nil).body), wait)
		})
	}
	for _, length := range []string{"Content-Length: 200000", "Content-Length: 1000000000", "Transfer-Encoding: chunked"} {
		if res := answer(begin(length)); res.StatusCode != 429 || res.Header.Get("Retry-After") == "" || !res.Close {
			t.Errorf("%s: the answer is %d %v, want 429 with Retry-After, and the connection's end", length, res.StatusCode, res.Header)
		}
	}
	for _, conn := range taken {
		io.WriteString(conn, "5\r\n12345\r\n0\r\n\r\n")
		res := answer(conn)
		if b, err := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "5" || err != nil {
			t.Errorf("a call that was let in = %d %q, %v", res.StatusCode, b, err)
		}
	}
}

// dial opens a connection to the site.
func dial(t *testing.T, s *servertest.Site) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// What strangers publish, and what their functions leave, cannot harm the
// site: it is refused with a sentence that names the part that failed.
func TestHostilePublications(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'm'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	head := "cwlVersion: v1.2\nclass: CommandLineTool\n$namespaces: {fringe: \"urn:fringe:ns#\"}\nhints:\n  fringe:Function: {version: 1.0.0}\nbaseCommand: \"true\"\noutputs: []\n"
	for name, c := range map[string]struct {
		file, text string
		says       string
	}{
		"YAMLBomb":    {"bomb.cwl", head + "inputs: []\ndoc: *l\n" + bomb, ""},
		"BombFirst":   {"bomb.cwl", bomb + head + "inputs: []\ns:bomb: *l\n", ""},
		"Deep":        {"deep.cwl", head + "inputs: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), ""},
		"Cycle":       {"cycle.cwl", head + "inputs:\n  a: {type: \"#t\"}\nrequirements:\n  SchemaDefRequirement:\n    types: [{name: \"#t\", type: record, fields: {f: \"#t\"}}]\n", ""},
		"Include":     {"include.cwl", head + "inputs: []\ndoc: {$include: /etc/passwd}\n", "/etc/passwd"},
		"Binary":      {"binary.cwl", "\x00\x01\x02\xff", ""},
		"Unsupported": {"workflow.cwl", "cwlVersion: v1.2\nclass: Workflow\ninputs: []\noutputs: []\nsteps: []\n", "Workflow"},
		"NoImport":    {"lost.py", "import no_such_module\nFRINGE = {\"version\": \"1.0.0\", \"environment\": \"plain\"}\ndef main(x: int) -> int: return x\n", "no_such_module"},
		"Forever":     {"exits.py", "import os\nos._exit(0)\n", ""},
		"Traversal":   {"../../evil.cwl", head + "inputs: []\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.TryPublish(map[string]string{c.file: c.text})
			var e *fringe.Error
			if !errors.As(err, &e) || e.Kind != fringe.Invalid || !strings.Contains(e.Message, c.says) {
				t.Errorf("publishing it = %#v, want invalid and %q", err, c.says)
			}
			if strings.Contains(fmt.Sprint(err), "root:") {
				t.Errorf("the answer has a file of the machine: %v", err)
			}
		})
	}
	if p, err := client.Get[client.Page[client.Function]](t.Context(), s.Client, "/api/v1/functions", nil); err != nil || len(p.Items) != 0 {
		t.Errorf("after refusals the catalogue has %v, %v", p.Items, err)
	}
}

func TestHostileOutputs(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	secret := write(t, filepath.Join(s.Dir, "secret"), "the site's own")
	nan := `import struct,sys; card=lambda k,v: ("%-8s= %20s" % (k,v)).ljust(80); head="".join([card("SIMPLE","T"),card("BITPIX",-32),card("NAXIS",2),card("NAXIS1",4),card("NAXIS2",4),"END".ljust(80)]).ljust(2880).encode(); open("o.fits","wb").write(head+(struct.pack(">f",float("nan"))*16).ljust(2880,b"\0"))`
	for name, c := range map[string]struct {
		command   string // of sh
		glob      string
		component fringe.Component
		says      string
	}{
		"Missing":       {"true", "o.fits", fringe.Collect, "o.fits"},
		"Empty":         {": >o.fits", "o.fits", fringe.Collect, "empty"},
		"NaN":           {"python3 -c '" + nan + "'", "o.fits", fringe.Collect, "(?i)nan"},
		"BrokenFITS":    {"echo 'SIMPLE  = nonsense' >o.fits", "o.fits", fringe.Collect, "FITS"},
		"SymlinkOut":    {"ln -s /etc/passwd o.fits", "o.fits", fringe.Collect, "o.fits"},
		"SymlinkToSite": {"ln -s " + secret + " o.fits", "o.fits", fringe.Collect, "o.fits"},
		"LinkInside":    {"mkdir d; ln -s ../../../../../../etc d/l; ln -s d/l/passwd o.fits", "o.fits", fringe.Collect, "o.fits"},
		"Device":        {"mkfifo o.fits", "o.fits", fringe.Collect, ""},
		"GlobUpwards":   {"true", "../../../etc/passwd", fringe.Collect, ""},
		"NoTool":        {"", "", fringe.Start, "no-such-imager"},
		"ExitCode":      {"echo star lost >&2; exit 7", "o.fits", fringe.UserCode, "code 7(.|\n)*star lost"},
		"Signal":        {"kill -SEGV $$", "o.fits", fringe.UserCode, "(?i)segv|signal"},
	} {
		t.Run(name, func(t *testing.T) {
			tool := strings.ToLower(name)
			command, err := json.Marshal([]string{"/bin/sh", "-c", c.command})
			if err != nil {
				t.Fatal(err)
			}
			if name == "NoTool" {
				command = []byte("[no-such-imager]")
			}
			s.Tool(tool, fmt.Sprintf("baseCommand: %s\ninputs: []\noutputs:\n  o: {type: File, outputBinding: {glob: %q}}\n", command, c.glob))
			out, err := s.Try(tool, map[string]any{})
			t.Logf("the user reads: %v", err)
			var e *fringe.Error
			if !errors.As(err, &e) || e.Component != c.component || !regexp.MustCompile(c.says).MatchString(e.Message) {
				t.Errorf("call = %v, %#v, want a failure in %s that says %q", out, err, c.component, c.says)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir, "data", "products", "*", "*")); err != nil || len(left) != 0 {
		t.Errorf("failed calls left products: %v", left)
	}
}
