package fringe_test

import (
	"encoding/json"
	"testing"

	"fringe"
)

func TestUnmarshal(t *testing.T) {
	const doc = `{"id":9007199254740993,"list":[-9223372036854775808,0.1,1e3],"n":null}`
	var v map[string]any
	if err := fringe.Unmarshal([]byte(doc), &v); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(v); err != nil || string(b) != doc {
		t.Errorf("Unmarshal kept %s, %v, want %s", b, err, doc)
	}
	for _, wrong := range []string{``, ` `, `{`, `{} {}`, `1,`} {
		var v any
		if err := fringe.Unmarshal([]byte(wrong), &v); err == nil {
			t.Errorf("Unmarshal(%q) = %v, want an error", wrong, v)
		}
	}
}

func TestSameValue(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`9007199254740993`, `9007199254740992`, false},
		{`9007199254740993`, `9007199254740993`, true},
		{`{"a":[1,2.50,"x",null,true]}`, `{"a":[1.0,25e-1,"x",null,true]}`, true},
		{`[1]`, `[1,2]`, false}, {`{"a":null}`, `{"b":null}`, false}, {`{"a":1}`, `{"a":1,"b":1}`, false},
		{`"1"`, `1`, false}, {`true`, `1`, false}, {`1e999`, `2e999`, false}, {`[]`, `{}`, false}, {`null`, `0`, false},
	} {
		var a, b any
		if fringe.Unmarshal([]byte(c.a), &a) != nil || fringe.Unmarshal([]byte(c.b), &b) != nil {
			t.Fatal(c)
		}
		if got := fringe.SameValue(a, b); got != c.want || fringe.SameValue(b, a) != c.want {
			t.Errorf("SameValue(%s, %s) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
