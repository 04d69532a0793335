package soda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/catalogue"
	"fringe/gateway/soda"
	"fringe/site"
)

const base = "/ska/datasets/soda"

// service is a SODA service over a site that is a function of the test.
func service(t testing.TB, call func(site.Request) (*site.Answer, error), rules ...soda.Rule) *soda.Service {
	t.Helper()
	return soda.New(soda.Config{Path: base, Links: "/ska/datasets/links", Dataset: dataset, Function: "cutout", Rules: append(rules, soda.DefaultRules()...),
		Resolve: func(context.Context, string) (*catalogue.Version, error) {
			return &catalogue.Version{Function: fringe.Function{Name: "cutout", Version: "1.0.0"}}, nil
		},
		Call:    func(_ context.Context, r site.Request) (*site.Answer, error) { return call(r) },
		Require: func(context.Context, string, fringe.Role) error { return nil },
		Log:     slog.New(slog.DiscardHandler)})
}

// dataset gives the datasets of the tests.
func dataset(_ context.Context, did fringe.DID) (fringe.Dataset, error) {
	switch did.String() {
	case "t:a@b.fits":
		return fringe.Dataset{DID: did, Basename: "a & b.fits", MediaType: "image/fits", Size: 2880}, nil
	case "t:ms":
		return fringe.Dataset{DID: did, Basename: "x.ms", Directory: true, Size: 7}, nil
	}
	return fringe.Dataset{}, &fringe.Error{Kind: fringe.NotFound, Message: "there is no " + did.String()}
}

// TestLinksAreAVOTable holds the document against the XML schema of VOTable 1.4
// that astropy ships, and against astropy's own reader, to which each warning is
// an error: attributes, units, UCDs, references. Its list of words of UCDs is
// older than two that SODA 1.0 wants.
func TestLinksAreAVOTable(t *testing.T) {
	const schema = "/usr/lib/python3/dist-packages/astropy/io/votable/data/VOTable.v1.4.xsd"
	read := `import sys, warnings
from astropy.io.votable import parse
warnings.simplefilter("error")
warnings.filterwarnings("ignore", ".*Unknown word '(pos.outline|stat.interval)'")
t = parse(sys.argv[1], verify="warn")
assert t.get_first_table().to_table().colnames[0] == "ID" and len(list(t.resources)) == 2 and t.resources[1].utype == "adhoc:service"`
	for name, query := range map[string]string{
		"rows": "?ID=t:a@b.fits&ID=t:ms&ID=t:none&ID=http://x/y?%3Ca%3E%26", "none": "", "overflow": "?" + strings.Repeat("ID=t:ms&", 1001),
	} {
		w := httptest.NewRecorder()
		service(t, nil).ServeHTTP(w, httptest.NewRequest("GET", "/ska/datasets/links"+query, nil))
		file := filepath.Join(t.TempDir(), "links.xml")
		if err := os.WriteFile(file, w.Body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"xmllint", "--nonet", "--noout", "--schema", schema, file}, {"/usr/bin/python3", "-c", read, file}} {
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v (scripts/setup.sh test installs it)\n%s", name, args[0], err, out)
			}
		}
	}
}

func TestLinks(t *testing.T) {
	type table struct {
		Infos []struct {
			Value string `xml:"value,attr"`
		} `xml:"RESOURCE>INFO"`
		Rows []struct {
			Cells []string `xml:"TD"`
		} `xml:"RESOURCE>TABLE>DATA>TABLEDATA>TR"`
	}
	ask := func(query string) (*httptest.ResponseRecorder, table) {
		w := httptest.NewRecorder()
		service(t, nil).ServeHTTP(w, httptest.NewRequest("GET", "/ska/datasets/links"+query, nil))
		var found table
		if w.Code == http.StatusOK {
			if err := xml.Unmarshal(w.Body.Bytes(), &found); err != nil {
				t.Fatalf("%s answers what is no XML: %v\n%s", query, err, w.Body)
			}
		}
		return w, found
	}
	w, found := ask("?id=t:a@b.fits&ID=t:ms&ID=t:none&ID=http://x/y")
	if got := w.Header().Get("Content-Type"); got != "application/x-votable+xml;content=datalink" {
		t.Errorf("the type is %s", got)
	}
	want := [][]string{
		{"t:a@b.fits", "http://example.com/api/v1/content/t:a@b.fits", "", "", "a & b.fits", "#this", "image/fits", "2880", "true"},
		{"t:a@b.fits", "", "cutouts", "", "A part of it: a circle, polygon or range, a band, polarizations", "#cutout", "application/fits", "-1", "true"},
		{"t:ms", "http://example.com/api/v1/content/t:ms", "", "", "x.ms", "#this", "application/x-tar", "-1", "true"},
		{"t:none", "", "", "NotFoundFault: there is no t:none", "", "#this", "", "-1", "true"},
		{"http://x/y", "", "", "UsageFault: ", "", "#this", "", "-1", "true"},
	}
	byID := map[string]int{} // the IDs of both spellings are taken, in no order between the two
	for _, r := range found.Rows {
		for _, row := range want {
			if row[0] == r.Cells[0] && row[5] == r.Cells[5] {
				byID[row[0]+row[5]]++
				for i := range row {
					if row[i] != r.Cells[i] && !(i == 3 && strings.HasPrefix(r.Cells[i], row[i]) && row[i] != "") {
						t.Errorf("the cell %d of %s is %q, want %q", i, row[0], r.Cells[i], row[i])
					}
				}
			}
		}
	}
	if len(found.Rows) != len(want) || len(byID) != len(want) {
		t.Errorf("there are %d rows %v, want %d", len(found.Rows), byID, len(want))
	}
	if _, none := ask(""); len(none.Rows) != 0 || len(none.Infos) != 2 || none.Infos[1].Value != "OK" {
		t.Errorf("without an ID there are %v", none)
	}
	if _, many := ask("?" + strings.Repeat("ID=t:ms&", 1001)); len(many.Rows) != 1000 || many.Infos[len(many.Infos)-1].Value != "OVERFLOW" {
		t.Errorf("of 1001 IDs there are %d rows, and the last word is %v", len(many.Rows), many.Infos)
	}
	if w, _ := ask("?ID=t:ms&RESPONSEFORMAT=application/json"); w.Code != http.StatusBadRequest || !strings.HasPrefix(w.Body.String(), "UsageError: RESPONSEFORMAT") {
		t.Errorf("a format that is not made answers %d %s", w.Code, w.Body)
	}
}

func get(s http.Handler, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", base+"/sync?"+query, nil))
	return w
}

const did = "ID=t:i&"

func TestParametersBecomeInputs(t *testing.T) {
	var got map[string]any
	s := service(t, func(r site.Request) (*site.Answer, error) {
		got = r.Inputs
		return &site.Answer{Outputs: map[string]any{"cutout": nil}}, nil
	})
	for _, c := range []struct{ query, inputs string }{
		{did, `{}`},
		{"id=ivo://auth.example.org/datasets/fits?testing/5b/f5/PTF10tce.fits", `{"image":{"class":"File","location":"testing:PTF10tce.fits"}}`},
		{"ID=ivo://auth.example.org/datasets/fits?testing/PTF10tce.fits", `{"image":{"class":"File","location":"testing:PTF10tce.fits"}}`},
		{did + "Circle=187.5+-12.25+0.1", `{"circle":[187.5,-12.25,0.1]}`},
		{did + "POS=CIRCLE+1+2+3e-2&RESPONSE_FORMAT=application/fits", `{"circle":[1,2,0.03]}`},
		{did + "POLYGON=1+2+3+4+5+6&RESPONSEFORMAT=image/fits", `{"polygon":[1,2,3,4,5,6]}`},
		{did + "POS=POLYGON+1+2+3+4+5+6", `{"polygon":[1,2,3,4,5,6]}`},
		{did + "POS=RANGE+-Inf+%2BInf+10+%2BInf", `{"range":[0,360,10,90]}`},
		{did + "POS=RANGE+359+1+-1+1", `{"range":[359,1,-1,1]}`},
		{did + "BAND=0.20+0.22", `{"band_min":0.2,"band_max":0.22}`},
		{did + "BAND=-Inf+0.22", `{"band_max":0.22}`},
		{did + "BAND=0.2+Inf", `{"band_min":0.2}`},
		{did + "BAND=0.21", `{"band_min":0.21,"band_max":0.21}`},
		{did + "POL=I&POL=V&UNKNOWN=x&RUNID=abc", `{"pol":["I","V"]}`},
	} {
		if w := get(s, c.query); w.Code != http.StatusNoContent {
			t.Errorf("%s answers %d %s, want 204", c.query, w.Code, w.Body)
			continue
		}
		want := map[string]any{"image": map[string]any{"class": "File", "location": "t:i"}}
		if err := json.Unmarshal([]byte(c.inputs), &want); err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if !bytes.Equal(a, b) {
			t.Errorf("%s gives the inputs %s, want %s", c.query, a, b)
		}
	}
}

func TestWhatIsRefusedAndHow(t *testing.T) {
	s := service(t, func(r site.Request) (*site.Answer, error) {
		t.Errorf("a call is made with %v", r.Inputs)
		return nil, fringe.Errorf("", fringe.Internal, "")
	})
	for _, c := range []struct{ query, begins string }{
		{"", "UsageError: ID is missing"},
		{"ID=http://127.0.0.1/x.fits", "UsageError: ID"},
		{"ID=file:/etc/passwd", "UsageError: ID"},
		{"ID=ivo://a/b?../../etc", "UsageError: ID"},
		{"ID=ivo://a/b", "UsageError: ID"},
		{"ID=t:i&ID=t:j", "MultiValuedParamNotSupported: ID"},
		{did + "CIRCLE=1+2+3&circle=1+2+3", "MultiValuedParamNotSupported: CIRCLE"},
		{did + "CIRCLE=1+2+3&POS=CIRCLE+1+2+3", "MultiValuedParamNotSupported: of CIRCLE"},
		{did + "CIRCLE=1+2", "UsageError: CIRCLE"},
		{did + "CIRCLE=1+91+1", "UsageError: CIRCLE"},
		{did + "CIRCLE=1+2+-1", "UsageError: CIRCLE"},
		{did + "CIRCLE=NaN+2+1", `UsageError: CIRCLE has "NaN"`},
		{did + "CIRCLE=1+2+Inf", `UsageError: CIRCLE has "Inf"`},
		{did + "POLYGON=1+2+3+4+5", "UsageError: POLYGON"},
		{did + "POLYGON=" + strings.Repeat("1+", 3000), "UsageError: POLYGON has 3000 numbers"},
		{did + "POS=BOX+1+2+3", "UsageError: POS begins"},
		{did + "POS=RANGE+Inf+1+2+3", "UsageError: POS=RANGE"},
		{did + "POS=RANGE+0+1+3+2", "UsageError: POS=RANGE"},
		{did + "BAND=2+1", "UsageError: BAND"},
		{did + "BAND=-2+-1", "UsageError: BAND"},
		{did + "BAND=1+2+3", "UsageError: BAND"},
		{did + "POL=I+Q", "UsageError: POL"},
		{did + "TIME=1+2", "UsageError: TIME is not supported"},
		{did + "RESPONSEFORMAT=text/html", "UsageError: RESPONSEFORMAT"},
		{did + "%zz", "UsageError: the parameters cannot be read"},
	} {
		w := get(s, c.query)
		if w.Code != http.StatusBadRequest || !strings.HasPrefix(w.Body.String(), c.begins) || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s answers %d %q, want 400 %q", c.query, w.Code, w.Body, c.begins)
		}
	}
}

func TestErrorsOfTheSite(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		begins string
	}{
		{&fringe.Error{Kind: fringe.Invalid, Message: "m"}, 400, "UsageError: m"},
		{&fringe.Error{Kind: fringe.NotFound, Message: "m"}, 404, "Error: m"},
		{&fringe.Error{Kind: fringe.Invalid, Pointer: "/image", Message: "x", Err: &fringe.Error{Kind: fringe.NotFound, Message: "m"}}, 404, "Error: m"},
		{&fringe.Error{Kind: fringe.Denied, Message: "m"}, 403, "AuthorizationError: m"},
		{&fringe.Error{Kind: fringe.Busy, Message: "m", RetryAfter: 1500 * time.Millisecond}, 429, "ServiceUnavailable: m"},
		{&fringe.Error{Kind: fringe.Unavailable, Message: "m"}, 503, "ServiceUnavailable: m"},
		{&fringe.Error{Kind: fringe.Failed, Component: fringe.UserCode, Message: "ValueError: m\nn"}, 400, "UsageError: m n"},
		{&fringe.Error{Kind: fringe.Failed, Component: fringe.UserCode, Message: "KeyError: m"}, 500, "Error: KeyError"},
		{&fringe.Error{Kind: fringe.Failed, Component: fringe.Timeout, Message: "m"}, 504, "Error: m"},
		{fmt.Errorf("secret"), 500, "Error: the site failed"},
	} {
		w := get(service(t, func(site.Request) (*site.Answer, error) { return nil, c.err }), did)
		if w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.begins) || strings.Count(w.Body.String(), "\n") != 1 {
			t.Errorf("%v answers %d %q, want %d %q", c.err, w.Code, w.Body, c.status, c.begins)
		}
		if after := w.Header().Get("Retry-After"); (c.status == 429) != (after == "2") {
			t.Errorf("%v answers Retry-After %q", c.err, after)
		}
		if got := w.Header().Values("WWW-Authenticate"); (c.status == 403) != (len(got) == 2) {
			t.Errorf("%v answers the challenges %q", c.err, got)
		}
	}
}

func TestUnknownPrincipalsReadTheDocumentsOnly(t *testing.T) {
	s := service(t, nil)
	for path, status := range map[string]int{"/sync?" + did: 401, "/capabilities": 200, "/availability": 200, "/other": 401} {
		w := httptest.NewRecorder()
		s.ServeUnknown(w, httptest.NewRequest("GET", base+path, nil), &fringe.Error{Kind: fringe.Unknown, Message: "a token is needed"})
		if w.Code != status || len(w.Header().Values("WWW-Authenticate")) != 2 {
			t.Errorf("%s answers %d with the challenges %q, want %d and two", path, w.Code, w.Header().Values("WWW-Authenticate"), status)
		}
		if err := xml.Unmarshal(w.Body.Bytes(), new(struct{ XMLName xml.Name })); (status == 200) != (err == nil) {
			t.Errorf("%s answers %.80q: %v", path, w.Body, err)
		}
	}
}

func TestPostInBothForms(t *testing.T) {
	content := filepath.Join(t.TempDir(), "x-cutout.fits")
	if err := os.WriteFile(content, []byte("SIMPLE"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := service(t, func(r site.Request) (*site.Answer, error) {
		f, err := os.Open(content)
		return &site.Answer{Outputs: map[string]any{"cutout": map[string]any{}}, Files: map[string]*os.File{"cutout": f}}, err
	})
	var multi bytes.Buffer
	mw := multipart.NewWriter(&multi)
	mw.WriteField("ID", "t:i")
	mw.WriteField("CIRCLE", "1 2 3")
	mw.Close()
	for kind, body := range map[string]string{mw.FormDataContentType(): multi.String(), "application/x-www-form-urlencoded": "ID=t:i&CIRCLE=1+2+3"} {
		r := httptest.NewRequest("POST", base+"/sync", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if h := w.Header(); w.Code != 200 || w.Body.String() != "SIMPLE" || h.Get("Content-Type") != "application/fits" || h.Get("Content-Length") != "6" ||
			h.Get("Content-Disposition") != "attachment; filename=x-cutout.fits" {
			t.Errorf("%s answers %d %q %v", kind, w.Code, w.Body, h)
		}
	}
	r := httptest.NewRequest("POST", base+"/sync", io.LimitReader(strings.NewReader("ID="+strings.Repeat("x", 2<<20)), 2<<20))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 400 || !strings.HasPrefix(w.Body.String(), "UsageError: the parameters are longer") {
		t.Errorf("2 MiB of parameters answer %d %q", w.Code, w.Body)
	}
}

// A client that has left is no fault of the site: nothing above the level for
// debugging tells of it.
func TestClientGone(t *testing.T) {
	var log bytes.Buffer
	call := func(context.Context, site.Request) (*site.Answer, error) {
		return nil, fringe.E("site.Call", context.Canceled)
	}
	s := soda.New(soda.Config{Path: base, Links: "/ska/datasets/links", Function: "cutout", Rules: soda.DefaultRules(), Call: call,
		Resolve: func(context.Context, string) (*catalogue.Version, error) { return &catalogue.Version{}, nil },
		Require: func(context.Context, string, fringe.Role) error { return nil },
		Log:     slog.New(slog.NewTextHandler(&log, nil))})
	if w := get(s, did); w.Code != 499 || log.Len() > 0 {
		t.Errorf("the answer is %d and the log says %q, want 499 and nothing", w.Code, &log)
	}
}

func TestOwnRulesComeFirst(t *testing.T) {
	rule, err := soda.ParseRule(`^ivo://obs\.org/~\?(?:.*/)?([^/]+)$=obs:$1`)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	s := service(t, func(r site.Request) (*site.Answer, error) {
		got = r.Inputs["image"].(map[string]any)["location"]
		return &site.Answer{}, nil
	}, rule)
	if w := get(s, "ID=ivo://obs.org/~?a/b/c.fits"); w.Code != 204 || got != "obs:c.fits" {
		t.Errorf("the dataset is %v, want obs:c.fits", got)
	}
	for _, text := range []string{"", "=x:y", "nothing", "(=x:y"} {
		if _, err := soda.ParseRule(text); fringe.KindOf(err) != fringe.Invalid {
			t.Errorf("ParseRule(%q) = %v, want invalid", text, err)
		}
	}
}

// FuzzParameters checks that any parameters are refused with a line of text or
// become inputs that are within their bounds and name a dataset.
func FuzzParameters(f *testing.F) {
	for _, s := range []string{"", did, did + "CIRCLE=1+2+3", did + "POS=RANGE+-Inf+Inf+0+1", did + "BAND=1e-1+%2BInf&POL=I", "ID=ivo://a/b?c/d/e", did + "POLYGON=1+2+3+4+5+6&ID=x"} {
		f.Add(s)
	}
	var got map[string]any
	s := service(f, func(r site.Request) (*site.Answer, error) { got = r.Inputs; return &site.Answer{}, nil })
	f.Fuzz(func(t *testing.T, query string) {
		got = nil
		w := httptest.NewRecorder()
		s.ServeHTTP(w, &http.Request{Method: "GET", Host: "h", URL: &url.URL{Path: base + "/sync", RawQuery: query}, Header: http.Header{}, Body: http.NoBody})
		if w.Code == http.StatusBadRequest {
			if !strings.HasPrefix(w.Body.String(), "UsageError: ") && !strings.HasPrefix(w.Body.String(), "MultiValuedParamNotSupported: ") || strings.Count(w.Body.String(), "\n") != 1 {
				t.Errorf("%q answers %q", query, w.Body)
			}
			return
		}
		if w.Code != http.StatusNoContent || got == nil {
			t.Fatalf("%q answers %d %q", query, w.Code, w.Body)
		}
		if _, err := fringe.ParseDID(got["image"].(map[string]any)["location"].(string)); err != nil {
			t.Errorf("%q asks for %v", query, got["image"])
		}
		regions := 0
		for _, name := range []string{"circle", "polygon", "range"} {
			list, _ := got[name].([]any)
			if got[name] != nil {
				regions++
			}
			for _, x := range list {
				if v := x.(float64); math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%q gives %v", query, got)
				}
			}
		}
		low, _ := got["band_min"].(float64)
		high, bounded := got["band_max"].(float64)
		if regions > 1 || low < 0 || bounded && high < low {
			t.Errorf("%q gives %v", query, got)
		}
	})
}
