package catalogue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fringe"
	"fringe/archive"
	"fringe/cwl"
	"fringe/store"
)

// The files that make a directory a function.
const (
	cwlFile    = "function.cwl"
	pythonFile = "function.py"
)

// PublishRequest asks for a function to be published. One of Dir and File is
// set.
type PublishRequest struct {
	Dir  string // a directory with a function.cwl or a function.py
	File string // a bare .cwl or .py file
	Name string // of the function; empty: the directory's, or the id of a bare document, or else the file's
	By   string // the principal's name

	byID bool // the document's id is the name when it has one
}

// Publish makes an immutable version of a function. Publishing the same content
// again gives the version that is there. What is wrong with the function is one
// error of kind Invalid that has all problems, as cwl.Problems too; a version
// that has other content already is a Conflict that names the files that differ.
func (c *Catalogue) Publish(ctx context.Context, req PublishRequest) (Published, error) {
	const op = "catalogue.Publish"
	tmp, err := os.MkdirTemp(c.path("tmp"), "publish-")
	if err != nil {
		return Published{}, disk(op, c.dir, err)
	}
	defer os.RemoveAll(tmp)
	p := &publication{c: c, by: req.By, dir: filepath.Join(tmp, "content")}
	err = p.stage(ctx, req)
	if err == nil {
		if v := c.same(ctx, p.name, p.digest); v != nil {
			return Published{Version: v}, nil
		}
		err = p.describe(ctx)
	}
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return Published{}, p.explain(err)
	}
	return c.commit(ctx, p)
}

// publication is one publishing under way.
type publication struct {
	c       *Catalogue
	by      string
	name    string // of the function
	byID    bool   // the document's id is the name when it has one
	bare    string // the base name of a bare file; empty for a directory
	dir     string // the copied content
	file    string // in it
	digest  fringe.Digest
	env     fringe.EnvironmentName // in which derived was made
	derived []byte                 // the derived document; nil when file is one
	v       *Version
}

// stage copies the content.
func (p *publication) stage(ctx context.Context, req PublishRequest) error {
	if err := p.takeName(req); err != nil {
		return err
	}
	from := req.Dir
	if from == "" {
		bare, err := p.wrapFile(req.File)
		if err != nil {
			return err
		}
		defer os.RemoveAll(bare)
		from = bare
	}
	switch info, err := os.Stat(from); {
	case err != nil || !info.IsDir():
		return fringe.Errorf("catalogue.Publish", fringe.NotFound, "%s is not a directory that can be read", from)
	case exists(from, cwlFile) && exists(from, pythonFile):
		return cwl.Problems{{File: filepath.Base(from), Message: "there are both a function.cwl and a function.py", Cure: "keep one; a Python program that function.cwl runs needs another name"}}
	case exists(from, cwlFile):
		p.file = cwlFile
	case exists(from, pythonFile):
		p.file = pythonFile
	default:
		return cwl.Problems{{File: filepath.Base(from), Message: "there is no function.cwl and no function.py", Cure: "give a directory with one of them, or a .cwl or .py file"}}
	}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		return err
	}
	var err error
	p.digest, err = copyContent(ctx, from, p.dir)
	return err
}

// takeName finds the function's name, as far as the request tells it.
func (p *publication) takeName(req PublishRequest) error {
	p.name, p.byID = req.Name, req.byID
	if req.File != "" {
		p.bare = filepath.Base(req.File)
	}
	if p.name != "" {
		return nil
	}
	if req.Dir == "" {
		p.name, p.byID = strings.TrimSuffix(p.bare, filepath.Ext(p.bare)), true
		return nil
	}
	abs, err := filepath.Abs(req.Dir)
	p.name = filepath.Base(abs)
	return err
}

// wrapFile makes a directory of a bare file.
func (p *publication) wrapFile(file string) (string, error) {
	name := map[string]string{".cwl": cwlFile, ".py": pythonFile}[filepath.Ext(file)]
	if name == "" {
		return "", cwl.Problems{{File: file, Message: "it is not a function", Cure: "give a directory with a function.cwl or function.py, or a .cwl or .py file"}}
	}
	if !exists(filepath.Dir(file), filepath.Base(file)) {
		return "", &fringe.Error{Op: "catalogue.Publish", Kind: fringe.NotFound, Component: fringe.Catalogue, Message: file + " is not a file", Cure: "give a .cwl or .py file that is there"}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", &fringe.Error{Op: "catalogue.Publish", Kind: fringe.NotFound, Component: fringe.Catalogue, Message: file + " cannot be read", Err: err}
	}
	bare := filepath.Join(filepath.Dir(p.dir), "bare")
	if err := os.Mkdir(bare, 0o755); err != nil {
		return "", err
	}
	return bare, os.WriteFile(filepath.Join(bare, name), data, 0o644)
}

func exists(dir, file string) bool {
	info, err := os.Stat(filepath.Join(dir, file))
	return err == nil && info.Mode().IsRegular()
}

// same gives the version of a function that has this very content; nil when
// there is none, or when its content is damaged, so that publishing puts it back.
func (c *Catalogue) same(ctx context.Context, name string, digest fringe.Digest) *Version {
	c.mu.RLock()
	var found *release
	if f := c.idx.families[name]; f != nil {
		for _, r := range f.releases {
			if r.digest == digest {
				found = r
			}
		}
	}
	c.mu.RUnlock()
	if found == nil {
		return nil
	}
	v, err := c.Resolve(ctx, name+"@"+found.version.text)
	if err != nil || !intact(ctx, v.Dir, digest) {
		return nil
	}
	return v
}

// describe parses the interface, deriving it first when it is Python.
func (p *publication) describe(ctx context.Context) error {
	if p.file == pythonFile {
		if err := p.derive(ctx); err != nil {
			return err
		}
	}
	tool, err := parseTool(p.dir, p.file, p.derived)
	if err != nil {
		return err
	}
	p.v = assemble(tool, p)
	return nil
}

// derive makes the CWL document of a Python handler, in its environment.
func (p *publication) derive(ctx context.Context) error {
	if p.c.cfg.Derive == nil {
		return fringe.Errorf("catalogue.Publish", fringe.Unavailable, "this catalogue cannot derive the interface of a Python handler")
	}
	src, err := os.ReadFile(filepath.Join(p.dir, p.file))
	if err != nil {
		return err
	}
	env, line := pythonEnvironment(src)
	if problem := p.c.environmentProblem(env); problem != nil {
		problem.File, problem.Line = p.file, line
		return cwl.Problems{*problem}
	}
	p.env = env
	p.derived, err = p.c.cfg.Derive(ctx, env, p.dir, p.file)
	return err
}

// environmentProblem says what is wrong with a function's environment; nil when
// it can be used.
func (c *Catalogue) environmentProblem(name fringe.EnvironmentName) *cwl.Problem {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if _, ok := c.idx.environments[name]; ok || name == "" {
		return nil
	}
	there := "none is built yet"
	if names := c.idx.environmentNames(); names != nil {
		there = "there are " + strings.Join(names, ", ")
	}
	return &cwl.Problem{Message: fmt.Sprintf("the environment %.64q is not built at this site", name),
		Cure: "build it first: fringe env build PATH; " + there}
}

// assemble makes the version of a parsed interface.
func assemble(tool *cwl.Tool, p *publication) *Version {
	v := &Version{Tool: tool, By: p.by, Published: time.Now().UTC().Truncate(time.Millisecond)}
	v.Name, v.Digest = fringe.FunctionName(p.name), p.digest
	if id := strings.TrimPrefix(tool.ID, "#"); p.byID && id != "" && id != "main" {
		v.Name = fringe.FunctionName(id)
	}
	v.Shape, v.Contract = fringe.Task, fringe.Exec
	if h := tool.Function; h != nil {
		v.Version, v.Environment, v.Shape, v.Contract = h.Version, h.Environment, h.Shape, h.Contract
		v.Handler, v.Command, v.Raw, v.Warm, v.Durable = h.Handler, h.Command, h.Raw, h.Warm, h.Durable
	}
	if v.Environment == "" && p.derived != nil {
		v.Environment = defaultPython
	}
	v.Limits, v.Network = tool.Limits(), tool.Network()
	v.Doc = docOf(tool)
	return v
}

// docOf reads the description.
func docOf(tool *cwl.Tool) Doc {
	d := Doc{Summary: tool.Label, Text: strings.TrimSpace(tool.Doc)}
	if d.Summary == "" {
		d.Summary, _, _ = strings.Cut(d.Text, "\n")
	}
	d.Summary = clip(strings.Join(strings.Fields(d.Summary), " "))
	ext := tool.Extensions
	d.Author, d.Citation, d.License, d.CodeRepository = words(ext["s:author"]), words(ext["s:citation"]), words(ext["s:license"]), words(ext["s:codeRepository"])
	switch k := ext["s:keywords"].(type) {
	case []any:
		for _, e := range k {
			d.Keywords = append(d.Keywords, words(e))
		}
	case string:
		for e := range strings.SplitSeq(k, ",") {
			d.Keywords = append(d.Keywords, strings.TrimSpace(e))
		}
	}
	if example := ext["fringe:example"]; example != nil {
		d.Example, _ = json.Marshal(example)
	}
	return d
}

// clip ends a summary after a word when it is longer than a list can show.
func clip(s string) string {
	const most = 200
	letters := []rune(s)
	if len(letters) <= most {
		return s
	}
	s = string(letters[:most])
	if i := strings.LastIndexByte(s, ' '); i > most/2 {
		s = s[:i]
	}
	return s + "…"
}

// words gives a schema.org value as text: a string, a list of them, or an
// object with a name.
func words(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, words(e))
		}
		return strings.Join(out, "; ")
	case map[string]any:
		for _, k := range []string{"s:name", "name", "s:identifier", "@id", "id"} {
			if s := words(v[k]); s != "" {
				return s
			}
		}
		return ""
	}
	return fmt.Sprint(v)
}

// check finds what a valid document can still have wrong as a function.
func (p *publication) check() error {
	v := p.v
	var problems cwl.Problems
	wrong := func(cure, format string, args ...any) {
		problems = append(problems, cwl.Problem{File: p.file, Message: fmt.Sprintf(format, args...), Cure: cure})
	}
	if !functionRE.MatchString(string(v.Name)) {
		wrong("name the directory, or the id of a bare document, with 1 to 63 lower-case letters, digits and hyphens, no hyphen first or last", "%.100q is not a name of a function", v.Name)
	}
	if _, ok := parseVersion(v.Version); v.Version == "" {
		wrong("add hints: {fringe:Function: {version: 1.0.0}} and $namespaces: {fringe: \"urn:fringe:ns#\"}", "the document has no version")
	} else if !ok {
		wrong("write three numbers: 1.0.0", "the version %.64q is not a semantic version", v.Version)
	}
	if problem := p.c.environmentProblem(v.Environment); problem != nil {
		problem.File = p.file
		problems = append(problems, *problem)
	} else if env, _ := p.c.lookup(v.Environment); v.Contract == fringe.Python && env.Python == "" {
		wrong("name an environment with Python, or write python: \"3\" in its environment.yaml and build it again", "the contract python needs Python, which the environment %q has not", v.Environment)
	}
	if p.derived != nil && v.Environment != p.env {
		wrong(fmt.Sprintf("write \"environment\": %q itself into FRINGE = {…}, not an expression", v.Environment), "the environment that FRINGE names cannot be read without running the file")
	}
	checkContract(v, wrong)
	if v.Contract == fringe.Python {
		if module, name, ok := strings.Cut(v.Handler, ":"); !ok || name == "" || !moduleThere(p.dir, module) {
			wrong("add handler: MODULE:NAME to the fringe:Function hint, where MODULE.py is in the function's directory", "the handler %.100q is not in the directory", v.Handler)
		}
	}
	if problems != nil {
		return problems
	}
	return nil
}

// checkContract finds what of the shape, the contract and its settings does not
// fit together.
func checkContract(v *Version, wrong func(cure, format string, args ...any)) {
	stays := v.Contract == fringe.HTTP || v.Contract == fringe.Worker
	switch {
	case stays && len(v.Command) == 0:
		wrong("add command: [PROGRAM, ARGUMENT…] to the fringe:Function hint", "the contract %s needs the program that takes the calls", v.Contract)
	case stays && v.Shape != fringe.Service:
		wrong("write shape: service", "a function of the contract %s is a service", v.Contract)
	case !stays && len(v.Command) > 0:
		wrong("remove command, or write contract: http or worker", "a command is for the contracts http and worker; that of this function is %s", v.Contract)
	case v.Contract == fringe.Worker && v.Raw:
		wrong("remove raw, or write contract: http", "a worker takes input objects, not the HTTP request itself")
	case v.Contract == fringe.Exec && v.Shape == fringe.Service:
		wrong("write shape: task, or use the contract python, http or worker", "a command line cannot be a service")
	case v.Contract == fringe.Exec && v.Raw:
		wrong("remove raw, or use the contract python or http", "a command line cannot take the HTTP request itself")
	case v.Raw && v.Shape != fringe.Service:
		wrong("write shape: service", "a function that takes the HTTP request itself is a service")
	case v.Durable && v.Shape != fringe.Task:
		wrong("remove durable, or write shape: task", "a service cannot be durable")
	}
	w := v.Warm
	if w.Max > 0 && w.Min > w.Max {
		wrong("make min at most max", "warm.min is %d and warm.max is %d", w.Min, w.Max)
	}
	if min(w.Min, w.Max, w.Concurrency, w.Queue) < 0 || w.Idle < 0 {
		wrong("write numbers from 0 on", "warm has a negative number")
	}
}

func moduleThere(dir, module string) bool {
	at := strings.ReplaceAll(module, ".", "/")
	return filepath.IsLocal(at) && (exists(dir, at+".py") || exists(dir, at+"/__init__.py"))
}

// explain gives an error of validation its sentence, with the paths as the
// author knows them.
func (p *publication) explain(err error) error {
	const op = "catalogue.Publish"
	var problems cwl.Problems
	var unsupported *cwl.Unsupported
	var fe *fringe.Error
	switch {
	case errors.As(err, &problems):
	case errors.As(err, &unsupported):
		problems = cwl.Problems{{File: unsupported.File, Line: unsupported.Line, Message: unsupported.What + " is not supported", Cure: unsupported.Cure}}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &fe):
		return fringe.E(op, err)
	default:
		return disk(op, p.c.dir, err)
	}
	mine := p.located(problems)
	what := "is a problem"
	if len(mine.list) > 1 {
		what = fmt.Sprintf("are %d problems", len(mine.list))
	}
	return &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Catalogue, Err: mine,
		Message: fmt.Sprintf("%s is not published; there %s:\n%s", p.name, what, mine.Error())}
}

// located gives the problems with the paths as the author knows them.
func (p *publication) located(problems cwl.Problems) refusal {
	mine := make(cwl.Problems, len(problems))
	for i, q := range problems {
		q.File = strings.TrimPrefix(strings.ReplaceAll(q.File, p.dir+"/", ""), "file://")
		q.Message = strings.ReplaceAll(q.Message, p.dir+"/", "")
		if p.bare != "" && q.File == p.file {
			q.File = p.bare
		}
		mine[i] = q
	}
	return refusal{mine}
}

// refusal is what is wrong with a function, a line each.
type refusal struct{ list cwl.Problems }

// Error gives FILE:LINE: MESSAGE — CURE for each problem.
func (r refusal) Error() string {
	var lines []string
	for _, q := range r.list {
		line := q.Message
		switch {
		case q.File != "" && q.Line > 0:
			line = fmt.Sprintf("%s:%d: %s", q.File, q.Line, line)
		case q.File != "":
			line = q.File + ": " + line
		}
		if q.Cure != "" {
			line += " — " + q.Cure
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (r refusal) Unwrap() error { return r.list }

// commit puts the content in its place and the version into the store.
func (c *Catalogue) commit(ctx context.Context, p *publication) (Published, error) {
	const op = "catalogue.Publish"
	c.publishing.Lock()
	defer c.publishing.Unlock()
	v := p.v
	if problem := c.environmentProblem(v.Environment); problem != nil { // removed meanwhile
		problem.File = p.file
		return Published{}, p.explain(cwl.Problems{*problem})
	}
	old := c.release(v)
	if old != nil && old.digest != v.Digest {
		return Published{}, c.conflict(ctx, old, p)
	}
	if err := c.place(ctx, p.dir, v.Digest); err != nil {
		return Published{}, disk(op, c.dir, err)
	}
	if old == nil {
		if err := c.cfg.Store.Update(ctx, func(tx *store.Tx) error { return insertTx(tx, v, p) }); err != nil {
			c.sweep(v.Digest)
			return Published{}, fringe.E(op, err)
		}
		c.mu.Lock()
		c.idx.add(newRelease(v))
		c.mu.Unlock()
		c.cfg.Log.Info("published", "function", v.Ref(), "digest", v.Digest, "principal", v.By)
	}
	// It is published, whatever becomes of the caller.
	v, err := c.Resolve(context.WithoutCancel(ctx), v.Ref())
	if err != nil {
		return Published{}, err
	}
	return Published{Version: v, Created: old == nil}, nil
}

// release gives the release of a version's name and number; nil when there is
// none.
func (c *Catalogue) release(v *Version) *release {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if f := c.idx.families[string(v.Name)]; f != nil {
		return f.version(v.Version)
	}
	return nil
}

func insertTx(tx *store.Tx, v *Version, p *publication) error {
	function, err := json.Marshal(&v.Function)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(&v.Doc)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO catalogue_versions (name, version, digest, file, function, doc, interface, published, publisher)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(v.Name), v.Version, string(v.Digest), p.file, string(function), string(doc), p.derived, v.Published.UnixMilli(), v.By)
	return err
}

// conflict says how the content differs from what is published.
func (c *Catalogue) conflict(ctx context.Context, old *release, p *publication) error {
	c.mu.RLock()
	releases := c.idx.families[old.name].releases
	highest := releases[len(releases)-1].version
	c.mu.RUnlock()
	return &fringe.Error{Op: "catalogue.Publish", Kind: fringe.Conflict, Component: fringe.Catalogue,
		Message: fmt.Sprintf("%s@%s is published with other content (%s), and a version never changes", old.name, old.version.text,
			strings.Join(differences(ctx, c.content(old.digest), p.dir), ", ")),
		Cure: "raise the version, for example to " + highest.next()}
}

// PublishArchive publishes the function in a tar archive, gzipped or not: a
// directory with a function.cwl or function.py, or one .cwl or .py file.
func (c *Catalogue) PublishArchive(ctx context.Context, r io.Reader, by string) (Published, error) {
	const op = "catalogue.PublishArchive"
	tmp, err := os.MkdirTemp(c.path("tmp"), "archive-")
	if err != nil {
		return Published{}, disk(op, c.dir, err)
	}
	defer os.RemoveAll(tmp)
	if err := archive.Untar(ctx, &bounded{r: r}, tmp, archive.Limits{Bytes: maxContent, Entries: 2 * maxFiles}); err != nil {
		if ctx.Err() != nil {
			return Published{}, ctx.Err()
		}
		e := fringe.E(op, err)
		e.Component = fringe.Catalogue
		return Published{}, e
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return Published{}, disk(op, c.dir, err)
	}
	req := PublishRequest{By: by}
	switch {
	case len(entries) == 1 && entries[0].IsDir():
		req.Dir = filepath.Join(tmp, entries[0].Name())
	case len(entries) == 1:
		req.File = filepath.Join(tmp, entries[0].Name())
	default:
		return Published{}, &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Catalogue,
			Message: fmt.Sprintf("the archive has %d entries at its top", len(entries)), Cure: "pack one directory, named as the function, or one .cwl or .py file"}
	}
	return c.Publish(ctx, req)
}

// bounded reads at most maxContent bytes of an archive, and says so when there
// are more, or when the caller's own limit ends it there.
type bounded struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > maxContent || b.n == maxContent && err != nil && err != io.EOF {
		return n, &fringe.Error{Op: "catalogue.PublishArchive", Kind: fringe.TooLarge, Component: fringe.Catalogue, Err: err,
			Message: fmt.Sprintf("the archive has more than %d MiB", maxContent>>20), Cure: "keep large files as datasets, and name them as inputs"}
	}
	return n, err
}
