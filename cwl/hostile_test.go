package cwl_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"fringe"
	"fringe/cwl"
)

const head = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: x\n"

// used is the processor time that this process has taken.
func used(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// within runs f and fails when it takes more processor time than d, which does
// not depend on what else the machine does, or leaves more than the given MiB on
// the heap at its peak.
func within(t *testing.T, d time.Duration, mib uint64, f func()) {
	t.Helper()
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan struct{})
	peak := make(chan uint64)
	go func() {
		var most uint64
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				peak <- most
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	begin := used(t)
	f()
	took := used(t) - begin
	close(done)
	if most := <-peak; most > before.HeapAlloc+mib<<20 {
		t.Errorf("the heap grew by %d MiB, want at most %d", (most-before.HeapAlloc)>>20, mib)
	}
	if took > d {
		t.Errorf("it took %v of processor time, want at most %v", took, d)
	}
}

// The bounds hold for one expression; a document cannot get around them by the
// number of its expressions, since each one counts against the caller's time.
//
// It comes before the tests whose expressions may go on for a while after they were
// given up: what they take is part of the heap that is watched.
func TestExpressionTimeDefault(t *testing.T) {
	tool, err := scriptTool(t, "while (true) {}")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err = tool.Prepare(map[string]any{}, testRuntime)
	var e *fringe.Error
	if !errors.As(err, &e) || e.Kind != fringe.Invalid || !strings.Contains(e.Message, "did not end within 2s") {
		t.Errorf("Prepare() = %v", err)
	}
	if d := time.Since(begin); d > 6*cwl.ExpressionTime {
		t.Errorf("it took %v", d)
	}
}

func TestHostileDocuments(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	var stairs strings.Builder
	for i := range 2000 {
		stairs.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	cases := map[string]string{
		"alias bomb":           bomb + head,
		"self alias":           "a: &a [*a]\n" + head,
		"too large":            head + "doc: " + strings.Repeat("x", 5<<20),
		"deep brackets":        strings.Repeat("[", 3<<20),
		"deep braces":          strings.Repeat("{a: ", 1<<20),
		"deep JSON":            strings.Repeat(`{"a":`, 500_000) + "1" + strings.Repeat("}", 500_000),
		"deep dashes":          strings.Repeat("- ", 2<<20),
		"deep question marks":  strings.Repeat("? ", 2<<20),
		"deep indentation":     stairs.String(),
		"many tags":            strings.Repeat("!a ", 1<<20) + "x",
		"many anchors":         strings.Repeat("&a ", 1<<20) + "x",
		"many keys":            manyKeys(400_000),
		"many commas":          "[" + strings.Repeat(",", 4<<20-2) + "]",
		"many colons":          strings.Repeat(":", 4<<20-2),
		"many quotes":          strings.Repeat("'", 4<<20-3),
		"many lines":           head + strings.Repeat("\n", 4<<20-100),
		"unclosed quote":       head + `doc: "` + strings.Repeat("x\n", 1<<20),
		"long plain text":      head + "doc: " + strings.Repeat("x y\n  ", 600_000),
		"zero byte":            head + "doc: a\x00b",
		"not UTF-8":            "\xff\xfe\x00\x01" + head,
		"two documents":        head + "---\n" + head,
		"empty":                "",
		"only comment":         "# nothing",
		"deep types":           head + "inputs: {a: \"int" + strings.Repeat("[]", 100_000) + "\"}\noutputs: []\n",
		"many question marks":  head + "inputs: {a: \"int" + strings.Repeat("?", 1_000_000) + "\"}\noutputs: []\n",
		"type bomb":            typeBomb(40),
		"expression depth":     head + "requirements: {InlineJavascriptRequirement: {}}\ninputs: []\noutputs: []\narguments: ['$" + strings.Repeat("(", 120_000) + strings.Repeat(")", 120_000) + "']\n",
		"expression chain":     head + "requirements: {InlineJavascriptRequirement: {}}\ninputs: []\noutputs: []\narguments: ['$(1" + strings.Repeat("+1", 1_500_000) + ")']\n",
		"expression brackets":  head + "requirements: {InlineJavascriptRequirement: {expressionLib: ['" + strings.Repeat("[", 250_000) + "']}}\ninputs: []\noutputs: []\n",
		"expression functions": head + "requirements: {InlineJavascriptRequirement: {expressionLib: ['" + strings.Repeat("(function(){", 20_000) + "']}}\ninputs: []\noutputs: []\n",
		"expression arrows":    head + "requirements: {InlineJavascriptRequirement: {expressionLib: ['" + strings.Repeat("a=>", 80_000) + "']}}\ninputs: []\noutputs: []\n",
		"expression tangle":    head + "requirements: {InlineJavascriptRequirement: {expressionLib: ['" + strings.Repeat("([a=", 100) + "1" + strings.Repeat("])=>1", 100) + "']}}\ninputs: []\noutputs: []\n",
		"expression labels":    head + "requirements: {InlineJavascriptRequirement: {expressionLib: ['" + strings.Repeat("a:", 30_000) + "']}}\ninputs: []\noutputs: []\n",
		"expression blocks":    head + "requirements: {InlineJavascriptRequirement: {expressionLib: ['" + strings.Repeat("{", 250_000) + "']}}\ninputs: []\noutputs: []\n",
		"expression templates": head + "requirements: {InlineJavascriptRequirement: {expressionLib: ['" + strings.Repeat("`${", 80_000) + "']}}\ninputs: []\noutputs: []\n",
		"many expressions":     head + "inputs: []\noutputs: []\narguments: ['" + strings.Repeat("$(runtime.outdir)", 200_000) + "$(']\n",
	}
	for name, doc := range cases {
		t.Run(name, func(t *testing.T) {
			within(t, 10*time.Second, 1200, func() {
				_, err := cwl.Parse("hostile.cwl", []byte(doc), nil)
				if err == nil {
					t.Fatal("Parse() took the document")
				}
				if len(err.Error()) > 20_000 || strings.Contains(err.Error(), "runtime error") {
					t.Errorf("the message has %d bytes: %.300s", len(err.Error()), err)
				}
				t.Logf("%.200s", err)
			})
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()[:4<<20-10]
}

// typeBomb has named types each of which holds the one before twice.
func typeBomb(n int) string {
	var b strings.Builder
	b.WriteString(head + "outputs: []\ninputs: {x: t" + fmt.Sprint(n) + "}\nrequirements:\n  SchemaDefRequirement:\n    types:\n      - {name: t0, type: record, fields: {a: int}}\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "      - {name: t%d, type: record, fields: {a: t%d, b: t%d}}\n", i, i-1, i-1)
	}
	return b.String()
}

func TestHostileImports(t *testing.T) {
	imports := 0
	_, err := cwl.Parse("main.cwl", []byte(head+"inputs: {$import: f0.yml}\noutputs: []\n"), func(ref string) ([]byte, error) {
		imports++
		return fmt.Appendf(nil, "{$import: f%d.yml}", imports), nil
	})
	if err == nil || imports > 100 {
		t.Errorf("Parse() read %d imports and gave %v, want a refusal", imports, err)
	}
	big := strings.Repeat("- x\n", 90_000)
	_, err = cwl.Parse("main.cwl", []byte(head+"outputs: []\ninputs:\n"+strings.Repeat("  - {$import: big.yml}\n", 50)), func(string) ([]byte, error) { return []byte(big), nil })
	if err == nil || !strings.Contains(err.Error(), "too large with its imports") {
		t.Errorf("Parse() = %v, want a refusal of the size", err)
	}
	if _, err = cwl.Parse("main.cwl", []byte(head+"inputs: {$import: /etc/passwd}\noutputs: []\n"), nil); err == nil {
		t.Error("Parse() without resolve imported a file")
	}
}

func scriptTool(t *testing.T, code string) (*cwl.Tool, error) {
	t.Helper()
	doc := head + "requirements:\n  InlineJavascriptRequirement: {}\ninputs: []\noutputs: []\narguments:\n  - |-\n    ${" + strings.ReplaceAll(code, "\n", " ") + "}\n"
	return cwl.Parse("hostile.cwl", []byte(doc), nil)
}

func TestHostileExpressions(t *testing.T) {
	cases := map[string]string{
		"loop":               "while (true) {}",
		"recursion":          "function f() { return f() + 1; } return f();",
		"string doubling":    "var s = 'x'; while (true) { s += s; }",
		"string growth":      "var s = ''; while (true) { s += 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'; }",
		"array growth":       "var a = []; while (true) { a.push('x'); }",
		"object growth":      "var o = {}; for (var i = 0; ; i++) { o['k' + i] = i; }",
		"repeat":             "return 'x'.repeat(1e9);",
		"padding":            "return 'x'.padStart(1e9);",
		"join":               "return Array(1e9).join('x');",
		"sparse fill":        "return new Array(4294967295).fill(1);",
		"sparse search":      "var a = []; a.length = 4294967295; return a.indexOf(1);",
		"array-like":         "return Array.prototype.map.call({length: 9007199254740991}, function(x) { return x; });",
		"array from":         "return Array.from({length: 1e9});",
		"apply":              "return Math.max.apply(null, {length: 1e9});",
		"nested lists":       "var a = ['x']; for (var i = 0; i < 40; i++) { a = [a, a]; } return a;",
		"nested text":        "var a = ['x']; for (var i = 0; i < 40; i++) { a = [a, a]; } return String(a);",
		"nested JSON":        "var a = ['x']; for (var i = 0; i < 40; i++) { a = [a, a]; } return JSON.stringify(a);",
		"circle":             "var a = {}; a.a = a; return a;",
		"circle of lists":    "var a = []; a.push(a); return a.join();",
		"replacement":        "var s = 'xxxxxxxxxx'; for (var i = 0; i < 5; i++) { s = s.replace(/x/g, s); } return s.length;",
		"regular expression": "return /^(?=a)(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!');",
		"getter":             "return { get x() { while (true) {} } };",
		"toJSON":             "return JSON.stringify({ toJSON: function() { while (true) {} } });",
		"catch":              "while (true) { try { while (true) {} } catch (e) {} finally { continue; } }",
		"eval":               "return (0, eval)('while (true) {}');",
		"function":           "return new Function('while (true) {}')();",
		"generator":          "return Array.from((function*() { while (true) yield 1; })());",
		"spread":             "return Math.max(...(function*() { while (true) yield 1; })());",
		"sort":               "return [3, 2, 1].sort(function() { while (true) {} });",
		"large result":       "var a = []; for (var i = 0; i < 2000000; i++) { a.push(i); } return a;",
		"promise":            "Promise.resolve().then(function() { while (true) {} }); return new Promise(function() { while (true) {} });",
		"not a number":       "return {x: NaN};",
	}
	allowed := map[string]bool{"not a number": true, "circle of lists": true}
	for name, code := range cases {
		t.Run(name, func(t *testing.T) {
			tool, err := scriptTool(t, code)
			if err != nil {
				t.Fatal(err)
			}
			rt := testRuntime
			rt.ExpressionTime = 300 * time.Millisecond
			within(t, 4*time.Second, 1500, func() {
				_, err := tool.Prepare(map[string]any{}, rt)
				if err == nil && !allowed[name] {
					t.Fatal("Prepare() gave a command line")
				}
				t.Logf("%v", err)
			})
		})
	}
}

// What others in the process allocate meanwhile is not the expression's.
func TestMemoryOfOthersIsNotTheExpressions(t *testing.T) {
	tool, err := scriptTool(t, "var n = 0; for (var i = 0; i < 2000000; i++) { n += i; } return 'done';")
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []int{1, 12} { // chunks that the others hold; the rest is garbage
		stop, stopped := make(chan struct{}), make(chan int)
		go func() {
			held := make([][]byte, kept)
			for n := 0; ; n++ {
				select {
				case <-stop:
					stopped <- n
					return
				default:
				}
				chunk := bytes.Repeat([]byte("x"), 16<<20)
				sha256.Sum256(chunk)
				held[n%kept] = chunk
			}
		}()
		e, err := tool.Prepare(map[string]any{}, testRuntime)
		close(stop)
		if n := <-stopped; err != nil {
			t.Errorf("with %d chunks of which %d were held: Prepare() = %v, %v", n, kept, e, err)
		}
	}
}

func TestHostileOutputs(t *testing.T) {
	tool, err := cwl.Parse("t.cwl", []byte(head+"inputs: []\noutputs: {o: {type: \"File[]\", outputBinding: {glob: [\"*/*/*/*/*/*/*/*\", \"**/*\", \"[\"]}}, d: {type: Directory, outputBinding: {glob: .}}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := tool.Prepare(map[string]any{}, testRuntime)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range 50 {
		if err := os.Symlink(".", filepath.Join(dir, fmt.Sprint("l", i))); err != nil {
			t.Fatal(err)
		}
	}
	within(t, 10*time.Second, 800, func() {
		if _, err := e.Collect(dir, 0); err == nil {
			t.Error("Collect() walked 50^8 paths")
		} else {
			t.Logf("%.200s", err)
		}
	})
}

func TestOversizedOutputJSON(t *testing.T) {
	tool, err := cwl.Parse("t.cwl", []byte(head+"inputs: []\noutputs: {o: Any}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"size":  `{"o": "` + strings.Repeat("x", 65<<20) + `"}`,
		"depth": `{"o": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
		"cut":   `{"o": [1, 2`,
	} {
		t.Run(name, func(t *testing.T) {
			e, err := tool.Prepare(map[string]any{}, testRuntime)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "cwl.output.json"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Collect(dir, 0); err == nil || len(err.Error()) > 500 {
				t.Errorf("Collect() = %.500v", err)
			}
		})
	}
}
