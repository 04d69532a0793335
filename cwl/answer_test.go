package cwl_test

import (
	"strings"
	"testing"
)

// TestAnswer holds what a program answers against the tool's outputs.
func TestAnswer(t *testing.T) {
	tool := parse(t, `cwlVersion: v1.2
class: CommandLineTool
baseCommand: "true"
inputs: []
outputs:
  n: int
  name: string?
  list: double[]
  image: File?
`)
	for _, c := range []struct{ doc, want, fails string }{
		{doc: `{"n":1,"name":"é\n","list":[1.5,2],"image":null}`, want: `{"n":1,"name":"é\n","list":[1.5,2],"image":null}`},
		{doc: ` {"list": [], "n": 1, "name": null, "image": null} `, want: ` {"list": [], "n": 1, "name": null, "image": null} `},
		{doc: `{"n":1,"list":[]}`, want: `{"image":null,"list":[],"n":1,"name":null}`},
		{doc: `{"n":1.0,"list":[],"more":true}`, want: `{"image":null,"list":[],"n":1,"name":null}`},
		{doc: `{"n":1,"list":[],"image":{"class":"File","path":"a.fits"}}`, want: `{"image":{"class":"File","path":"a.fits"},"list":[],"n":1,"name":null}`},
		{doc: `{"n":9007199254740993,"list":[]}`, fails: "the output n is"},
		{doc: `{"n":1}`, fails: "the output list is null; its type is double[]"},
		{doc: `{"n":"1","list":[]}`, fails: "the output n is"},
		{doc: `{"n":1,"list":[1,"x"]}`, fails: "the output list is wrong at /1"},
		{doc: `{"n":1,"n":2,"list":["x"]}`, fails: "the output list is wrong at /0"},
		{doc: `[1]`, fails: "the function's answer is"},
		{doc: `hello`, fails: "the function's answer is not JSON"},
		{doc: ``, fails: "the function's answer is not JSON"},
		{doc: `{"n":1,"list":[]} {}`, fails: "something behind its JSON"},
		{doc: `{"n":NaN,"list":[]}`, fails: "the function's answer is not JSON"},
		{doc: "{\"n\":1,\"list\":[],\"name\":\"\xff\"}", want: `{"image":null,"list":[],"n":1,"name":"�"}`},
	} {
		got, err := tool.Answer([]byte(c.doc))
		switch {
		case c.fails == "" && (err != nil || string(got) != c.want):
			t.Errorf("Answer(%q) = %q, %v, want %q", c.doc, got, err, c.want)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("Answer(%q) = %q, %v, want an error with %q", c.doc, got, err, c.fails)
		}
	}
}
