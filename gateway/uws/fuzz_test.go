package uws_test

import (
	"encoding/xml"
	"io"
	"net/url"
	"strings"
	"testing"
)

// Whatever parameters a client sends, and however, the answer is no 5xx, and
// the documents of the job are XML that keeps what was said.
func FuzzParameters(f *testing.F) {
	const form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	for _, seed := range []struct{ contentType, body, name, value string }{
		{form, "text=x&number=1&list=a&list=b", "real", "2.5"},
		{form, "text=x&number=99999999999999999999", "number", "1e400"},
		{form, "TEXT=%00%ff%ef%bf%be&kind=one&PHASE=RUN", "flag", "maybe"},
		{form, "PHASE=RUN&PHASE=ABORT&RUNID=%0d%0aX: y&EXECUTIONDURATION=-0&DESTRUCTION=9999-12-31T23:59:59.999999999Z", "list", `["a", {}, null]`},
		{form, "file=file:///etc/passwd&text=x&PHASE=RUN", "file", "http://127.0.0.1:1/x"},
		{form, "file=upload:../../x&UPLOAD=file,param:file;;,", "file", "param:../../../etc/passwd"},
		{form, "%zz=&&=&a=b;c", "", "["},
		{parts, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../x\"\r\n\r\ny\r\n--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nz\r\n--b--\r\n", "text", "\x01]]>"},
		{parts, "--b\r\nContent-Disposition: form-data; name=\"\"; filename=\"\\\"\r\n\r\n", "file", "{}"},
		{"multipart/form-data", "", "a/b", ""},
		{"text/plain; charset=\xff", "text=x", "%2e%2e", "\xff"},
		{"", "text=x", "kind", "three"},
	} {
		f.Add(seed.contentType, seed.body, seed.name, seed.value)
	}
	w := start(f)
	a := w.alice
	answered := func(t *testing.T, got answer, what string) answer {
		if got.status >= 500 {
			t.Fatalf("%s gives %d: %s", what, got.status, got.body)
		}
		return got
	}
	f.Fuzz(func(t *testing.T, contentType, body, name, value string) {
		if strings.ContainsFunc(contentType, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return // no client can send that header
		}
		at := a.create(t, "say", "text=before")
		defer func() { answered(t, a.do(t, "DELETE", at, "", nil), "DELETE") }()
		answered(t, a.do(t, "POST", "/uws/say/async", contentType, strings.NewReader(body)), "creation")
		answered(t, a.do(t, "POST", at+"/parameters", contentType, strings.NewReader(body)), "POST parameters")
		put := answered(t, a.do(t, "PUT", at+"/parameters/"+url.PathEscape(name), contentType, strings.NewReader(value)), "PUT parameter")
		answered(t, a.get(t, "/uws/say/async?"+strings.ReplaceAll(url.PathEscape(body), "%3D", "=")), "list")
		for _, word := range []string{"destruction", "executionduration"} {
			answered(t, a.post(t, at+"/"+word, strings.ToUpper(word)+"="+value), word)
		}
		if put.status == 303 && name == "text" && strings.ToValidUTF8(value, "") == value {
			if got := a.get(t, at+"/parameters/text"); got.body != value {
				t.Errorf("the parameter %q is read back as %q", value, got.body)
			}
		}
		doc := answered(t, a.get(t, at), "the job")
		for d := xml.NewDecoder(strings.NewReader(doc.body)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("the job's document is not XML: %v\n%s", err, doc.body)
			}
		}
		answered(t, a.post(t, at+"/phase", "PHASE="+value), "phase")
		answered(t, a.get(t, at+"?WAIT=0&PHASE="+url.QueryEscape(value)), "WAIT")
	})
}
