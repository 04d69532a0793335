package build_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/build"
)

func TestParse(t *testing.T) {
	doc := `# An environment.
name: astro
description: >
  For images
contract: python
python: 3.10
packages:
  apt: [python3-numpy, "wsclean=3.4-1"]
  pip: ["sep==1.4.1", "x[y] >= 2 ; python_version > '3'", "z @ https://example.org/z.whl"]
preload: [numpy, astropy.io.fits]
variables: {OPENBLAS_NUM_THREADS: 1, FLAG: true, EMPTY: ""}
limits: {cpu: 1.5, memory: 4GiB, fileSize: 10M, time: 1h30m, pids: 512}
`
	got, err := build.Parse("environment.yaml", []byte(doc))
	want := build.Declaration{Name: "astro", Description: "For images\n", Contract: fringe.Python, Python: "3.10",
		Packages:  build.Packages{Apt: []string{"python3-numpy", "wsclean=3.4-1"}, Pip: []string{"sep==1.4.1", "x[y] >= 2 ; python_version > '3'", "z @ https://example.org/z.whl"}},
		Preload:   []string{"numpy", "astropy.io.fits"},
		Variables: map[string]string{"OPENBLAS_NUM_THREADS": "1", "FLAG": "true", "EMPTY": ""},
		Limits:    fringe.Limits{CPU: 1.5, Memory: 4 << 30, FileSize: 10 << 20, Time: 90 * time.Minute, Pids: 512}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Parse() = %+v, %v, want %+v", got, err, want)
	}
	small, err := build.Parse("e.yaml", []byte("name: x"))
	if err != nil || small.Contract != fringe.Exec || small.Python != "" {
		t.Errorf("Parse(name only) = %+v, %v, want contract exec without Python", small, err)
	}
	pip, err := build.Parse("e.yaml", []byte("name: x\npackages: {pip: [six]}\nlimits: {time: 90, memory: 1000}"))
	if err != nil || pip.Python != "3" || pip.Limits.Time != 90*time.Second || pip.Limits.Memory != 1000 {
		t.Errorf("Parse(pip) = %+v, %v", pip, err)
	}
}

func TestParseShipped(t *testing.T) {
	files, err := filepath.Glob("../environments/*/environment.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no shipped environments: %v", err)
	}
	for _, f := range files {
		doc, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d, err := build.Parse(f, doc)
		if err != nil || string(d.Name) != filepath.Base(filepath.Dir(f)) {
			t.Errorf("Parse(%s) = %s, %v, want the directory's name", f, d.Name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'i'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	for _, c := range []struct{ name, doc, says string }{
		{"empty", "", "is empty"},
		{"comment", "# nothing\n", "is empty"},
		{"unknown key", "name: x\n\npakages: {}\n", `e.yaml:3: unknown key "pakages"; the known keys here are contract, description, limits`},
		{"unknown key inside", "name: x\npackages:\n  apt: []\n  conda: [x]\n", `e.yaml:4: unknown key "packages.conda"; the known keys here are apt, pip`},
		{"unknown limit", "name: x\nlimits:\n  mem: 3\n", `e.yaml:3: unknown key "limits.mem"`},
		{"twice", "name: x\nname: y\n", "e.yaml:2"},
		{"syntax", "name: x\n  y: [\n", "e.yaml:1: not YAML"},
		{"unclosed", "name: [x\n", "e.yaml:1"},
		{"list", "- name\n", "e.yaml:1: a mapping"},
		{"scalar", "hello\n", "e.yaml:1: a mapping"},
		{"two documents", "name: x\n---\nname: y\n", "second YAML document"},
		{"no name", "contract: exec\n", `name: "" is not a name`},
		{"bad name", "contract: exec\nname: My Env\n", `e.yaml:2: name: "My Env" is not a name`},
		{"contract", "name: x\ncontract: grpc\n", `e.yaml:2: contract: "grpc" is not a contract; use exec, python, http or worker`},
		{"python", "name: x\npython: 2.7\n", `e.yaml:2: python: "2.7" is not a version`},
		{"apt option", "name: x\npackages:\n  apt:\n    - good\n    - -oAPT::x=y\n", `e.yaml:5: packages.apt[1]: "-oAPT::x=y" is not an apt package`},
		{"apt text", "name: x\npackages: {apt: wsclean}\n", "e.yaml:2: packages.apt must be a list; write [wsclean]"},
		{"apt twice", "name: x\npackages: {apt: [aa, aa]}\n", "listed twice"},
		{"pip option", "name: x\npackages: {pip: [--index-url=http://x]}\n", "is not a pip requirement"},
		{"pip path", "name: x\npackages: {pip: [./evil]}\n", "is not a pip requirement"},
		{"preload", "name: x\npython: 3\npreload: ['os; import evil']\n", "is not a Python module"},
		{"preload without python", "name: x\npreload: [os]\n", `add python: "3"`},
		{"variable", "name: x\nvariables: {A-B: 1}\n", "is not a name of a variable"},
		{"reserved", "name: x\nvariables:\n  LD_PRELOAD: /x\n", "e.yaml:3: variables.LD_PRELOAD: LD_PRELOAD is set by the platform"},
		{"variable list", "name: x\nvariables: {A: [1]}\n", "a single value must be here"},
		{"memory", "name: x\nlimits: {memory: much}\n", `e.yaml:2: "much" is not a size`},
		{"negative memory", "name: x\nlimits: {memory: -1}\n", "is not a size"},
		{"time", "name: x\nlimits: {time: 1 fortnight}\n", "is not a duration"},
		{"cpu", "name: x\nlimits: {cpu: many}\n", "is not a number"},
		{"bomb", bomb + "name: x", "e.yaml:1: unknown key"},
		{"alias", "name: &n x\ncontract: *n\n", "anchors"},
		{"large", "name: " + strings.Repeat("x", 70_000), "65536"},
		{"binary", "\x00\x01\x02", "e.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := build.Parse("e.yaml", []byte(c.doc))
			var fe *fringe.Error
			if !errors.As(err, &fe) || (fe.Kind != fringe.Invalid && fe.Kind != fringe.TooLarge) || !strings.Contains(fe.Message+"; "+fe.Cure, c.says) {
				t.Errorf("Parse() = %v, want an error that says %q", err, c.says)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("name: x\npackages: {apt: [a]}\nlimits: {time: 1h}\n"))
	f.Add([]byte("a: &a [*a]\n? b\n: |\n  c\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, err := build.Parse("e.yaml", doc)
		if err == nil && d.Name == "" {
			t.Errorf("Parse(%q) gave no name and no error", doc)
		}
	})
}
