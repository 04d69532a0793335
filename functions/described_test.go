package functions_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"testing"

	"fringe/client"
)

// work is one in the Astrophysics Data System or the Astrophysics Source Code
// Library, or a memorandum.
var work = regexp.MustCompile(`\b(\d{4}[A-Za-z&.]{5}[A-Za-z0-9.]{9}[A-Z]|ascl:\d{4}\.\d{3}|(RFC|AIPS Memo) \d+)\b`)

// TestEveryFunctionIsDescribed holds each shipped function against what an
// astronomer looks for before he trusts it: what it does, what every input and
// output is, an example, whom to cite, the licence, the versions of the tools.
func TestEveryFunctionIsDescribed(t *testing.T) {
	for query := (url.Values{"limit": {"100"}}); ; {
		page, err := client.Get[client.Page[client.Function]](t.Context(), site.client, "/api/v1/functions", query)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Items {
			described(t, string(f.Name))
		}
		if page.Next == "" {
			return
		}
		query.Set("cursor", page.Next)
	}
}

func described(t *testing.T, name string) {
	f, err := client.Get[client.Function](t.Context(), site.client, "/api/v1/functions/"+name, nil)
	if err != nil {
		t.Error(err)
		return
	}
	for what, said := range map[string]bool{"summary": f.Summary != "", "text": f.Doc != "", "author": f.Author != "", "licence": f.License != "", "keywords": len(f.Keywords) > 0,
		"outputs": len(f.Outputs) > 0, "versions of the tools": len(f.Packages) > 0, "citation that can be looked up": work.MatchString(f.Citation)} {
		if !said {
			t.Errorf("%s has no %s", name, what)
		}
	}
	var example map[string]any
	if err := json.Unmarshal(f.Example, &example); err != nil {
		t.Errorf("the example of %s is %q: %v", name, f.Example, err)
	}
	for _, p := range f.Inputs {
		if _, given := example[p.Name]; p.Required && !given {
			t.Errorf("the example of %s lacks its input %s", name, p.Name)
		}
	}
	for _, p := range append(f.Inputs, f.Outputs...) {
		if p.Doc == "" {
			t.Errorf("%s has no text for %s", name, p.Name)
		}
	}
}
