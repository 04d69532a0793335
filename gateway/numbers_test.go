package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"fringe"
	"fringe/client"
	"fringe/server/servertest"
)

// body sends a request and gives the answer as it came.
func body(t *testing.T, s *servertest.Site, method, path, contentType, accept, text string) string {
	t.Helper()
	r := client.Request{Method: method, Path: path, Header: http.Header{"Accept": {accept}}}
	if text != "" {
		r.Body, r.Header["Content-Type"] = bytes.NewBufferString(text), []string{contentType}
	}
	res, err := s.Do(t.Context(), r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Whole numbers above 2^53 come through with all their digits, whichever way.
func TestLongNumbers(t *testing.T) {
	const id = "9007199254740993"
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("ids", `baseCommand: [sh, -c, 'printf "{\"id\": %s, \"given\": \"%s\"}" "$0" "$0" > cwl.output.json']
inputs:
  id: {type: long, inputBinding: {position: 1}}
  any: Any?
outputs: {id: long, given: string}
`)
	s.Python()
	s.Service("same", "FRINGE = {\"version\": \"1.0.0\", \"environment\": \"plain\", \"shape\": \"service\"}\n\ndef main(id: int) -> int:\n    return id\n")
	for what, text := range map[string]string{
		"JSON":              body(t, s, "POST", "/function/ids", "application/json", "", `{"id": `+id+`}`),
		"a query":           body(t, s, "GET", "/function/ids?id="+id, "", "", ""),
		"a form":            body(t, s, "POST", "/function/ids", "application/x-www-form-urlencoded", "", "id="+id),
		"a service":         body(t, s, "POST", "/function/same", "application/json", "", `{"id": `+id+`}`),
		"a service's query": body(t, s, "GET", "/function/same?id="+id, "", "", ""),
		"a nested one":      body(t, s, "POST", "/function/ids", "application/json", "", `{"any": {"a": [`+id+`]}, "id": `+id+`}`),
	} {
		if want := 2 - strings.Count(what, "service"); strings.Count(text, id) != want {
			t.Errorf("by %s: %s, want %s %d times", what, text, id, want)
		}
	}
	for _, hold := range []bool{false, true} {
		b, err := json.Marshal(hold)
		if err != nil {
			t.Fatal(err)
		}
		var j client.Job
		text := body(t, s, "POST", "/api/v1/jobs", "application/json", "", `{"function": "ids", "inputs": {"id": `+id+`, "any": {"b": -`+id+`}}, "fresh": true, "hold": `+string(b)+`}`)
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			t.Fatal(err)
		}
		at := "/api/v1/jobs/" + string(j.ID)
		if hold {
			body(t, s, "POST", at+"/run", "", "", "")
		}
		if err := s.Follow(t.Context(), j.ID, func(client.Event) error { return nil }); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]int{at: 4, at + "/results": 2, at + "/provenance": 8, "/uws/ids/async/" + string(j.ID): 2, "/uws/ids/async/" + string(j.ID) + "/results/id": 1} {
			if text := body(t, s, "GET", path, "", "", ""); strings.Count(text, id) != want {
				t.Errorf("%s has %s %d times, want %d:\n%s", path, id, strings.Count(text, id), want, text)
			}
		}
		if text := body(t, s, "GET", at+"/provenance", "", "application/ld+json", ""); strings.Count(text, id) != 4 {
			t.Errorf("the crate has:\n%s", text)
		}
		if text := body(t, s, "POST", at+"/rerun", "", "", ""); strings.Count(text, id) != 2 {
			t.Errorf("once more: %s", text)
		}
	}
	_, err := s.Try("ids", map[string]any{"id": json.Number("9223372036854775808")})
	if e := fringe.E("", err); e.Kind != fringe.Invalid || e.Pointer != "/id" || !strings.Contains(e.Message, "64 bits") {
		t.Errorf("beyond int64: %v at %q", err, e.Pointer)
	}
	_, err = s.Try("ids", map[string]any{"id": 1, "any": []any{json.Number("18446744073709551617")}})
	if e := fringe.E("", err); e.Kind != fringe.Invalid || e.Pointer != "/any/0" {
		t.Errorf("beyond what Any holds: %v at %q", err, e.Pointer)
	}
}
