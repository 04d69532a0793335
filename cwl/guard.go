package cwl

import (
	"strings"

	"github.com/dop251/goja"
)

// guard takes from the machine what CWL's JavaScript (ECMAScript 5.1) does not
// have and that reserves memory at once, and bounds the built-in functions
// whose work in one step depends on a length that the script chooses: an
// interrupt comes only between steps.
func guard(vm *goja.Runtime) {
	global := vm.GlobalObject()
	for _, name := range []string{"ArrayBuffer", "SharedArrayBuffer", "DataView", "Atomics", "Proxy", "Reflect", "WeakRef",
		"FinalizationRegistry", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array",
		"Uint32Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "BigInt"} {
		_ = global.Delete(name)
	}
	g := &guards{vm: vm}
	array := vm.Get("Array").ToObject(vm)
	items := array.Get("prototype").ToObject(vm)
	for _, name := range []string{"concat", "copyWithin", "every", "fill", "filter", "find", "findIndex", "findLast", "findLastIndex",
		"flat", "flatMap", "forEach", "includes", "indexOf", "lastIndexOf", "map", "pop", "push", "reduce", "reduceRight", "reverse",
		"shift", "slice", "some", "sort", "splice", "toLocaleString", "toReversed", "toSorted", "toSpliced", "unshift", "with"} {
		g.wrap(items, name, g.lengths)
	}
	_ = items.Set("join", g.join)
	g.wrap(array, "from", g.lengths)
	text := vm.Get("String").ToObject(vm).Get("prototype").ToObject(vm)
	for _, name := range []string{"repeat", "padStart", "padEnd"} {
		g.wrap(text, name, g.multiply)
	}
	for _, name := range []string{"replace", "replaceAll"} {
		g.wrap(text, name, g.replacement)
	}
	for _, name := range []string{"concat", "split", "match", "matchAll"} {
		g.wrap(text, name, g.lengths)
	}
	object := vm.Get("Object").ToObject(vm)
	for _, name := range []string{"keys", "values", "entries", "assign", "getOwnPropertyNames", "getOwnPropertyDescriptors", "fromEntries"} {
		g.wrap(object, name, g.lengths)
	}
	function := vm.Get("Function").ToObject(vm).Get("prototype").ToObject(vm)
	g.wrap(function, "apply", g.lengths)
	g.wrap(vm.Get("JSON").ToObject(vm), "stringify", g.measure)
}

type guards struct {
	vm    *goja.Runtime
	joins int // joins within each other
}

// wrap puts a check before a built-in function.
func (g *guards) wrap(on *goja.Object, name string, check func(goja.FunctionCall)) {
	original, ok := goja.AssertFunction(on.Get(name))
	if !ok {
		return
	}
	_ = on.DefineDataProperty(name, g.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		check(call)
		v, err := original(call.This, call.Arguments...)
		if err != nil {
			panic(err)
		}
		return v
	}), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

func (g *guards) refuse(what string) {
	panic(g.vm.NewTypeError("%s is too long", what))
}

// length gives the length of a string, array or array-like; 0 for the rest.
func (g *guards) length(v goja.Value) int64 {
	switch v := v.(type) {
	case nil:
		return 0
	case goja.String:
		return int64(v.Length())
	case *goja.Object:
		if n := v.Get("length"); n != nil {
			return n.ToInteger()
		}
	}
	return 0
}

// lengths bounds the sum of the lengths of all that the function works on.
func (g *guards) lengths(call goja.FunctionCall) {
	sum := g.length(call.This)
	for _, a := range call.Arguments {
		if n := g.length(a); n > 0 {
			sum += n
		}
		if sum > maxScriptValues {
			break
		}
	}
	if sum > maxScriptValues {
		g.refuse("the array or string")
	}
}

func (g *guards) multiply(call goja.FunctionCall) {
	n := call.Argument(0).ToInteger()
	if n > maxScriptOutput || n > 0 && g.length(call.This)*n > maxScriptOutput {
		g.refuse("the string")
	}
}

// replacement bounds what a replacement text can grow to.
func (g *guards) replacement(call goja.FunctionCall) {
	g.lengths(goja.FunctionCall{This: call.This})
	if _, isFunction := goja.AssertFunction(call.Argument(1)); isFunction {
		return
	}
	by := call.Argument(1).String()
	size := g.length(call.This)
	grown := (size + 1) * int64(len(by)+1)
	if dollars := int64(strings.Count(by, "$")); dollars > 0 {
		widest := size
		if strings.Contains(by, "$`") || strings.Contains(by, "$'") || strings.Contains(call.Argument(0).String(), "(?") {
			widest *= size
		}
		grown += dollars * widest
	}
	if grown > 4*maxScriptOutput {
		g.refuse("the replaced string")
	}
}

// join is Array.prototype.join with a bound on what it gives.
func (g *guards) join(call goja.FunctionCall) goja.Value {
	if g.joins++; g.joins > maxDepth {
		g.refuse("the nesting of arrays")
	}
	defer func() { g.joins-- }()
	list := call.This.ToObject(g.vm)
	n := g.length(list)
	if n > maxScriptValues {
		g.refuse("the array")
	}
	separator := ","
	if s := call.Argument(0); !goja.IsUndefined(s) {
		separator = s.String()
	}
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(separator)
		}
		if v := list.Get(g.vm.ToValue(i).String()); v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) {
			b.WriteString(v.String())
		}
		if b.Len() > maxScriptOutput {
			g.refuse("the joined string")
		}
	}
	return g.vm.ToValue(b.String())
}

// measure refuses a value whose JSON would be too large.
func (g *guards) measure(call goja.FunctionCall) {
	x := exporter{vm: g.vm}
	x.export(call.Argument(0), 0)
	if x.tooLarge {
		g.refuse("the JSON text")
	}
}
