package cwl

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2/v2"
	"github.com/dop251/goja"
	"golang.org/x/sys/unix"
)

// Bounds of an expression.
const (
	// ExpressionTime is the CPU time that one JavaScript expression may use
	// when Runtime does not say. It may take five times that on a busy
	// machine.
	ExpressionTime = 2 * time.Second

	busyFactor = 5

	compileTime      = 5 * time.Second
	maxScriptNesting = 500 // levels of brackets

	maxScriptSource = 256 << 10           // bytes of one expression or library; the compiler recurses over them
	maxScriptOutput = 16 << 20            // bytes of a result
	maxScriptValues = 1_000_000           // values of a result, elements of an array
	maxScriptMemory = 128 << 20           // bytes by which the heap may grow
	mostScriptHeap  = 4 * maxScriptMemory // by which it may grow until its garbage is known
	maxScriptTries  = 3                   // of an expression during which the heap grew by what others did
	maxScriptStack  = 512                 // calls
)

// script runs the JavaScript of one tool. Each expression runs in a fresh
// machine that has nothing but the language: no files, no clock to wait on, no
// network.
type script struct {
	lib   []*goja.Program
	limit time.Duration
}

// backtracking bounds regular expressions with look-around or back references,
// which an interrupt does not reach. The bound lies above every limit of time,
// so that a match it cuts short is always reported as out of time.
var backtracking = sync.OnceFunc(func() { regexp2.DefaultMatchTimeout = 30 * time.Second })

func compileLibrary(source string) (*goja.Program, error) {
	return compile(source)
}

// compileExpression takes the code of a part.
func compileExpression(p *part) (*goja.Program, error) {
	if p.body {
		return compile("(function(){\"use strict\";" + p.code[1:len(p.code)-1] + "\n})()")
	}
	return compile("(function(){\"use strict\";return (" + p.code + "\n);})()")
}

// compile compiles within bounds. The compiler cannot be interrupted: what it
// would take very long over is refused before, and the caller does not wait
// longer than compileTime.
func compile(source string) (*goja.Program, error) {
	if len(source) > maxScriptSource {
		return nil, fmt.Errorf("it has %d bytes; %d are allowed", len(source), maxScriptSource)
	}
	if message := tangled(source); message != "" {
		return nil, errors.New(message)
	}
	type answer struct {
		program *goja.Program
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- answer{nil, fmt.Errorf("it is not JavaScript that can be read (%v)", r)}
			}
		}()
		p, err := goja.Compile("expression", source, false)
		if err != nil {
			err = errors.New("it is not valid JavaScript: " + syntaxMessage(err))
		}
		done <- answer{p, err}
	}()
	limit := time.NewTimer(compileTime)
	defer limit.Stop()
	select {
	case a := <-done:
		return a.program, a.err
	case <-limit.C:
		return nil, errors.New("it takes too long to compile")
	}
}

// tangled says why a source is refused for its nesting. Brackets in strings and
// comments do not count.
func tangled(source string) string {
	if strings.Count(source, "=>") > 4*maxScriptNesting {
		return fmt.Sprintf("it has more than %d arrow functions", 4*maxScriptNesting)
	}
	// For each open bracket: how deep arrow functions whose parameters are
	// taken apart nest in it. The compiler reads those twice at each level.
	arrows := make([]int, 1, 64)
	labels := 0   // one after the other
	var last byte // that is no space
	for i := 0; i < len(source); i++ {
		c := source[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			continue
		case c == '"' || c == '\'':
			if n := quoted(source[i:]); n > 0 {
				i += n - 1
			}
		case c == '/' && i+1 < len(source) && (source[i+1] == '/' || source[i+1] == '*'):
			n := comment(source[i:])
			if n < 0 {
				return ""
			}
			i += n - 1
			continue
		case c == '(' || c == '[' || c == '{':
			arrows = append(arrows, 0)
		case (c == ')' || c == ']' || c == '}') && len(arrows) > 1:
			n := arrows[len(arrows)-1]
			if c == ')' && (last == ']' || last == '}') && strings.HasPrefix(strings.TrimLeft(source[i+1:], " \t\r\n"), "=>") {
				n++
			}
			arrows = arrows[:len(arrows)-1]
			arrows[len(arrows)-1] = max(arrows[len(arrows)-1], n)
			if n > 8 {
				return "its arrow functions nest too deeply"
			}
		}
		switch {
		case c == ':':
			labels++
		case !isWord(c):
			labels = 0
		}
		last = c
		if labels > maxScriptNesting || len(arrows) > maxScriptNesting {
			return fmt.Sprintf("it is nested too deeply; %d levels are allowed", maxScriptNesting)
		}
	}
	return ""
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// quoted gives the length of the string at the start of s; 0 when it does not
// end on its line.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\n':
			return 0
		case s[0]:
			return i + 1
		}
	}
	return 0
}

// syntaxMessage takes the parser's first complaint. Its lines are those of the
// expression.
func syntaxMessage(err error) string {
	s := strings.TrimPrefix(firstLine(err.Error()), "SyntaxError: ")
	if i := strings.LastIndex(s, " (and "); i > 0 {
		s = s[:i]
	}
	return strings.TrimPrefix(s, "expression: ")
}

// run gives the value of an expression.
func (s *script) run(ev *evaluator, p *part, self any) (any, error) {
	backtracking()
	if p.js == nil {
		js, err := compileExpression(p)
		if err != nil {
			return nil, err
		}
		p = &part{code: p.code, body: p.body, js: js}
	}
	if ev.inputsJSON == "" {
		ev.inputsJSON, ev.runtimeJSON = compact(ev.inputs), compact(ev.runtime)
	}
	for try := 1; ; try++ {
		value, most, err := s.once(p.js, [3]string{ev.inputsJSON, compact(self), ev.runtimeJSON})
		if most == 0 || try == maxScriptTries {
			return value, err
		}
		// The machine is gone. What it held is free now, unless others held it.
		runtime.GC()
		if heap()+maxScriptMemory/2 < most {
			return nil, err
		}
	}
}

// once runs an expression. When it was stopped for its memory, most is the heap
// at that time.
func (s *script) once(program *goja.Program, globals [3]string) (value any, most uint64, err error) {
	vm := goja.New()
	vm.SetMaxCallStackSize(maxScriptStack)
	type answer struct {
		value any
		err   error
	}
	done := make(chan answer, 1)
	clock := make(chan int32, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		clock <- threadClock(unix.Gettid())
		defer func() {
			if r := recover(); r != nil {
				done <- answer{nil, fmt.Errorf("it failed: %v", r)}
			}
		}()
		v, err := s.machine(vm, program, globals)
		done <- answer{v, err}
	}()
	stop := make(chan struct{})
	reason := make(chan verdict, 1)
	go func() { reason <- s.watch(vm, <-clock, stop) }()
	var a answer
	var why verdict
	select {
	case a = <-done:
		close(stop)
		why = <-reason
	case why = <-reason:
		// The machine stops at its next instruction. Should it be inside
		// of one long step, the caller does not wait for that.
		grace := time.NewTimer(time.Second)
		select {
		case a = <-done:
		case <-grace.C:
			why.most = 0 // it holds what it has
		}
		grace.Stop()
	}
	if why.text != "" {
		return nil, why.most, errors.New(why.text)
	}
	return a.value, 0, scriptError(a.err)
}

// verdict is why a machine was stopped; empty: it was not.
type verdict struct {
	text string
	most uint64 // the heap, when it is the memory
}

// heap gives the bytes of the heap's objects, garbage included.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// threadClock names the clock of the CPU time that a thread has used.
func threadClock(tid int) int32 { return int32(^tid<<3 | 6) }

// cpuTime reads a clock; 0 when it cannot be read.
func cpuTime(clock int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// watch interrupts the machine when it takes too long, or the heap without its
// garbage has grown too much, and says which. It gives nothing when stop is
// closed first.
func (s *script) watch(vm *goja.Runtime, clock int32, stop <-chan struct{}) verdict {
	limit := s.limit
	if limit <= 0 {
		limit = ExpressionTime
	}
	begin, used := time.Now(), cpuTime(clock)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	before := heap()
	last := before
	var swept chan uint64 // gives the heap without its garbage; nil while nobody asks
	for {
		var now uint64
		select {
		case <-stop:
			return verdict{}
		case now = <-swept:
			swept = nil
		case <-tick.C:
			h := heap()
			if h > before+mostScriptHeap || h > last+maxScriptMemory/2 { // one step may double a string: the next would come first
				now = h
			} else if swept == nil && h > before+maxScriptMemory {
				swept = make(chan uint64, 1)
				go func() { // one long step of the machine may keep it waiting
					runtime.GC()
					swept <- heap()
				}()
			}
			last = h
		}
		var why verdict
		switch {
		case now > before+maxScriptMemory:
			why = verdict{fmt.Sprintf("it used more than %d MiB of memory", maxScriptMemory>>20), now}
		case cpuTime(clock)-used > limit || time.Since(begin) > busyFactor*limit:
			why.text = fmt.Sprintf("it did not end within %v", limit)
		default:
			continue
		}
		vm.Interrupt(why.text)
		return why
	}
}

func (s *script) machine(vm *goja.Runtime, program *goja.Program, globals [3]string) (any, error) {
	parse, ok := goja.AssertFunction(vm.Get("JSON").ToObject(vm).Get("parse"))
	if !ok {
		return nil, errors.New("the JavaScript machine has no JSON.parse")
	}
	for i, name := range [3]string{"inputs", "self", "runtime"} {
		v, err := parse(goja.Undefined(), vm.ToValue(globals[i]))
		if err != nil {
			return nil, err
		}
		if err := vm.Set(name, v); err != nil {
			return nil, err
		}
	}
	guard(vm)
	for _, lib := range s.lib {
		if _, err := vm.RunProgram(lib); err != nil {
			return nil, err
		}
	}
	v, err := vm.RunProgram(program)
	if err != nil {
		return nil, err
	}
	x := exporter{vm: vm}
	var out any
	if caught := vm.Try(func() { out = x.export(v, 0) }); caught != nil {
		return nil, caught
	}
	return out, x.err
}

func scriptError(err error) error {
	var thrown *goja.Exception
	if errors.As(err, &thrown) {
		return errors.New("it failed: " + clip(firstLine(thrown.Value().String())))
	}
	return err
}

// exporter turns a result into plain data, within bounds.
type exporter struct {
	vm     *goja.Runtime
	values int
	bytes  int
	err    error

	tooLarge bool // err is about size or nesting
}

func (x *exporter) fail(format string, args ...any) any {
	if x.err == nil {
		x.err = fmt.Errorf(format, args...)
	}
	return nil
}

func (x *exporter) export(v goja.Value, depth int) any {
	if x.err != nil {
		return nil
	}
	if x.values++; x.values > maxScriptValues || x.bytes > maxScriptOutput {
		x.tooLarge = true
		return x.fail("its result is too large; %d MiB and %d values are allowed", maxScriptOutput>>20, maxScriptValues)
	}
	if depth > maxDepth {
		x.tooLarge = true
		return x.fail("its result is nested more than %d levels deep, or goes in a circle", maxDepth)
	}
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil
	}
	if o, ok := v.(*goja.Object); ok {
		return x.object(o, depth)
	}
	switch p := v.Export().(type) {
	case string:
		x.bytes += len(p)
		return p
	case float64:
		if p == math.Trunc(p) && math.Abs(p) < 1<<53 {
			return int64(p)
		}
		return p
	case int64, bool:
		return p
	}
	return x.fail("its result has a value that JSON cannot hold (%s)", clip(v.String()))
}

func (x *exporter) object(o *goja.Object, depth int) any {
	switch o.ClassName() {
	case "Array":
		n := o.Get("length").ToInteger()
		if n > maxScriptValues {
			x.tooLarge = true
			return x.fail("its result is a list of %d elements; %d are allowed", n, maxScriptValues)
		}
		list := make([]any, n)
		for i := range list {
			list[i] = x.export(o.Get(fmt.Sprint(i)), depth+1)
		}
		return list
	case "Function":
		return x.fail("its result is a function; did you forget to call it?")
	case "String", "Number", "Boolean":
		return x.export(x.vm.ToValue(o.Export()), depth+1)
	case "Date":
		text, err := o.MarshalJSON()
		var s string
		if err != nil || json.Unmarshal(text, &s) != nil {
			return nil
		}
		return s
	}
	m := map[string]any{}
	for _, k := range o.Keys() {
		e := o.Get(k)
		if e == nil || goja.IsUndefined(e) {
			continue
		}
		x.bytes += len(k)
		m[k] = x.export(e, depth+1)
		if x.err != nil {
			return nil
		}
	}
	return m
}

// compact writes a value as JSON for the machine.
func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}
