package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"fringe"
	"fringe/client"
)

// callOptions are what the command line says of a call beside its inputs.
type callOptions struct {
	inputs, outdir string
	async, fresh   bool
	labels         []string
	priority       int
	runID          string
	callback, key  string
	namespace      string
	misused        func(format string, args ...any) error // says that the command line is wrong
}

// ofJob gives the first flag that says something of a job, and nothing of the call
// of a service that is none.
func (o *callOptions) ofJob() string {
	switch {
	case len(o.labels) > 0:
		return "--label"
	case o.priority != 0:
		return "--priority"
	case o.runID != "":
		return "--run-id"
	case o.callback != "":
		return "--callback"
	case o.key != "":
		return "--idempotency-key"
	}
	return ""
}

// header gives the options that travel with the request.
func (o *callOptions) header() http.Header {
	h := http.Header{"Accept": {"application/json"}}
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	for _, l := range o.labels {
		h.Add("X-Fringe-Label", l)
	}
	if o.priority != 0 {
		h.Set("X-Fringe-Priority", strconv.Itoa(o.priority))
	}
	if o.fresh {
		h.Set("Cache-Control", "no-cache")
	}
	set("X-Fringe-Run-Id", o.runID)
	set("X-Callback-Url", o.callback)
	set("Idempotency-Key", o.key)
	set("X-Fringe-Namespace", o.namespace)
	return h
}

func (a *app) callCommand() *cobra.Command {
	var o callOptions
	c := &cobra.Command{
		Use:   "call NAME [input=value …]",
		Short: "Call a function and wait for its answer",
		Long: `Call a function and wait for its answer.

A value is text that the function's interface gives its type: numbers, true or
false, comma-separated lists, JSON for records. For a file or a directory write
the name of a dataset (scope:name), a path on this machine, or a URL. A path is
used in place when the site is on this machine and sent up otherwise.

The answer is the output object. With -o its files are brought to a directory.
A task is a job: it goes on when you leave. With --async its id is printed at
once; see 'fringe job'.`,
		Example: `  fringe call gaussian-blur image=galaxy.fits sigma=3 -o out
  fringe call wsclean ms=user:m87.ms size=1024 scale=0.12masec niter=2000
  fringe call wsclean --inputs job.json --async --label survey=m87`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.callWords,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.async && o.outdir != "":
				return wrong(cmd, "--async and --outdir cannot be given together; bring the files with: fringe job results ID -o DIR")
			case o.inputs != "" && len(args) > 1:
				return wrong(cmd, "give the inputs either with --inputs or as input=value, not both")
			}
			for _, v := range args[1:] {
				if !strings.Contains(v, "=") {
					return wrong(cmd, "%q is not of the form input=value", v)
				}
			}
			o.misused = func(format string, args ...any) error { return wrong(cmd, format, args...) }
			return a.call(cmd.Context(), args[0], args[1:], &o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.outdir, "outdir", "o", "", "bring the files of the answer to this directory")
	f.StringVar(&o.inputs, "inputs", "", "file with the CWL input object as JSON ('-' is standard input)")
	f.BoolVar(&o.async, "async", false, "print the job's id and do not wait")
	f.BoolVar(&o.fresh, "fresh", false, "run it even when the store has the answer")
	f.StringArrayVar(&o.labels, "label", nil, "label the job, NAME=VALUE; may be repeated")
	f.IntVar(&o.priority, "priority", 0, "from -100 to 100; higher goes first among your own jobs")
	f.StringVar(&o.runID, "run-id", "", "your own name for the job")
	f.StringVar(&o.namespace, "namespace", "", "the project that the job counts for (default that of your token)")
	f.StringVar(&o.callback, "callback", "", "URL that gets the result when the job has ended")
	f.StringVar(&o.key, "idempotency-key", "", "the same key again gives the same job")
	return c
}

// call calls a function: a service by one request, a task, or anything with
// --async, as a job.
func (a *app) call(ctx context.Context, name string, values []string, o *callOptions) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	fn, err := client.Get[client.Function](ctx, cl, "/api/v1/functions/"+client.EscapePath(name), nil)
	if err != nil {
		return err
	}
	durable := o.async || fn.Shape == fringe.Task
	if flag := o.ofJob(); flag != "" && !durable {
		return o.misused("%s says something of a job, and %s is a service: its call is a job with --async", flag, fn.Name)
	}
	req, form, err := a.callRequest(ctx, cl, fn, values, o)
	if err != nil {
		return err
	}
	spin := a.spin(ctx, "calling "+name)
	if form != nil {
		req.Body = form.body(spin)
	}
	if durable {
		req.Path = "/async-function/" + client.EscapePath(name)
		j, err := client.Upload[client.Job](ctx, cl, req)
		spin.stop()
		if err != nil {
			return err
		}
		return a.await(ctx, cl, &j, fn, o)
	}
	req.Path = "/function/" + client.EscapePath(name)
	res, err := cl.Do(ctx, req)
	spin.stop()
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if strings.TrimSpace(strings.SplitN(res.Header.Get("Content-Type"), ";", 2)[0]) != "application/json" {
		_, err := io.Copy(a.stdout, res.Body)
		return err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fringe.Errorf("call", fringe.Unavailable, "the answer was cut short: %w", err)
	}
	var outputs any
	if err := fringe.Unmarshal(body, &outputs); err != nil {
		return fringe.Errorf("call", fringe.Unavailable, "the answer is not JSON: %w", err)
	}
	if o.outdir != "" {
		if err := a.bring(ctx, cl, outputs, o.outdir); err != nil {
			return err
		}
	}
	return a.printOutputs(outputs, fn.Outputs, fmt.Sprintf("call %s  %s", res.Header.Get("X-Call-Id"), timingText(res.Header.Get("Server-Timing"))))
}

// await waits for the job of a call, unless that is asynchronous.
func (a *app) await(ctx context.Context, cl *client.Client, j *client.Job, fn client.Function, o *callOptions) error {
	if o.async {
		return a.printAccepted(j)
	}
	ended, err := a.follow(ctx, cl, j.ID, "calling "+string(fn.Name))
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintf(a.stderr, "fringe: the job goes on; wait for it with 'fringe job wait %s'\n", j.ID)
			return exitCode(1)
		}
		return err
	}
	return a.printEnded(ctx, cl, &ended, fn.Outputs, o.outdir)
}

// callRequest makes the request but for its path: the input object as JSON, or
// name=value pairs as a form, which is its body then, whose text the site gives types.
func (a *app) callRequest(ctx context.Context, cl *client.Client, fn client.Function, values []string, o *callOptions) (client.Request, *callForm, error) {
	req := client.Request{Method: "POST", Header: o.header()}
	if o.inputs != "" {
		f, err := os.Stdin, error(nil)
		if o.inputs != "-" {
			if f, err = os.Open(o.inputs); err != nil {
				return req, nil, fringe.Errorf("call", fringe.NotFound, "%w", err)
			}
		}
		req.Body = f
		req.Header.Set("Content-Type", "application/json")
		return req, nil, nil
	}
	parts, err := a.formOf(ctx, cl, fn, values)
	if err != nil {
		return req, nil, err
	}
	form := newCallForm(parts)
	req.Header.Set("Content-Type", form.to.FormDataContentType())
	return req, form, nil
}

type formPart struct {
	name, text, file string
}

// callForm is the inputs of a call as they go to the site.
type callForm struct {
	parts []formPart
	to    *multipart.Writer
	from  *io.PipeReader
	pipe  *io.PipeWriter
}

func newCallForm(parts []formPart) *callForm {
	f := &callForm{parts: parts}
	f.from, f.pipe = io.Pipe()
	f.to = multipart.NewWriter(f.pipe)
	return f
}

// body begins to write the form, and shows by spin how much of a file is sent.
func (f *callForm) body(spin *spinner) io.Reader {
	go func() { f.pipe.CloseWithError(f.write(spin)) }()
	return f.from
}

func (f *callForm) write(spin *spinner) error {
	mw := f.to
	for _, p := range f.parts {
		if p.file == "" {
			if err := mw.WriteField(p.name, p.text); err != nil {
				return err
			}
			continue
		}
		w, err := mw.CreateFormFile(p.name, filepath.Base(p.file))
		if err != nil {
			return err
		}
		if err := send(w, p.file, spin); err != nil {
			return err
		}
	}
	return mw.Close()
}

// send writes a file to w and shows by spin how much of it is sent.
func send(w io.Writer, file string, spin *spinner) error {
	src, err := os.Open(file)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	before := spin.text()
	p := client.Progress{Step: "sending " + filepath.Base(file)}
	sent := int64(0)
	_, err = io.Copy(io.MultiWriter(w, writer(func(b []byte) {
		sent += int64(len(b))
		p.Fraction = float64(sent) / float64(max(info.Size(), 1))
		spin.say(progressText(&p))
	})), src)
	spin.say(before)
	return err
}

// writer is a writer that takes everything.
type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

func (a *app) formOf(ctx context.Context, cl *client.Client, fn client.Function, values []string) ([]formPart, error) {
	types := map[string]string{}
	for _, p := range fn.Inputs {
		types[p.Name] = p.Type
	}
	var form []formPart
	for _, v := range values {
		name, text, _ := strings.Cut(v, "=")
		t := types[name]
		if !strings.Contains(t, "File") && !strings.Contains(t, "Directory") {
			form = append(form, formPart{name: name, text: text})
			continue
		}
		parts, err := a.dataParts(ctx, cl, name, t, text)
		if err != nil {
			return nil, err
		}
		form = append(form, parts...)
	}
	return form, nil
}

// dataParts turns the text of a file or directory input into form parts.
func (a *app) dataParts(ctx context.Context, cl *client.Client, name, typ, text string) ([]formPart, error) {
	items := []string{text}
	if strings.Contains(typ, "[]") {
		items = strings.Split(text, ",")
	}
	var refs []string
	var form []formPart
	for _, item := range items {
		info, err := os.Stat(item)
		switch {
		case err != nil && strings.ContainsAny(item, ":"):
			refs = append(refs, item)
		case err != nil:
			return nil, &fringe.Error{Op: "call", Kind: fringe.NotFound, Pointer: "/" + name,
				Message: fmt.Sprintf("there is no file or directory %q here, and it is not the name of a dataset (scope:name)", item),
				Cure:    "see the datasets of the site with: fringe data list"}
		case a.local(cl):
			abs, err := filepath.Abs(item)
			if err != nil {
				return nil, err
			}
			refs = append(refs, (&url.URL{Scheme: "file", Path: abs}).String())
		case info.IsDir():
			did, err := a.sendUp(ctx, cl, item)
			if err != nil {
				return nil, err
			}
			refs = append(refs, did)
		default:
			form = append(form, formPart{name: name, file: item})
		}
	}
	if len(refs) > 0 {
		form = append(form, formPart{name: name, text: strings.Join(refs, ",")})
	}
	return form, nil
}

// local says whether the site is on this machine and knows us as its operator,
// so that it may use our files in place.
func (a *app) local(cl *client.Client) bool {
	u, err := url.Parse(a.set.URL)
	if err != nil || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" && u.Hostname() != "::1" {
		return false
	}
	info, err := client.Get[client.Info](context.Background(), cl, "/api/v1/info", nil)
	return err == nil && info.Principal.Role == fringe.Operator
}

// printOutputs writes the output object, with the units that the interface
// says, and a note on the call.
func (a *app) printOutputs(outputs any, of []client.Parameter, note string) error {
	return a.print(outputs, func(w io.Writer) {
		o, ok := outputs.(map[string]any)
		if !ok {
			b, _ := json.MarshalIndent(outputs, "", "  ")
			fmt.Fprintf(w, "%s\n", b)
			return
		}
		names := make([]string, 0, len(o))
		for n := range o {
			names = append(names, n)
		}
		sort.Strings(names)
		table(w, "OUTPUT VALUE", func(row func(...any)) {
			for _, n := range names {
				if o[n] != nil {
					row(n, brief(o[n])+unitText(of, n, o[n]))
				}
			}
		})
		fmt.Fprintf(w, "\n%s\n", note)
	})
}

// unitText gives the unit of an output that has a value, after a space.
func unitText(of []client.Parameter, name string, value any) string {
	for _, p := range of {
		if p.Name == name && p.Unit != "" && value != nil {
			return " " + p.Unit
		}
	}
	return ""
}

// brief gives an output value in one line.
func brief(v any) string {
	switch v := v.(type) {
	case map[string]any:
		if c, _ := v["class"].(string); c == "File" || c == "Directory" {
			at, _ := v["path"].(string)
			if at == "" {
				at, _ = v["location"].(string)
			}
			if size, ok := v["size"].(json.Number); ok {
				if n, err := size.Int64(); err == nil {
					return fmt.Sprintf("%s  (%s)", at, fringe.SizeText(n))
				}
			}
			return at
		}
	case []any:
		if len(v) > 0 {
			if _, ok := v[0].(map[string]any); ok {
				var s []string
				for _, x := range v {
					s = append(s, brief(x))
				}
				return strings.Join(s, ", ")
			}
		}
	case string:
		return v
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// timingText turns a Server-Timing header into "queue 0.1 ms, start 3 ms, …".
func timingText(h string) string {
	var out []string
	for part := range strings.SplitSeq(h, ",") {
		name, rest, ok := strings.Cut(strings.TrimSpace(part), ";dur=")
		if !ok {
			continue
		}
		d, err := time.ParseDuration(rest + "ms")
		if err != nil {
			continue
		}
		out = append(out, name+" "+durationText(d))
	}
	return strings.Join(out, ", ")
}

func durationText(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	s := strings.TrimSuffix(d.Round(time.Second).String(), "m0s")
	if h, ok := strings.CutSuffix(s, "h0"); ok {
		return h + "h"
	} else if !strings.HasSuffix(s, "s") {
		return s + "m"
	}
	return s
}

// bring downloads every file and directory of the output object into dir and
// notes its path in the object.
func (a *app) bring(ctx context.Context, cl *client.Client, v any, dir string) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := a.bring(ctx, cl, x, dir); err != nil {
				return err
			}
		}
	case map[string]any:
		class, _ := v["class"].(string)
		location, _ := v["location"].(string)
		if class != "File" && class != "Directory" || location == "" {
			for _, x := range v {
				if err := a.bring(ctx, cl, x, dir); err != nil {
					return err
				}
			}
			return nil
		}
		base, _ := v["basename"].(string)
		path, err := a.fetch(ctx, cl, location, dir, base)
		if err != nil {
			return err
		}
		v["path"] = path
		return a.bring(ctx, cl, v["secondaryFiles"], dir)
	}
	return nil
}

// fetch downloads a dataset to dir/base and gives the path.
func (a *app) fetch(ctx context.Context, cl *client.Client, did, dir, base string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	res, err := cl.Do(ctx, client.Request{Method: "GET", Path: "/api/v1/content/" + client.EscapePath(did)})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	path := filepath.Join(dir, filepath.Base("/"+base))
	body, done := a.bar(res.Body, res.ContentLength, base)
	defer done()
	if res.Header.Get("Content-Type") == "application/x-tar" {
		return path, untar(body, path)
	}
	tmp, err := os.CreateTemp(dir, ".fringe-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	if _, err := io.Copy(tmp, body); err != nil {
		tmp.Close()
		return "", fringe.Errorf("fetch", fringe.Unavailable, "%s was cut short: %w", did, err)
	}
	if err := tmp.Close(); err != nil {
		return "", err
	}
	if err := os.Chmod(tmp.Name(), 0o644); err != nil {
		return "", err
	}
	return path, os.Rename(tmp.Name(), path)
}

// bar shows on a terminal how much of r has been read; size is -1 when it is
// not known. done ends the show.
func (a *app) bar(r io.Reader, size int64, name string) (shown io.Reader, done func()) {
	if !terminal(a.stderr) || a.json {
		return r, func() {}
	}
	bar := progressbar.DefaultBytes(size, name)
	return io.TeeReader(r, bar), func() { bar.Close() }
}

// untar unpacks a directory dataset to path, which must not exist: what is
// below the archive's one directory, whatever that is called. os.Root keeps
// every entry below path.
func untar(r io.Reader, path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return fringe.Errorf("fetch", fringe.Conflict, "%w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fringe.Errorf("fetch", fringe.Unavailable, "the directory was cut short: %w", err)
		}
		_, name, _ := strings.Cut(filepath.Clean(h.Name), "/")
		if name == "" {
			continue
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeReg:
			err = writeEntry(root, name, tr)
		}
		if err != nil {
			return err
		}
	}
}

func writeEntry(root *os.Root, name string, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// spinner shows on a terminal that something goes on, and for how long. Where
// there is none it is nil and says nothing.
type spinner struct {
	now  atomic.Pointer[string]
	end  func()
	done chan struct{}
}

// spin starts a spinner with the text; stop ends it.
func (a *app) spin(ctx context.Context, text string) *spinner {
	if !terminal(a.stderr) || a.json {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &spinner{end: cancel, done: make(chan struct{})}
	s.say(text)
	go func() {
		defer close(s.done)
		begin := time.Now()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				fmt.Fprint(a.stderr, "\r\033[K")
				return
			case <-tick.C:
				fmt.Fprintf(a.stderr, "\r\033[K%c %s  %s", `|/-\`[i%4], s.text(), time.Since(begin).Round(100*time.Millisecond))
			}
		}
	}()
	return s
}

// say changes the text; what would steer the terminal is left out of it.
func (s *spinner) say(text string) {
	if s != nil {
		text = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, text)
		s.now.Store(&text)
	}
}

// text gives the text as it is now.
func (s *spinner) text() string {
	if s == nil {
		return ""
	}
	return *s.now.Load()
}

func (s *spinner) stop() {
	if s != nil {
		s.end()
		<-s.done
	}
}
