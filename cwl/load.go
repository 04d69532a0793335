package cwl

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"fringe"
)

// Load reads a CommandLineTool document from disk. The path may end in "#id",
// which names a process of a $graph; without it that is "main", or the only
// one. What the document imports is read from disk too. The error is a
// Problems, an *Unsupported, or a *fringe.Error.
func Load(name string) (*Tool, error) {
	file, id, _ := strings.Cut(name, "#")
	if _, err := os.Stat(name); err == nil {
		file, id = name, ""
	}
	doc, err := readDocument(file)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fringe.E("cwl.Load", err)
	}
	l := loader{resolve: readDocument, dir: path.Dir(filepath.ToSlash(file)), base: filepath.Dir(abs)}
	return l.tool(file, id, doc)
}

// Parse reads a CommandLineTool document. The name is used in messages; it may
// end in "#id" as for Load, and when it is an absolute path, relative locations
// of default files are taken from its directory. Resolve gives what the
// document imports, by a path relative to the document, such as "types.yml" or
// "../lib/x.js"; it must refuse what the document may not read. A nil resolve
// refuses all. The errors are those of Load.
func Parse(name string, doc []byte, resolve func(ref string) ([]byte, error)) (*Tool, error) {
	file, id, _ := strings.Cut(name, "#")
	if resolve == nil {
		resolve = func(ref string) ([]byte, error) {
			return nil, fringe.Errorf("cwl.Parse", fringe.Invalid, "this document may not import other files")
		}
	}
	l := loader{resolve: resolve}
	if filepath.IsAbs(file) {
		l.base = filepath.Dir(file)
	}
	return l.tool(file, id, doc)
}

// ParseInputs reads an input object written as YAML or JSON. Relative locations
// of files are taken from dir, unless it is empty. The fields cwl:requirements
// and cwl:tool, and $-fields, are not inputs; see Tool.Override for the first.
func ParseInputs(name string, doc []byte, dir string) (map[string]any, error) {
	n, err := parseYAML(name, doc)
	if err != nil {
		return nil, err
	}
	if n.isNull() {
		return map[string]any{}, nil
	}
	if n.kind != mapNode {
		return nil, Problems{{File: name, Line: n.line, Column: n.column, Message: "the input object is " + n.what(), Cure: "write a mapping from input names to values"}}
	}
	m := n.value().(map[string]any)
	for _, v := range m {
		if dir != "" {
			absolute(v, dir)
		}
	}
	return m, nil
}

// absolute turns relative locations of files into paths below dir.
func absolute(v any, dir string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			absolute(e, dir)
		}
	case map[string]any:
		class, _ := v["class"].(string)
		if class == "File" || class == "Directory" {
			for _, key := range []string{"location", "path"} {
				if s, ok := v[key].(string); ok && s != "" {
					v[key] = absoluteRef(s, dir, key == "location")
				}
			}
		}
		for _, e := range v {
			absolute(e, dir)
		}
	}
}

func absoluteRef(ref, dir string, isURI bool) string {
	if filepath.IsAbs(ref) {
		return ref
	}
	if isURI {
		if hasScheme(ref) {
			return ref
		}
		if _, err := os.Lstat(filepath.Join(dir, ref)); err != nil {
			if plain, err := url.PathUnescape(ref); err == nil {
				ref = plain
			}
		}
	}
	return filepath.Join(dir, ref)
}

// hasScheme says whether a location is a URI or a dataset name, not a path. A
// colon alone does not make one, since file names have colons too.
func hasScheme(ref string) bool {
	scheme, _, ok := strings.Cut(ref, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/.#?") || strings.HasPrefix(ref, "_:")
}

func readDocument(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fringe.Errorf("cwl.Load", fringe.NotFound, "the document cannot be read: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
		return nil, fringe.Errorf("cwl.Load", fringe.Invalid, "%s is not a regular file", file)
	}
	doc, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, fringe.Errorf("cwl.Load", fringe.Unavailable, "the document cannot be read: %w", err)
	}
	return doc, nil
}

// loader brings a document and what it imports together.
type loader struct {
	resolve func(ref string) ([]byte, error)
	dir     string // put before references; that of the document as it was named
	base    string // absolute directory for default files; empty when not known
	imports int
	nodes   int
	cache   map[string]*node

	ontologyOf *ontology // read before, for a document that was read before
}

func (l *loader) tool(file, id string, doc []byte) (*Tool, error) {
	root, err := parseYAML(file, doc)
	if err != nil {
		return nil, err
	}
	l.cache = map[string]*node{}
	l.nodes = root.size
	if root, err = l.expand(root, l.dir, []string{file}, 0); err != nil {
		return nil, err
	}
	return readTool(root, file, id, l)
}

func problemAt(n *node, cure, format string, args ...any) Problems {
	return Problems{{File: n.file, Line: n.line, Column: n.column, Message: fmt.Sprintf(format, args...), Cure: cure}}
}

// expand replaces $import and $include. A node without them stays shared.
func (l *loader) expand(n *node, dir string, stack []string, depth int) (*node, error) {
	if n.kind == scalarNode {
		return n, nil
	}
	if depth > maxDepth {
		return nil, problemAt(n, "", "the document is nested too deeply with its imports; %d levels are allowed", maxDepth)
	}
	if n.kind == mapNode && len(n.keys) == 1 && (n.keys[0] == "$import" || n.keys[0] == "$include") {
		return l.pull(n, dir, stack, depth)
	}
	if n.get("$mixin") != nil {
		return nil, &Unsupported{What: "$mixin", File: n.file, Line: n.line}
	}
	out := *n
	out.values = make([]*node, len(n.values))
	changed := false
	for i, v := range n.values {
		e, err := l.expand(v, dir, stack, depth+1)
		if err != nil {
			return nil, err
		}
		out.values[i] = e
		changed = changed || e != v
	}
	if !changed {
		return n, nil
	}
	return &out, nil
}

// pull reads what an $import or $include names.
func (l *loader) pull(n *node, dir string, stack []string, depth int) (*node, error) {
	verb := n.keys[0]
	ref, ok := n.values[0].text()
	if !ok || ref == "" {
		return nil, problemAt(n, "write a path relative to this document", "%s needs the path of a file", verb)
	}
	if hasScheme(ref) && !strings.HasPrefix(ref, "file://") {
		return nil, problemAt(n, "put the file beside the document", "%s %s is not fetched over the network", verb, clip(ref))
	}
	target := strings.TrimPrefix(ref, "file://")
	target, _, _ = strings.Cut(target, "#")
	if !path.IsAbs(target) {
		target = path.Join(dir, target)
	}
	for _, s := range stack {
		if s == target {
			return nil, problemAt(n, "", "%s of %s goes in a circle: %s", verb, clip(ref), strings.Join(append(stack, target), " → "))
		}
	}
	if l.imports++; l.imports > maxImports {
		return nil, problemAt(n, "", "the document imports more than %d files", maxImports)
	}
	if cached, ok := l.cache[verb+target]; ok {
		return cached, l.grow(n, cached.size)
	}
	doc, err := l.resolve(target)
	if err != nil {
		return nil, problemAt(n, "", "%s %s: %s", verb, clip(ref), messageOf(err))
	}
	got := &node{scalar: string(doc), size: 1 + len(doc)/64, place: n.place}
	if verb == "$include" {
		if len(doc) > maxDocument {
			return nil, problemAt(n, "", "%s %s has more than 4 MiB", verb, clip(ref))
		}
	} else {
		if got, err = parseYAML(target, doc); err != nil {
			return nil, err
		}
		if got, err = l.expand(got, path.Dir(target), append(stack[:len(stack):len(stack)], target), depth+1); err != nil {
			return nil, err
		}
	}
	l.cache[verb+target] = got
	return got, l.grow(n, got.size)
}

func (l *loader) grow(n *node, size int) error {
	if l.nodes += size; l.nodes > 2*maxNodes {
		return problemAt(n, "", "the document is too large with its imports; %d values are allowed", maxNodes)
	}
	return nil
}

// messageOf gives the sentence of an error without the operation.
func messageOf(err error) string {
	if e, ok := err.(*fringe.Error); ok && e.Message != "" {
		return e.Message
	}
	return err.Error()
}
